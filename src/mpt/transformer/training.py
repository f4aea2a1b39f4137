"""Training of transformers on their own tracks.

Closed loop: before each epoch the network, as it is, tracks the training sequences. In every frame it is
then asked for the position of the particle that its previous output is matched to, from the inputs that it
really had, all frames at once. So it learns where its own errors lead, and never to swap: after a swap the
target is the particle that the track is on. (Dataset aggregation, Ross et al. 2011, with the last policy's
data only.) An untrained network loses its particles now and then, and from two tracks that have become one
there is nothing to learn; so where a track strays from its particle by more than `rescue_distance`, all
tracks of that experiment are put back on the truth. Once it tracks, that hardly happens.

Teacher forcing feeds back the truth always, after the start.

The loss is the squared distance to that particle. Where a network points at detections, `association_weight`
times −log of the weight that the pointers give to that particle's detections is added: the mean position and
the association have the same optimum, and the second says at once which detection was the wrong one.

Replicates are independent: each has its own data, its own random streams and its own gradient, whatever
others are trained beside it. An epoch's randomness is derived from the seed and the epoch's number, so that
the state after an epoch is the parameters, the optimiser's moments and that number.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from mpt.errors import InputError
from mpt.matching import match, matched_distances
from mpt.transformer.network import Network, is_far
from mpt.transformer.optimiser import AdamW

CLOSED_LOOP, TEACHER_FORCING = "closed_loop", "teacher_forcing"
MODES = (CLOSED_LOOP, TEACHER_FORCING)
NO_AUGMENTATION, ROTATIONS = "none", "rotations"
AUGMENTATIONS = (NO_AUGMENTATION, ROTATIONS)

_BETAS = (0.9, 0.98)
# Bounds the loss of a pointer that is wholly on the wrong detection.
_LEAST_WEIGHT = 1e-4
# Bounds on memory, over all replicates: sequences tracked and frames that gradients are taken of, at a time.
_TRACKED_AT_A_TIME = 300
_FRAMES_AT_A_TIME = 3000


@dataclass(frozen=True)
class Sequences:
    """Sequences to learn from, R replicates of E experiments each, in the units of the data.

    measurements (R, E, T, N, 2): shuffled detections z. truth (R, E, T, N, 2): positions y. detection
    (R, E, T, N): the index of each particle's detection in its frame. initial (R, E, N, 2): where tracks
    start, the true positions of frame 0 where they are known.
    """

    measurements: np.ndarray
    truth: np.ndarray
    detection: np.ndarray
    initial: np.ndarray

    def extent(self) -> np.ndarray:
        """Return (R,): root mean square, per axis, of positions about the mean of their scene's starts."""
        apart = self.truth - self.initial.mean(2)[:, :, None, None]
        return np.sqrt(np.mean(apart**2, axis=(1, 2, 3, 4)))

    def step_scale(self) -> np.ndarray:
        """Return (R,): root mean square, per axis, of a detection about its particle one frame earlier."""
        found = np.take_along_axis(self.measurements, self.detection[..., None].astype(np.intp), axis=3)
        apart = found[:, :, 1:] - self.truth[:, :, :-1]
        return np.sqrt(np.mean(apart**2, axis=(1, 2, 3, 4)))


@dataclass(frozen=True)
class Schedule:
    """How to train; the same for every size of the training set.

    mode: one of MODES. epochs: passes over the batches; 0 leaves the network untrained. learning_rate rises
    over the first warmup_fraction of the steps, then falls to zero along half a cosine. augment: one of
    AUGMENTATIONS; rotations turn and mirror every sequence anew in each epoch. rescue_distance: in step
    scales of the Sequences. association_weight: of the second term of the loss, None for a network without
    pointers. weight_decay is AdamW's, gradient_clip the greatest norm of a replicate's gradient.
    """

    mode: str
    epochs: int
    batches: int
    learning_rate: float
    warmup_fraction: float
    rescue_distance: float
    association_weight: float | None
    weight_decay: float
    gradient_clip: float
    augment: str = ROTATIONS

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        steps = self.epochs * self.batches
        warmup = max(1.0, self.warmup_fraction * steps)
        if step + 1 <= warmup:
            return self.learning_rate * (step + 1) / warmup
        return float(
            self.learning_rate * 0.5 * (1 + np.cos(np.pi * (step + 1 - warmup) / (steps + 1 - warmup)))
        )


