"""A tracker of your own: every track takes the nearest detection within a radius, or stays where it is."""

import argparse

import numpy as np

from mpt.tables.dataset import read_scenes
from mpt.tables.tracks import TrackWriter


def track(measurements, initial, radius):
    """Return positions (B, T, N, 2) and the detection of each track (B, T, N), -1 for none."""
    B, T, N, _ = measurements.shape
    positions, detection = np.repeat(initial[:, None], T, axis=1), np.full((B, T, N), -1)
    each = np.arange(B)
    for t in range(1, T):
        positions[:, t] = positions[:, t - 1]
        apart = np.linalg.norm(positions[:, t, :, None] - measurements[:, t, None], axis=-1)
        for _ in range(N):  # the closest pair that is left
            i, j = np.divmod(apart.reshape(B, -1).argmin(axis=1), N)
            near = apart[each, i, j] <= radius
            detection[each[near], t, i[near]] = j[near]
            positions[each[near], t, i[near]] = measurements[each[near], t, j[near]]
            apart[each, i] = apart[each, :, j] = np.inf
    return positions, detection


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("measurements", "initial", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--radius", type=float, required=True, help="in the unit of the positions")
    flags = parser.parse_args()
    with TrackWriter(flags.output) as writer:
        for scenes in read_scenes(flags.measurements, flags.initial):
            found = track(scenes.measurements, scenes.initial, flags.radius)
            writer.write(scenes.experiments, *found)
