"""Claims judged by scores: an effect with its 95 % interval, a p-value, a verdict.

A curve is a mapping from x to scores (R, B): R replicate trainings on B test sequences, R = 1 for trackers
that are not trained. Sequence b is the same for all trackers, noises and, as a prefix, lengths; replicate r
of every model starts from the same weights and, where as many experiments teach it, learns from the same
motions. So effects are combined per sequence and per replicate before their spread is estimated; where
replicates have nothing in common, that is valid too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpt.judgement.fits import crossing, growth, scaling_law
from mpt.judgement.statistics import LEVEL, Effect, contrast, equality, holm

Curve = Mapping[float, np.ndarray]
Terms = list[tuple[float, np.ndarray]]

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
EQUAL, TOO_FEW = "equal", "too few trainings"
# Burnham & Anderson (2002): of laws whose criteria differ by less, neither is better.
AIC_MARGIN = 2.0


@dataclass(frozen=True)
class Point:
    """The effect at one x of one curve; its p is corrected for the number of points, p_alone is not."""

    x: float
    curve: int
    effect: Effect
    p_alone: float


@dataclass(frozen=True)
class Judgement:
    """What the data say of a claim: sign is that of the effect claimed, 0 if none is.

    Where nothing was sampled, such as operations that were counted, effect.p is NaN and the verdict is
    `settled`; an effect that does not exist is NaN. detail says in words what one effect cannot.

    equal_p: p-value of the effect's being as far from 0 as counts as a difference; NaN where that is not
    asked. few: whether the claim's curves, and whether its reference, have so few trainings that failures may
    have gone unseen. better: +1 if a higher score is better, −1 if a lower one is, 0 where the effect is not
    that of curves less a reference.
    """

    effect: Effect
    sign: int
    points: tuple[Point, ...] = ()
    everywhere: bool = False
    settled: str | None = None
    detail: str = ""
    equal_p: float = np.nan
    few: tuple[bool, bool] = (False, False)
    better: int = 0

    def count(self, sign: int) -> int:
        """Count the points whose effect is significant and has this sign, or for sign 0 any."""
        significant = [point.effect.effect for point in self.points if point.effect.p < 1 - LEVEL]
        return sum(sign == 0 or effect * sign > 0 for effect in significant)


@dataclass(frozen=True)
class Claim:
    """What is claimed of scores. test is a key of TESTS; sign is +1 if the effect is claimed to be positive.

    margin: the reference counts as worse by this fraction. everywhere: at each point, not on average.
    log_x: a trend is one over log x. within: an effect nearer to 0 counts as none, in the unit of the score;
    0 if each counts. better: +1 if a higher score is better, −1 if a lower one is.
    """

    test: str
    sign: int
    margin: float = 0.0
    everywhere: bool = False
    log_x: bool = False
    within: float = 0.0
    better: int = 1


def verdict(judgement: Judgement, p: float, equal_p: float = np.nan) -> str:
    """Say supported, contradicted, equal, undecided, or too few trainings; report.py says when, in words.

    p and equal_p: the judgement's two p-values, corrected or not.
    """
    if judgement.settled:
        return judgement.settled
    found = _found(judgement, p, equal_p)
    return TOO_FEW if found != UNDECIDED and _may_be_taken_back(judgement, found) else found


def _found(judgement: Judgement, p: float, equal_p: float) -> str:
    if judgement.everywhere and judgement.count(-judgement.sign):
        return CONTRADICTED
    if not p < 1 - LEVEL or judgement.effect.effect == 0:
        return EQUAL if equal_p < 1 - LEVEL else UNDECIDED
    as_claimed = judgement.sign == 0 or judgement.effect.effect * judgement.sign > 0
    return SUPPORTED if as_claimed else CONTRADICTED


def _may_be_taken_back(judgement: Judgement, found: str) -> bool:
    """Say whether trainings that failed unseen could undo a verdict: they can only make a curve worse."""
    if found == EQUAL or not judgement.better:
        return any(judgement.few)
    sign = judgement.sign if found == SUPPORTED else -judgement.sign
    return judgement.few[0] if sign * judgement.better > 0 else judgement.few[1]


def judge(
    claim: Claim,
    curves: Sequence[Curve],
    reference: Curve | None = None,
    few: tuple[bool, bool] = (False, False),
) -> Judgement:
    """Judge a claim by its curves and, if it has one, the curve that they are compared with.

    few: whether the curves, and whether the reference, have too few trainings (trainings.fewest_trainings).
    Raises ValueError as the test does: for too few x or curves, or scores that statistics.contrast refuses.
    """
    return replace(TESTS[claim.test](claim, curves, reference), few=few)


def estimate(terms: Terms) -> Effect:
    """Estimate Σ weight · mean of scores over terms (weight, scores (R, B)).

    Paired by sequence, over those that all terms have, and by replicate, among terms with as many.
    """
    combined = _combined(terms)
    return contrast([1.0] * len(combined), combined, far_tails=True)


def equal_within(terms: Terms, within: float) -> float:
    """Return the p-value of an effect, as `estimate` takes it, that is at least so far from 0; NaN for 0."""
    if not within > 0:
        return np.nan
    combined = _combined(terms)
    return equality([1.0] * len(combined), combined, within, far_tails=True)


def _combined(terms: Terms) -> list[np.ndarray]:
    sequences = min(scores.shape[1] for _, scores in terms)
    sums: dict[int, np.ndarray] = {}
    largest: dict[int, float] = {}
    for weight, scores in terms:
        count = len(scores)
        part = weight * np.asarray(scores, float)[:, :sequences]
        sums[count] = sums.get(count, 0) + part
        largest[count] = max(largest.get(count, 0.0), np.abs(part).max())
    for count, combined in sums.items():
        # Where weights that add up to 0 meet equal scores, what rounding leaves is no effect.
        combined[np.abs(combined) <= 1e-12 * largest[count]] = 0
    return list(sums.values())


def corrected(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points with their p-values corrected for being so many, by Holm's procedure."""
    return at_points(points, holm([point.p_alone for point in points]))


