"""How many floating-point operations the transformer takes to track a sequence, counted by fvcore.

fvcore traces a module and adds up what the handle of each operator says. Operators without one, fused
attention and elementwise work among them, it passes over. Here every operator that a trace meets has a handle
or is known to calculate nothing; another one is an error. A sum, a product, a quotient, a root, a maximum and
an elementary function of one number are an operation each, a multiply–add is two, and what works on integers
is none.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from math import prod
from typing import NamedTuple

import torch
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import get_shape
from torch import nn

from mpt.transformer.network import PAST, WHOLE, Architecture, Network
from mpt.transformer.networks import make_network


class Operations(NamedTuple):
    """flops: all operations, a multiply–add as 2; macs: the multiply–adds of matrix products, each as 1."""

    flops: int
    macs: int


def incremental(architecture: Architecture, frames: int) -> Operations:
    """Count the tracking of one sequence by track_frame_by_frame: each frame is encoded and decoded once.

    Raises ValueError if the encoder sees the future.
    """
    _require_past(architecture)
    windows = Counter(
        (min(t + 1, architecture.encoder_lookback), min(t, architecture.decoder_lookback))
        for t in range(frames)
    )
    size = _of_any_lookback(architecture)
    return _total((_incremental_frame(size, *window), number) for window, number in windows.items())


def re_encoded(architecture: Architecture, frames: int) -> Operations:
    """Count the tracking of one sequence by track_by_re_encoding.

    Raises ValueError if K_D > K_E or if the encoder sees the future.
    """
    _require_past(architecture)
    windows = Counter((len(seen), len(fed_back)) for seen, fed_back in _windows(architecture, frames))
    size = _of_any_lookback(architecture)
    return _total((_re_encoded_frame(size, *window), number) for window, number in windows.items())


def whole(architecture: Architecture, frames: int) -> Operations:
    """Count the tracking of one sequence by a network that sees all of it: encoded once, then decoded.

    Raises ValueError if the encoder sees less.
    """
    if architecture.encoder_sees != WHOLE or architecture.encoder_lookback < frames:
        raise ValueError(f"an encoder that does not see all {frames} frames")
    scene = _scene(architecture, frames)
    network = make_network(architecture, 1)
    fed_back = Counter(min(t, architecture.decoder_lookback) for t in range(2, frames))
    size = replace(_of_any_lookback(architecture), encoder_lookback=architecture.encoder_lookback)
    steps = [(_decoded_frame(size, frames, number), times) for number, times in fed_back.items()]
    return _total([(count(_Begin(network), scene, scene[:, :, 0]), 1), *steps])


def track_frame_by_frame(network: Network, measurements: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """As Network.follow by torch alone, but no frame is encoded before it is tracked."""
    decoding = network.decoding(measurements.shape)
    return network.follow(measurements, initial, frames_at_a_time=1, decoding=decoding)


def track_whole(network: Network, measurements: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """As Network.follow by torch alone, of a network that sees the whole sequence."""
    return network.follow(measurements, initial, decoding=network.decoding(measurements.shape))


@torch.no_grad()
def track_by_re_encoding(network: Network, measurements: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """As Network.follow, but each frame sends the last K_E frames and K_D outputs through the network.

    So Fig. 1 reads, and nothing is kept from frame to frame. All layers see the same window, where those of
    follow, which encodes each frame once, see further back the deeper they are. Each window is a scene of its
    own: time begins at its first detections, coordinates at its first outputs.
    """
    outputs = torch.empty_like(measurements)
    outputs[:, :, 0] = initial
    for t, (seen, fed_back) in enumerate(_windows(network.architecture, measurements.shape[2]), start=1):
        window = (measurements[:, :, seen.start : seen.stop], outputs[:, :, fed_back.start : fed_back.stop])
        outputs[:, :, t] = network(*window)[:, :, -1]
    return outputs


def count(module: nn.Module, *inputs: torch.Tensor) -> Operations:
    """Count one call of a module; raises NotImplementedError if an operator in it has no handle."""
    counted = by_operator(module, *inputs)
    macs = sum(number for name, number in counted.items() if name in _MATRIX_PRODUCTS)
    return Operations(int(sum(counted.values()) + macs), int(macs))


def by_operator(module: nn.Module, *inputs: torch.Tensor) -> Counter:
    """Return fvcore's counts by operator: multiply–adds of matrix products, operations of all else."""
    analysis = FlopCountAnalysis(module, inputs).set_op_handle(**_HANDLES)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    # The fused path of nn.TransformerEncoderLayer is one operator, which hides those that it stands for.
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            counted, unknown = analysis.by_operator(), analysis.unsupported_ops()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    unknown = sorted(unknown.keys() - _NO_ARITHMETIC)
    if unknown:
        raise NotImplementedError(f"no count is known of the operators {unknown}")
    return counted


def _require_past(architecture: Architecture) -> None:
    if architecture.encoder_sees != PAST:
        raise ValueError(f"frames that come one by one to an encoder that sees {architecture.encoder_sees}")


