"""Texts too long for a command, kept in files that are named by what is in them.

A job's command then changes when the text does, stays short on the screen, and can be run again by hand.
"""

import hashlib
import os
from pathlib import Path

# Beside Snakemake's own notes about the results: who deletes these deletes that.
PLACE = Path(".snakemake/plan")


def kept(text: str, suffix: str) -> str:
    """Return the path of a file with this text, below the results; write it if it is new."""
    content = text.encode()
    path = PLACE / f"{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_bytes(content)
        os.replace(part, path)
    return str(path)
