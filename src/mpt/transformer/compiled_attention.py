"""Attention with its gradient for training on one processor thread, compiled.

The weights of a few tokens fit into the fastest cache. So they are never stored, and the backward pass
computes them again: with heads as narrow as these that is faster than products of whole matrices.

Keys and values are copied so that those of consecutive tokens lie side by side, for vector instructions. Keys
`first` to `last` of the kernels are whole vectors, and all widths are filled up with zeros to fours.
"""

from functools import partial

import numpy as np
import torch

from mpt.compiled import compiled

# Tokens, and numbers of a head, that are taken together: their products fill the registers.
_TOGETHER = 4
# Numbers of float32 in the longest vector.
_VECTOR = 16

# e^x = 2^n e^y with n the integer next to x / log 2; log 2 is a sum of two, the first of few digits.
_LEAST = np.float32(-87.0)
_PER_LOG_2 = np.float32(1.44269504)
_LOG_2 = np.float32(0.693359375), np.float32(-2.12194440e-4)
# e^y − 1 − y over y², by falling powers (Cephes, expf).
_SERIES = tuple(
    np.float32(each)
    for each in (1.98756915e-4, 1.39819995e-3, 8.33345191e-3, 4.16657959e-2, 1.66666655e-1, 0.5)
)
_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_FIRST_INTEGER, _LAST_INTEGER = np.int32(-(2**31)), np.int32(2**31 - 1)
# Unsigned, so that no index counts from the end.
_0, _1, _2, _3, _4 = (np.uint64(number) for number in range(5))

