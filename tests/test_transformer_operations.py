"""How torch's operators and the geometric transformer's operations are counted by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hand_counts import Call, counted_architecture, layer_norm, softmax
from mpt.operations.transformer import (
    Operations,
    by_operator,
    count,
    re_encoded,
)
from mpt.transformer.networks import make_network

ARCHITECTURE = counted_architecture("geometric")
# In one key: the head's content, position and its square, time, seven waves. Tracks add which track it is.
GEOMETRY = 2 + 1 + 1 + 14


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (torch.add, [(3, 4), (3, 4)], 12),
        (torch.mul, [(3, 4), (4,)], 12),
        (lambda x: x / 2 - 1, [(5,)], 10),
        (lambda x: x.sum(-1), [(3, 4)], 3 * 3),
        (lambda x: x.mean(), [(3, 4)], 12),
        (lambda x: x.softmax(0), [(4, 3)], softmax(3, 4)),
        (torch.logaddexp, [(5,), (5,)], 5 * (1 + 1 + 1 + 2 + 1)),
        (lambda x: nn.functional.layer_norm(x, (4,)), [(3, 4)], layer_norm(3, 4)),
        (torch.sigmoid, [(7,)], 21),
        (lambda x: -x, [(7,)], 0),
        # On integers.
        (lambda x: x + torch.arange(7).mul(2).sum(), [(7,)], 7),
        (lambda x: torch.view_as_complex(x) * torch.view_as_complex(x), [(7, 2)], 42),
        (torch.matmul, [(2, 3, 4), (2, 4, 5)], 2 * 120),
        (torch.baddbmm, [(2, 1, 5), (2, 3, 4), (2, 4, 5)], 2 * 120),
        (nn.functional.linear, [(3, 4), (5, 4), (5,)], 2 * 60),
        # A million multiply–adds.
        (torch.matmul, [(100, 100), (100, 100)], 2 * 10**6),
    ],
)
def test_each_operator_is_counted_as_by_hand(function, shapes, expected):
    assert count(Call(function), *map(torch.rand, shapes)).flops == expected


@pytest.mark.parametrize("mask", [None, torch.ones(5, 7, dtype=torch.bool).tril()])
def test_fused_attention_is_counted_with_and_without_a_mask(mask):
    query, key, value = torch.rand(2, 3, 5, 8), torch.rand(2, 3, 7, 8), torch.rand(2, 3, 7, 6)
    attention = Call(
        lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
    )
    logits = 2 * 3 * 5 * 7
    found = by_operator(attention, query, key, value)
    assert found["scaled_dot_product_attention"] == logits * (8 + 6)
    # Each logit is scaled, and a mask is added to it.
    assert found["softmax"] == softmax(2 * 3 * 5, 7) + logits * (1 if mask is None else 2)


def test_an_operator_without_a_count_is_an_error_and_not_nothing():
    with pytest.raises(NotImplementedError, match=re.escape("aten::cumprod")):
        count(Call(lambda x: x.cumprod(0)), torch.rand(3))


def test_an_encoder_layer_of_torch_is_counted_as_by_hand_in_spite_of_its_fast_path():
    d, width, tokens = 16, 24, 5
    layer = nn.TransformerEncoderLayer(d, 2, width, dropout=0.0, activation="relu", batch_first=True).eval()
    macs = tokens * d * 3 * d + 2 * 2 * tokens * tokens * d // 2 + tokens * d * d + 2 * tokens * d * width
    assert count(layer, torch.rand(1, tokens, d)).macs == macs
    assert torch.backends.mha.get_fastpath_enabled()


def macs_of_attention(tokens: int, keys: int, heads: int, head: int, same: bool, rival: bool) -> int:
    """Multiply–adds of the masked attention of tokens over keys and of the maps into it and out of it."""
    d = heads * head
    width = head + GEOMETRY + (ARCHITECTURE.particles if same else 0)
    maps = keys * d * 2 * head + tokens * d * heads * (head + GEOMETRY + same + rival)
    # Values are as wide as keys.
    mixing = heads * tokens * keys * 2 * width
    return maps + mixing + tokens * (d + 3 * heads) * d


def macs_of_feed_forward(tokens: int) -> int:
    return 2 * tokens * ARCHITECTURE.dimension * ARCHITECTURE.feedforward


def elementwise_of_weights(tokens: int, keys: int, heads: int, head: int) -> int:
    """Of what tokens pay attention to: queries, logits, their scale and mask, and what normalises before."""
    # Rates, waves, content, direction.
    operations = tokens * heads * (2 * 3 + 7 * 6 + head + 1 + 2 + 2)
    operations += heads * tokens * keys * 2 + softmax(heads * tokens, keys)
    return operations + layer_norm(tokens, heads * head) + layer_norm(keys, heads * head)


def elementwise_of_attention(tokens: int, keys: int, heads: int, head: int) -> int:
    """All but the matrix products of masked attention, and its update of the tokens."""
    # Displacement and square, bounded, and the logarithm.
    operations = tokens * heads * (2 + 2 + 1 + (1 + 1 + 2 + 2) + 2)
    return operations + elementwise_of_weights(tokens, keys, heads, head) + tokens * heads * head


def elementwise_of_feed_forward(tokens: int) -> int:
    d, width = ARCHITECTURE.dimension, ARCHITECTURE.feedforward
    return layer_norm(tokens, d) + 5 * tokens * width + tokens * d


def of_forward(frames: int, **changes) -> Operations:
    """Count the forward pass over as many frames of measurements as of outputs."""
    network = make_network(replace(ARCHITECTURE, **changes), 1)
    scene = torch.rand(1, 1, frames, ARCHITECTURE.particles, 2)
    return count(network, scene, scene)


def test_an_encoder_layer_is_counted_as_by_hand():
    L, heads, d = 4 * ARCHITECTURE.particles, ARCHITECTURE.heads, ARCHITECTURE.dimension
    layer = np.subtract(of_forward(4, encoder_layers=3), of_forward(4))
    macs = macs_of_attention(L, L, heads, d // heads, same=False, rival=False) + macs_of_feed_forward(L)
    elementwise = elementwise_of_attention(L, L, heads, d // heads) + elementwise_of_feed_forward(L)
    assert layer.tolist() == [2 * macs + elementwise, macs]


def test_a_decoder_layer_is_counted_as_by_hand():
    N, heads, d = ARCHITECTURE.particles, ARCHITECTURE.heads, ARCHITECTURE.dimension
    L = 4 * N
    layer = np.subtract(of_forward(4, decoder_layers=3), of_forward(4))
    macs = macs_of_attention(L, L, heads, d // heads, same=True, rival=False)
    macs += macs_of_attention(L, L, heads, d // heads, same=False, rival=True) + macs_of_feed_forward(L)
    elementwise = 2 * elementwise_of_attention(L, L, heads, d // heads) + elementwise_of_feed_forward(L)
    # An amplitude for the same track; in the other attention, a step away from the others.
    elementwise += L * heads * N + L * heads * (2 + 2)
    assert layer.tolist() == [2 * macs + elementwise, macs]


def test_the_whole_network_is_counted_as_by_hand():
    N, heads, d, pointers = 2, ARCHITECTURE.heads, ARCHITECTURE.dimension, ARCHITECTURE.pointers
    L, head, pointer = 4 * N, d // heads, d // pointers
    encoder = macs_of_attention(L, L, heads, head, same=False, rival=False) + macs_of_feed_forward(L)
    decoder = macs_of_attention(L, L, heads, head, same=True, rival=False) + macs_of_feed_forward(L)
    decoder += macs_of_attention(L, L, heads, head, same=False, rival=True)
    # Key, query, mixing, gate and share.
    output = L * d * pointer + L * d * pointers * (pointer + GEOMETRY + 1)
    output += pointers * L * L * (pointer + GEOMETRY + 2) + L * d * 2 * pointers
    # How near the others are weighs where they are.
    rivals = 4 * N * N * 2
    macs = 2 * encoder + 2 * decoder + output + rivals
    elementwise = 2 * (elementwise_of_attention(L, L, heads, head) + elementwise_of_feed_forward(L))
    elementwise += 2 * (2 * elementwise_of_attention(L, L, heads, head) + elementwise_of_feed_forward(L))
    elementwise += 2 * (L * heads * N + L * heads * (2 + 2))
    # The centre of the start; into its coordinates and out of them.
    elementwise += 2 * N + 2 * (L * 2 * 2) + L * 2 * 2
    # When and where detections and outputs are: angles, sines and cosines, squares.
    elementwise += 2 * L * (7 + 7 * 4 + 2 + 1)
    # How long ago each is to each: detections, outputs, across.
    elementwise += 3 * L * L
    # Away from the others: differences, squares and sum, sharpness, who is nearest; direction and reach.
    elementwise += 4 * N * N * (2 + 2 + 1 + 1) + softmax(L, N)
    elementwise += L * (2 + 2 + 1 + (1 + 2 + 2) + (1 + 1 + 2))
    # Pointers, and a step away from the others; gates, displacements, shares.
    elementwise += elementwise_of_weights(L, L, pointers, pointer) + L * pointers * (2 + 2)
    # Their logits are neither scaled nor is a mask added.
    elementwise -= pointers * L * L * 2
    # Each frame's share, the odds, what each detection has of it.
    elementwise += pointers * L * (L // N * (N - 1) + L * 1 + L // N * softmax(1, N) + L * 1)
    elementwise += layer_norm(L, d) + L * pointers * (3 + 2 + 2 + 2) + softmax(L, pointers)
    elementwise += L * 2 * (pointers - 1) + L * 2
    assert of_forward(4) == (2 * macs + elementwise, macs)


def test_what_is_left_out_is_not_counted():
    N, heads, pointers = 2, ARCHITECTURE.heads, ARCHITECTURE.pointers
    L = 4 * N
    tracks = 2 * L * heads + L * pointers
    # The odds, the softmax over a frame's detections, each frame's share.
    division = pointers * L * (L // N * (N - 1) + L * 1 + L // N * softmax(1, N) + L * 1)
    # Away from the others, as in the whole network, and the step of each query.
    rivalry = 2 * (4 * N * N * 2) + 4 * N * N * (2 + 2 + 1 + 1) + softmax(L, N)
    rivalry += L * (2 + 2 + 1 + (1 + 2 + 2) + (1 + 1 + 2)) + tracks * (2 + 2)
    # In each query the direction plus twice the sharpness times the place.
    geometry = rivalry + (4 * L * heads + tracks) * (1 + 2 + 2)
    for without, saved in {"division": division, "rivalry": rivalry, "geometry": geometry}.items():
        assert of_forward(4).flops - of_forward(4, without=without).flops == saved, without


def test_outputs_that_reach_back_beyond_the_measurements_are_refused():
    with pytest.raises(ValueError, match="K_D"):
        re_encoded(replace(ARCHITECTURE, encoder_lookback=1, decoder_lookback=2), 6)


def test_heads_that_do_not_divide_the_dimension_are_refused(refusal, tmp_path):
    flags = "--network geometric --particles 2 --frames 6 --lookbacks 1 --dimension 16 --heads 3"
    flags += " --encoder-layers 1 --decoder-layers 1 --feedforward 8 --pointers 2 --without nothing"
    assert "heads 3" in refusal("count_transformer.py", *flags.split(), output=tmp_path / "t.parquet")
