"""What trackers refuse from their settings alone agrees with counting, and costs no import."""

import subprocess
import sys
from math import factorial

import pytest

from conftest import SOURCES
from mpt.errors import InputError
from mpt.kalman import Model
from mpt.trackers import bayes, limits

NOISES = {"process_noise": 1.0, "measurement_noise": 1.0, "velocity_spread": 0.1}


@pytest.mark.parametrize("solver", ["enumerate", "refilter"])
def test_enumeration_ends_at_its_number_of_hypotheses(solver):
    for N in range(1, 12):
        for T in (1, 2, 3, 9, 150):
            for K in (1, 2, 3, 8, 26, 27, 40):
                fault = limits.hypotheses({"lookback": K, "solver": solver}, {"particles": N, "frames": T})
                possible = factorial(N) ** min(K, T - 1) <= limits.LARGEST_ENUMERATION
                assert (fault is None) == possible, (N, T, K)
                if fault is not None:
                    assert f"{N}!^{min(K, T - 1)} hypotheses" in fault
                    assert "solver: assignment" in fault


def test_margins_of_the_assignment_solver_end_at_its_number_of_histories():
    for N in range(1, 101):
        for K in (1, 2, 3, 8, 24, 25):
            settings, scene = {"lookback": K, "solver": "assignment"}, {"particles": N, "frames": 150}
            # N tracks of N^K histories, up to rounding where the number is the largest itself.
            possible = N ** (K + 1) <= limits.LARGEST_ASSIGNMENT
            assert (limits.histories(settings, scene) is None) == possible, (N, K)
            assert limits.hypotheses(settings, scene) is None


def test_the_bayes_reference_ends_at_its_number_of_sequences():
    for N in range(1, 10):
        for T in range(1, 30):
            scene = {"particles": N, "frames": T}
            possible = factorial(N) ** (T - 1) <= limits.LARGEST_POSTERIOR
            assert (limits.association_sequences({}, scene) is None) == possible, scene
    with pytest.raises(InputError, match=r"2!\^149 association sequences"):
        bayes.association_sequences(150, 2)
    assert len(bayes.association_sequences(17, 2)) == 2**16


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"process_noise_model": "velocity"}, None),
        ({"measurement_noise": 0.0}, None),
        ({"process_noise": 0.0}, None),
        ({"process_noise": 0.0, "measurement_noise": 0.0}, "both 0"),
        ({"process_noise_model": "velocity", "measurement_noise": 0.0}, None),
        (
            {"process_noise_model": "velocity", "measurement_noise": 0.0, "velocity_spread": 0.0},
            "no variance",
        ),
        ({"process_noise": -1.0}, "process noise -1.0 is not a number from 0"),
        ({"measurement_noise": float("nan")}, "measurement noise nan"),
        ({"velocity_spread": 1e61}, "velocity spread 1e+61"),
        ({"process_noise_model": "both"}, "'both' is not one of"),
    ],
)
def test_noise_is_refused_exactly_where_an_innovation_has_no_variance(changes, words):
    settings = {**NOISES, "process_noise_model": "position", **changes}
    fault = limits.filter_noise(settings, {})
    if words is None:
        assert fault is None
        assert (Model(**settings).riccati(9).innovation_variance[1:] > 0).all()
    else:
        assert words in fault
        with pytest.raises(InputError) as refused:
            Model(**settings)
        assert str(refused.value) == fault


def test_a_lookback_of_nothing_and_an_unknown_solver_are_refused():
    scene = {"particles": 2, "frames": 8}
    assert "not at least 1" in limits.hypotheses({"lookback": 0, "solver": "enumerate"}, scene)
    assert "'milp' is not one of" in limits.hypotheses({"lookback": 1, "solver": "milp"}, scene)


def test_a_config_is_checked_without_numpy():
    code = "import sys, mpt.trackers.limits; sys.exit(any(m in sys.modules for m in ('numpy', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=SOURCES, check=False).returncode == 0