class Divergence(InputError):
    """The loss, its gradient or the tracks are no longer numbers, or the loss has grown."""


class Training:
    """A network in training; `epoch` epochs are done."""

    # An epoch whose loss is this many times that of the untrained network has diverged. An untrained network
    # may be very good where the truth is fed back, so what counts is at least the loss of a detection that is
    # taken for where its particle was.
    _GROWN = 3.0
    _LEAST_UNTRAINED = 2.0

    def __init__(
        self,
        network: Network,
        sequences: Callable[[int], Sequences],
        schedule: Schedule,
        seed: int,
        device: torch.device,
    ):
        """Take the sequences of epoch 0, 1, … from `sequences`: the same each time, or fresh ones.

        Replicate r draws from streams keyed by (seed + r, epoch). Sets the network's length scale from epoch
        0; scenes that reach far in it are trained on in float64.

        Raises InputError if nothing moves, so that there is no unit of length.
        """
        self.network = network.to(device)
        self.schedule, self.seed, self.device = schedule, seed, device
        self._sequences = sequences
        first = sequences(0)
        steps = first.step_scale()
        if not (steps > 0).all():
            raise InputError(
                f"replicate {int(np.argmin(steps > 0))} has nothing to learn: every detection lies where its "
                "particle was one frame earlier, so that there is no unit of length"
            )
        network.length_scale.copy_(torch.from_numpy(network.unit_of_length(first)))
        if is_far(network, *(torch.from_numpy(x).to(device) for x in (first.measurements, first.initial))):
            network.double()
        # The step scale in the network's units of length.
        self._step_scale = torch.from_numpy(steps).to(network.length_scale) / network.length_scale
        self._optimiser = AdamW(network.parameters(), _BETAS, schedule.weight_decay)
        self.epoch = 0
        self._untrained_losses: torch.Tensor | None = None

    def state(self) -> dict:
        """Return all that later epochs depend on, for torch.save."""
        return {
            "epoch": self.epoch,
            "untrained_losses": self._untrained_losses,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def restore(self, state: dict) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.epoch, self._untrained_losses = state["epoch"], state["untrained_losses"]

    def run_epoch(self) -> np.ndarray:
        """Train one epoch; returns the mean loss (R,) in squared step scales.

        Raises Divergence, naming the step and replicate.
        """
        streams = [
            np.random.default_rng([self.seed + replicate, self.epoch])
            for replicate in range(self.network.replicates)
        ]
        sequences = self._sequences(self.epoch)
        measurements, truth, initial = self._inner_coordinates(sequences, streams)
        owners = self._owners(sequences)
        outputs = self._outputs(measurements, truth, initial)
        particles = self._particles(outputs, truth)
        inputs = (measurements, outputs[:, :, :-1], owners)
        targets = (torch.take_along_dim(truth[:, :, 1:], particles, dim=3), particles)
        experiments = truth.shape[1]
        order = torch.stack([torch.from_numpy(stream.permutation(experiments)) for stream in streams])
        if self._untrained_losses is None:
            with torch.no_grad():
                self._untrained_losses = sum(self._parts_of_losses(*inputs, *targets))
        losses: list[torch.Tensor] = []
        for batch in order.to(self.device).tensor_split(self.schedule.batches, dim=1):
            step = self.epoch * self.schedule.batches + len(losses)
            losses.append(self._step(step, *(_take(x, batch) for x in (*inputs, *targets))))
        mean = torch.stack(losses).mean(0)
        untrained = self._untrained_losses.clamp(min=self._LEAST_UNTRAINED)
        _require(mean <= self._GROWN * untrained, "loss has grown to", step, mean)
        self.epoch += 1
        return mean.cpu().numpy()

    def _inner_coordinates(self, sequences: Sequences, streams) -> tuple[torch.Tensor, ...]:
        """Return measurements, truth and the starts (R, E, 1, N, 2), augmented."""
        found = [
            torch.from_numpy(x).to(self.device)
            for x in (sequences.measurements, sequences.truth, sequences.initial[:, :, None])
        ]
        frame = self.network.frame_of_reference(found[2][:, :, 0])
        found = [frame.inward(x) for x in found]
        if self.schedule.augment == NO_AUGMENTATION:
            return tuple(found)
        # Isotropic motion has no preferred direction.
        turns = np.stack([_rotations(sequences.truth.shape[1], stream) for stream in streams])
        turns = torch.from_numpy(turns).to(found[0])
        return tuple(torch.einsum("reij,retnj->retni", turns, x) for x in found)

    def _outputs(
        self, measurements: torch.Tensor, truth: torch.Tensor, initial: torch.Tensor
    ) -> torch.Tensor:
        fed_back = torch.cat([initial, truth[:, :, 1:]], 2)
        if self.schedule.mode == TEACHER_FORCING:
            return fed_back
        at_a_time = max(1, _TRACKED_AT_A_TIME // len(truth))
        parts = zip(*(x.split(at_a_time, 1) for x in (measurements, truth, fed_back)), strict=True)
        # A tensor of inference mode couldn't take part in a gradient; what is joined out of that mode can.
        return torch.cat([self._closed_loop(*part) for part in parts], 1)

    @torch.inference_mode()
    def _closed_loop(self, measurements: torch.Tensor, truth: torch.Tensor, outputs: torch.Tensor):
        """Return outputs (R, E, T, N, 2), from frame 1 on replaced by the network's own."""
        decoding = self.network.fastest_decoding(measurements.shape)
        at_a_time = decoding.frames_at_a_time
        outputs = outputs.clone(memory_format=torch.contiguous_format)
        found = torch.empty_like(outputs)
        furthest = self.schedule.rescue_distance * self._step_scale[:, None]
        for t in range(truth.shape[2]):
            if t % at_a_time == 0:
                decoding.observe(measurements[:, :, t : t + at_a_time])
            if t == 0:
                continue
            decoding.advance(outputs, found, t, t + 1)
            _require(torch.isfinite(found[:, :, t]), "tracks are", self.epoch * self.schedule.batches)
            lost = self._distances(found[:, :, t], truth[:, :, t]).amax(-1) > furthest
            outputs[:, :, t] = torch.where(lost[..., None, None], truth[:, :, t], found[:, :, t])
        return outputs

    def _distances(self, found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return the distances (R, E, N) of tracks (R, E, N, 2) to the particles they are matched to."""
        tracks, true = (x.flatten(0, 1)[:, None].cpu().numpy() for x in (found, truth))
        distances = matched_distances(tracks, true, match(tracks, true))
        return torch.from_numpy(distances).to(self.device).view(found.shape[:3])

    def _owners(self, sequences: Sequences) -> torch.Tensor:
        """Return (R, E, T, N, N), one-hot: whose each detection is."""
        owners = torch.from_numpy(np.argsort(sequences.detection, axis=3)).to(self.device)
        return functional.one_hot(owners, owners.shape[3]).to(self.network.length_scale.dtype)

    def _particles(self, outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return (R, E, T − 1, N, 1): the particle that each output but the last is matched to."""
        matching = match(*(x[:, :, :-1].flatten(0, 1).cpu().numpy() for x in (outputs, truth)))
        return torch.from_numpy(matching).to(self.device).unflatten(0, truth.shape[:2])[..., None]

    def _step(self, step: int, *data: torch.Tensor) -> torch.Tensor:
        self._optimiser.zero_grad()
        losses = 0
        for part in self._parts_of_losses(*data):
            part.sum().backward()
            losses = losses + part.detach()
        _require(torch.isfinite(losses), "loss is", step, losses)
        norms = self._clip()
        _require(torch.isfinite(norms), "gradient is", step, norms)
        self._optimiser.step(self.schedule.rate(step))
        return losses

    def _parts_of_losses(self, *data: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield what the experiments, a few at a time, add to the mean losses (R,)."""
        replicates, experiments, frames = data[0].shape[:3]
        at_a_time = max(1, _FRAMES_AT_A_TIME // (replicates * (frames - 1)))
        for part in zip(*(x.split(at_a_time, 1) for x in data), strict=True):
            yield part[0].shape[1] / experiments * self._losses(*part)

    def _losses(self, measurements, outputs, owners, targets, particles) -> torch.Tensor:
        weight = self.schedule.association_weight
        if weight is None:
            found = self.network.positions_after(measurements, outputs)
        else:
            found, weights = self.network.positions_and_owners(measurements, outputs, owners)
        squared = (found - targets).square().sum(-1) / self._step_scale.square()[:, None, None, None]
        if weight is None:
            return squared.mean((1, 2, 3))
        right = torch.take_along_dim(weights, particles, dim=-1)[..., 0]
        missed = -torch.log(right + _LEAST_WEIGHT)
        return (squared + weight * missed).mean((1, 2, 3))

    def _clip(self) -> torch.Tensor:
        """Shorten long gradients; returns how long they were (R,)."""
        # Each replicate by its own norm, so that none feels the others.
        gradients = [parameter.grad.flatten(1) for parameter in self.network.parameters()]
        norms = torch.linalg.vector_norm(torch.cat(gradients, 1), dim=1)
        shrink = (self.schedule.gradient_clip / (norms + 1e-12)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(shrink[:, None])
        return norms


def closed_loop_scores(network: Network, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Return the link Jaccard and the position error (R,) of every replicate on Sequences of R = 1."""
    jaccard, error = [], []
    for tracks, true in _tracked(network, sequences):
        matching = match(tracks, true)
        shape = (network.replicates, -1)
        jaccard.append(_link_jaccard(matching).reshape(shape))
        distances = matched_distances(tracks, true, matching)
        error.append(_position_error(distances).reshape(shape))
    return np.concatenate(jaccard, 1).mean(1), np.sqrt(np.mean(np.concatenate(error, 1) ** 2, axis=1))


# The same as in metrics.py, which is not imported: an edit there is to score anew and to train nothing.
def _link_jaccard(matching: np.ndarray) -> np.ndarray:
    links = matching[0, 1:].size
    kept = np.count_nonzero(matching[:, 1:] == matching[:, :-1], axis=(1, 2))
    return kept / (2 * links - kept)


def _position_error(distances: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(distances[:, 1:] ** 2, axis=(1, 2)))


def _tracked(network: Network, sequences: Sequences) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    device = network.length_scale.device
    at_a_time = max(1, _TRACKED_AT_A_TIME // network.replicates)
    whole = (sequences.measurements, sequences.initial, sequences.truth)
    for part in zip(*(torch.from_numpy(x).to(device).split(at_a_time, 1) for x in whole), strict=True):
        scene, initial, true = (x.expand(network.replicates, *x.shape[1:]) for x in part)
        tracks = network.track(scene, initial)
        yield tracks.flatten(0, 1).cpu().numpy(), true.flatten(0, 1).cpu().numpy()


def _rotations(count: int, stream: np.random.Generator) -> np.ndarray:
    """Return (count, 2, 2) orthogonal matrices, uniform over rotations and reflections."""
    angle = stream.uniform(0, 2 * np.pi, count)
    mirror = stream.choice([-1.0, 1.0], count)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin * mirror], -1), np.stack([sin, cos * mirror], -1)], -2)


def _take(x: torch.Tensor, experiments: torch.Tensor) -> torch.Tensor:
    """Return x (R, E, ...) at experiments (R, i) of each replicate."""
    return torch.take_along_dim(x, experiments.view(*experiments.shape, *[1] * (x.dim() - 2)), dim=1)


def _require(good: torch.Tensor, what: str, step: int, values: torch.Tensor | None = None) -> None:
    """Raise Divergence, naming the first replicate of which not all of `good` (R, ...) is true."""
    bad = (~good.flatten(1).all(1) if good.dim() > 1 else ~good).nonzero()
    if len(bad):
        replicate = int(bad[0, 0])
        value = "not finite" if values is None else f"{values[replicate]:.3g}"
        raise Divergence(f"replicate {replicate}: the {what} {value} at step {step}")
