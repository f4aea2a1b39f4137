"""Attention in blocks of frames, against a softmax over all keys of which those out of sight are masked."""

import numpy as np
import pytest
import torch

from mpt.transformer import attention
from mpt.transformer.attention import Sight, attend_in_blocks
from networks import architecture, make_scene, scattered

PARTICLES = 3


def sees(frame, key_frame, lookback, whole):
    return abs(frame - key_frame) < lookback if whole else 0 <= frame - key_frame < lookback


def masked_softmax(queries, keys, values, seen):
    weights = np.exp(queries @ keys.swapaxes(-1, -2)) * seen
    return weights / weights.sum(-1, keepdims=True) @ values


def attend(queries, keys, values, mask):
    logits = queries @ keys.mT
    return (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(-1) @ values


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize(
    ("lookback", "frames"), [(1, 1), (1, 40), (3, 5), (8, 70), (31, 64), (70, 70), (90, 65)]
)
def test_blocks_give_the_softmax_over_what_is_seen(lookback, frames, first, whole):
    """Tokens of the frames from `first` on, keys of all, as outputs look at detections."""
    asked, measured = range(first, first + frames), range(first + frames)
    times, key_times = (torch.tensor(run).repeat_interleave(PARTICLES) for run in (asked, measured))
    seen = Sight(times, asked, key_times, measured, lookback - 1, lookback - 1 if whole else 0)
    expected = [[sees(t, s, lookback, whole) for s in key_times.tolist()] for t in times.tolist()]
    generator = torch.Generator().manual_seed(lookback)
    queries, keys, values = (
        torch.randn(2, length, width, dtype=torch.float64, generator=generator)
        for length, width in ((len(times), 4), (len(key_times), 4), (len(key_times), 5))
    )
    found = attend_in_blocks(attend, seen.blocks, queries, keys, values)
    plain = masked_softmax(*(x.numpy() for x in (queries, keys, values)), np.array(expected))
    assert found.numpy() == pytest.approx(plain, rel=1e-12)
    if seen.mask is None:
        assert np.all(expected)
    else:
        assert seen.mask.tolist() == expected


def test_few_weights_are_computed_where_little_is_seen():
    frames = range(320)
    times = torch.tensor(frames).repeat_interleave(PARTICLES)
    blocks = Sight(times, frames, times, frames, back=7).blocks
    computed = sum(len(times[block.tokens]) * len(times[block.keys]) for block in blocks)
    assert computed < len(times) ** 2 / 8


@pytest.mark.parametrize("kind", ["plain", "geometric"])
@pytest.mark.parametrize("encoder_sees", ["past", "whole"])
@pytest.mark.parametrize("lookbacks", [(1, 1), (2, 3), (4, 2), (9, 9)])
def test_networks_learn_from_the_gradient_of_what_they_compute(kind, encoder_sees, lookbacks, monkeypatch):
    """Blocks of two frames against differences of what is computed through a mask."""
    monkeypatch.setattr(attention, "_FRAMES_OF_A_BLOCK", 2)
    sizes = dict(zip(("encoder_lookback", "decoder_lookback"), lookbacks, strict=True))
    network = scattered(architecture(kind, PARTICLES, **sizes, encoder_sees=encoder_sees)).double()
    network.length_scale.fill_(1.0)
    measurements, _ = make_scene(PARTICLES)
    scene = (measurements, measurements[:, :, :-1])
    found = network(*scene)
    with torch.no_grad():
        assert found.detach().numpy() == pytest.approx(network(*scene).numpy(), abs=1e-11)
    found.square().sum().backward()
    generator = torch.Generator().manual_seed(1)
    parameters = list(network.parameters())
    steps = [torch.randn(x.shape, dtype=x.dtype, generator=generator) for x in parameters]
    slope = sum(
        float((x.grad * step).sum()) for x, step in zip(parameters, steps, strict=True) if x.grad is not None
    )
    values = []
    with torch.no_grad():
        for size in (1e-6, -2e-6):
            for x, step in zip(parameters, steps, strict=True):
                x += size * step
            values.append(float(network(*scene).square().sum()))
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)
