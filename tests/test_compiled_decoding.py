"""Tracking by compiled kernels, against the same network by torch, and their arithmetic against SciPy's."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf, softmax

from mpt.transformer import network_kernels
from mpt.transformer.compiled_decoding import _CompiledDecoding, compiled_decoding
from mpt.transformer.network import PAST, WHOLE
from mpt.transformer.network_kernels import SEQUENCES
from mpt.transformer.networks import GEOMETRIC, PLAIN
from networks import FRAMES, architecture, make_scene, scattered
from trained_trackers import SEQUENCES_TOGETHER

REPLICATES = 2
PARTS = [
    (PLAIN, {}),
    (PLAIN, {"head": "position", "time_embedding": "sinusoidal"}),
    (PLAIN, {"heads": 1, "dimension": 10, "feedforward": 7, "decoder_layers": 1}),
    (GEOMETRIC, {}),
    (GEOMETRIC, {"pointers": 1, "heads": 4, "decoder_layers": 1, "feedforward": 5}),
    *((GEOMETRIC, {"without": part}) for part in ("geometry", "rivalry", "division")),
]


def scene(particles, replicates=REPLICATES, sequences=9):
    """Return measurements z (R, B, T, N, 2) and starts (R, B, N, 2)."""
    count = math.ceil(sequences / 3)
    scenes = [make_scene(particles, replicates, seed) for seed in range(count)]
    return tuple(torch.cat(parts, 1)[:, :sequences] for parts in zip(*scenes, strict=True))


def by_kernels(network, z, start, truth=None):
    return network.follow(z, start, truth=truth, decoding=compiled_decoding(network, z.shape))


def by_torch(network, z, start, truth=None):
    return network.follow(z, start, truth=truth, decoding=network.decoding(z.shape))


@pytest.mark.parametrize("particles", [1, 2, 3, 8])
@pytest.mark.parametrize("sees", ["past", "whole"])
@pytest.mark.parametrize("lookbacks", [(1, 1), (3, 2), (FRAMES, FRAMES)])
@pytest.mark.parametrize(("kind", "parts"), PARTS)
def test_the_kernels_track_as_torch_does(kind, parts, lookbacks, sees, particles):
    network = scattered(architecture(kind, particles, *lookbacks, encoder_sees=sees, **parts), REPLICATES)
    z, start = scene(particles)
    # What is fed back is given, so that a difference of a frame does not grow in the next ones.
    found = by_kernels(network, z, start, truth=z)
    assert found.numpy() == pytest.approx(by_torch(network, z, start, truth=z).numpy(), abs=2e-4)
    assert not torch.equal(found, z)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
@pytest.mark.parametrize(
    ("replicates", "sequences"),
    [(1, 1), (1, SEQUENCES), (2, SEQUENCES + 6), (3, SEQUENCES // 2), (9, SEQUENCES // 8 + 1)],
    ids=["one", "a block", "blocks of each", "less than a block of each", "blocks of several"],
)
def test_any_number_of_sequences_and_replicates(kind, replicates, sequences):
    network = scattered(architecture(kind), replicates)
    z, start = scene(2, replicates, sequences)
    found = by_kernels(network, z, start, truth=z).numpy()
    assert found == pytest.approx(by_torch(network, z, start, truth=z).numpy(), abs=2e-4)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
def test_a_closed_loop_feeds_back_what_the_kernels_found(kind):
    network = scattered(architecture(kind), REPLICATES)
    z, start = scene(2)
    found = by_kernels(network, z, start)
    # Told its own outputs as if they were the truth, it finds them again.
    assert by_kernels(network, z, start, truth=found).numpy() == pytest.approx(found.numpy(), abs=1e-4)


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
            decoding = compiled_decoding(network, z.shape)
            decoding.observe(inner)
            for begin, end in steps:
                decoding.advance(inner, outputs, begin, end)
    assert at_once[:, :, 1:].abs().min() > 0
    assert torch.equal(at_once, one_by_one)


def test_all_frames_are_observed_at_once():
    network = scattered(architecture(PLAIN), REPLICATES)
    z, _ = scene(2)
    with pytest.raises(ValueError, match=f"{FRAMES - 1} of {FRAMES} frames"):
        compiled_decoding(network, z.shape).observe(z[:, :, 1:].float())


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
def test_each_replicate_and_sequence_is_tracked_on_its_own(kind):
    network = scattered(architecture(kind), REPLICATES)
    z, start = scene(2)
    together = by_kernels(network, z, start)
    for replicate, sequence in ((0, 8), (1, 3)):
        alone = tuple(x[replicate : replicate + 1, sequence : sequence + 1] for x in (z, start))
        found = by_kernels(network.of_replicate(replicate), *alone)
        assert found[0, 0].numpy() == pytest.approx(together[replicate, sequence].numpy(), abs=1e-4)


@pytest.mark.parametrize("kind", [PLAIN, GEOMETRIC])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_does_not_come_out_as_one(kind, value):
    network = scattered(architecture(kind))
    with torch.no_grad():
        network.decoder[0].feed_forward.inner.weight[0, 0, 0] = value
    z, start = make_scene()
    assert torch.isnan(by_kernels(network, z, start)[:, :, 1:]).all()


@pytest.mark.parametrize(
    ("change", "particles"),
    [
        (lambda network: network.double(), 2),
        (lambda network: network, 9),
        (lambda network: network.use_precision(torch.bfloat16) or network, 2),
    ],
    ids=["float64", "nine tracks", "bfloat16"],
)
def test_other_networks_and_scenes_are_tracked_by_torch(change, particles):
    network = change(scattered(architecture(GEOMETRIC, particles)))
    shape = torch.Size([1, 1000, FRAMES, particles, 2])
    assert compiled_decoding(network, shape) is None
    assert type(network.fastest_decoding(shape)) is type(network.decoding(shape))


def test_a_class_that_the_kernels_do_not_know_is_tracked_by_torch():
    network = scattered(architecture(PLAIN))
    network.__class__ = type("Another", (type(network),), {})
    assert compiled_decoding(network, torch.Size([1, 1, FRAMES, 2, 2])) is None


def test_kernels_serve_where_there_is_much_to_track():
    network = scattered(architecture(PLAIN))
    few, many = (torch.Size([1, sequences, FRAMES, 2, 2]) for sequences in (10, 1000))
    assert type(network.fastest_decoding(few)) is type(network.decoding(few))
    assert type(network.fastest_decoding(many)) is type(compiled_decoding(network, many))


@pytest.mark.parametrize(
    ("network", "sees", "shape", "by_kernels"),
    [
        # A block of 64 is full, nearly half full, or has one sequence: as long as the longest movies.
        (PLAIN, WHOLE, (1, 64, 150, 2), True),
        (PLAIN, WHOLE, (5, 6, 150, 2), False),
        (PLAIN, WHOLE, (1, 1, 1000, 3), False),
        (PLAIN, PAST, (5, 6, 150, 2), True),
        (PLAIN, PAST, (5, 1, 2000, 2), False),
        (GEOMETRIC, PAST, (5, 6, 150, 2), True),
        (GEOMETRIC, PAST, (1, 64, 75, 8), True),
        (GEOMETRIC, PAST, (1, 10, 500, 8), False),
    ],
)
def test_what_takes_longer_by_kernels_is_tracked_by_torch(network, sees, shape, by_kernels):
    replicates, _, frames, particles = shape
    size = architecture(network, particles, frames, 8, encoder_sees=sees, frames=frames)
    scene = torch.Size([*shape, 2])
    found = scattered(size, replicates).fastest_decoding(scene)
    assert isinstance(found, _CompiledDecoding) == by_kernels


def test_trackers_take_whole_blocks_at_a_time():
    assert SEQUENCES_TOGETHER == SEQUENCES


def room(size):
    return np.empty(size, np.float32), np.empty(size, np.int32)


def test_exponentials_are_those_of_numpy():
    x = np.linspace(-80, 0, 1001, dtype=np.float32)
    found = x.copy()
    network_kernels._exponentiate(found, room(x.size)[1])
    assert found == pytest.approx(np.exp(x.astype(float)), rel=3e-7)


def test_the_softplus_is_that_of_numpy():
    x = np.linspace(-80, 80, 1001, dtype=np.float32)
    found = x.copy()
    network_kernels._softplus(found, *room(x.size))
    assert found == pytest.approx(np.logaddexp(0, x.astype(float)), rel=3e-7, abs=1e-30)


def test_logarithms_are_those_of_numpy():
    x = np.concatenate([[0], np.geomspace(1e-9, 1e12, 1001)]).astype(np.float32)
    found = x.copy()
    network_kernels._log_1_plus(found, *room(x.size))
    assert found == pytest.approx(np.log1p(x.astype(float)), rel=3e-7, abs=1.5e-7)
    for value in (np.inf, np.nan):
        x[:] = value
        network_kernels._log_1_plus(x, *room(x.size))
        assert np.isnan(x).all()


def test_gelu_is_that_of_the_error_function():
    x = np.linspace(-9, 9, 1001, dtype=np.float32)
    found = x.copy()
    network_kernels._gelu(found, *room(x.size))
    assert found == pytest.approx(x * (1 + erf(x.astype(float) / np.sqrt(2))) / 2, abs=1e-6)


def test_weights_are_a_softmax_and_those_below_the_least_number_next_to_nothing():
    network = scattered(architecture(PLAIN))
    decoding = compiled_decoding(network, torch.Size([1, 1, FRAMES, 2, 2]))
    logits = np.random.default_rng(0).normal(0, 5, (FRAMES, 2 * SEQUENCES)).astype(np.float32)
    logits[1, 0], logits[2, 0] = logits[0, 0] - 200, -np.inf
    weights = logits.copy()
    weights *= network_kernels._weigh(weights, decoding._room)
    assert weights == pytest.approx(softmax(logits.astype(float), 0), abs=1e-6)
    assert weights[1:3, 0].max() < 1e-30
