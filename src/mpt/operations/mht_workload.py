"""Sequences for the Multiple Hypothesis Tracker to track while its operations are counted and it is timed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mpt import motion
from mpt.kalman import Model
from mpt.trackers import mht


class Workload:
    """Simulated sequences of N particles over T frames, and the model that they were simulated by."""

    def __init__(
        self,
        particles: int,
        frames: int,
        sequences: int,
        process_noise: float,
        measurement_noise: float,
        initial_spread: float,
        drift_spread: float,
        seed: int = 0,
        confinement: float | None = None,
        kept: str | Path | None = None,
    ):
        """Take the arguments of motion.simulate.

        kept: an .npy file of the pairs (sequences, T, N, N) of track and detection (last) that mht.track may
        choose; all if not given. It then takes the solver `assignment` alone.
        """
        simulation = motion.simulate(
            np.arange(sequences),
            frames,
            particles,
            process_noise,
            measurement_noise,
            initial_spread,
            drift_spread,
            seed,
            confinement,
        )
        self.measurements, self.initial = simulation.measurements, simulation.positions[:, 0].copy()
        self.model = Model(process_noise, measurement_noise, drift_spread)
        self._kept = None if kept is None else np.load(kept)

    def prepare(self, solver: str, lookback: int, sequences: int | None = None) -> Callable[[], np.ndarray]:
        """Return the compiled kernel of mht.track, set up to run in the thread that calls it.

        It tracks the first so many sequences, all if no number is given, and returns the detections (B, T, N)
        that it decided for. What mht.track does before and after, checks and weights, is not counted.
        """
        scenes = self.measurements[:sequences], self.initial[:sequences]
        kept = None if self._kept is None else self._kept[:sequences]
        margins = solver != "assignment"
        return mht.Kernel(*scenes, lookback, self.model, solver=solver, margins=margins, kept=kept).decide

    def is_proven_within(self, nodes: int, lookback: int) -> bool:
        """Say whether branch and bound needs no more nodes than that in any window of any sequence."""
        scenes = self.measurements, self.initial
        kernel = mht.Kernel(
            *scenes,
            lookback,
            self.model,
            solver="assignment",
            margins=False,
            node_limit=nodes,
            windows=True,
            kept=self._kept,
        )
        kernel.decide()
        return not kernel.decisions().gap.any()
