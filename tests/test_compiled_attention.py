"""Compiled attention and its gradient, against a softmax in float64 of which torch takes the gradient."""

import copy

import numpy as np
import pytest
import torch

from mpt.transformer import compiled_attention
from mpt.transformer.attention import Sight, suits_kernels
from networks import architecture, make_scene, scattered

PARTICLES = 3


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tokens(frames, dimension, seed=0, size=1.0):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(2, frames * PARTICLES, dimension, generator=generator)
    return (size * made).requires_grad_()


def softmax(queries, keys, values, heads, seen, scale):
    """Attention in float64. Where there is one group of keys and values, all heads share it."""
    queries = queries.double().unflatten(-1, (heads, -1)).transpose(1, 2)
    groups = keys.shape[-1] // queries.shape[-1]
    keys, values = (x.double().unflatten(-1, (groups, -1)).transpose(1, 2) for x in (keys, values))
    logits = scale * queries @ keys.mT
    weights = logits.masked_fill(~seen, -torch.inf).softmax(-1)
    return (weights @ values).transpose(1, 2).flatten(-2)


@pytest.mark.parametrize("size", [1.0, 3.0])
@pytest.mark.parametrize(
    ("heads", "groups", "key", "value"),
    [(1, 1, 4, 4), (2, 2, 16, 16), (3, 3, 5, 7), (2, 1, 34, 18), (4, 1, 9, 3)],
)
@pytest.mark.parametrize(
    ("first", "back", "ahead"), [(0, 29, 29), (0, 29, 0), (0, 0, 0), (2, 0, 0), (1, 7, 0), (1, 6, 6)]
)
def test_it_is_the_softmax_over_what_is_seen_with_its_gradient(
    first, back, ahead, heads, groups, key, value, size
):
    asked, measured = range(first, 29), range(29)
    times, key_times = (torch.tensor(run).repeat_interleave(PARTICLES) for run in (asked, measured))
    sight = Sight(times, asked, key_times, measured, back, ahead)
    age = times[:, None] - key_times
    seen = (age >= -ahead) & (age <= back)
    widths = ((asked, heads * key), (measured, groups * key), (measured, groups * value))
    given = [tokens(len(run), width, seed, size) for seed, (run, width) in enumerate(widths)]
    scale = key**-0.5
    assert suits_kernels(given[1])
    found = compiled_attention.attend(*given, heads, sight.runs, scale)
    expected = softmax(*given, heads, seen, scale)
    slope = tokens(len(asked), heads * value, seed=3).detach()
    slopes = torch.autograd.grad(found, given, slope)
    expected_slopes = torch.autograd.grad(expected, given, slope.double())
    for one, other in zip((found, *slopes), (expected, *expected_slopes), strict=True):
        other = other.detach().numpy()
        assert one.detach().numpy() == pytest.approx(other, abs=1e-5 * float(np.abs(other).max()))


def test_it_gives_the_same_bits_twice():
    def once():
        given = [tokens(30, 8, seed) for seed in range(3)]
        everything = np.tile([0, 90], (90, 1))
        found = compiled_attention.attend(*given, 2, everything, 0.5)
        return found, *torch.autograd.grad(found.sin().sum(), given)

    assert all(torch.equal(one, other) for one, other in zip(once(), once(), strict=True))


def test_tokens_too_few_for_a_block_take_nothing_of_those_before():
    """The last token sees one key; to those before it, that key would be far beyond all that they see."""
    keys = torch.zeros(1, 65, 4)
    keys[:, -1] = 1e3
    given = [torch.ones(1, 65, 4), keys, torch.ones(1, 65, 4)]
    given = [x.requires_grad_() for x in given]
    runs = np.array([[0, 64]] * 64 + [[64, 65]])
    compiled_attention.attend(*given, 1, runs, 0.5).sum().backward()
    for x in given:
        assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_is_no_number_stays_none(which):
    given = [tokens(30, 8, seed) for seed in range(3)]
    with torch.no_grad():
        given[which][0, 5] = torch.nan
    everything = np.tile([0, 90], (90, 1))
    found = compiled_attention.attend(*given, 2, everything, 0.5)
    token = 5 if which == 0 else 0
    assert torch.isnan(found[0, token]).all()
    assert torch.isfinite(found[1]).all()


def test_what_it_is_not_for():
    keys = tokens(30, 24)
    assert suits_kernels(keys)
    assert not suits_kernels(keys.double())
    assert not suits_kernels(keys[:, :20])
    torch.set_num_threads(2)
    assert not suits_kernels(keys)


@pytest.mark.parametrize("kind", ["plain", "geometric"])
@pytest.mark.parametrize("encoder_sees", ["past", "whole"])
@pytest.mark.parametrize(
    ("particles", "frames", "lookbacks"), [(1, 70, (70, 1)), (2, 40, (9, 8)), (3, 30, (30, 30))]
)
def test_networks_learn_by_it_what_they_learn_by_torch(
    kind, encoder_sees, particles, frames, lookbacks, monkeypatch
):
    """Gradients of networks in float32 against those in float64, which are torch's."""
    calls = []
    attend = compiled_attention.attend
    monkeypatch.setattr(
        compiled_attention, "attend", lambda *given, **named: calls.append(1) or attend(*given, **named)
    )
    size = architecture(kind, particles, *lookbacks, encoder_sees=encoder_sees, frames=frames)
    single = scattered(size, replicates=2)
    double = copy.deepcopy(single).double()
    measurements, _ = make_scene(particles, replicates=2, frames=frames)
    found = {}
    for network in (single, double):
        scene = measurements.to(network.length_scale)
        network(scene, scene[:, :, :-1]).square().mean().backward()
        gradients = [x.grad.double().flatten() for x in network.parameters() if x.grad is not None]
        found[network] = torch.cat(gradients).numpy()
        # The geometric network attends to the future by torch: only its decoder's own tokens are compiled.
        expected = 2 if kind == "geometric" and encoder_sees == "whole" else 6
        assert len(calls) == expected
    assert found[single] == pytest.approx(found[double], abs=2e-4 * np.abs(found[double]).max())
