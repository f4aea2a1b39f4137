"""Compiled kernels that track with a network: what plain.py and geometric.py do by torch, in float32.

A block of S sequences passes the network together. They are the last axis of every array, and the inner loops
run along it: each step of the arithmetic is the same for S numbers side by side. S is a constant, so that the
compiler knows how far apart neighbouring rows are. A frame's tokens are arrays (N, features, S), keys and
values are (tokens, features, S). Torch takes a frame of all sequences at once, and reads the keys and values
of all from memory; those of a block stay in the processor's cache.

An affine map is one array (inputs + 1, outputs): the matrix W, and below it the bias b. Token t N + n is
detection n of frame t, or the token of track n that has its output at t.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from mpt.compiled import compiled

# Arithmetic is done as it is written, in this order. So a kernel gives the same bits on any processor, and
# whether it was just compiled or comes from the cache, where it has its own copies of those that it calls.
_kernel = partial(compiled, error_model="numpy")

# S. More are longer loops, fewer less memory; and a block of few sequences takes as long as a full one.
SEQUENCES = 64
# What takes most of the time indexes whole arrays, by numbers without a sign: then the compiler sees outside
# of all loops that what is written isn't what is read, and that no index counts from the end.
_unsigned = np.uint64
_NONE, _ONCE, _TWICE, _THRICE = (_unsigned(n) for n in range(4))
_ROW, _2_ROWS, _3_ROWS, _4_ROWS = (_unsigned(n * SEQUENCES) for n in range(1, 5))
_FOUR = _unsigned(4)

_inlined = partial(_kernel, forceinline=True)

_ZERO, _HALF, _ONE, _TWO = (np.float32(value) for value in (0, 0.5, 1, 2))
_LAYER_NORM_EPSILON = np.float32(1e-5)
# ln 2 in two parts, of which a small integer times the first is exact.
_LN_2_HIGH = np.float32(0.693359375)
_LN_2_LOW = np.float32(math.log(2) - 0.693359375)
_PER_LN_2 = np.float32(1 / math.log(2))
_LEAST_EXPONENT = np.float32(-87)
_1, _2, _3, _4, _5, _6, _7 = (np.float32(1 / math.factorial(n)) for n in range(1, 8))
# erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: within 1.5e-7.
_ERF_P = np.float32(0.3275911)
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_1, _ERF_2, _ERF_3, _ERF_4, _ERF_5 = (np.float32(value) for value in _ERF)
_ROOT_HALF = np.float32(math.sqrt(0.5))
# The bits of √½ as a number in single precision.
_BITS_OF_ROOT_HALF = np.int32(np.float32(math.sqrt(0.5)).view(np.int32))
_MANTISSA = np.int32(23)
_EXPONENT_OF_ONE = np.int32(127)
_EIGHTH = np.float32(1 / 8)
# Of artanh u = u + u³/3 + u⁵/5 + …, with |u| ≤ 1/3: the rest is less than 1e-8.
_A3, _A5, _A7, _A9, _A11, _A13 = (np.float32(1 / n) for n in range(3, 14, 2))
_NEVER = np.float32(-np.inf)


class Layers(NamedTuple):
    """Of R replicates of a plain network: the affine maps (R, layers, d + 1, ·) of its encoder or decoder.

    The queries' are divided by √(d / heads). An encoder has no cross_…: those are empty.
    """

    query: np.ndarray
    key_value: np.ndarray
    out: np.ndarray
    cross_query: np.ndarray
    cross_key_value: np.ndarray
    cross_out: np.ndarray
    inner: np.ndarray
    outer: np.ndarray


class PlainParameters(NamedTuple):
    """Of R replicates of a plain network.

    embed_… (R, 2, d) are without their bias; head is (R, 1, d + 1, 2).
    """

    heads: int
    displacement: bool
    embed_detection: np.ndarray
    embed_output: np.ndarray
    encoder: Layers
    decoder: Layers
    head: np.ndarray


class GeometricParameters(NamedTuple):
    """Of R replicates of a geometric network: layers as of a plain one, with queries that are not divided.

    tokens (R, 2, d) are what detections and tracks start as; pointer_… and gate_share are (R, 1, d + 1, ·).
    """

    heads: int
    pointers: int
    tokens: np.ndarray
    encoder: Layers
    decoder: Layers
    pointer_query: np.ndarray
    pointer_key: np.ndarray
    gate_share: np.ndarray


class GeometricConstants(NamedTuple):
    """What a geometric network is made with: its parts, and the constants of geometric.py by their names."""

    geometry: bool
    rivalry: bool
    division: bool
    sharpness: np.float32
    near_squared: np.float32
    per_saturation_squared: np.float32


class Seen(NamedTuple):
    """What tokens see: the detections of frames from begin (T,) to end (T,), and so many own frames back."""

    begin: np.ndarray
    end: np.ndarray
    back: int


class Room(NamedTuple):
    """What is overwritten while the tokens of a frame pass the network.

    normal, raw, query, mixed, told and hidden (N, ·, S); logits, weights, odds, others and terms (tokens, N,
    S); of_frames (N, T, S); sums (2, N S); floats and powers (·,), for as many numbers as any other has.
    """

    normal: np.ndarray
    raw: np.ndarray
    query: np.ndarray
    mixed: np.ndarray
    told: np.ndarray
    hidden: np.ndarray
    logits: np.ndarray
    weights: np.ndarray
    odds: np.ndarray
    others: np.ndarray
    terms: np.ndarray
    of_frames: np.ndarray
    sums: np.ndarray
    floats: np.ndarray
    powers: np.ndarray


def _fma(a, b, c):
    """Return a b + c, compiled rounded once: on most processors one instruction."""
    return a * b + c


@intrinsic
def _fused(typing_context, a, b, c):
    def generate(context, builder, signature, numbers):
        return builder.fma(*numbers)

    return types.float32(types.float32, types.float32, types.float32), generate


@overload(_fma)
def _compiled_fma(a, b, c):
    return lambda a, b, c: _fused(a, b, c)


@_inlined
def _plus_products(total, a, x, b, y, c, z, d, w):
    """Return total + a x + b y + c z + d w."""
    return _fma(d, w, _fma(c, z, _fma(b, y, _fma(a, x, total))))


# Numba takes long to compile `y[:] = x`, which has to ask whether one is to be repeated.
@_kernel
def _copy(x, x_first, y, y_first, count):
    """Copy rows of arrays (·, S) or of more axes: so many, of all rows from a first on."""
    given, taken = x.reshape(x.size), y.reshape(y.size)
    of, to = _unsigned(x_first) * _ROW, _unsigned(y_first) * _ROW
    for j in range(_unsigned(count) * _ROW):
        taken[to + j] = given[of + j]


@_kernel
def _fill(x, value):
    """Set all of x to a value."""
    filled = x.reshape(x.size)
    for j in range(_unsigned(x.size)):
        filled[j] = value


@_kernel
def _exponentiate(x, powers):
    """Replace x ≤ 0 (n,) by exp x; powers (≥ n,) int32 is room for 2^k."""
    twos = powers.view(np.float32)
    for j in range(x.size):
        y = x[j]
        # So written that what isn't a number stays.
        y = _LEAST_EXPONENT if y < _LEAST_EXPONENT else y
        k = np.floor(y * _PER_LN_2 + _HALF)
        f = (y - k * _LN_2_HIGH) - k * _LN_2_LOW
        powers[j] = (np.int32(k) + _EXPONENT_OF_ONE) << _MANTISSA
        x[j] = _fma(f, _fma(f, _fma(f, _fma(f, _fma(f, _fma(f, _fma(f, _7, _6), _5), _4), _3), _2), _1), _ONE)
    for j in range(x.size):
        x[j] *= twos[j]


@_kernel
def _artanh(u):
    v = u * u
    return u + u * v * (_A3 + v * (_A5 + v * (_A7 + v * (_A9 + v * (_A11 + v * _A13)))))


@_kernel
def _softplus(x, floats, powers):
    """Replace x (n,) by log(1 + exp x) = max(x, 0) + 2 artanh(z / (2 + z)) with z = exp(−|x|)."""
    z = floats[: x.size]
    for j in range(x.size):
        z[j] = -abs(x[j])
    _exponentiate(z, powers)
    for j in range(x.size):
        x[j] = (x[j] if x[j] > _ZERO else _ZERO) + _TWO * _artanh(z[j] / (_TWO + z[j]))


@_kernel
def _log_1_plus(x, floats, powers):
    """Replace x ≥ 0 (n,) by log(1 + x), 1 + x being m 2^k with m from √½ to √2."""
    y = powers[: x.size].view(np.float32)
    for j in range(x.size):
        y[j] = _ONE + x[j]
    for j in range(x.size):
        k = (powers[j] - _BITS_OF_ROOT_HALF) >> _MANTISSA
        powers[j] -= k << _MANTISSA
        # What isn't a number stays.
        floats[j] = _ZERO * x[j] + np.float32(k) * _LN_2_HIGH + np.float32(k) * _LN_2_LOW
    for j in range(x.size):
        x[j] = floats[j] + _TWO * _artanh((y[j] - _ONE) / (y[j] + _ONE))


@_kernel
def _gelu(x, floats, powers):
    """Replace x (n,) by x Φ(x)."""
    bells = floats[: x.size]
    for j in range(x.size):
        bells[j] = -_HALF * x[j] * x[j]
    _exponentiate(bells, powers)
    for j in range(x.size):
        y = x[j]
        t = _ONE / (_ONE + _ERF_P * _ROOT_HALF * abs(y))
        series = t * (_ERF_1 + t * (_ERF_2 + t * (_ERF_3 + t * (_ERF_4 + t * _ERF_5))))
        tail = _HALF * series * bells[j]
        x[j] = y * (tail if y < _ZERO else _ONE - tail)


@_kernel
def _normalise(x, y, sums):
    """Set y to x (N, d, S), each token with mean 0 and variance 1; sums (2, ≥ S) is room."""
    per_size, rows = _ONE / np.float32(x.shape[1]), _unsigned(x.shape[1]) * _ROW
    given, found, mean = x.reshape(x.size), y.reshape(y.size), sums.reshape(sums.size)
    whole = rows - rows % _4_ROWS
    for token in range(_NONE, _unsigned(x.size), rows):
        for s in range(_2_ROWS):
            mean[s] = _ZERO
        for row in range(token, token + whole, _4_ROWS):
            for s in range(_ROW):
                two, more = (
                    given[row + s] + given[row + _ROW + s],
                    given[row + _2_ROWS + s] + given[row + _3_ROWS + s],
                )
                mean[s] += two + more
        for row in range(token + whole, token + rows, _ROW):
            for s in range(_ROW):
                mean[s] += given[row + s]
        for s in range(_ROW):
            mean[s] *= per_size
        for row in range(token, token + whole, _4_ROWS):
            for s in range(_ROW):
                a, b = given[row + s] - mean[s], given[row + _ROW + s] - mean[s]
                c, d = given[row + _2_ROWS + s] - mean[s], given[row + _3_ROWS + s] - mean[s]
                mean[_ROW + s] += (a * a + b * b) + (c * c + d * d)
        for row in range(token + whole, token + rows, _ROW):
            for s in range(_ROW):
                a = given[row + s] - mean[s]
                mean[_ROW + s] += a * a
        for s in range(_ROW, _2_ROWS):
            mean[s] = _ONE / math.sqrt(mean[s] * per_size + _LAYER_NORM_EPSILON)
        for row in range(token, token + rows, _ROW):
            for s in range(_ROW):
                found[row + s] = (given[row + s] - mean[s]) * mean[_ROW + s]


@_kernel
def _map(x, maps, layer, runs, y):
    """Set the first n rows of each y (N, ≥ n, S) to Wᵀ x + b: x (N, ≥ m, S), maps (R, layers, m + 1, n).

    runs (·, 3): replicates, each with its first sequence and the one after its last.
    """
    for n in range(len(x)):
        x_first, y_first = n * x.shape[1], n * y.shape[1]
        if len(runs) == 1:
            _map_token(x, x_first, maps[runs[0, 0], layer], y, y_first)
        else:
            for run in runs:
                begin, end = _unsigned(run[1]), _unsigned(run[2])
                _map_some(x, x_first, maps[run[0], layer], y, y_first, begin, end)


@_kernel
def _map_token(x, x_first, affine, y, y_first):
    """Set rows of y (·, ·, S) to Wᵀ x + b, x being rows of x (·, ·, S), each from a first of all rows on.

    affine (m + 1, n).
    """
    # Loops of constant length take half the time.
    _map_some(x, x_first, affine, y, y_first, _NONE, _ROW)


# Four rows of four products at a time: then each number that is read serves in four.
@_inlined
def _map_some(x, x_first, affine, y, y_first, begin, end):
    """As _map_token, of sequences from begin to end."""
    inputs, outputs = _unsigned(affine.shape[0] - 1), _unsigned(affine.shape[1])
    given, found = x.reshape(x.size), y.reshape(y.size)
    x_begin, y_begin = _unsigned(x_first) * _ROW, _unsigned(y_first) * _ROW
    for j in range(_NONE, outputs - outputs % _FOUR, _FOUR):
        to, j1, j2, j3 = y_begin + j * _ROW, j + _ONCE, j + _TWICE, j + _THRICE
        for s in range(begin, end):
            found[to + s] = affine[inputs, j]
            found[to + _ROW + s] = affine[inputs, j1]
            found[to + _2_ROWS + s] = affine[inputs, j2]
            found[to + _3_ROWS + s] = affine[inputs, j3]
        for i in range(_NONE, inputs - inputs % _FOUR, _FOUR):
            of, i1, i2, i3 = x_begin + i * _ROW, i + _ONCE, i + _TWICE, i + _THRICE
            a0, a1, a2, a3 = affine[i, j], affine[i, j1], affine[i, j2], affine[i, j3]
            b0, b1, b2, b3 = affine[i1, j], affine[i1, j1], affine[i1, j2], affine[i1, j3]
            c0, c1, c2, c3 = affine[i2, j], affine[i2, j1], affine[i2, j2], affine[i2, j3]
            d0, d1, d2, d3 = affine[i3, j], affine[i3, j1], affine[i3, j2], affine[i3, j3]
            for s in range(begin, end):
                a, b = given[of + s], given[of + _ROW + s]
                c, d = given[of + _2_ROWS + s], given[of + _3_ROWS + s]
                found[to + s] = _plus_products(found[to + s], a0, a, b0, b, c0, c, d0, d)
                found[to + _ROW + s] = _plus_products(found[to + _ROW + s], a1, a, b1, b, c1, c, d1, d)
                found[to + _2_ROWS + s] = _plus_products(found[to + _2_ROWS + s], a2, a, b2, b, c2, c, d2, d)
                found[to + _3_ROWS + s] = _plus_products(found[to + _3_ROWS + s], a3, a, b3, b, c3, c, d3, d)
    for j in range(outputs - outputs % _FOUR, outputs):
        to = y_begin + j * _ROW
        for s in range(begin, end):
            found[to + s] = affine[inputs, j]
        _add_products(given, x_begin, _NONE, inputs - inputs % _FOUR, affine, j, found, to, begin, end)
    for j in range(outputs):
        to, first = y_begin + j * _ROW, inputs - inputs % _FOUR
        _add_products(given, x_begin, first, inputs, affine, j, found, to, begin, end)


@_kernel
def _add_products(given, x_begin, first, last, affine, j, found, to, begin, end):
    """Add to found[to:] what rows of x from first to last, given[x_begin:], add to row j of Wᵀ x.

    Of sequences from begin to end.
    """
    for i in range(first, last):
        a, of = affine[i, j], x_begin + i * _ROW
        for s in range(begin, end):
            found[to + s] = _fma(a, given[of + s], found[to + s])


@_kernel
def _add(x, y):
    """Add x to y, of one shape."""
    of_x, of_y = x.reshape(x.size), y.reshape(y.size)
    for j in range(of_x.size):
        of_y[j] += of_x[j]


@_kernel
def _add_feed_forward(x, layers, layer, runs, room):
    """Add the feed-forward block to tokens x (N, d, S)."""
    _normalise(x, room.normal, room.sums)
    _map(room.normal, layers.inner, layer, runs, room.hidden)
    _gelu(room.hidden.reshape(room.hidden.size), room.floats, room.powers)
    _map(room.hidden, layers.outer, layer, runs, room.normal)
    _add(room.normal, x)


@_kernel
def _score(query, first, count, keys, first_key, begin, logits):
    """Add to logits (tokens, N, S) products of queries (N, ·, S) with keys (·, ·, S) from token `begin` on.

    They are of so many features, in the query from `first` on, in the keys from `first_key` on.
    """
    asked, kept, found = query.reshape(query.size), keys.reshape(keys.size), logits.reshape(logits.size)
    each, width = _unsigned(query.shape[1]) * _ROW, _unsigned(keys.shape[1]) * _ROW
    q_begin, rows = _unsigned(first) * _ROW, _unsigned(count) * _ROW
    k = _unsigned(begin) * width + _unsigned(first_key) * _ROW
    logit = _NONE
    for _ in range(len(logits)):
        q = q_begin
        for _ in range(len(query)):
            for i in range(_NONE, rows - rows % _4_ROWS, _4_ROWS):
                a, b = q + i, k + i
                for s in range(_ROW):
                    found[logit + s] = _plus_products(
                        found[logit + s],
                        asked[a + s],
                        kept[b + s],
                        asked[a + _ROW + s],
                        kept[b + _ROW + s],
                        asked[a + _2_ROWS + s],
                        kept[b + _2_ROWS + s],
                        asked[a + _3_ROWS + s],
                        kept[b + _3_ROWS + s],
                    )
            for i in range(rows - rows % _4_ROWS, rows, _ROW):
                for s in range(_ROW):
                    found[logit + s] = _fma(asked[q + i + s], kept[k + i + s], found[logit + s])
            q += each
            logit += _ROW
        k += width


@_kernel
def _weigh(logits, room):
    """Turn logits (tokens, L) into weights, but for a factor (L,) that makes their sums 1: return that."""
    lanes = logits.shape[1]
    greatest, per_total = room.sums[0, :lanes], room.sums[1, :lanes]
    for j in range(lanes):
        greatest[j] = logits[0, j]
    for token in range(1, len(logits)):
        logit = logits[token]
        for j in range(lanes):
            greatest[j] = logit[j] if logit[j] > greatest[j] else greatest[j]
    for token in range(len(logits)):
        logit = logits[token]
        for j in range(lanes):
            logit[j] -= greatest[j]
    _exponentiate(logits.reshape(logits.size), room.powers)
    _fill(per_total, _ZERO)
    for token in range(len(logits)):
        weight = logits[token]
        for j in range(lanes):
            per_total[j] += weight[j]
    for j in range(lanes):
        per_total[j] = _ONE / per_total[j]
    return per_total


@_kernel
def _mix(weights, factor, values, first, begin, mixed, first_mixed, count):
    """Set rows of mixed (N, ·, S) to the sum of values (·, ·, S) by weights (tokens, N, S), times a factor.

    They are so many rows, from first_mixed on, and the values' features from `first` on, of tokens from
    `begin` on. factor (N S,).
    """
    weighed, kept, found = (
        weights.reshape(weights.size),
        values.reshape(values.size),
        mixed.reshape(mixed.size),
    )
    particles, tokens = _unsigned(len(mixed)), _unsigned(len(weights))
    step, width = particles * _ROW, _unsigned(values.shape[1]) * _ROW
    rows, start = _unsigned(count) * _ROW, _unsigned(begin) * width + _unsigned(first) * _ROW
    for n in range(particles):
        to = (n * _unsigned(mixed.shape[1]) + _unsigned(first_mixed)) * _ROW
        for s in range(rows):
            found[to + s] = _ZERO
        for token in range(_NONE, tokens - tokens % _FOUR, _FOUR):
            w0, v0 = token * step + n * _ROW, start + token * width
            w1, w2, w3, v1, v2, v3 = (
                w0 + step,
                w0 + _TWICE * step,
                w0 + _THRICE * step,
                v0 + width,
                v0 + _TWICE * width,
                v0 + _THRICE * width,
            )
            for i in range(_NONE, rows - rows % _4_ROWS, _4_ROWS):
                for s in range(_ROW):
                    a, b, c, d = weighed[w0 + s], weighed[w1 + s], weighed[w2 + s], weighed[w3 + s]
                    k = i + s
                    found[to + k] = _plus_products(
                        found[to + k], a, kept[v0 + k], b, kept[v1 + k], c, kept[v2 + k], d, kept[v3 + k]
                    )
                    k += _ROW
                    found[to + k] = _plus_products(
                        found[to + k], a, kept[v0 + k], b, kept[v1 + k], c, kept[v2 + k], d, kept[v3 + k]
                    )
                    k += _ROW
                    found[to + k] = _plus_products(
                        found[to + k], a, kept[v0 + k], b, kept[v1 + k], c, kept[v2 + k], d, kept[v3 + k]
                    )
                    k += _ROW
                    found[to + k] = _plus_products(
                        found[to + k], a, kept[v0 + k], b, kept[v1 + k], c, kept[v2 + k], d, kept[v3 + k]
                    )
            for i in range(rows - rows % _4_ROWS, rows, _ROW):
                for s in range(_ROW):
                    a, b, c, d = weighed[w0 + s], weighed[w1 + s], weighed[w2 + s], weighed[w3 + s]
                    k = i + s
                    found[to + k] = _plus_products(
                        found[to + k], a, kept[v0 + k], b, kept[v1 + k], c, kept[v2 + k], d, kept[v3 + k]
                    )
        for token in range(tokens - tokens % _FOUR, tokens):
            w0, v0 = token * step + n * _ROW, start + token * width
            for i in range(_NONE, rows, _ROW):
                for s in range(_ROW):
                    found[to + i + s] = _fma(weighed[w0 + s], kept[v0 + i + s], found[to + i + s])
        for i in range(_NONE, rows, _ROW):
            for s in range(_ROW):
                found[to + i + s] *= factor[n * _ROW + s]


@_kernel
def _lanes(x):
    """Return x (tokens, N, S) as (tokens, N S)."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2])


