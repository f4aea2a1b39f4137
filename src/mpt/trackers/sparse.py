"""N-scan pruning for many tracks: exact, by the few histories that can be part of the best hypothesis.

Put a price of at least 0 on every detection of the window and let each track choose the history that it pays
least for, costs and prices, whatever the others choose. What they pay less the prices of all detections is a
lower bound of every hypothesis (Lagrangian relaxation; Poore & Robertson 1997). A history's excess is what
the track pays more for it than for its cheapest one. Each detection has one owner, so a hypothesis costs the
bound plus the excesses of its histories.

List every history of each track whose excess is at most the track's reach. Tracks whose lists share a
detection form a cluster. Suppose that each cluster has as many detections of each frame as it has tracks,
and that the least excess e of its tracks' listed histories, no detection used twice, is at most the reach of
each. Then these hypotheses of the clusters are together the best of all: a track that took another history
would pay more than its reach, so at least e for its cluster, and a cluster whose tracks all take listed ones
uses up its own detections and pays at least e. So clusters are solved apart, and a reach that is too short
grows.
Prices and reaches decide how long this takes, never what is found.

Of a window of w frames there are:
    path (w, N): the detection of each track in each frame, of the best hypothesis known;
    price (w, N): the price of each detection in each frame;
    frames: the detections' coordinates x and y (w, N) each, the innovations' precision (w,), the gain (w, 2);
    may: which detections (last) each track may have (w, N, N), or (0, N, N) where it may have all;
    listed: the histories of all lists, their detections (H, w), costs (H,) and what is paid for them (H,);
        those of track i from number begin[i] to end[i];
    label (N + w N,): the cluster of each track, then of each detection of each frame, as a number below N +
        w N.
"""

import numpy as np

from mpt.compiled import compiled

# As in mpt.trackers.enumeration: costs within this fraction of the least are tied.
TIE = 2.0**-40
# They decide how long it takes: the reach of lists by which prices are set, the shortest reach beyond ties,
# its growth, steps in the prices and nodes of a cluster's search at first.
_WIDE = 1.0
_SHORT = 0.01
_GROWTH = 4.0
_STEPS = 32
_NODES = 256


@compiled
def decide(
    measurements, initial, lookback, precision, gain, detection, cost, windows, gap, kept, limit, capacity
):
    """Decide every frame of every sequence.

    measurements (B, T, N, 2), initial (B, N, 2): float64, lengths, finite.
    lookback: K, from 1 to T - 1. precision (T,): 1 / S; gain (T, 2): K of position and velocity.
    kept (B, T, N, N): which detections (last) each track may have, or (0, T, N, N) where it may have all.
    limit: how many nodes of histories and hypotheses are visited for a window at most.
    capacity: how many histories are listed at a time at most.

    Out, as in mht.Decisions: detection (B, T, N), cost (B,), and gap (B, T), from frame 1 on, of the window
    in which the frame was decided, or of that which ends there if windows (B, T, K, N) are asked for, which
    otherwise are (0, T, K, N).
    """
    B, T, N = measurements.shape[:3]
    for b in range(B):
        # x, y, dx, dy and the cost so far of each track after the last decided frame.
        root = np.zeros((N, 5))
        root[:, 0] = initial[b, :, 0]
        root[:, 1] = initial[b, :, 1]
        path = np.empty((0, N), np.int64)
        price = np.empty((0, N))
        ending = np.zeros(T)
        twin = _twins(initial[b])
        nobody = np.full((2, N), -1)
        may = np.empty((0, N, N), np.bool_)
        for t in range(1, T):
            begin = max(t - lookback + 1, 1)
            x = np.ascontiguousarray(measurements[b, begin : t + 1, :, 0])
            y = np.ascontiguousarray(measurements[b, begin : t + 1, :, 1])
            frames = (x, y, precision[begin : t + 1], gain[begin : t + 1])
            if len(kept):
                may = np.ascontiguousarray(kept[b, begin : t + 1])
            path, price = _with_newest(root, path, price, frames, may)
            if len(path) == 0:
                cost[b] = np.inf
                break
            # Tracks that may have different detections do not cost alike.
            alike = twin if begin == 1 and not len(kept) else nobody
            cost[b], bound = _solve(root, path, price, frames, may, alike, limit, capacity)
            if not np.isfinite(cost[b]):
                break
            decided = 0
            if t == T - 1:
                decided = len(path)
            elif t >= lookback:
                decided = 1
            detection[b, begin : begin + decided] = path[:decided]
            gap[b, begin : begin + decided] = cost[b] - bound
            if len(windows):
                windows[b, t, : len(path)] = path
                ending[t] = cost[b] - bound
            if decided == 1:
                for i in range(N):
                    _filter(root[i], path[0, i], 0, frames)
                path, price = path[1:], price[1:]
        if len(windows):
            gap[b] = ending