def at_points(points: Sequence[Point], p: Sequence[float] | np.ndarray) -> tuple[Point, ...]:
    """Return the points with these p-values."""
    return tuple(
        replace(point, effect=point.effect._replace(p=float(value)))
        for point, value in zip(points, p, strict=True)
    )


def _point(x: float, curve: int, terms: Terms) -> Point:
    effect = estimate(terms)
    return Point(x, curve, effect, effect.p)


def _equal_p(claim: Claim, terms: Sequence[Terms]) -> float:
    """Return the p-value of a mean's being a difference; of what holds everywhere, of any point's."""
    if claim.everywhere:
        return max(equal_within(each, claim.within) for each in terms)
    return equal_within(_mean(terms), claim.within)


def _difference(claim: Claim, curves: Sequence[Curve], reference: Curve) -> Judgement:
    """Curve less reference, at each x and on average."""
    factor = 1 - claim.sign * claim.margin
    places = [(x, k) for k, curve in enumerate(curves) for x in sorted(curve)]
    terms = [[(1.0, curves[k][x]), (-factor, reference[x])] for x, k in places]
    points = [_point(x, k, t) for (x, k), t in zip(places, terms, strict=True)]
    return Judgement(
        estimate(_mean(terms)),
        claim.sign,
        corrected(points),
        claim.everywhere,
        detail=f"against {factor:g} × the reference" if claim.margin else "",
        equal_p=np.nan if claim.margin else _equal_p(claim, terms),
        better=claim.better,
    )


def _trend(claim: Claim, curves: Sequence[Curve], reference: Curve | None) -> Judgement:
    """The rise over all x of the least-squares line through the curve less the reference."""
    (curve,) = curves
    x = sorted(curve)
    weights = _rise_weights(np.log(x) if claim.log_x else x)
    terms = [(w, curve[at]) for w, at in zip(weights, x, strict=True)]
    if reference is not None:
        terms += [(-w, reference[at]) for w, at in zip(weights, x, strict=True)]
    return Judgement(estimate(terms), claim.sign, equal_p=equal_within(terms, claim.within))


def _rise(claim: Claim, curves: Sequence[Curve], reference: None) -> Judgement:
    """The rise from the first curve to the last, by a line through all as if equally far apart, at each x."""
    x, terms = _rises(curves)
    points = [_point(at, len(curves) - 1, t) for at, t in zip(x, terms, strict=True)]
    return Judgement(
        estimate(_mean(terms)),
        claim.sign,
        corrected(points),
        claim.everywhere,
        equal_p=_equal_p(claim, terms),
    )


def _variation(claim: Claim, curves: Sequence[Curve], reference: None) -> Judgement:
    """The rise from the first curve to the last at each x less its mean over x; the effect is the surest."""
    x, terms = _rises(curves)
    if len(x) < 2:
        raise ValueError("what varies over x needs two")
    mean = [(-w, scores) for w, scores in _mean(terms)]
    points = corrected([_point(at, len(curves) - 1, t + mean) for at, t in zip(x, terms, strict=True)])
    surest = min(points, key=lambda point: point.effect.p)
    return Judgement(
        surest.effect,
        0,
        points,
        detail=f"rise at x = {surest.x:g} less the mean rise",
        equal_p=max(equal_within(t + mean, claim.within) for t in terms),
    )


def _returns(claim: Claim, curves: Sequence[Curve], reference: None) -> Judgement:
    """The gain per unit of x between the last two x less that between the first two."""
    (curve,) = curves
    x = sorted(curve)
    if len(x) < 3:
        raise ValueError("returns need three x")
    first, last = 1 / (x[1] - x[0]), 1 / (x[-1] - x[-2])
    terms = [(last, curve[x[-1]]), (-last, curve[x[-2]]), (-first, curve[x[1]]), (first, curve[x[0]])]
    return Judgement(estimate(terms), claim.sign)