@_kernel
def _read(scenes, t, places):
    """Set places (N, 2, S) to positions (≤ S, T, N, 2) at t; the last sequence stands for those missing."""
    for s in range(SEQUENCES):
        row = min(s, len(scenes) - 1)
        for n in range(len(places)):
            for i in range(2):
                places[n, i, s] = scenes[row, t, n, i]


@_kernel
def _write(places, t, scenes):
    """Set positions (≤ S, T, N, 2) at frame t to places (N, 2, S)."""
    for row in range(len(scenes)):
        for n in range(len(places)):
            for i in range(2):
                scenes[row, t, n, i] = places[n, i, row]


@_kernel
def _keep(x, first, count, cache, token, first_kept):
    """Copy so many rows of each x (N, ·, S), from `first` on, to N tokens in cache (tokens, ·, S)."""
    for n in range(len(x)):
        _copy(x, n * x.shape[1] + first, cache, (token + n) * cache.shape[1] + first_kept, count)


@_kernel
def _embed(places, weight, embeddings, t, runs, x):
    """Set x (N, d, S) to a linear map (R, 2, d) of places (N, 2, S), plus embeddings (R, T, N, d) of t."""
    for run in runs:
        r = run[0]
        for n in range(len(x)):
            across, along = places[n, 0], places[n, 1]
            for i in range(x.shape[1]):
                row, offset, a, b = x[n, i], embeddings[r, t, n, i], weight[r, 0, i], weight[r, 1, i]
                for s in range(run[1], run[2]):
                    row[s] = offset + a * across[s] + b * along[s]