@compiled
def _twins(initial):
    """Return for each track the last one before it, and the next one, that starts at the same point.

    (2, N), -1 for none.
    """
    twin = np.full((2, len(initial)), -1)
    for i in range(len(initial)):
        for m in range(i):
            if initial[m, 0] == initial[i, 0] and initial[m, 1] == initial[i, 1]:
                twin[0, i] = m
        if twin[0, i] >= 0:
            twin[1, twin[0, i]] = i
    return twin


@compiled
def _filter(state, j, k, frames):
    """Predict, add the squared Mahalanobis distance of detection j of frame k to the cost, and update."""
    x, y, precision, gain = frames
    state[0] += state[2]
    state[1] += state[3]
    apart_x = x[k, j] - state[0]
    apart_y = y[k, j] - state[1]
    state[4] += (apart_x * apart_x + apart_y * apart_y) * precision[k]
    state[0] += gain[k, 0] * apart_x
    state[1] += gain[k, 0] * apart_y
    state[2] += gain[k, 1] * apart_x
    state[3] += gain[k, 1] * apart_y


@compiled
def _costs(root, path, frames):
    """Return what each track's history costs."""
    N = len(root)
    costs = np.empty(N)
    for i in range(N):
        state = root[i].copy()
        for k in range(len(path)):
            _filter(state, path[k, i], k, frames)
        costs[i] = state[4]
    return costs


@compiled
def _total(costs):
    total = costs[0]
    for i in range(1, len(costs)):
        total += costs[i]
    return total


@compiled
def _with_newest(root, path, price, frames, may):
    """Add the newest frame to path and price, by the least cost if the frames before are as in path.

    Both are empty if all that costs overflow.
    """
    x, y, precision, _ = frames
    N, newest = len(root), len(path)
    distance = np.empty((N, N))
    for i in range(N):
        state = root[i].copy()
        for k in range(newest):
            _filter(state, path[k, i], k, frames)
        for j in range(N):
            apart_x = x[newest, j] - (state[0] + state[2])
            apart_y = y[newest, j] - (state[1] + state[3])
            distance[i, j] = (apart_x * apart_x + apart_y * apart_y) * precision[newest]
            if len(may) and not may[newest, i, j]:
                distance[i, j] = np.inf
    longer, prices = np.empty((newest + 1, N), np.int64), np.empty((newest + 1, N))
    longer[:newest], prices[:newest] = path, price
    if not _assign(distance, longer[newest], prices[newest]):
        return longer[:0], prices[:0]
    return longer, prices


@compiled
def _assign(cost, columns, prices):
    """Write the columns of the rows at the least total cost, and the least prices by which rows choose them.

    Shortest augmenting paths (Jonker & Volgenant 1987). What is not finite is no choice; returns whether all
    rows have one.
    """
    N = len(cost)
    owner = np.full(N, -1)
    columns[:] = -1
    prices[:] = 0
    for i in range(N):
        j = np.argmin(cost[i])
        if owner[j] < 0 and np.isfinite(cost[i, j]):
            owner[j], columns[i] = i, j
    distance, before, done = np.empty(N), np.empty(N, np.int64), np.empty(N, np.bool_)
    for first in range(N):
        if columns[first] >= 0:
            continue
        distance[:], done[:], before[:] = np.inf, False, first
        i, reached, paid = first, 0.0, 0.0
        while True:
            nearest, least = -1, np.inf
            for j in range(N):
                if not done[j]:
                    through = reached + cost[i, j] + prices[j] - paid
                    if through < distance[j]:
                        distance[j], before[j] = through, i
                    if distance[j] < least:
                        nearest, least = j, distance[j]
            if nearest < 0:
                return False
            reached = least
            if owner[nearest] < 0:
                break
            done[nearest] = True
            i = owner[nearest]
            paid = cost[i, nearest] + prices[nearest]
        for j in range(N):
            if done[j]:
                prices[j] += reached - distance[j]
        j = nearest
        while True:
            i = before[j]
            owner[j], columns[i], j = i, j, columns[i]
            if i == first:
                break
    return True


