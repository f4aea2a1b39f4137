"""Others' trackers of many particles, and a bound on the time that they may take.

Those of trackers/ are taken as they are. A tracker is loaded by process noise, measurement noise and spread
of the drift, and links points (T, N, 2), lengths, whose frame 0 are the starts: it returns the label (T, N)
of each; points with one label are one track. Loading raises ImportError where its package is not installed.
"""

import multiprocessing
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mpt.kalman import Model

sys.path.insert(0, str(Path(__file__).parents[2] / "trackers"))

Link = Callable[[np.ndarray], np.ndarray]
# How far linkers look, in standard deviations of a step between detections: 1 step in 3,000 is longer.
REACH = 4.0
WINDOW = 2
# In processor seconds, whose clock may tick in hundredths: what takes less is repeated.
SHORTEST = 0.2


class Peer(NamedTuple):
    """A tracker, and the lookback with which this project's is compared with it."""

    load: Callable[[float, float, float], Link]
    lookback: int


def _stone_soup_nearest(*told: float) -> Link:
    import stonesoup_model
    import stonesoup_nearest

    kalman = stonesoup_model.kalman_filter(*told)
    return lambda points: stonesoup_nearest.link(points, kalman)[0]


def _stone_soup_window(*told: float) -> Link:
    import stonesoup.dataassociator.mfa  # noqa: F401

    def link(points: np.ndarray) -> np.ndarray:
        tracks = multi_frame_assignment(points, points[0], Model(*told), WINDOW)
        labels = np.full(points.shape[:2], -1)
        labels[0] = np.arange(len(points[0]))
        frame, track = np.nonzero(tracks >= 0)
        labels[frame + 1, tracks[frame, track]] = track
        return labels

    return link


def _laptrack(*told: float) -> Link:
    import laptrack_linker

    return partial(laptrack_linker.link, reach=_reach(*told))


def _trackpy(*told: float) -> Link:
    import trackpy_linker

    return partial(trackpy_linker.link, reach=_reach(*told), memory=0)


def _motile(*told: float) -> Link:
    import motile  # noqa: F401

    return partial(integer_program, reach=_reach(*told))


PEERS = {
    "Stone Soup, nearest neighbour": Peer(_stone_soup_nearest, 1),
    f"Stone Soup, multi-frame, window {WINDOW}": Peer(_stone_soup_window, WINDOW),
    "laptrack": Peer(_laptrack, 1),
    "trackpy": Peer(_trackpy, 1),
    "motile": Peer(_motile, 1),
}


def _reach(process_noise: float, measurement_noise: float, drift_spread: float) -> float:
    return REACH * float(np.sqrt(process_noise**2 + 2 * measurement_noise**2 + drift_spread**2))


def within(seconds: int, link: Link, points: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Return the processor seconds that linking takes and the labels; None if it takes more than `seconds`.

    It runs in a process of its own, which the system ends. Raises RuntimeError if that ends by itself.
    """
    processes = multiprocessing.get_context("fork")
    receiver, sender = processes.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        begin, times = time.process_time(), 0
        while times == 0 or time.process_time() - begin < SHORTEST:
            labels = link(points)
            times += 1
        sender.send(((time.process_time() - begin) / times, labels))

    process = processes.Process(target=work)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode != -signal.SIGXCPU:
            raise RuntimeError(f"linking ended with exit code {process.exitcode}") from None
        return None
    finally:
        process.join()


def integer_program(points: np.ndarray, reach: float) -> np.ndarray:
    """Return the label (T, N) of each of the points (T, N, 2), by motile's integer program of all frames.

    A link costs its squared displacement less the squared reach, and there is none farther than the reach;
    each point has at most one link to the frame before it and one to the next.
    """
    import motile
    import networkx as nx
    from motile.constraints import MaxChildren, MaxParents
    from motile.costs import EdgeSelectedCost

    T, N, _ = points.shape
    graph = nx.DiGraph()
    graph.add_nodes_from((node, {"t": node // N}) for node in range(T * N))
    for t in range(1, T):
        squares = ((points[t - 1, :, None] - points[t]) ** 2).sum(axis=-1)
        for i, j in np.argwhere(squares < reach**2).tolist():
            graph.add_edge((t - 1) * N + i, t * N + j, cost=squares[i, j] - reach**2)
    solver = motile.Solver(motile.TrackGraph(graph))
    solver.add_cost(EdgeSelectedCost(attribute="cost"))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(1))
    solver.solve()
    labels = np.arange(T * N)
    # Frame by frame, as nodes are numbered, so that a label goes on to the end of its track.
    for earlier, later in sorted(solver.get_selected_subgraph().edges):
        labels[later] = labels[earlier]
    return labels.reshape(T, N)


def multi_frame_assignment(
    measurements: np.ndarray, initial: np.ndarray, model: Model, window: int
) -> np.ndarray:
    """Return the detections (T - 1, N) that Stone Soup assigns to the tracks in frames 1 … T - 1."""
    from stonesoup.dataassociator.mfa import MFADataAssociator
    from stonesoup.hypothesiser.mfa import MFAHypothesiser
    from stonesoup.hypothesiser.probability import PDAHypothesiser
    from stonesoup.models.measurement.linear import LinearGaussian
    from stonesoup.models.transition.linear import LinearGaussianTimeInvariantTransitionModel
    from stonesoup.predictor.kalman import KalmanPredictor
    from stonesoup.types.detection import Detection
    from stonesoup.types.mixture import GaussianMixture
    from stonesoup.types.numeric import Probability
    from stonesoup.types.state import TaggedWeightedGaussianState
    from stonesoup.types.track import Track
    from stonesoup.types.update import GaussianMixtureUpdate
    from stonesoup.updater.kalman import KalmanUpdater

    start = datetime(2024, 1, 1)
    observation = LinearGaussian(ndim_state=4, mapping=(0, 1), noise_covar=model.R)
    updater = KalmanUpdater(observation)
    hypothesiser = PDAHypothesiser(
        KalmanPredictor(LinearGaussianTimeInvariantTransitionModel(model.F, model.Q)),
        updater,
        # As good as no clutter, no miss and no gate, which it cannot do without.
        clutter_spatial_density=1e-12,
        prob_detect=Probability(1 - 1e-9),
        prob_gate=Probability(1 - 1e-12),
        include_all=True,
        normalise=False,
    )
    associator = MFADataAssociator(MFAHypothesiser(hypothesiser), slide_window=window)
    tracks = []
    for position in initial:
        state = TaggedWeightedGaussianState(
            [*position, 0, 0], model.P0, timestamp=start, weight=Probability(1), tag=[]
        )
        tracks.append(Track([GaussianMixture([state])]))
    for t in range(1, len(measurements)):
        moment = start + timedelta(seconds=t)
        # A list: it numbers detections by their order.
        detections = [Detection(z, timestamp=moment, measurement_model=observation) for z in measurements[t]]
        for track, hypotheses in associator.associate(set(tracks), detections, moment).items():
            components = [updater.update(h) if h else h.prediction for h in hypotheses]
            track.append(GaussianMixtureUpdate(hypothesis=hypotheses, components=components))
    best = [max(track.state.components, key=lambda component: component.weight) for track in tracks]
    return np.array([component.tag for component in best]).T - 1
