"""The Bayes reference is exact, calibrated and a ceiling; src/track_bayes.py writes it."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from damage import DAMAGES
from mpt import motion
from mpt.kalman import Model
from mpt.scoring import links
from mpt.tables.dataset import dataset_parameters, read_scenes
from mpt.tables.files import table_parameters
from mpt.tables.tracks import TRACKS, read_tracks
from mpt.trackers import bayes, mht

MODEL = Model(process_noise=1.5, measurement_noise=7.0, velocity_spread=0.1)


def simulate(experiments, frames, particles=2, measurement_noise=7.0):
    return motion.simulate(
        np.arange(experiments), frames, particles, 1.5, measurement_noise, 5.0, 0.1, seed=1
    )


def owners(detection):
    """Return the particle (B, T, N) of each detection; in frame 0, the start of each particle."""
    particle = np.argsort(detection, axis=2)
    particle[:, 0] = np.arange(detection.shape[2])
    return particle


def true_links(assigned, detection):
    """Count the true links between detections of each experiment."""
    return links.association_jaccard(links.detection_owners(assigned, detection)).true_positives


@pytest.mark.parametrize("particles", [2, 3])
def test_posterior_is_that_of_the_joint_gaussian_of_all_measurements(particles):
    frames = 4
    simulation = simulate(5, frames, particles)
    sequences = bayes.association_sequences(frames, particles)
    # z_t − y_0 = t δ + Σ ε + ω_t along each axis: no filter, no recursion.
    t = np.arange(1, frames)
    covariance = 1.5**2 * np.minimum.outer(t, t) + 0.1**2 * np.outer(t, t) + 7.0**2 * np.eye(frames - 1)
    for b, found in enumerate(bayes.posterior(simulation.measurements, simulation.positions[:, 0], MODEL)):
        logs = [
            sum(
                multivariate_normal.logpdf(
                    [
                        simulation.measurements[b, u, sequence[u, p], axis]
                        - simulation.positions[b, 0, p, axis]
                        for u in t
                    ],
                    cov=covariance,
                )
                for p in range(particles)
                for axis in range(2)
            )
            for sequence in sequences
        ]
        expected = np.exp(np.array(logs) - np.max(logs))
        np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9)


def test_links_are_as_probable_as_they_are_frequent():
    # Ten thousand links and more, at the noise and length of Fig. 4.
    simulation = simulate(3000, 8)
    weights = bayes.posterior(simulation.measurements, simulation.positions[:, 0], MODEL)
    links = bayes.link_probabilities(weights, 8, 2)
    particle = owners(simulation.detection)
    # The other three links of two frames follow from this one.
    probability = links[:, :, 0, 0].ravel()
    happened = (particle[:, :-1, 0] == particle[:, 1:, 0]).ravel()
    assert len(probability) == 21_000
    bins = np.digitize(probability, np.linspace(0, 1, 11)[1:-1])
    counts = np.bincount(bins, minlength=10)
    assert (counts > 300).all()
    predicted = np.bincount(bins, probability) / counts
    frequency = np.bincount(bins, happened) / counts
    assert np.sum(counts / counts.sum() * np.abs(predicted - frequency)) <= 0.02
    # Each bin within four standard errors.
    assert (np.abs(predicted - frequency) <= 4 * np.sqrt(predicted * (1 - predicted) / counts)).all()


def test_link_probabilities_add_up_over_the_sequences_that_have_the_link():
    simulation = simulate(4, 4, particles=3)
    weights = bayes.posterior(simulation.measurements, simulation.positions[:, 0], MODEL)
    found = bayes.link_probabilities(weights, 4, 3)
    sequences = bayes.association_sequences(4, 3)
    for b in range(4):
        for t in range(3):
            for i in range(3):
                for j in range(3):
                    has_link = [(i, j) in zip(s[t], s[t + 1], strict=True) for s in sequences]
                    assert found[b, t, i, j] == pytest.approx(weights[b, has_link].sum(), abs=1e-12)


@pytest.mark.parametrize(("frames", "particles"), [(8, 2), (4, 3)])
def test_no_association_sequence_has_more_expected_true_links(frames, particles):
    simulation = simulate(30, frames, particles)
    initial = simulation.positions[:, 0]
    weights = bayes.posterior(simulation.measurements, initial, MODEL)
    _, decided = bayes.track(simulation.measurements, initial, MODEL)
    sequences = bayes.association_sequences(frames, particles)
    for b in range(30):
        # Of every sequence, the true links if each sequence in turn were the truth.
        expected = [
            weights[b] @ true_links(np.broadcast_to(sequence, sequences.shape), sequences)
            for sequence in sequences
        ]
        of_decision = weights[b] @ true_links(np.broadcast_to(decided[b], sequences.shape), sequences)
        assert of_decision == pytest.approx(max(expected), rel=1e-12)


def test_the_lead_over_the_most_likely_association_is_the_one_expected():
    simulation = simulate(4000, 8)
    initial = simulation.positions[:, 0]
    weights = bayes.posterior(simulation.measurements, initial, MODEL)
    links = bayes.link_probabilities(weights, 8, 2)
    _, decided = bayes.track(simulation.measurements, initial, MODEL)
    likeliest = mht.track(simulation.measurements, initial, 7, MODEL).detection

    def expected_links(assigned):
        start, end = assigned[:, :-1].astype(int), assigned[:, 1:].astype(int)
        start[:, 0] = np.arange(2)
        experiment, step, _ = np.ogrid[: len(assigned), :7, :1]
        return links[experiment, step, start, end].sum(axis=(1, 2))

    expected = expected_links(decided) - expected_links(likeliest)
    assert expected.min() >= -1e-9
    assert expected.mean() > 0
    lead = true_links(decided, simulation.detection) - true_links(likeliest, simulation.detection)
    error = lead - expected
    assert abs(error.mean()) <= 4 * error.std() / np.sqrt(4000)


def test_the_most_probable_sequence_is_that_of_the_multiple_hypothesis_tracker():
    simulation = simulate(200, 6)
    initial = simulation.positions[:, 0]
    best = bayes.posterior(simulation.measurements, initial, MODEL).argmax(axis=1)
    likeliest = mht.track(simulation.measurements, initial, 5, MODEL).detection
    np.testing.assert_array_equal(bayes.association_sequences(6, 2)[best][:, 1:], likeliest[:, 1:])


def test_starts_that_are_measured_are_as_uncertain_as_any_detection():
    simulation = simulate(5, 4)
    sequences = bayes.association_sequences(4, 2)
    starts = np.take_along_axis(simulation.measurements[:, 0], simulation.detection[:, 0, :, None], axis=1)
    # z_t − z_0 = t δ + Σ ε + ω_t − ω_0 along each axis.
    t = np.arange(1, 4)
    covariance = 1.5**2 * np.minimum.outer(t, t) + 0.1**2 * np.outer(t, t) + 7.0**2 * (np.eye(3) + 1)
    found = bayes.posterior(simulation.measurements, starts, Model(1.5, 7.0, 0.1, start="measured"))
    own = np.take_along_axis(simulation.measurements[:, None], sequences[None, ..., None], axis=3)
    apart = own[:, :, 1:] - starts[:, None, None]
    cost = np.einsum("bhtnd,ts,bhsnd->bh", apart, np.linalg.inv(covariance), apart)
    expected = np.exp((cost.min(axis=1, keepdims=True) - cost) / 2)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


@pytest.mark.parametrize(("particles", "frames"), [(2, 7), (3, 4), (4, 3), (5, 2)])
def test_particles_that_start_at_one_point_are_parted_by_their_numbers(particles, frames):
    simulation = motion.simulate(np.arange(200), frames, particles, 1.5, 7.0, 0.0, 0.1, seed=1)
    _, detection = bayes.track(simulation.measurements, simulation.positions[:, 0], MODEL)
    assert (detection[:, 1] == np.arange(particles)).all()


def test_tracks_start_at_the_known_positions_and_follow_noiseless_detections():
    simulation = simulate(5, 6, measurement_noise=0.0)
    initial = simulation.positions[:, 0]
    positions, detection = bayes.track(simulation.measurements, initial, Model(1.5, 0.0, 0.1))
    assert (detection[:, 0] == -1).all()
    np.testing.assert_array_equal(positions[:, 0], initial)
    own = np.take_along_axis(simulation.measurements[:, 1:], detection[:, 1:, :, None], axis=2)
    np.testing.assert_allclose(positions[:, 1:], own, atol=1e-9)


def test_a_block_of_many_experiments_is_as_one_by_one(monkeypatch):
    simulation = simulate(7, 5)
    initial = simulation.positions[:, 0]
    together = bayes.posterior(simulation.measurements, initial, MODEL)
    monkeypatch.setattr(bayes, "_POSITIONS_AT_A_TIME", 500)
    np.testing.assert_array_equal(together, bayes.posterior(simulation.measurements, initial, MODEL))


NOISE_FLAGS = {"process_noise": 1.5, "measurement_noise": 2.0, "velocity_spread": 0.1}


def flags(directory, **changes):
    values = {
        "measurements": directory / "measurements.parquet",
        "initial": directory / "initial.parquet",
        **NOISE_FLAGS,
        **changes,
    }
    return [text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", value)]


def test_the_script_writes_the_tracks_and_how_they_were_made(dataset, run_script, tmp_path):
    directory = dataset()
    output = tmp_path / "tracks.parquet"
    result = run_script("track_bayes.py", *flags(directory), "--output", output)
    # Where it takes seconds, it says on the standard output how far it is.
    assert (result.returncode, result.stderr) == (0, "")
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    positions, detection = bayes.track(scenes.measurements, scenes.initial, Model(1.5, 2.0, 0.1))
    (tracks,) = read_tracks(output)
    np.testing.assert_array_equal(tracks.positions, positions)
    np.testing.assert_array_equal(tracks.detection, detection)
    assert table_parameters(output, TRACKS) == {
        **NOISE_FLAGS,
        "tracker": "bayes",
        "process_noise_model": "position",
        "dataset": dataset_parameters(directory / "measurements.parquet"),
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_measurements_are_refused(dataset, refusal, tmp_path, damage):
    directory = dataset()
    path = directory / "measurements.parquet"
    words = DAMAGES[damage](path)
    line = refusal("track_bayes.py", *flags(directory), output=tmp_path / "tracks.parquet")
    assert str(path) in line
    assert words in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"process_noise": 0, "measurement_noise": 0}, "both 0"),
        ({"measurement_noise": "-1"}, "'-1' is not a finite number of at least 0"),
        ({"velocity_spread": "inf"}, "'inf' is not a finite number of at least 0"),
    ],
)
def test_wrong_flags_are_refused(dataset, refusal, tmp_path, changes, words):
    line = refusal("track_bayes.py", *flags(dataset(), **changes), output=tmp_path / "tracks.parquet")
    assert words in line


def test_sequences_too_long_to_enumerate_are_refused(dataset, refusal, tmp_path):
    line = refusal("track_bayes.py", *flags(dataset(frames=18)), output=tmp_path / "tracks.parquet")
    assert "2 particles in 18 frames have 2!^17 association sequences" in line
