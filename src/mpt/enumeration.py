"""N-scan pruning by enumeration of every hypothesis of the window, compiled.

A hypothesis is one permutation of detections over tracks for each frame of the window. Numbered by its
permutations as digits, the oldest frame first, the lexicographically first hypothesis has the lowest number
and the siblings of a decision are one contiguous range. What a track has been through, its history, is
numbered alike by its own detections. Hypotheses in which a track has the same history share its filter, so
that nothing is filtered twice. The newest digit is kept apart, as an axis before the others, since every
history meets every detection.
"""

from itertools import permutations

import numpy as np

from mpt.compiled import compiled

# Hypotheses that are equal by symmetry differ by rounding: costs within this fraction of the least are tied.
TIE = 2.0**-40


def permutation_table(particles: int) -> np.ndarray:
    """Return the N! permutations (N!, N) in lexicographic order: row p gives each track its detection."""
    return np.array(list(permutations(range(particles))), dtype=np.int64)


def history_table(particles: int, depth: int) -> np.ndarray:
    """Return the number (N, N!^depth) of each track's history in each hypothesis of `depth` frames."""
    permutation = permutation_table(particles)
    history = np.zeros((particles, 1), dtype=np.int64)
    for _ in range(depth):
        history = (history[:, :, None] * particles + permutation.T[:, None, :]).reshape(particles, -1)
    return history


@compiled
def decide(measurements, initial, lookback, permutation, history, precision, gain, detection, margin, cost):
    """Decide every frame of every sequence.

    measurements (B, T, N, 2), initial (B, N, 2): float64, pixels, finite.
    lookback: K, from 1 to T - 1.
    permutation (N!, N) and history (N, N!^(K - 1)): permutation_table(N) and history_table(N, K - 1).
    precision (T,): 1 / S; gain (T, 2): K of position and velocity.

    Out, as in mht.Decisions: detection and margin (B, T, N), both from frame 1 on; cost (B,).
    How many floating-point operations it takes depends on B, T, N and K alone.
    """
    B, T, N, _ = measurements.shape
    P = len(permutation)
    # Of each track and history: x, y, dx, dy and the cost so far; twice, to go from frame to frame.
    states = np.empty((2, N, 5, N ** (lookback - 1)))
    extended = np.empty((N, N, N ** (lookback - 1)))
    total = np.empty((P, P ** (lookback - 1)))
    for b in range(B):
        state, following = states[0], states[1]
        for i in range(N):
            state[i, 0, 0] = initial[b, i, 0]
            state[i, 1, 0] = initial[b, i, 1]
            state[i, 2:, 0] = 0.0
        # How many histories and hypotheses the undecided frames have, and what the digits that a growing
        # window lacks add to the numbers in `history`: they are permutation 0, where track i has detection i.
        histories = 1
        hypotheses = 1
        lacking = 0
        for k in range(lookback - 1):
            lacking += N**k
        for t in range(1, T):
            for i in range(N):
                for h in range(histories):
                    state[i, 0, h] += state[i, 2, h]
                    state[i, 1, h] += state[i, 3, h]
                for j in range(N):
                    for h in range(histories):
                        x = measurements[b, t, j, 0] - state[i, 0, h]
                        y = measurements[b, t, j, 1] - state[i, 1, h]
                        extended[i, j, h] = state[i, 4, h] + (x * x + y * y) * precision[t]
            for p in range(P):
                for a in range(hypotheses):
                    total[p, a] = extended[0, permutation[p, 0], history[0, a]]
                for i in range(1, N):
                    for a in range(hypotheses):
                        total[p, a] += extended[i, permutation[p, i], history[i, a] - i * lacking]
            full = t >= lookback
            newest, best = _first_of_least(total, hypotheses)
            oldest = newest if lookback == 1 else best // max(hypotheses // P, 1)
            if t == T - 1:
                _decide_window(b, t, lookback, permutation, total, newest, best, detection, margin)
                cost[b] = total[newest, best]
                break
            if full:
                frame = t - lookback + 1
                _decide_frame(
                    b, frame, 0, oldest, permutation, total, hypotheses, newest, best, detection, margin
                )
            for i in range(N):
                # The survivors: all, or the descendants of the decision.
                first, parents, first_j, last_j = 0, histories, 0, N
                if full and lookback == 1:
                    first_j = permutation[oldest, i]
                    last_j = first_j + 1
                elif full:
                    parents = histories // N
                    first = permutation[oldest, i] * parents
                children = last_j - first_j
                for j in range(first_j, last_j):
                    for h in range(parents):
                        parent = first + h
                        child = h * children + j - first_j
                        x = measurements[b, t, j, 0] - state[i, 0, parent]
                        y = measurements[b, t, j, 1] - state[i, 1, parent]
                        following[i, 0, child] = state[i, 0, parent] + gain[t, 0] * x
                        following[i, 1, child] = state[i, 1, parent] + gain[t, 0] * y
                        following[i, 2, child] = state[i, 2, parent] + gain[t, 1] * x
                        following[i, 3, child] = state[i, 3, parent] + gain[t, 1] * y
                        following[i, 4, child] = extended[i, j, parent]
            state, following = following, state
            if not full:
                lacking -= histories
                histories *= N
                hypotheses *= P


