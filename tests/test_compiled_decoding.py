"""Decoding by compiled kernels, against the same network by torch, and their arithmetic against SciPy's."""

import numpy as np
import pytest
import torch
from scipy.special import erf

from mpt.transformer import network_kernels
from mpt.transformer.compiled_decoding import is_compilable
from mpt.transformer.networks import GEOMETRIC, PLAIN
from networks import FRAMES, architecture, make_scene, scattered

REPLICATES = 2
PARTS = [
    (PLAIN, {}),
    (PLAIN, {"head": "position", "time_embedding": "sinusoidal"}),
    (PLAIN, {"heads": 1, "dimension": 10, "feedforward": 7, "decoder_layers": 1}),
    (GEOMETRIC, {}),
    (GEOMETRIC, {"pointers": 1, "heads": 4, "decoder_layers": 1, "feedforward": 5}),
    *((GEOMETRIC, {"without": part}) for part in ("geometry", "rivalry", "division")),
]


def scene(particles, frames=FRAMES):
    """Return more sequences than a block of the kernels has: z (R, B, T, N, 2) and starts (R, B, N, 2)."""
    scenes = [make_scene(particles, REPLICATES, seed, frames) for seed in range(3)]
    return tuple(torch.cat(parts, 1) for parts in zip(*scenes, strict=True))


@pytest.mark.parametrize("particles", [1, 2, 3, 8])
@pytest.mark.parametrize("sees", ["past", "whole"])
@pytest.mark.parametrize("lookbacks", [(1, 1), (3, 2), (FRAMES, FRAMES)])
@pytest.mark.parametrize(("kind", "parts"), PARTS)
def test_the_kernels_track_as_torch_does(kind, parts, lookbacks, sees, particles):
    network = scattered(architecture(kind, particles, *lookbacks, encoder_sees=sees, **parts), REPLICATES)
    z, start = scene(particles)
    assert is_compilable(network, z.shape)
    # What is fed back is given, so that a difference of a frame does not grow in the next ones.
    by_torch = network.follow(z, start, truth=z, decoding=network.decoding(z.shape))
    found = network.follow(z, start, truth=z)
    assert found.numpy() == pytest.approx(by_torch.numpy(), abs=2e-4)
    assert not torch.equal(found, z)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
def test_a_closed_loop_feeds_back_what_the_kernels_found(kind):
    network = scattered(architecture(kind), REPLICATES)
    z, start = scene(2)
    found = network.follow(z, start)
    # Told its own outputs as if they were the truth, it finds them again.
    assert network.follow(z, start, truth=found).numpy() == pytest.approx(found.numpy(), abs=1e-4)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
def test_frame_by_frame_is_the_same_as_all_at_once(kind):
    network = scattered(architecture(kind), REPLICATES)
    z, start = scene(2)
    inner = network.frame_of_reference(start).inward(z)
    with torch.inference_mode():
        at_once, one_by_one = torch.zeros_like(inner), torch.zeros_like(inner)
        for outputs, steps in (
            (at_once, [(1, FRAMES)]),
            (one_by_one, [(t, t + 1) for t in range(1, FRAMES)]),
        ):
            decoding = network.fastest_decoding(z.shape)
            decoding.observe(inner)
            for begin, end in steps:
                decoding.advance(inner, outputs, begin, end)
    assert at_once[:, :, 1:].abs().min() > 0
    assert torch.equal(at_once, one_by_one)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
def test_each_replicate_and_sequence_is_tracked_on_its_own(kind):
    network = scattered(architecture(kind), REPLICATES)
    z, start = scene(2)
    together = network.follow(z, start)
    for replicate, sequence in ((0, 8), (1, 3)):
        alone = tuple(x[replicate : replicate + 1, sequence : sequence + 1] for x in (z, start))
        found = network.of_replicate(replicate).follow(*alone)
        assert found[0, 0].numpy() == pytest.approx(together[replicate, sequence].numpy(), abs=1e-4)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_does_not_come_out_as_one(kind, value):
    network = scattered(architecture(kind))
    with torch.no_grad():
        network.decoder[0].feed_forward.inner.weight[0, 0, 0] = value
    z, start = make_scene()
    assert torch.isnan(network.follow(z, start)[:, :, 1:]).all()


@pytest.mark.parametrize(
    ("change", "particles"),
    [(lambda network: network.double(), 2), (lambda network: network, 9)],
    ids=["float64", "nine tracks"],
)
def test_other_networks_and_scenes_are_tracked_by_torch(change, particles):
    network = change(scattered(architecture(GEOMETRIC, particles)))
    z, _ = make_scene(particles)
    assert not is_compilable(network, z.shape)
    assert type(network.fastest_decoding(z.shape)) is type(network.decoding(z.shape))


def test_a_network_of_lower_precision_is_tracked_by_torch():
    network = scattered(architecture(PLAIN))
    network.use_precision(torch.bfloat16)
    assert not is_compilable(network, make_scene()[0].shape)


def test_exponentials_are_those_of_numpy():
    x = np.linspace(-80, 0, 1001, dtype=np.float32)
    found = x.copy()
    network_kernels._exponentiate(found, np.empty(x.size, np.int32))
    assert found == pytest.approx(np.exp(x.astype(float)), rel=3e-7)


def test_weights_below_the_least_number_are_next_to_nothing():
    x = np.array([0, -200, -np.inf], np.float32)
    assert network_kernels._weigh(x, np.empty(3, np.int32)) == pytest.approx(1, abs=1e-30)
    assert x[1:].max() < 1e-30


def test_gelu_is_that_of_the_error_function():
    x = np.linspace(-9, 9, 1001, dtype=np.float32)
    found = x.copy()
    network_kernels._gelu(found, np.empty_like(x), np.empty(x.size, np.int32))
    assert found == pytest.approx(x * (1 + erf(x.astype(float) / np.sqrt(2))) / 2, abs=1e-6)
