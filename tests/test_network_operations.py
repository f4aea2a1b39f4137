"""How the operations of either network are counted: by torch's own counter, frame by frame, by the script."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hand_counts import Call, counted_architecture
from mpt.operations.transformer import (
    Operations,
    count,
    incremental,
    re_encoded,
    track_by_re_encoding,
    track_frame_by_frame,
    track_whole,
    whole,
)
from mpt.tables.files import TableReader
from mpt.tables.operations import OPERATIONS
from mpt.transformer.geometric import _log_sum_of_others
from mpt.transformer.network import WHOLE
from mpt.transformer.networks import make_network
from networks import OWN_SIZES

KINDS = pytest.mark.parametrize("kind", ["plain", "geometric"])


@pytest.mark.parametrize(
    "architecture",
    [
        counted_architecture("geometric"),
        counted_architecture("plain"),
        replace(counted_architecture("plain"), time_embedding="sinusoidal"),
    ],
)
def test_the_multiplications_are_those_of_torchs_own_counter(architecture):
    scene = torch.rand(1, 1, 4, 2, 2)
    network = make_network(architecture, 1).requires_grad_(False)
    for call in (Call(network), Call(lambda z, x: track_frame_by_frame(network, z, x[:, :, 0]))):
        call.network = network
        # It does not see into the fused kernel. What is counted is what is computed without a gradient.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            call(scene, scene)
        assert counter.get_total_flops() == 2 * count(call, scene, scene).macs


def test_the_odds_of_many_tracks_are_counted_by_hand():
    # Of each row of 5: the greatest (4) is taken off (5), exponentials (5) and their sum (4), less each (5),
    # at least 0 (5), log1p (10), and the greatest added (5); besides a logsumexp: greatest (4), differences
    # (5), exponentials (5), their sum (4), its logarithm and the greatest again (2).
    call = Call(lambda x: _log_sum_of_others(x, 1))
    assert count(call, torch.zeros(3, 5)) == Operations(3 * (43 + 20), 0)


def test_many_tracks_are_counted():
    architecture = replace(counted_architecture("geometric"), encoder_lookback=2, decoder_lookback=2)
    counted = [incremental(replace(architecture, particles=N), 4) for N in (9, 18, 36, 72)]
    # Matrix products are of tracks, of pairs of them, and of pairs whose keys say which of all tracks they
    # are: α N + β N² + γ N³, which these weights of doubled N make 0.
    assert np.dot([-64, 56, -14, 1], [each.macs for each in counted]) == 0
    assert all(fewer.flops < more.flops for fewer, more in pairwise(counted))


@KINDS
@pytest.mark.parametrize("lookbacks", [(1, 1), (2, 2), (3, 2), (6, 6)])
@pytest.mark.parametrize(
    ("track", "counted"), [(track_frame_by_frame, incremental), (track_by_re_encoding, re_encoded)]
)
def test_the_frames_of_a_sequence_add_up(kind, track, counted, lookbacks):
    architecture = replace(
        counted_architecture(kind),
        encoder_lookback=lookbacks[0],
        decoder_lookback=lookbacks[1],
        decoder_layers=1,
    )
    network = make_network(architecture, 1)
    scene = torch.rand(1, 1, 6, 2, 2, dtype=torch.float64)
    whole = Call(lambda z: track(network, z, z[:, :, 0]))
    whole.network = network
    found = counted(architecture, 6)
    if lookbacks == (1, 1) and track is track_frame_by_frame:
        # A trace drops what frame 0 leaves in the caches, since nobody looks back at it.
        first = count(whole, scene[:, :, :2])
        both = counted(architecture, 2)
        found = Operations(*np.subtract(found, both) + first)
    assert found == count(whole, scene)


@KINDS
@pytest.mark.parametrize("decoder_lookback", [1, 2, 6])
def test_a_whole_sequence_is_encoded_once(kind, decoder_lookback):
    architecture = replace(
        counted_architecture(kind), encoder_lookback=6, decoder_lookback=decoder_lookback, encoder_sees=WHOLE
    )
    network = make_network(architecture, 1).requires_grad_(False)
    scene = torch.rand(1, 1, 6, 2, 2, dtype=torch.float64)
    call = Call(lambda z: track_whole(network, z, z[:, :, 0]))
    call.network = network
    found = whole(architecture, 6)
    assert found == count(call, scene)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        call(scene)
    assert counter.get_total_flops() == 2 * found.macs


@pytest.mark.parametrize("changes", [{"encoder_lookback": 5, "encoder_sees": WHOLE}, {"encoder_lookback": 6}])
def test_an_encoder_that_does_not_see_all_is_not_counted_as_if_it_did(changes):
    with pytest.raises(ValueError, match="does not see all 6 frames"):
        whole(replace(counted_architecture("plain"), **changes), 6)


@KINDS
def test_re_encoding_tracks_the_same_where_the_window_holds_all_frames(kind):
    architecture = replace(counted_architecture(kind), encoder_lookback=6, decoder_lookback=6)
    network = make_network(architecture, 2, seed=3)
    scene = 5 * torch.randn(2, 3, 6, 2, 2, dtype=torch.float64)
    expected = network.track(scene, scene[:, :, 0])
    torch.testing.assert_close(
        track_by_re_encoding(network, scene, scene[:, :, 0]), expected, rtol=0, atol=1e-4
    )


@KINDS
def test_the_script_counts_each_lookback_each_way(run_script, kind, tmp_path):
    path = tmp_path / "operations.parquet"
    size = counted_architecture(kind)
    names = ("particles", "frames", "dimension", "heads", "encoder_layers", "decoder_layers", "feedforward")
    names += tuple(OWN_SIZES[kind])
    flags = [f"--{name.replace('_', '-')}={getattr(size, name)}" for name in names]
    flags += [f"--network={kind}", "--together=3", "--lookbacks", "2", "1"]
    result = run_script("count_transformer.py", *flags, "--output", path)
    assert result.returncode == 0, result.stderr
    with TableReader(path, OPERATIONS) as reader:
        rows, parameters = reader.read(), reader.parameters
    assert rows["variant"].tolist() == ["incremental"] * 2 + ["re_encoded"] * 2 + ["whole"] * 2
    assert rows["K"].tolist() == [1, 2] * 3
    both = replace(size, encoder_lookback=2, decoder_lookback=2)
    assert (rows["flops"][1], rows["macs"][1]) == incremental(both, 6)
    assert (rows["flops"][3], rows["macs"][3]) == re_encoded(both, 6)
    seeing = replace(both, encoder_lookback=6, encoder_sees=WHOLE)
    assert (rows["flops"][5], rows["macs"][5]) == whole(seeing, 6)
    assert set(rows["tracker"]) == {kind}
    assert set(rows["source"]) == {"fvcore"}
    assert (rows["seconds"] > 0).all()
    assert (rows["seconds_together"] > 0).all()
    assert parameters["sequences_together"] == 3
    assert {name: parameters[name] for name in OWN_SIZES[kind]} == OWN_SIZES[kind]
    assert rows["gpu_seconds_together"].mask.all() != torch.cuda.is_available()