def _limit(claim: Claim, curves: Sequence[Curve], reference: Curve) -> Judgement:
    """The limit c of the law c − a x^(−α) fitted to the curve, less the reference's mean; by bootstrap."""
    (curve,) = curves
    x = sorted(curve)
    law = scaling_law(x, [curve[at] for at in x], reference[x[0]])
    assert law.gap is not None
    named = zip(("c", "a", "α"), (law.c, law.a, law.alpha), strict=True)
    parts = [f"{name} = {e.value:.3g} [{e.low:.3g}, {e.high:.3g}]" for name, e in named]
    return Judgement(law.gap, claim.sign, detail=", ".join(parts))


TESTS: dict[str, Callable[..., Judgement]] = {
    "difference": _difference,
    "trend": _trend,
    "rise": _rise,
    "variation": _variation,
    "returns": _returns,
    "limit": _limit,
}


def judge_exponential(
    lookbacks: Sequence[float] | np.ndarray, operations: Sequence[float] | np.ndarray, base: float
) -> Judgement:
    """Judge that operations (K,) grow exponentially in the lookback; the effect is the base, of base ≈ N!."""
    found = growth(lookbacks, operations)
    if np.ptp(operations) == 0:
        return Judgement(
            Effect(1.0, 1.0, 1.0, np.nan), 1, settled=CONTRADICTED, detail="the operations do not grow"
        )
    lead = found.aic_power - found.aic_exponential
    settled = SUPPORTED if lead > AIC_MARGIN else CONTRADICTED if lead < -AIC_MARGIN else UNDECIDED
    return Judgement(
        Effect(*found.base, np.nan),
        1,
        settled=settled,
        detail=f"base, N! = {base:g}; AIC less by {lead:.1f} than that of K^{found.exponent.value:.2f}",
    )


def judge_linear(
    lookbacks: Sequence[float] | np.ndarray, operations: Sequence[float] | np.ndarray, tolerance: float
) -> Judgement:
    """Judge that operations (K,) grow linearly in the lookback.

    The effect is the largest deviation from the least-squares straight line as a fraction of what the
    operations rise; up to the tolerance it counts as linear. Operations that do not change are a straight
    line, from which nothing deviates.
    """
    x, y = np.asarray(lookbacks, float), np.asarray(operations, float)
    line = np.polynomial.Polynomial.fit(x, y, 1)
    rise = np.ptp(y)
    deviation = float(np.abs(y - line(x)).max() / rise) if rise else 0.0
    exponent = growth(x, y).exponent
    return Judgement(
        Effect(deviation, deviation, deviation, np.nan),
        -1,
        settled=SUPPORTED if deviation <= tolerance else CONTRADICTED,
        detail=f"largest deviation from a line, of the rise; as a power, K^{exponent.value:.2f}",
    )


def judge_crossing(
    lookbacks: Sequence[float] | np.ndarray,
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
) -> Judgement:
    """Judge that the first of two counts (K,) begins below the second and ends above; the effect is K there.

    Contradicted if it begins above; undecided if it stays below as far as was counted.
    """
    x, lead = np.asarray(lookbacks, float), np.log(first) - np.log(second)
    if lead[0] > 0:
        return Judgement(Effect(*[np.nan] * 4), 1, settled=CONTRADICTED, detail="begins above")
    found = crossing(lookbacks, first, second)
    if found is not None:
        return Judgement(Effect(*found, np.nan), 1, settled=SUPPORTED, detail="K of the crossing")
    detail = f"below as far as K = {x[-1]:g}"
    growing = (lead[-1] - lead[-2]) / (x[-1] - x[-2])
    if growing > 0:
        detail += f"; if the last growth went on, they would cross at K = {x[-1] - lead[-1] / growing:.1f}"
    return Judgement(Effect(*[np.nan] * 4), 1, settled=UNDECIDED, detail=detail)


def _mean(terms: Sequence[Terms]) -> Terms:
    return [(weight / len(terms), scores) for each in terms for weight, scores in each]


def _rises(curves: Sequence[Curve]) -> tuple[list[float], list[Terms]]:
    if len(curves) < 2:
        raise ValueError("a rise from curve to curve needs two")
    x = sorted(curves[0])
    weights = _rise_weights(range(len(curves)))
    return x, [[(w, curve[at]) for w, curve in zip(weights, curves, strict=True)] for at in x]


def _rise_weights(x: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return weights (K,) of values at x (K,): their sum is the rise of the least-squares line over x."""
    if len(x) < 2:
        raise ValueError("a trend needs two x")
    centred = np.asarray(x, float) - np.mean(x)
    return centred / np.sum(centred**2) * np.ptp(x)
