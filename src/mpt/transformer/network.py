"""What the networks share: replicates side by side, a frame of reference, masks, and cached decoding.

A network is an encoder over detections and a decoder over outputs (Fig. 1 of the paper). The encoder's
tokens are the detections of all frames, in no order within a frame. The decoder's token of track p for frame
t is made of the track's output at t − 1; it attends to the tokens of all tracks for the last K_D frames, then
to the encoded detections, and yields the position at t.

How far tokens see detections is `encoder_sees`. With `past`, a token of frame t sees frames t − K_E + 1 … t,
in the encoder and from the decoder: nothing after t is seen, and what was encoded never changes. With
`whole`, it sees the frames less than K_E away on either side: with K_E = T, the whole sequence, future
included; a smaller K_E is a window of 2 K_E − 1 frames about t. Layers add their reach.

All parameters have a leading axis of replicates R: independent networks that run and train side by side.
"""

import copy
import math
from dataclasses import KW_ONLY, asdict, dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mpt.errors import InputError
from mpt.transformer.attention import Sight

PAST, WHOLE = "past", "whole"
ENCODER_SEES = (PAST, WHOLE)

# Fewer frames are more calls, more frames more pairs of tokens that are masked.
_ENCODED_AT_A_TIME = 32
# Pairs of tokens that a mask is made for.
_MASKED_AT_A_TIME = 2**26
# Torch decodes fewer in less time than it takes to load the kernels.
_FEWEST_DETECTIONS = 2_000
# In units of length of the network. Squares of coordinates as far as this are right to 0.1 in float32, and as
# far as the second to 0.01 in float64.
_FAR = 1e3
_TOO_FAR = 1e7


@dataclass(frozen=True)
class Architecture:
    """The size of a network: lookbacks K_E and K_D in frames, and what it is trained on: N and T.

    particles and frames are those of the training. A network tracks any number of either, unless it has
    learned an embedding of each.

    dimension d (a multiple of heads), feedforward width and the numbers of layers are those of Fig. 1.
    encoder_sees: one of ENCODER_SEES.
    """

    particles: int
    frames: int
    encoder_lookback: int
    decoder_lookback: int
    dimension: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    feedforward: int
    _: KW_ONLY
    encoder_sees: str = PAST

    # The words that a field may be, and the sizes that must divide the dimension.
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"encoder_sees": ENCODER_SEES}
    DIVISORS: ClassVar[tuple[str, ...]] = ("heads",)

    def __post_init__(self):
        """Raise InputError unless sizes are positive and divide, and words are among the choices."""
        for name, value in asdict(self).items():
            if name in self.CHOICES:
                if value not in self.CHOICES[name]:
                    raise InputError(f"{name} is {value!r}; it must be {' or '.join(self.CHOICES[name])}")
            elif value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        for name in self.DIVISORS:
            if self.dimension % getattr(self, name):
                raise InputError(
                    f"the dimension {self.dimension} is not a multiple of {name} {getattr(self, name)}"
                )