@compiled
def _solve(root, path, price, frames, may, twin, limit, capacity):
    """Make path the best hypothesis, starting from it and from these prices.

    Returns its cost and the lower bound, the same if it is proven. Ties go to the lexicographically first.
    """
    w, N = path.shape
    costs = _costs(root, path, frames)
    total = _total(costs)
    best_bound = _total(root[:, 4])
    if not np.isfinite(total):
        return total, total
    listed = np.empty((4 * N, w), np.int64), np.empty(4 * N), np.empty(4 * N)
    begin, end, cheapest = np.zeros(N, np.int64), np.zeros(N, np.int64), np.zeros(N)
    reach = np.empty(N)
    other = np.empty_like(path)
    nodes, steps, allowed = 0, _STEPS, _NODES
    while True:
        tie = total * TIE
        if w > 1:
            reach[:] = _WIDE
            listed, visited = _list_all(
                root,
                path,
                costs,
                price,
                frames,
                may,
                reach,
                True,
                listed,
                begin,
                end,
                cheapest,
                limit - nodes,
                capacity,
            )
            nodes += visited
            if nodes >= limit:
                return total, min(best_bound, total)
            _raise_prices(costs, price, listed, begin, end, tie, steps)
        reach[:] = 4 * tie
        end[:] = -1
        cap = total
        while True:
            listed, visited = _list_all(
                root,
                path,
                costs,
                price,
                frames,
                may,
                reach,
                False,
                listed,
                begin,
                end,
                cheapest,
                limit - nodes,
                capacity,
            )
            nodes += visited
            if nodes >= limit:
                return total, min(best_bound, total)
            bound = _total(cheapest) - price.sum()
            # No history of the best hypothesis has an excess beyond this.
            cap = max(total - bound, 0.0) + 4 * tie
            status, excess, visited = _solve_clusters(
                listed, begin, end, cheapest, reach, cap, twin, tie, allowed, limit - nodes, other
            )
            nodes += visited
            best_bound = max(best_bound, bound + excess)
            if status != _GROWN or nodes >= limit:
                break
        if status == _PROVEN:
            path[:] = other
            total = _total(_costs(root, path, frames))
            return total, total
        if status == _FOUND:
            found = _costs(root, other, frames)
            if _total(found) < total:
                path[:] = other
                costs[:] = found
                total = _total(costs)
        if nodes >= limit:
            return total, min(best_bound, total)
        steps, allowed = min(2 * steps, 1024), 4 * allowed


@compiled
def _list_all(
    root, path, costs, price, frames, may, reach, own, listed, begin, end, cheapest, limit, capacity
):
    """List each track's histories within its reach; those of tracks whose end is not negative are kept.

    own: whether the tracks' histories in path are listed in any case. Returns the lists and the number of
    nodes; it is at least `limit` if not all could be listed.
    """
    w, N = path.shape
    nodes = 0
    if own:
        end[:] = -1
    used = 0
    for i in range(N):
        used = max(used, end[i])
    for i in range(N):
        if end[i] >= 0:
            continue
        paid = costs[i]
        for k in range(w):
            paid += price[k, path[k, i]]
        begin[i] = used
        listed, used, cheapest[i], visited = _list_histories(
            i, root[i], price, frames, may, paid, reach[i], own, listed, used, limit - nodes, capacity
        )
        end[i] = used
        nodes += visited
        if nodes >= limit:
            break
    return listed, nodes


