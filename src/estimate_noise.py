"""Estimate the process and measurement noise of a dataset by maximum likelihood, with 95 % intervals.

The noises are those of eqs. 2-4 along given tracks or along the truth's associations. Without either, the
Multiple Hypothesis Tracker's associations and the noises are found from each other in turn.
"""

import json
from pathlib import Path

import numpy as np

from command_line import (
    ArgumentParser,
    InputError,
    existing_file,
    non_negative_float,
    output_file,
    positive_int,
    run,
)
from mpt.recordings.association import associate
from mpt.recordings.noise import CONFIDENCE, NoiseEstimate, estimate_noise
from mpt.tables.dataset import (
    MEASUREMENTS,
    TRUTH,
    check_same_dataset,
    dataset_parameters,
    read_scenes,
    read_truth,
)
from mpt.tables.foreign import write_whole
from mpt.tables.tracks import TRACKS, read_tracks

UNITS = {
    "process_noise": "length per frame",
    "measurement_noise": "length",
    "velocity_spread": "length per frame",
}


def main() -> None:
    """Read the flags, print and write the noises."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--measurements", type=existing_file, required=True, metavar="F", help="measurements.parquet")
    add("--initial", type=existing_file, required=True, metavar="F", help="initial.parquet")
    along = parser.add_mutually_exclusive_group(required=True)
    along.add_argument(
        "--tracks",
        type=existing_file,
        metavar="F",
        help="tracks.parquet: along the tracks' detections",
    )
    along.add_argument(
        "--truth", type=existing_file, metavar="F", help="truth.parquet: estimate along the true associations"
    )
    along.add_argument(
        "--lookback",
        type=positive_int,
        metavar="K",
        help="estimate along the associations of the Multiple Hypothesis Tracker of this lookback",
    )
    add(
        "--velocity-spread",
        type=non_negative_float,
        metavar="v",
        help="standard deviation of a particle's drift [length per frame], where known; default: estimated",
    )
    add("--output", type=output_file, required=True, metavar="F.json", help="file to write")
    noise = write_noise(**vars(parser.parse_args()))
    for name, unit in UNITS.items():
        estimate, lower, upper = getattr(noise, name)
        print(f"--{name.replace('_', '-')} {estimate:.4g}    # {lower:.4g} to {upper:.4g} {unit}")


def write_noise(
    measurements: Path,
    initial: Path,
    output: Path,
    *,
    tracks: Path | None = None,
    truth: Path | None = None,
    lookback: int | None = None,
    velocity_spread: float | None = None,
) -> NoiseEstimate:
    """Write the noises of a dataset as JSON and return them.

    They are estimated along the detections of `tracks`, of `truth`, or of the Multiple Hypothesis Tracker
    with this lookback: the one that is given. velocity_spread: as in estimate_noise(). Raises InputError.
    """
    dataset = dataset_parameters(measurements)
    start_measured = dataset.get("start") == "measured"
    scenes = list(read_scenes(measurements, initial))
    detections = np.concatenate([block.measurements for block in scenes])
    starts = np.concatenate([block.initial for block in scenes])
    if lookback is not None:
        found = associate(detections, starts, lookback, start_measured, velocity_spread)
        noise = found.noise
        along: dict | str = {"lookback": lookback, "rounds": found.rounds, "settled": found.settled}
    else:
        if truth:
            check_same_dataset({measurements: MEASUREMENTS, truth: TRUTH})
        if tracks:
            assigned = _assigned(tracks, TRACKS, dataset)
        else:
            assert truth is not None
            assigned = _assigned(truth, TRUTH, dataset)
        path = np.take_along_axis(detections, assigned[..., None].astype(np.intp), axis=2)
        path[:, 0] = starts
        noise = estimate_noise(path, start_measured, velocity_spread)
        along = "tracks" if tracks else "truth"
    result = {
        **{
            name: {**getattr(noise, name)._asdict(), "unit": unit, "given": _given(name, velocity_spread)}
            for name, unit in UNITS.items()
        },
        "confidence": CONFIDENCE,
        "log_likelihood": noise.log_likelihood,
        "along": along,
        "dataset": dataset,
    }
    text = json.dumps(result, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_whole(output, lambda part: part.write_text(text, encoding="utf-8"))
    return noise


def _given(name: str, velocity_spread: float | None) -> bool:
    return name == "velocity_spread" and velocity_spread is not None


def _assigned(path: Path, table, dataset: dict) -> np.ndarray:
    """Return the detection (B, T, N) of each track or particle; 0 at frame 0, where starts stand for it."""
    blocks = read_tracks(path, dataset=dataset) if table is TRACKS else read_truth(path)
    parts = []
    for block in blocks:
        missing = np.argwhere(block.detection[:, 1:] < 0)
        if len(missing):
            b, frame, track = missing[0]
            raise InputError(
                f"{path}: experiment {block.experiments[b]}, frame {frame + 1}: no detection of {track}"
            )
        parts.append(np.maximum(block.detection, 0))
    return np.concatenate(parts)


if __name__ == "__main__":
    run(main)
