"""Track short sequences with the Bayes reference: the associations with the most expected true links.

It weighs all N!^(T-1) association sequences of an experiment by their posterior probability. Positions and
noises are in the unit of the dataset, velocities in that unit per frame.
"""

from pathlib import Path

from command_line import ArgumentParser, run
from mpt.kalman import Model
from mpt.progress import Progress
from mpt.tables.dataset import dataset_parameters, read_scenes, start_of
from mpt.tables.tracks import TrackWriter
from mpt.trackers import bayes
from tracker_flags import add_dataset_flags, add_filter_flags


def main() -> None:
    """Read the flags, then track."""
    parser = ArgumentParser(description=__doc__)
    add_dataset_flags(parser)
    add_filter_flags(parser)
    track(**vars(parser.parse_args()))


def track(*, measurements: Path, initial: Path, output: Path, **settings) -> None:
    """Track a dataset block by block; settings are those of mpt.kalman.Model. Raises InputError."""
    model = Model(**settings, start=start_of(measurements))
    parameters = {"tracker": "bayes", **settings, "dataset": dataset_parameters(measurements)}
    progress, done = Progress(parameters["dataset"]["experiments"], "experiments"), 0
    with TrackWriter(output, parameters) as writer:
        for scenes in read_scenes(measurements, initial):
            writer.write(scenes.experiments, *bayes.track(scenes.measurements, scenes.initial, model))
            done += len(scenes.experiments)
            progress.at(done)


if __name__ == "__main__":
    run(main)
