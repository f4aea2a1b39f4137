"""What a score is stands once: tables, config and pictures agree with it, and it bounds what is computed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mpt.matching import match
from mpt.scoring.definitions import SCORES, needs_a_length
from mpt.scoring.scores import score_tracks
from mpt.tables import scores as tables

ROOT = Path(__file__).parents[1]


def scored(rng, scale):
    """Score tracks of ten experiments, off by so much."""
    true = np.cumsum(rng.normal(size=(10, 12, 3, 2)), axis=1)
    detection = np.tile(np.arange(3, dtype=np.int16), (10, 12, 1))
    estimated = true + scale * rng.normal(size=true.shape)
    return score_tracks(estimated, match(estimated, true), true, detection, true, 2.0)


def test_the_table_of_scores_has_these_columns_in_this_order():
    columns = [name for name in tables.SCORES.schema.names if name not in tables.SCORES.key]
    assert columns == list(SCORES)
    assert list(scored(np.random.default_rng(0), 1.0)) == list(SCORES)


def test_the_schema_of_the_config_allows_each_score_but_counts_of_links():
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    named = schema["$defs"]["score"]["enum"]
    links = {"true_positives", "false_positives", "false_negatives"}
    assert named == [name for name in SCORES if name not in links]


def test_scores_lie_within_their_bounds_and_worse_tracks_score_worse():
    rng = np.random.default_rng(1)
    good, bad = scored(rng, 0.1), scored(rng, 20.0)
    for name, score in SCORES.items():
        for values in (good[name], bad[name]):
            assert (values >= score.low).all(), name
            assert (values <= score.high).all(), name
        assert score.better * (good[name].mean() - bad[name].mean()) > 0, name


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_lengths_scale_with_the_positions_and_numbers_do_not(scale):
    rng = np.random.default_rng(2)
    true = np.cumsum(rng.normal(size=(10, 12, 3, 2)), axis=1)
    estimated = true + rng.normal(size=true.shape)
    detection = np.tile(np.arange(3, dtype=np.int16), (10, 12, 1))
    assigned = match(estimated, true)
    plain = score_tracks(estimated, assigned, true, detection, true, 2.0)
    scaled = score_tracks(scale * estimated, assigned, scale * true, detection, scale * true, 2.0 * scale)
    for name, score in SCORES.items():
        # The gate of the ISBI challenge is five pixels, whatever the scene.
        if not name.startswith("isbi"):
            factor = scale if score.unit == "length" else 1.0
            np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=1e-9, err_msg=name)


def test_only_what_is_measured_by_the_noise_needs_a_length():
    still = {"process_noise": 0, "measurement_noise": 0, "drift_spread": 1}
    assert needs_a_length(still, ["jaccard", "position_error", "idf1"]) is None
    assert needs_a_length(still | {"measurement_noise": 1}) is None
    assert needs_a_length(still | {"process_noise": 1}) is None
    told = needs_a_length(still, ["jaccard", "gospa"])
    assert "gospa" in told
    assert "process_noise and measurement_noise are both 0" in told
    assert "jaccard" not in told


def test_to_know_what_a_score_is_loads_no_heavy_package():
    code = "import sys, mpt.scoring.definitions; print({'numpy', 'scipy', 'pyarrow'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "src", check=True
    )
    assert result.stdout.strip() == "set()"
