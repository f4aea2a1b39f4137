"""The paper's network: the encoder–decoder of "Attention is all you need" (Vaswani et al. 2017).

A token begins as a linear map of coordinates plus an embedding of time, the decoder's plus an embedding of
which track it is. Time is embedded by a learned vector for each frame, as the paper's authors do in their
follow-up (arXiv:2506.09441), or by sines and cosines of it. The encoder's layers are multi-head
self-attention and feed-forward; the decoder's masked self-attention, attention to what was encoded, and
feed-forward. Each normalises what it reads and adds to the token (pre-norm: Xiong et al. 2020,
arXiv:2002.04745). What leaves the decoder is normalised and mapped linearly to a position or to the
displacement from the last output.

The network knows of geometry only what it learns. Coordinates are relative to the mean of the starts, in
units of their root mean square in the training data.
"""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mpt.transformer import network
from mpt.transformer.attention import Sight, attend_by_kernels, attend_in_blocks, suits_kernels
from mpt.transformer.network import FeedForward, IncrementalDecoding, Linear, Network, normalise

POSITION, DISPLACEMENT = "position", "displacement"
HEADS = (POSITION, DISPLACEMENT)
LEARNED, SINUSOIDAL = "learned", "sinusoidal"
TIME_EMBEDDINGS = (LEARNED, SINUSOIDAL)

# Of the sinusoidal embedding: the longest wave is this many times the shortest, 2π frames.
_LONGEST = 10_000.0


@dataclass(frozen=True)
class Architecture(network.Architecture):
    """The size of a plain network.

    head: what it yields, one of HEADS. time_embedding: one of TIME_EMBEDDINGS; a learned one ends with the
    sequences of the training.
    """

    _: KW_ONLY
    head: str
    time_embedding: str

    CHOICES: ClassVar[dict] = {
        **network.Architecture.CHOICES,
        "head": HEADS,
        "time_embedding": TIME_EMBEDDINGS,
    }


@dataclass(frozen=True)
class _Places:
    """L tokens: positions (R, B, L, 2) in inner coordinates, frames (L,), and whether they are of tracks."""

    positions: torch.Tensor
    times: torch.Tensor
    of_tracks: bool


