"""Particles in Brownian motion with drift, and their shuffled noisy detections.

These are eqs. 2–3 of Mishra & Roudot (2024). Every random number is drawn from the stream of its experiment
and purpose, so experiment 7 is the same however many others there are, fewer frames are a prefix of more, and
a noise only scales what is drawn: two measurement noises σ share motion, unit noise and shuffle.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from mpt.errors import InputError


class Stream(IntEnum):
    """Which set an experiment is of; experiment 7 of one set is independent of that of the other."""

    TEST = 0
    TRAINING = 1
    VALIDATION = 2


class _Purpose(IntEnum):
    START = 0
    DRIFT = 1
    MOTION = 2
    MEASUREMENT = 3
    SHUFFLE = 4


@dataclass(frozen=True)
class Simulation:
    """B simulated experiments of T frames and N particles, in units of length.

    positions (B, T, N, 2): the true positions y. measurements (B, T, N, 2): the detections z, in random order
    in every frame. detection (B, T, N) int: particle p's detection in frame t of experiment b is
    measurements[b, t, detection[b, t, p]].
    """

    positions: np.ndarray
    measurements: np.ndarray
    detection: np.ndarray


def simulate(
    experiments: np.ndarray,
    frames: int,
    particles: int,
    process_noise: float,
    measurement_noise: float,
    initial_spread: float,
    drift_spread: float,
    seed: int,
    confinement: float | None = None,
    stream: Stream = Stream.TEST,
) -> Simulation:
    """Simulate the experiments with the given numbers (B,).

    y_0 ~ N(0, initial_spread² I₂); y_t = y_{t−1} + ε_t + δ with ε_t ~ N(0, process_noise² I₂) and, for each
    particle, one drift δ ~ N(0, drift_spread² I₂) (eq. 2); z_t = y_t + ω_t for every t ≥ 0 with
    ω_t ~ N(0, measurement_noise² I₂) (eq. 3). The four are standard deviations per axis, in units of length;
    those of the process and the drift are per frame.

    With a confinement h, in units of length, the particles stay in the box [−h, h]², whose walls reflect: a
    path that crosses a wall goes on as its mirror image, drift included. Measurements are not confined.

    Raises InputError if a standard deviation is so large that numbers overflow.
    """
    shape = (len(experiments), frames, particles, 2)
    start, drift = np.empty((2, shape[0], particles, 2))
    steps = np.empty((shape[0], frames - 1, particles, 2))
    noise = np.empty(shape)
    rank = np.empty(shape[:3])
    for b, experiment in enumerate(experiments):
        key = (seed, stream, int(experiment))
        _generator(*key, _Purpose.START).standard_normal(out=start[b])
        _generator(*key, _Purpose.DRIFT).standard_normal(out=drift[b])
        _generator(*key, _Purpose.MOTION).standard_normal(out=steps[b])
        _generator(*key, _Purpose.MEASUREMENT).standard_normal(out=noise[b])
        _generator(*key, _Purpose.SHUFFLE).random(out=rank[b])

    with np.errstate(over="ignore", invalid="ignore"):
        positions = np.concatenate(
            [initial_spread * start[:, None], process_noise * steps + drift_spread * drift[:, None]], axis=1
        )
        np.cumsum(positions, axis=1, out=positions)
        if confinement is not None:
            positions = reflect(positions, confinement)
        detections = positions + measurement_noise * noise
    if not (np.isfinite(positions).all() and np.isfinite(detections).all()):
        raise InputError("positions overflow: a noise or a spread is too large")

    # The order of independent uniform numbers is a uniform random permutation.
    detection = np.argsort(rank, axis=2, kind="stable")
    measurements = np.empty_like(detections)
    np.put_along_axis(measurements, detection[..., None], detections, axis=2)
    return Simulation(positions, measurements, detection)


def reflect(positions: np.ndarray, confinement: float) -> np.ndarray:
    """Fold free positions into [−confinement, confinement] along each axis, as if its ends were mirrors.

    Increments of Brownian motion are symmetric, so the folded free walk is exactly the reflected walk,
    however often a step crosses the box.
    """
    inside = np.abs(positions) <= confinement
    # A triangle wave of period 4h through (−h, −h), (h, h) and (3h, −h).
    phase = np.mod(positions + confinement, 4 * confinement)
    return np.where(inside, positions, confinement - np.abs(phase - 2 * confinement))


def _generator(seed: int, stream: Stream, experiment: int, purpose: _Purpose) -> np.random.Generator:
    sequence = np.random.SeedSequence(seed, spawn_key=(stream, purpose, experiment))
    return np.random.Generator(np.random.PCG64(sequence))