@compiled
def _list_histories(i, root, price, frames, may, paid, reach, own, listed, used, limit, capacity):
    """Append the histories of track i within reach of the cheapest, by what is paid for them.

    paid: for a history that is known. own: whether the reach goes as far as that one.
    Returns the lists, their length, what is paid for the cheapest, and the number of nodes.
    """
    x, y, precision, gain = frames
    w, N = x.shape
    detections, costs, charged = listed
    first = used
    state = np.empty((w, 6))
    chosen = np.full(w, -1)
    # Nothing in the price of later frames is less than their least.
    later = np.zeros(w + 1)
    for k in range(w - 1, -1, -1):
        later[k] = later[k + 1] + price[k].min()
    cheapest = paid * (1 + TIE)
    known = cheapest if own else -np.inf
    state[0, 0], state[0, 1] = root[0] + root[2], root[1] + root[3]
    state[0, 2:5] = root[2:5]
    state[0, 5] = root[4]
    k, nodes = 0, 0
    while k >= 0:
        here = state[k]
        allowed = max(cheapest + reach, known) - later[k + 1]
        j = chosen[k] + 1
        cost = payable = apart_x = apart_y = 0.0
        while j < N:
            apart_x = x[k, j] - here[0]
            apart_y = y[k, j] - here[1]
            distance = (apart_x * apart_x + apart_y * apart_y) * precision[k]
            cost = here[4] + distance
            payable = here[5] + distance + price[k, j]
            if payable <= allowed and (len(may) == 0 or may[k, i, j]):
                break
            j += 1
        if j == N:
            k -= 1
            continue
        chosen[k] = j
        nodes += 1
        if nodes >= limit:
            break
        if k < w - 1:
            longer = state[k + 1]
            velocity_x = here[2] + gain[k, 1] * apart_x
            velocity_y = here[3] + gain[k, 1] * apart_y
            longer[0] = here[0] + gain[k, 0] * apart_x + velocity_x
            longer[1] = here[1] + gain[k, 0] * apart_y + velocity_y
            longer[2], longer[3], longer[4], longer[5] = velocity_x, velocity_y, cost, payable
            k += 1
            chosen[k] = -1
            continue
        cheapest = min(cheapest, payable)
        if used == len(costs):
            size = min(2 * used, capacity)
            if size == used:
                nodes = limit
                break
            more, more_costs, more_charged = np.empty((size, w), np.int64), np.empty(size), np.empty(size)
            more[:used], more_costs[:used], more_charged[:used] = detections, costs, charged
            detections, costs, charged = more, more_costs, more_charged
        detections[used] = chosen
        costs[used] = cost
        charged[used] = payable
        used += 1
    # Those listed before a cheaper one was found may be too dear.
    last = first
    furthest = max(cheapest + reach, known)
    for h in range(first, used):
        if charged[h] <= furthest:
            detections[last], costs[last], charged[last] = detections[h], costs[h], charged[h]
            last += 1
    if last > first + 1:
        order = first + np.argsort(charged[first:last])
        detections[first:last] = detections[order]
        costs[first:last] = costs[order]
        charged[first:last] = charged[order]
    return (detections, costs, charged), last, cheapest, nodes


@compiled
def _clusters(detections, begin, end, w):
    """Return the label of each track and of each detection of each frame."""
    N = len(begin)
    label = np.arange(N + w * N)
    for i in range(N):
        for h in range(begin[i], end[i]):
            for k in range(w):
                a, c = i, N + k * N + detections[h, k]
                while label[a] != a:
                    label[a] = label[label[a]]
                    a = label[a]
                while label[c] != c:
                    label[c] = label[label[c]]
                    c = label[c]
                # A track has a lower number than any detection.
                label[max(a, c)] = min(a, c)
    for a in range(len(label)):
        label[a] = label[label[a]]
    return label


@compiled
def _raise_prices(costs, price, listed, begin, end, tie, steps):
    """Raise the lower bound of each cluster of the lists by subgradient steps; price gets those of it."""
    w, N = price.shape
    detections, own, _ = listed
    label = _clusters(detections, begin, end, w)
    taken = np.zeros((w, N), np.int64)
    trial = price.copy()
    for cluster in range(N):
        if label[cluster] != cluster:
            continue
        tracks = np.flatnonzero(label[:N] == cluster)
        if len(tracks) == 1:
            continue
        members = np.flatnonzero(label[N:] == cluster)
        least = 0.0
        for i in tracks:
            least += costs[i]
        greatest = -np.inf
        length, failures = 1.0, 0
        for _ in range(steps):
            bound = 0.0
            for member in members:
                k, j = member // N, member % N
                bound -= trial[k, j]
                taken[k, j] = -1
            for i in tracks:
                cheapest, best = np.inf, begin[i]
                for h in range(begin[i], end[i]):
                    paid = own[h]
                    for k in range(w):
                        paid += trial[k, detections[h, k]]
                    if paid < cheapest:
                        cheapest, best = paid, h
                bound += cheapest
                for k in range(w):
                    taken[k, detections[best, k]] += 1
            if bound > greatest:
                greatest = bound
                failures = 0
                for member in members:
                    k, j = member // N, member % N
                    price[k, j] = trial[k, j]
            else:
                failures += 1
                if failures == 4:
                    length /= 2
                    failures = 0
            excess = 0
            for member in members:
                k, j = member // N, member % N
                if taken[k, j] < 0 and trial[k, j] == 0:
                    taken[k, j] = 0
                excess += taken[k, j] ** 2
            if excess == 0 or greatest >= least - tie:
                break
            for member in members:
                k, j = member // N, member % N
                trial[k, j] = max(trial[k, j] + length * (least - bound) / excess * taken[k, j], 0.0)


