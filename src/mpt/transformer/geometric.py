"""The encoder–decoder transformer of Fig. 1, made equivariant to translation and cheap to run frame by frame.

The encoder reads detections: each attends to those of its own frame, in no order, and of the K_E − 1 frames
before. The decoder reads outputs: the token of track p for frame t stands at the track's last output, attends
to the tokens of all tracks for the last K_D frames, then to the encoded detections of frames t − K_E + 1 … t,
and yields the position at t. Nothing after t is seen, and what was encoded never changes, so that keys and
values can be cached.

Tokens start equal and carry no coordinates. Geometry enters by attention alone. Token i at position x_i and
frame t_i weighs token j by the softmax over j of

    q_i·k_j/√d_h + (g_i + 2 s_i c_i ũ_i)·(x_j − x_i) − s_i |x_j − x_i|² − a_i (t_i − t_j)
    + Σ_f Re(w_if exp(−iω_f (t_i − t_j)))

with content queries q_i and keys k_j, and a direction g_i, a sharpness s_i > 0, a rivalry c_i, a forgetting
rate a_i > 0 and amplitudes w_if that are linear in the token's normalised content (s_i and a_i after a
softplus), per head; between tokens of tracks, an amplitude is added where both are of one track. Keys and
values are the same for all heads (multi-query attention: Shazeer, Fast Transformer Decoding,
arXiv:1911.02150), so that the caches are small and all heads read them at once. The rivalry is there where
tracks look at detections: u_i leads away from the other tracks, and ũ_i = u_i exp(−|u_i|²/8)/√(|u_i|² + 0.1²)
fades where they are far. (For two tracks, the log odds of the joint assignment, (z_1 − z_2)·(y_1 − y_2)/S,
enter in this way; a direction of fixed length keeps tracks from becoming one where those odds are even.)
Token i takes from token j the value v_j and the displacement x_j − x_i. The weights sum to one, so
translating the scene translates the output; multiplied out, every term is a product of something of i and
something of j, so that a key is a vector (with |x_j|² in it) and the caches of standard attention serve.
The output is a convex combination of the last position and detections (a pointer), so it is never far from
what was detected. A frame's share in it is that of attention, but how a frame's detections divide that share
the tracks decide among them: with ℓ_p(j) the above, track p weighs detection j by the softmax over the frame
of ℓ_p(j) − log Σ_{q≠p} exp ℓ_q(j), the log odds that j is its own. For two tracks with log likelihoods ℓ that
is the posterior of the joint assignment. Were each to weigh detections by itself, a noise greater than any in
training would have both take the same one, and they would stay together.

All parameters have a leading axis of replicates R: independent networks that run and train side by side.
"""

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import nn
from torch.nn import functional

from mpt.errors import InputError

# Per frame; the fastest tells neighbouring frames apart, the slowest turns once in 128 frames.
_FREQUENCIES = tuple(math.pi / 2**n for n in range(7))
# Initial forgetting rates per frame, dealt over the heads: four reach from this frame to the last twenty.
_FORGETTING = (2.0, 0.6, 0.2, 0.05)
# At unit length scale, s = 1/2 is the log-likelihood of a Gaussian displacement.
_SHARPNESS = 0.5
_RIVALRY = 1.0
# Farther apart than this, rivals repel each other by direction and, fading, whatever their distance, so that
# tracks that have met part again.
_NEAR = 0.1
# Small, so that what attention finds outweighs what tokens start with.
_TOKEN_SCALE = 0.1
_POINTER_FORGETTING = (4.0, 1.0)
# Fewer frames are more calls, more frames more pairs of tokens that are masked.
_ENCODED_AT_A_TIME = 32
# Displacements beyond this many length scales saturate, so that a noise never seen in training stays bounded.
_SATURATION = 3.0


