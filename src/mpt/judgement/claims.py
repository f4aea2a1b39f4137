"""Claims judged by scores: an effect with its 95 % interval, a p-value, a verdict.

A curve is a mapping from x to scores (R, B): R replicate trainings on B test sequences, R = 1 for trackers
that are not trained. Sequence b is the same for all trackers, noises and, as a prefix, lengths; replicate r
of every model starts from the same weights and, where as many experiments teach it, learns from the same
motions. So effects are combined per sequence and per replicate before their spread is estimated; where
replicates have nothing in common, that is valid too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpt.judgement.fits import crossing, growth, scaling_law
from mpt.judgement.statistics import LEVEL, Effect, contrast, holm

Curve = Mapping[float, np.ndarray]
Terms = list[tuple[float, np.ndarray]]

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
LOWER_IS_BETTER = ("position_error", "swaps", "gospa")
# Burnham & Anderson (2002): of laws whose criteria differ by less, neither is better.
AIC_MARGIN = 2.0


@dataclass(frozen=True)
class Point:
    """The effect at one x of one curve; its p is corrected for the number of points."""

    x: float
    curve: int
    effect: Effect


@dataclass(frozen=True)
class Judgement:
    """What the data say of a claim: sign is that of the effect claimed, 0 if none is.

    Where nothing was sampled, such as operations that were counted, effect.p is NaN and the verdict is
    `settled`; an effect that does not exist is NaN. detail says in words what one effect cannot.
    """

    effect: Effect
    sign: int
    points: tuple[Point, ...] = ()
    everywhere: bool = False
    settled: str | None = None
    detail: str = ""

    def count(self, sign: int) -> int:
        """Count the points whose effect is significant and has this sign, or for sign 0 any."""
        significant = [point.effect.effect for point in self.points if point.effect.p < 1 - LEVEL]
        return sum(sign == 0 or effect * sign > 0 for effect in significant)


@dataclass(frozen=True)
class Claim:
    """What is claimed of scores. test is a key of TESTS; sign is +1 if the effect is claimed to be positive.

    margin: the reference counts as worse by this fraction. everywhere: at each point, not on average.
    log_x: a trend is one over log x.
    """

    test: str
    sign: int
    margin: float = 0.0
    everywhere: bool = False
    log_x: bool = False


def verdict(judgement: Judgement, p: float) -> str:
    """Say supported, contradicted or undecided.

    A claim is supported if its effect has the sign that is claimed and p < 0.05, contradicted if it has the
    other sign and p < 0.05, and undecided otherwise. The effect is the mean over the points of the figure
    unless the claim names one; p is two-sided and corrected by Holm's procedure for the claims about the
    same figure by the same score. A claim that something holds everywhere is also contradicted, whatever
    the mean, by a single point that has the other sign with p < 0.05, corrected by Holm's procedure for the
    points. A claim that something varies can only be supported or undecided. Where operations are counted
    nothing is sampled, and the counts settle the verdict: an exponential law by Akaike's criterion, better
    or worse by more than 2 than a power law; a straight line by its largest deviation; a crossing by being
    seen.
    """
    if judgement.settled:
        return judgement.settled
    if judgement.everywhere and judgement.count(-judgement.sign):
        return CONTRADICTED
    if not p < 1 - LEVEL or judgement.effect.effect == 0:
        return UNDECIDED
    as_claimed = judgement.sign == 0 or judgement.effect.effect * judgement.sign > 0
    return SUPPORTED if as_claimed else CONTRADICTED


def judge(claim: Claim, curves: Sequence[Curve], reference: Curve | None = None) -> Judgement:
    """Judge a claim by its curves and, if it has one, the curve that they are compared with.

    Raises ValueError as the test does: for too few x or curves, or scores that statistics.contrast refuses.
    """
    return TESTS[claim.test](claim, curves, reference)


def estimate(terms: Terms) -> Effect:
    """Estimate Σ weight · mean of scores over terms (weight, scores (R, B)).

    Paired by sequence, over those that all terms have, and by replicate, among terms with as many.
    """
    sequences = min(scores.shape[1] for _, scores in terms)
    sums, largest = {}, {}
    for weight, scores in terms:
        count = len(scores)
        part = weight * np.asarray(scores, float)[:, :sequences]
        sums[count] = sums.get(count, 0) + part
        largest[count] = max(largest.get(count, 0.0), np.abs(part).max())
    for count, combined in sums.items():
        # What is left where weights that add up to nothing meet equal scores is no effect.
        combined[np.abs(combined) <= 1e-12 * largest[count]] = 0
    return contrast([1.0] * len(sums), list(sums.values()), far_tails=True)


def corrected(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points with their p-values corrected for being so many, by Holm's procedure."""
    adjusted = holm([point.effect.p for point in points])
    return tuple(
        Point(point.x, point.curve, point.effect._replace(p=float(p)))
        for point, p in zip(points, adjusted, strict=True)
    )


