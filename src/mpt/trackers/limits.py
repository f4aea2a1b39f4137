"""What the trackers refuse from their settings alone, before any data is read.

Each function takes a tracker's settings and the scene as plain numbers, and returns what is wrong, or None.
It imports nothing but the standard library, so that a config can be checked without NumPy. The trackers
themselves call the same functions.

settings: lookback, solver, process_noise, measurement_noise, velocity_spread, process_noise_model.
scene: particles, frames. Each function reads only what it names.
"""

import sys
from collections.abc import Mapping
from math import lgamma, log

SOLVERS = ("enumerate", "refilter", "assignment")
# Those that can leave pairs of track and detection out.
KEEPING_SOLVERS = ("enumerate", "assignment")
PROCESS_NOISE_MODELS = ("position", "literal", "velocity")
# Numbers that are held at a time: costs of hypotheses, costs of histories, association sequences.
LARGEST_ENUMERATION = 2**26
LARGEST_ASSIGNMENT = 2**25
LARGEST_POSTERIOR = 2**16
# Its fourth power, and sums of many of them, are still finite.
LARGEST_DEVIATION = 1e60


def hypotheses(settings: Mapping, scene: Mapping) -> str | None:
    """Say why the Multiple Hypothesis Tracker cannot hold its hypotheses; None if it can.

    Reads lookback and solver; particles and frames. Enumeration holds N!^K hypotheses; K is at most T − 1.
    The assignment solver lists only the histories that matter.
    """
    N, T, solver = scene["particles"], scene["frames"], settings["solver"]
    if settings["lookback"] < 1:
        return f"lookback {settings['lookback']} is not at least 1"
    K = min(settings["lookback"], T - 1)
    if solver not in SOLVERS:
        return f"solver {solver!r} is not one of {SOLVERS}"
    if solver != "assignment" and K * lgamma(N + 1) > log(LARGEST_ENUMERATION):
        return (
            f"{N} particles and lookback {K} make {N}!^{K} hypotheses, more than the {LARGEST_ENUMERATION} "
            "that can be enumerated: the assignment solver takes more (solver: assignment)"
        )
    return None


def histories(settings: Mapping, scene: Mapping) -> str | None:
    """Say why the assignment solver cannot find margins; None if it can.

    Reads lookback; particles and frames. It then holds N^K histories of each of N tracks; K is at most T − 1.
    """
    N, K = scene["particles"], min(settings["lookback"], scene["frames"] - 1)
    if (K + 1) * log(N) > log(LARGEST_ASSIGNMENT):
        return (
            f"{N} particles and lookback {K} make {N}^{K} histories of each track, more than the "
            f"{LARGEST_ASSIGNMENT} in all that the assignment solver can hold to find margins: shorten the "
            "lookback, or ask for no margins"
        )
    return None


def association_sequences(settings: Mapping, scene: Mapping) -> str | None:
    """Say why the Bayes reference cannot weigh all N!^(T − 1) association sequences; None if it can.

    Reads particles and frames; settings are not read.
    """
    N, T = scene["particles"], scene["frames"]
    # By less than one sequence, lest rounding refuse the largest number.
    if (T - 1) * lgamma(N + 1) > log(LARGEST_POSTERIOR + 0.5):
        return (
            f"{N} particles in {T} frames have {N}!^{T - 1} association sequences, more than the "
            f"{LARGEST_POSTERIOR} that can be enumerated"
        )
    return None


def control_noise(settings: Mapping, scene: Mapping) -> str | None:
    """Say why a control's filter is undefined; None if it is defined, or the control has none.

    Reads control, and of the oracle what filter_noise reads.
    """
    return filter_noise(settings, scene) if settings["control"] == "oracle" else None


def filter_noise(settings: Mapping, scene: Mapping) -> str | None:
    """Say why the Kalman filter is undefined with these noises; None if it is defined.

    Reads process_noise, measurement_noise, velocity_spread and process_noise_model; the scene is not read.
    Innovations need a variance: S > 0 in every frame.
    """
    for name in ("process_noise", "measurement_noise", "velocity_spread"):
        if not 0 <= settings[name] <= LARGEST_DEVIATION:
            return (
                f"{name.replace('_', ' ')} {settings[name]} is not a number from 0 to {LARGEST_DEVIATION:g}"
            )
    model = settings["process_noise_model"]
    if model not in PROCESS_NOISE_MODELS:
        return f"process noise model {model!r} is not one of {PROCESS_NOISE_MODELS}"
    tiny = sys.float_info.min
    q, r, v = (settings[name] ** 2 for name in ("process_noise", "measurement_noise", "velocity_spread"))
    if q + r < tiny:
        return "process noise and measurement noise are both 0: innovations have no variance"
    if model == "velocity" and r < tiny and v < tiny:
        # The process noise of a frame reaches positions only in the next one.
        return (
            "measurement noise and velocity spread are both 0, and process noise is on the velocity only: "
            "the first innovation has no variance"
        )
    return None