@_kernel
def _remember(x, maps, layer, runs, keys, values, token, room):
    """Keep keys and values (tokens, d, S) of tokens x (N, d, S), the first of them number `token`."""
    dimension = x.shape[1]
    _normalise(x, room.normal, room.sums)
    _map(room.normal, maps, layer, runs, room.raw)
    _keep(room.raw, 0, dimension, keys, token, 0)
    _keep(room.raw, dimension, dimension, values, token, 0)


@_kernel
def _attend(x, query, out, layer, runs, heads, keys, values, begin, end, room):
    """Add to x (N, d, S) what a plain network's attention takes from the tokens from `begin` to `end`."""
    _normalise(x, room.normal, room.sums)
    _map(room.normal, query, layer, runs, room.raw)
    size = x.shape[1] // heads
    logits = room.logits[: end - begin]
    for first in range(0, x.shape[1], size):
        _fill(logits, _ZERO)
        _score(room.raw, first, size, keys, first, begin, logits)
        per_total = _weigh(_lanes(logits), room)
        _mix(logits, per_total, values, first, begin, room.mixed, first, size)
    _map(room.mixed, out, layer, runs, room.normal)
    _add(room.normal, x)


@_kernel
def encode_plain(parameters, embeddings, runs, scenes, seen, keys, values, room):
    """Set keys and values (layers of the decoder, T N, d, S) to those of a block of scenes (≤ S, T, N, 2).

    runs (·, 3): the replicates of the scenes, each with its first and the one after its last; together all S.
    embeddings (R, T, N, d) of times, with the bias.
    """
    layers, tokens, dimension, _ = keys.shape
    frames, particles = scenes.shape[1:3]
    encoder, heads = parameters.encoder, parameters.heads
    places = np.empty((particles, 2, SEQUENCES), np.float32)
    x = np.empty((frames, particles, dimension, SEQUENCES), np.float32)
    own_keys = np.empty((tokens, dimension, SEQUENCES), np.float32)
    own_values = np.empty((tokens, dimension, SEQUENCES), np.float32)
    for t in range(frames):
        _read(scenes, t, places)
        _embed(places, parameters.embed_detection, embeddings, t, runs, x[t])
    for layer in range(encoder.query.shape[1]):
        for t in range(frames):
            _remember(x[t], encoder.key_value, layer, runs, own_keys, own_values, t * particles, room)
        for t in range(frames):
            begin, end = seen.begin[t] * particles, seen.end[t] * particles
            query, out = encoder.query, encoder.out
            _attend(x[t], query, out, layer, runs, heads, own_keys, own_values, begin, end, room)
            _add_feed_forward(x[t], encoder, layer, runs, room)
    for layer in range(layers):
        maps = parameters.decoder.cross_key_value
        for t in range(frames):
            _remember(x[t], maps, layer, runs, keys[layer], values[layer], t * particles, room)