# Sums in any order, so that they run in vectors.
_fast = partial(compiled, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
_inlined = _fast(forceinline=True)


def attend(queries, keys, values, heads: int, runs: np.ndarray, scale: float) -> torch.Tensor:
    """Return softmax(scale q k) v (S, L, heads · n) of queries (S, L, heads · m), keys and values.

    The heads are side by side. They have keys (S, K, heads · m) and values (S, K, heads · n) each, or share
    them: (S, K, m) and (S, K, n). Token l sees the keys from runs[l, 0] on and before runs[l, 1], at least
    one; both grow with l.
    """
    return _Attention.apply(*(x.contiguous() for x in (queries, keys, values)), heads, runs, scale)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, queries, keys, values, heads, runs, scale):
        given = (queries, keys, values)
        sequences, tokens, width = queries.shape
        groups = keys.shape[2] * heads // width
        mixed = queries.new_empty(sequences, tokens, values.shape[2] // groups * heads)
        greatest, totals = queries.new_empty(2, sequences, tokens, heads)
        ctx.constants = groups, np.float32(scale), runs
        _mix(
            *_arrays(*given),
            *ctx.constants,
            _room(keys, values, groups, 1),
            *_arrays(mixed, greatest, totals),
        )
        ctx.save_for_backward(*given, mixed, totals.log_().add_(greatest))
        return mixed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        *given, mixed, logarithms = ctx.saved_tensors
        slope = slope.contiguous()
        heads = logarithms.shape[2]
        means = (slope * mixed).unflatten(2, (heads, -1)).sum(-1)
        slopes = [torch.empty_like(x) for x in given]
        room = _room(*given[1:], ctx.constants[0], 2)
        _mix_back(*_arrays(*given, logarithms, slope, means), *ctx.constants, room, *_arrays(*slopes))
        return *slopes, None, None, None


def _arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [x.detach().numpy() for x in tensors]


def _room(keys: torch.Tensor, values: torch.Tensor, groups: int, copies: int) -> np.ndarray:
    """Return rows for so many copies of a head's keys and values, and of a few tokens' weights."""
    # Torch aligns what it reserves, and the rows are whole vectors.
    length = -(-keys.shape[1] // _VECTOR) * _VECTOR
    rows = sum(-(-x.shape[2] // (groups * _TOGETHER)) for x in (keys, values))
    return keys.new_empty(copies * (rows + 1) * _TOGETHER, length).numpy()


@_inlined
def _multiply(a, b, out, first, last):
    """Set out (4, K) to a (4, n) times b (n, K), of the keys `first` to `last`."""
    for c in range(_0, np.uint64(a.shape[1]), _4):
        a_00, a_01, a_02, a_03 = a[0, c], a[0, c + _1], a[0, c + _2], a[0, c + _3]
        a_10, a_11, a_12, a_13 = a[1, c], a[1, c + _1], a[1, c + _2], a[1, c + _3]
        a_20, a_21, a_22, a_23 = a[2, c], a[2, c + _1], a[2, c + _2], a[2, c + _3]
        a_30, a_31, a_32, a_33 = a[3, c], a[3, c + _1], a[3, c + _2], a[3, c + _3]
        if c == _0:
            for j in range(first, last):
                x_0, x_1, x_2, x_3 = b[c, j], b[c + _1, j], b[c + _2, j], b[c + _3, j]
                out[0, j] = a_00 * x_0 + a_01 * x_1 + a_02 * x_2 + a_03 * x_3
                out[1, j] = a_10 * x_0 + a_11 * x_1 + a_12 * x_2 + a_13 * x_3
                out[2, j] = a_20 * x_0 + a_21 * x_1 + a_22 * x_2 + a_23 * x_3
                out[3, j] = a_30 * x_0 + a_31 * x_1 + a_32 * x_2 + a_33 * x_3
        else:
            for j in range(first, last):
                x_0, x_1, x_2, x_3 = b[c, j], b[c + _1, j], b[c + _2, j], b[c + _3, j]
                out[0, j] += a_00 * x_0 + a_01 * x_1 + a_02 * x_2 + a_03 * x_3
                out[1, j] += a_10 * x_0 + a_11 * x_1 + a_12 * x_2 + a_13 * x_3
                out[2, j] += a_20 * x_0 + a_21 * x_1 + a_22 * x_2 + a_23 * x_3
                out[3, j] += a_30 * x_0 + a_31 * x_1 + a_32 * x_2 + a_33 * x_3


@_inlined
def _contract(a, b, out, first, last):
    """Set out (4, n) to a (4, K) times b (n, K) transposed."""
    for c in range(_0, np.uint64(b.shape[0]), _4):
        s_00 = s_01 = s_02 = s_03 = s_10 = s_11 = s_12 = s_13 = _ZERO
        s_20 = s_21 = s_22 = s_23 = s_30 = s_31 = s_32 = s_33 = _ZERO
        for j in range(first, last):
            x_0, x_1, x_2, x_3 = b[c, j], b[c + _1, j], b[c + _2, j], b[c + _3, j]
            y_0, y_1, y_2, y_3 = a[0, j], a[1, j], a[2, j], a[3, j]
            s_00 += y_0 * x_0
            s_01 += y_0 * x_1
            s_02 += y_0 * x_2
            s_03 += y_0 * x_3
            s_10 += y_1 * x_0
            s_11 += y_1 * x_1
            s_12 += y_1 * x_2
            s_13 += y_1 * x_3
            s_20 += y_2 * x_0
            s_21 += y_2 * x_1
            s_22 += y_2 * x_2
            s_23 += y_2 * x_3
            s_30 += y_3 * x_0
            s_31 += y_3 * x_1
            s_32 += y_3 * x_2
            s_33 += y_3 * x_3
        out[0, c], out[0, c + _1], out[0, c + _2], out[0, c + _3] = s_00, s_01, s_02, s_03
        out[1, c], out[1, c + _1], out[1, c + _2], out[1, c + _3] = s_10, s_11, s_12, s_13
        out[2, c], out[2, c + _1], out[2, c + _2], out[2, c + _3] = s_20, s_21, s_22, s_23
        out[3, c], out[3, c + _1], out[3, c + _2], out[3, c + _3] = s_30, s_31, s_32, s_33


# Rows are taken one by one: so Numba sees that what is added to does not overlap.
@_inlined
def _accumulate(a, b, out, first, last):
    """Add b (4, n) transposed times a (4, K) to out (n, K)."""
    a_0, a_1, a_2, a_3 = a[0, first:last], a[1, first:last], a[2, first:last], a[3, first:last]
    for c in range(_0, np.uint64(b.shape[1]), _4):
        out_0, out_1 = out[c, first:last], out[c + _1, first:last]
        out_2, out_3 = out[c + _2, first:last], out[c + _3, first:last]
        b_00, b_01, b_02, b_03 = b[0, c], b[0, c + _1], b[0, c + _2], b[0, c + _3]
        b_10, b_11, b_12, b_13 = b[1, c], b[1, c + _1], b[1, c + _2], b[1, c + _3]
        b_20, b_21, b_22, b_23 = b[2, c], b[2, c + _1], b[2, c + _2], b[2, c + _3]
        b_30, b_31, b_32, b_33 = b[3, c], b[3, c + _1], b[3, c + _2], b[3, c + _3]
        for j in range(out_0.size):
            y_0, y_1, y_2, y_3 = a_0[j], a_1[j], a_2[j], a_3[j]
            out_0[j] += b_00 * y_0 + b_10 * y_1 + b_20 * y_2 + b_30 * y_3
            out_1[j] += b_01 * y_0 + b_11 * y_1 + b_21 * y_2 + b_31 * y_3
            out_2[j] += b_02 * y_0 + b_12 * y_1 + b_22 * y_2 + b_32 * y_3
            out_3[j] += b_03 * y_0 + b_13 * y_1 + b_23 * y_2 + b_33 * y_3


@_inlined
def _exponentiate(x, less, totals, first, last):
    """Set x (4, K) to e^(x − less), and totals (4,) to its sums; less (4,) is no less than x, or hardly."""
    for r in range(_TOGETHER):
        much, total = less[r], _ZERO
        for j in range(first, last):
            y = x[r, j] - much
            # Not max(), so that what is no number stays none.
            y = _LEAST if y < _LEAST else y
            n = np.floor(y * _PER_LOG_2 + _HALF)
            y = y - n * _LOG_2[0] - n * _LOG_2[1]
            p = _SERIES[0]
            p = p * y + _SERIES[1]
            p = p * y + _SERIES[2]
            p = p * y + _SERIES[3]
            p = p * y + _SERIES[4]
            p = p * y + _SERIES[5]
            # The exponent of a float32 stands above its 23 other digits.
            power = np.int32((np.int32(n) + 127) << 23).view(np.float32)
            x[r, j] = (p * y * y + y + _ONE) * power
            total += x[r, j]
        totals[r] = total


@_inlined
def _weigh(weights, less, x, first, last):
    """Set x (4, K) to (x − less) times the weights (4, K); less (4,)."""
    for r in range(_TOGETHER):
        much = less[r]
        for j in range(first, last):
            x[r, j] = (x[r, j] - much) * weights[r, j]


@_inlined
def _hide(x, runs, begin, end, first, last):
    """Set the logits x (4, K) of tokens begin … end − 1 to −∞ outside their runs."""
    for r in range(end - begin):
        for j in range(first, runs[begin + r, 0]):
            x[r, j] = -np.inf
        for j in range(runs[begin + r, 1], last):
            x[r, j] = -np.inf


@_inlined
def _in_order(bits):
    """Return numbers, given as their bits, as integers in the same order, and these as those."""
    # As integers, numbers less than 0 are in the order of their magnitudes.
    return np.int32(bits ^ np.int32(np.int32(bits >> 31) & _LAST_INTEGER))


@_inlined
def _greatest(bits, out, first, last):
    """Set out (4,) to the greatest of each row of (4, K); all numbers are given as their bits."""
    # There are vector instructions for the greatest integer.
    top_0 = top_1 = top_2 = top_3 = _FIRST_INTEGER
    for j in range(first, last):
        top_0 = max(top_0, _in_order(bits[0, j]))
        top_1 = max(top_1, _in_order(bits[1, j]))
        top_2 = max(top_2, _in_order(bits[2, j]))
        top_3 = max(top_3, _in_order(bits[3, j]))
    out[0], out[1], out[2], out[3] = _in_order(top_0), _in_order(top_1), _in_order(top_2), _in_order(top_3)


@_inlined
def _transpose(x, column, width, scale, out):
    """Copy `width` columns of x (K, ·) from `column` on, times scale, to out's first rows; the rest is 0."""
    for c in range(width):
        row = out[c]
        for j in range(x.shape[0]):
            row[j] = x[j, column + c] * scale
        row[x.shape[0] :] = _ZERO
    out[width:] = _ZERO


@_inlined
def _transpose_back(x, column, width, scale, out):
    """Copy x, times scale, to where _transpose takes it from."""
    for j in range(out.shape[0]):
        for c in range(width):
            out[j, column + c] = x[c, j] * scale


@_inlined
def _take(x, begin, end, column, width, out):
    """Copy `width` columns of x (L, ·) from `column` on, rows begin … end − 1, to the first of out."""
    for r in range(end - begin):
        for c in range(width):
            out[r, c] = x[begin + r, column + c]


@_fast()
def _mix(queries, keys, values, groups, scale, runs, room, mixed, greatest, totals):
    """Set mixed (S, L, heads · n), the greatest logits (S, L, heads) and the totals of exponentials.

    The exponentials are of what logits are less than the greatest.
    """
    sequences, tokens, heads = totals.shape
    m, n = keys.shape[2] // groups, values.shape[2] // groups
    m_4, n_4 = -(-m // _TOGETHER) * _TOGETHER, -(-n // _TOGETHER) * _TOGETHER
    key_rows, value_rows, weights = room[:m_4], room[m_4 : m_4 + n_4], room[m_4 + n_4 :]
    query, found = np.zeros((_TOGETHER, m_4), np.float32), np.empty((_TOGETHER, n_4), np.float32)
    top, total = np.empty(_TOGETHER, np.float32), np.empty(_TOGETHER, np.float32)
    bits, top_bits = weights.view(np.int32), top.view(np.int32)
    for s in range(sequences):
        query_rows, mixed_rows, greatest_rows, total_rows = queries[s], mixed[s], greatest[s], totals[s]
        for head in range(heads):
            if head % (heads // groups) == 0:
                group = head // (heads // groups)
                _transpose(keys[s], group * m, m, scale, key_rows)
                _transpose(values[s], group * n, n, _ONE, value_rows)
            for begin in range(0, tokens, _TOGETHER):
                end = min(begin + _TOGETHER, tokens)
                first = runs[begin, 0] // _VECTOR * _VECTOR
                last = -(-runs[end - 1, 1] // _VECTOR) * _VECTOR
                near = np.uint64(first), np.uint64(last)
                _take(query_rows, begin, end, head * m, m, query)
                _multiply(query, key_rows, weights, near[0], near[1])
                _hide(weights, runs, begin, end, first, last)
                _greatest(bits, top_bits, near[0], near[1])
                _exponentiate(weights, top, total, near[0], near[1])
                _contract(weights, value_rows, found, near[0], near[1])
                for r in range(end - begin):
                    greatest_rows[begin + r, head], total_rows[begin + r, head] = top[r], total[r]
                    share = _ONE / total[r]
                    for c in range(n):
                        mixed_rows[begin + r, head * n + c] = found[r, c] * share


@_fast()
def _mix_back(
    queries, keys, values, logarithms, slope, means, groups, scale, runs, room, of_queries, of_keys, of_values
):
    """Set the gradients of queries, keys and values.

    slope is the gradient of mixed, means (S, L, heads) its product with mixed, and logarithms (S, L, heads)
    those of the sums of exponentials.
    """
    sequences, tokens, heads = logarithms.shape
    m, n = keys.shape[2] // groups, values.shape[2] // groups
    m_4, n_4 = -(-m // _TOGETHER) * _TOGETHER, -(-n // _TOGETHER) * _TOGETHER
    key_rows, value_rows = room[:m_4], room[m_4 : m_4 + n_4]
    sums = room[m_4 + n_4 : 2 * (m_4 + n_4)]
    of_key_rows, of_value_rows = sums[:m_4], sums[m_4:]
    weights, of_logits = room[-2 * _TOGETHER : -_TOGETHER], room[-_TOGETHER:]
    query, found = np.zeros((_TOGETHER, m_4), np.float32), np.empty((_TOGETHER, m_4), np.float32)
    pull, total = np.zeros((_TOGETHER, n_4), np.float32), np.empty(_TOGETHER, np.float32)
    logarithm, mean = np.empty(_TOGETHER, np.float32), np.zeros(_TOGETHER, np.float32)
    for s in range(sequences):
        query_rows, slope_rows, of_query_rows = queries[s], slope[s], of_queries[s]
        logarithm_rows, mean_rows = logarithms[s], means[s]
        for group in range(groups):
            _transpose(keys[s], group * m, m, scale, key_rows)
            _transpose(values[s], group * n, n, _ONE, value_rows)
            sums[:] = _ZERO
            for head in range(group * (heads // groups), (group + 1) * (heads // groups)):
                for begin in range(0, tokens, _TOGETHER):
                    end = min(begin + _TOGETHER, tokens)
                    first = runs[begin, 0] // _VECTOR * _VECTOR
                    last = -(-runs[end - 1, 1] // _VECTOR) * _VECTOR
                    near = np.uint64(first), np.uint64(last)
                    if end - begin < _TOGETHER:
                        # Tokens that the last few lack pull at nothing and have no weights.
                        pull[:] = _ZERO
                        logarithm[:] = np.inf
                    _take(query_rows, begin, end, head * m, m, query)
                    _take(slope_rows, begin, end, head * n, n, pull)
                    for r in range(end - begin):
                        logarithm[r] = logarithm_rows[begin + r, head]
                        mean[r] = mean_rows[begin + r, head]
                    _multiply(query, key_rows, weights, near[0], near[1])
                    _hide(weights, runs, begin, end, first, last)
                    _exponentiate(weights, logarithm, total, near[0], near[1])
                    _accumulate(weights, pull, of_value_rows, near[0], near[1])
                    _multiply(pull, value_rows, of_logits, near[0], near[1])
                    _weigh(weights, mean, of_logits, near[0], near[1])
                    _contract(of_logits, key_rows, found, near[0], near[1])
                    _accumulate(of_logits, query, of_key_rows, near[0], near[1])
                    for r in range(end - begin):
                        for c in range(m):
                            of_query_rows[begin + r, head * m + c] = found[r, c]
            _transpose_back(of_key_rows, group * m, m, scale, of_keys[s])
            _transpose_back(of_value_rows, group * n, n, _ONE, of_values[s])
