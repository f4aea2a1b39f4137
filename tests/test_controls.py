"""The controls and src/track_control.py: what they make of a dataset, and what is refused."""

import filterpy.kalman
import numpy as np
import pytest
from scipy import stats

from damage import DAMAGES
from mpt import motion
from mpt.kalman import Model
from mpt.tables.dataset import dataset_parameters, read_scenes, read_truth
from mpt.tables.files import TableReader, table_parameters
from mpt.tables.scores import SCORES
from mpt.tables.tracks import TRACKS, read_tracks
from mpt.trackers import controls

MODEL = {"process_noise": 1.5, "measurement_noise": 2.0, "velocity_spread": 0.1}


def simulate(experiments=50, frames=20, particles=2, **changes):
    """Return a simulation and its experiments' numbers."""
    settings = {"process_noise": 1.5, "measurement_noise": 2.0, "initial_spread": 5.0, "drift_spread": 0.1}
    numbers = np.arange(experiments)
    return motion.simulate(numbers, frames, particles, **{**settings, "seed": 1, **changes}), numbers


def test_frozen_stays_at_the_start():
    simulation, _ = simulate()
    positions, detection = controls.frozen(simulation.measurements, simulation.positions[:, 0])
    assert positions.shape == simulation.positions.shape
    assert (positions == simulation.positions[:, :1]).all()
    assert (detection == -1).all()