@_kernel
def decode_plain(
    parameters,
    embeddings,
    runs,
    own_keys,
    own_values,
    keys,
    values,
    seen,
    fed_back,
    outputs,
    begin,
    end,
    room,
):
    """Set outputs (≤ S, T, N, 2) of frames `begin` … `end` − 1 by a plain network.

    embeddings (R, T, N, d) of tracks and times, with the bias. own_keys and own_values, as keys and values of
    encode_plain, are those of the decoder's tokens, written from frame 1 on. The input at t is fed_back (≤ S,
    T, N, 2) of t − 1.
    """
    layers, _, dimension, _ = keys.shape
    particles = fed_back.shape[2]
    decoder, heads = parameters.decoder, parameters.heads
    places = np.empty((particles, 2, SEQUENCES), np.float32)
    found = np.empty((particles, 2, SEQUENCES), np.float32)
    x = np.empty((particles, dimension, SEQUENCES), np.float32)
    for t in range(begin, end):
        own_begin, own_end = max(1, t + 1 - seen.back) * particles, (t + 1) * particles
        seen_begin, seen_end = seen.begin[t] * particles, seen.end[t] * particles
        _read(fed_back, t - 1, places)
        _embed(places, parameters.embed_output, embeddings, t, runs, x)
        for layer in range(layers):
            own_key, own_value = own_keys[layer], own_values[layer]
            key, value = keys[layer], values[layer]
            query, out = decoder.query, decoder.out
            _remember(x, decoder.key_value, layer, runs, own_key, own_value, t * particles, room)
            _attend(x, query, out, layer, runs, heads, own_key, own_value, own_begin, own_end, room)
            query, out = decoder.cross_query, decoder.cross_out
            _attend(x, query, out, layer, runs, heads, key, value, seen_begin, seen_end, room)
            _add_feed_forward(x, decoder, layer, runs, room)
        _normalise(x, room.normal, room.sums)
        _map(room.normal, parameters.head, 0, runs, found)
        if parameters.displacement:
            _add(places, found)
        _write(found, t, outputs)