class Linear(nn.Module):
    """y = x W + b with its own W and b for each replicate; x (R, ..., inputs)."""

    # The precision that the product is computed in; geometry always stays in that of x.
    precision = torch.float32

    def __init__(self, inputs: int, outputs: int, scale: float, generators, bias: torch.Tensor | None = None):
        """Draw W with standard deviation scale/√inputs, a replicate from each generator; b is 0 or `bias`."""
        super().__init__()
        weights = [torch.randn(inputs, outputs, generator=generator) for generator in generators]
        self.weight = nn.Parameter(torch.stack(weights) * (scale / math.sqrt(inputs)))
        offset = torch.zeros(len(generators), 1, outputs)
        self.bias = nn.Parameter(offset if bias is None else offset + bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return y (R, ..., outputs)."""
        return self._mapped(x, self.weight, self.bias)

    def beside(self, other: "Linear", x: torch.Tensor) -> torch.Tensor:
        """Return what this map and another make of x, side by side (R, ..., outputs of both)."""
        weight, bias = (
            torch.cat(each, -1) for each in ((self.weight, other.weight), (self.bias, other.bias))
        )
        return self._mapped(x, weight, bias)

    def _mapped(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(x.shape[0], -1, x.shape[-1])
        if self.precision == torch.float32:
            product = torch.baddbmm(bias, rows, weight)
        else:
            product = bias + torch.bmm(rows.to(self.precision), weight.to(self.precision))
        return product.view(*x.shape[:-1], -1)


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Return x with mean 0 and variance 1 along its last axis."""
    # Without gain and offset: the linear map that follows has both.
    return functional.layer_norm(x, x.shape[-1:])


class FeedForward(nn.Module):
    """The feed-forward block of a layer, normalised first, with a GELU between its maps."""

    def __init__(self, dimension: int, width: int, generators):
        """Initialise the two maps."""
        super().__init__()
        self.inner = Linear(dimension, width, math.sqrt(2), generators)
        self.outer = Linear(width, dimension, 0.5, generators)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the update of x (R, ..., d)."""
        return self.outer(functional.gelu(self.inner(normalise(x))))


class Network(nn.Module):
    """R replicates of a network, initialised from the seeds `seed`, `seed` + 1, … each on its own.

    Positions go in and out in the units of the data. Within, they are relative to the mean of where the
    tracks start and in units of `length_scale` (R,), which training sets.

    A subclass sets encoder and decoder, lists of layers with the parts attention, cross_attention (of the
    decoder) and feed_forward, and says how tokens are made (detections, outputs, start) and read
    (positions_after, Decoding).
    """

    Architecture: type[Architecture]
    encoder: nn.ModuleList
    decoder: nn.ModuleList

    def __init__(self, architecture: Architecture, replicates: int, seed: int = 0):
        """Initialise what all networks have; a subclass draws the rest from `generators`."""
        super().__init__()
        self.architecture, self.replicates = architecture, replicates
        self.register_buffer("length_scale", torch.ones(replicates))

    @staticmethod
    def generators(replicates: int, seed: int) -> list[torch.Generator]:
        """Return the source of each replicate's initial parameters."""
        return [torch.Generator().manual_seed(seed + replicate) for replicate in range(replicates)]

    @staticmethod
    def unit_of_length(sequences) -> np.ndarray:
        """Return the length scale (R,) that suits the Sequences to learn from."""
        raise NotImplementedError

    def detections(self, positions: torch.Tensor, first: int):
        """Return where and when the detections (R, B, F, N, 2) of frames `first`, … are, for the layers."""
        raise NotImplementedError

    def outputs(self, positions: torch.Tensor, first: int):
        """As detections, of the decoder's tokens for frames `first`, …, made of outputs (R, B, F, N, 2)."""
        raise NotImplementedError

    def start(self, places) -> torch.Tensor:
        """Return the tokens (R, B, F·N, d) that enter the first layer."""
        raise NotImplementedError

    def positions_after(self, measurements: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """As forward, in inner coordinates."""
        raise NotImplementedError

    def decoding(self, shape: torch.Size) -> "IncrementalDecoding":
        """Return the state of tracking measurements of this shape (R, B, T, N, 2), frame by frame."""
        raise NotImplementedError

    def fastest_decoding(self, shape: torch.Size) -> "IncrementalDecoding":
        """As decoding, but for rounding; by compiled kernels where they serve."""
        if math.prod(shape[:4]) < _FEWEST_DETECTIONS:
            return self.decoding(shape)
        # It imports the networks, and Numba, which takes half a second with its kernels.
        from mpt.transformer.compiled_decoding import faster_decoding

        return faster_decoding(self, shape) or self.decoding(shape)

    def of_replicate(self, replicate: int) -> "Network":
        """Return a network that is this replicate alone."""
        alone = type(self)(self.architecture, 1)
        alone.load_state_dict({name: x[replicate : replicate + 1] for name, x in self.state_dict().items()})
        return alone.to(self.length_scale.device)

    def use_precision(self, precision: torch.dtype) -> None:
        """Compute the linear maps, and only them, in this precision; parameters stay in float32."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.precision = precision

    def forward(self, measurements: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Return the next positions (R, B, D, N, 2) after each of the D frames of outputs (R, B, D, N, 2).

        measurements (R, B, W, N, 2), W ≥ D, ends one frame after outputs does: the plain forward pass, which
        sees all frames at once through masks.
        """
        frame = self.frame_of_reference(outputs[:, :, 0])
        found = self.positions_after(frame.inward(measurements), frame.inward(outputs))
        return frame.outward(found)

    def frame_of_reference(self, initial: torch.Tensor) -> "FrameOfReference":
        """Return the coordinates in which a scene with these starts (R, B, N, 2) is seen."""
        return FrameOfReference(initial.mean(-2)[:, :, None, None], self.length_scale)

    def decode(self, measurements: torch.Tensor, outputs: torch.Tensor) -> "Decoded":
        """Run encoder and decoder on all frames at once; arguments as of positions_after."""
        size = self.architecture
        detections = self.detections(measurements, 0)
        decoded = self.outputs(outputs, measurements.shape[2] - outputs.shape[2])
        measured = range(measurements.shape[2])
        asked = measured[len(measured) - outputs.shape[2] :]
        encoded = self._encode(
            detections, sight(size, detections.times, measured, detections.times, measured)
        )
        look_back = Sight(decoded.times, asked, decoded.times, asked, back=size.decoder_lookback - 1)
        look_across = sight(size, decoded.times, asked, detections.times, measured)
        x = self.start(decoded)
        for layer in self.decoder:
            x = x + layer.attention.among(x, decoded, look_back)
            cross = layer.cross_attention
            x = x + cross(x, decoded, *cross.keys_values(encoded, detections), look_across)
            x = x + layer.feed_forward(x)
        return Decoded(x, decoded, encoded, detections, look_across)

    def _encode(self, detections, seen: Sight) -> torch.Tensor:
        x = self.start(detections)
        for layer in self.encoder:
            x = x + layer.attention.among(x, detections, seen)
            x = x + layer.feed_forward(x)
        return x

    def track(
        self,
        measurements: torch.Tensor,
        initial: torch.Tensor,
        frames_at_a_time: int | None = None,
        truth: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the tracks (R, B, T, N, 2) of measurements (R, B, T, N, 2) from the starts (R, B, N, 2).

        As follow, but scenes that reach far are tracked in float64. Raises InputError if that is not precise
        enough.
        """
        network = self.resolving(measurements, initial)
        return network.follow(measurements, initial, frames_at_a_time, truth)

    def resolving(self, measurements: torch.Tensor, initial: torch.Tensor) -> Self:
        """Return this network, or where the scene reaches far the same in float64. Raises as track does."""
        if self.length_scale.dtype == torch.float32 and is_far(self, measurements, initial):
            return copy.deepcopy(self).double()
        return self

    @torch.inference_mode()
    def follow(
        self,
        measurements: torch.Tensor,
        initial: torch.Tensor,
        frames_at_a_time: int | None = None,
        truth: torch.Tensor | None = None,
        decoding: "IncrementalDecoding | None" = None,
    ) -> torch.Tensor:
        """Return the tracks (R, B, T, N, 2) in the network's own precision.

        Closed loop: each output is an input of the next. Frame 0 is the start. Given the true positions
        (R, B, T, N, 2), those are fed back instead, from frame 1 on: a leak.

        Detections are encoded so many frames at a time, by torch: 1 where frames come one by one; by default
        as many as is fastest, which is, but for rounding, the same. A network that sees the whole sequence
        encodes all at once. decoding: the state to begin with, by default what fastest_decoding returns.
        """
        frames = measurements.shape[2]
        frame = self.frame_of_reference(initial)
        measurements = frame.inward(measurements)
        if decoding is None:
            ways = self.fastest_decoding if frames_at_a_time is None else self.decoding
            decoding = ways(measurements.shape)
        if frames_at_a_time is None or self.architecture.encoder_sees == WHOLE:
            frames_at_a_time = decoding.frames_at_a_time
        fed_back = outputs = measurements.new_empty(measurements.shape)
        outputs[:, :, 0] = frame.inward(initial[:, :, None])[:, :, 0]
        if truth is not None:
            fed_back = frame.inward(truth).contiguous()
            fed_back[:, :, 0] = outputs[:, :, 0]
        for begin in range(0, frames, frames_at_a_time):
            end = min(begin + frames_at_a_time, frames)
            decoding.observe(measurements[:, :, begin:end])
            decoding.advance(fed_back, outputs, max(1, begin), end)
        tracks = frame.outward(outputs)
        tracks[:, :, 0] = initial
        return tracks


@dataclass(frozen=True)
class Decoded:
    """What encoder and decoder made of a scene.

    x (R, B, D·N, d): the decoder's tokens, at `places`. encoded (R, B, W·N, d): the encoder's, at
    `detections`. look_across: which detections each of the decoder's tokens may see.
    """

    x: torch.Tensor
    places: object
    encoded: torch.Tensor
    detections: object
    look_across: Sight


def _frames_to_encode(lookback: int, particles: int) -> int:
    """Return how many frames are best encoded at a time."""
    frames = min(_ENCODED_AT_A_TIME, lookback)
    while frames > 1 and frames * (lookback + frames - 1) * particles**2 > _MASKED_AT_A_TIME:
        frames //= 2
    return frames


def is_far(network: Network, measurements: torch.Tensor, initial: torch.Tensor) -> bool:
    """Tell whether positions lie so far from the mean of the starts that they need float64.

    measurements (R, B, T, N, 2), initial (R, B, N, 2). Raises InputError beyond what float64 can resolve.
    """
    origin = initial.mean(-2)[:, :, None, None]
    furthest = max(
        float(((x - origin).abs().amax((1, 2, 3, 4)) / network.length_scale).max())
        for x in (measurements, initial[:, :, None])
    )
    if furthest > _TOO_FAR:
        raise InputError(
            f"positions lie {furthest:.3g} units of length of the network from the mean of the starts; "
            f"more than {_TOO_FAR:.0e} cannot be resolved"
        )
    return furthest > _FAR


@dataclass(frozen=True)
class FrameOfReference:
    """Coordinates relative to an origin (R, B, 1, 1, 2), in units of length_scale (R,)."""

    origin: torch.Tensor
    length_scale: torch.Tensor

    def inward(self, positions: torch.Tensor) -> torch.Tensor:
        """Return positions (R, B, T, N, 2) of the data in these coordinates and the network's precision."""
        return ((positions - self.origin) / self._unit()).to(self.length_scale.dtype)

    def outward(self, positions: torch.Tensor) -> torch.Tensor:
        """Return positions of these coordinates in those of the data, in the precision of the origin."""
        return positions * self._unit() + self.origin

    def _unit(self) -> torch.Tensor:
        return self.length_scale[:, None, None, None, None].to(self.origin.dtype)


class IncrementalDecoding:
    """The state of closed-loop tracking: cached keys and values of what was encoded and decoded so far.

    Call observe with frames 0, 1, …, one or more at a time, and positions_after once for each frame from 1 on
    that was observed. A frame costs O(K_E + K_D), and O(F) more where F are observed at a time. A network
    that sees the whole sequence observes all frames at once.
    """

    def __init__(self, network: Network, shape: torch.Size):
        """Reserve the caches for measurements of this shape (R, B, T, N, 2)."""
        self.network, self.size = network, network.architecture
        self._observed = 0
        self._frames, self._particles = shape[2:4]
        # So many frames are best observed at a time.
        self.frames_at_a_time = self._frames
        if self.size.encoder_sees != WHOLE:
            self.frames_at_a_time = _frames_to_encode(self.size.encoder_lookback, self._particles)
        self._room = (shape[0] * shape[1], shape[2] * shape[3])
        self._encoder = [Cache(*self._room) for _ in network.encoder]
        self._decoder = [Cache(*self._room) for _ in network.decoder]
        self._cross = [Cache(*self._room) for _ in network.decoder]

    def observe(self, measurements: torch.Tensor) -> None:
        """Encode the detections (R, B, F, N, 2) of the next F frames, in inner coordinates.

        Where the past is seen, what is decoded at frame t sees no frame after t, however many were observed.
        """
        frames, lookback = measurements.shape[2], self.size.encoder_lookback
        begin, end = self._observed, self._observed + frames
        if self.size.encoder_sees == WHOLE and frames < self._frames:
            raise ValueError(f"{frames} of {self._frames} frames for an encoder that sees the whole sequence")
        here = self.network.detections(measurements, begin)
        seen = None
        if frames > 1:
            key_frames = range(max(0, begin - lookback + 1), end)
            times = torch.arange(key_frames.start, key_frames.stop, device=measurements.device)
            key_times = times.repeat_interleave(self._particles)
            seen = sight(self.size, here.times, range(begin, end), key_times, key_frames)
        x = self.network.start(here)
        for layer, cache in zip(self.network.encoder, self._encoder, strict=True):
            cache.append(*layer.attention.keys_values(x, here))
            x = x + layer.attention(x, here, *cache.last((lookback + frames - 1) * self._particles), seen)
            x = x + layer.feed_forward(x)
        self._observed = end
        self.keep(x, here)

    def keep(self, x: torch.Tensor, here) -> None:
        """Keep of the encoded tokens (R, B, F·N, d) of the last frames observed what the decoder looks at."""
        for layer, cache in zip(self.network.decoder, self._cross, strict=True):
            cache.append(*layer.cross_attention.keys_values(x, here))

    def advance(self, fed_back: torch.Tensor, outputs: torch.Tensor, begin: int, end: int) -> None:
        """Set outputs (R, B, T, N, 2) of frames `begin` … `end` − 1, from what is fed back of those before.

        fed_back (R, B, T, N, 2) may be the outputs themselves. Both are contiguous.
        """
        for t in range(begin, end):
            outputs[:, :, t] = self.positions_after(fed_back[:, :, t - 1], t)

    def positions_after(self, outputs: torch.Tensor, frame: int) -> torch.Tensor:
        """Return the positions (R, B, N, 2) at `frame` after the outputs (R, B, N, 2) of the frame before."""
        raise NotImplementedError

    def decode(self, outputs: torch.Tensor, frame: int):
        """Return the decoder's tokens (R, B, N, d) for `frame` with their places."""
        back = self.size.decoder_lookback * self._particles
        here = self.network.outputs(outputs[:, :, None], frame)
        x = self.network.start(here)
        for layer, own, cross in zip(self.network.decoder, self._decoder, self._cross, strict=True):
            own.append(*layer.attention.keys_values(x, here))
            x = x + layer.attention(x, here, *own.last(back))
            x = x + layer.cross_attention(x, here, *self.seen(cross, frame))
            x = x + layer.feed_forward(x)
        return x, here

    def seen(self, cache: "Cache", frame: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the keys and values in a cache of detections that tokens for `frame` may see."""
        lookback, end = self.size.encoder_lookback, frame + 1
        if self.size.encoder_sees == WHOLE:
            end = min(frame + lookback, self._frames)
        begin = max(0, frame + 1 - lookback)
        return cache.last((end - begin) * self._particles, end * self._particles)


class Cache:
    """Keys and values (R·B, L, ·) of the tokens so far, with room reserved for all."""

    def __init__(self, rows: int, tokens: int):
        """Say how many; nothing is reserved before the first are appended."""
        self._rows, self._tokens = rows, tokens
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None
        self._end = 0

    def append(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Keep those of the next tokens."""
        if self._end == 0 and keys.shape[1] == self._tokens:
            self._kept, self._end = (keys, values), self._tokens
            return
        if self._kept is None:
            self._kept = tuple(
                added.new_empty(self._rows, self._tokens, added.shape[2]) for added in (keys, values)
            )
        end = self._end + keys.shape[1]
        for kept, added in zip(self._kept, (keys, values), strict=True):
            kept[:, self._end : end] = added
        self._end = end

    def last(self, window: int, end: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the keys and values of the last `window` tokens before `end` (default: all so far)."""
        end = self._end if end is None else end
        tokens = slice(max(0, end - window), end)
        return self._kept[0][:, tokens], self._kept[1][:, tokens]


def sight(
    size: Architecture, times: torch.Tensor, frames: range, detection_times: torch.Tensor, measured: range
) -> Sight:
    """Return which detections tokens may see; arguments as of Sight."""
    reach = size.encoder_lookback - 1
    ahead = reach if size.encoder_sees == WHOLE else 0
    return Sight(times, frames, detection_times, measured, back=reach, ahead=ahead)
