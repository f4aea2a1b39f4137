"""The plain transformer against torch's own layers, and what must not change the tracks of either network."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mpt.errors import InputError
from mpt.transformer.networks import make_network
from networks import FRAMES, SEQUENCES, architecture, make_scene, scattered


class TorchNetwork:
    """One replicate, built of torch.nn's encoder and decoder layers, with copied weights."""

    def __init__(self, network, replicate):
        size = self.size = network.architecture
        self.parameters = {name: x[replicate].double() for name, x in network.state_dict().items()}
        options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        shape = (size.dimension, size.heads, size.feedforward)
        options["dtype"] = torch.float64
        norms = [nn.LayerNorm(size.dimension, dtype=torch.float64) for _ in range(2)]
        encoder = nn.TransformerEncoderLayer(*shape, **options)
        decoder = nn.TransformerDecoderLayer(*shape, **options)
        self.encoder = nn.TransformerEncoder(
            encoder, size.encoder_layers, norms[0], enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(decoder, size.decoder_layers, norms[1])
        with torch.no_grad():
            for number, layer in enumerate(self.encoder.layers):
                self.copy_layer(layer, f"encoder.{number}", {"attention": layer.self_attn})
            for number, layer in enumerate(self.decoder.layers):
                attention = {"attention": layer.self_attn, "cross_attention": layer.multihead_attn}
                self.copy_layer(layer, f"decoder.{number}", attention)

    def copy_layer(self, layer, name, attentions):
        for part, attention in attentions.items():
            into = [f"{name}.{part}.query", f"{name}.{part}.key_value"]
            attention.in_proj_weight.copy_(torch.cat([self.parameters[f"{x}.weight"] for x in into], 1).T)
            attention.in_proj_bias.copy_(torch.cat([self.parameters[f"{x}.bias"][0] for x in into]))
            self.copy_linear(attention.out_proj, f"{name}.{part}.out")
        self.copy_linear(layer.linear1, f"{name}.feed_forward.inner")
        self.copy_linear(layer.linear2, f"{name}.feed_forward.outer")

    def copy_linear(self, linear, name):
        linear.weight.copy_(self.parameters[f"{name}.weight"].T)
        linear.bias.copy_(self.parameters[f"{name}.bias"][0])

    def linear(self, x, name):
        return x @ self.parameters[f"{name}.weight"] + self.parameters[f"{name}.bias"][0]

    def time(self, t):
        if self.size.time_embedding == "learned":
            return self.parameters["times"][t]
        d = self.size.dimension
        angles = [t / 10_000 ** (2 * (k // 2) / d) for k in range(d)]
        return torch.tensor(
            [math.cos(a) if k % 2 else math.sin(a) for k, a in enumerate(angles)], dtype=torch.float64
        )

    def __call__(self, z, y):
        """Return the positions (B, D, N, 2) after y (B, D, N, 2), seeing z (B, W, N, 2)."""
        (_, W, N, _), D = z.shape, y.shape[1]
        detected = [(t, n) for t in range(W) for n in range(N)]
        tracked = [(t, n) for t in range(W - D, W) for n in range(N)]
        source = self.linear(z.flatten(1, 2), "embed_detection")
        source = source + torch.stack([self.time(t) for t, _ in detected])
        target = self.linear(y.flatten(1, 2), "embed_output")
        target = target + torch.stack([self.time(t) + self.parameters["tracks"][n] for t, n in tracked])
        lookback = self.size.encoder_lookback
        if self.size.encoder_sees == "whole":
            sees = lambda age: abs(age) < lookback  # noqa: E731
        else:
            sees = lambda age: 0 <= age < lookback  # noqa: E731
        hidden = self.mask(detected, detected, sees)
        memory = self.encoder(source, hidden)
        back = self.mask(tracked, tracked, lambda age: 0 <= age < self.size.decoder_lookback)
        decoded = self.decoder(target, memory, back, self.mask(tracked, detected, sees))
        found = self.linear(decoded, "head").view(y.shape)
        return found + y if self.size.head == "displacement" else found

    @staticmethod
    def mask(tokens, keys, sees):
        """Return True where torch is not to look."""
        return torch.tensor([[not sees(t - s) for s, _ in keys] for t, _ in tokens])


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_lookback": FRAMES, "decoder_lookback": FRAMES, "head": "position"},
        {"encoder_lookback": 3, "decoder_lookback": 2, "time_embedding": "sinusoidal"},
        {"encoder_lookback": FRAMES, "decoder_lookback": 1, "encoder_sees": "whole"},
        {"encoder_lookback": 2, "decoder_lookback": 3, "encoder_sees": "whole", "particles": 3},
    ],
)
def test_the_network_is_that_of_torchs_own_layers(changes):
    network = scattered(architecture("plain", **changes), replicates=2).double()
    particles = network.architecture.particles
    z, _ = make_scene(particles, replicates=2)
    y, _ = make_scene(particles, replicates=2, frames=FRAMES - 1, seed=1)
    with torch.no_grad():
        found = network.positions_after(z, y)
        for replicate in range(2):
            expected = TorchNetwork(network, replicate)(z[replicate], y[replicate])
            assert found[replicate].numpy() == pytest.approx(expected.numpy(), abs=1e-10)


KINDS = pytest.mark.parametrize("kind", ["plain", "geometric"])
SEES = pytest.mark.parametrize("sees", ["past", "whole"])


@KINDS
@SEES
@pytest.mark.parametrize(("particles", "lookbacks"), [(1, (3, 1)), (2, (FRAMES, FRAMES)), (3, (2, 4))])
def test_incremental_decoding_is_the_plain_forward_pass(kind, sees, particles, lookbacks):
    network = scattered(architecture(kind, particles, *lookbacks, encoder_sees=sees), replicates=2)
    z, start = make_scene(particles, replicates=2)
    tracks = network.track(z, start)
    assert torch.equal(tracks[:, :, 0], start)
    with torch.no_grad():
        at_once = network(z, tracks[:, :, :-1])
    assert at_once.numpy() == pytest.approx(tracks[:, :, 1:].numpy(), abs=1e-4)


@KINDS
@pytest.mark.parametrize("frames_at_a_time", [1, 2, FRAMES])
def test_tracks_do_not_depend_on_how_many_frames_are_encoded_at_a_time(kind, frames_at_a_time):
    network = scattered(architecture(kind, encoder_lookback=3))
    z, start = make_scene()
    expected = network.track(z, start).numpy()
    assert network.track(z, start, frames_at_a_time).numpy() == pytest.approx(expected, abs=1e-5)


@KINDS
def test_an_encoder_that_sees_the_past_sees_nothing_later(kind):
    network = scattered(architecture(kind, 2, FRAMES, FRAMES))
    z, start = make_scene()
    later = z.clone()
    later[:, :, 4:] += 3
    before, after = network.track(z, start), network.track(later, start)
    assert torch.equal(after[:, :, :4], before[:, :, :4])
    assert (after[:, :, 4] - before[:, :, 4]).abs().amax() > 1e-3


@KINDS
@pytest.mark.parametrize("lookback", [1, 2, FRAMES])
def test_an_encoder_that_sees_the_whole_sequence_reaches_as_far_into_the_future(kind, lookback):
    """Two layers of the encoder and the look across, K_E − 1 frames each; one frame back at outputs."""
    network = scattered(architecture(kind, 2, lookback, 1, encoder_sees="whole")).double()
    z, _ = make_scene()
    y, _ = make_scene(seed=1, frames=FRAMES - 1)
    with torch.no_grad():
        before = network.positions_after(z, y)
        for t in range(FRAMES):
            changed = z.clone()
            changed[:, :, t] += 0.5
            same = (network.positions_after(changed, y) == before).flatten(3).all(3)[0].all(0)
            reached = [abs(frame - t) <= 3 * (lookback - 1) for frame in range(1, FRAMES)]
            assert (~same).tolist() == reached, t


@KINDS
@SEES
def test_the_order_of_detections_in_a_frame_does_not_matter(kind, sees):
    network = scattered(architecture(kind, 3, encoder_sees=sees)).double()
    z, start = make_scene(3)
    order = torch.rand(z.shape[:-1], generator=torch.Generator().manual_seed(3)).argsort(-1)
    shuffled = torch.take_along_dim(z, order[..., None], 3)
    expected = network.track(z, start).numpy()
    assert network.track(shuffled, start).numpy() == pytest.approx(expected, abs=1e-9)


@KINDS
@SEES
def test_translating_the_scene_translates_the_tracks(kind, sees):
    network = scattered(architecture(kind, encoder_sees=sees))
    # Multiples of 2^-20, so that no sum or mean of two of them is rounded.
    z, start = (torch.round(x * 2**20) / 2**20 for x in make_scene())
    shift = torch.tensor([1024.0, -768.5], dtype=torch.float64)
    moved = network.track(z + shift, start + shift) - shift
    assert moved.numpy() == pytest.approx(network.track(z, start).numpy(), abs=1e-12)


@KINDS
@SEES
def test_the_truth_can_be_fed_back(kind, sees):
    """Known starts, and another one that the truth does not replace."""
    network = scattered(architecture(kind, encoder_sees=sees))
    z, start = make_scene()
    truth, _ = make_scene(seed=1)
    found = network.track(z, start, truth=truth)
    assert torch.equal(found[:, :, 0], start)
    fed_back = truth[:, :, :-1].clone()
    fed_back[:, :, 0] = start
    with torch.no_grad():
        expected = network(z, fed_back)
    assert found[:, :, 1:].numpy() == pytest.approx(expected.numpy(), abs=1e-4)


@KINDS
def test_a_replicate_is_what_it_is_alone(kind):
    size = architecture(kind)
    stacked, alone = make_network(size, 3, seed=5).state_dict(), make_network(size, 1, seed=7).state_dict()
    for name in stacked:
        assert torch.equal(stacked[name][2:], alone[name]), name
    assert any(not torch.equal(parameter[0], parameter[1]) for parameter in stacked.values())
    network = scattered(size, replicates=3)
    z, start = make_scene(replicates=3)
    tracks = network.track(z, start)
    for replicate in range(3):
        this = slice(replicate, replicate + 1)
        found = network.of_replicate(replicate).track(z[this], start[this])
        assert found.numpy() == pytest.approx(tracks[this].numpy(), abs=1e-4)


def test_tracks_differ_only_by_their_start_and_the_embedding_of_which_they_are():
    network = scattered(architecture("plain", particles=3)).double()
    z, start = make_scene(3)
    expected = network.track(z, start)
    for order in itertools.permutations(range(3)):
        turned = scattered(architecture("plain", particles=3)).double()
        turned.load_state_dict(network.state_dict())
        with torch.no_grad():
            turned.tracks.copy_(network.tracks[:, list(order)])
        found = turned.track(z, start[:, :, list(order)])
        assert found.numpy() == pytest.approx(expected[:, :, :, list(order)].numpy(), abs=1e-9)


@KINDS
def test_far_scenes_are_tracked_in_double_precision_or_refused(kind):
    """As far apart as 10⁵ units, beyond what float32 can square."""
    network = scattered(architecture(kind))
    z, start = make_scene()
    apart = torch.tensor([[-1e5, 0.0], [1e5, 0.0]], dtype=torch.float64)
    precise = scattered(architecture(kind)).double()
    expected = precise.track(z + apart, start + apart)
    found = network.track(z + apart, start + apart)
    assert found.dtype == torch.float64
    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-3)
    assert next(network.parameters()).dtype == torch.float32
    with pytest.raises(InputError, match=r"positions lie [0-9.e+]+ units of length .* cannot be resolved"):
        network.track(z + 1e5 * apart, start + 1e5 * apart)


def test_a_geometric_network_tracks_far_scenes_as_it_does_near_ones():
    """Its detections are only ever taken relative to the tracks: tracks that never meet don't change."""
    size = architecture("geometric", encoder_lookback=FRAMES)
    network = make_network(size, 1, seed=3)
    generator = torch.Generator().manual_seed(4)
    steps = torch.randn(1, SEQUENCES, FRAMES, 2, 2, generator=generator, dtype=torch.float64)
    tracks = []
    for half in (50.0, 500_000.0):
        z = steps.cumsum(2) + torch.tensor([[-half, 0.0], [half, 0.0]], dtype=torch.float64)
        tracks.append(network.track(z, z[:, :, 0]) - z)
    assert tracks[1].numpy() == pytest.approx(tracks[0].numpy(), abs=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"heads": 3}, "dimension 8 is not a multiple of heads 3"),
        ({"encoder_lookback": 0}, "encoder_lookback is 0"),
        ({"encoder_sees": "all"}, "encoder_sees is 'all'; it must be past or whole"),
        ({"head": "linear"}, "head is 'linear'; it must be position or displacement"),
        ({"time_embedding": "none"}, "time_embedding is 'none'; it must be learned or sinusoidal"),
    ],
)
def test_impossible_networks_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        replace(architecture("plain"), **change)


def test_a_network_that_sees_the_whole_sequence_wants_all_of_it():
    network = scattered(architecture("plain", encoder_sees="whole"))
    z, _ = make_scene()
    with pytest.raises(ValueError, match=r"3 of 7 frames"):
        network.decoding(z.shape).observe(z[:, :, :3].float())


@KINDS
def test_linear_maps_in_bfloat16_move_tracks_by_its_rounding(kind):
    network = scattered(architecture(kind), replicates=2)
    z, start = make_scene(replicates=2)
    exact = network.track(z, start)[:, :, 1]
    network.use_precision(torch.bfloat16)
    moved = np.abs((network.track(z, start)[:, :, 1] - exact).numpy()).max()
    assert 1e-5 < moved < 0.3