@dataclass(frozen=True)
class Architecture:
    """The size of a network: N particles, sequences of up to `frames`, lookbacks K_E and K_D in frames.

    dimension d (a multiple of heads), feedforward width and the numbers of layers are those of Fig. 1;
    pointers is the number of pointer heads that share the output.
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
    pointers: int

    def __post_init__(self):
        """Raise InputError unless every size is positive and the heads divide the dimension."""
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        for name in ("heads", "pointers"):
            if self.dimension % getattr(self, name):
                raise InputError(
                    f"the dimension {self.dimension} is not a multiple of {name} {getattr(self, name)}"
                )


class _Linear(nn.Module):
    """y = x W + b with its own W and b for each replicate; x (R, ..., inputs)."""

    # The precision that the product is computed in; geometry always stays in that of x.
    precision = torch.float32

    def __init__(self, inputs: int, outputs: int, scale: float, generators, bias: torch.Tensor | None = None):
        super().__init__()
        weights = [torch.randn(inputs, outputs, generator=generator) for generator in generators]
        self.weight = nn.Parameter(torch.stack(weights) * (scale / math.sqrt(inputs)))
        offset = torch.zeros(len(generators), 1, outputs)
        self.bias = nn.Parameter(offset if bias is None else offset + bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(x.shape[0], -1, x.shape[-1])
        if self.precision == torch.float32:
            product = torch.baddbmm(self.bias, rows, self.weight)
        else:
            product = self.bias + torch.bmm(rows.to(self.precision), self.weight.to(self.precision))
        return product.view(*x.shape[:-1], -1)


def _normalise(x: torch.Tensor) -> torch.Tensor:
    # Without gain and offset: the linear map that follows has both.
    return functional.layer_norm(x, x.shape[-1:])


class _FeedForward(nn.Module):
    def __init__(self, dimension: int, width: int, generators):
        super().__init__()
        self.inner = _Linear(dimension, width, math.sqrt(2), generators)
        self.outer = _Linear(width, dimension, 0.5, generators)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(functional.gelu(self.inner(_normalise(x))))


class _Places:
    """Where and when L tokens stand: positions (R, B, L, 2) in length scales, frames (L,).

    tracks (L, N) is one-hot and says which track a token is of; None for detections. keys (R, B, L, ·) is
    what geometry puts into a key, for all layers alike: position, its square, time, waves, track. away (R, B,
    1, L, 2) leads away from the other tracks of the frame, ũ of the module's docstring.
    """

    def __init__(self, positions: torch.Tensor, frames: torch.Tensor, tracks: torch.Tensor | None = None):
        times = frames.to(positions.dtype)
        angle = times[:, None] * positions.new_tensor(_FREQUENCIES)
        self.positions, self.times, self.tracks = positions, times, tracks
        # e^{−iωt}: an amplitude times this, dotted with (cos, −sin) of the key, is Re(w e^{−iω(t_i − t_j)}).
        self.phase = torch.polar(torch.ones_like(angle), -angle)
        clock = torch.cat([times[:, None], torch.view_as_real(self.phase).flatten(-2)], -1)
        self.away = None
        if tracks is not None:
            clock = torch.cat([clock, tracks], -1)
            self.away = _away_from_others(positions, tracks.shape[1])[:, :, None]
        squared = (positions * positions).sum(-1, keepdim=True)
        clock = clock.expand(*squared.shape[:-1], -1)
        self.keys = torch.cat([positions, squared, clock], -1)


def _away_from_others(positions: torch.Tensor, tracks: int) -> torch.Tensor:
    if tracks == 1:
        return torch.zeros_like(positions)
    places = positions.unflatten(2, (-1, tracks))
    squared = (places[..., :, None, :] - places[..., None, :, :]).square().sum(-1)
    itself = torch.eye(tracks, dtype=torch.bool, device=positions.device)
    nearest = (-_SHARPNESS * squared).masked_fill(itself, -torch.inf).softmax(-1)
    away = places - nearest @ places
    squared = away.square().sum(-1, keepdim=True)
    return (away * torch.rsqrt(squared + _NEAR**2) * torch.exp(-squared / 8)).flatten(2, 3)


class _GeometricQuery(nn.Module):
    """Queries (R, B, heads, L, width) whose product with keys gives the logits of the module's docstring.

    With `same_track` an amplitude is added where two tokens are of the same track, the same for all tracks;
    otherwise, with `rivalry`, the term of the other tracks.
    """

    def __init__(
        self, dimension, heads, forgetting, generators, *, same_track=False, rivalry=False, scale=0.5
    ):
        super().__init__()
        self.heads, self.size = heads, dimension // heads
        self.sizes = (2 * len(_FREQUENCIES), self.size, 2, 2, int(same_track), int(rivalry))
        waves, content, direction, rates, same, rival = torch.zeros(heads, sum(self.sizes)).split(
            self.sizes, -1
        )
        rates = torch.tensor(
            [
                [_inverse_softplus(_SHARPNESS), _inverse_softplus(forgetting[head % len(forgetting)])]
                for head in range(heads)
            ]
        )
        bias = torch.cat([waves, content, direction, rates, same, rival + _RIVALRY], -1)
        self.map = _Linear(dimension, bias.numel(), scale, generators, bias.flatten())

    def forward(self, x: torch.Tensor, places: _Places) -> torch.Tensor:
        raw = self.map(_normalise(x)).view(*x.shape[:3], self.heads, -1).transpose(2, 3)
        waves, content, direction, rates, same, rivalry = raw.split(self.sizes, -1)
        sharpness, forgetting = functional.softplus(rates).split(1, -1)
        waves = torch.view_as_complex(waves.unflatten(-1, (-1, 2)).contiguous()) * places.phase
        place = places.positions[:, :, None]
        if rivalry.shape[-1]:
            place = place + rivalry * places.away
        parts = [
            content / math.sqrt(self.size),
            direction + 2 * sharpness * place,
            -sharpness,
            forgetting,
            torch.view_as_real(waves).flatten(-2),
        ]
        if same.shape[-1]:
            parts.append(same * places.tracks)
        return torch.cat(parts, -1)


class _Attention(nn.Module):
    """Multi-head attention by content and geometry that returns values and displacements, mapped to d."""

    def __init__(self, dimension: int, heads: int, generators, **terms):
        super().__init__()
        self.heads, self.size = heads, dimension // heads
        self.query = _GeometricQuery(dimension, heads, _FORGETTING, generators, **terms)
        self.key_value = _Linear(dimension, 2 * self.size, 1.0, generators)
        # Of each head: the value, the displacement and the logarithm of its square.
        self.out = _Linear(dimension + 3 * heads, dimension, 0.5, generators)

    def keys_values(self, x: torch.Tensor, places: _Places) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys (R·B, L, ·) and values (R·B, L, d/heads + 2) of the tokens, the same for all heads."""
        key, value = self.key_value(_normalise(x)).split(self.size, -1)
        return _extend(key, places.keys), _extend(value, places.positions)

    def forward(self, x, places: _Places, keys, values, mask=None) -> torch.Tensor:
        """Return the update of x (R, B, L, d).

        mask (L, keys) is true where a token may look; None: everywhere.
        """
        mixed = _attend(self.query(x, places).flatten(0, 1), keys, values, mask)
        mixed = mixed.unflatten(0, x.shape[:2])
        value, place = mixed[..., : self.size], mixed[..., self.size : self.size + 2]
        displacement = place - places.positions[:, :, None]
        squared = displacement.square().sum(-1, keepdim=True)
        bounded = displacement * torch.rsqrt(1 + squared / _SATURATION**2)
        heads = torch.cat([value, bounded, torch.log1p(squared)], -1)
        return self.out(heads.transpose(2, 3).flatten(-2))


