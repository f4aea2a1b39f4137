"""Compare the link probabilities of the Bayes reference with how often these links are true.

Of every two successive frames it takes one link, that of their first detections: which these are is chance,
and the probabilities of all other links of two particles follow from it.
"""

from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_directory, json_value, run
from mpt.judgement.calibration import reliability, true_links
from mpt.kalman import Model
from mpt.tables.calibration import CALIBRATION
from mpt.tables.dataset import (
    INITIAL,
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    read_scenes,
    read_truth,
    start_of,
)
from mpt.tables.files import TableWriter, write_csv
from mpt.trackers import bayes
from table_flags import add_table_flags

BINS = 10


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--datasets",
        type=existing_directory,
        nargs="+",
        required=True,
        metavar="DIR",
        help="of the three tables; a directory's name is its dataset's",
    )
    add(
        "--models",
        type=json_value,
        required=True,
        metavar="JSON",
        help="of each dataset, what the reference is told: arguments of mpt.kalman.Model, but not the start",
    )
    add_table_flags(parser)
    calibrate(**vars(parser.parse_args()))


def calibrate(*, datasets: list[Path], models: list[dict], output: Path, csv: Path) -> None:
    """Write the table twice; the arguments are the flags. Raises InputError."""
    if len(models) != len(datasets):
        raise InputError(f"{len(datasets)} --datasets need as many --models")
    told = dict(zip(datasets, models, strict=True))
    with TableWriter(output, CALIBRATION, {"bins": BINS, "models": models}) as writer:
        for directory in sorted(datasets, key=lambda path: path.name):
            found = reliability(*links(directory, told[directory]), BINS)._asdict()
            rows = len(found["links"])
            error = np.full(rows, found.pop("error"))
            dataset = np.full(rows, directory.name)
            writer.write({"dataset": dataset, **found, "expected_calibration_error": error})
    write_csv(output, csv)


def links(directory: Path, told: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability (n,) of a link of every two successive frames, and whether it is true."""
    truth_path, initial_path, measurements_path = (
        directory / f"{name}.parquet" for name in ("truth", "initial", "measurements")
    )
    check_same_dataset({measurements_path: MEASUREMENTS, initial_path: INITIAL, truth_path: TRUTH})
    model = Model(**told, start=start_of(measurements_path))
    probabilities, happened = [], []
    blocks = zip(read_scenes(measurements_path, initial_path), read_truth(truth_path), strict=True)
    for scenes, truth in blocks:
        if not np.array_equal(scenes.experiments, truth.experiments):
            raise InputError(f"{truth_path} and {measurements_path}: their experiments are not the same")
        frames, particles = scenes.measurements.shape[1:3]
        weights = bayes.posterior(scenes.measurements, scenes.initial, model)
        probabilities.append(bayes.link_probabilities(weights, frames, particles)[..., 0, 0].ravel())
        happened.append(true_links(truth.detection)[..., 0, 0].ravel())
    return np.concatenate(probabilities), np.concatenate(happened)


if __name__ == "__main__":
    run(main)