@_kernel
def _lead_away(places, constants, away, room):
    """Set away (N, 2, S) to ũ of geometric.py; places (N, 2, S)."""
    particles = len(places)
    _fill(away, _ZERO)
    if particles == 1:
        return
    weights = np.empty((particles, SEQUENCES), np.float32)
    greatest, total = np.empty(SEQUENCES, np.float32), np.empty(SEQUENCES, np.float32)
    squared, fading = np.empty(SEQUENCES, np.float32), np.empty(SEQUENCES, np.float32)
    for n in range(particles):
        _fill(greatest, _NEVER)
        for q in range(particles):
            for s in range(SEQUENCES):
                across, along = places[n, 0, s] - places[q, 0, s], places[n, 1, s] - places[q, 1, s]
                weights[q, s] = -constants.sharpness * (across * across + along * along)
            if q != n:
                for s in range(SEQUENCES):
                    greatest[s] = weights[q, s] if weights[q, s] > greatest[s] else greatest[s]
        _fill(weights[n], _NEVER)
        for q in range(particles):
            for s in range(SEQUENCES):
                weights[q, s] -= greatest[s]
        _exponentiate(weights.reshape(weights.size), room.powers)
        _fill(weights[n], _ZERO)
        _fill(total, _ZERO)
        for q in range(particles):
            for s in range(SEQUENCES):
                total[s] += weights[q, s]
                away[n, 0, s] += weights[q, s] * places[q, 0, s]
                away[n, 1, s] += weights[q, s] * places[q, 1, s]
        for s in range(SEQUENCES):
            away[n, 0, s] = places[n, 0, s] - away[n, 0, s] / total[s]
            away[n, 1, s] = places[n, 1, s] - away[n, 1, s] / total[s]
            squared[s] = away[n, 0, s] * away[n, 0, s] + away[n, 1, s] * away[n, 1, s]
            fading[s] = -_EIGHTH * squared[s]
        _exponentiate(fading, room.powers)
        for s in range(SEQUENCES):
            scale = fading[s] / math.sqrt(squared[s] + constants.near_squared)
            away[n, 0, s] *= scale
            away[n, 1, s] *= scale


