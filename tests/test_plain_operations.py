"""How the plain transformer's operations are counted: by hand, by torch's own counter, frame by frame."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mpt.operations.transformer import (
    Operations,
    count,
    incremental,
    re_encoded,
    track_by_re_encoding,
    track_frame_by_frame,
)
from mpt.tables.files import TableReader
from mpt.tables.operations import OPERATIONS
from mpt.transformer.networks import make_network
from mpt.transformer.plain import Architecture
from test_transformer_operations import Call, layer_norm, softmax

ARCHITECTURE = Architecture(
    particles=2,
    frames=6,
    encoder_lookback=3,
    decoder_lookback=2,
    dimension=16,
    heads=2,
    encoder_layers=2,
    decoder_layers=2,
    feedforward=24,
    encoder_sees="past",
    head="displacement",
    time_embedding="learned",
)
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


@pytest.mark.parametrize("time_embedding", ["learned", "sinusoidal"])
def test_the_multiplications_are_those_of_torchs_own_counter(time_embedding):
    scene = torch.rand(1, 1, 4, N, 2)
    network = make_network(replace(ARCHITECTURE, time_embedding=time_embedding), 1).requires_grad_(False)
    for call in (Call(network), Call(lambda z, x: network.follow(z, x[:, :, 0]))):
        call.network = network
        # It does not see into the fused kernel.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            call(scene, scene)
        assert counter.get_total_flops() == 2 * count(call, scene, scene).macs


@pytest.mark.parametrize("lookbacks", [(1, 1), (2, 2), (3, 2), (6, 6)])
@pytest.mark.parametrize(
    ("track", "counted"), [(track_frame_by_frame, incremental), (track_by_re_encoding, re_encoded)]
)
def test_the_frames_of_a_sequence_add_up(track, counted, lookbacks):
    architecture = replace(
        ARCHITECTURE, encoder_lookback=lookbacks[0], decoder_lookback=lookbacks[1], decoder_layers=1
    )
    network = make_network(architecture, 1)
    scene = torch.rand(1, 1, 6, N, 2, dtype=torch.float64)
    whole = Call(lambda z: track(network, z, z[:, :, 0]))
    whole.network = network
    found = counted(architecture, 6)
    if lookbacks == (1, 1) and track is track_frame_by_frame:
        # A trace drops what frame 0 leaves in the caches, since nobody looks back at it.
        first = count(whole, scene[:, :, :2])
        both = counted(architecture, 2)
        found = Operations(*np.subtract(found, both) + first)
    assert found == count(whole, scene)


def test_re_encoding_tracks_the_same_where_the_window_holds_all_frames():
    architecture = replace(ARCHITECTURE, encoder_lookback=6, decoder_lookback=6)
    network = make_network(architecture, 2, seed=3)
    scene = 5 * torch.randn(2, 3, 6, N, 2, dtype=torch.float64)
    found = track_by_re_encoding(network, scene, scene[:, :, 0])
    torch.testing.assert_close(found, network.track(scene, scene[:, :, 0]), rtol=0, atol=1e-4)


def test_an_encoder_that_sees_the_future_is_not_counted():
    whole = replace(ARCHITECTURE, encoder_sees="whole")
    for counted in (incremental, re_encoded):
        with pytest.raises(ValueError, match="whole"):
            counted(whole, 6)


def test_the_script_counts_each_lookback_both_ways(run_script, tmp_path):
    path = tmp_path / "operations.parquet"
    names = ("particles", "frames", "dimension", "heads", "encoder_layers", "decoder_layers", "feedforward")
    names += ("head", "time_embedding")
    flags = [f"--{name.replace('_', '-')}={getattr(ARCHITECTURE, name)}" for name in names]
    flags += ["--network=plain", "--together=3", "--lookbacks", "2", "1"]
    result = run_script("count_transformer.py", *flags, "--output", path)
    assert result.returncode == 0, result.stderr
    with TableReader(path, OPERATIONS) as reader:
        rows, parameters = reader.read(), reader.parameters
    assert rows["tracker"].tolist() == ["plain"] * 4
    assert rows["variant"].tolist() == ["incremental"] * 2 + ["re_encoded"] * 2
    both = replace(ARCHITECTURE, encoder_lookback=2, decoder_lookback=2)
    assert (rows["flops"][1], rows["macs"][1]) == incremental(both, 6)
    assert (rows["flops"][3], rows["macs"][3]) == re_encoded(both, 6)
    assert parameters["head"] == "displacement"