class _Pointer(nn.Module):
    """The output: the last position plus a convex combination of the displacements to detections."""

    def __init__(self, dimension: int, pointers: int, generators):
        super().__init__()
        self.pointers, self.size = pointers, dimension // pointers
        self.query = _GeometricQuery(
            dimension, pointers, _POINTER_FORGETTING, generators, rivalry=True, scale=0.1
        )
        self.key = _Linear(dimension, self.size, 1.0, generators)
        self.gate_share = _Linear(dimension, 2 * pointers, 0.1, generators)

    def keys_values(self, x: torch.Tensor, places: _Places) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys (R·B, L, ·), the same for all pointers, and the positions (R·B, L, 2) of the tokens."""
        return _extend(self.key(_normalise(x)), places.keys), places.positions.flatten(0, 1)

    def forward(self, x, places: _Places, keys, values, mask=None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the positions (R, B, L, 2) in length scales, and what else is in the values.

        values (R·B, keys, 2 + n): after the positions, n more numbers of each detection, of which the mean
        (R, B, L, n) under the pointers' weights is returned.
        """
        queries = self.query(x, places)
        logits = _product(queries.flatten(0, 1), keys.transpose(-1, -2))
        tracks = places.tracks.shape[1]
        if tracks > 2:
            # What is the same for all detections cancels in attention and in the odds of two, not of three.
            place_time = slice(self.size, self.size + 4)
            itself = (queries[..., place_time] * places.keys[:, :, None, :, :4]).sum(-1, keepdim=True)
            logits = logits - itself.flatten(0, 1)
        pointed = _product(_divided(logits, tracks, mask), values)
        place, other = pointed.unflatten(0, x.shape[:2]).tensor_split((2,), -1)
        gate, share = self.gate_share(_normalise(x)).unflatten(-1, (2, -1)).permute(3, 0, 1, 4, 2)
        share = share.softmax(2)[..., None]
        moves = gate.sigmoid()[..., None] * (place - places.positions[:, :, None])
        return places.positions + (share * moves).sum(2), (share * other).sum(2)