class _Attention(nn.Module):
    """Multi-head attention, from normalised tokens to normalised tokens, mapped to d."""

    def __init__(self, size: Architecture, generators):
        super().__init__()
        self.heads = size.heads
        self.query = Linear(size.dimension, size.dimension, 1.0, generators)
        self.key_value = Linear(size.dimension, 2 * size.dimension, 1.0, generators)
        self.out = Linear(size.dimension, size.dimension, 0.5, generators)

    def keys_values(self, x: torch.Tensor, places: _Places) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the keys and values (R·B, L, d) of tokens (R, B, L, d), those of all heads side by side."""
        key, value = self.key_value(normalise(x)).flatten(0, 1).chunk(2, -1)
        return key, value

    def among(self, x, places: _Places, seen: Sight) -> torch.Tensor:
        """Return the update of x (R, B, L, d) where the keys and values are its own."""
        if not torch.is_grad_enabled():
            return self(x, places, *self.keys_values(x, places), seen)
        query, keys, values = self.query.beside(self.key_value, normalise(x)).flatten(0, 1).chunk(3, -1)
        return self._mixed(x, query, keys, values, seen)

    def forward(self, x, places: _Places, keys, values, seen: Sight | None = None) -> torch.Tensor:
        """Return the update of x (R, B, L, d). seen: which keys the tokens see; None: all."""
        return self._mixed(x, self.query(normalise(x)).flatten(0, 1), keys, values, seen)

    def _mixed(self, x, query, keys, values, seen: Sight | None) -> torch.Tensor:
        learns = seen is not None and torch.is_grad_enabled()
        if learns and suits_kernels(keys):
            scale = (keys.shape[-1] // self.heads) ** -0.5
            mixed = attend_by_kernels(query, keys, values, self.heads, seen, scale)
            return self.out(mixed.unflatten(0, x.shape[:2]))
        query, keys, values = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (query, keys, values)
        )
        attend = functional.scaled_dot_product_attention
        if learns:
            mixed = attend_in_blocks(attend, seen.blocks, query, keys, values)
        else:
            mixed = attend(query, keys, values, attn_mask=None if seen is None else seen.mask)
        return self.out(mixed.transpose(1, 2).flatten(-2).unflatten(0, x.shape[:2]))


class _EncoderLayer(nn.Module):
    def __init__(self, size: Architecture, generators):
        super().__init__()
        self.attention = _Attention(size, generators)
        self.feed_forward = FeedForward(size.dimension, size.feedforward, generators)


class _DecoderLayer(nn.Module):
    def __init__(self, size: Architecture, generators):
        super().__init__()
        self.attention = _Attention(size, generators)
        self.cross_attention = _Attention(size, generators)
        self.feed_forward = FeedForward(size.dimension, size.feedforward, generators)


class Transformer(Network):
    """R replicates of the network."""

    Architecture = Architecture

    def __init__(self, architecture: Architecture, replicates: int, seed: int = 0):
        """Initialise the parameters."""
        super().__init__(architecture, replicates)
        size, generators = architecture, self.generators(replicates, seed)
        self.embed_detection = Linear(2, size.dimension, 1.0, generators)
        self.embed_output = Linear(2, size.dimension, 1.0, generators)
        self.tracks = _drawn(size.particles, size.dimension, generators)
        if size.time_embedding == LEARNED:
            self.times = _drawn(size.frames, size.dimension, generators)
        self.encoder = nn.ModuleList([_EncoderLayer(size, generators) for _ in range(size.encoder_layers)])
        self.decoder = nn.ModuleList([_DecoderLayer(size, generators) for _ in range(size.decoder_layers)])
        self.head = Linear(size.dimension, 2, 0.1, generators)

    @staticmethod
    def unit_of_length(sequences) -> np.ndarray:
        """Return the root mean square (R,), per axis, of positions about the mean of the starts."""
        return sequences.extent()

    def positions_after(self, measurements: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """As forward, in inner coordinates."""
        decoded = self.decode(measurements, outputs)
        return self.read(decoded.x, decoded.places).view(outputs.shape)

    def read(self, x: torch.Tensor, places: _Places) -> torch.Tensor:
        """Return the positions (R, B, L, 2) that tokens (R, B, L, d) of the decoder stand for."""
        found = self.head(normalise(x))
        return found + places.positions if self.yields_displacement else found

    @property
    def yields_displacement(self) -> bool:
        """Whether the head yields a displacement from the last output."""
        return self.architecture.head == DISPLACEMENT

    def detections(self, positions: torch.Tensor, first: int) -> _Places:
        """Return where and when the detections (R, B, F, N, 2) of frames `first`, … are."""
        return self._places(positions, first, of_tracks=False)

    def outputs(self, positions: torch.Tensor, first: int) -> _Places:
        """Return where and when the decoder's tokens for frames `first`, … are: at outputs (R, B, F, N, 2).

        Track p is particle p of the axis N.
        """
        return self._places(positions, first, of_tracks=True)

    @staticmethod
    def _places(positions: torch.Tensor, first: int, of_tracks: bool) -> _Places:
        frames, particles = positions.shape[2:4]
        times = torch.arange(first, first + frames, device=positions.device).repeat_interleave(particles)
        return _Places(positions.flatten(2, 3), times, of_tracks)

    def start(self, places: _Places) -> torch.Tensor:
        """Return the tokens (R, B, F·N, d) that enter the first layer."""
        particles = self.architecture.particles
        embed = self.embed_output if places.of_tracks else self.embed_detection
        added = self._embedded(places.times[::particles])[:, :, None]
        if places.of_tracks:
            added = added + self.tracks[:, None]
        x = embed(places.positions).unflatten(2, (-1, particles)) + added[:, None]
        return x.flatten(2, 3)

    def _embedded(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (R or 1, F, d) of frames (F,)."""
        if self.architecture.time_embedding == LEARNED:
            return self.times[:, frames]
        return sinusoids(frames.to(self.length_scale.dtype), self.architecture.dimension)[None]

    def decoding(self, shape: torch.Size) -> "_Decoding":
        """Return the state of tracking measurements of this shape (R, B, T, N, 2), frame by frame."""
        return _Decoding(self, shape)


class _Decoding(IncrementalDecoding):
    def positions_after(self, outputs: torch.Tensor, frame: int) -> torch.Tensor:
        return self.network.read(*self.decode(outputs, frame))


def sinusoids(frames: torch.Tensor, dimension: int) -> torch.Tensor:
    """Return sin(t ω_k) and cos(t ω_k), ω_k = 10,000^(−2k/d), side by side: (F, d) for frames t (F,)."""
    even = torch.arange(0, dimension, 2, device=frames.device, dtype=frames.dtype)
    angle = frames[:, None] * torch.exp(-math.log(_LONGEST) / dimension * even)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :dimension]


def _drawn(count: int, dimension: int, generators) -> nn.Parameter:
    return nn.Parameter(torch.stack([torch.randn(count, dimension, generator=each) for each in generators]))
