"""Training of transformers on their own tracks.

Closed loop: before each epoch the network, as it is, tracks the training sequences. In every frame it is
then asked for the position of the particle that its previous output is matched to, from the inputs that it
really had, all frames at once. So it learns where its own errors lead, and never to swap: after a swap the
target is the particle that the track is on. (Dataset aggregation, Ross et al. 2011, with the last policy's
data only.) An untrained network loses its particles now and then, and from two tracks that have become one
there is nothing to learn; so where a track strays from its particle by more than `rescue_distance`, all
tracks of that experiment are put back on the truth. Once it tracks, that hardly happens.

Teacher forcing feeds back the truth always.

The loss is the squared distance to that particle plus `association_weight` times −log of the weight that
the pointers give to that particle's detections: the mean position and the association have the same
optimum, and the second says at once which detection was the wrong one.

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
from mpt.transformer.geometric import IncrementalDecoding, Transformer

CLOSED_LOOP, TEACHER_FORCING = "closed_loop", "teacher_forcing"
MODES = (CLOSED_LOOP, TEACHER_FORCING)

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
    (R, E, T, N): the index of each particle's detection in its frame.
    """

    measurements: np.ndarray
    truth: np.ndarray
    detection: np.ndarray

    def length_scale(self) -> np.ndarray:
        """Return (R,): root mean square, per axis, of a detection about its particle one frame earlier."""
        found = np.take_along_axis(self.measurements, self.detection[..., None].astype(np.intp), axis=3)
        apart = found[:, :, 1:] - self.truth[:, :, :-1]
        return np.sqrt(np.mean(apart**2, axis=(1, 2, 3, 4)))


