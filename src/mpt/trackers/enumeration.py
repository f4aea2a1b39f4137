"""N-scan pruning by enumeration of every hypothesis of the window, compiled.

A hypothesis is one permutation of detections over tracks for each frame of the window. Its number has the
permutations as digits, the oldest frame's counting least. A track's history, its own detections in these
frames, is numbered in the same way. Hypotheses in which a track has the same history share its filter:
nothing is filtered twice. With the newest digit counting most, every frame puts what it adds behind what is
there, in whole blocks that the processor goes through in order.
"""

from itertools import permutations

import numpy as np

from mpt.compiled import compiled

# Hypotheses that are equal by symmetry differ by rounding: costs within this fraction of the least are
# tied.
TIE = 2.0**-40


def permutation_table(particles: int) -> np.ndarray:
    """Return the N! permutations (N!, N) in lexicographic order: row p gives each track its detection."""
    return np.array(list(permutations(range(particles))), dtype=np.uint32)


def digit_table(particles: int) -> np.ndarray:
    """Return each track's digit (N!, N) in each permutation: how far its detection is beyond its own number.

    So permutation 0 has the digits 0, and the numbers of a shorter window are the first ones of a longer.
    """
    own = np.arange(particles, dtype=np.uint32)
    return (permutation_table(particles) + np.uint32(particles) - own) % np.uint32(particles)


def history_table(particles: int, depth: int) -> np.ndarray:
    """Return the number (N, N!^depth) of each track's history in each hypothesis of `depth` frames."""
    digit = digit_table(particles).T
    history = np.zeros((particles, 1), dtype=np.uint32)
    for k in range(depth):
        newest = digit * np.uint32(particles**k)
        history = (newest[:, :, None] + history[:, None, :]).reshape(particles, -1)
    return np.ascontiguousarray(history)


def window_tables(particles: int, lookback: int) -> tuple:
    """Return what `decide` needs to know of a window, from `tracks` to `history`."""
    permutation, digit = permutation_table(particles), digit_table(particles)
    return tuple(range(particles)), lookback, permutation, digit, history_table(particles, lookback - 1)


