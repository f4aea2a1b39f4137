"""A geometric network tracks scenes of any number of particles, whatever it was trained on."""

import numpy as np
import pytest
import torch

import track_transformer
import train
from mpt.matching import match, matched_distances
from mpt.tables.dataset import read_truth
from mpt.tables.tracks import read_tracks
from mpt.transformer import geometric, network
from networks import FRAMES, architecture, make_scene, scattered

SIZES = {"encoder_lookback": 8, "decoder_lookback": 2, "dimension": 8, "heads": 2, "feedforward": 8}
TRAINING = {
    "network": "geometric",
    **SIZES,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "pointers": 2,
    "without": "nothing",
    "encoder_sees": "past",
    "augment": "rotations",
    "mode": "closed_loop",
    "association_weight": 1,
    "experiments_per_batch": 2,
    "batches": 3,
    "replicates": 1,
    "epochs": 3,
    "learning_rate": 0.004,
    "warmup_fraction": 0.1,
    "weight_decay": 0.01,
    "gradient_clip": 1,
    "rescue_distance": 3,
    "precision": "float32",
    "validation_experiments": 2,
    "validate_every": 3,
    "seed": 5,
}
SCENE = {"frames": 8, "measurement_noise": 1.0, "process_noise": 1.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return the file of a model that was trained on three particles."""
    return tmp_path_factory.mktemp("models") / "model.pt"


@pytest.fixture
def trained(model, dataset, monkeypatch):
    if not model.exists():
        directory = dataset("training", experiments=6, particles=3, initial_spread=10.0, **SCENE)
        flags = [x for name, value in TRAINING.items() for x in (f"--{name.replace('_', '-')}", value)]
        command = ["train.py", "--dataset", directory, *flags, "--device", "cpu", "--output", model]
        monkeypatch.setattr("sys.argv", list(map(str, command)))
        train.main()
    return model


@pytest.mark.parametrize(("particles", "spread"), [(1, 5.0), (2, 8.0), (5, 15.0), (20, 30.0)])
def test_a_model_of_three_particles_tracks_others(trained, dataset, tmp_path, particles, spread):
    directory = dataset("test", experiments=5, particles=particles, initial_spread=spread, **SCENE)
    files = {"measurements": directory / "measurements.parquet", "initial": directory / "initial.parquet"}
    output = tmp_path / "tracks.parquet"
    track_transformer.track(**files, model=trained, output=[output])
    (found,), (true,) = read_tracks(output), read_truth(directory / "truth.parquet")
    matching = match(found.positions, true.positions)
    error = matched_distances(found.positions, true.positions, matching)[:, 1:]
    # Who stays at the start is off by √(2 μ² t) at frame t.
    staying = np.sqrt(2 * SCENE["process_noise"] ** 2 * np.mean(np.arange(1, SCENE["frames"])))
    assert np.sqrt(np.mean(error**2)) < 0.6 * staying
    assert np.mean(matching == np.arange(particles)) > 0.9


@pytest.mark.parametrize("sees", ["past", "whole"])
def test_reordering_starts_and_detections_reorders_the_tracks(sees):
    network = scattered(architecture("geometric", 3, encoder_sees=sees)).double()
    particles = 12
    z, start = make_scene(particles)
    expected = network.track(z, start).numpy()
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(particles, generator=generator)
    shuffle = torch.rand(z.shape[:-1], generator=generator, dtype=z.dtype).argsort(-1)
    shuffled = torch.take_along_dim(z, shuffle[..., None], -2)
    found = network.track(shuffled, start[:, :, order]).numpy()
    assert found == pytest.approx(expected[:, :, :, order.numpy()], abs=1e-9)


@pytest.mark.parametrize("particles", [1, 2, 12])
@pytest.mark.parametrize(
    ("sees", "without"), [("past", "nothing"), ("whole", "nothing"), ("past", "division")]
)
def test_blocks_give_the_tracks_of_all_at_once(particles, sees, without, monkeypatch):
    size = architecture("geometric", 3, encoder_sees=sees, without=without)
    model = scattered(size, replicates=2).double()
    z, start = make_scene(particles, replicates=2)
    y, _ = make_scene(particles, replicates=2, seed=1)
    with torch.no_grad():
        expected = model.track(z, start), model(z, y[:, :, :-1])
    rows = z.shape[0] * z.shape[1]
    # Three tokens, and two frames of detections of one frame's tracks, at a time.
    monkeypatch.setattr(geometric, "_ATTENDED_AT_A_TIME", 3 * rows * 2 * FRAMES * particles)
    monkeypatch.setattr(geometric, "_POINTED_AT_A_TIME", 2 * rows * 2 * particles**2)
    monkeypatch.setattr(network, "_MASKED_AT_A_TIME", 1)
    with torch.no_grad():
        found = model.track(z, start), model(z, y[:, :, :-1])
    for one, other in zip(found, expected, strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-9)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_the_sum_over_all_others_is_that_of_each_other(scale):
    x = scale * torch.randn(3, 11, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # Two that are equally great.
    x[0, 4] = x[0, 7] = 2 * scale
    found = geometric._log_sum_of_others(x, 1)
    for p in range(11):
        expected = np.logaddexp.reduce(np.delete(x.numpy(), p, axis=1), axis=1)
        assert found[:, p].numpy() == pytest.approx(expected, rel=1e-12)
