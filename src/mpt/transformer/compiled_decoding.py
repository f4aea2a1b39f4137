"""Closed-loop tracking by compiled kernels instead of torch: the same but for rounding, in less time."""

import math
from collections.abc import Iterable

import numpy as np
import torch

from mpt.transformer.decoding_kernels import (
    GeometricConstants,
    GeometricParameters,
    PlainParameters,
    follow_geometric,
    follow_plain,
)
from mpt.transformer.network import WHOLE, IncrementalDecoding, Linear, Network

# For each track the kernels sum over all others, which torch does not where tracks are many.
_MOST_TRACKS = 8


def is_compilable(network: Network, shape: torch.Size) -> bool:
    """Tell whether the kernels can track measurements (R, B, T, N, 2): in float32, and not on a GPU."""
    scale = network.length_scale
    single = all(each.precision == torch.float32 for each in network.modules() if isinstance(each, Linear))
    return scale.device.type == "cpu" and scale.dtype == torch.float32 and single and shape[3] <= _MOST_TRACKS


class _CompiledDecoding(IncrementalDecoding):
    """Encodes by torch, decodes by a kernel. The network's parameters are those when it was made."""

    def __init__(self, network: Network, shape: torch.Size, keys: int, values: int, own_keys: int):
        """Reserve room for measurements of this shape (R, B, T, N, 2), and for keys and values so wide."""
        super().__init__(network, shape)
        self._keys, self._values, self._own_keys, self._own_values = (
            self._reserved(len(network.decoder), width) for width in (keys, values, own_keys, values)
        )
        frames, lookback = np.arange(self._frames), self.size.encoder_lookback
        self._begin_seen = np.maximum(0, frames + 1 - lookback)
        self._end_seen = frames + 1
        if self.size.encoder_sees == WHOLE:
            self._end_seen = np.minimum(frames + lookback, self._frames)

    def _reserved(self, *widths: int) -> torch.Tensor:
        rows, tokens = self._room
        return torch.empty(rows, *widths, tokens)

    def _last(self, x: torch.Tensor) -> slice:
        """Return where the tokens (R, B, F·N, d) of the last frames observed stand."""
        end = self._observed * self._particles
        return slice(end - x.shape[2], end)

    def keep(self, x: torch.Tensor, here) -> None:
        """As IncrementalDecoding.keep, with the tokens last."""
        tokens = self._last(x)
        for number, layer in enumerate(self.network.decoder):
            keys, values = layer.cross_attention.keys_values(x, here)
            self._keys[:, number, :, tokens] = keys.transpose(1, 2)
            self._values[:, number, :, tokens] = values.transpose(1, 2)

    def advance(self, fed_back: torch.Tensor, outputs: torch.Tensor, begin: int, end: int) -> None:
        """As IncrementalDecoding.advance."""
        self._follow(
            self._own_keys.numpy(),
            self._own_values.numpy(),
            self._keys.numpy(),
            self._values.numpy(),
            self.size.decoder_lookback,
            self._begin_seen,
            self._end_seen,
            # A copy would not be written to.
            *(x.view(-1, *x.shape[2:]).numpy() for x in (fed_back, outputs)),
            begin,
            end,
        )

    def _follow(self, *arguments) -> None:
        raise NotImplementedError


class CompiledPlainDecoding(_CompiledDecoding):
    """Of a plain network."""

    def __init__(self, network: Network, shape: torch.Size):
        """Take a network that is_compilable, and the shape (R, B, T, N, 2) of the measurements."""
        dimension = network.architecture.dimension
        super().__init__(network, shape, dimension, dimension, dimension)
        per_root = 1 / math.sqrt(dimension // self.size.heads)
        layers = network.decoder
        self._parameters = PlainParameters(
            embed_output=network.embed_output.weight.detach().numpy(),
            query=_stacked(layer.attention.query for layer in layers) * np.float32(per_root),
            key_value=_stacked(layer.attention.key_value for layer in layers),
            out=_stacked(layer.attention.out for layer in layers),
            cross_query=_stacked(layer.cross_attention.query for layer in layers) * np.float32(per_root),
            cross_out=_stacked(layer.cross_attention.out for layer in layers),
            inner=_stacked(layer.feed_forward.inner for layer in layers),
            outer=_stacked(layer.feed_forward.outer for layer in layers),
            head=_affine(network.head),
        )
        nowhere = torch.zeros(network.replicates, 1, *shape[2:])
        embeddings = network.start(network.outputs(nowhere, 0)).detach()
        self._embeddings = embeddings.view(network.replicates, *shape[2:4], dimension).numpy()

    def _follow(self, *arguments) -> None:
        displacement = self.network.yields_displacement
        follow_plain(self._parameters, self.size.heads, displacement, self._embeddings, *arguments)


class CompiledGeometricDecoding(_CompiledDecoding):
    """Of a geometric network."""

    def __init__(self, network: Network, shape: torch.Size, constants: GeometricConstants):
        """Take a network that is_compilable, and the shape (R, B, T, N, 2) of the measurements."""
        size = network.architecture
        of_outputs = network.outputs(torch.zeros(1, 1, *shape[2:]), 0).keys
        geometry, particles = of_outputs.shape[-1], shape[3]
        content = size.dimension // size.heads
        super().__init__(network, shape, content + geometry - particles, content + 2, content + geometry)
        rows, width = self._room[0], size.dimension // size.pointers + geometry - particles
        # A frame's first detection in all frames, then its second, …
        self._pointer_keys = torch.empty(rows, width, particles, self._frames)
        # Time and waves of each frame, after the position and its square.
        self._clock = of_outputs[0, 0, ::particles, 3:-particles].numpy().copy()
        self._constants = constants
        layers = network.decoder
        self._parameters = GeometricParameters(
            token=network.tokens[:, 1].detach().numpy().copy(),
            query=_stacked(layer.attention.query.map for layer in layers),
            key_value=_stacked(layer.attention.key_value for layer in layers),
            out=_stacked(layer.attention.out for layer in layers),
            cross_query=_stacked(layer.cross_attention.query.map for layer in layers),
            cross_out=_stacked(layer.cross_attention.out for layer in layers),
            inner=_stacked(layer.feed_forward.inner for layer in layers),
            outer=_stacked(layer.feed_forward.outer for layer in layers),
            pointer_query=_affine(network.pointer.query.map),
            gate_share=_affine(network.pointer.gate_share),
        )

    def keep(self, x: torch.Tensor, here) -> None:
        """As IncrementalDecoding.keep, and what the pointers look at."""
        super().keep(x, here)
        keys, _ = self.network.pointer.keys_values(x, here)
        of_frames = keys.unflatten(1, (-1, self._particles)).permute(0, 3, 2, 1)
        self._pointer_keys[..., self._observed - of_frames.shape[3] : self._observed] = of_frames

    def _follow(self, own_keys, own_values, keys, values, *rest) -> None:
        follow_geometric(
            self._parameters,
            self._constants,
            self.size.heads,
            self.size.pointers,
            self._clock,
            own_keys,
            own_values,
            keys,
            values,
            self._pointer_keys.flatten(2).numpy(),
            *rest,
        )


def _affine(linear: Linear) -> np.ndarray:
    """Return (R, inputs + 1, outputs): W, and below it b."""
    return torch.cat([linear.weight, linear.bias], 1).detach().numpy()


def _stacked(linears: Iterable) -> np.ndarray:
    """Return (R, L, inputs + 1, outputs) of the maps of L layers."""
    return np.stack([_affine(linear) for linear in linears], 1)
