"""Sequences for the Multiple Hypothesis Tracker to track while its operations are counted and it is timed."""

from collections.abc import Callable

import numpy as np

from mpt import motion
from mpt.kalman import Model
from mpt.trackers import assignment, enumeration, mht


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
        self.measurements, self.initial = simulation.measurements, simulation.positions[:, 0].copy()
        self.model = Model(process_noise, measurement_noise, drift_spread)

    def prepare(self, solver: str, lookback: int, sequences: int | None = None) -> Callable[[], np.ndarray]:
        """Return the compiled kernel of mht.track, set up to run in the thread that calls it.

        It tracks the first so many sequences, all if no number is given, and returns the detections (B, T, N)
        that it decided for. What mht.track does before and after, checks and weights, is not of the tracker's
        operations.
        """
        scenes = self.measurements[:sequences], self.initial[:sequences]
        B, T, N, _ = scenes[0].shape
        lookback = min(lookback, T - 1)
        riccati = self.model.riccati(T)
        weights = 1 / riccati.innovation_variance, riccati.gain.copy()
        detection, cost = np.full((B, T, N), -1, np.int16), np.zeros(B)
        margin, gap = np.full((B, T, N), np.inf), np.zeros((B, T))
        if solver == "assignment":
            kernel = assignment.decide
            tail = (lookback, *weights, detection, None, cost, gap, mht.NODE_LIMIT)
        else:
            kernel = {"enumerate": enumeration.decide, "refilter": enumeration.decide_refiltered}[solver]
            tail = (*enumeration.window_tables(N, lookback), *weights, detection, margin, cost)

        def work() -> np.ndarray:
            kernel(*scenes, *tail)
            return detection

        return work