_PROVEN, _GROWN, _FOUND, _STOPPED = 0, 1, 2, 3


@compiled
def _solve_clusters(listed, begin, end, cheapest, reach, cap, twin, tie, allowed, limit, path):
    """Find each cluster's best hypothesis of listed histories.

    cap: the greatest excess of a history that can be of the best hypothesis. allowed: how many nodes of a
    cluster are searched at most; limit: of all.
    Returns what is known, a lower bound of the excess of all hypotheses, and the number of nodes. Known is
    that path is the best hypothesis; that a reach was too short, which has grown (the end of its track is
    then -1); that path is a hypothesis; or nothing.
    """
    detections, _, charged = listed
    N, w = len(begin), detections.shape[1]
    label = _clusters(detections, begin, end, w)
    size = np.zeros((w + 1, N + w * N), np.int64)
    for i in range(N):
        size[w, label[i]] += 1
    for k in range(w):
        for j in range(N):
            size[k, label[N + k * N + j]] += 1
    alive = np.ones(1, np.bool_)
    chosen = np.full(N, -1)
    excess, nodes = 0.0, 0
    grown = unproven = lacking = False
    for cluster in range(N):
        if label[cluster] != cluster:
            continue
        count = size[w, cluster]
        furthest = reach[cluster]
        tracks = np.flatnonzero(label[:N] == cluster)
        for i in tracks:
            furthest = min(furthest, reach[i])
        square = True
        for k in range(w):
            square = square and size[k, cluster] == count
        found, complete, sum_of_excess = False, True, 0.0
        if square and count == 1:
            found, chosen[cluster] = True, begin[cluster]
        elif square:
            if len(alive) < len(charged):
                alive = np.ones(len(charged), np.bool_)
            visited, complete, found, sum_of_excess = _search(
                tracks,
                detections,
                charged,
                begin,
                end,
                cheapest,
                alive,
                twin,
                cap,
                tie,
                False,
                min(allowed, limit - nodes),
                chosen,
            )
            nodes += visited
        if found and complete:
            excess += min(sum_of_excess, furthest)
        elif complete:
            excess += furthest
        if not complete:
            unproven = True
            lacking = lacking or not found
        elif not found or sum_of_excess + tie > furthest:
            lacking = lacking or not found
            wanted = sum_of_excess + 2 * tie if found else min(max(_SHORT, _GROWTH * furthest), cap)
            grows = False
            for i in tracks:
                if reach[i] < wanted:
                    reach[i] = wanted
                    end[i] = -1
                    grows = True
            grown = grown or grows
            unproven = unproven or not grows
    if unproven and lacking:
        return _STOPPED, excess, nodes
    if grown and not unproven:
        return _GROWN, excess, nodes
    for cluster in range(N if not unproven else 0):
        if label[cluster] == cluster and size[w, cluster] > 1:
            tracks = np.flatnonzero(label[:N] == cluster)
            visited = _first_of_tied(
                tracks, detections, charged, begin, end, cheapest, alive, twin, tie, limit, chosen
            )
            nodes += visited
    for i in range(N):
        path[:, i] = detections[chosen[i]]
    return _FOUND if unproven else _PROVEN, excess, nodes


