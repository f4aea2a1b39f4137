"""What the trackers' scripts refuse of settings alone, for them and for the check of a config.

Each function takes a tracker's settings and the scene, those of the test dataset, and returns what is wrong.
Nothing is imported that takes time.
"""

from collections.abc import Mapping

# Controls that are told no noise.
UNFILTERED = ("frozen", "random")


def filter_noise(settings: Mapping[str, object], scene: Mapping[str, object]) -> str | None:
    """A filter needs noise of one kind at least, or innovations have no variance."""
    if settings.get("control") in UNFILTERED:
        return None
    if settings["process_noise"] == settings["measurement_noise"] == 0:
        return "told process noise 0 and measurement noise 0 there is no filter"
    return None