@_kernel
def _remember_places(places, cache, token, first, count):
    """Keep places (N, 2, S) in cache (tokens, ·, S), as features from `first` on; a third is their square."""
    _keep(places, 0, 2, cache, token, first)
    if count > 2:
        for n in range(len(places)):
            square = cache[token + n, first + 2]
            for s in range(SEQUENCES):
                across, along = places[n, 0, s], places[n, 1, s]
                square[s] = across * across + along * along


@_kernel
def _remember_content(x, maps, layer, runs, size, keys, values, token, room):
    """Keep what tokens x (N, d, S) are to attention besides places, the first of them number `token`."""
    _normalise(x, room.normal, room.sums)
    _map(room.normal, maps, layer, runs, room.raw)
    _keep(room.raw, 0, size, keys, token, 0)
    _keep(room.raw, size, size, values, token, 0)


@_kernel
def _ask(raw, first, size, clock, t, places, away, same_track, rivalry, constants, query, room):
    """Set queries (N, ·, S) of one head, whose products with keys are the logits of geometric.py.

    raw (N, ·, S): what the queries' map yields, of this head from row `first` on. clock (waves + 3, T): the
    time of frames, then waves, then zeros. places, away (N, 2, S): where the tokens stand, and ũ. same_track,
    rivalry: whether the query has that term. Its rows are of content, place and square, time and waves; then
    zeros, so that rows of time are a multiple of four; then, if it has that, of the same track.
    """
    waves = len(clock) - 3
    direction, rates = first + waves + size, first + waves + size + 2
    per_root = _ONE / math.sqrt(np.float32(size))
    for n in range(len(raw)):
        for i in range(size):
            asked, yielded = query[n, i], raw[n, first + waves + i]
            for s in range(SEQUENCES):
                asked[s] = yielded[s] * per_root
        both = raw[n, rates : rates + 2]
        _softplus(both.reshape(both.size), room.floats, room.powers)
        sharpness = raw[n, rates]
        if constants.geometry:
            for i in range(2):
                asked, toward, place = query[n, size + i], raw[n, direction + i], places[n, i]
                for s in range(SEQUENCES):
                    asked[s] = toward[s] + _TWO * sharpness[s] * place[s]
                if rivalry and constants.rivalry:
                    rival, apart = raw[n, rates + 2], away[n, i]
                    for s in range(SEQUENCES):
                        asked[s] += _TWO * sharpness[s] * rival[s] * apart[s]
            asked = query[n, size + 2]
            for s in range(SEQUENCES):
                asked[s] = -sharpness[s]
        else:
            _fill(query[n, size : size + 3], _ZERO)
        _copy(raw[n], rates + 1, query[n], size + 3, 1)
        for i in range(0, waves, 2):
            cos, sin = clock[1 + i, t], clock[2 + i, t]
            real, imaginary = raw[n, first + i], raw[n, first + i + 1]
            asked, other = query[n, size + 4 + i], query[n, size + 5 + i]
            for s in range(SEQUENCES):
                asked[s] = real[s] * cos - imaginary[s] * sin
                other[s] = real[s] * sin + imaginary[s] * cos
        if same_track:
            _copy(raw[n], rates + 2, query[n], size + 5 + waves, 1)


@_kernel
def _look(query, size, clock, t, keys, begin, end, same_track, logits, room):
    """Set logits (tokens, N, S) of a head's queries (N, ·, S) at t, of tokens of frames from begin to end."""
    waves, particles = len(clock) - 3, len(query)
    for n in range(particles):
        first = n * query.shape[1] + size + 3
        _map_token(query, first, clock[:, begin:end], room.of_frames, n * room.of_frames.shape[1])
        of_frames, rate = room.of_frames[n], query[n, size + 3]
        for frame in range(max(begin, t + 1), end):
            # Of −a (t − t_j) make −a |t − t_j|.
            ahead, logit = _TWO * np.float32(frame - t), of_frames[frame - begin]
            for s in range(SEQUENCES):
                logit[s] -= ahead * rate[s]
    _aim(query, size, keys, begin * particles, room.of_frames, logits)
    if same_track:
        for token in range(len(logits)):
            n = token % particles
            logit, same = logits[token, n], query[n, size + 5 + waves]
            for s in range(SEQUENCES):
                logit[s] += same[s]
    _score(query, 0, size, keys, 0, begin * particles, logits)


@_kernel
def _aim(query, size, keys, begin, of_frames, logits):
    """Set logits (tokens, N, S) to those of frames (N, ≥ T, S), plus the products of place and square.

    In queries (N, ·, S), and in keys (·, ·, S) from token `begin` on, those come after so many of content.
    """
    asked, kept, found = query.reshape(query.size), keys.reshape(keys.size), logits.reshape(logits.size)
    given, particles = of_frames.reshape(of_frames.size), _unsigned(len(query))
    each, width = _unsigned(query.shape[1]) * _ROW, _unsigned(keys.shape[1]) * _ROW
    frames, content = _unsigned(of_frames.shape[1]) * _ROW, _unsigned(size) * _ROW
    key, logit = _unsigned(begin) * width + content, _NONE
    for token in range(_unsigned(len(logits))):
        frame = token // particles * _ROW
        for n in range(particles):
            q, of = n * each + content, n * frames + frame
            for s in range(_ROW):
                place = asked[q + s] * kept[key + s] + asked[q + _ROW + s] * kept[key + _ROW + s]
                found[logit + s] = given[of + s] + place + asked[q + _2_ROWS + s] * kept[key + _2_ROWS + s]
            logit += _ROW
        key += width