def _total(parts: Iterable[tuple[Operations, int]]) -> Operations:
    parts = list(parts)
    return Operations(
        *(sum(getattr(one, name) * number for one, number in parts) for name in Operations._fields)
    )


def _windows(architecture: Architecture, frames: int) -> Iterator[tuple[range, range]]:
    """Yield which frames of measurements and of outputs go into frames 1, 2, …"""
    if architecture.decoder_lookback > architecture.encoder_lookback:
        raise ValueError("outputs before the first measurement of the window: K_D is greater than K_E")
    for t in range(1, frames):
        yield (
            range(max(0, t + 1 - architecture.encoder_lookback), t + 1),
            range(max(0, t - architecture.decoder_lookback), t),
        )


def _of_any_lookback(architecture: Architecture) -> Architecture:
    """Return the architecture with the same lookbacks whatever they were.

    What a frame costs depends on how many frames it looks back on alone. So networks that differ in nothing
    but their lookbacks share what is cached below.
    """
    return replace(architecture, encoder_lookback=1, decoder_lookback=1)


@cache
def _incremental_frame(architecture: Architecture, measured: int, fed_back: int) -> Operations:
    if not fed_back:
        # A trace drops what nobody reads. With K_E = 2 frame 1 reads all that frame 0 leaves.
        scene = _scene(architecture, 2)
        both = count(_Track(_network(architecture, 2, 1)), scene, scene[:, :, 0])
        second = _incremental_frame(architecture, 2, 1)
        return Operations(both.flops - second.flops, both.macs - second.macs)
    scene = _scene(architecture, max(measured, fed_back + 1))
    step = _Frame(_network(architecture, measured, fed_back), scene)
    return count(step, scene[:, :, -1:], scene[:, :, 0].float())


@cache
def _re_encoded_frame(architecture: Architecture, measured: int, fed_back: int) -> Operations:
    scene = _scene(architecture, measured)
    return count(_network(architecture, measured, fed_back), scene, scene[:, :, :fed_back])


@cache
def _decoded_frame(architecture: Architecture, frames: int, fed_back: int) -> Operations:
    scene = _scene(architecture, frames)
    size = replace(architecture, decoder_lookback=fed_back)
    return count(_Decode(make_network(size, 1), scene, fed_back), scene[:, :, 0].float())


def _network(architecture: Architecture, encoder_lookback: int, decoder_lookback: int) -> Network:
    return make_network(
        replace(architecture, encoder_lookback=encoder_lookback, decoder_lookback=decoder_lookback), 1
    )


def _scene(architecture: Architecture, frames: int) -> torch.Tensor:
    # Nothing but its shape and type matters.
    return torch.zeros(1, 1, frames, architecture.particles, 2, dtype=torch.float64)


class _Track(nn.Module):
    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, measurements, initial):
        return track_frame_by_frame(self.network, measurements, initial)


class _Frame(nn.Module):
    """The last frame of a scene in track_frame_by_frame; those before are in the caches."""

    def __init__(self, network: Network, scene: torch.Tensor):
        super().__init__()
        self.network = network
        self.frame = network.frame_of_reference(scene[:, :, 0])
        self.decoding = network.decoding(scene.shape)
        self.last = scene.shape[2] - 1
        with torch.no_grad():
            for t, measurements in enumerate(self.frame.inward(scene[:, :, :-1]).split(1, 2)):
                self.decoding.observe(measurements)
                if t > 0:
                    self.decoding.positions_after(measurements[:, :, 0], t)

    def forward(self, measurements, outputs):
        self.decoding.observe(self.frame.inward(measurements))
        return self.frame.outward(self.decoding.positions_after(outputs, self.last)[:, :, None])


