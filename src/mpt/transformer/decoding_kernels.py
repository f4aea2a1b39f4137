"""Compiled kernels that decode frame by frame: what the networks' decoders do, a sequence at a time.

They compute what plain.py and geometric.py do by torch, in float32 on a processor. One sequence's keys and
values stay in the processor's cache from frame to frame, where torch, which takes a frame of all sequences at
once, reads those of all from memory.

Keys and values lie with the tokens last, so that loops run along them. An affine map is one array
(inputs + 1, outputs): the matrix W, and below it the bias b. At frame t, track p's token is number
(t − 1) N + p of the decoder's, and the frame's detections are numbers t N … t N + N − 1.

Here a lane is a track of a sequence in a block of sequences. What is room is overwritten.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from mpt.compiled import compiled

# Sums in any order, so that they run in vectors; what isn't a number still comes out as such.
_ANY_ORDER = ("contract", "reassoc", "nsz", "arcp")
_kernel = partial(compiled, fastmath=_ANY_ORDER, error_model="numpy")

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
_EIGHTH = np.float32(1 / 8)
# Sequences in a block: more read parameters from nearer, fewer their keys and values.
_ROWS_AT_A_TIME = 4
_TWENTY = np.float32(20)
_NEVER = np.float32(-np.inf)


class PlainParameters(NamedTuple):
    """Of R replicates of a plain network's decoder with L layers: affine maps (R, L, d + 1, ·).

    The queries' are divided by √(d / heads). embed_output (R, 2, d) is without its bias, head (R, d + 1, 2).
    """

    embed_output: np.ndarray
    query: np.ndarray
    key_value: np.ndarray
    out: np.ndarray
    cross_query: np.ndarray
    cross_out: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    head: np.ndarray


class GeometricParameters(NamedTuple):
    """Of R replicates of a geometric network's decoder with L layers: affine maps (R, L, d + 1, ·).

    token (R, d) is what tracks start as; pointer_query and gate_share are (R, d + 1, ·).
    """

    token: np.ndarray
    query: np.ndarray
    key_value: np.ndarray
    out: np.ndarray
    cross_query: np.ndarray
    cross_out: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    pointer_query: np.ndarray
    gate_share: np.ndarray


class GeometricConstants(NamedTuple):
    """What a geometric network is made with: its parts, and the constants of geometric.py by their names."""

    geometry: bool
    rivalry: bool
    division: bool
    sharpness: np.float32
    near_squared: np.float32
    per_saturation_squared: np.float32


@_kernel
def _exponentiate(x, powers):
    """Replace x ≤ 0 (n,) by exp x; powers (n,) int32 is room for 2^k."""
    twos = powers.view(np.float32)
    for j in range(x.size):
        y = x[j]
        # So written that what isn't a number stays.
        y = _LEAST_EXPONENT if y < _LEAST_EXPONENT else y
        k = np.floor(y * _PER_LN_2 + _HALF)
        f = (y - k * _LN_2_HIGH) - k * _LN_2_LOW
        powers[j] = (np.int32(k) + np.int32(127)) << np.int32(23)
        x[j] = _ONE + f * (_1 + f * (_2 + f * (_3 + f * (_4 + f * (_5 + f * (_6 + f * _7))))))
    for j in range(x.size):
        x[j] *= twos[j]


# Eight at a time, for one would wait for the one before. Among what may not be numbers it may be any of them.
@compiled(fastmath=(*_ANY_ORDER, "nnan"), error_model="numpy")
def _greatest(x):
    a = b = c = d = e = f = g = h = x[0]
    whole = x.size - x.size % 8
    for j in range(0, whole, 8):
        a, b, c, d = max(a, x[j]), max(b, x[j + 1]), max(c, x[j + 2]), max(d, x[j + 3])
        e, f, g, h = max(e, x[j + 4]), max(f, x[j + 5]), max(g, x[j + 6]), max(h, x[j + 7])
    for j in range(whole, x.size):
        a = max(a, x[j])
    return max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h)))


@_kernel
def _total(x):
    total = _ZERO
    for j in range(x.size):
        total += x[j]
    return total


@_kernel
def _dot(x, y):
    total = _ZERO
    for j in range(x.size):
        total += x[j] * y[j]
    return total


@_kernel
def _weigh(logits, powers):
    """Replace logits (n,) by exp(logits − the greatest), and return the sum."""
    greatest = _greatest(logits)
    for j in range(logits.size):
        logits[j] -= greatest
    _exponentiate(logits, powers)
    return _total(logits)


@_kernel
def _map(x, affine, y):
    """Set y (tokens, n) to x W + b, x (tokens, m)."""
    inputs = x.shape[1]
    whole = inputs - inputs % 8
    for token in range(len(x)):
        for j in range(y.shape[1]):
            y[token, j] = affine[inputs, j]
        for i in range(0, whole, 8):
            a, b, c, d = x[token, i], x[token, i + 1], x[token, i + 2], x[token, i + 3]
            e, f, g, h = x[token, i + 4], x[token, i + 5], x[token, i + 6], x[token, i + 7]
            for j in range(y.shape[1]):
                y[token, j] += (
                    (a * affine[i, j] + b * affine[i + 1, j])
                    + (c * affine[i + 2, j] + d * affine[i + 3, j])
                    + (e * affine[i + 4, j] + f * affine[i + 5, j])
                    + (g * affine[i + 6, j] + h * affine[i + 7, j])
                )
        for i in range(whole, inputs):
            a = x[token, i]
            for j in range(y.shape[1]):
                y[token, j] += a * affine[i, j]


@_kernel
def _add(x, y):
    """Add x (tokens, n) to y."""
    for token in range(len(x)):
        for j in range(x.shape[1]):
            y[token, j] += x[token, j]


@_kernel
def _normalise(x, y):
    """Set y to x (tokens, n), each token with mean 0 and variance 1."""
    per_size = _ONE / np.float32(x.shape[1])
    for token in range(len(x)):
        mean = _ZERO
        for j in range(x.shape[1]):
            mean += x[token, j]
        mean *= per_size
        squares = _ZERO
        for j in range(x.shape[1]):
            y[token, j] = x[token, j] - mean
            squares += y[token, j] * y[token, j]
        scale = _ONE / math.sqrt(squares * per_size + _LAYER_NORM_EPSILON)
        for j in range(x.shape[1]):
            y[token, j] *= scale


@_kernel
def _gelu(x, bells, powers):
    """Replace x (n,) by x Φ(x); bells (n,) and powers (n,) are room."""
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
def _add_feed_forward(x, inner, outer, normal, hidden, bells, powers):
    """Add the feed-forward block to tokens x (tokens, d); normal (tokens, d) and the rest are room."""
    _normalise(x, normal)
    _map(normal, inner, hidden)
    _gelu(hidden.reshape(hidden.size), bells, powers)
    _map(hidden, outer, normal)
    _add(normal, x)


# Rows are taken one by one: of a block of rows Numba does not see that their numbers lie side by side.
@_kernel
def _score(query, keys, first, begin, end, logits):
    """Set logits (end − begin,) to query (n,) · keys[first : first + n, begin:end]."""
    for j in range(logits.size):
        logits[j] = _ZERO
    whole = query.size - query.size % 4
    for i in range(0, whole, 4):
        a, b, c, d = query[i], query[i + 1], query[i + 2], query[i + 3]
        row_a, row_b = keys[first + i, begin:end], keys[first + i + 1, begin:end]
        row_c, row_d = keys[first + i + 2, begin:end], keys[first + i + 3, begin:end]
        for j in range(logits.size):
            logits[j] += a * row_a[j] + b * row_b[j] + c * row_c[j] + d * row_d[j]
    for i in range(whole, query.size):
        a, row_a = query[i], keys[first + i, begin:end]
        for j in range(logits.size):
            logits[j] += a * row_a[j]


@_kernel
def _mix(weights, total, values, first, begin, end, mixed):
    """Set mixed (n,) to the mean of values[first : first + n] from begin to end; weights sum to total."""
    per_total = _ONE / total
    for i in range(mixed.size):
        mixed[i] = _dot(weights, values[first + i, begin:end]) * per_total


@_kernel
def _attend(query, size, keys, values, begin, end, logits, powers, mixed):
    """Set mixed (d,) to what heads of this size see in keys and values (d, tokens) from begin to end."""
    weights = logits[: end - begin]
    for first in range(0, query.size, size):
        _score(query[first : first + size], keys, first, begin, end, weights)
        total = _weigh(weights, powers)
        _mix(weights, total, values, first, begin, end, mixed[first : first + size])


@_kernel
def _blocks(rows, sequences):
    """Return for each block of rows its replicate, its first row and the one after its last."""
    blocks = []
    for first in range(0, rows, sequences):
        for begin in range(first, first + sequences, _ROWS_AT_A_TIME):
            blocks.append((first // sequences, begin, min(begin + _ROWS_AT_A_TIME, first + sequences)))
    return blocks


@_kernel
def follow_plain(
    parameters,
    heads,
    displacement,
    embeddings,
    own_keys,
    own_values,
    keys,
    values,
    decoder_lookback,
    begin_seen,
    end_seen,
    fed_back,
    outputs,
    begin,
    end,
):
    """Set outputs (rows, T, N, 2) of frames `begin` … `end` − 1 by a plain network.

    Rows are R replicates of so many sequences. embeddings (R, T, N, d) of tracks and times, with the bias of
    embed_output. own_keys and own_values (rows, L, d, T N) are those of the decoder's tokens, written from
    frame 1 on; keys and values (rows, L, d, T N) the detections', of which a frame sees those of frames from
    begin_seen (T,) to end_seen (T,). The input at t is fed_back (rows, T, N, 2) of t − 1. displacement: the
    head yields that.
    """
    rows, layers, dimension, tokens = keys.shape
    particles = fed_back.shape[2]
    sequences = rows // len(embeddings)
    size = dimension // heads
    width = parameters.inner.shape[3]
    most = min(_ROWS_AT_A_TIME, sequences) * particles
    all_x = np.empty((most, dimension), np.float32)
    all_normal = np.empty((most, dimension), np.float32)
    all_query = np.empty((most, dimension), np.float32)
    all_mixed = np.empty((most, dimension), np.float32)
    all_key_value, found = np.empty((most, 2 * dimension), np.float32), np.empty((most, 2), np.float32)
    all_hidden, bells = np.empty((most, width), np.float32), np.empty(most * width, np.float32)
    logits = np.empty(tokens, np.float32)
    powers = np.empty(max(tokens, most * width), np.int32)
    for replicate, first_row, end_row in _blocks(rows, sequences):
        lanes = (end_row - first_row) * particles
        x, normal, query, mixed = all_x[:lanes], all_normal[:lanes], all_query[:lanes], all_mixed[:lanes]
        hidden, key_value = all_hidden[:lanes], all_key_value[:lanes]
        embed_output = parameters.embed_output[replicate]
        for t in range(begin, end):
            own_begin, own_end = max(0, t - decoder_lookback) * particles, t * particles
            seen_begin, seen_end = begin_seen[t] * particles, end_seen[t] * particles
            for lane in range(lanes):
                row, p = first_row + lane // particles, lane % particles
                across, along = fed_back[row, t - 1, p, 0], fed_back[row, t - 1, p, 1]
                for j in range(dimension):
                    embedded = across * embed_output[0, j] + along * embed_output[1, j]
                    x[lane, j] = embeddings[replicate, t, p, j] + embedded
            for layer in range(layers):
                _normalise(x, normal)
                _map(normal, parameters.key_value[replicate, layer], key_value)
                for lane in range(lanes):
                    row, place = first_row + lane // particles, own_end - particles + lane % particles
                    for j in range(dimension):
                        own_keys[row, layer, j, place] = key_value[lane, j]
                        own_values[row, layer, j, place] = key_value[lane, dimension + j]
                _map(normal, parameters.query[replicate, layer], query)
                for lane in range(lanes):
                    row = first_row + lane // particles
                    key, value = own_keys[row, layer], own_values[row, layer]
                    _attend(query[lane], size, key, value, own_begin, own_end, logits, powers, mixed[lane])
                _map(mixed, parameters.out[replicate, layer], normal)
                _add(normal, x)
                _normalise(x, normal)
                _map(normal, parameters.cross_query[replicate, layer], query)
                for lane in range(lanes):
                    row = first_row + lane // particles
                    key, value = keys[row, layer], values[row, layer]
                    _attend(query[lane], size, key, value, seen_begin, seen_end, logits, powers, mixed[lane])
                _map(mixed, parameters.cross_out[replicate, layer], normal)
                _add(normal, x)
                inner, outer = parameters.inner[replicate, layer], parameters.outer[replicate, layer]
                _add_feed_forward(x, inner, outer, normal, hidden, bells[: hidden.size], powers)
            _normalise(x, normal)
            _map(normal, parameters.head[replicate], found[:lanes])
            for lane in range(lanes):
                row, p = first_row + lane // particles, lane % particles
                for i in range(2):
                    origin = fed_back[row, t - 1, p, i] if displacement else _ZERO
                    outputs[row, t, p, i] = origin + found[lane, i]


@_kernel
def _softplus(x):
    return x if x > _TWENTY else math.log1p(math.exp(x))


@_kernel
def _lead_away(places, particles, constants, away, logits, powers):
    """Set away (tokens, 2) to ũ of geometric.py; places (tokens, 2), scene after scene."""
    near = logits[:particles]
    for token in range(len(places)):
        away[token, 0] = away[token, 1] = _ZERO
        if particles == 1:
            continue
        first = token - token % particles
        for q in range(particles):
            across, along = places[token, 0] - places[first + q, 0], places[token, 1] - places[first + q, 1]
            near[q] = -constants.sharpness * (across * across + along * along)
        near[token - first] = _NEVER
        total = _weigh(near, powers)
        near[token - first] = _ZERO
        for i in range(2):
            nearest = _ZERO
            for q in range(particles):
                nearest += near[q] * places[first + q, i]
            away[token, i] = places[token, i] - nearest / total
        squared = away[token, 0] * away[token, 0] + away[token, 1] * away[token, 1]
        scale = math.exp(-squared * _EIGHTH) / math.sqrt(squared + constants.near_squared)
        away[token, 0] *= scale
        away[token, 1] *= scale


@_kernel
def _ask(raw, heads, clock, places, away, same_track, rivalry, constants, query):
    """Set queries (tokens, heads, ·), whose products with keys are the logits of geometric.py.

    raw (tokens, ·): what the queries' map yields, of all heads. clock (1 + waves,): time and waves of the
    frame. places, away (tokens, 2): where the tokens stand, and ũ. same_track: the number of tracks if the
    query has that term, rivalry: 1 if it has that one, else 0. Returns how many numbers a query has.
    """
    waves, each = clock.size - 1, raw.shape[1] // heads
    size = each - waves - 4 - min(same_track, 1) - rivalry
    per_root = _ONE / math.sqrt(np.float32(size))
    for token in range(len(raw)):
        for head in range(heads):
            first = head * each
            for j in range(size):
                query[token, head, j] = raw[token, first + waves + j] * per_root
            direction = first + waves + size
            sharpness = _softplus(raw[token, direction + 2])
            toward = raw[token, direction + 4] if rivalry and constants.rivalry else _ZERO
            for i in range(2):
                stand = places[token, i] + toward * away[token, i]
                aim = raw[token, direction + i] + _TWO * sharpness * stand
                query[token, head, size + i] = aim if constants.geometry else _ZERO
            query[token, head, size + 2] = -sharpness if constants.geometry else _ZERO
            query[token, head, size + 3] = _softplus(raw[token, direction + 3])
            for j in range(0, waves, 2):
                real, imaginary, cos, sin = (
                    raw[token, first + j],
                    raw[token, first + j + 1],
                    clock[1 + j],
                    clock[2 + j],
                )
                query[token, head, size + 4 + j] = real * cos - imaginary * sin
                query[token, head, size + 5 + j] = real * sin + imaginary * cos
            for q in range(same_track):
                same = raw[token, direction + 4] if q == token % same_track else _ZERO
                query[token, head, size + 4 + waves + q] = same
    return size + 4 + waves + same_track


@_kernel
def _forget_future(rate, ahead, each, logits):
    """Make of −a (t − t_j) in logits, of frames in order with `each` detections, a −a |t − t_j|.

    rate: a. ahead: the first frame less t. Where none is later than t, nothing changes.
    """
    for j in range(max(0, each * (1 - ahead)), logits.size):
        logits[j] -= _TWO * rate * np.float32(ahead + j // each)


@_kernel
def _look(query, count, keys, values, begin, end, ahead, each, logits, powers, mixed):
    """Set mixed (heads, size + 2) to what queries (heads, ≥ count) see in keys and values (·, tokens).

    They see those from begin to end. ahead: the first frame less the query's; each: the tokens of a frame.
    """
    weights = logits[: end - begin]
    for head in range(len(query)):
        _score(query[head, :count], keys, 0, begin, end, weights)
        _forget_future(query[head, mixed.shape[1] + 1], ahead, each, weights)
        total = _weigh(weights, powers)
        _mix(weights, total, values, 0, begin, end, mixed[head])


@_kernel
def _report(mixed, places, constants, told):
    """Set told (tokens, heads · (size + 3)) to what heads return of mixed (tokens, heads, size + 2).

    That is of each the value, the bounded displacement and the logarithm of its square.
    """
    size = mixed.shape[2] - 2
    for token in range(len(mixed)):
        for head in range(mixed.shape[1]):
            first = head * (size + 3)
            for j in range(size):
                told[token, first + j] = mixed[token, head, j]
            across = mixed[token, head, size] - places[token, 0]
            along = mixed[token, head, size + 1] - places[token, 1]
            squared = across * across + along * along
            scale = _ONE / math.sqrt(_ONE + squared * constants.per_saturation_squared)
            told[token, first + size] = across * scale
            told[token, first + size + 1] = along * scale
            told[token, first + size + 2] = math.log1p(squared)


@_kernel
def _weigh_alone(logits, frames, share, powers):
    """Turn a track's logits (N, ≥ frames) into weights, and set share (frames,) to those of each frame."""
    greatest = _greatest(logits[0, :frames])
    for n in range(1, len(logits)):
        greatest = max(greatest, _greatest(logits[n, :frames]))
    for j in range(frames):
        share[j] = _ZERO
    for n in range(len(logits)):
        weights = logits[n, :frames]
        for j in range(frames):
            weights[j] -= greatest
        _exponentiate(weights, powers)
        for j in range(frames):
            share[j] += weights[j]
    per_total = _ONE / _total(share)
    for j in range(frames):
        share[j] *= per_total
    for n in range(len(logits)):
        weights = logits[n, :frames]
        for j in range(frames):
            weights[j] *= per_total


