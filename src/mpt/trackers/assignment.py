"""N-scan pruning by branch and bound, exact where hypotheses are too many to enumerate.

The best hypothesis of a window is a multidimensional assignment: one history for each track at the least
total cost, such that each detection belongs to one track. Put a price on every detection and let each track
choose its cheapest history whatever the others choose: what they pay, less the prices of all detections,
bounds the least cost from below (Lagrangian relaxation; Poore & Robertson 1997). Where tracks compete the
price rises, until the bound is close. A search then goes through the window, frame by frame and track by
track, and leaves out what by this bound costs more than the best hypothesis known. When nothing is left,
that hypothesis is proven to be best.

All histories are held, which few tracks and margins need; mpt.trackers.sparse holds only those that matter.

Of a window of w frames there are, with histories numbered as in mpt.enumeration:
    costs (N, N^w): the cost of each track's histories;
    path (w, N): the detection of each track in each frame;
    price (w, N): the price of each detection in each frame;
    forbidden (3,): a track, a frame and a detection that must not come together; -1 for none;
    twin (N,): for each track one before it with the same costs, -1 for none;
    cheapest (N, …): what each track pays at least for costs and the frames after the k-th, for each history
    of the
        first k frames, from number offset[k] on.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from mpt.compiled import compiled
from mpt.trackers import enumeration
from mpt.trackers.enumeration import TIE

_NOTHING = np.full(3, -1)


def decide(
    measurements, initial, lookback, precision, gain, detection, margin, cost, windows, gap, kept, limit
) -> None:
    """Decide every frame of every sequence, as enumeration.decide does.

    margin may be None, and must be where pairs are left out (kept). Out, too: gap (B, T), from frame 1 on:
    the cost of the best hypothesis known of the window in which the frame was decided, or of the window that
    ends there if windows are asked for, less the lower bound of all; 0 where it is proven to be the best.
    limit: how many nodes of the search are visited for a window at most.
    """
    B, T, N, _ = measurements.shape
    tracks = tuple(range(N))
    own = np.arange(N)
    nobody = np.full(N, -1)
    states = np.empty((2, N, 5, N ** (lookback - 1)))
    extended = np.empty(N ** (lookback + 1))
    offset = np.concatenate([[0], np.cumsum(N ** np.arange(lookback))])
    cheapest = np.empty((N, offset[-1]))
    for b in range(B):
        state, following = states
        state[:, :2, 0] = initial[b]
        state[:, 2:, 0] = 0
        path, price = np.empty((0, N), np.int64), np.empty((0, N))
        ending = np.zeros(T)
        for t in range(1, T):
            histories = N ** (min(t, lookback) - 1)
            costs = extended[: N * N * histories].reshape(N, N, histories)
            enumeration.extend(b, t, tracks, histories, measurements, precision, state, costs)
            newest = own
            if len(kept):
                enumeration.forbid(kept[b, t], histories, costs)
                newest = linear_sum_assignment(~kept[b, t])[1]
            path, price = np.vstack([path, newest]), np.vstack([price, np.zeros(N)])
            by_history = costs.reshape(N, -1)
            begin = max(t - lookback + 1, 1)
            # Tracks that may have different detections do not cost alike.
            twin = _twins(initial[b]) if begin == 1 and not len(kept) else nobody
            cost[b], bound = _solve(by_history, path, price, _NOTHING, twin, offset, cheapest, limit)
            if not np.isfinite(cost[b]):
                break
            decided = len(path) if t == T - 1 else int(t >= lookback)
            detection[b, begin : begin + decided] = path[:decided]
            gap[b, begin : begin + decided] = cost[b] - bound
            if len(windows):
                windows[b, t, : len(path)] = path
                ending[t] = cost[b] - bound
            if margin is not None:
                for k in range(decided):
                    margin[b, begin + k] = _margins(
                        k, cost[b], by_history, path, price, twin, offset, cheapest, limit
                    )
            if t < T - 1:
                digit = ((path[0] - own) % N if decided else np.zeros(N)).astype(np.uint32)
                enumeration.advance(
                    b, t, tracks, lookback, histories, digit, measurements, gain, state, costs, following
                )
                state, following = following, state
                path, price = path[decided:], price[decided:]
        if len(windows):
            gap[b] = ending


def _twins(initial):
    """Return for each track the last one before it that starts at the same point, -1 for none."""
    twin = np.full(len(initial), -1)
    for i, start in enumerate(initial):
        alike = np.flatnonzero((initial[:i] == start).all(axis=1))
        if len(alike):
            twin[i] = alike[-1]
    return twin


def _solve(costs, path, price, forbidden, twin, offset, cheapest, limit) -> tuple[float, float]:
    """Make path the best hypothesis, starting from it and from these prices.

    Returns its cost and the lower bound, the same if it is proven. Ties go to the lexicographically first.
    """
    _exchange(costs, path, forbidden)
    cost = _cost(costs, path)
    nodes, allowed, iterations = 0, min(64, limit), 8
    while True:
        bound = _raise_prices(iterations, cost, costs, price, forbidden, offset, cheapest)
        visited, complete = _search(
            bound, cost * (1 - TIE), False, costs, path, price, forbidden, twin, offset, cheapest, allowed
        )
        cost = _cost(costs, path)
        nodes += visited
        if complete:
            _search(
                bound, cost * (1 + TIE), True, costs, path, price, forbidden, twin, offset, cheapest, limit
            )
            cost = _cost(costs, path)
            return cost, cost
        if nodes >= limit:
            return cost, bound
        allowed = min(2 * allowed, limit - nodes)
        iterations = min(2 * iterations, 256)


def _margins(k, cost, costs, path, price, twin, offset, cheapest, limit) -> np.ndarray:
    """Return how much more it costs to give each track another detection in the k-th frame."""
    N = len(costs)
    margin = np.full(N, np.inf)
    for i in range(N) if N > 1 else ():
        exchanges = np.repeat(path[None], N - 1, axis=0)
        others = np.delete(np.arange(N), i)
        exchanges[:, k, i] = path[k, others]
        exchanges[np.arange(N - 1), k, others] = path[k, i]
        other = min(exchanges, key=lambda exchanged: _cost(costs, exchanged))
        # What is forbidden to one track makes it unlike those that cost the same.
        alike = np.where(twin == i, twin[i], twin)
        alike[i] = -1
        forbidden = np.array([i, k, path[k, i]])
        _, bound = _solve(costs, other, price.copy(), forbidden, alike, offset, cheapest, limit)
        margin[i] = max(bound - cost, 0.0)
    return margin


@compiled
def _number(i, path):
    """Return the number of track i's history."""
    N = path.shape[1]
    number, weight = 0, 1
    for k in range(len(path)):
        number += (path[k, i] - i) % N * weight
        weight *= N
    return number