@_kernel
def _consider(
    x,
    query,
    out,
    layer,
    runs,
    heads,
    clock,
    t,
    places,
    away,
    keys,
    values,
    begin,
    end,
    same_track,
    rivalry,
    constants,
    room,
):
    """Add to x (N, d, S) what a geometric network's attention takes of tokens of frames from begin to end."""
    particles, size = len(x), x.shape[1] // heads
    each = query.shape[3] // heads
    _normalise(x, room.normal, room.sums)
    _map(room.normal, query, layer, runs, room.raw)
    logits = room.logits[: (end - begin) * particles]
    for head in range(heads):
        _ask(
            room.raw,
            head * each,
            size,
            clock,
            t,
            places,
            away,
            same_track,
            rivalry,
            constants,
            room.query,
            room,
        )
        _look(room.query, size, clock, t, keys, begin, end, same_track, logits, room)
        per_total = _weigh(_lanes(logits), room)
        first = head * (size + 3)
        _mix(logits, per_total, values, 0, begin * particles, room.told, first, size + 2)
        # Of each head: the value, the bounded displacement and the logarithm of its square.
        for n in range(particles):
            across, along, squared = (
                room.told[n, first + size],
                room.told[n, first + size + 1],
                room.told[n, first + size + 2],
            )
            here, there = places[n, 0], places[n, 1]
            for s in range(SEQUENCES):
                a, b = across[s] - here[s], along[s] - there[s]
                squared[s] = a * a + b * b
                bounded = _ONE / math.sqrt(_ONE + squared[s] * constants.per_saturation_squared)
                across[s] = a * bounded
                along[s] = b * bounded
            _log_1_plus(squared, room.floats, room.powers)
    _map(room.told, out, layer, runs, room.normal)
    _add(room.normal, x)


@_kernel
def _divide(logits, weights, room):
    """Divide each frame's share in weights (tokens, N, S) by the odds that a detection is a track's own.

    logits (tokens, N, S). With m the greatest logit of the others and Σ their sum of exp(ℓ_q − m), the odds
    are exp(ℓ_p − m) / Σ.
    """
    tokens, particles = logits.shape[:2]
    odds, others, terms = room.odds[:tokens], room.others[:tokens], room.terms[:tokens]
    for token in range(tokens):
        for p in range(particles):
            odd, own = odds[token, p], logits[token, p]
            _fill(odd, _NEVER)
            for q in range(particles):
                if q != p:
                    other = logits[token, q]
                    for s in range(SEQUENCES):
                        odd[s] = other[s] if other[s] > odd[s] else odd[s]
            for s in range(SEQUENCES):
                odd[s] = own[s] - odd[s]
    if particles > 2:
        _fill(others, _ZERO)
        for shift in range(1, particles):
            for token in range(tokens):
                for p in range(particles):
                    term, odd = terms[token, p], odds[token, p]
                    own, other = logits[token, p], logits[token, (p + shift) % particles]
                    for s in range(SEQUENCES):
                        term[s] = other[s] - own[s] + odd[s]
            _exponentiate(terms.reshape(terms.size), room.powers)
            _add(terms, others)
    of_odds = _lanes(odds)
    best, share, total = room.sums[0], room.sums[0], room.sums[1]
    for first in range(0, tokens, particles):
        for j in range(best.size):
            best[j] = of_odds[first, j]
        for token in range(first + 1, first + particles):
            odd = of_odds[token]
            for j in range(odd.size):
                best[j] = odd[j] if odd[j] > best[j] else best[j]
        for token in range(first, first + particles):
            odd = of_odds[token]
            for j in range(odd.size):
                odd[j] -= best[j]
    _exponentiate(odds.reshape(odds.size), room.powers)
    if particles > 2:
        flat, divisors = odds.reshape(odds.size), others.reshape(others.size)
        for j in range(flat.size):
            flat[j] /= divisors[j]
    of_weights = _lanes(weights)
    for first in range(0, tokens, particles):
        _fill(share, _ZERO)
        _fill(total, _ZERO)
        for token in range(first, first + particles):
            weight, odd = of_weights[token], of_odds[token]
            for j in range(odd.size):
                share[j] += weight[j]
                total[j] += odd[j]
        for j in range(share.size):
            share[j] /= total[j]
        for token in range(first, first + particles):
            weight, odd = of_weights[token], of_odds[token]
            for j in range(odd.size):
                weight[j] = odd[j] * share[j]


# What is the same for all detections cancels in attention and in the odds of two, not of three.
@_kernel
def _take_off_itself(query, first, places, time, logits):
    """Take off logits (tokens, N, S) what queries (N, ·, S) of place, square and time make of their own."""
    itself = np.empty(SEQUENCES, np.float32)
    for n in range(len(query)):
        for s in range(SEQUENCES):
            across, along, square = places[n, 0, s], places[n, 1, s], query[n, first + 2, s]
            of_place = (query[n, first, s] + square * across) * across
            of_place += (query[n, first + 1, s] + square * along) * along
            itself[s] = of_place + query[n, first + 3, s] * time
        for token in range(len(logits)):
            logit = logits[token, n]
            for s in range(SEQUENCES):
                logit[s] -= itself[s]


@_kernel
def _open(gates, pointers, room):
    """Turn gates (N, 2 pointers, S), logits of gates, then of shares, into how far pointers move a track."""
    for n in range(len(gates)):
        shares = gates[n, pointers:]
        per_total = _weigh(shares, room)
        for pointer in range(pointers):
            gate, share = gates[n, pointer], shares[pointer]
            small = room.floats[:SEQUENCES]
            for s in range(SEQUENCES):
                small[s] = -abs(gate[s])
            _exponentiate(small, room.powers)
            for s in range(SEQUENCES):
                opening = (_ONE if gate[s] > _ZERO else small[s]) / (_ONE + small[s])
                gate[s] = opening * share[s] * per_total[s]


