"""What every script does around its work: typed flags, and one line instead of a traceback.

def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=positive_int, ...)
    ...

if __name__ == "__main__":
    run(main)
"""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from mpt.errors import InputError

__all__ = [
    "ArgumentParser",
    "InputError",
    "call",
    "existing_directory",
    "existing_file",
    "int_at_least",
    "json_value",
    "non_negative_float",
    "non_negative_int",
    "positive_float",
    "positive_int",
    "run",
]


class ArgumentParser(argparse.ArgumentParser):
    """argparse without abbreviated flags, whose errors are an InputError instead of a page of usage."""

    def __init__(self, **options):
        """Take what argparse.ArgumentParser takes."""
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise InputError(message)."""
        raise InputError(message)


def run(main: Callable[[], None]) -> None:
    """Call main(); what the user or the machine got wrong becomes one line on stderr and exit status 2.

    An interrupt (exit 130) and SIGTERM (exit 143) unwind main(), so that its writers remove what they began.
    """
    signal.signal(signal.SIGTERM, _raise_exit)
    _log_start_up()
    try:
        main()
    except InputError as error:
        _stop(str(error), 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _stop(where + (error.strerror or str(error)), 2)
    except MemoryError as error:
        _stop(f"out of memory: {error}", 2)
    except KeyboardInterrupt:
        _stop("interrupted", 130)


def call(main: Callable[[], None], name: str, arguments: Iterable[object]) -> None:
    """Call the main() of another script of that name with these arguments; errors are raised."""
    own, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        main()
    finally:
        sys.argv = own


def _log_start_up() -> None:
    """Print how long the interpreter and the imports took, where the workflow's shell says when it began."""
    begin = os.environ.get("JOB_STARTED")
    if begin:
        # The shell writes the decimal separator of the locale.
        print(f"started in {time.time() - float(begin.replace(',', '.')):.3f} s", flush=True)


def _raise_exit(signum: int, frame) -> NoReturn:
    # A scheduler may send it again while the writers clean up.
    signal.signal(signum, signal.SIG_IGN)
    _stop("terminated", 128 + signum)


def _stop(message: str, status: int) -> NoReturn:
    print(f"{Path(sys.argv[0]).name}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)


def _number(text: str, kind: type, what: str, accept: Callable[[float], bool]):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not math.isfinite(value) or not accept(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def int_at_least(minimum: int) -> Callable[[str], int]:
    """Return a parser of integers ≥ minimum."""
    what = f"an integer of at least {minimum}"
    return lambda text: _number(text, int, what, lambda value: value >= minimum)


positive_int = int_at_least(1)
non_negative_int = int_at_least(0)


def positive_float(text: str) -> float:
    """Parse a finite number > 0."""
    return _number(text, float, "a finite number greater than 0", lambda value: value > 0)


def non_negative_float(text: str) -> float:
    """Parse a finite number ≥ 0."""
    return _number(text, float, "a finite number of at least 0", lambda value: value >= 0)


def json_value(text: str):
    """Parse JSON; - is that of standard input, which may be longer than an argument."""
    try:
        return json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error


def existing_file(text: str) -> Path:
    """Parse the path of a file that is there."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is a directory, not a file")
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return path


def existing_directory(text: str) -> Path:
    """Parse the path of a directory that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such directory")
    return path
