"""Scenes that say how many particles an area has: the box, and where particles start in it, follow."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

KEY = "density"
# What a density says.
OF_THE_BOX = ("initial_spread", "confinement")


def boxed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scene's settings with the box that its density asks for; without a density, as they are.

    N particles at a density ρ [particles per area] fill a box of half-width h = ½ √(N / ρ) [length]. They
    start anywhere in it: a Gaussian of standard deviation h, reflected into the box, is uniform up to
    2 exp(−π²/2), 1.5 %.
    """
    if settings.get(KEY) is None:
        return dict(settings)
    # As many digits as the config keeps of a number.
    half_width = float(f"{sqrt(settings['particles'] / settings[KEY]) / 2:.12g}")
    if half_width.is_integer():
        half_width = int(half_width)
    return {**settings, **dict.fromkeys(OF_THE_BOX, half_width)}


def said_twice(said: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """Return a key of the box that is said although a density says it, None if there is none.

    said: what a dataset or a tracker says itself; settings: the same with its defaults.
    """
    return next((key for key in OF_THE_BOX if settings.get(KEY) is not None and key in said), None)


def named(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a name says of a scene: its density, or else its box."""
    dropped = OF_THE_BOX if settings.get(KEY) is not None else ()
    return {key: value for key, value in settings.items() if key not in dropped}


def simulated(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what simulate.py is told of a scene: the box, and not the density."""
    return {key: value for key, value in settings.items() if key != KEY}
