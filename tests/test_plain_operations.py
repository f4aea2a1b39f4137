"""How the plain transformer's operations are counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hand_counts import counted_architecture, layer_norm, softmax
from mpt.operations.transformer import (
    Operations,
    count,
    incremental,
    re_encoded,
)
from mpt.transformer.networks import make_network

ARCHITECTURE = counted_architecture("plain")
D, WIDTH, HEADS, N = 16, 24, 2, 2


def attention(tokens: int, keys: int) -> Operations:
    """Masked attention of tokens to others, with the maps into it and out of it."""
    macs = tokens * D * D + keys * D * 2 * D + 2 * tokens * keys * D + tokens * D * D
    # Each logit is scaled, and a mask is added to it; then the token takes what was found.
    elementwise = HEADS * tokens * keys * 2 + softmax(HEADS * tokens, keys) + tokens * D
    elementwise += layer_norm(tokens, D) + layer_norm(keys, D)
    return Operations(2 * macs + elementwise, macs)


def feed_forward(tokens: int) -> Operations:
    macs = 2 * tokens * D * WIDTH
    return Operations(2 * macs + layer_norm(tokens, D) + 5 * tokens * WIDTH + tokens * D, macs)


def of_forward(frames: int, **changes) -> Operations:
    """Count the forward pass over as many frames of measurements as of outputs."""
    network = make_network(replace(ARCHITECTURE, **changes), 1)
    scene = torch.rand(1, 1, frames, N, 2)
    return count(network, scene, scene)


def test_an_encoder_layer_is_counted_as_by_hand():
    L = 4 * N
    layer = np.subtract(of_forward(4, encoder_layers=3), of_forward(4))
    assert layer.tolist() == np.add(attention(L, L), feed_forward(L)).tolist()


def test_a_decoder_layer_is_counted_as_by_hand():
    L = 4 * N
    layer = np.subtract(of_forward(4, decoder_layers=3), of_forward(4))
    assert layer.tolist() == (2 * np.array(attention(L, L)) + feed_forward(L)).tolist()


@pytest.mark.parametrize("head", ["position", "displacement"])
def test_the_whole_network_is_counted_as_by_hand(head):
    L = 4 * N
    layers = 2 * np.array(attention(L, L)) + 2 * np.array(feed_forward(L)) + 4 * np.array(attention(L, L))
    layers += 2 * np.array(feed_forward(L))
    # Two embeddings and the head.
    macs = 2 * L * 2 * D + L * D * 2
    # The centre of the start; into its coordinates and out of them.
    elementwise = 2 * N + 2 * (L * 2 * 2) + L * 2 * 2
    # Time is added to both kinds of tokens, after the track to that of the decoder's.
    elementwise += 2 * L * D + L * D
    elementwise += layer_norm(L, D) + (L * 2 if head == "displacement" else 0)
    expected = np.add(layers, [2 * macs + elementwise, macs])
    assert of_forward(4, head=head) == tuple(expected)


def test_an_encoder_that_sees_the_future_is_not_counted():
    whole = replace(ARCHITECTURE, encoder_sees="whole")
    for counted in (incremental, re_encoded):
        with pytest.raises(ValueError, match="whole"):
            counted(whole, 6)
