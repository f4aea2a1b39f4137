"""Recordings: what a study or a picture may know of a movie that it names instead of simulating."""

from planning.methods import StudyError

PREFIX = "recording_"
# What scores take their lengths from.
NOISES = ("process_noise", "measurement_noise")
# Keys of a recording that are of the dataset that it becomes, as those of a simulation.
OF_THE_DATASET = ("frames", "particles", *NOISES, "drift_spread")


def name_of(dataset: dict) -> str:
    """Return the name of the test dataset that a recording becomes, below results/data/test/."""
    return PREFIX + dataset["recording"]


def recording_of(name: str) -> str | None:
    """Return the recording that became the test dataset of that name; None if it is simulated."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def scene(config: dict, path: str, recording: str) -> dict:
    """Return the settings of a recording as a dataset, without what nobody knows of it.

    path: of the key that names it. Raises StudyError for a recording that is not there.
    """
    declared = config["recordings"].get(recording)
    if declared is None:
        known = ", ".join(name for name, found in config["recordings"].items() if found) or "none"
        raise StudyError(f"{path}: {recording!r} is none of the recordings; there are {known}")
    # How many experiments a movie holds is seen when it is imported.
    known_of_it = {key: declared[key] for key in OF_THE_DATASET if key in declared}
    return known_of_it | {
        "start": "measured",
        "confinement": None,
        "density": None,
        "experiments": f"those of {recording}",
    }


def scored_scene(config: dict, path: str, recording: str) -> dict:
    """Return what scene returns, of a recording that can be scored.

    Raises StudyError as scene does, and for a recording without truth or without noises.
    """
    found = scene(config, path, recording)
    if not config["recordings"][recording]["truth"]:
        raise StudyError(
            f"{path}: recordings.{recording} has no truth to score tracks by; figures.recordings draws its "
            "tracks without it, see docs/recordings.md"
        )
    for noise in NOISES:
        if noise not in found:
            raise StudyError(
                f"{path}: recordings.{recording} does not say its {noise}, which scores need; "
                "src/estimate_noise.py estimates it"
            )
    return found


def import_flags(declared: dict) -> dict:
    """Return the flags of import_detections.py for a recording, but for file, truth and output."""
    told = {key: declared.get(key) for key in ("format", "pixel_size", "particles", *NOISES)}
    columns = [f"{role}={name}" for role, name in declared.get("columns", {}).items()]
    return told | {"split": declared["frames"], "columns": columns or None}
