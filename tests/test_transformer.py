"""The geometric transformer against a plain implementation of its formulas, and what is its own."""

import itertools
import math

import numpy as np
import pytest
import torch

from mpt.errors import InputError
from mpt.transformer.geometric import WITHOUT, Architecture, Transformer
from networks import FRAMES, SEQUENCES, architecture, make_scene, scattered


@torch.no_grad()
def closed_loop(network, z, start):
    """Track in double precision, in inner coordinates, frame by frame."""
    decoding = network.decoding(z.shape)
    tracks = torch.empty_like(z)
    tracks[:, :, 0] = start
    for t in range(z.shape[2]):
        decoding.observe(z[:, :, t : t + 1])
        if t:
            tracks[:, :, t] = decoding.positions_after(tracks[:, :, t - 1], t)
    return tracks


class PlainNetwork:
    """One replicate for one sequence, token by token, after the docstring of the network and Fig. 1."""

    def __init__(self, network, replicate=0):
        self.size = network.architecture
        self.parameters = {name: x[replicate].numpy() for name, x in network.state_dict().items()}

    def __call__(self, z, y):
        """Return the positions (D, N, 2) after y (D, N, 2) and all weights of the pointers (D, N, W, N)."""
        frames, particles, _ = z.shape
        first = frames - len(y)
        detections = [(z[t, n], t, None, None) for t in range(frames) for n in range(particles)]
        outputs = [
            (y[d, n], first + d, n, self.away(y[d], n)) for d in range(len(y)) for n in range(particles)
        ]
        encoded = [self.parameters["tokens"][0]] * len(detections)
        look_back, keep = self.size.encoder_lookback, self.size.decoder_lookback
        for layer in range(self.size.encoder_layers):
            name = f"encoder.{layer}"
            encoded = self.attend(f"{name}.attention", encoded, detections, encoded, detections, look_back)
            encoded = self.feed_forward(name, encoded)
        x = [self.parameters["tokens"][1]] * len(outputs)
        for layer in range(self.size.decoder_layers):
            name = f"decoder.{layer}"
            x = self.attend(f"{name}.attention", x, outputs, x, outputs, keep)
            x = self.attend(f"{name}.cross_attention", x, outputs, encoded, detections, look_back)
            x = self.feed_forward(name, x)
        return self.point(x, outputs, encoded, detections, look_back)

    @staticmethod
    def away(places, n):
        """ũ: away from the others, the nearest counting most; fades at a distance."""
        others = [k for k in range(len(places)) if k != n]
        if not others:
            return np.zeros(2)
        count = np.array([np.exp(-0.5 * np.sum((places[n] - places[k]) ** 2)) for k in others])
        away = places[n] - count @ places[others] / count.sum()
        return away / math.sqrt(away @ away + 0.1**2) * math.exp(-(away @ away) / 8)

    def linear(self, name, x):
        return x @ self.parameters[f"{name}.weight"] + self.parameters[f"{name}.bias"][0]

    def logits(self, name, heads, keys, x, places, other_places, lookback):
        """Return logits (heads, tokens, others), by loops over i and j."""
        size = self.size.dimension // heads
        # Tracks never look ahead to tracks.
        whole = self.size.encoder_sees == "whole" and other_places[0][2] is None
        logits = np.full((heads, len(x), len(keys)), -np.inf)
        for i, (x_i, t_i, track_i, away) in enumerate(places):
            raw = self.linear(f"{name}.query.map", normalise(x[i])).reshape(heads, -1)
            for j, (x_j, t_j, track_j, _) in enumerate(other_places):
                if not (t_i - t_j >= 0 or whole) or abs(t_i - t_j) >= lookback:
                    continue
                for h in range(heads):
                    wave, rest = raw[h, :14], raw[h, 14:]
                    q, g, extra = rest[:size], rest[size : size + 2], rest[size + 4 :]
                    s, a = (math.log1p(math.exp(rate)) for rate in rest[size + 2 : size + 4])
                    apart = x_j - x_i
                    logit = q @ keys[j] / math.sqrt(size) - a * abs(t_i - t_j)
                    if self.size.without != "geometry":
                        logit += g @ apart - s * apart @ apart
                    for f in range(7):
                        w = complex(wave[2 * f], wave[2 * f + 1])
                        logit += (w * np.exp(-1j * math.pi / 2**f * (t_i - t_j))).real
                    if track_j is not None:
                        logit += extra[0] * (track_i == track_j)
                    elif track_i is not None and self.size.without not in ("geometry", "rivalry"):
                        logit += 2 * s * extra[0] * away @ apart
                    logits[h, i, j] = logit
        return logits

    def attend(self, name, x, places, others, other_places, lookback):
        heads, size = self.size.heads, self.size.dimension // self.size.heads
        key_values = [self.linear(f"{name}.key_value", normalise(y)) for y in others]
        weights = softmax(
            self.logits(name, heads, [kv[:size] for kv in key_values], x, places, other_places, lookback)
        )
        result = []
        for i, (x_i, *_) in enumerate(places):
            found = []
            for h in range(heads):
                value = sum(weights[h, i, j] * key_values[j][size:] for j in range(len(others)))
                apart = sum(weights[h, i, j] * (other_places[j][0] - x_i) for j in range(len(others)))
                squared = apart @ apart
                found += [*value, *(apart / math.sqrt(1 + squared / 9)), math.log1p(squared)]
            result.append(x[i] + self.linear(f"{name}.out", np.array(found)))
        return result

    def feed_forward(self, name, x):
        name = f"{name}.feed_forward"
        inner = [self.linear(f"{name}.inner", normalise(x_i)) for x_i in x]
        erf = np.vectorize(math.erf)
        gelu = [0.5 * v * (1 + erf(v / math.sqrt(2))) for v in inner]
        return [x_i + self.linear(f"{name}.outer", v) for x_i, v in zip(x, gelu, strict=True)]

    def point(self, x, places, others, other_places, lookback):
        heads = self.size.pointers
        keys = [self.linear("pointer.key", normalise(y)) for y in others]
        logits = self.logits("pointer", heads, keys, x, places, other_places, lookback)
        weights = softmax(logits)
        if self.size.particles > 1 and self.size.without != "division":
            weights = self.divide_frames(logits, weights, places, other_places)
        result, mean_weights = [], []
        for i, (x_i, *_) in enumerate(places):
            gate, share = self.linear("pointer.gate_share", normalise(x[i])).reshape(2, heads)
            share = np.exp(share) / np.exp(share).sum()
            moves = [
                sum(weights[h, i, j] * (other_places[j][0] - x_i) for j in range(len(others)))
                for h in range(heads)
            ]
            result.append(x_i + sum(share[h] / (1 + math.exp(-gate[h])) * moves[h] for h in range(heads)))
            mean_weights.append(share @ weights[:, i])
        particles = self.size.particles
        return (
            np.reshape(result, (-1, particles, 2)),
            np.reshape(mean_weights, (-1, particles, len(others) // particles, particles)),
        )

    @staticmethod
    def divide_frames(logits, weights, places, other_places):
        """Divide each frame's weight among its detections by the odds of the tracks."""
        divided = np.zeros_like(weights)
        for h, (i, (_, t_i, *_)) in itertools.product(range(len(weights)), enumerate(places)):
            rivals = [k for k, place in enumerate(places) if place[1] == t_i and k != i]
            for frame in {t for _, t, *_ in other_places}:
                here = [j for j, place in enumerate(other_places) if place[1] == frame]
                if weights[h, i, here].sum() > 0:
                    others = np.logaddexp.reduce(logits[h][np.ix_(rivals, here)])
                    divided[h, i, here] = weights[h, i, here].sum() * softmax(logits[h, i, here] - others)
        return divided


def softmax(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def normalise(x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


@pytest.mark.parametrize(
    ("particles", "encoder_lookback", "decoder_lookback", "sees", "without"),
    [
        (1, 3, 2, "past", "nothing"),
        (2, 5, 1, "past", "nothing"),
        (3, 2, 5, "past", "nothing"),
        (2, 5, 2, "whole", "nothing"),
        (3, 2, 1, "whole", "nothing"),
        (2, 3, 2, "past", "geometry"),
        (3, 3, 2, "past", "geometry"),
        (3, 3, 2, "past", "rivalry"),
        (3, 3, 2, "past", "division"),
        (2, 2, 1, "whole", "division"),
        (10, 2, 2, "past", "nothing"),
    ],
)
def test_the_network_computes_the_formulas_of_its_docstring(
    particles, encoder_lookback, decoder_lookback, sees, without
):
    lookbacks = (encoder_lookback, decoder_lookback)
    network = scattered(
        architecture("geometric", particles, *lookbacks, frames=5, encoder_sees=sees, without=without),
        replicates=2,
    ).double()
    z, _ = make_scene(particles, replicates=2, frames=5)
    y, _ = make_scene(particles, replicates=2, frames=4, seed=1)
    owner = torch.randint(particles, z.shape[:-1], generator=torch.Generator().manual_seed(2))
    owners = torch.nn.functional.one_hot(owner, particles).double()
    with torch.no_grad():
        found, weights = network.positions_and_owners(z, y, owners)
    for replicate in range(2):
        plain = PlainNetwork(network, replicate)
        expected, of_detections = plain(z[replicate, 0].numpy(), y[replicate, 0].numpy())
        assert found[replicate, 0].numpy() == pytest.approx(expected, abs=1e-10)
        by_owner = np.einsum("dnwm,wmo->dno", of_detections, owners[replicate, 0].numpy())
        assert weights[replicate, 0].numpy() == pytest.approx(by_owner, abs=1e-10)


def weights_of_two_tracks(without):
    """Return how an untrained pointer of one frame weighs two detections, and half their squared distances.

    Both (B, track, detection). Where it has no part in the weights, the rivalry is as initialised.
    """
    size = Architecture(2, 2, 1, 1, 4, 1, 1, 1, 4, 1, without=without)
    network = Transformer(size, 1).double()
    with torch.no_grad():
        network.pointer.query.map.weight.zero_()
        if without not in ("geometry", "rivalry"):
            # The rivalry alone is no part of a Gaussian.
            network.pointer.query.map.bias[..., -1] = 0
    z, y = make_scene(frames=2)[0], make_scene(frames=2, seed=1)[0][:, :, :1]
    owners = torch.eye(2, dtype=torch.float64).expand(*z.shape[:3], 2, 2)
    with torch.no_grad():
        weights = network.positions_and_owners(z, y, owners)[1][0, :, 0]
    return weights, 0.5 * (y[0, :, 0, :, None] - z[0, :, 1, None]).square().sum(-1)


@pytest.mark.parametrize("without", ["nothing", "rivalry"])
def test_two_tracks_point_by_the_posterior_of_their_joint_assignment(without):
    """Untrained, and looking at one frame, the pointer's logits are those of Gaussian displacements."""
    weights, cost = weights_of_two_tracks(without)
    # s = 1/2 is a unit variance.
    straight, crossed = cost[..., 0, 0] + cost[..., 1, 1], cost[..., 0, 1] + cost[..., 1, 0]
    expected = torch.sigmoid(crossed - straight).numpy()
    for track in range(2):
        # The sharpness was initialised in single precision.
        assert weights[..., track, track].numpy() == pytest.approx(expected, abs=1e-7)


def test_without_division_each_track_points_by_its_own_likelihood():
    weights, cost = weights_of_two_tracks("division")
    likelihood = torch.exp(-cost)
    expected = likelihood / likelihood.sum(-1, keepdim=True)
    assert weights.numpy() == pytest.approx(expected.numpy(), abs=1e-7)
    # So that both can take one detection, as none can whose odds are divided.
    assert (weights.sum(-2) - 1).abs().amax() > 0.3
    assert weights_of_two_tracks("nothing")[0].sum(-2).numpy() == pytest.approx(1)


def test_without_geometry_an_untrained_pointer_knows_no_detection_from_another():
    assert weights_of_two_tracks("geometry")[0].numpy() == pytest.approx(0.5)


def test_without_a_part_a_network_begins_with_the_same_parameters():
    whole = Transformer(architecture("geometric"), 2, seed=5).state_dict()
    for without in WITHOUT:
        partial = Transformer(architecture("geometric", without=without), 2, seed=5).state_dict()
        assert partial.keys() == whole.keys()
        assert all(torch.equal(partial[name], whole[name]) for name in whole), without


def tracks_with_and_without_rivalry(particles):
    z, start = make_scene(particles)
    whole, partial = (
        scattered(architecture("geometric", particles, without=without)) for without in ("nothing", "rivalry")
    )
    return whole.track(z, start), partial.track(z, start)


def test_without_rivalry_tracks_are_others_only_where_they_meet_rivals():
    assert torch.equal(*tracks_with_and_without_rivalry(1))
    tracks = tracks_with_and_without_rivalry(2)
    assert (tracks[0] - tracks[1]).abs().amax() > 0.1


@pytest.mark.parametrize("encoder_lookback", [1, 3, FRAMES])
@pytest.mark.parametrize("frames_at_a_time", [2, 3, FRAMES])
def test_observing_frames_together_gives_the_tracks_of_observing_them_in_turn(
    encoder_lookback, frames_at_a_time
):
    network = scattered(architecture("geometric", encoder_lookback=encoder_lookback)).double()
    z, start = make_scene()
    expected = closed_loop(network, z, start)
    decoding = network.decoding(z.shape)
    with torch.no_grad():
        for t in range(FRAMES):
            if t % frames_at_a_time == 0:
                decoding.observe(z[:, :, t : t + frames_at_a_time])
            if t > 0:
                found = decoding.positions_after(expected[:, :, t - 1], t)
                assert found.numpy() == pytest.approx(expected[:, :, t].numpy(), abs=1e-12)


@pytest.mark.parametrize("without", WITHOUT)
def test_translating_the_scene_translates_the_tracks_exactly(without):
    network = scattered(architecture("geometric", without=without))
    # Multiples of 2^-20, so that no sum or mean of two of them is rounded.
    z, start = (torch.round(x * 2**20) / 2**20 for x in make_scene())
    shift = torch.tensor([1024.0, -768.5], dtype=torch.float64)
    tracks = network.track(z, start)
    moved = network.track(z + shift, start + shift) - shift
    assert moved.numpy() == pytest.approx(tracks.numpy(), abs=1e-12)


def test_nothing_after_a_frame_changes_the_tracks_up_to_it():
    network = scattered(architecture("geometric", encoder_lookback=FRAMES, decoder_lookback=FRAMES))
    z, start = make_scene()
    tracks = network.track(z, start)
    later = z.clone()
    later[:, :, 5:] += 100
    assert torch.equal(network.track(later, start)[:, :, :5], tracks[:, :, :5])
    assert (network.track(later, start)[:, :, 5] - tracks[:, :, 5]).abs().amax() > 1
    with torch.no_grad():
        outputs = tracks[:, :, :-1].clone()
        plain = network(z, outputs)
        outputs[:, :, 4:] += 100
        changed = network(later, outputs)
    assert torch.equal(changed[:, :, :4], plain[:, :, :4])
    assert (changed[:, :, 4] - plain[:, :, 4]).abs().amax() > 1


def test_reordering_the_starts_reorders_the_tracks():
    network = scattered(architecture("geometric", 3)).double()
    z, start = make_scene(3)
    expected = closed_loop(network, z, start)
    for order in itertools.permutations(range(3)):
        found = closed_loop(network, z, start[:, :, list(order)])
        assert found.numpy() == pytest.approx(expected[:, :, :, list(order)].numpy(), abs=1e-10)


@pytest.mark.parametrize(("encoder_lookback", "decoder_lookback"), [(1, 1), (2, 1), (2, 2), (1, 3)])
def test_lookbacks_limit_what_is_seen(encoder_lookback, decoder_lookback):
    """Each layer, two and two, looks back K − 1 frames; a decoder layer looks at outputs first."""
    network = scattered(architecture("geometric", 1, encoder_lookback, decoder_lookback)).double()
    z, _ = make_scene(1)
    y, _ = make_scene(1, seed=1)
    detections = 3 * (encoder_lookback - 1) + (decoder_lookback - 1)
    outputs = 2 * (decoder_lookback - 1)

    def last(z, y):
        with torch.no_grad():
            return network.positions_after(z, y)[:, :, -1]

    for reach, x in ((detections, z), (outputs, y)):
        for age in range(FRAMES):
            far = x.clone()
            far[:, :, FRAMES - 1 - age] += 0.5
            same = torch.equal(last(*(far if x is other else other for other in (z, y))), last(z, y))
            assert same == (age > reach), (reach, age)


def test_each_output_is_a_mean_of_the_last_position_and_detections():
    network = scattered(architecture("geometric", encoder_lookback=3)).double()
    z, start = make_scene()
    tracks = closed_loop(network, z, start)[0].numpy()
    angle = np.linspace(0, 2 * np.pi, 90)
    directions = np.stack([np.cos(angle), np.sin(angle)])
    for b, t, n in itertools.product(range(SEQUENCES), range(1, FRAMES), range(2)):
        detections = z[0, b, max(0, t - 2) : t + 1].numpy().reshape(-1, 2)
        corners = np.concatenate([tracks[b, t - 1, n][None], detections]) @ directions
        assert (tracks[b, t, n] @ directions <= corners.max(0) + 1e-12).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pointers": 5}, "dimension 8 is not a multiple of pointers 5"),
        ({"without": "heads"}, "without is 'heads'; it must be nothing or geometry or rivalry or division"),
    ],
)
def test_impossible_sizes_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        architecture("geometric", **change)
