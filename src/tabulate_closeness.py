"""Tabulate links and identity apart by how close particles are, of some trackers on one dataset.

Each particle in each frame but the first is in a stratum by its distance to the nearest other particle, in
standard deviations of the innovation of a Kalman filter that knows the dataset's noises and drift. Per
stratum: the Jaccard coefficient of the links that end there, and how often the particle's own track is there.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from command_line import ArgumentParser, InputError, existing_file, positive_float, run
from mpt.judgement.shares import jaccard, share
from mpt.kalman import Model
from mpt.matching import match
from mpt.scoring.closeness import Counts, count, scaled_distances
from mpt.tables.closeness import CLOSENESS
from mpt.tables.dataset import (
    TRUTH,
    check_same_dataset,
    check_same_experiments,
    dataset_parameters,
    read_truth,
)
from mpt.tables.files import TableWriter, write_csv
from mpt.tables.tracks import TRACKS, read_tracks
from named_trackers import add_tracker_flag, named_tracker
from table_flags import add_table_flags

# Strata with places in fewer experiments are left out: their intervals would say nothing.
LEAST_EXPERIMENTS = 5


def main() -> None:
    """Read the flags, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--truth", type=existing_file, required=True, metavar="F", help="truth.parquet of the dataset")
    add_tracker_flag(parser, "a tracker's label, its method and its tracks, a table each training")
    add(
        "--edges",
        type=positive_float,
        nargs="+",
        required=True,
        metavar="d",
        help="distances that part the strata, increasing, in standard deviations of the innovation",
    )
    add_table_flags(parser)
    arguments = parser.parse_args()
    if (np.diff(arguments.edges) <= 0).any():
        raise InputError(f"--edges {' '.join(map(str, arguments.edges))}: not in increasing order")

    needed = "a label, a method and tables of tracks"
    trackers = [named_tracker(words, needed) for words in arguments.tracker]
    tabulate_closeness(arguments.truth, trackers, arguments.edges, arguments.output)
    write_csv(arguments.output, arguments.csv)


def tabulate_closeness(
    truth: Path, trackers: Sequence[tuple[str, str, Sequence[Path]]], edges: Sequence[float], output: Path
) -> None:
    """Write the table; trackers are (label, method, tracks of each training).

    Raises InputError if tracks are not of the dataset, or if it does not say its noises or has one particle.
    """
    model = _filter(truth)
    rows: list[dict] = []
    for curve, (label, method, paths) in enumerate(trackers):
        counts = [counts_of(truth, path, model, edges) for path in paths]
        # The distances are the truth's: the same for all trainings.
        places, distance = counts[0].places, counts[0].distance
        for stratum in range(len(edges) + 1):
            with_places = places[:, stratum] > 0
            if with_places.sum() < LEAST_EXPERIMENTS:
                continue
            true_links, own_tracks = (
                share(np.stack([getattr(each, name)[:, stratum] for each in counts]), places[:, stratum])
                for name in ("true_links", "own_tracks")
            )
            of_stratum = {
                "curve": curve,
                "stratum": stratum,
                "label": label,
                "method": method,
                "replicates": len(paths),
                "experiments": with_places.sum(),
                "places": places[:, stratum].sum(),
                "distance": distance[:, stratum].sum() / places[:, stratum].sum(),
            }
            for score, ends in (("jaccard", jaccard(true_links)), ("own_particle", own_tracks[:3])):
                rows.append(
                    of_stratum | {"score": score} | dict(zip(("mean", "low", "high"), ends, strict=True))
                )
    rows.sort(key=lambda row: (row["score"], row["curve"], row["stratum"]))
    with TableWriter(output, CLOSENESS, {"edges": list(edges)}) as writer:
        writer.write({name: np.array([row[name] for row in rows]) for name in CLOSENESS.schema.names})


def counts_of(truth: Path, tracks: Path, model: Model, edges: Sequence[float]) -> Counts:
    """Return a training's counts over all experiments of the dataset."""
    check_same_dataset({truth: TRUTH, tracks: TRACKS})
    blocks = []
    for true, tracked in zip(read_truth(truth), read_tracks(tracks), strict=True):
        check_same_experiments(truth, true.experiments, tracks, tracked.experiments)
        matching = match(tracked.positions, true.positions)
        blocks.append(count(scaled_distances(true.positions, model), matching, edges))
    return Counts(*(np.concatenate(column) for column in zip(*blocks, strict=True)))


def _filter(truth: Path) -> Model:
    """Return the filter that knows what the dataset was simulated with."""
    parameters = dataset_parameters(truth, TRUTH)
    if parameters["particles"] < 2:
        raise InputError(f"{truth}: has one particle, which is close to none")
    try:
        noises = [float(parameters[name]) for name in ("process_noise", "measurement_noise", "drift_spread")]
    except KeyError as error:
        raise InputError(f"{truth}: its parameters do not say its {error.args[0]}") from error
    process_noise, measurement_noise, drift_spread = noises
    start = parameters.get("start", "known")
    return Model(process_noise, measurement_noise, drift_spread, start=start)


if __name__ == "__main__":
    run(main)
