"""How far a linker looks for the next detection: a length, or the best on training data.

The training data are simulated with what the linker is told of the movie. They are of the training stream, so
that no test sequence is among them.
"""

import argparse
from collections.abc import Callable

import numpy as np
from following import follow

from mpt.motion import Stream, simulate
from mpt.scoring.links import association_jaccard, detection_owners
from mpt.tables.dataset import dataset_parameters

TUNED = "tuned"
# Candidates, in multiples of the standard deviation per axis of a step between two detections.
MULTIPLES = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add --search-range and the flags that say what training data are like."""
    add = parser.add_argument
    add("--search-range", required=True, help="largest displacement [length], or tuned: on training data")
    tuning = parser.add_argument_group("training data, for --search-range tuned")
    add = tuning.add_argument
    add("--process-noise", type=float, metavar="mu", help="of a step [length per frame]")
    add("--measurement-noise", type=float, metavar="sigma", help="of a detection [length]")
    add("--initial-spread", type=float, metavar="s0", help="of the starts [length]")
    add("--drift-spread", type=float, metavar="sd", help="of the drift [length per frame]")
    add("--training-experiments", type=int, metavar="B", help="number of sequences")
    add("--seed", type=int, metavar="n", help="seed of the training data")


def search_range(flags: argparse.Namespace, link: Callable) -> float:
    """Return the search range in units of length; a tuned one is printed.

    link: takes points (T, N, 2) and a search range, and returns what following.track_dataset() says. The
    tuned range is that of the candidates with the greatest mean association Jaccard coefficient on training
    data; of several, the least.
    """
    if flags.search_range != TUNED:
        return float(flags.search_range)
    shape = dataset_parameters(flags.measurements)
    data = simulate(
        np.arange(flags.training_experiments),
        shape["frames"],
        shape["particles"],
        flags.process_noise,
        flags.measurement_noise,
        flags.initial_spread,
        flags.drift_spread,
        flags.seed,
        stream=Stream.TRAINING,
    )
    points = data.measurements.copy()
    points[:, 0] = data.positions[:, 0]
    # Detections of frame 0 are not used: its points are the starts, in the particles' order.
    step = np.sqrt(flags.process_noise**2 + 2 * flags.measurement_noise**2 + flags.drift_spread**2)
    candidates = [float(multiple * step) for multiple in MULTIPLES]
    scores = [_score(points, data.detection, link, candidate) for candidate in candidates]
    best = int(np.argmax(scores))
    print(f"search range {candidates[best]:.4g}: association JC {scores[best]:.4f} on training data")
    return candidates[best]


def _score(points: np.ndarray, detection: np.ndarray, link: Callable, reach: float) -> float:
    """Return the mean association Jaccard coefficient of a linker that looks as far as `reach`."""
    assigned = np.empty(points.shape[:3], int)
    for b, scene in enumerate(points):
        linked = link(scene, reach)
        labels = linked[0] if isinstance(linked, tuple) else linked
        assigned[b] = follow(scene, labels)[1]
    return float(association_jaccard(detection_owners(assigned, detection)).jaccard.mean())