@compiled
def decide(
    measurements,
    initial,
    tracks,
    lookback,
    permutation,
    digit,
    history,
    precision,
    gain,
    detection,
    margin,
    cost,
    windows,
    kept,
):
    """Decide every frame of every sequence.

    measurements (B, T, N, 2), initial (B, N, 2): float64, lengths, finite.
    tracks: a tuple (0, …, N - 1), whose length the compiler knows.
    lookback: K, from 1 to T - 1.
    permutation and digit (N!, N), history (N, N!^(K - 1)): the tables above.
    precision (T,): 1 / S; gain (T, 2): K of position and velocity.
    kept (B, T, N, N): which detections (last) each track may have, or (0, T, N, N) where it may have all.

    Out, as in mht.Decisions: detection and margin (B, T, N), both from frame 1 on; cost (B,). And windows
    (B, T, K, N) int16, or (0, T, K, N) if they are not asked for: in frame t the best hypothesis at t, as its
    detections in the frames that are not decided yet, the oldest first.
    How many floating-point operations it takes depends on B, T, N and K alone, and on whether windows are
    asked for.
    """
    B, T = measurements.shape[:2]
    N = len(tracks)
    P = _factorial(tracks)
    # Of each track and history: x, y, dx, dy and the cost so far; twice, to go from frame to frame.
    states = np.empty((2, N, 5, N ** (lookback - 1)))
    extended = np.empty((N, N, N ** (lookback - 1)))
    total = np.empty(P**lookback)
    least = np.empty(P)
    latest, margins = _scratch(windows, detection, margin)
    # The same as rows.
    flat_states, flat_extended = states.reshape(2, states.size // 2), extended.reshape(extended.size)
    for b in range(B):
        state, following = states[0], states[1]
        flat, flat_following = flat_states[0], flat_states[1]
        for i in range(N):
            state[i, 0, 0] = initial[b, i, 0]
            state[i, 1, 0] = initial[b, i, 1]
            state[i, 2, 0] = 0.0
            state[i, 3, 0] = 0.0
            state[i, 4, 0] = 0.0
        # Of the undecided frames. Literals would have all that follows compiled once more.
        histories, hypotheses = np.int64(1), np.int64(1)
        for t in range(1, T):
            _extend(b, t, tracks, histories, measurements, precision, flat, flat_extended)
            if len(kept):
                forbid(kept[b, t], histories, extended)
            _add_tracks(tracks, hypotheses, digit, history, extended, total)
            if len(windows):
                _note_window(b, t, tracks, lookback, permutation, total, least, latest, margins, windows)
            if t == T - 1:
                cost[b] = _decide_window(b, t, tracks, lookback, permutation, total, least, detection, margin)
                break
            oldest = 0
            if t >= lookback:
                _fold(tracks, hypotheses, total)
                oldest = _first_below(total, 0, 1, P, _threshold(total, P))
                _decide_frame(b, t - lookback + 1, tracks, oldest, permutation, total, detection, margin)
            if lookback == 1:
                _update_decided(b, t, tracks, digit[oldest], measurements, gain, state, extended, following)
            else:
                step = N if t >= lookback else 1
                _update(
                    b,
                    t,
                    tracks,
                    step,
                    digit[oldest],
                    histories // step,
                    measurements,
                    gain,
                    flat,
                    flat_extended,
                    flat_following,
                )
            if t < lookback:
                histories *= N
                hypotheses *= P
            state, following = following, state
            flat, flat_following = flat_following, flat


@compiled
def _factorial(tracks):
    product = 1
    for i in range(2, len(tracks) + 1):
        product *= i
    return product


@compiled
def extend(b, t, tracks, histories, measurements, precision, state, extended):
    """Predict the state of every history and add the distance of every detection to its cost."""
    flat, costs = state.reshape(state.size), extended.reshape(extended.size)
    _extend(b, t, tracks, histories, measurements, precision, flat, costs)


@compiled
def _extend(b, t, tracks, histories, measurements, precision, states, costs):
    """Do as `extend`, the arrays flat."""
    N = len(tracks)
    weight = precision[t]
    # Whole arrays by unsigned offsets: whether they overlap is then asked once, not before every loop.
    room, costs_room = np.uintp(len(states) // (5 * N)), np.uintp(len(costs) // (N * N))
    count = np.uintp(histories)
    for i in range(N):
        x_at = np.uintp(5 * i) * room
        y_at, dx_at, dy_at = x_at + room, x_at + np.uintp(2) * room, x_at + np.uintp(3) * room
        cost_at = x_at + np.uintp(4) * room
        for h in range(count):
            states[x_at + h] += states[dx_at + h]
            states[y_at + h] += states[dy_at + h]
        for d in range(N):
            j = i + d if i + d < N else i + d - N
            measured_x, measured_y = measurements[b, t, j, 0], measurements[b, t, j, 1]
            at = np.uintp(i * N + d) * costs_room
            for h in range(count):
                x = measured_x - states[x_at + h]
                y = measured_y - states[y_at + h]
                costs[at + h] = states[cost_at + h] + (x * x + y * y) * weight


@compiled
def forbid(kept, histories, extended):
    """Make every history cost infinity in which the newest detection is not one that the track may have."""
    N = len(kept)
    for i in range(N):
        for d in range(N):
            if not kept[i, (i + d) % N]:
                extended[i, d, :histories] = np.inf


@compiled
def _add_tracks(tracks, hypotheses, digit, history, extended, total):
    """Sum the costs of the tracks for every hypothesis."""
    N = len(tracks)
    for p in range(_factorial(tracks)):
        sums = total[p * hypotheses : (p + 1) * hypotheses]
        if N == 1:
            for a in range(hypotheses):
                sums[a] = extended[0, 0, a]
        elif N == 2:
            # Both tracks have the history that the hypothesis has.
            newest = digit[p, 0]
            for a in range(hypotheses):
                sums[a] = extended[0, newest, a] + extended[1, newest, a]
        else:
            for a in range(hypotheses):
                sums[a] = extended[0, digit[p, 0], history[0, a]] + extended[1, digit[p, 1], history[1, a]]
        for i in range(2, N):
            for a in range(hypotheses):
                sums[a] += extended[i, digit[p, i], history[i, a]]


@compiled
def advance(b, t, tracks, lookback, histories, decided, measurements, gain, state, extended, following):
    """Update every history by every detection of frame t.

    If the window is full, only those go on that have the digits `decided` (N,) in its oldest frame.
    """
    N = len(tracks)
    if lookback == 1:
        _update_decided(b, t, tracks, decided, measurements, gain, state, extended, following)
    else:
        step = N if t >= lookback else 1
        flat, costs = state.reshape(state.size), extended.reshape(extended.size)
        children = following.reshape(following.size)
        parents = histories // step
        _update(b, t, tracks, step, decided, parents, measurements, gain, flat, costs, children)


@compiled
def _update(b, t, tracks, stride, decided, parents, measurements, gain, states, costs, children):
    """Update by every detection the histories from number decided[i] on, in steps of `stride`."""
    N = len(tracks)
    gain_position, gain_velocity = gain[t, 0], gain[t, 1]
    room, costs_room = np.uintp(len(states) // (5 * N)), np.uintp(len(costs) // (N * N))
    count, step = np.uintp(parents), np.uintp(stride)
    for i in range(N):
        x_at = np.uintp(5 * i) * room
        y_at, dx_at, dy_at = x_at + room, x_at + np.uintp(2) * room, x_at + np.uintp(3) * room
        cost_at = x_at + np.uintp(4) * room
        first = np.uintp(decided[i])
        for d in range(N):
            j = i + d if i + d < N else i + d - N
            x, y = measurements[b, t, j, 0], measurements[b, t, j, 1]
            born = np.uintp(d) * count
            at = np.uintp(i * N + d) * costs_room
            # Few enough rows in a loop that the compiler asks whether they overlap, and so uses vectors.
            for h in range(count):
                parent, child = first + h * step, born + h
                innovation = x - states[x_at + parent]
                children[x_at + child] = states[x_at + parent] + gain_position * innovation
                children[dx_at + child] = states[dx_at + parent] + gain_velocity * innovation
            for h in range(count):
                parent, child = first + h * step, born + h
                innovation = y - states[y_at + parent]
                children[y_at + child] = states[y_at + parent] + gain_position * innovation
                children[dy_at + child] = states[dy_at + parent] + gain_velocity * innovation
            for h in range(count):
                children[cost_at + born + h] = costs[at + first + h * step]


@compiled
def _update_decided(b, t, tracks, decided, measurements, gain, state, extended, following):
    """Update each track's only history by the detection that was decided."""
    N = len(tracks)
    for i in range(N):
        d = decided[i]
        j = i + d if i + d < N else i + d - N
        x, y = measurements[b, t, j, 0], measurements[b, t, j, 1]
        _update_history(i, 0, x, y, gain[t, 0], gain[t, 1], state, 0, following)
        following[i, 4, 0] = extended[i, d, 0]


@compiled
def _update_history(i, parent, x, y, gain_position, gain_velocity, state, child, following):
    innovation_x = x - state[i, 0, parent]
    innovation_y = y - state[i, 1, parent]
    following[i, 0, child] = state[i, 0, parent] + gain_position * innovation_x
    following[i, 1, child] = state[i, 1, parent] + gain_position * innovation_y
    following[i, 2, child] = state[i, 2, parent] + gain_velocity * innovation_x
    following[i, 3, child] = state[i, 3, parent] + gain_velocity * innovation_y


@compiled
def _fold(tracks, hypotheses, total):
    """Put first the least costs of the hypotheses with each permutation of the oldest frame."""
    P = _factorial(tracks)
    while hypotheses > 1:
        for p in range(1, P):
            others = total[p * hypotheses : (p + 1) * hypotheses]
            for a in range(hypotheses):
                total[a] = others[a] if others[a] < total[a] else total[a]
        hypotheses //= P


@compiled
def _threshold(least, P):
    """Return the cost up to which hypotheses are tied with the best one."""
    lowest = np.inf
    for p in range(P):
        lowest = min(lowest, least[p])
    return lowest * (1 + TIE)


@compiled
def _first_below(total, begin, step, end, threshold):
    """Return the first of these numbers whose cost is not above the threshold."""
    for a in range(begin, end, step):
        if total[a] <= threshold:
            return a
    return end


@compiled
def _decide_window(b, t, tracks, window, permutation, total, least, detection, margin):
    """Decide all frames of the window that ends at frame t; return the cost of the hypothesis."""
    P = _factorial(tracks)
    best = 0
    threshold = np.inf
    weight = 1
    for s in range(t - window + 1, t + 1):
        least[:] = np.inf
        for first in range(0, len(total), P * weight):
            for p in range(P):
                for a in range(first + p * weight, first + (p + 1) * weight):
                    least[p] = min(least[p], total[a])
        if s == t - window + 1:
            threshold = _threshold(least, P)
        # The first permutation that, after those already decided, leads to a hypothesis among the best.
        for decided in range(P):
            if _first_below(total, best + decided * weight, P * weight, len(total), threshold) < len(total):
                break
        best += decided * weight
        _decide_frame(b, s, tracks, decided, permutation, least, detection, margin)
        weight *= P
    return total[best]


@compiled
def _scratch(windows, detection, margin):
    """Return where the windows' detections and margins may be written: beside the decided ones."""
    if len(windows):
        return np.empty_like(detection), np.empty_like(margin)
    return detection, margin


@compiled
def _note_window(b, t, tracks, lookback, permutation, total, least, latest, margins, windows):
    """Write the best hypothesis of the window that ends at frame t; `latest` and `margins` are scratch."""
    window = min(t, lookback)
    hypotheses = total[: _factorial(tracks) ** window]
    _decide_window(b, t, tracks, window, permutation, hypotheses, least, latest, margins)
    windows[b, t, :window] = latest[b, t - window + 1 : t + 1]


@compiled
def _decide_frame(b, t, tracks, decided, permutation, least, detection, margin):
    """Give each track its detection, and say by what margin over the best hypothesis with another one."""
    for i in range(len(tracks)):
        other = np.inf
        for p in range(_factorial(tracks)):
            if permutation[p, i] != permutation[decided, i]:
                other = min(other, least[p])
        detection[b, t, i] = permutation[decided, i]
        # The first of tied hypotheses may cost more than the others, by rounding.
        margin[b, t, i] = max(other - least[decided], 0.0)


@compiled
def decide_refiltered(
    measurements,
    initial,
    tracks,
    lookback,
    permutation,
    digit,
    history,
    precision,
    gain,
    detection,
    margin,
    cost,
    windows,
):
    """Decide as `decide` does, filtering every hypothesis of the window anew in every frame.

    This is the tracker as it is usually described: N!^K hypotheses of K filter steps of N tracks a frame.
    It is there to be counted. The tables of digits and histories are not used.
    """
    B, T = measurements.shape[:2]
    N = len(tracks)
    P = _factorial(tracks)
    total = np.empty(P**lookback)
    least = np.empty(P)
    # x, y, dx, dy and the cost so far of each track after the last decided frame.
    root = np.empty((N, 5))
    state = np.empty(5)
    latest, margins = _scratch(windows, detection, margin)
    for b in range(B):
        for i in range(N):
            root[i, 0] = initial[b, i, 0]
            root[i, 1] = initial[b, i, 1]
            root[i, 2:] = 0.0
        for t in range(1, T):
            begin = max(t - lookback + 1, 1)
            hypotheses = P ** (t - begin + 1)
            for a in range(hypotheses):
                for i in range(N):
                    state[:] = root[i]
                    older = a
                    for s in range(begin, t + 1):
                        _filter(state, measurements[b, s, permutation[older % P, i]], precision[s], gain[s])
                        older //= P
                    total[a] = state[4] if i == 0 else total[a] + state[4]
            if len(windows):
                _note_window(b, t, tracks, lookback, permutation, total, least, latest, margins, windows)
            if t == T - 1:
                cost[b] = _decide_window(b, t, tracks, lookback, permutation, total, least, detection, margin)
            elif t >= lookback:
                _fold(tracks, hypotheses // P, total)
                oldest = _first_below(total, 0, 1, P, _threshold(total, P))
                _decide_frame(b, begin, tracks, oldest, permutation, total, detection, margin)
                for i in range(N):
                    measurement = measurements[b, begin, permutation[oldest, i]]
                    _filter(root[i], measurement, precision[begin], gain[begin])


@compiled
def _filter(state, measurement, precision, gain):
    """Predict, add the squared Mahalanobis distance of the innovation to the cost, and update."""
    state[0] += state[2]
    state[1] += state[3]
    x = measurement[0] - state[0]
    y = measurement[1] - state[1]
    state[4] += (x * x + y * y) * precision
    state[0] += gain[0] * x
    state[1] += gain[0] * y
    state[2] += gain[1] * x
    state[3] += gain[1] * y