@_kernel
def _point(x, parameters, runs, clock, t, places, away, keys, begin, end, constants, moved, room):
    """Set moved (N, 2, S) to places (N, 2, S) moved by the pointers, of tokens x (N, d, S) at frame t.

    keys (tokens, ·, S): of the detections, of which frames from begin to end are seen.
    """
    particles, pointers = len(x), parameters.pointers
    size, each = x.shape[1] // pointers, parameters.pointer_query.shape[3] // pointers
    _normalise(x, room.normal, room.sums)
    gates = np.empty((particles, 2 * pointers, SEQUENCES), np.float32)
    _map(room.normal, parameters.gate_share, 0, runs, gates)
    _open(gates, pointers, room)
    _map(room.normal, parameters.pointer_query, 0, runs, room.raw)
    _copy(places, 0, moved, 0, 2 * particles)
    seen = (end - begin) * particles
    logits, weights = room.logits[:seen], room.weights[:seen]
    nothing = np.ones(particles * SEQUENCES, np.float32)
    for pointer in range(pointers):
        _ask(room.raw, pointer * each, size, clock, t, places, away, False, True, constants, room.query, room)
        _look(room.query, size, clock, t, keys, begin, end, False, logits, room)
        if particles > 2:
            _take_off_itself(room.query, size, places, clock[0, t], logits)
        _copy(logits, 0, weights, 0, seen * particles)
        factor = _weigh(_lanes(weights), room)
        if constants.division and particles > 1:
            of_weights = _lanes(weights)
            for token in range(seen):
                weight = of_weights[token]
                for j in range(factor.size):
                    weight[j] *= factor[j]
            _divide(logits, weights, room)
            factor = nothing
        _mix(weights, factor, keys, size, begin * particles, room.mixed, 0, 2)
        for n in range(particles):
            for i in range(2):
                place, found, move = places[n, i], room.mixed[n, i], moved[n, i]
                gate = gates[n, pointer]
                for s in range(SEQUENCES):
                    move[s] += gate[s] * (found[s] - place[s])


@_kernel
def _begin(tokens, kind, runs, x):
    """Set x (N, d, S) to what detections (kind 0) or tracks (1) start as: tokens (R, 2, d)."""
    for run in runs:
        for n in range(len(x)):
            for i in range(x.shape[1]):
                for s in range(run[1], run[2]):
                    x[n, i, s] = tokens[run[0], kind, i]


@_kernel
def encode_geometric(parameters, constants, clock, runs, scenes, seen, keys, values, pointer_keys, room):
    """As encode_plain, by a geometric network.

    clock (waves + 3, T): time and waves of the frames, as geometric.py has them in keys, then zeros. keys
    (layers, T N, d / heads + 3, S): content, place, square. values: content, place. pointer_keys (T N, ·, S):
    as keys.
    """
    layers, tokens, width, _ = keys.shape
    frames, particles = scenes.shape[1:3]
    encoder, decoder, heads = parameters.encoder, parameters.decoder, parameters.heads
    dimension = parameters.tokens.shape[2]
    size, pointed_size = dimension // heads, dimension // parameters.pointers
    places = np.empty((frames, particles, 2, SEQUENCES), np.float32)
    x = np.empty((frames, particles, dimension, SEQUENCES), np.float32)
    own_keys = np.empty((tokens, width, SEQUENCES), np.float32)
    own_values = np.empty((tokens, width - 1, SEQUENCES), np.float32)
    for t in range(frames):
        here, token = places[t], t * particles
        _read(scenes, t, here)
        _begin(parameters.tokens, 0, runs, x[t])
        _remember_places(here, own_keys, token, size, 3)
        _remember_places(here, own_values, token, size, 2)
        _remember_places(here, pointer_keys, token, pointed_size, 3)
        for layer in range(layers):
            _remember_places(here, keys[layer], token, size, 3)
            _remember_places(here, values[layer], token, size, 2)
    for layer in range(encoder.query.shape[1]):
        maps = encoder.key_value
        for t in range(frames):
            _remember_content(x[t], maps, layer, runs, size, own_keys, own_values, t * particles, room)
        for t in range(frames):
            _consider(
                x[t],
                encoder.query,
                encoder.out,
                layer,
                runs,
                heads,
                clock,
                t,
                places[t],
                places[t],
                own_keys,
                own_values,
                seen.begin[t],
                seen.end[t],
                False,
                False,
                constants,
                room,
            )
            _add_feed_forward(x[t], encoder, layer, runs, room)
    for t in range(frames):
        for layer in range(layers):
            maps, key, value = decoder.cross_key_value, keys[layer], values[layer]
            _remember_content(x[t], maps, layer, runs, size, key, value, t * particles, room)
        _normalise(x[t], room.normal, room.sums)
        _map(room.normal, parameters.pointer_key, 0, runs, room.raw)
        _keep(room.raw, 0, pointed_size, pointer_keys, t * particles, 0)


@_kernel
def decode_geometric(
    parameters,
    constants,
    clock,
    runs,
    own_keys,
    own_values,
    keys,
    values,
    pointer_keys,
    seen,
    fed_back,
    outputs,
    begin,
    end,
    room,
):
    """As decode_plain, by a geometric network; clock, keys and values as of encode_geometric."""
    particles = fed_back.shape[2]
    decoder, heads = parameters.decoder, parameters.heads
    dimension = parameters.tokens.shape[2]
    size = dimension // heads
    places = np.empty((particles, 2, SEQUENCES), np.float32)
    away, moved = np.empty_like(places), np.empty_like(places)
    x = np.empty((particles, dimension, SEQUENCES), np.float32)
    for t in range(begin, end):
        own_begin, first_seen, end_seen = max(1, t + 1 - seen.back), seen.begin[t], seen.end[t]
        token = t * particles
        _read(fed_back, t - 1, places)
        _begin(parameters.tokens, 1, runs, x)
        _lead_away(places, constants, away, room)
        for layer in range(len(keys)):
            own_key, own_value = own_keys[layer], own_values[layer]
            _remember_places(places, own_key, token, size, 3)
            _remember_places(places, own_value, token, size, 2)
            _remember_content(x, decoder.key_value, layer, runs, size, own_key, own_value, token, room)
            _consider(
                x,
                decoder.query,
                decoder.out,
                layer,
                runs,
                heads,
                clock,
                t,
                places,
                away,
                own_key,
                own_value,
                own_begin,
                t + 1,
                True,
                False,
                constants,
                room,
            )
            _consider(
                x,
                decoder.cross_query,
                decoder.cross_out,
                layer,
                runs,
                heads,
                clock,
                t,
                places,
                away,
                keys[layer],
                values[layer],
                first_seen,
                end_seen,
                False,
                True,
                constants,
                room,
            )
            _add_feed_forward(x, decoder, layer, runs, room)
        _point(
            x,
            parameters,
            runs,
            clock,
            t,
            places,
            away,
            pointer_keys,
            first_seen,
            end_seen,
            constants,
            moved,
            room,
        )
        _write(moved, t, outputs)
