"""Run a tracker that is not the project's, and keep its tracks only if they are tracks of the dataset.

The script is called with --measurements, --initial, --output and its own options, which follow `--` here: by
this Python if its name ends in .py, otherwise as a program. What it prints goes to this script's output. Its
tracks are checked, and written with the parameters that made them.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from command_line import ArgumentParser, InputError, existing_file, output_file, positive_float, run
from mpt.tables.dataset import dataset_parameters
from mpt.tables.tracks import TrackWriter, check_tracks, read_tracks
from tracker_flags import add_scenes_flags


def main() -> None:
    """Read the flags, run the tracker, write its tracks."""
    parser = ArgumentParser(description=__doc__)
    add_scenes_flags(parser)
    add = parser.add_argument
    add("--method", required=True, metavar="NAME", help="name of the tracker, for what is said of it")
    add("--script", type=existing_file, required=True, metavar="F", help="the tracker")
    add("--seconds", type=positive_float, required=True, metavar="s", help="the longest it may run")
    add("--output", type=output_file, required=True, help="tracks.parquet to write")
    add("options", nargs="*", metavar="-- OPTION", help="flags for the tracker")
    supervise(**vars(parser.parse_args()))


def supervise(
    *,
    measurements: Path,
    initial: Path,
    method: str,
    script: Path,
    seconds: float,
    output: Path,
    options: list[str],
) -> None:
    """Write the tracks that a script makes of a dataset.

    Raises InputError, naming the method, if it cannot be started, fails, runs longer than `seconds`, or
    writes something else than tracks of the dataset.
    """
    script = script.resolve()
    program = [sys.executable, str(script)] if script.suffix == ".py" else [str(script)]
    with tempfile.TemporaryDirectory(prefix="tracks-") as directory:
        written = Path(directory) / "tracks.parquet"
        flags = ["--measurements", str(measurements), "--initial", str(initial), "--output", str(written)]
        _run(method, script, [*program, *flags, *options], seconds)
        if not written.is_file():
            raise InputError(f"tracker {method}: {script} ended without writing its --output")
        try:
            check_tracks(written, measurements)
        except InputError as error:
            raise InputError(f"tracker {method}: {str(error).replace(str(written), 'its tracks')}") from error
        dataset = dataset_parameters(measurements)
        with TrackWriter(
            output, {"tracker": method, "options": json.dumps(options), "dataset": dataset}
        ) as writer:
            for tracks in read_tracks(written, dataset=dataset):
                writer.write(tracks.experiments, tracks.positions, tracks.detection)


def _run(method: str, script: Path, command: list[str], seconds: float) -> None:
    try:
        # In a group of its own, so that what it started ends with it.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise InputError(f"tracker {method}: {script} does not start: {error.strerror}") from error
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise InputError(f"tracker {method}: {script} ran longer than {seconds:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        raise InputError(f"tracker {method}: {script} {how}; what it printed is above")


if __name__ == "__main__":
    run(main)