def _divided(logits: torch.Tensor, tracks: int, mask: torch.Tensor | None) -> torch.Tensor:
    """Return weights of logits (R·B, pointers, D·N, W·N): each frame's share, divided by the odds."""
    if tracks == 1:
        return (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(-1)
    # Frames last: torch is slow along an axis that is as short as the detections of a frame are few.
    each = logits.unflatten(-1, (-1, tracks)).transpose(-1, -2).contiguous()
    seen = each
    if mask is not None:
        seen = each.masked_fill(~mask.unflatten(-1, (-1, tracks))[..., :1].transpose(-1, -2), -torch.inf)
    weights = seen.flatten(-2).softmax(-1).unflatten(-1, (tracks, -1))
    shares = reduce(torch.add, weights.unbind(-2))
    rivals = each.unflatten(2, (-1, tracks))
    others = reduce(torch.logaddexp, (rivals.roll(other, 3) for other in range(1, tracks)))
    divided = (rivals - others).softmax(-2).flatten(2, 3) * shares.unsqueeze(-2)
    return divided.transpose(-1, -2).flatten(-2)


def _attend(queries, keys, values, mask) -> torch.Tensor:
    if mask is None:
        return _product(_product(queries, keys.transpose(-1, -2)).softmax(-1), values)
    # The fused kernel wants keys and values of one width.
    padded = functional.pad(values, (0, keys.shape[-1] - values.shape[-1]))
    each = (x[:, None].expand(-1, queries.shape[1], -1, -1) for x in (keys, padded))
    mixed = functional.scaled_dot_product_attention(queries, *each, attn_mask=mask, scale=1.0)
    return mixed[..., : values.shape[-1]]


def _product(rows: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """Return (B, heads, L, n), rows (B, heads, L, m) times a matrix (B, m, n) that all heads share."""
    return (rows.flatten(1, 2) @ shared).unflatten(1, rows.shape[1:3])


class _EncoderLayer(nn.Module):
    def __init__(self, size: Architecture, generators):
        super().__init__()
        self.attention = _Attention(size.dimension, size.heads, generators)
        self.feed_forward = _FeedForward(size.dimension, size.feedforward, generators)


class _DecoderLayer(nn.Module):
    def __init__(self, size: Architecture, generators):
        super().__init__()
        self.attention = _Attention(size.dimension, size.heads, generators, same_track=True)
        self.cross_attention = _Attention(size.dimension, size.heads, generators, rivalry=True)
        self.feed_forward = _FeedForward(size.dimension, size.feedforward, generators)


class Transformer(nn.Module):
    """R replicates of the network, initialised from the seeds `seed`, `seed` + 1, … each on its own.

    Positions go in and out in the units of the data. Within, they are relative to where the tracks start and
    in units of `length_scale` (R,), which training sets.
    """

    def __init__(self, architecture: Architecture, replicates: int, seed: int = 0):
        """Initialise the parameters."""
        super().__init__()
        size = self.architecture = architecture
        self.replicates = replicates
        generators = [torch.Generator().manual_seed(seed + replicate) for replicate in range(replicates)]
        self.register_buffer("length_scale", torch.ones(replicates))
        tokens = [torch.randn(2, size.dimension, generator=generator) for generator in generators]
        self.tokens = nn.Parameter(_TOKEN_SCALE * torch.stack(tokens))
        self.encoder = nn.ModuleList([_EncoderLayer(size, generators) for _ in range(size.encoder_layers)])
        self.decoder = nn.ModuleList([_DecoderLayer(size, generators) for _ in range(size.decoder_layers)])
        self.pointer = _Pointer(size.dimension, size.pointers, generators)

    def of_replicate(self, replicate: int) -> "Transformer":
        """Return a network that is this replicate alone."""
        alone = Transformer(self.architecture, 1)
        alone.load_state_dict({name: x[replicate : replicate + 1] for name, x in self.state_dict().items()})
        return alone.to(self.length_scale.device)

    def use_precision(self, precision: torch.dtype) -> None:
        """Compute the linear maps, and only them, in this precision; parameters stay in float32."""
        for module in self.modules():
            if isinstance(module, _Linear):
                module.precision = precision

    def forward(self, measurements: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Return the next positions (R, B, D, N, 2) after each of the D frames of outputs (R, B, D, N, 2).

        measurements (R, B, W, N, 2), W ≥ D, ends one frame after outputs does: the plain forward pass, which
        sees all frames at once through causal masks.
        """
        frame = self.frame_of_reference(outputs[:, :, 0])
        found = self.positions_after(frame.inward(measurements), frame.inward(outputs))
        return frame.outward(found)

    def frame_of_reference(self, initial: torch.Tensor) -> "FrameOfReference":
        """Return the coordinates in which a scene with these starts (R, B, N, 2) is seen."""
        return FrameOfReference(initial.mean(-2)[:, :, None, None], self.length_scale)

    def positions_after(self, measurements: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """As forward, in inner coordinates."""
        return self.positions_and_owners(measurements, outputs, measurements[..., :0])[0]

    def positions_and_owners(
        self, measurements: torch.Tensor, outputs: torch.Tensor, owners: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As positions_after, and the weight (R, B, D, N, n) of each owner's detections in the pointers.

        owners (R, B, W, N, n) is one-hot: whose each detection is.
        """
        size = self.architecture
        detections = self._detections(measurements, 0)
        decoded = self._outputs(outputs, measurements.shape[2] - outputs.shape[2])
        encoded = self._encode(detections)
        look_back = _window(decoded.times, decoded.times, size.decoder_lookback)
        look_across = _window(decoded.times, detections.times, size.encoder_lookback)
        x = self._start(1, decoded)
        for layer in self.decoder:
            x = x + layer.attention(x, decoded, *layer.attention.keys_values(x, decoded), look_back)
            cross = layer.cross_attention
            x = x + cross(x, decoded, *cross.keys_values(encoded, detections), look_across)
            x = x + layer.feed_forward(x)
        keys, values = self.pointer.keys_values(encoded, detections)
        values = torch.cat([values, owners.flatten(2, 3).flatten(0, 1)], -1)
        positions, weights = self.pointer(x, decoded, keys, values, look_across)
        return positions.view(outputs.shape), weights.unflatten(2, outputs.shape[2:4])

    def _encode(self, detections: _Places) -> torch.Tensor:
        seen = _window(detections.times, detections.times, self.architecture.encoder_lookback)
        x = self._start(0, detections)
        for layer in self.encoder:
            x = x + layer.attention(x, detections, *layer.attention.keys_values(x, detections), seen)
            x = x + layer.feed_forward(x)
        return x

    def _start(self, kind: int, places: _Places) -> torch.Tensor:
        return self.tokens[:, kind, None, None].expand(*places.positions.shape[:3], -1)

    def _detections(self, positions: torch.Tensor, first: int) -> _Places:
        return _Places(positions.flatten(2, 3), self._frames(positions, first))

    def _outputs(self, positions: torch.Tensor, first: int) -> _Places:
        frames, tracks = positions.shape[2:4]
        identity = torch.eye(tracks, dtype=positions.dtype, device=positions.device).repeat(frames, 1)
        return _Places(positions.flatten(2, 3), self._frames(positions, first), identity)

    @staticmethod
    def _frames(positions: torch.Tensor, first: int) -> torch.Tensor:
        frames, particles = positions.shape[2:4]
        return torch.arange(first, first + frames, device=positions.device).repeat_interleave(particles)

    @torch.inference_mode()
    def track(
        self, measurements: torch.Tensor, initial: torch.Tensor, frames_at_a_time: int | None = None
    ) -> torch.Tensor:
        """Return the tracks (R, B, T, N, 2) of measurements (R, B, T, N, 2) from the starts (R, B, N, 2).

        Closed loop: each output is an input of the next. Frame 0 is the start. Detections are encoded so many
        frames at a time: 1 where frames come one by one; by default a few, which is faster and, but for
        rounding, the same.
        """
        if frames_at_a_time is None:
            frames_at_a_time = min(_ENCODED_AT_A_TIME, self.architecture.encoder_lookback)
        frame = self.frame_of_reference(initial)
        measurements = frame.inward(measurements)
        decoding = IncrementalDecoding(self, measurements.shape)
        outputs = torch.empty_like(measurements)
        outputs[:, :, 0] = frame.inward(initial[:, :, None])[:, :, 0]
        for t in range(measurements.shape[2]):
            if t % frames_at_a_time == 0:
                decoding.observe(measurements[:, :, t : t + frames_at_a_time])
            if t > 0:
                outputs[:, :, t] = decoding.positions_after(outputs[:, :, t - 1], t)
        tracks = frame.outward(outputs)
        tracks[:, :, 0] = initial
        return tracks


@dataclass(frozen=True)
class FrameOfReference:
    """Coordinates relative to an origin (R, B, 1, 1, 2), in units of length_scale (R,)."""

    origin: torch.Tensor
    length_scale: torch.Tensor

    def inward(self, positions: torch.Tensor) -> torch.Tensor:
        """Return positions (R, B, T, N, 2) of the data as float32 in these coordinates."""
        return ((positions - self.origin) / self._unit()).float()

    def outward(self, positions: torch.Tensor) -> torch.Tensor:
        """Return positions of these coordinates in those of the data, in the precision of the origin."""
        return positions * self._unit() + self.origin

    def _unit(self) -> torch.Tensor:
        return self.length_scale[:, None, None, None, None].to(self.origin.dtype)


class IncrementalDecoding:
    """The state of closed-loop tracking: cached keys and values of what was encoded and decoded so far.

    Call observe with frames 0, 1, …, one or more at a time, and positions_after once for each frame from 1 on
    that was observed. A frame costs O(K_E + K_D), and O(F) more where F are observed at a time.
    """

    def __init__(self, network: Transformer, shape: torch.Size):
        """Reserve the caches for measurements of this shape (R, B, T, N, 2)."""
        self.network, self.size = network, network.architecture
        self._observed = 0
        room = (shape[0] * shape[1], shape[2] * shape[3])
        self._encoder = [_Cache(*room) for _ in network.encoder]
        self._decoder = [_Cache(*room) for _ in network.decoder]
        self._cross = [_Cache(*room) for _ in network.decoder]
        self._pointer = _Cache(*room)

    def observe(self, measurements: torch.Tensor) -> None:
        """Encode the detections (R, B, F, N, 2) of the next F frames, in inner coordinates.

        What is decoded at frame t sees no frame after t, however many were observed.
        """
        frames, lookback = measurements.shape[2], self.size.encoder_lookback
        begin, end = self._observed, self._observed + frames
        here = self.network._detections(measurements, begin)
        mask = None
        if frames > 1:
            times = torch.arange(max(0, begin - lookback + 1), end, device=measurements.device)
            mask = _window(here.times, times.repeat_interleave(self.size.particles), lookback)
        x = self.network._start(0, here)
        for layer, cache in zip(self.network.encoder, self._encoder, strict=True):
            cache.append(*layer.attention.keys_values(x, here))
            x = x + layer.attention(x, here, *cache.last((lookback + frames - 1) * self.size.particles), mask)
            x = x + layer.feed_forward(x)
        for layer, cache in zip(self.network.decoder, self._cross, strict=True):
            cache.append(*layer.cross_attention.keys_values(x, here))
        self._pointer.append(*self.network.pointer.keys_values(x, here))
        self._observed = end

    def positions_after(self, outputs: torch.Tensor, frame: int) -> torch.Tensor:
        """Return the positions (R, B, N, 2) at `frame` after the outputs (R, B, N, 2) of the frame before."""
        end = (frame + 1) * self.size.particles
        window = self.size.encoder_lookback * self.size.particles
        back = self.size.decoder_lookback * self.size.particles
        here = self.network._outputs(outputs[:, :, None], frame)
        x = self.network._start(1, here)
        for layer, own, cross in zip(self.network.decoder, self._decoder, self._cross, strict=True):
            own.append(*layer.attention.keys_values(x, here))
            x = x + layer.attention(x, here, *own.last(back))
            x = x + layer.cross_attention(x, here, *cross.last(window, end))
            x = x + layer.feed_forward(x)
        return self.network.pointer(x, here, *self._pointer.last(window, end))[0]


class _Cache:
    """Keys and values (R·B, L, ·) of the tokens so far, with room reserved for all."""

    def __init__(self, rows: int, tokens: int):
        self._rows, self._tokens = rows, tokens
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None
        self._end = 0

    def append(self, keys: torch.Tensor, values: torch.Tensor) -> None:
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


def _window(times: torch.Tensor, key_times: torch.Tensor, lookback: int) -> torch.Tensor:
    age = times[:, None] - key_times
    return (age >= 0) & (age < lookback)


def _extend(content: torch.Tensor, geometry: torch.Tensor) -> torch.Tensor:
    return torch.cat([content, geometry], -1).flatten(0, 1)


def _inverse_softplus(value: float) -> float:
    return math.log(math.expm1(value))
