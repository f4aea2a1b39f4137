"""Training: what is learnt from what, checked by plain computations, and that it does learn."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from mpt import kalman, motion
from mpt.errors import InputError
from mpt.kalman import Model
from mpt.matching import match, matched_distances
from mpt.scoring import links
from mpt.trackers import controls, mht
from mpt.transformer import networks, training
from mpt.transformer.geometric import Transformer
from mpt.transformer.network import IncrementalDecoding
from mpt.transformer.training import CLOSED_LOOP, TEACHER_FORCING, Divergence, Schedule, Sequences, Training
from networks import architecture

CPU = torch.device("cpu")
SCHEDULE = Schedule(
    mode=CLOSED_LOOP,
    epochs=10,
    batches=3,
    learning_rate=0.004,
    warmup_fraction=0.1,
    rescue_distance=3.0,
    association_weight=1.0,
    weight_decay=0.01,
    gradient_clip=1.0,
)


def make_network(frames=6, replicates=2, seed=0, dimension=8, kind="geometric"):
    feedforward, sees = {"geometric": (dimension, "past"), "plain": (2 * dimension, "whole")}[kind]
    size = architecture(
        kind,
        frames=frames,
        encoder_lookback=frames,
        dimension=dimension,
        encoder_layers=1,
        decoder_layers=1,
        feedforward=feedforward,
        encoder_sees=sees,
    )
    return networks.make_network(size, replicates, seed)


def simulate(experiments, frames=6, noise=1.2, first=0):
    return motion.simulate(np.arange(first, first + experiments), frames, 2, 1.5, noise, 5.0, 0.1, seed=3)


def make_sequences(replicates=2, experiments=6, frames=6, noise=1.2):
    made = simulate(replicates * experiments, frames, noise)
    arrays = (made.measurements, made.positions, made.detection, made.positions[:, 0])
    return Sequences(*(x.reshape(replicates, experiments, *x.shape[1:]) for x in arrays))


def one_replicate(made):
    arrays = (made.measurements, made.positions, made.detection, made.positions[:, 0])
    return Sequences(*(x[None] for x in arrays))


def only(sequences, replicate):
    chosen = slice(replicate, replicate + 1)
    return Sequences(*(x[chosen] for x in vars(sequences).values()))


def make_training(network, sequences, seed=0, **changes):
    return Training(network, lambda epoch: sequences, replace(SCHEDULE, **changes), seed, CPU)


def parameters_of(network, replicate):
    return torch.cat([parameter.detach()[replicate].flatten() for parameter in network.parameters()])


def test_the_length_scale_is_the_spread_of_a_detection_about_where_its_particle_was():
    sequences = make_sequences(experiments=500, frames=20)
    # A step of variance μ² + drift_spread² and a detection's error of variance σ².
    expected = np.sqrt(1.5**2 + 0.1**2 + 1.2**2)
    assert sequences.step_scale() == pytest.approx([expected] * 2, rel=0.02)


def test_replicates_trained_together_become_what_each_becomes_alone():
    sequences = make_sequences()
    together = make_training(make_network(seed=4), sequences, seed=4)
    losses = np.array([together.run_epoch() for _ in range(3)])
    scene = [torch.from_numpy(x) for x in (sequences.measurements, sequences.truth[:, :, 0])]
    tracks = together.network.track(*scene).numpy()
    for replicate in range(2):
        network = make_network(replicates=1, seed=4 + replicate)
        alone = make_training(network, only(sequences, replicate), seed=4 + replicate)
        for epoch in range(3):
            assert alone.run_epoch() == pytest.approx(losses[epoch, replicate], rel=1e-4)
        chosen = slice(replicate, replicate + 1)
        found = network.track(*(x[chosen] for x in scene)).numpy()
        assert found == pytest.approx(tracks[chosen], abs=1e-2)


def test_a_replicate_does_not_depend_on_what_others_learn_from():
    ours = make_sequences()
    arrays = vars(ours).values()
    others = Sequences(*(np.concatenate([x[:1], x[1:, ::-1]]) for x in arrays))
    others.measurements[1] *= 3
    networks = []
    for sequences in (ours, others):
        run = make_training(make_network(), sequences)
        run.run_epoch()
        run.run_epoch()
        networks.append(run.network)
    assert torch.equal(parameters_of(networks[0], 0), parameters_of(networks[1], 0))
    assert not torch.equal(parameters_of(networks[0], 1), parameters_of(networks[1], 1))


class ScriptedDecoding:
    """In place of the network's tracking: tracks that follow the detections of chosen particles.

    script (T, N): the particle whose detection each track takes. Where `stray` (t, track) says so, the track
    is far off. Remembers what it is given.
    """

    detection: np.ndarray
    script: np.ndarray
    stray: tuple[int, int]
    measurements: torch.Tensor
    inputs: dict[int, torch.Tensor]

    def __init__(self, shape):
        type(self).inputs = {}
        self.frames_at_a_time = shape[2]

    def observe(self, measurements):
        type(self).measurements = measurements

    advance = IncrementalDecoding.advance

    def positions_after(self, outputs, frame):
        self.inputs[frame] = outputs.clone()
        found = self.positions(frame)
        if frame == self.stray[0]:
            found[:, :, self.stray[1]] += 50
        return found

    @classmethod
    def positions(cls, frame):
        taken = cls.detection[:, :, frame, cls.script[frame]]
        return torch.take_along_dim(cls.measurements[:, :, frame], torch.from_numpy(taken)[..., None], 2)


@pytest.fixture
def scripted(monkeypatch):
    """Return ScriptedDecoding, which tracks in place of the network; detections are exact."""
    sequences = make_sequences(noise=0.0)
    ScriptedDecoding.detection = sequences.detection
    # The tracks swap at frame 3 and stay so until frame 5, where the second gets lost.
    ScriptedDecoding.script = np.array([[0, 1], [0, 1], [0, 1], [1, 0], [1, 0], [1, 0]])
    ScriptedDecoding.stray = (4, 1)
    monkeypatch.setattr(Transformer, "fastest_decoding", ScriptedDecoding)
    return sequences, ScriptedDecoding


def plain_loss(network, sequences, outputs, truth, measurements, weight):
    """Return the loss (R,) by loops: squared distance and −log weight of the particle that a track is on."""
    owner = np.argsort(sequences.detection, axis=3)
    owners = torch.nn.functional.one_hot(torch.from_numpy(owner), 2).float()
    with torch.no_grad():
        found, weights = network.positions_and_owners(measurements, outputs[:, :, :-1], owners)
    terms = np.zeros(found.shape[:4])
    for r, e, t in np.ndindex(terms.shape[:3]):
        particle = min(
            itertools.permutations(range(2)),
            key=lambda order: sum(
                np.linalg.norm(outputs[r, e, t, n] - truth[r, e, t, p]) for n, p in enumerate(order)
            ),
        )
        for n, p in enumerate(particle):
            terms[r, e, t, n] = ((found[r, e, t, n] - truth[r, e, t + 1, p]) ** 2).sum()
            terms[r, e, t, n] -= weight * np.log(float(weights[r, e, t, n, p]) + 1e-4)
    return terms.mean((1, 2, 3))


def test_targets_follow_the_particle_that_a_track_is_on_and_lost_tracks_are_put_back(scripted):
    sequences, decoding = scripted
    network = make_network()
    run = make_training(network, sequences, batches=1, association_weight=0.7)
    untrained = copy.deepcopy(network)
    loss = run.run_epoch()
    # What lies at detection[p] is particle p, without error.
    own = torch.from_numpy(sequences.detection)[..., None]
    truth = torch.take_along_dim(decoding.measurements, own, 3)
    outputs = torch.stack([truth[:, :, 0], *(decoding.positions(t) for t in range(1, 6))], 2)
    assert torch.equal(outputs[:, :, 3], truth[:, :, 3].flip(2))
    outputs[:, :, 4] = truth[:, :, 4]
    for t in range(1, 6):
        assert torch.equal(decoding.inputs[t], outputs[:, :, t - 1]), t
    expected = plain_loss(untrained, sequences, outputs, truth, decoding.measurements, 0.7)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_tracks_start_where_the_data_say_and_not_at_the_truth(scripted):
    """At the first detections: what is fed back at frame 0, and where coordinates begin."""
    sequences, decoding = scripted
    measured = np.take_along_axis(sequences.measurements[:, :, 0], sequences.detection[:, :, 0, :, None], 2)
    # Not the truth: moved by as much as a step.
    moved = replace(sequences, initial=measured + np.array([1.0, -2.0]))
    for mode in (CLOSED_LOOP, TEACHER_FORCING):
        network = make_network()
        run = make_training(network, moved, mode=mode, augment="none", batches=1, association_weight=0.7)
        untrained = copy.deepcopy(network)
        loss = run.run_epoch()
        scale = network.length_scale.numpy()[:, None, None, None, None]
        origin = moved.initial.mean(2)[:, :, None, None]
        inward = (
            torch.from_numpy((x - origin) / scale).float()
            for x in (moved.measurements, moved.truth, moved.initial[:, :, None])
        )
        measurements, truth, start = inward
        outputs = torch.cat([start, truth[:, :, 1:]], 2)
        if mode == CLOSED_LOOP:
            assert torch.equal(decoding.inputs[1], outputs[:, :, 0])
            assert torch.equal(decoding.measurements, measurements)
            outputs[:, :, 1:] = torch.stack([decoding.positions(t) for t in range(1, 6)], 2)
            outputs[:, :, 4] = truth[:, :, 4]
        expected = plain_loss(untrained, moved, outputs, truth, measurements, 0.7)
        assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("mode", [CLOSED_LOOP, TEACHER_FORCING])
def test_the_loss_of_a_network_without_pointers_is_the_squared_distance(mode):
    """In squared step scales, though its unit of length is another."""
    sequences = make_sequences()
    network = make_network(kind="plain")
    changes = {"augment": "none", "batches": 1, "association_weight": None, "rescue_distance": 1000.0}
    run = make_training(network, sequences, mode=mode, **changes)
    origin = sequences.initial.mean(2)[:, :, None, None]
    extent = np.sqrt(((sequences.truth - origin) ** 2).mean((1, 2, 3, 4)))
    assert network.length_scale.numpy() == pytest.approx(extent, rel=1e-6)
    z, y = (torch.from_numpy(x) for x in (sequences.measurements, sequences.truth))
    fed_back = y
    if mode == CLOSED_LOOP:
        fed_back = copy.deepcopy(network).track(z, y[:, :, 0])
    with torch.no_grad():
        found = network(z, fed_back[:, :, :-1]).numpy()
    owner = match(*(x[:, :, :-1].flatten(0, 1).numpy() for x in (fed_back, y))).reshape(2, 6, 5, 2, 1)
    squared = ((found - np.take_along_axis(sequences.truth[:, :, 1:], owner, 3)) ** 2).sum(-1)
    expected = squared.mean((1, 2, 3)) / sequences.step_scale() ** 2
    assert run.run_epoch() == pytest.approx(expected, rel=1e-4)


def test_the_plain_network_learns_to_look_at_detections():
    """Position errors of sequences that it never saw fall below half of those of a tracker that stays put."""
    frames, noise = 6, 1.0
    sequences = make_sequences(replicates=1, experiments=240, frames=frames, noise=noise)
    network = make_network(frames, replicates=1, dimension=16, kind="plain")
    unseen = simulate(200, frames, noise, first=1000)
    changes = {"batches": 6, "epochs": 40, "learning_rate": 0.005, "association_weight": None}
    run = make_training(network, sequences, **changes)
    while run.epoch < 40:
        run.run_epoch()
    jaccard, error = training.closed_loop_scores(network, one_replicate(unseen))
    frozen = scores_of(controls.frozen(unseen.measurements, unseen.positions[:, 0])[0], unseen.positions)
    assert error < 0.5 * frozen[1]
    assert jaccard > frozen[0]


def test_without_augmentation_sequences_are_learnt_as_they_are():
    sequences = make_sequences()
    turned = make_training(make_network(), sequences).run_epoch()
    straight = make_training(make_network(), sequences, augment="none")
    z, y, start = straight._inner_coordinates(sequences, [])
    frame = straight.network.frame_of_reference(torch.from_numpy(sequences.initial))
    for found, x in (
        (z, sequences.measurements),
        (y, sequences.truth),
        (start, sequences.initial[:, :, None]),
    ):
        assert torch.equal(found, frame.inward(torch.from_numpy(x)))
    assert straight.run_epoch() != pytest.approx(turned, rel=1e-3)


def test_data_in_which_nothing_moves_are_refused_by_replicate():
    sequences = make_sequences(noise=0.0)
    still = np.repeat(sequences.truth[1:, :, :1], 6, 2)
    detection = np.zeros_like(sequences.detection[1:]) + np.arange(2)
    truth = np.concatenate([sequences.truth[:1], still])
    measurements = np.concatenate([sequences.measurements[:1], still])
    detection = np.concatenate([sequences.detection[:1], detection])
    with pytest.raises(InputError, match="replicate 1 has nothing to learn"):
        make_training(make_network(), Sequences(measurements, truth, detection, truth[:, :, 0]))


@pytest.mark.parametrize("kind", ["plain", "geometric"])
def test_wide_scenes_are_learnt_as_in_double_precision(kind):
    """Two particles 10⁶ apart: in float32, squares of positions would drown what moves."""
    weight = {"plain": None, "geometric": 1.0}[kind]
    narrow = make_sequences()
    apart = np.array([[-5e5, 0.0], [5e5, 0.0]])
    detected = apart[np.argsort(narrow.detection, axis=3)]
    wide = Sequences(
        narrow.measurements + detected, narrow.truth + apart, narrow.detection, narrow.initial + apart
    )
    changes = {"mode": TEACHER_FORCING, "association_weight": weight, "augment": "none"}
    both = make_network(kind=kind), make_network(kind=kind).double()
    losses = [make_training(each, wide, **changes).run_epoch() for each in both]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_tracks_that_stray_less_than_the_rescue_distance_are_left_where_they_are(scripted):
    sequences, decoding = scripted
    make_training(make_network(), sequences, rescue_distance=1000.0).run_epoch()
    expected = decoding.positions(4)
    expected[:, :, 1] += 50
    assert torch.equal(decoding.inputs[5], expected)


def test_teacher_forcing_feeds_back_the_truth_and_never_tracks(monkeypatch):
    sequences = make_sequences()
    network = make_network()
    run = make_training(network, sequences, mode=TEACHER_FORCING, batches=1)
    untrained = copy.deepcopy(network)
    monkeypatch.delattr(Transformer, "decoding")
    loss = run.run_epoch()
    turned = [turn_like_epoch_0(x, sequences, network) for x in (sequences.truth, sequences.measurements)]
    assert loss == pytest.approx(plain_loss(untrained, sequences, turned[0], *turned, 1.0), rel=1e-4)


def turn_like_epoch_0(x, sequences, network):
    """Return x (R, E, T, N, 2) as seen by the network: from the middle of the starts, scaled, turned."""
    turns = [training._rotations(6, np.random.default_rng([r, 0])) for r in range(2)]
    origin = sequences.truth[:, :, 0].mean(2)[:, :, None, None]
    scaled = (x - origin) / network.length_scale.numpy()[:, None, None, None, None]
    return torch.from_numpy(np.einsum("reij,retnj->retni", np.stack(turns), scaled)).float()


def test_rotations_are_orthogonal_and_uniform_with_as_many_mirrored():
    turns = training._rotations(20_000, np.random.default_rng(0))
    assert turns @ turns.swapaxes(1, 2) == pytest.approx(np.broadcast_to(np.eye(2), turns.shape), abs=1e-12)
    mirrored = np.linalg.det(turns) < 0
    assert stats.binomtest(int(mirrored.sum()), len(turns)).pvalue > 1e-3
    for kind in (mirrored, ~mirrored):
        angle = np.arctan2(turns[kind, 1, 0], turns[kind, 0, 0])
        assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


def test_the_learning_rate_rises_linearly_then_falls_along_half_a_cosine():
    schedule = replace(SCHEDULE, epochs=11, batches=1, learning_rate=2.0, warmup_fraction=4 / 11)
    rates = [schedule.rate(step) for step in range(11)]
    # Eight equal parts of half a turn, the last of which, zero, would be step 11.
    expected = [0.5, 1, 1.5, 2, *(1 + np.cos(np.pi * np.arange(1, 8) / 8))]
    assert rates == pytest.approx(expected)
    no_warmup = replace(schedule, warmup_fraction=0.0)
    assert no_warmup.rate(0) == 2.0


def test_gradients_are_shortened_by_the_norm_of_their_own_replicate():
    sequences = make_sequences()

    def gradients(clip):
        network = make_network()
        make_training(network, sequences, gradient_clip=clip, batches=1).run_epoch()
        flat = [parameter.grad.flatten(1) for parameter in network.parameters()]
        return torch.cat(flat, 1).double().numpy()

    whole = gradients(1e9)
    norms = np.linalg.norm(whole, axis=1)
    assert norms.max() > 1.1 * norms.min()
    clip = norms.mean()
    shortened = whole * np.minimum(1, clip / norms)[:, None]
    assert gradients(clip) == pytest.approx(shortened, rel=1e-5, abs=1e-6)


def test_a_state_taken_and_restored_goes_on_with_the_same_weights():
    sequences = make_sequences()
    straight = make_training(make_network(), sequences)
    straight.run_epoch()
    state = copy.deepcopy(straight.state())
    straight.run_epoch()
    resumed = make_training(make_network(seed=9), sequences)
    resumed.restore(state)
    resumed.run_epoch()
    assert resumed.epoch == 2
    for one, other in zip(straight.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("learning_rate", "words"), [(1e20, "(nan|inf|not finite)"), (1.0, "has grown to")])
def test_divergence_names_replicate_and_step(learning_rate, words):
    run = make_training(make_network(frames=8), make_sequences(frames=8), learning_rate=learning_rate)
    with pytest.raises(Divergence, match=f"replicate [01]: the .*{words}.* at step [0-9]+$"):
        [run.run_epoch() for _ in range(9)]


def test_small_noises_are_no_divergence():
    """Particles that hardly move: a tracker that stays at the start has almost no error."""
    made = motion.simulate(np.arange(6), 2, 2, 0.01, 7.0, 5.0, 0.0, seed=3)
    losses = make_training(make_network(2, replicates=1), one_replicate(made)).run_epoch()
    assert np.isfinite(losses).all()


def test_training_learns_to_track_sequences_it_never_saw():
    """Far better than staying at the start, and most of the way from the untrained network to the MHT."""
    frames, noise = 25, 1.0
    sequences = make_sequences(replicates=1, experiments=60, frames=frames, noise=noise)
    network = make_network(frames, replicates=1, dimension=16)
    unseen = simulate(100, frames, noise, first=1000)
    run = make_training(network, sequences, batches=6, epochs=6, learning_rate=0.01)
    untrained = training.closed_loop_scores(network, one_replicate(unseen))
    while run.epoch < 6:
        run.run_epoch()
    jaccard, error = training.closed_loop_scores(network, one_replicate(unseen))
    start = unseen.positions[:, 0]
    frozen = scores_of(controls.frozen(unseen.measurements, start)[0], unseen.positions)
    assert jaccard > frozen[0] + 0.01
    assert error < 0.5 * frozen[1]
    told = Model(1.5, noise, 0.1)
    path = mht.track(unseen.measurements, start, 8, told).path(unseen.measurements, start)
    best = scores_of(kalman.filter_states(told, path, start)[0], unseen.positions)
    assert best[0] - jaccard < 0.5 * (best[0] - untrained[0])
    assert error - best[1] < 0.1 * (untrained[1] - best[1])


def scores_of(tracks, positions):
    matching = match(tracks, positions)
    distances = matched_distances(tracks, positions, matching)
    error = np.sqrt(np.mean(links.position_error(distances) ** 2))
    return links.link_jaccard(matching).jaccard.mean(), error


def test_scores_of_a_network_are_those_of_its_tracks_whatever_the_blocks(monkeypatch):
    network = make_network()
    made = simulate(7)
    expected = []
    for replicate in range(2):
        tracks = network.of_replicate(replicate).track(
            *(torch.from_numpy(x)[None] for x in (made.measurements, made.positions[:, 0]))
        )
        tracks = tracks[0].numpy()
        matching = match(tracks, made.positions)
        squared = matched_distances(tracks, made.positions, matching)[:, 1:] ** 2
        expected.append([links.link_jaccard(matching).jaccard.mean(), np.sqrt(squared.mean())])
    for at_a_time in (300, 6):
        monkeypatch.setattr(training, "_TRACKED_AT_A_TIME", at_a_time)
        found = training.closed_loop_scores(network, one_replicate(made))
        assert np.transpose(found) == pytest.approx(np.array(expected), rel=1e-4)