def _difference(claim: Claim, curves: Sequence[Curve], reference: Curve) -> Judgement:
    """Curve less reference, at each x and on average."""
    factor = 1 - claim.sign * claim.margin
    places = [(x, k) for k, curve in enumerate(curves) for x in sorted(curve)]
    terms = [[(1.0, curves[k][x]), (-factor, reference[x])] for x, k in places]
    points = [Point(x, k, estimate(t)) for (x, k), t in zip(places, terms, strict=True)]
    return Judgement(
        estimate(_mean(terms)),
        claim.sign,
        corrected(points),
        claim.everywhere,
        detail=f"against {factor:g} × the reference" if claim.margin else "",
    )


def _trend(claim: Claim, curves: Sequence[Curve], reference: Curve | None) -> Judgement:
    """The rise over all x of the least-squares line through the curve less the reference."""
    (curve,) = curves
    x = sorted(curve)
    weights = _rise_weights(np.log(x) if claim.log_x else x)
    terms = [(w, curve[at]) for w, at in zip(weights, x, strict=True)]
    if reference is not None:
        terms += [(-w, reference[at]) for w, at in zip(weights, x, strict=True)]
    return Judgement(estimate(terms), claim.sign)


def _rise(claim: Claim, curves: Sequence[Curve], reference: None) -> Judgement:
    """The rise from the first curve to the last, by a line through all as if equally far apart, at each x."""
    x, terms = _rises(curves)
    points = [Point(at, len(curves) - 1, estimate(t)) for at, t in zip(x, terms, strict=True)]
    return Judgement(estimate(_mean(terms)), claim.sign, corrected(points), claim.everywhere)


def _variation(claim: Claim, curves: Sequence[Curve], reference: None) -> Judgement:
    """The rise from the first curve to the last at each x less its mean over x; the effect is the surest."""
    x, terms = _rises(curves)
    if len(x) < 2:
        raise ValueError("what varies over x needs two")
    mean = [(-w, scores) for w, scores in _mean(terms)]
    points = corrected(
        [Point(at, len(curves) - 1, estimate(t + mean)) for at, t in zip(x, terms, strict=True)]
    )
    surest = min(points, key=lambda point: point.effect.p)
    return Judgement(surest.effect, 0, points, detail=f"rise at x = {surest.x:g} less the mean rise")


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
    named = zip(("c", "a", "α"), (law.c, law.a, law.alpha), strict=True)
    parts = [f"{name} = {e.value:.3g} [{e.low:.3g}, {e.high:.3g}]" for name, e in named]
    return Judgement(law.gap, claim.sign, detail=", ".join(parts))


TESTS = {
    "difference": _difference,
    "trend": _trend,
    "rise": _rise,
    "variation": _variation,
    "returns": _returns,
    "limit": _limit,
}


def judge_exponential(lookbacks: Sequence[float], operations: Sequence[float], base: float) -> Judgement:
    """Judge that operations (K,) grow exponentially in the lookback; the effect is the base, of base ≈ N!."""
    found = growth(lookbacks, operations)
    lead = found.aic_power - found.aic_exponential
    settled = SUPPORTED if lead > AIC_MARGIN else CONTRADICTED if lead < -AIC_MARGIN else UNDECIDED
    return Judgement(
        Effect(*found.base, np.nan),
        1,
        settled=settled,
        detail=f"base, N! = {base:g}; AIC less by {lead:.1f} than that of K^{found.exponent.value:.2f}",
    )


def judge_linear(lookbacks: Sequence[float], operations: Sequence[float], tolerance: float) -> Judgement:
    """Judge that operations (K,) grow linearly in the lookback.

    The effect is the largest deviation from the least-squares straight line as a fraction of what the
    operations rise; up to the tolerance it counts as linear.
    """
    x, y = np.asarray(lookbacks, float), np.asarray(operations, float)
    line = np.polynomial.Polynomial.fit(x, y, 1)
    deviation = float(np.abs(y - line(x)).max() / np.ptp(y))
    exponent = growth(x, y).exponent
    return Judgement(
        Effect(deviation, deviation, deviation, np.nan),
        -1,
        settled=SUPPORTED if deviation <= tolerance else CONTRADICTED,
        detail=f"largest deviation from a line, of the rise; as a power, K^{exponent.value:.2f}",
    )


def judge_crossing(lookbacks: Sequence[float], first: Sequence[float], second: Sequence[float]) -> Judgement:
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


def _rise_weights(x: Sequence[float]) -> np.ndarray:
    """Return weights (K,) of values at x (K,): their sum is the rise of the least-squares line over x."""
    if len(x) < 2:
        raise ValueError("a trend needs two x")
    centred = np.asarray(x, float) - np.mean(x)
    return centred / np.sum(centred**2) * np.ptp(x)
