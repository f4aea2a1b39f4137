"""Score the tracks of one or several trackers on a dataset.

One tracks file without --tracker makes a table with a row per experiment; with --tracker and --replicate the
table begins with these two columns and holds all the trackers. Positions and distances are in the unit of the
dataset.
"""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    non_negative_int,
    output_file,
    positive_float,
    refuse_overwriting,
    run,
)
from mpt.scoring.definitions import needs_a_length
from mpt.scoring.isbi import CHALLENGE_GATE
from mpt.scoring.scores import score_tracks
from mpt.scoring.tolerance import tolerance
from mpt.tables.dataset import (
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    check_same_experiments,
    dataset_parameters,
    read_measurements,
    read_truth,
)
from mpt.tables.files import ROWS_PER_GROUP, TableReader, TableWriter
from mpt.tables.scores import SCORES, TRACKER_SCORES
from mpt.tables.tracks import TRACKS, read_tracks


def main() -> None:
    """Read the flags, write the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=truth_file, required=True, help="truth.parquet of the dataset")
    parser.add_argument(
        "--tracks",
        type=existing_file,
        required=True,
        nargs="+",
        action="extend",
        help="tracks.parquet made from the dataset; several with --tracker and --replicate",
    )
    parser.add_argument(
        "--tracker",
        dest="trackers",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="name of each tracks file's tracker",
    )
    parser.add_argument(
        "--replicate",
        dest="replicates",
        type=non_negative_int,
        nargs="+",
        action="extend",
        metavar="R",
        help="number of each tracks file's replicate training, 0 where a tracker is not trained",
    )
    parser.add_argument(
        "--measurements",
        type=existing_file,
        help="measurements.parquet of the dataset (default: beside the truth)",
    )
    parser.add_argument(
        "--tolerance",
        dest="tolerance_multiple",
        type=positive_float,
        default=2.0,
        metavar="MULTIPLE",
        help="largest distance between a particle and the track that follows it, in multiples of the "
        "error of a Kalman filter told the true associations (default: %(default)s)",
    )
    parser.add_argument("--output", type=output_file, required=True, help="scores.parquet to write")
    arguments = parser.parse_args()
    refuse_overwriting([arguments.output], [arguments.truth])
    check_noises(arguments.truth)
    score(**vars(arguments))


def score(
    *,
    truth: Path,
    tracks: Sequence[Path],
    output: Path,
    tolerance_multiple: float,
    trackers: Sequence[str] | None = None,
    replicates: Sequence[int] | None = None,
    measurements: Path | None = None,
) -> None:
    """Write the scores of tracks on a dataset as a table.

    With a tracker's name and a replicate for each file of tracks the table is of several trackers; without
    both it is of one. measurements: by default those beside the truth. Raises InputError if the files do not
    belong together, or if the dataset gives scores no length.
    """
    if trackers is None and replicates is None:
        if len(tracks) > 1:
            raise InputError("several --tracks need as many --tracker and --replicate")
        table = SCORES
        keys: list[tuple] = [()]
    else:
        table, keys = TRACKER_SCORES, _tracker_keys(len(tracks), trackers, replicates)
    measurements = measurements or truth.with_name("measurements.parquet")
    check_same_dataset({truth: TRUTH, measurements: MEASUREMENTS})
    dataset = dataset_parameters(truth, TRUTH)
    if dataset["frames"] < 2:
        raise InputError(f"{truth}: one frame has no links to score")
    problem = needs_a_length(dataset)
    if problem:
        raise InputError(f"{truth}: {problem}")
    allowed = tolerance(tolerance_multiple, dataset)

    parameters = {
        "dataset": dataset,
        "tolerance": allowed,
        "tolerance_multiple": tolerance_multiple,
        "isbi_gate": CHALLENGE_GATE,
        "tracks": [
            {**dict(zip(table.key, key, strict=False)), "parameters": _tracker_parameters(path)}
            for key, path in zip(keys, tracks, strict=True)
        ],
    }
    # What fits one block, as short sequences do, which have the most trackers, is read once for all of them.
    rows = dataset["experiments"] * dataset["frames"] * dataset["particles"]
    kept = list(_scenes(truth, measurements)) if rows <= ROWS_PER_GROUP else None
    with TableWriter(output, table, parameters) as writer:
        for key, path in sorted(zip(keys, tracks, strict=True)):
            for experiments, columns in _score(
                kept or _scenes(truth, measurements), truth, measurements, path, dataset, allowed
            ):
                repeated = {
                    name: np.full(len(experiments), value)
                    for name, value in zip(table.key, key, strict=False)
                }
                writer.write({**repeated, "experiment": experiments, **columns})


def truth_file(text: str) -> Path:
    """Parse the path of a truth that is there; a recording may have none."""
    path = Path(text)
    if path.with_name("measurements.parquet").exists() and not path.exists():
        raise ArgumentTypeError(f"{text}: no such file: a recording without truth cannot be scored")
    return existing_file(text)


def check_noises(truth: Path) -> None:
    """Raise InputError if a dataset doesn't say its noises, the unit of --tolerance; a recording need not."""
    parameters = dataset_parameters(truth, TRUTH)
    for name in ("process_noise", "measurement_noise"):
        if name not in parameters:
            raise InputError(
                f"{truth}: does not say its {name}: import the recording with --process-noise and "
                "--measurement-noise to score its tracks"
            )


def _tracker_keys(
    files: int, trackers: Sequence[str] | None, replicates: Sequence[int] | None
) -> list[tuple]:
    for flag, values in (("--tracker", trackers), ("--replicate", replicates)):
        if len(values or ()) != files:
            raise InputError(f"{files} --tracks need as many {flag}, not {len(values or ())}")
    keys = list(zip(trackers or (), replicates or (), strict=True))
    for key in keys:
        if keys.count(key) > 1:
            raise InputError("tracker {}, replicate {} is given twice".format(*key))
    return keys


def _tracker_parameters(path) -> dict:
    """Return what made the tracks; nothing where their tracker did not say."""
    with TableReader(path, TRACKS) as reader:
        parameters = reader.parameters if reader.has_parameters else {}
    return {name: value for name, value in parameters.items() if name != "dataset"}


def _scenes(truth_path, measurements_path):
    return zip(read_truth(truth_path), read_measurements(measurements_path), strict=True)


def _score(scenes, truth_path, measurements_path, tracks_path, dataset, allowed):
    for (truth, (measured, measurements)), tracks in zip(
        scenes, read_tracks(tracks_path, dataset=dataset), strict=True
    ):
        for path, experiments in ((measurements_path, measured), (tracks_path, tracks.experiments)):
            check_same_experiments(truth_path, truth.experiments, path, experiments)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = score_tracks(
                tracks.positions, tracks.detection, truth.positions, truth.detection, measurements, allowed
            )
        for name, values in scores.items():
            finite = np.isfinite(values)
            if not finite.all():
                experiment = truth.experiments[np.argmin(finite)]
                raise InputError(
                    f"{tracks_path}: experiment {experiment}: positions so far off that {name} is not finite"
                )
        yield truth.experiments, scores


if __name__ == "__main__":
    run(main)
