"""Model files and training checkpoints: written whole or not at all, read without running code from them."""

import io
import os
import pickle
import zipfile
from dataclasses import asdict
from pathlib import Path

import torch

from mpt.errors import InputError
from mpt.transformer.network import Network
from mpt.transformer.networks import NETWORKS, name_of

FORMAT = "multiple-particle-tracking transformer 4"


def save_model(path: str | os.PathLike, network: Network, parameters: dict) -> None:
    """Write a network with all its replicates and the parameters (plain JSON values) that made it."""
    write_whole(
        path,
        {
            "format": FORMAT,
            "kind": name_of(network),
            "architecture": asdict(network.architecture),
            "replicates": network.replicates,
            "parameters": parameters,
            "network": {name: tensor.cpu() for name, tensor in network.state_dict().items()},
        },
    )


def load_model(path: str | os.PathLike, device: torch.device) -> tuple[Network, dict]:
    """Return the network and the parameters that made it.

    Raises InputError, naming the file, if it is unreadable or not a model of this project.
    """
    contents = read_plain(path, device)
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise InputError(f"{path}: not a model file of this project")
    try:
        kind = NETWORKS[contents["kind"]]
        network = kind(kind.Architecture(**contents["architecture"]), contents["replicates"])
        network.load_state_dict(contents["network"])
        parameters = contents["parameters"]
    except (KeyError, TypeError, RuntimeError, InputError) as error:
        raise InputError(f"{path}: a damaged model file: {error}") from error
    return network.to(device).eval(), parameters


def write_whole(path: str | os.PathLike, contents: dict) -> None:
    """Write tensors and plain values beside `path`, then rename; the bytes depend on the contents only."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    # torch names the archive inside after the file; a buffer has no name.
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    try:
        part.write_bytes(buffer.getbuffer())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_plain(path: str | os.PathLike, device: torch.device):
    """Return what write_whole wrote; anything but tensors and plain values in the file is refused.

    Raises InputError, naming the file.
    """
    try:
        # torch.load does not look at the checksums.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise InputError(f"wrong checksum of {damaged}")
        return torch.load(path, map_location=device, weights_only=True)
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        OSError,
    ) as error:
        reason = str(error).split("\n")[0].split(". ")[0]
        raise InputError(f"{path}: not a readable model file: {reason}") from error
