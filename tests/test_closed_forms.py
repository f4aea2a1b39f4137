"""The scripts, one after the other, against probabilities that can be written down."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm


@pytest.fixture
def tracked(run_script, tmp_path):
    """Return tracked(experiments, frames, process_noise, measurement_noise, initial_spread): a directory.

    It has the dataset of two particles without drift, tracks of the MHT with lookback 1, told the truth, and
    their scores.
    """

    def run(experiments, frames, process_noise, measurement_noise, initial_spread) -> Path:
        noises = ["--process-noise", process_noise, "--measurement-noise", measurement_noise]
        size = ["--experiments", experiments, "--frames", frames, "--particles", 2, "--seed", 3]
        spreads = ["--initial-spread", initial_spread, "--drift-spread", 0]
        measurements, initial, truth, tracks, scores = (
            tmp_path / f"{name}.parquet" for name in ("measurements", "initial", "truth", "tracks", "scores")
        )
        seen = ["--measurements", measurements, "--initial", initial]
        prior = ["--lookback", 1, *noises, "--velocity-spread", 0, "--solver", "enumerate"]
        prior += ["--estimate", "filtered"]
        for command in (
            ["simulate.py", *size, *noises, *spreads, "--output", tmp_path],
            ["track_mht.py", *seen, *prior, "--output", tracks],
            ["score.py", "--truth", truth, "--tracks", tracks, "--output", scores],
        ):
            result = run_script(*command)
            assert result.returncode == 0, result
        return tmp_path

    return run


def misassigned(directory: Path) -> np.ndarray:
    """Return (experiments, frames − 1): whether track 0 was given the detection of particle 1."""
    found = [
        pd.read_parquet(directory / f"{table}.parquet").query(f"{key} == 0 and frame > 0")
        for table, key in (("tracks", "track"), ("truth", "particle"))
    ]
    wrong = found[0].detection.to_numpy() != found[1].detection.to_numpy()
    return wrong.reshape(found[0].experiment.nunique(), -1)


@pytest.mark.parametrize(("process_noise", "measurement_noise"), [(1.5, 0.0), (0.9, 1.2)])
def test_one_frame_swaps_as_often_as_two_gaussians_cross(tracked, process_noise, measurement_noise):
    directory = tracked(20_000, 2, process_noise, measurement_noise, initial_spread=3)
    starts = pd.read_parquet(directory / "initial.parquet")[["x", "y"]].to_numpy().reshape(-1, 2, 2)
    apart = np.linalg.norm(starts[:, 0] - starts[:, 1], axis=1)
    # Of each innovation the standard deviation is 1.5 along the line that joins the particles.
    expected = norm.cdf(-apart / (np.sqrt(2) * 1.5))
    deviation = np.sqrt(np.sum(expected * (1 - expected)))
    assert abs(misassigned(directory).sum() - expected.sum()) < 4 * deviation


def test_particles_from_one_point_are_swapped_as_often_as_their_difference_turns(tracked):
    experiments, frames = 20_000, 10
    directory = tracked(experiments, frames, process_noise=1.5, measurement_noise=0, initial_spread=0)
    wrong = misassigned(directory)
    swapped = (wrong[:, 1:] != wrong[:, :-1]).mean(axis=0)
    t = np.arange(2, frames)
    expected = (1 - np.sqrt((t - 1) / t)) / 2
    assert (abs(swapped - expected) < 4 * np.sqrt(expected * (1 - expected) / experiments)).all()

    # Without noise the reported positions are detections, and a wrong transition is one that swaps; the first
    # link starts where both particles are.
    scores = pd.read_parquet(directory / "scores.parquet")
    transitions = frames - 1
    error = (wrong[:, 1:] != wrong[:, :-1]).sum(axis=1) / transitions
    later = error + wrong[:, 0] / transitions
    np.testing.assert_allclose(scores.jaccard, (1 - later) / (1 + later))