@compiled
def _first_of_tied(tracks, detections, charged, begin, end, cheapest, alive, twin, tie, limit, chosen):
    """Make chosen the lexicographically first hypothesis of those tied; return the number of nodes."""
    w = detections.shape[1]
    threshold = tie
    for i in tracks:
        threshold += charged[chosen[i]] - cheapest[i]
    nodes, others = 0, False
    for i in tracks:
        others = others or (begin[i] + 1 < end[i] and charged[begin[i] + 1] - cheapest[i] <= threshold)
    if not others:
        return nodes
    trial = chosen.copy()
    for k in range(w):
        for i in tracks:
            # Listed in the order of what is paid, not of detections.
            earlier = np.zeros(len(cheapest), np.bool_)
            for h in range(begin[i], end[i]):
                if alive[h] and charged[h] - cheapest[i] <= threshold:
                    earlier[detections[h, k]] = True
            for j in np.flatnonzero(earlier[: detections[chosen[i], k]]):
                kept = alive[begin[i] : end[i]].copy()
                for h in range(begin[i], end[i]):
                    alive[h] = alive[h] and detections[h, k] == j
                visited, _, found, _ = _search(
                    tracks,
                    detections,
                    charged,
                    begin,
                    end,
                    cheapest,
                    alive,
                    twin,
                    threshold,
                    tie,
                    True,
                    limit - nodes,
                    trial,
                )
                nodes += visited
                alive[begin[i] : end[i]] = kept
                if found:
                    chosen[tracks] = trial[tracks]
                    break
            for h in range(begin[i], end[i]):
                alive[h] = alive[h] and detections[h, k] == detections[chosen[i], k]
    return nodes


@compiled
def _search(
    tracks, detections, charged, begin, end, cheapest, alive, twin, threshold, tie, first, limit, chosen
):
    """Choose a living history for each track of a cluster, within the threshold: the best, or the first.

    Depth first, at each node for the track with the fewest histories left. Returns the number of nodes,
    whether none is left, whether there is a hypothesis, and its excess.
    """
    w, N, n = detections.shape[1], len(cheapest), len(tracks)
    used = np.zeros((w, N), np.bool_)
    current = np.full(N, -1)
    order = np.full(n, -1)
    pointer = np.empty(n, np.int64)
    excess = np.zeros(n + 1)
    rest = np.empty(n)
    nodes, level, found, best = 0, 0, False, 0.0
    while level >= 0:
        if level == n:
            found, best = True, excess[n]
            for i in tracks:
                chosen[i] = current[i]
            # No excess is below 0.
            if first or best <= tie:
                return nodes, True, True, best
            # Better by more than what is tied.
            threshold = best - tie
            level -= 1
            continue
        if order[level] < 0:
            nodes += 1
            if nodes >= limit:
                return nodes, False, found, best
            # The least that the others pay, and the track with the fewest histories.
            total, fewest, choice, least = 0.0, 2**62, -1, 0.0
            for i in tracks:
                if current[i] >= 0:
                    continue
                count, smallest = 0, np.inf
                for h in range(begin[i], end[i]):
                    more = charged[h] - cheapest[i]
                    if excess[level] + more > threshold:
                        break
                    if alive[h] and _fits(i, h, detections, used, current, twin):
                        count += 1
                        smallest = min(smallest, more)
                if count < fewest:
                    fewest, choice, least = count, i, smallest
                if count == 0:
                    break
                total += smallest
            if fewest == 0 or excess[level] + total > threshold:
                level -= 1
                continue
            order[level], pointer[level], rest[level] = choice, begin[choice], total - least
        i = order[level]
        if current[i] >= 0:
            for k in range(w):
                used[k, detections[current[i], k]] = False
            current[i] = -1
        h = pointer[level]
        descends = False
        while h < end[i]:
            more = charged[h] - cheapest[i]
            if excess[level] + rest[level] + more > threshold:
                break
            if alive[h] and _fits(i, h, detections, used, current, twin):
                descends = True
                break
            h += 1
        if not descends:
            order[level] = -1
            level -= 1
            continue
        pointer[level] = h + 1
        current[i] = h
        for k in range(w):
            used[k, detections[h, k]] = True
        excess[level + 1] = excess[level] + charged[h] - cheapest[i]
        level += 1
        if level < n:
            order[level] = -1
    return nodes, True, found, best


@compiled
def _fits(i, h, detections, used, current, twin):
    """Return whether a history uses no detection twice, and twins are in the order of their first ones."""
    for k in range(detections.shape[1]):
        if used[k, detections[h, k]]:
            return False
    for later in range(2):
        m = twin[later, i]
        while m >= 0:
            if current[m] >= 0 and (detections[current[m], 0] < detections[h, 0]) == (later == 1):
                return False
            m = twin[later, m]
    return True
