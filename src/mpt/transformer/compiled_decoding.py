"""Closed-loop tracking by compiled kernels instead of torch: the same but for rounding, in less time."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch

from mpt.transformer import geometric, plain
from mpt.transformer.network import PAST, WHOLE, Linear, Network
from mpt.transformer.network_kernels import (
    SEQUENCES,
    GeometricConstants,
    GeometricParameters,
    Layers,
    PlainParameters,
    Room,
    Seen,
    decode_geometric,
    decode_plain,
    encode_geometric,
    encode_plain,
)

# For each track the kernels sum over all others, which torch does not where tracks are many.
_MOST_TRACKS = 8
# Pairs of a track and a detection that it sees, in a frame. Of more, torch is as fast: it takes less time for
# each and more for each frame, and a block takes as long whether or not it is full.
_MOST_PAIRS = {
    (plain.Transformer, WHOLE): 1_200,
    (plain.Transformer, PAST): 2_400,
    (geometric.Transformer, WHOLE): 9_000,
    (geometric.Transformer, PAST): 9_000,
}


class _CompiledDecoding:
    """As IncrementalDecoding, but that all frames are observed at once.

    The network's parameters are those when it was made.
    """

    def _reserve(self, network: Network, shape: torch.Size, *widths: int) -> None:
        """Reserve room for measurements (R, B, T, N, 2).

        widths: of what each token of the detections, and then of the decoder's own, has as key and as value.
        """
        size = network.architecture
        replicates, sequences, frames, particles = shape[:4]
        self.frames_at_a_time = frames
        self._blocks = _blocks(replicates, sequences)
        self._keys, self._values, self._own_keys, self._own_values = (
            self._reserved(size.decoder_layers, frames * particles, width) for width in widths
        )
        numbers, lookback = np.arange(frames), size.encoder_lookback
        end = numbers + 1
        if size.encoder_sees == WHOLE:
            end = np.minimum(numbers + lookback, frames)
        self._seen = Seen(np.maximum(0, numbers + 1 - lookback), end, size.decoder_lookback)

    def _reserved(self, *widths: int) -> np.ndarray:
        """Return room (blocks, ·, S)."""
        return np.empty((len(self._blocks), *widths, SEQUENCES), np.float32)

    def observe(self, measurements: torch.Tensor) -> None:
        """Encode the detections (R, B, T, N, 2) of all frames, in inner coordinates.

        Where the past is seen, what is decoded at frame t sees no frame after t.
        """
        frames = measurements.shape[2]
        if frames < self.frames_at_a_time:
            raise ValueError(f"{frames} of {self.frames_at_a_time} frames")
        scenes = _rows(measurements.contiguous())
        for number, block in enumerate(self._blocks):
            self._encode(number, block.runs, scenes[block.rows])

    def advance(self, fed_back: torch.Tensor, outputs: torch.Tensor, begin: int, end: int) -> None:
        """As IncrementalDecoding.advance."""
        inputs, found = _rows(fed_back), _rows(outputs)
        for number, block in enumerate(self._blocks):
            self._decode(number, block.runs, inputs[block.rows], found[block.rows], begin, end)

    def _encode(self, block: int, runs: np.ndarray, scenes: np.ndarray) -> None:
        raise NotImplementedError

    def _decode(self, block: int, runs: np.ndarray, fed_back, outputs, begin: int, end: int) -> None:
        raise NotImplementedError


class CompiledPlainDecoding(_CompiledDecoding):
    """Of a plain network."""

    def __init__(self, network: Network, shape: torch.Size):
        """As IncrementalDecoding."""
        size = network.architecture
        dimension = size.dimension
        self._reserve(network, shape, *[dimension] * 4)
        per_root = 1 / math.sqrt(dimension // size.heads)
        self._parameters = PlainParameters(
            heads=size.heads,
            displacement=network.yields_displacement,
            embed_detection=network.embed_detection.weight.detach().numpy(),
            embed_output=network.embed_output.weight.detach().numpy(),
            encoder=_layers(network.encoder, _query, per_root),
            decoder=_layers(network.decoder, _query, per_root),
            head=_stacked([network.head]),
        )
        nowhere = torch.zeros(network.replicates, 1, *shape[2:])
        self._detection_embeddings, self._output_embeddings = (
            network.start(places).detach().view(network.replicates, *shape[2:4], dimension).numpy()
            for places in (network.detections(nowhere, 0), network.outputs(nowhere, 0))
        )
        widths = {"raw": 2 * dimension, "query": 1, "mixed": dimension, "told": 1}
        self._room = _room(network, shape, **widths)

    def _encode(self, block: int, runs: np.ndarray, scenes: np.ndarray) -> None:
        encode_plain(
            self._parameters,
            self._detection_embeddings,
            runs,
            scenes,
            self._seen,
            self._keys[block],
            self._values[block],
            self._room,
        )

    def _decode(self, block: int, runs: np.ndarray, fed_back, outputs, begin: int, end: int) -> None:
        decode_plain(
            self._parameters,
            self._output_embeddings,
            runs,
            self._own_keys[block],
            self._own_values[block],
            self._keys[block],
            self._values[block],
            self._seen,
            fed_back,
            outputs,
            begin,
            end,
            self._room,
        )


class CompiledGeometricDecoding(_CompiledDecoding):
    """Of a geometric network."""

    def __init__(self, network: Network, shape: torch.Size):
        """As IncrementalDecoding."""
        size = network.architecture
        content, pointed = size.dimension // size.heads, size.dimension // size.pointers
        # After the content a key has place and square, a value the place.
        self._reserve(network, shape, content + 3, content + 2, content + 3, content + 2)
        frames, particles = shape[2:4]
        self._pointer_keys = self._reserved(frames * particles, pointed + 3)
        # After place and square, of the first detection of each frame.
        of_frames = network.detections(torch.zeros(1, 1, *shape[2:]), 0).keys[0, 0, ::particles, 3:].T
        self._clock = np.concatenate([of_frames.numpy(), np.zeros((2, frames), np.float32)])
        self._constants = GeometricConstants(
            geometry=size.without != geometric.GEOMETRY,
            rivalry=size.without != geometric.RIVALRY,
            division=size.without != geometric.DIVISION,
            sharpness=np.float32(geometric.SHARPNESS),
            near_squared=np.float32(geometric.NEAR**2),
            per_saturation_squared=np.float32(geometric.SATURATION**-2),
        )
        self._parameters = GeometricParameters(
            heads=size.heads,
            pointers=size.pointers,
            tokens=network.tokens.detach().numpy(),
            encoder=_layers(network.encoder, _geometric_query),
            decoder=_layers(network.decoder, _geometric_query),
            pointer_query=_stacked([network.pointer.query.map]),
            pointer_key=_stacked([network.pointer.key]),
            gate_share=_stacked([network.pointer.gate_share]),
        )
        layers, pointer = self._parameters.decoder, self._parameters.pointer_query
        queries = (layers.query, layers.cross_query, self._parameters.encoder.query, pointer)
        self._room = _room(
            network,
            shape,
            raw=max(2 * content, pointed, *(query.shape[-1] for query in queries)),
            # Of place and square, of time and waves, of the same track.
            query=max(content, pointed) + 3 + len(self._clock),
            mixed=2,
            told=size.heads * (content + 3),
        )

    def _encode(self, block: int, runs: np.ndarray, scenes: np.ndarray) -> None:
        encode_geometric(
            self._parameters,
            self._constants,
            self._clock,
            runs,
            scenes,
            self._seen,
            self._keys[block],
            self._values[block],
            self._pointer_keys[block],
            self._room,
        )

    def _decode(self, block: int, runs: np.ndarray, fed_back, outputs, begin: int, end: int) -> None:
        decode_geometric(
            self._parameters,
            self._constants,
            self._clock,
            runs,
            self._own_keys[block],
            self._own_values[block],
            self._keys[block],
            self._values[block],
            self._pointer_keys[block],
            self._seen,
            fed_back,
            outputs,
            begin,
            end,
            self._room,
        )


_KINDS: dict[type[Network], Callable[[Network, torch.Size], _CompiledDecoding]] = {
    plain.Transformer: CompiledPlainDecoding,
    geometric.Transformer: CompiledGeometricDecoding,
}


def compiled_decoding(network: Network, shape: torch.Size) -> _CompiledDecoding | None:
    """Return the state of tracking measurements (R, B, T, N, 2); nothing where the kernels cannot.

    They can in float32, and not on a GPU, and few tracks, with networks of the classes that they know.
    """
    scale, kind = network.length_scale, _KINDS.get(type(network))
    single = all(each.precision == torch.float32 for each in network.modules() if isinstance(each, Linear))
    on_processor = scale.device.type == "cpu" and scale.dtype == torch.float32
    if kind is None or not (single and on_processor) or shape[3] > _MOST_TRACKS:
        return None
    return kind(network, shape)


def faster_decoding(network: Network, shape: torch.Size) -> _CompiledDecoding | None:
    """As compiled_decoding; nothing where torch takes less time, too."""
    size = network.architecture
    replicates, sequences, frames, particles = shape[:4]
    lookback = size.encoder_lookback
    seen = min(frames, 2 * lookback - 1 if size.encoder_sees == WHOLE else lookback)
    places = len(_blocks(replicates, sequences)) * SEQUENCES
    pairs = particles**2 * seen * places / (replicates * sequences)
    if pairs > _MOST_PAIRS.get((type(network), size.encoder_sees), 0):
        return None
    return compiled_decoding(network, shape)


class _Block(NamedTuple):
    """Rows of all replicates' sequences that are tracked together.

    runs (·, 3): what each replicate has of them: it, the first, the one after the last.
    """

    rows: slice
    runs: np.ndarray


def _blocks(replicates: int, sequences: int) -> list[_Block]:
    """Return the blocks of R replicates' sequences; what a block lacks is of its last row's replicate."""
    # For each replicate in a block there is a loop of its own in each product.
    together = sequences if sequences >= SEQUENCES // 2 else replicates * sequences
    blocks = []
    for begin in range(0, replicates * sequences, together):
        for first in range(begin, begin + together, SEQUENCES):
            end = min(first + SEQUENCES, begin + together)
            of, starts = np.unique(np.arange(first, end) // sequences, return_index=True)
            blocks.append(_Block(slice(first, end), np.stack([of, starts, [*starts[1:], SEQUENCES]], 1)))
    return blocks


def _rows(x: torch.Tensor) -> np.ndarray:
    """Return contiguous positions (R, B, T, N, 2) as (R·B, T, N, 2): no copy, for they are written to."""
    return x.view(-1, *x.shape[2:]).numpy()


def _room(network: Network, shape: torch.Size, *, raw: int, query: int, mixed: int, told: int) -> Room:
    """Return room for measurements (R, B, T, N, 2), given how many rows some of its arrays have."""
    size, (frames, particles) = network.architecture, shape[2:4]
    # Only of more than two tracks there are several others.
    rivals = frames * particles if particles > 2 else 1
    rows = {"raw": raw, "query": query, "mixed": mixed, "told": told}
    rows |= {"normal": size.dimension, "hidden": size.feedforward, "of_frames": frames}
    tokens = dict.fromkeys(("logits", "weights", "odds"), frames * particles)
    tokens |= {"others": rivals, "terms": rivals}
    most = max(*rows.values(), *tokens.values()) * particles * SEQUENCES
    return Room(
        **{name: np.zeros((particles, count, SEQUENCES), np.float32) for name, count in rows.items()},
        **{name: np.empty((count, particles, SEQUENCES), np.float32) for name, count in tokens.items()},
        sums=np.empty((2, particles * SEQUENCES), np.float32),
        floats=np.empty(most, np.float32),
        powers=np.empty(most, np.int32),
    )


def _query(attention) -> Linear:
    return attention.query


def _geometric_query(attention) -> Linear:
    return attention.query.map


def _layers(layers: Iterable, query: Callable, factor: float = 1) -> Layers:
    """Return the maps of an encoder's or decoder's layers, those that query returns times a factor."""
    layers = list(layers)
    attentions = [layer.attention for layer in layers]
    crossing = [layer.cross_attention for layer in layers if hasattr(layer, "cross_attention")]
    return Layers(
        query=_stacked(map(query, attentions)) * np.float32(factor),
        key_value=_stacked(each.key_value for each in attentions),
        out=_stacked(each.out for each in attentions),
        cross_query=_stacked(map(query, crossing)) * np.float32(factor),
        cross_key_value=_stacked(each.key_value for each in crossing),
        cross_out=_stacked(each.out for each in crossing),
        inner=_stacked(layer.feed_forward.inner for layer in layers),
        outer=_stacked(layer.feed_forward.outer for layer in layers),
    )


def _stacked(linears: Iterable) -> np.ndarray:
    """Return W, and below it b, of L linear maps: (R, L, inputs + 1, outputs), or nothing of none."""
    maps = [torch.cat([each.weight, each.bias], 1).detach().numpy() for each in linears]
    return np.stack(maps, 1) if maps else np.empty((0, 0, 0, 0), np.float32)
