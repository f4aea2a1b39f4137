"""The recordings: from a file of another program to a test set, as simulate makes it."""

from planning.recordings import PREFIX, import_flags, recording_of


def recording(wildcards) -> dict:
    return CONFIG["recordings"][recording_of(wildcards.dataset)]


def recording_file(wildcards) -> str:
    return recording(wildcards)["path"]


def recording_flags(wildcards) -> str:
    return f"{flags(import_flags(recording(wildcards)))} --truth"


rule import_recording:
    input:
        recording=recording_file,
    output:
        truth="results/data/test/{dataset}/truth.parquet",
        initial="results/data/test/{dataset}/initial.parquet",
        measurements="results/data/test/{dataset}/measurements.parquet",
    log:
        "results/logs/import_recording/{dataset}.log",
    benchmark:
        "results/benchmarks/import_recording/{dataset}.tsv"
    wildcard_constraints:
        dataset=PREFIX + r"\w+",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sources=sources("import_detections.py"),
        flags=recording_flags,
        directory=subpath(output.truth, parent=True),
    message:
        "Import the recording {wildcards.dataset}"
    shell:
        "python {params.sources[0]:q} --input {input.recording:q} {params.flags} --output {params.directory:q}"
        " > {log:q} 2>&1"
