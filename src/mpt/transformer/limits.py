"""What training refuses of a network's size alone, for it and for the check of a config."""

from collections.abc import Mapping
from typing import Any


def dimension(settings: Mapping[str, Any], scene: Mapping[str, Any]) -> str | None:
    """Heads, and pointer heads where there are any, share the dimension evenly."""
    for key in ("heads", "pointers"):
        if key in settings and settings["dimension"] % settings[key]:
            return f"the dimension {settings['dimension']} is not a multiple of {key} {settings[key]}"
    return None


def learned_tracks(settings: Mapping[str, Any], scene: Mapping[str, Any]) -> str | None:
    """A network that learned an embedding of each of its tracks has none of others."""
    if settings["particles"] == scene["particles"]:
        return None
    return (
        f"a network that learned an embedding of each of {settings['particles']} tracks cannot track "
        f"{scene['particles']} particles"
    )
