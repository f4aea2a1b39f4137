"""Reliability is what it says, and the script writes that of the Bayes reference."""

import json

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mpt.judgement.calibration import reliability, true_links
from mpt.kalman import Model
from mpt.tables.dataset import read_scenes
from mpt.trackers import bayes

MODEL = {"process_noise": 1.5, "measurement_noise": 7.0, "velocity_spread": 0.1}


def test_what_happens_as_often_as_it_is_probable_has_no_error_and_the_rest_has_its_own():
    probabilities = np.repeat([0.05, 0.25, 0.85], [100, 40, 60])
    happened = np.concatenate([np.arange(100) < 5, np.arange(40) < 30, np.arange(60) < 51])
    found = reliability(probabilities, happened, 10)
    assert list(found.bin) == [0, 2, 8]
    assert list(found.links) == [100, 40, 60]
    assert found.probability == pytest.approx([0.05, 0.25, 0.85])
    assert found.frequency == pytest.approx([0.05, 0.75, 0.85])
    assert found.error == pytest.approx(0.5 * 40 / 200)
    # Wilson's interval, by his formula.
    z = stats.norm.isf(0.025)
    centre, half = (30 + z**2 / 2) / (40 + z**2), z / (40 + z**2) * np.sqrt(30 * 10 / 40 + z**2 / 4)
    assert (found.low[1], found.high[1]) == pytest.approx((centre - half, centre + half))


def test_the_ends_of_the_scale_are_in_its_first_and_its_last_bin():
    found = reliability(np.array([0.0, 1.0]), np.array([False, True]), 10)
    assert list(found.bin) == [0, 9]
    assert found.error == 0


def test_a_link_is_true_if_both_detections_are_the_same_particles():
    # Particle p's detection, by frame; frame 0 is the start, whatever the detection.
    detection = np.array([[[1, 0, 2], [2, 0, 1], [0, 1, 2]]])
    expected = {0: {(0, 2), (1, 0), (2, 1)}, 1: {(2, 0), (0, 1), (1, 2)}}
    for frame, links in expected.items():
        assert set(zip(*np.nonzero(true_links(detection)[0, frame]), strict=True)) == links


def calibrate(run_script, tmp_path, directories, models):
    output, text = tmp_path / "calibration.parquet", tmp_path / "calibration.csv"
    flags = ["--datasets", *directories, "--models", json.dumps(models), "--output", output, "--csv", text]
    result = run_script("calibrate_bayes.py", *flags)
    assert (result.returncode, result.stderr) == (0, "")
    return output


def test_the_reference_is_calibrated_and_one_told_too_little_noise_is_not(run_script, dataset, tmp_path):
    right = dataset("T6_sigma7", 2500, frames=6, measurement_noise=7.0)
    wrong = dataset("T6_sigma7.0", 2500, frames=6, measurement_noise=7.0)
    models = [MODEL, MODEL | {"measurement_noise": 1.0}]
    output = calibrate(run_script, tmp_path, [right, wrong], models)
    table = pd.read_parquet(output)
    assert list(table.groupby("dataset").links.sum()) == [12_500, 12_500]
    error = table.groupby("dataset").expected_calibration_error.first()
    # Of the reference: the bound that is asked for.
    assert error["T6_sigma7"] <= 0.02
    assert error["T6_sigma7.0"] > 0.1
    assert len(pd.read_csv(tmp_path / "calibration.csv")) == len(table)


def test_every_link_is_in_the_bin_of_its_probability(run_script, dataset, tmp_path):
    directory = dataset(experiments=30, measurement_noise=7.0)
    table = pd.read_parquet(calibrate(run_script, tmp_path, [directory], [MODEL]))
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    weights = bayes.posterior(scenes.measurements, scenes.initial, Model(**MODEL))
    probabilities = bayes.link_probabilities(weights, 6, 2)[..., 0, 0].ravel()
    counts, _ = np.histogram(probabilities, np.linspace(0, 1, 11))
    assert list(table.links) == list(counts[counts > 0])
    assert table.links @ table.probability == pytest.approx(probabilities.sum())


def test_datasets_and_models_go_by_pairs(refusal, dataset, tmp_path):
    flags = ["--datasets", dataset(), "--models", "[]", "--csv", tmp_path / "c.csv"]
    line = refusal("calibrate_bayes.py", *flags, output=tmp_path / "c.parquet")
    assert "1 --datasets need as many --models" in line


def test_a_truth_of_another_dataset_is_refused(refusal, dataset, tmp_path):
    directory, other = dataset(), dataset("other", experiments=3)
    (other / "truth.parquet").replace(directory / "truth.parquet")
    flags = ["--datasets", directory, "--models", json.dumps([MODEL]), "--csv", tmp_path / "c.csv"]
    line = refusal("calibrate_bayes.py", *flags, output=tmp_path / "c.parquet")
    assert str(directory / "truth.parquet") in line


def test_the_diagram_is_drawn_and_a_wrong_palette_is_refused(run_script, refusal, dataset, tmp_path):
    table = calibrate(run_script, tmp_path, [dataset(measurement_noise=7.0)], [MODEL])
    output = tmp_path / "diagram.png"
    flags = ["--table", table, "--dots-per-inch", 80]
    result = run_script("draw_calibration.py", *flags, "--palette", "flare", "--output", output)
    assert (result.returncode, result.stderr) == (0, "")
    assert matplotlib.image.imread(output)[..., :3].std() > 0.05
    line = refusal("draw_calibration.py", *flags, "--palette", "mud", output=tmp_path / "other.png")
    assert "mud" in line