@dataclass(frozen=True)
class Schedule:
    """How to train; the same for every size of the training set.

    mode: one of MODES. epochs: passes over the batches. learning_rate rises over the first warmup_fraction
    of the steps, then falls to zero along half a cosine. rescue_distance: in length scales.
    association_weight: of the second term of the loss. weight_decay is AdamW's, gradient_clip the greatest
    norm of a replicate's gradient.
    """

    mode: str
    epochs: int
    batches: int
    learning_rate: float
    warmup_fraction: float
    rescue_distance: float
    association_weight: float
    weight_decay: float
    gradient_clip: float

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

    # An epoch whose loss is this many times that of the untrained network has diverged.
    _GROWN = 3.0

    def __init__(
        self,
        network: Transformer,
        sequences: Callable[[int], Sequences],
        schedule: Schedule,
        seed: int,
        device: torch.device,
    ):
        """Take the sequences of epoch 0, 1, … from `sequences`: the same each time, or fresh ones.

        Replicate r draws from streams keyed by (seed + r, epoch). Sets the network's length scale from epoch
        0.
        """
        self.network = network.to(device)
        self.schedule, self.seed, self.device = schedule, seed, device
        self._sequences = sequences
        network.length_scale.copy_(torch.from_numpy(sequences(0).length_scale()))
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=schedule.learning_rate, betas=_BETAS, weight_decay=schedule.weight_decay
        )
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
        """Train one epoch; returns the mean loss (R,) in squared length scales.

        Raises Divergence, naming the step and replicate.
        """
        streams = [
            np.random.default_rng([self.seed + replicate, self.epoch])
            for replicate in range(self.network.replicates)
        ]
        sequences = self._sequences(self.epoch)
        measurements, truth = self._inner_coordinates(sequences, streams)
        owners = self._owners(sequences)
        outputs = self._outputs(measurements, truth)
        particles = self._particles(outputs, truth)
        inputs = (measurements, outputs[:, :, :-1], owners)
        targets = (torch.take_along_dim(truth[:, :, 1:], particles, dim=3), particles)
        experiments = truth.shape[1]
        order = torch.stack([torch.from_numpy(stream.permutation(experiments)) for stream in streams])
        if self._untrained_losses is None:
            with torch.no_grad():
                self._untrained_losses = sum(self._parts_of_losses(*inputs, *targets))
        losses = []
        for batch in order.to(self.device).tensor_split(self.schedule.batches, dim=1):
            step = self.epoch * self.schedule.batches + len(losses)
            losses.append(self._step(step, *(_take(x, batch) for x in (*inputs, *targets))))
        mean = torch.stack(losses).mean(0)
        _require(mean <= self._GROWN * self._untrained_losses, "loss has grown to", step, mean)
        self.epoch += 1
        return mean.cpu().numpy()

    def _inner_coordinates(self, sequences: Sequences, streams) -> tuple[torch.Tensor, torch.Tensor]:
        # Isotropic motion has no preferred direction: turn and mirror every sequence anew.
        turns = torch.from_numpy(np.stack([_rotations(sequences.truth.shape[1], s) for s in streams])).float()
        truth = torch.from_numpy(sequences.truth).to(self.device)
        frame = self.network.frame_of_reference(truth[:, :, 0])
        return tuple(
            torch.einsum("reij,retnj->retni", turns.to(self.device), frame.inward(x))
            for x in (torch.from_numpy(sequences.measurements).to(self.device), truth)
        )

    @torch.no_grad()
    def _outputs(self, measurements: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if self.schedule.mode == TEACHER_FORCING:
            return truth
        at_a_time = max(1, _TRACKED_AT_A_TIME // len(truth))
        parts = zip(measurements.split(at_a_time, 1), truth.split(at_a_time, 1), strict=True)
        return torch.cat([self._closed_loop(*part) for part in parts], 1)

    def _closed_loop(self, measurements: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        decoding = IncrementalDecoding(self.network, measurements.shape)
        decoding.observe(measurements)
        outputs = truth.clone()
        for t in range(1, truth.shape[2]):
            found = decoding.positions_after(outputs[:, :, t - 1], t)
            _require(torch.isfinite(found), "tracks are", self.epoch * self.schedule.batches)
            lost = self._distances(found, truth[:, :, t]).amax(-1) > self.schedule.rescue_distance
            outputs[:, :, t] = torch.where(lost[..., None, None], truth[:, :, t], found)
        return outputs

    def _distances(self, found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return the distances (R, E, N) of tracks (R, E, N, 2) to the particles they are matched to."""
        tracks, true = (x.flatten(0, 1)[:, None].cpu().numpy() for x in (found, truth))
        distances = matched_distances(tracks, true, match(tracks, true))
        return torch.from_numpy(distances).to(self.device).view(found.shape[:3])

    def _owners(self, sequences: Sequences) -> torch.Tensor:
        """Return (R, E, T, N, N), one-hot: whose each detection is."""
        owners = torch.from_numpy(np.argsort(sequences.detection, axis=3)).to(self.device)
        return functional.one_hot(owners, owners.shape[3]).float()

    def _particles(self, outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return (R, E, T − 1, N, 1): the particle that each output but the last is matched to."""
        matching = match(*(x[:, :, :-1].flatten(0, 1).cpu().numpy() for x in (outputs, truth)))
        return torch.from_numpy(matching).to(self.device).unflatten(0, truth.shape[:2])[..., None]

    def _step(self, step: int, *data: torch.Tensor) -> torch.Tensor:
        for group in self._optimiser.param_groups:
            group["lr"] = self.schedule.rate(step)
        self._optimiser.zero_grad()
        losses = 0
        for part in self._parts_of_losses(*data):
            part.sum().backward()
            losses = losses + part.detach()
        _require(torch.isfinite(losses), "loss is", step, losses)
        norms = self._clip()
        _require(torch.isfinite(norms), "gradient is", step, norms)
        self._optimiser.step()
        return losses

    def _parts_of_losses(self, *data: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield what the experiments, a few at a time, add to the mean losses (R,)."""
        replicates, experiments, frames = data[0].shape[:3]
        at_a_time = max(1, _FRAMES_AT_A_TIME // (replicates * (frames - 1)))
        for part in zip(*(x.split(at_a_time, 1) for x in data), strict=True):
            yield part[0].shape[1] / experiments * self._losses(*part)

    def _losses(self, measurements, outputs, owners, targets, particles) -> torch.Tensor:
        found, weights = self.network.positions_and_owners(measurements, outputs, owners)
        squared = (found - targets).square().sum(-1)
        right = torch.take_along_dim(weights, particles, dim=-1)[..., 0]
        missed = -torch.log(right + _LEAST_WEIGHT)
        return (squared + self.schedule.association_weight * missed).mean((1, 2, 3))

    def _clip(self) -> torch.Tensor:
        """Shorten long gradients; returns how long they were (R,)."""
        # Each replicate by its own norm, so that none feels the others.
        gradients = [parameter.grad.flatten(1) for parameter in self.network.parameters()]
        norms = torch.stack([gradient.square().sum(1) for gradient in gradients]).sum(0).sqrt()
        shrink = (self.schedule.gradient_clip / (norms + 1e-12)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(shrink[:, None])
        return norms


def closed_loop_scores(
    network: Transformer, measurements: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the link Jaccard and the position error (R,) of every replicate on sequences (B, T, N, 2)."""
    jaccard, error = [], []
    for tracks, true in _tracked(network, measurements, truth):
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


def _tracked(network: Transformer, measurements, truth) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    device = network.length_scale.device
    at_a_time = max(1, _TRACKED_AT_A_TIME // network.replicates)
    for start in range(0, len(measurements), at_a_time):
        chosen = slice(start, start + at_a_time)
        scene, true = (
            torch.from_numpy(x[chosen]).to(device).expand(network.replicates, *x[chosen].shape)
            for x in (measurements, truth)
        )
        tracks = network.track(scene, true[:, :, 0])
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