@_kernel
def _divide(logits, track, frames, share, weights, room, powers):
    """Set weights (N, ≥ frames) of a track to share (frames,), divided by the odds that one is its own.

    logits (N, N, ≥ frames): of the tracks, of each of a frame's detections. With m the greatest logit of the
    others and S their sum of exp(ℓ_q − m), the odds are exp(ℓ_p − m) / S. room (3, ≥ frames).
    """
    particles = len(logits)
    best, others, term = room[0, :frames], room[1, :frames], room[2, :frames]
    for n in range(particles):
        weight, own = weights[n, :frames], logits[track, n, :frames]
        for j in range(frames):
            weight[j] = _NEVER
        for q in range(particles):
            if q != track:
                other = logits[q, n, :frames]
                for j in range(frames):
                    weight[j] = other[j] if other[j] > weight[j] else weight[j]
        for j in range(frames):
            weight[j] = own[j] - weight[j]
            best[j] = weight[j] if n == 0 or weight[j] > best[j] else best[j]
    for n in range(particles):
        weight, own = weights[n, :frames], logits[track, n, :frames]
        for j in range(frames):
            others[j] = _ONE if particles == 2 else _ZERO
        if particles > 2:
            for q in range(particles):
                if q != track:
                    other = logits[q, n, :frames]
                    for j in range(frames):
                        term[j] = other[j] - own[j] + weight[j]
                    _exponentiate(term, powers)
                    for j in range(frames):
                        others[j] += term[j]
        for j in range(frames):
            weight[j] -= best[j]
        _exponentiate(weight, powers)
        for j in range(frames):
            weight[j] /= others[j]
    total = others
    for j in range(frames):
        total[j] = _ZERO
    for n in range(particles):
        weight = weights[n, :frames]
        for j in range(frames):
            total[j] += weight[j]
    for n in range(particles):
        weight = weights[n, :frames]
        for j in range(frames):
            weight[j] *= share[j] / total[j]


