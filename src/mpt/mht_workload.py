"""Sequences for the Multiple Hypothesis Tracker to track while its operations are counted and it is timed."""

import numpy as np

from mpt import mht, motion
from mpt.kalman import Model


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
    ):
        """Take the arguments of motion.simulate."""
        simulation = motion.simulate(
            np.arange(sequences),
            frames,
            particles,
            process_noise,
            measurement_noise,
            initial_spread,
            drift_spread,
            seed,
        )
        self._measurements, self._initial = simulation.measurements, simulation.positions[:, 0]
        self._model = Model(process_noise, measurement_noise, drift_spread)

    def track(self, solver: str, lookback: int, sequences: int | None = None) -> None:
        """Track the first `sequences`, default all; 0 does what is done once for all of them."""
        mht.track(
            self._measurements[:sequences],
            self._initial[:sequences],
            lookback,
            self._model,
            solver=solver,
            margins=False,
        )
