"""What every script does around its work: typed flags, and one line instead of a traceback.

def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=positive_int, ...)
    ...

if __name__ == "__main__":
    run(main)
"""

import argparse
import atexit
import json
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from mpt.errors import InputError

__all__ = [
    "ArgumentParser",
    "InputError",
    "existing_directory",
    "existing_file",
    "fraction",
    "int_at_least",
    "json_value",
    "non_negative_float",
    "non_negative_int",
    "output_directory",
    "output_file",
    "positive_float",
    "positive_int",
    "refuse_overwriting",
    "run",
    "seed",
]

# How a terminal that is closed, a scheduler or a limit of processor time asks a process to end.
ENDING_SIGNALS = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "SIGVTALRM")
# Far from what anyone needs, and from where squares and int32 columns overflow.
LARGEST_INT = 2**31 - 1
LARGEST_FLOAT = 1e100


class ArgumentParser(argparse.ArgumentParser):
    """argparse without abbreviated flags, whose errors are an InputError instead of a page of usage.

    An output that names another output's file, or an input's, is such an error.
    """

    def __init__(self, **options):
        """Take what argparse.ArgumentParser takes."""
        super().__init__(allow_abbrev=False, **options)

    # It takes what argparse's takes, which mypy does not see in its overloads.
    def parse_args(self, *arguments, **options) -> argparse.Namespace:  # type: ignore[override]
        """Parse the command line. Raises InputError."""
        flags = super().parse_args(*arguments, **options)
        paths: dict[Any, list[Path]] = {kind: [] for kind in (output_file, existing_file)}
        for action in self._actions:
            if action.type in paths and (value := getattr(flags, action.dest)) is not None:
                paths[action.type] += value if isinstance(value, list) else [value]
        refuse_overwriting(paths[output_file], paths[existing_file])
        return flags

    def error(self, message: str) -> NoReturn:
        """Raise InputError(message)."""
        raise InputError(message)


def run(main: Callable[[], None]) -> None:
    """Call main(); what the user or the machine got wrong becomes one line on stderr and exit status 2.

    An interrupt (exit 130) and the ending signals (exit 128 and their number) unwind main(), so that its
    writers remove what they began. A signal that the caller has the process ignore, as nohup does, stays
    ignored.
    """
    for name in ENDING_SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_exit)
    for stream in (sys.stdout, sys.stderr):
        # Closed, it is None. What the locale's encoding lacks is written as an escape.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        _log_start_up()
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
    if os.environ.get("JOB_STARTED"):
        _leave()


def _leave() -> None:
    """End the process, but do not take the interpreter apart: with torch in it that takes 0.4 s."""
    # Threads end, and what is registered for the exit is done all the same. No public functions do that.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        # The interpreter says what is wrong, and ends with the status that it has for that.
        return
    os._exit(0)


def _log_start_up() -> None:
    """Print the command and how long the interpreter and the imports took, where this is a workflow's job.

    That is where the workflow's shell says when it began.
    """
    begin = os.environ.get("JOB_STARTED")
    if not begin:
        return
    print(shlex.join(["python", *sys.argv]))
    # The shell writes the decimal separator of the locale; one that knows no time writes nothing of use.
    with suppress(ValueError):
        seconds = time.time() - float(begin.replace(",", "."))
        print(f"started in {seconds:.3f} s")
    if sys.stdout is not None:
        sys.stdout.flush()


def _raise_exit(signum: int, frame) -> NoReturn:
    # A scheduler may send it again while the writers clean up.
    signal.signal(signum, signal.SIG_IGN)
    _stop(f"ended by {signal.Signals(signum).name}", 128 + signum)


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


def int_at_least(minimum: int, maximum: int = LARGEST_INT) -> Callable[[str], int]:
    """Return a parser of integers from minimum to maximum."""
    what = f"an integer of at least {minimum} and at most {maximum}"
    return lambda text: _number(text, int, what, lambda value: minimum <= value <= maximum)


positive_int = int_at_least(1)
non_negative_int = int_at_least(0)
seed = int_at_least(0, 2**32 - 1)


def positive_float(text: str) -> float:
    """Parse a number > 0, at most LARGEST_FLOAT."""
    what = f"a finite number greater than 0 and at most {LARGEST_FLOAT:g}"
    return _number(text, float, what, lambda value: 0 < value <= LARGEST_FLOAT)


def non_negative_float(text: str) -> float:
    """Parse a number ≥ 0, at most LARGEST_FLOAT."""
    what = f"a finite number of at least 0 and at most {LARGEST_FLOAT:g}"
    return _number(text, float, what, lambda value: 0 <= value <= LARGEST_FLOAT)


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    return _number(text, float, "a fraction, from 0 to 1", lambda value: 0 <= value <= 1)


def json_value(text: str):
    """Parse JSON; - is that of standard input, which may be longer than an argument."""
    if text == "-" and sys.stdin is None:
        raise argparse.ArgumentTypeError("-: standard input is closed")
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


def output_file(text: str) -> Path:
    """Parse the path of a file to write: nothing, or a file that may be replaced."""
    path = _named(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is a directory, not a file")
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: is no regular file, and would be replaced by one")
    return path


def output_directory(text: str) -> Path:
    """Parse the path of a directory to write files in; it need not be there."""
    path = _named(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is no directory")
    return path


def _named(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a path is empty")
    return Path(text)


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise InputError if an output is the file of an input or of another output."""
    taken = {os.path.realpath(path): "is read" for path in inputs}
    for path in outputs:
        if (place := os.path.realpath(path)) in taken:
            raise InputError(f"{path}: {taken[place]} and would be overwritten")
        taken[place] = "is written already"