@compiled
def _cost(costs, path):
    total = costs[0, _number(0, path)]
    for i in range(1, len(costs)):
        total += costs[i, _number(i, path)]
    return total


@compiled
def _exchange(costs, path, forbidden):
    """Improve path until no two tracks do better by exchanging their detections in some of the frames."""
    frames, N = path.shape
    step_i = np.empty(frames, np.int64)
    step_m = np.empty(frames, np.int64)
    improving = True
    while improving:
        improving = False
        for i in range(N):
            for m in range(i + 1, N):
                barred = -1
                for k in range(frames):
                    weight = N**k
                    step_i[k] = ((path[k, m] - i) % N - (path[k, i] - i) % N) * weight
                    step_m[k] = ((path[k, i] - m) % N - (path[k, m] - m) % N) * weight
                    if forbidden[1] == k and (
                        (forbidden[0] == i and forbidden[2] == path[k, m])
                        or (forbidden[0] == m and forbidden[2] == path[k, i])
                    ):
                        barred = k
                history_i, history_m = _number(i, path), _number(m, path)
                # Better by more than what is rounded, lest it go on for ever.
                least = (costs[i, history_i] + costs[m, history_m]) * (1 - TIE)
                best = exchanged = 0
                for count in range(1, 2**frames):
                    # Gray code: one more frame is exchanged, or one less.
                    k = 0
                    while count >> k & 1 == 0:
                        k += 1
                    exchanged ^= 1 << k
                    sign = 1 if exchanged >> k & 1 else -1
                    history_i += sign * step_i[k]
                    history_m += sign * step_m[k]
                    allowed = barred < 0 or exchanged >> barred & 1 == 0
                    if allowed and costs[i, history_i] + costs[m, history_m] < least:
                        least = costs[i, history_i] + costs[m, history_m]
                        best = exchanged
                for k in range(frames):
                    if best >> k & 1:
                        path[k, i], path[k, m] = path[k, m], path[k, i]
                        improving = True


@compiled
def _bound(costs, price, forbidden, offset, cheapest):
    """Return the lower bound by these prices, and fill in `cheapest`."""
    frames, N = price.shape
    bound = 0.0
    for i in range(N):
        for k in range(frames - 1, -1, -1):
            histories = N**k
            here = cheapest[i, offset[k] : offset[k] + histories]
            here[:] = np.inf
            for d in range(N):
                j = (i + d) % N
                if forbidden[0] == i and forbidden[1] == k and forbidden[2] == j:
                    continue
                charge = price[k, j]
                if k == frames - 1:
                    longer = costs[i, d * histories : (d + 1) * histories]
                else:
                    begin = offset[k + 1] + d * histories
                    longer = cheapest[i, begin : begin + histories]
                for h in range(histories):
                    here[h] = min(here[h], longer[h] + charge)
        bound += cheapest[i, 0]
    for k in range(frames):
        for j in range(N):
            bound -= price[k, j]
    return bound