class _Begin(nn.Module):
    """All of a scene encoded, and its frame 1 decoded."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, measurements, initial):
        frame = self.network.frame_of_reference(initial)
        decoding = self.network.decoding(measurements.shape)
        decoding.observe(frame.inward(measurements))
        start = frame.inward(initial[:, :, None])
        found = decoding.positions_after(start[:, :, 0], 1)[:, :, None]
        return frame.outward(torch.cat([start, found], 2))


class _Decode(nn.Module):
    """A frame of a scene that is encoded, which looks back on so many outputs."""

    def __init__(self, network: Network, scene: torch.Tensor, fed_back: int):
        super().__init__()
        self.network, self.last = network, fed_back
        self.frame = network.frame_of_reference(scene[:, :, 0])
        self.decoding = network.decoding(scene.shape)
        with torch.no_grad():
            inner = self.frame.inward(scene)
            self.decoding.observe(inner)
            for t in range(1, fed_back):
                self.decoding.positions_after(inner[:, :, t], t)

    def forward(self, outputs):
        return self.frame.outward(self.decoding.positions_after(outputs, self.last)[:, :, None])


def _calculates(value) -> bool:
    kind = value.type()
    return isinstance(kind, torch.TensorType) and kind.dtype() in _FLOATING


def _per_element(operations: int) -> Callable:
    return lambda inputs, outputs: operations * prod(get_shape(outputs[0])) if _calculates(outputs[0]) else 0


def _product(inputs, outputs) -> int:
    complex_numbers = _calculates(outputs[0]) and outputs[0].type().dtype().is_complex
    # (a + bi)(c + di): four products and two sums.
    return _per_element(6 if complex_numbers else 1)(inputs, outputs)


def _sum(inputs, outputs) -> int:
    return prod(get_shape(inputs[0])) - prod(get_shape(outputs[0])) if _calculates(outputs[0]) else 0


def _log_sum_exp(inputs, outputs) -> int:
    # Maximum, difference, exponential, sum; of each row also the logarithm, and the maximum again.
    return 4 * prod(get_shape(inputs[0]))


def _mean(inputs, outputs) -> int:
    return _sum(inputs, outputs) + prod(get_shape(outputs[0]))


def _softmax(inputs, outputs) -> int:
    shape = get_shape(inputs[0])
    return _softmax_rows(prod(shape) // shape[inputs[1].toIValue()], shape[inputs[1].toIValue()])


def _softmax_rows(rows: int, length: int) -> int:
    # Maximum, subtraction, exponential, sum, quotient.
    return rows * (5 * length - 2)


def _layer_norm(inputs, outputs) -> int:
    normalised = len(list(inputs[1].node().inputs()))
    length = prod(get_shape(inputs[0])[-normalised:])
    # Sum, centring, squares, their sum, scaling; two means, the offset, the root and its reciprocal.
    return prod(get_shape(inputs[0])) // length * (5 * length + 3)


def _matrix_product(inputs, outputs) -> int:
    return prod(get_shape(outputs[0])) * get_shape(inputs[0])[-1]


def _biased_matrix_product(inputs, outputs) -> int:
    # The sum of the products begins with the bias.
    return _matrix_product(inputs[1:], outputs)


def _attention(inputs, outputs) -> Counter:
    query, key, value = (get_shape(tensor) for tensor in inputs[:3])
    rows, length = prod(query[:-1]), key[-2]
    # Each query weighs each key, also those that the mask then hides; it scales the logit and adds the mask.
    masked = get_shape(inputs[3]) is not None
    return Counter(
        {
            "scaled_dot_product_attention": rows * length * (query[-1] + value[-1]),
            "softmax": rows * length * (1 + masked) + _softmax_rows(rows, length),
        }
    )


_FLOATING = (torch.float32, torch.float64, torch.complex64, torch.complex128)
_MATRIX_PRODUCTS = ("matmul", "bmm", "baddbmm", "addmm", "linear", "scaled_dot_product_attention")
_HANDLES = {
    "aten::matmul": _matrix_product,
    "aten::bmm": _matrix_product,
    "aten::baddbmm": _biased_matrix_product,
    "aten::addmm": _biased_matrix_product,
    "aten::linear": _matrix_product,
    "aten::scaled_dot_product_attention": _attention,
    "aten::softmax": _softmax,
    "aten::layer_norm": _layer_norm,
    "aten::sum": _sum,
    # One operation less than a row is long, as a sum.
    "aten::max": _sum,
    "aten::logsumexp": _log_sum_exp,
    "aten::mean": _mean,
    "aten::mul": _product,
    **{
        f"aten::{name}": _per_element(operations)
        for name, operations in {
            "add": 1,
            "sub": 1,
            "rsub": 1,
            "div": 1,
            "maximum": 1,
            "minimum": 1,
            "clamp": 1,
            "clamp_min": 1,
            "clamp_max": 1,
            "relu": 1,
            "square": 1,
            "reciprocal": 1,
            "sqrt": 1,
            "exp": 1,
            "log": 1,
            "sin": 1,
            "cos": 1,
            "tanh": 1,
            "erf": 1,
            "pow": 1,
            "rsqrt": 2,
            "log1p": 2,
            "expm1": 2,
            # Maximum, difference, exponential, log1p, sum.
            "logaddexp": 6,
            # e^x, + 1, log.
            "softplus": 3,
            # e^(−x), + 1, reciprocal.
            "sigmoid": 3,
            "silu": 4,
            # ½ x (1 + erf(x/√2)).
            "gelu": 5,
            # cos and sin, each times the modulus.
            "polar": 4,
        }.items()
    },
}
# Moves, shapes, the sign bit, comparisons: nothing that a floating-point unit is counted for.
_NO_ARITHMETIC = {
    f"aten::{name}"
    for name in (
        *("abs", "neg", "sign", "lt", "le", "ne", "where", "logical_and", "logical_not", "masked_fill"),
        *("clone", "empty_like", "eye", "ones_like", "repeat", "repeat_interleave", "tile", "flip", "roll"),
        *(
            "broadcast_to",
            "expand_as",
            "tensor_split",
            "unflatten",
            "pad",
            "scatter",
            "view_as",
            "view_as_complex",
            "view_as_real",
        ),
        *("real", "imag", "movedim", "mT", "tril", "triu", "diagonal", "fill_diagonal_", "masked_fill_"),
    )
}
