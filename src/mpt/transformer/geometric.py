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

Where the whole sequence is seen (network.py), detections of later frames are forgotten as those of earlier
ones are: the term is −a_i |t_i − t_j|.

So that each of its parts can be judged, a network can be made without it. Without geometry, no position
enters a weight: g, s and the rivalry are gone, and tokens know of positions only by the displacements that
they took. Without rivalry, c_i = 0. Without division, each track weighs detections by the softmax of its own
ℓ_p. The parameters are the same in number and begin the same; those of the missing part go unused.
"""

import copy
import math
import sys
from dataclasses import KW_ONLY, dataclass
from functools import reduce
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mpt.transformer import network
from mpt.transformer.attention import Sight, attend_by_kernels, attend_in_blocks, suits_kernels
from mpt.transformer.network import WHOLE, Cache, FeedForward, IncrementalDecoding, Linear, Network, normalise

NOTHING, GEOMETRY, RIVALRY, DIVISION = "nothing", "geometry", "rivalry", "division"
WITHOUT = (NOTHING, GEOMETRY, RIVALRY, DIVISION)

# Per frame; the fastest tells neighbouring frames apart, the slowest turns once in 128 frames.
_FREQUENCIES = tuple(math.pi / 2**n for n in range(7))
# Initial forgetting rates per frame, dealt over the heads: four reach from this frame to the last twenty.
_FORGETTING = (2.0, 0.6, 0.2, 0.05)
# At unit length scale, s = 1/2 is the log-likelihood of a Gaussian displacement.
SHARPNESS = 0.5
_RIVALRY = 1.0
# Farther apart than this, rivals repel each other by direction and, fading, whatever their distance, so that
# tracks that have met part again.
NEAR = 0.1
# Small, so that what attention finds outweighs what tokens start with.
_TOKEN_SCALE = 0.1
_POINTER_FORGETTING = (4.0, 1.0)
# Up to so many tracks, a sum over all others for each of them is no slower than what long division does.
_FEW = 8
# Logits that are held at a time where no gradient is asked for. The pointers hold several arrays as large.
_ATTENDED_AT_A_TIME = 2**26
_POINTED_AT_A_TIME = 2**24
# Displacements beyond this many length scales saturate, so that a noise never seen in training stays bounded.
SATURATION = 3.0


@dataclass(frozen=True)
class Architecture(network.Architecture):
    """The size of a geometric network; pointers is the number of pointer heads that share the output.

    without: the part that is left out, one of WITHOUT.
    """

    pointers: int
    _: KW_ONLY
    without: str = NOTHING

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {**network.Architecture.CHOICES, "without": WITHOUT}
    DIVISORS: ClassVar[tuple[str, ...]] = ("heads", "pointers")


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

    def part(self, tokens: slice) -> "_Places":
        """Return where and when these of the tokens stand."""
        tracks = None if self.tracks is None else self.tracks[tokens]
        places = copy.copy(self)
        places.positions, places.keys = self.positions[:, :, tokens], self.keys[:, :, tokens]
        places.times, places.phase, places.tracks = self.times[tokens], self.phase[tokens], tracks
        places.away = None if self.away is None else self.away[..., tokens, :]
        return places


def _away_from_others(positions: torch.Tensor, tracks: int) -> torch.Tensor:
    if tracks == 1:
        return torch.zeros_like(positions)
    places = positions.unflatten(2, (-1, tracks))
    squared = (places[..., :, None, :] - places[..., None, :, :]).square().sum(-1)
    itself = torch.eye(tracks, dtype=torch.bool, device=positions.device)
    nearest = (-SHARPNESS * squared).masked_fill(itself, -torch.inf).softmax(-1)
    away = places - nearest @ places
    squared = away.square().sum(-1, keepdim=True)
    return (away * torch.rsqrt(squared + NEAR**2) * torch.exp(-squared / 8)).flatten(2, 3)


class _GeometricQuery(nn.Module):
    """Queries (R, B, heads, L, width) whose product with keys gives the logits of the module's docstring.

    With `same_track` an amplitude is added where two tokens are of the same track, the same for all tracks;
    otherwise, with `rivalry`, the term of the other tracks. `without` is the network's.
    """

    def __init__(
        self,
        dimension,
        heads,
        forgetting,
        generators,
        without,
        *,
        same_track=False,
        rivalry=False,
        scale=0.5,
    ):
        super().__init__()
        self.heads, self.size, self.without = heads, dimension // heads, without
        self.sizes = (2 * len(_FREQUENCIES), self.size, 2, 2, int(same_track), int(rivalry))
        waves, content, direction, rates, same, rival = torch.zeros(heads, sum(self.sizes)).split(
            self.sizes, -1
        )
        rates = torch.tensor(
            [
                [_inverse_softplus(SHARPNESS), _inverse_softplus(forgetting[head % len(forgetting)])]
                for head in range(heads)
            ]
        )
        bias = torch.cat([waves, content, direction, rates, same, rival + _RIVALRY], -1)
        self.map = Linear(dimension, bias.numel(), scale, generators, bias.flatten())

    def forward(self, x: torch.Tensor, places: _Places) -> torch.Tensor:
        raw = self.map(normalise(x)).view(*x.shape[:3], self.heads, -1).transpose(2, 3)
        waves, content, direction, rates, same, rivalry = raw.split(self.sizes, -1)
        sharpness, forgetting = functional.softplus(rates).split(1, -1)
        waves = torch.view_as_complex(waves.unflatten(-1, (-1, 2)).contiguous()) * places.phase
        parts = [
            content / math.sqrt(self.size),
            *self._toward(places, direction, sharpness, rivalry),
            forgetting,
            torch.view_as_real(waves).flatten(-2),
        ]
        if same.shape[-1]:
            parts.append(same * places.tracks)
        return torch.cat(parts, -1)

    def _toward(self, places: _Places, direction, sharpness, rivalry) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is multiplied with a key's position and with its square."""
        if self.without == GEOMETRY:
            return torch.zeros_like(direction), torch.zeros_like(sharpness)
        place = places.positions[:, :, None]
        if rivalry.shape[-1] and self.without != RIVALRY:
            place = place + rivalry * places.away
        return direction + 2 * sharpness * place, -sharpness


