"""Floating-point operations that QEMU counts while it emulates the processor, instruction by instruction.

The plugin that counts (counting/arithmetic.c) is compiled here. The emulated program calls mark() where the
counts are to be noted.
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from mpt.operations.known_work import CannotCount

PLUGIN_SOURCE = Path(__file__).parents[2] / "counting/arithmetic.c"
EMULATOR = "qemu-x86_64"
COMPILERS = ("cc", "gcc", "clang")
# Of QEMU's plugin interface; each release accepts some of them. 1 is that of 4.2 to 8, and 6 that of 10.2.
INTERFACES = range(1, 10)
# No open file has this number; the plugin knows it.
_MARK = 0x464C4F50


def mark() -> None:
    """Note the counts so far, under emulation; otherwise do nothing."""
    with suppress(OSError):
        os.close(_MARK)


class Emulator:
    """QEMU with the plugin built in `directory`; raises CannotCount, saying why, where that is impossible."""

    def __init__(self, directory: Path):
        """Build the plugin and run a program under it."""
        if platform.system() != "Linux" or platform.machine() != "x86_64":
            raise CannotCount(f"QEMU emulates Linux on x86_64 on the same only, not on {platform.machine()}")
        emulator = shutil.which(EMULATOR)
        if emulator is None:
            raise CannotCount(f"{EMULATOR} is not installed (Debian: qemu-user)")
        self._emulator = emulator
        compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
        if compiler is None:
            raise CannotCount(f"no C compiler: none of {', '.join(COMPILERS)}")
        self._plugin, self._counts = directory / "arithmetic.so", directory / "counts"
        for interface in INTERFACES:
            build = [compiler, "-std=c11", "-O2", "-shared", "-fPIC", f"-DINTERFACE={interface}"]
            run([*build, "-o", self._plugin, PLUGIN_SOURCE])
            try:
                self.counts([shutil.which("true") or "true"])
                return
            except CannotCount as error:
                reason = error
        raise reason

    def counts(
        self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> np.ndarray:
        """Run a program; return the operations (marks, 2) in double and single precision at its marks.

        Raises CannotCount if the program fails.
        """
        emulator = [self._emulator, "-cpu", "max", "-plugin", f"{self._plugin},counts={self._counts}"]
        run([*emulator, *command], environment)
        return np.array(
            [line.split() for line in self._counts.read_text(encoding="utf-8").splitlines()], np.int64
        ).reshape(-1, 2)


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Run a program; raises CannotCount with its last line on stderr if it fails."""
    try:
        subprocess.run(
            command, check=True, capture_output=True, env=environment, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise CannotCount(str(error)) from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
        raise CannotCount(f"{Path(command[0]).name}: {last}") from error
