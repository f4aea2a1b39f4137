# What the jobs run in, for sites that use apptainer (profiles/README.md); the project itself is not in it.
FROM python:3.11-slim-bookworm

# The operation counts compile a plugin for an emulator and run the tracker under it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev qemu-user \
    && rm -rf /var/lib/apt/lists/*

# Build with --build-arg INDEX=URL where PyTorch's CPU build is to be had, to leave out 3 GB of CUDA.
ARG INDEX
COPY requirements.txt /tmp/
RUN pip install --no-cache-dir ${INDEX:+--extra-index-url "$INDEX"} --requirement /tmp/requirements.txt