@compiled
def _first_of_least(total, hypotheses):
    """Return the first hypothesis of least cost: its newest permutation and the number of its older ones."""
    least = np.inf
    for p in range(len(total)):
        for a in range(hypotheses):
            least = min(least, total[p, a])
    threshold = least + TIE * least
    newest, best = 0, 0
    before = hypotheses
    for p in range(len(total)):
        for a in range(before):
            if total[p, a] <= threshold:
                newest, best = p, a
                before = a
                break
    return newest, best


@compiled
def _decide_window(b, t, window, permutation, total, newest, best, detection, margin):
    """Decide all frames of the window that ends at frame t."""
    P = len(permutation)
    hypotheses = P ** (window - 1)
    older = best
    digit = newest
    for k in range(window - 1, -1, -1):
        frame = t - window + 1 + k
        _decide_frame(b, frame, k, digit, permutation, total, hypotheses, newest, best, detection, margin)
        digit = older % P
        older //= P


@compiled
def _decide_frame(b, frame, k, digit, permutation, total, hypotheses, newest, best, detection, margin):
    """Give each track its detection by permutation `digit` of the window's k-th frame, and its margin."""
    P, N = permutation.shape
    # The least cost by permutation of that frame. A digit of the older ones has `below` numbers below it.
    least = np.full(P, np.inf)
    below = hypotheses // P ** (k + 1)
    for p in range(P):
        if below == 0:
            for a in range(hypotheses):
                least[p] = min(least[p], total[p, a])
        else:
            for first in range(0, hypotheses, below):
                q = first // below % P
                for a in range(first, first + below):
                    least[q] = min(least[q], total[p, a])
    for i in range(N):
        other = np.inf
        for q in range(P):
            if permutation[q, i] != permutation[digit, i]:
                other = min(other, least[q])
        detection[b, frame, i] = permutation[digit, i]
        # Among tied hypotheses the first one may cost more by rounding.
        margin[b, frame, i] = max(other - total[newest, best], 0.0)


@compiled
def decide_refiltered(
    measurements, initial, lookback, permutation, history, precision, gain, detection, margin, cost
):
    """Decide as `decide` does, filtering every hypothesis of the window anew in every frame.

    This is the tracker as it is usually described: N!^K hypotheses of K filter steps of N tracks a frame.
    It is there to be counted; `history` is not used.
    """
    B, T, N, _ = measurements.shape
    P = len(permutation)
    total = np.empty((P, P ** (lookback - 1)))
    root = np.empty((N, 5))
    for b in range(B):
        for i in range(N):
            root[i, 0] = initial[b, i, 0]
            root[i, 1] = initial[b, i, 1]
            root[i, 2:] = 0.0
        for t in range(1, T):
            window = min(t, lookback)
            hypotheses = P ** (window - 1)
            for p in range(P):
                for a in range(hypotheses):
                    for i in range(N):
                        x, y, dx, dy, distance = root[i, 0], root[i, 1], root[i, 2], root[i, 3], root[i, 4]
                        below = hypotheses
                        for s in range(t - window + 1, t + 1):
                            below //= P
                            j = permutation[a // below % P, i] if below else permutation[p, i]
                            x, y, dx, dy, distance = _filter_step(
                                x, y, dx, dy, distance, measurements[b, s, j], precision[s], gain[s]
                            )
                        total[p, a] = distance if i == 0 else total[p, a] + distance
            newest, best = _first_of_least(total, hypotheses)
            if t == T - 1:
                _decide_window(b, t, lookback, permutation, total, newest, best, detection, margin)
                cost[b] = total[newest, best]
            elif window == lookback:
                oldest = newest if lookback == 1 else best // (hypotheses // P)
                s = t - lookback + 1
                _decide_frame(
                    b, s, 0, oldest, permutation, total, hypotheses, newest, best, detection, margin
                )
                for i in range(N):
                    root[i] = _filter_step(
                        root[i, 0],
                        root[i, 1],
                        root[i, 2],
                        root[i, 3],
                        root[i, 4],
                        measurements[b, s, permutation[oldest, i]],
                        precision[s],
                        gain[s],
                    )


@compiled
def _filter_step(x, y, dx, dy, distance, measurement, precision, gain):
    """Predict, add the squared Mahalanobis distance of the innovation, and update."""
    x += dx
    y += dy
    innovation_x = measurement[0] - x
    innovation_y = measurement[1] - y
    distance += (innovation_x * innovation_x + innovation_y * innovation_y) * precision
    return (
        x + gain[0] * innovation_x,
        y + gain[0] * innovation_y,
        dx + gain[1] * innovation_x,
        dy + gain[1] * innovation_y,
        distance,
    )