class _Attention(nn.Module):
    """Multi-head attention by content and geometry that returns values and displacements, mapped to d."""

    def __init__(self, size: Architecture, generators, whole: bool = False, **terms):
        super().__init__()
        dimension, heads = size.dimension, size.heads
        self.heads, self.size, self.whole = heads, dimension // heads, whole
        self.query = _GeometricQuery(dimension, heads, _FORGETTING, generators, size.without, **terms)
        self.key_value = Linear(dimension, 2 * self.size, 1.0, generators)
        # Of each head: the value, the displacement and the logarithm of its square.
        self.out = Linear(dimension + 3 * heads, dimension, 0.5, generators)

    def keys_values(self, x: torch.Tensor, places: _Places) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys (R·B, L, ·) and values (R·B, L, d/heads + 2) of the tokens, the same for all heads."""
        key, value = self.key_value(normalise(x)).split(self.size, -1)
        return _extend(key, places.keys), _extend(value, places.positions)

    def among(self, x, places: _Places, seen: Sight) -> torch.Tensor:
        """Return the update of x (R, B, L, d) where the keys and values are its own."""
        return self(x, places, *self.keys_values(x, places), seen)

    def forward(self, x, places: _Places, keys, values, seen: Sight | None = None) -> torch.Tensor:
        """Return the update of x (R, B, L, d). seen: which keys the tokens see; None: all."""
        queries = self.query(x, places).flatten(0, 1)
        learns = seen is not None and torch.is_grad_enabled() and not self.whole
        if learns and suits_kernels(keys):
            side_by_side = queries.transpose(1, 2).flatten(-2)
            mixed = attend_by_kernels(side_by_side, keys, values, self.heads, seen, scale=1.0)
            mixed = mixed.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        elif learns:
            mixed = attend_in_blocks(_attend_to_seen, seen.blocks, queries, keys, values)
        else:
            mixed = self._at_once(queries, keys, values, places.times, None if seen is None else seen.mask)
        mixed = mixed.unflatten(0, x.shape[:2])
        value, place = mixed[..., : self.size], mixed[..., self.size : self.size + 2]
        displacement = place - places.positions[:, :, None]
        squared = displacement.square().sum(-1, keepdim=True)
        bounded = displacement * torch.rsqrt(1 + squared / SATURATION**2)
        heads = torch.cat([value, bounded, torch.log1p(squared)], -1)
        return self.out(heads.transpose(2, 3).flatten(-2))

    def _at_once(self, queries, keys, values, times, mask) -> torch.Tensor:
        """Return what is taken of all keys at once, in parts only if there are too many logits."""
        at_a_time = _at_a_time(_ATTENDED_AT_A_TIME, len(queries) * self.heads * keys.shape[1])
        if at_a_time >= len(times):
            return self._attend(queries, keys, values, times, mask)
        masks = [None] * len(times) if mask is None else mask.split(at_a_time)
        parts = zip(queries.split(at_a_time, 2), times.split(at_a_time), masks, strict=False)
        return torch.cat([self._attend(part, keys, values, *rest) for part, *rest in parts], 2)

    def _attend(self, queries, keys, values, times, mask) -> torch.Tensor:
        if self.whole:
            mask = _forget_future(queries, keys, times, self.size, mask)
        return _attend(queries, keys, values, mask)


class _Pointer(nn.Module):
    """The output: the last position plus a convex combination of the displacements to detections."""

    def __init__(self, size: Architecture, generators):
        super().__init__()
        dimension, pointers = size.dimension, size.pointers
        self.pointers, self.size, self.whole = pointers, dimension // pointers, size.encoder_sees == WHOLE
        self.divides = size.without != DIVISION
        self.query = _GeometricQuery(
            dimension, pointers, _POINTER_FORGETTING, generators, size.without, rivalry=True, scale=0.1
        )
        self.key = Linear(dimension, self.size, 1.0, generators)
        self.gate_share = Linear(dimension, 2 * pointers, 0.1, generators)

    def keys_values(self, x: torch.Tensor, places: _Places) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys (R·B, L, ·), the same for all pointers, and the positions (R·B, L, 2) of the tokens."""
        return _extend(self.key(normalise(x)), places.keys), places.positions.flatten(0, 1)

    def forward(
        self, x, places: _Places, keys, values, seen: Sight | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the positions (R, B, L, 2) in length scales, and what else is in the values.

        values (R·B, keys, 2 + n): after the positions, n more numbers of each detection, of which the mean
        (R, B, L, n) under the pointers' weights is returned. seen: which keys the tokens see; None: all.
        """
        queries = self.query(x, places)
        if seen is not None and torch.is_grad_enabled():
            parts = [
                self._pointed(
                    queries[..., tokens, :], places.part(tokens), keys[:, near], values[:, near], mask
                )
                for tokens, near, mask in seen.blocks
            ]
            pointed = torch.cat(parts, 2)
        else:
            mask = None if seen is None else seen.mask
            pointed = self._at_once(queries, places, keys, values, mask)
        place, other = pointed.unflatten(0, x.shape[:2]).tensor_split((2,), -1)
        gate, share = self.gate_share(normalise(x)).unflatten(-1, (2, -1)).permute(3, 0, 1, 4, 2)
        share = share.softmax(2)[..., None]
        moves = gate.sigmoid()[..., None] * (place - places.positions[:, :, None])
        return places.positions + (share * moves).sum(2), (share * other).sum(2)

    def _at_once(self, queries, places: _Places, keys, values, mask) -> torch.Tensor:
        """Return what is pointed at among all keys at once, in parts only if there are too many logits."""
        tokens, tracks = places.tracks.shape
        at_a_time = _at_a_time(_POINTED_AT_A_TIME, len(keys) * self.pointers * tokens * tracks)
        if at_a_time * tracks >= keys.shape[1]:
            return self._pointed(queries, places, keys, values, mask)
        return self._in_parts(at_a_time, queries, places, keys, values, mask)

    def _pointed(self, queries, places: _Places, keys, values, mask) -> torch.Tensor:
        """Return the values (R·B, pointers, L, ·) pointed at."""
        return _product(self._weights(self._logits(queries, places, keys), places, mask), values)

    def _logits(self, queries, places: _Places, keys) -> torch.Tensor:
        """Return logits (R·B, pointers, L, keys)."""
        logits = _product(queries.flatten(0, 1), keys.transpose(-1, -2))
        if self.whole:
            logits = logits + _forget_future(queries.flatten(0, 1), keys, places.times, self.size)
        if places.tracks.shape[1] > 2:
            # What is the same for all detections cancels in attention and in the odds of two, not of three.
            place_time = slice(self.size, self.size + 4)
            itself = (queries[..., place_time] * places.keys[:, :, None, :, :4]).sum(-1, keepdim=True)
            logits = logits - itself.flatten(0, 1)
        return logits

    def _weights(self, logits: torch.Tensor, places: _Places, mask: torch.Tensor | None) -> torch.Tensor:
        tracks = places.tracks.shape[1]
        return _divided(logits, tracks, mask) if self.divides and tracks > 1 else _shared(logits, mask)

    def _in_parts(self, frames: int, queries, places: _Places, keys, values, mask) -> torch.Tensor:
        """As _pointed, so many frames of detections at a time."""
        tracks = places.tracks.shape[1]
        blocks = keys.split(frames * tracks, 1)
        shares = []
        for number, block in enumerate(blocks):
            each = self._logits(queries, places, block).unflatten(-1, (-1, tracks))
            shares.append(each.logsumexp(-1))
            if mask is not None:
                seen = mask[:, ::tracks].split(frames, 1)[number]
                shares[-1] = shares[-1].masked_fill(~seen, -torch.inf)
        shares = torch.cat(shares, -1).softmax(-1).split(frames, -1)
        pointed = 0
        for block, found, share in zip(blocks, values.split(frames * tracks, 1), shares, strict=True):
            each = self._logits(queries, places, block).unflatten(-1, (-1, tracks))
            if self.divides and tracks > 1:
                each = _odds(each.transpose(-1, -2), tracks).transpose(-1, -2)
            weights = each.softmax(-1) * share[..., None]
            pointed = pointed + _product(weights.flatten(-2), found)
        return pointed


def _at_a_time(most: int, size: int) -> int:
    """Return how many of this size are held at a time, so that there are at most so many numbers in all."""
    # What a gradient needs is kept all the same.
    return sys.maxsize if torch.is_grad_enabled() else max(1, most // size)


def _shared(logits: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return weights of logits (R·B, heads or pointers, L, keys), each token's by itself."""
    return (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(-1)


def _divided(logits: torch.Tensor, tracks: int, mask: torch.Tensor | None) -> torch.Tensor:
    """Return weights of logits (R·B, pointers, D·N, W·N): each frame's share, divided by the odds."""
    # Frames last: torch is slow along an axis that is as short as the detections of a frame are few.
    each = logits.unflatten(-1, (-1, tracks)).transpose(-1, -2).contiguous()
    seen = each
    if mask is not None:
        seen = each.masked_fill(~mask.unflatten(-1, (-1, tracks))[..., :1].transpose(-1, -2), -torch.inf)
    weights = seen.flatten(-2).softmax(-1).unflatten(-1, (tracks, -1))
    shares = reduce(torch.add, weights.unbind(-2))
    divided = _odds(each, tracks).softmax(-2) * shares.unsqueeze(-2)
    return divided.transpose(-1, -2).flatten(-2)


def _odds(logits: torch.Tensor, tracks: int) -> torch.Tensor:
    """Return the log odds that a detection is a track's own, of logits (R·B, pointers, D·N, N, W)."""
    rivals = logits.unflatten(2, (-1, tracks))
    if tracks <= _FEW:
        others = reduce(torch.logaddexp, (rivals.roll(other, 3) for other in range(1, tracks)))
    else:
        others = _log_sum_of_others(rivals, 3)
    return (rivals - others).flatten(2, 3)


def _log_sum_of_others(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Return log Σ_{q≠p} exp x_q for each p along an axis, in a time that grows as its length."""
    greatest, place = x.max(dim, keepdim=True)
    is_greatest = torch.zeros_like(x, dtype=torch.bool).scatter(dim, place, torch.ones_like(place).bool())
    below = x.masked_fill(is_greatest, -torch.inf)
    # Only the greatest could outweigh the rest so much that it cannot be taken off the sum.
    small = (below - greatest).exp()
    others = greatest + (small.sum(dim, keepdim=True) - small).clamp(min=0).log1p()
    return torch.where(is_greatest, below.logsumexp(dim, keepdim=True), others)


def _forget_future(
    queries: torch.Tensor,
    keys: torch.Tensor,
    times: torch.Tensor,
    size: int,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what makes of −a (t_i − t_j) in the logits (R·B, heads, L, keys) a −a |t_i − t_j|.

    −∞ where the mask (L, keys) is false. After `size` entries of content, a query has place, square, a; a key
    has t_j where the query has a.
    """
    ahead = (keys[0, :, size + 3] - times[:, None]).relu()
    term = -2 * queries[..., size + 3, None] * ahead
    return term if mask is None else term.masked_fill(~mask, -torch.inf)


def _attend(queries, keys, values, mask) -> torch.Tensor:
    if mask is None:
        return _product(_product(queries, keys.transpose(-1, -2)).softmax(-1), values)
    # The fused kernel wants keys and values of one width.
    padded = functional.pad(values, (0, keys.shape[-1] - values.shape[-1]))
    keys, padded = (x[:, None].expand(-1, queries.shape[1], -1, -1) for x in (keys, padded))
    mixed = functional.scaled_dot_product_attention(queries, keys, padded, attn_mask=mask, scale=1.0)
    return mixed[..., : values.shape[-1]]


def _attend_to_seen(queries, keys, values, mask) -> torch.Tensor:
    return _product(_shared(_product(queries, keys.transpose(-1, -2)), mask), values)


def _product(rows: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """Return (B, heads, L, n), rows (B, heads, L, m) times a matrix (B, m, n) that all heads share."""
    return (rows.flatten(1, 2) @ shared).unflatten(1, rows.shape[1:3])


class _EncoderLayer(nn.Module):
    def __init__(self, size: Architecture, generators):
        super().__init__()
        whole = size.encoder_sees == WHOLE
        self.attention = _Attention(size, generators, whole)
        self.feed_forward = FeedForward(size.dimension, size.feedforward, generators)


class _DecoderLayer(nn.Module):
    def __init__(self, size: Architecture, generators):
        super().__init__()
        whole = size.encoder_sees == WHOLE
        self.attention = _Attention(size, generators, same_track=True)
        self.cross_attention = _Attention(size, generators, whole, rivalry=True)
        self.feed_forward = FeedForward(size.dimension, size.feedforward, generators)


class Transformer(Network):
    """R replicates of the network."""

    Architecture = Architecture

    def __init__(self, architecture: Architecture, replicates: int, seed: int = 0):
        """Initialise the parameters."""
        super().__init__(architecture, replicates)
        size, generators = architecture, self.generators(replicates, seed)
        tokens = [torch.randn(2, size.dimension, generator=generator) for generator in generators]
        self.tokens = nn.Parameter(_TOKEN_SCALE * torch.stack(tokens))
        self.encoder = nn.ModuleList([_EncoderLayer(size, generators) for _ in range(size.encoder_layers)])
        self.decoder = nn.ModuleList([_DecoderLayer(size, generators) for _ in range(size.decoder_layers)])
        self.pointer = _Pointer(size, generators)

    @staticmethod
    def unit_of_length(sequences) -> np.ndarray:
        """Return the spread (R,) of a detection about its particle one frame earlier."""
        return sequences.step_scale()

    def positions_after(self, measurements: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """As forward, in inner coordinates."""
        return self.positions_and_owners(measurements, outputs, measurements[..., :0])[0]

    def positions_and_owners(
        self, measurements: torch.Tensor, outputs: torch.Tensor, owners: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As positions_after, and the weight (R, B, D, N, n) of each owner's detections in the pointers.

        owners (R, B, W, N, n) is one-hot: whose each detection is.
        """
        decoded = self.decode(measurements, outputs)
        keys, values = self.pointer.keys_values(decoded.encoded, decoded.detections)
        values = torch.cat([values, owners.flatten(2, 3).flatten(0, 1)], -1)
        positions, weights = self.pointer(decoded.x, decoded.places, keys, values, decoded.look_across)
        return positions.view(outputs.shape), weights.unflatten(2, outputs.shape[2:4])

    def detections(self, positions: torch.Tensor, first: int) -> _Places:
        """Return where and when the detections (R, B, F, N, 2) of frames `first`, … are."""
        return _Places(positions.flatten(2, 3), self._frames(positions, first))

    def outputs(self, positions: torch.Tensor, first: int) -> _Places:
        """Return where and when the decoder's tokens for frames `first`, … are: at outputs (R, B, F, N, 2).

        Track p is particle p of the axis N.
        """
        frames, tracks = positions.shape[2:4]
        identity = torch.eye(tracks, dtype=positions.dtype, device=positions.device)
        identity = identity.expand(frames, -1, -1).flatten(0, 1)
        return _Places(positions.flatten(2, 3), self._frames(positions, first), identity)

    def start(self, places: _Places) -> torch.Tensor:
        """Return the tokens (R, B, F·N, d) that enter the first layer: equal, but for their kind."""
        kind = 0 if places.tracks is None else 1
        return self.tokens[:, kind, None, None].expand(*places.positions.shape[:3], -1)

    def decoding(self, shape: torch.Size) -> "_PointingDecoding":
        """Return the state of tracking measurements of this shape (R, B, T, N, 2), frame by frame."""
        return _PointingDecoding(self, shape)

    def associate(self, measurements: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
        """Return the probability (R, B, T, N, N) that in each frame a detection (last) is a track's.

        measurements (R, B, T, N, 2), initial (R, B, N, 2), tracked as by track: in closed loop, by the past
        alone unless the encoder sees the whole. A track's probability is what the pointers weigh the frame's
        detections with, made to sum to 1 over them; at frame 0, which is not associated, all are equal.
        Raises InputError as track does.
        """
        network = self.resolving(measurements, initial)
        decoding = _AssociatingDecoding(network, measurements.shape)
        network.follow(measurements, initial, decoding=decoding)
        return decoding.probability

    @staticmethod
    def _frames(positions: torch.Tensor, first: int) -> torch.Tensor:
        frames, particles = positions.shape[2:4]
        return torch.arange(first, first + frames, device=positions.device).repeat_interleave(particles)


class _PointingDecoding(IncrementalDecoding):
    """Also keeps what the pointers look at."""

    def __init__(self, network: Transformer, shape: torch.Size):
        super().__init__(network, shape)
        self._pointer = Cache(*self._room)

    def keep(self, x: torch.Tensor, here: _Places) -> None:
        """As IncrementalDecoding.keep, and what the pointers look at."""
        super().keep(x, here)
        self._pointer.append(*self.network.pointer.keys_values(x, here))

    def positions_after(self, outputs: torch.Tensor, frame: int) -> torch.Tensor:
        x, here = self.decode(outputs, frame)
        return self.network.pointer(x, here, *self.seen(self._pointer, frame))[0]


class _AssociatingDecoding(_PointingDecoding):
    """Also notes the probability (R, B, T, N, N) that a detection is a track's."""

    def __init__(self, network: Transformer, shape: torch.Size):
        super().__init__(network, shape)
        particles = shape[3]
        self.probability = network.length_scale.new_full((*shape[:4], particles), 1 / particles)

    def positions_after(self, outputs: torch.Tensor, frame: int) -> torch.Tensor:
        x, here = self.decode(outputs, frame)
        keys, values = self.seen(self._pointer, frame)
        # What was seen begins at this frame.
        begin = max(0, frame + 1 - self.size.encoder_lookback)
        owners = values.new_zeros(*values.shape[:2], self._particles)
        of_frame = slice((frame - begin) * self._particles, (frame + 1 - begin) * self._particles)
        owners[:, of_frame] = torch.eye(self._particles, dtype=values.dtype, device=values.device)
        positions, weights = self.network.pointer(x, here, keys, torch.cat([values, owners], -1))
        # Where a pointer looks at none of them, all are equal.
        weights = weights.clamp(min=torch.finfo(weights.dtype).tiny)
        self.probability[:, :, frame] = weights / weights.sum(-1, keepdim=True)
        return positions


def _extend(content: torch.Tensor, geometry: torch.Tensor) -> torch.Tensor:
    return torch.cat([content, geometry], -1).flatten(0, 1)


def _inverse_softplus(value: float) -> float:
    return math.log(math.expm1(value))