@_kernel
def follow_geometric(
    parameters,
    constants,
    heads,
    pointers,
    clock,
    own_keys,
    own_values,
    keys,
    values,
    pointer_keys,
    decoder_lookback,
    begin_seen,
    end_seen,
    fed_back,
    outputs,
    begin,
    end,
):
    """As follow_plain, by a geometric network.

    clock (T, 1 + waves): time and waves of the frames, as in keys. own_keys and keys (rows, L, ·, T N):
    content, then geometry. own_values and values (rows, L, d / heads + 2, T N). pointer_keys (rows, ·, N T):
    a frame's first detection in all frames, then its second, …
    """
    rows, layers, _, tokens = keys.shape
    frames, particles = fed_back.shape[1:3]
    dimension, width = parameters.token.shape[1], parameters.inner.shape[3]
    sequences = rows // len(parameters.token)
    size, pointed_size = dimension // heads, dimension // pointers
    waves = clock.shape[1] - 1
    most = min(_ROWS_AT_A_TIME, sequences) * particles
    all_x = np.empty((most, dimension), np.float32)
    all_normal = np.empty((most, dimension), np.float32)
    all_raw = np.empty((most, parameters.query.shape[3]), np.float32)
    all_raw_cross = np.empty((most, parameters.cross_query.shape[3]), np.float32)
    all_raw_pointer = np.empty((most, parameters.pointer_query.shape[2]), np.float32)
    all_query = np.empty((most, heads, size + 4 + waves + particles), np.float32)
    all_pointing = np.empty((most, pointers, pointed_size + 4 + waves), np.float32)
    all_key_value = np.empty((most, 2 * size), np.float32)
    all_mixed = np.empty((most, heads, size + 2), np.float32)
    all_told = np.empty((most, heads * (size + 3)), np.float32)
    all_gates = np.empty((most, 2 * pointers), np.float32)
    all_hidden, bells = np.empty((most, width), np.float32), np.empty(most * width, np.float32)
    all_places = np.empty((most, 2), np.float32)
    all_away = np.empty((most, 2), np.float32)
    moved = np.empty((most, 2), np.float32)
    logits, powers = np.empty(tokens, np.float32), np.empty(max(tokens, most * width), np.int32)
    pointed = np.empty((particles, particles, frames), np.float32)
    shared = np.empty((particles, particles, frames), np.float32)
    divided, rest = np.empty((particles, frames), np.float32), np.empty((3, frames), np.float32)
    share = np.empty(frames, np.float32)
    for replicate, first_row, end_row in _blocks(rows, sequences):
        lanes = (end_row - first_row) * particles
        x, normal, hidden, key_value = (
            all_x[:lanes],
            all_normal[:lanes],
            all_hidden[:lanes],
            all_key_value[:lanes],
        )
        places, away, mixed, told = all_places[:lanes], all_away[:lanes], all_mixed[:lanes], all_told[:lanes]
        raw, raw_cross, raw_pointer = all_raw[:lanes], all_raw_cross[:lanes], all_raw_pointer[:lanes]
        query, pointing, gates = all_query[:lanes], all_pointing[:lanes], all_gates[:lanes]
        for t in range(begin, end):
            own_begin, own_end = max(0, t - decoder_lookback) * particles, t * particles
            first, seen = begin_seen[t], end_seen[t] - begin_seen[t]
            seen_begin, seen_end = first * particles, end_seen[t] * particles
            for lane in range(lanes):
                for i in range(2):
                    places[lane, i] = fed_back[first_row + lane // particles, t - 1, lane % particles, i]
                for j in range(dimension):
                    x[lane, j] = parameters.token[replicate, j]
            _lead_away(places, particles, constants, away, logits, powers)
            for layer in range(layers):
                _normalise(x, normal)
                _map(normal, parameters.key_value[replicate, layer], key_value)
                for lane in range(lanes):
                    row, p = first_row + lane // particles, lane % particles
                    place = own_end - particles + p
                    for j in range(size):
                        own_keys[row, layer, j, place] = key_value[lane, j]
                        own_values[row, layer, j, place] = key_value[lane, size + j]
                    across, along = places[lane, 0], places[lane, 1]
                    own_keys[row, layer, size, place] = own_values[row, layer, size, place] = across
                    own_keys[row, layer, size + 1, place] = own_values[row, layer, size + 1, place] = along
                    own_keys[row, layer, size + 2, place] = across * across + along * along
                    for j in range(1 + waves):
                        own_keys[row, layer, size + 3 + j, place] = clock[t, j]
                    for q in range(particles):
                        own_keys[row, layer, size + 4 + waves + q, place] = _ONE if q == p else _ZERO
                _map(normal, parameters.query[replicate, layer], raw)
                count = _ask(raw, heads, clock[t], places, away, particles, 0, constants, query)
                for lane in range(lanes):
                    row, ask = first_row + lane // particles, query[lane]
                    key, value, ahead = own_keys[row, layer], own_values[row, layer], own_begin - own_end
                    _look(
                        ask,
                        count,
                        key,
                        value,
                        own_begin,
                        own_end,
                        ahead,
                        particles,
                        logits,
                        powers,
                        mixed[lane],
                    )
                _report(mixed, places, constants, told)
                _map(told, parameters.out[replicate, layer], normal)
                _add(normal, x)
                _normalise(x, normal)
                _map(normal, parameters.cross_query[replicate, layer], raw_cross)
                count = _ask(raw_cross, heads, clock[t], places, away, 0, 1, constants, query)
                for lane in range(lanes):
                    row, ask = first_row + lane // particles, query[lane]
                    key, value, ahead = keys[row, layer], values[row, layer], first - t
                    _look(
                        ask,
                        count,
                        key,
                        value,
                        seen_begin,
                        seen_end,
                        ahead,
                        particles,
                        logits,
                        powers,
                        mixed[lane],
                    )
                _report(mixed, places, constants, told)
                _map(told, parameters.cross_out[replicate, layer], normal)
                _add(normal, x)
                inner, outer = parameters.inner[replicate, layer], parameters.outer[replicate, layer]
                _add_feed_forward(x, inner, outer, normal, hidden, bells[: hidden.size], powers)
            _normalise(x, normal)
            _map(normal, parameters.pointer_query[replicate], raw_pointer)
            _ask(raw_pointer, pointers, clock[t], places, away, 0, 1, constants, pointing)
            _map(normal, parameters.gate_share[replicate], gates)
            for lane in range(lanes):
                # From logits of gates and shares to how much of its displacement a pointer moves the track.
                total = _weigh(gates[lane, pointers:], powers)
                for pointer in range(pointers):
                    gate = _ONE / (_ONE + math.exp(-gates[lane, pointer]))
                    gates[lane, pointer] = gate * gates[lane, pointers + pointer] / total
                moved[lane, 0] = moved[lane, 1] = _ZERO
            for row in range(first_row, end_row):
                key = pointer_keys[row]
                for pointer in range(pointers):
                    for p in range(particles):
                        lane = (row - first_row) * particles + p
                        ask = pointing[lane, pointer]
                        itself = _ZERO
                        if particles > 2:
                            for i in range(2):
                                place = places[lane, i]
                                itself += (ask[pointed_size + i] + ask[pointed_size + 2] * place) * place
                            itself += ask[pointed_size + 3] * clock[t, 0]
                        for n in range(particles):
                            slot, from_slot = pointed[p, n, :seen], n * frames + first
                            _score(ask, key, 0, from_slot, from_slot + seen, slot)
                            _forget_future(ask[pointed_size + 3], first - t, 1, slot)
                            for j in range(seen):
                                slot[j] -= itself
                                shared[p, n, j] = slot[j]
                    for p in range(particles):
                        lane = (row - first_row) * particles + p
                        weights = shared[p]
                        _weigh_alone(weights, seen, share[:seen], powers)
                        if constants.division and particles > 1:
                            weights = divided
                            _divide(pointed, p, seen, share[:seen], weights, rest, powers)
                        for i in range(2):
                            place = _ZERO
                            for n in range(particles):
                                # The positions of detections are in the keys, after the content.
                                from_slot = n * frames + first
                                positions = key[pointed_size + i, from_slot : from_slot + seen]
                                place += _dot(weights[n, :seen], positions)
                            moved[lane, i] += gates[lane, pointer] * (place - places[lane, i])
            for lane in range(lanes):
                row, p = first_row + lane // particles, lane % particles
                for i in range(2):
                    outputs[row, t, p, i] = places[lane, i] + moved[lane, i]