def test_random_reports_each_detection_once_in_orders_that_are_equally_likely():
    simulation, numbers = simulate(experiments=400, frames=21, particles=3)
    initial = simulation.positions[:, 0]
    positions, detection = controls.random(simulation.measurements, initial, numbers, seed=7)
    assert (positions[:, 0] == initial).all()
    assert (detection[:, 0] == -1).all()
    later = detection[:, 1:]
    assert (np.sort(later, axis=2) == np.arange(3)).all()
    at_detections = np.take_along_axis(simulation.measurements[:, 1:], later[..., None], axis=2)
    np.testing.assert_array_equal(positions[:, 1:], at_detections)
    # 8000 frames, six orders.
    _, counts = np.unique(later.reshape(-1, 3), axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.001
    # Successive orders are independent: each of 36 pairs is equally likely.
    order = later[..., 0] * 2 + (later[..., 1] > later[..., 2])
    pairs = np.bincount((order[:, :-1] * 6 + order[:, 1:]).ravel(), minlength=36)
    assert stats.chisquare(pairs).pvalue > 0.001


def test_random_does_not_depend_on_the_other_experiments():
    simulation, numbers = simulate(experiments=9)
    initial = simulation.positions[:, 0]
    _, all_of_them = controls.random(simulation.measurements, initial, numbers, seed=7)
    _, some = controls.random(simulation.measurements[5:7], initial[5:7], numbers[5:7], seed=7)
    np.testing.assert_array_equal(some, all_of_them[5:7])
    _, other_seed = controls.random(simulation.measurements, initial, numbers, seed=8)
    assert (other_seed != all_of_them).any()


def test_oracle_is_filterpys_filter_along_the_true_detections():
    simulation, _ = simulate(experiments=3)
    model = Model(**MODEL)
    positions, detection = controls.oracle(
        simulation.measurements, simulation.positions[:, 0], simulation.detection, model
    )
    np.testing.assert_array_equal(detection[:, 1:], simulation.detection[:, 1:])
    for b in range(3):
        for p in range(2):
            reference = filterpy.kalman.KalmanFilter(dim_x=4, dim_z=2)
            reference.x = np.r_[simulation.positions[b, 0, p], 0, 0]
            reference.P = np.diag([0, 0, 0.1**2, 0.1**2])
            reference.F = np.eye(4) + np.eye(4, k=2)
            reference.H = np.eye(2, 4)
            reference.Q = np.diag([1.5**2, 1.5**2, 0, 0])
            reference.R = 2.0**2 * np.eye(2)
            for t in range(20):
                if t > 0:
                    reference.predict()
                    reference.update(simulation.measurements[b, t, simulation.detection[b, t, p]])
                np.testing.assert_allclose(positions[b, t, p], reference.x[:2], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("start", ["known", "measured"])
def test_a_smoothing_oracle_is_filterpys_smoother_along_the_true_detections(dataset, track, start):
    directory = dataset(experiments=3, frames=12, **({} if start == "known" else {"start": start}))
    _, tracks, parameters = track(directory, "oracle", *oracle_flags(directory, estimate="smoothed"))
    assert parameters["estimate"] == "smoothed"
    (truth,) = read_truth(directory / "truth.parquet")
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    doubt = 0 if start == "known" else 2.0**2
    for b in range(3):
        for p in range(2):
            own = scenes.measurements[b, np.arange(12), truth.detection[b, :, p]]
            first = truth.positions[b, 0, p] if start == "known" else own[0]
            reference = filterpy.kalman.KalmanFilter(dim_x=4, dim_z=2)
            reference.x, reference.P = np.r_[first, 0, 0], np.diag([doubt, doubt, 0.1**2, 0.1**2])
            reference.F, reference.H = np.eye(4) + np.eye(4, k=2), np.eye(2, 4)
            reference.Q, reference.R = np.diag([1.5**2, 1.5**2, 0, 0]), 2.0**2 * np.eye(2)
            means, covariances = [reference.x], [reference.P]
            for z in own[1:]:
                reference.predict()
                reference.update(z)
                means.append(reference.x)
                covariances.append(reference.P)
            expected, *_ = reference.rts_smoother(np.array(means), np.array(covariances))
            np.testing.assert_allclose(tracks.positions[b, :, p], expected[:, :2], rtol=1e-9, atol=1e-9)


@pytest.fixture
def track(run_script, tmp_path):
    """Return track(directory, control, *flags): the tracks that the script made, and their parameters."""

    def run(directory, control, *flags):
        output = tmp_path / f"{control}.parquet"
        files = (
            "--measurements",
            directory / "measurements.parquet",
            "--initial",
            directory / "initial.parquet",
        )
        result = run_script("track_control.py", "--control", control, *files, *flags, "--output", output)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        (tracks,) = read_tracks(output)
        return output, tracks, table_parameters(output, TRACKS)

    return run


def oracle_flags(directory, **changes):
    """Return the flags of the oracle told its model; a change to None leaves the flag out."""
    values = {"truth": directory / "truth.parquet", **MODEL, "estimate": "filtered", **changes}
    return [
        text
        for name, value in values.items()
        if value is not None
        for text in (f"--{name.replace('_', '-')}", value)
    ]


def test_each_control_writes_tracks_that_say_how_they_were_made(dataset, track):
    directory = dataset()
    data = dataset_parameters(directory / "measurements.parquet")
    _, frozen, parameters = track(directory, "frozen")
    assert parameters == {"tracker": "frozen", "dataset": data}
    assert (frozen.detection == -1).all()
    _, random, parameters = track(directory, "random", "--seed", 3)
    assert parameters == {"tracker": "random", "seed": 3, "dataset": data}
    assert (random.detection[:, 1:] >= 0).all()
    _, oracle, parameters = track(directory, "oracle", *oracle_flags(directory))
    assert parameters == {
        **MODEL,
        "tracker": "oracle",
        "process_noise_model": "position",
        "dataset": data,
    }
    (truth,) = read_truth(directory / "truth.parquet")
    np.testing.assert_array_equal(oracle.detection[:, 1:], truth.detection[:, 1:])
    for tracks in (frozen, random, oracle):
        np.testing.assert_array_equal(tracks.experiments, [0, 1, 2, 3])
        np.testing.assert_array_equal(tracks.positions[:, 0], truth.positions[:, 0])


def test_random_links_at_chance_and_the_oracle_errs_as_its_covariance_says(
    dataset, track, run_script, tmp_path
):
    directory = dataset(experiments=150, frames=100, drift_spread=0.0)
    scores = {}
    for control, flags in [
        ("random", ["--seed", 3]),
        ("oracle", oracle_flags(directory, velocity_spread=0)),
    ]:
        path, _, _ = track(directory, control, *flags)
        output = tmp_path / "scores.parquet"
        run_script(
            "score.py",
            *("--truth", directory / "truth.parquet", "--tracks", path, "--output", output),
            check=True,
        )
        with TableReader(output, SCORES) as reader:
            scores[control] = reader.read()
    # Half of the 14,850 transitions are wrong, so that JC is (1 − ½) / (1 + ½).
    wrong = scores["random"]["swaps"].sum() / (150 * 99)
    assert wrong == pytest.approx(1 / 2, abs=4 * 0.5 / np.sqrt(150 * 99))
    assert scores["random"]["association_jaccard"].mean() == pytest.approx(1 / 3, abs=0.01)
    assert scores["oracle"]["association_jaccard"].tolist() == [1] * 150
    # The variance of a scalar filter from a known start, averaged over the frames; two axes.
    variances = [0.0]
    for _ in range(99):
        predicted = variances[-1] + 1.5**2
        variances.append(predicted * 2.0**2 / (predicted + 2.0**2))
    squared = scores["oracle"]["position_error"] ** 2
    assert squared.mean() == pytest.approx(2 * np.mean(variances[1:]), abs=4 * stats.sem(squared))


def test_the_same_flags_write_the_same_bytes(dataset, track):
    directory = dataset()
    path, _, _ = track(directory, "random", "--seed", 3)
    first = path.read_bytes()
    track(directory, "random", "--seed", 3)
    assert path.read_bytes() == first


@pytest.fixture
def refused(refusal, tmp_path):
    """Return refused(directory, control, *flags): the line with which the script refuses."""

    def run(directory, control, *flags):
        files = (
            "--measurements",
            directory / "measurements.parquet",
            "--initial",
            directory / "initial.parquet",
        )
        return refusal(
            "track_control.py", "--control", control, *files, *flags, output=tmp_path / "tracks.parquet"
        )

    return run


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_measurements_are_refused(dataset, refused, damage):
    directory = dataset()
    path = directory / "measurements.parquet"
    words = DAMAGES[damage](path)
    line = refused(directory, "frozen")
    assert str(path) in line
    assert words in line


@pytest.mark.parametrize("table", ["initial", "truth"])
@pytest.mark.parametrize("damage", ["remove", "truncate", "wrong_type", "not_a_number", "missing_experiment"])
def test_a_damaged_start_or_truth_is_refused(dataset, refused, table, damage):
    directory = dataset()
    path = directory / f"{table}.parquet"
    words = DAMAGES[damage](path)
    line = refused(directory, "oracle", *oracle_flags(directory))
    assert str(path) in line
    assert words in line


def test_a_truth_of_another_dataset_is_refused(dataset, refused):
    directory, other = dataset(), dataset("other", seed=2)
    line = refused(directory, "oracle", *oracle_flags(other))
    assert str(other / "truth.parquet") in line
    assert "seed is 2, not 1" in line


@pytest.mark.parametrize("name", ["truth", *MODEL, "estimate"])
def test_the_oracle_needs_the_truth_and_a_model(dataset, refused, name):
    directory = dataset()
    line = refused(directory, "oracle", *oracle_flags(directory, **{name: None}))
    assert f"--control oracle needs --{name.replace('_', '-')}" in line


@pytest.mark.parametrize(
    ("control", "flags", "words"),
    [
        ("random", [], "--control random needs --seed"),
        ("random", ["--seed", "-1"], "'-1' is not an integer of at least 0"),
        ("perfect", [], "invalid choice: 'perfect'"),
        ("frozen", ["--process-noise", "-1"], "'-1' is not a finite number of at least 0"),
    ],
)
def test_wrong_flags_are_refused(dataset, refused, control, flags, words):
    assert words in refused(dataset(), control, *flags)


def test_an_oracle_without_any_noise_is_refused(dataset, refused):
    directory = dataset()
    line = refused(directory, "oracle", *oracle_flags(directory, process_noise=0, measurement_noise=0))
    assert "both 0" in line