@compiled
def _pays(i, k, history, frames, costs, offset, cheapest):
    """Return what track i pays at least for costs and the frames from the k-th on."""
    return costs[i, history] if k == frames else cheapest[i, offset[k] + history]


@compiled
def _raise_prices(iterations, cost, costs, price, forbidden, offset, cheapest):
    """Raise the lower bound by subgradient steps; return it, with `price` and `cheapest` those of it."""
    frames, N = price.shape
    trial = price.copy()
    taken = np.empty((frames, N), np.int64)
    greatest = -np.inf
    length, failures = 1.0, 0
    for _ in range(iterations):
        bound = _bound(costs, trial, forbidden, offset, cheapest)
        if bound > greatest:
            greatest = bound
            price[:] = trial
            failures = 0
        else:
            failures += 1
            if failures == 4:
                length /= 2
                failures = 0
        if greatest >= cost * (1 - TIE):
            break
        # How many tracks take each detection, if each chooses for itself.
        taken[:] = 0
        for i in range(N):
            history, weight = 0, 1
            for k in range(frames):
                least, best = np.inf, 0
                for d in range(N):
                    j = (i + d) % N
                    if forbidden[0] == i and forbidden[1] == k and forbidden[2] == j:
                        continue
                    pays = (
                        _pays(i, k + 1, history + d * weight, frames, costs, offset, cheapest) + trial[k, j]
                    )
                    if pays < least:
                        least, best = pays, d
                taken[k, (i + best) % N] += 1
                history += best * weight
                weight *= N
        excess = 0
        for k in range(frames):
            for j in range(N):
                excess += (taken[k, j] - 1) ** 2
        if excess == 0:
            break
        for k in range(frames):
            for j in range(N):
                trial[k, j] += length * (cost - bound) / excess * (taken[k, j] - 1)
    return _bound(costs, price, forbidden, offset, cheapest)


@compiled
def _surcharges(k, history, surcharge, costs, price, forbidden, offset, cheapest):
    """Write what each track pays more at least with each detection of the k-th frame.

    What every track would pay more for a detection is taken off; returns the sum of that.
    """
    frames, N = price.shape
    for i in range(N):
        paid = cheapest[i, offset[k] + history[i]]
        for j in range(N):
            if forbidden[0] == i and forbidden[1] == k and forbidden[2] == j:
                surcharge[i, j] = np.inf
                continue
            longer = history[i] + (j - i) % N * N**k
            surcharge[i, j] = _pays(i, k + 1, longer, frames, costs, offset, cheapest) + price[k, j] - paid
    common = 0.0
    for j in range(N):
        least = surcharge[0, j]
        for i in range(1, N):
            least = min(least, surcharge[i, j])
        common += least
        for i in range(N):
            surcharge[i, j] -= least
    return common


@compiled
def _search(root, threshold, first, costs, path, price, forbidden, twin, offset, cheapest, limit):
    """Make path the best hypothesis that costs at most `threshold`, or the first one, if there is any.

    Goes through the window depth first in lexicographic order. Returns the number of nodes and whether none
    is left.
    """
    frames, N = price.shape
    levels = frames * N
    chosen = np.full(levels, -1)
    history = np.zeros((frames + 1, N), np.int64)
    free = np.ones((frames, N), np.bool_)
    bound = np.empty(levels + 1)
    surcharge = np.empty((frames, N, N))
    bound[0] = root
    nodes = level = 0
    while level >= 0:
        if nodes >= limit:
            return nodes, False
        k, i = level // N, level % N
        if i == 0 and chosen[level] < 0:
            # Each detection goes to one track, so that its least surcharge is paid in any case.
            bound[level] += _surcharges(
                k, history[k], surcharge[k], costs, price, forbidden, offset, cheapest
            )
            nodes += N
        if chosen[level] >= 0:
            free[k, chosen[level]] = True
        begin = chosen[level] + 1
        if k == 0 and twin[i] >= 0:
            # Exchanging tracks that cost alike changes nothing: the first of them has the first detection.
            begin = max(begin, chosen[twin[i]] + 1)
        for j in range(begin, N):
            nodes += 1
            if free[k, j] and bound[level] + surcharge[k, i, j] <= threshold:
                chosen[level] = j
                free[k, j] = False
                history[k + 1, i] = history[k, i] + (j - i) % N * N**k
                bound[level + 1] = bound[level] + surcharge[k, i, j]
                break
        else:
            chosen[level] = -1
            level -= 1
            continue
        if level < levels - 1:
            level += 1
            continue
        total = costs[0, history[frames, 0]]
        for m in range(1, N):
            total += costs[m, history[frames, m]]
        if total <= threshold:
            for k in range(frames):
                for m in range(N):
                    path[k, m] = chosen[k * N + m]
            if first:
                return nodes, True
            threshold = total * (1 - TIE)
    return nodes, True
