"""The law of scaling: known exponents found again, intervals that cover, parameters counted in the model."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml

import fit_scaling_law as script
from mpt.judgement.scaling import fit, law, predicted
from mpt.scoring import definitions
from mpt.tables.files import TableWriter
from mpt.tables.scores import TRACKER_SCORES
from mpt.transformer.model_file import save_model
from mpt.transformer.networks import NETWORKS
from planning.methods import StudyError
from planning.scaling import scaling
from planning.studies import plan
from workflow import PROJECT

SIZES = [1000, 3000, 10_000, 40_000]
P = np.repeat(SIZES, 5)
D = np.tile([6, 18, 60, 180, 600], 4)
REFERENCE = 12.0


def network(dimension: int, replicates: int):
    """Return a small plain network of that dimension."""
    kind = NETWORKS["plain"]
    size = kind.Architecture(
        particles=2, frames=6, encoder_lookback=6, decoder_lookback=2, dimension=dimension, heads=2,
        encoder_layers=1, decoder_layers=1, feedforward=dimension, head="displacement",
        time_embedding="learned",
    )  # fmt: skip
    return kind(size, replicates)


def errors(rng, E=0.0, A=300.0, B=60.0, alpha=0.6, beta=0.6, replicates=3, sequences=200) -> tuple:
    """Return squared errors (R, B) of each network and of the reference (1, B), whose mean is REFERENCE."""
    shared = rng.gamma(4, REFERENCE / 4, size=sequences)
    excess = E + A * P**-alpha + B * D**-beta
    luck = 1 + 0.05 * rng.normal(size=(len(P), replicates, 1))
    spread = rng.gamma(20, 1 / 20, size=(len(P), replicates, sequences))
    return list(shared + excess[:, None, None] * luck * spread), shared[None]


@pytest.mark.parametrize("known", [(12, 300, 20, 0.6, 0.5), (12, 30, 40, 0.3, 0.9), (1, 5000, 8, 1.1, 0.2)])
def test_a_law_without_noise_is_found_exactly(known):
    E, A, B, alpha, beta = known
    np.testing.assert_allclose(fit(P, D, E + A * P**-alpha + B * D**-beta), known, rtol=1e-3)


def test_one_training_that_failed_hardly_moves_the_law():
    """As the Huber loss is meant to: least squares of log L would move α by more than a tenth."""
    exact = 12 + 300 * P**-0.6 + 20 * D**-0.5
    exact[7] *= 2
    assert fit(P, D, exact)[3:] == pytest.approx([0.6, 0.5], abs=0.01)


def test_intervals_cover_what_is_known():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(12):
        found = law(P, D, *errors(rng), resamples=30)
        pairs = ((found.E, 0.0), (found.alpha, 0.6), (found.beta, 0.6))
        covered.append([each.low <= value <= each.high for each, value in pairs])
    # Of 36 intervals of 95 %, 30 or fewer cover in one of 80 cases, were they independent.
    assert np.sum(covered) >= 31


def test_a_constant_is_counted_from_the_reference():
    found = law(P, D, *errors(np.random.default_rng(1), E=3.0), resamples=30)
    assert found.E.low <= 3.0 <= found.E.high
    expected = found.E.value + found.A.value * 1000**-found.alpha.value + found.B.value * 6**-found.beta.value
    assert predicted(found, 1000, 6) == pytest.approx(expected)


@pytest.mark.parametrize("chosen", [slice(0, 5), D < 20])
def test_a_grid_that_is_too_small_is_refused(chosen):
    networks, reference = errors(np.random.default_rng(2))
    few = [
        each
        for each, kept in zip(networks, np.isin(np.arange(20), np.arange(20)[chosen]), strict=True)
        if kept
    ]
    with pytest.raises(ValueError, match="at least 9 networks"):
        law(P[chosen], D[chosen], few, reference)


@pytest.fixture
def grid(tmp_path):
    """Scores of nine small networks and a reference, and the models' files."""
    rng = np.random.default_rng(3)
    names, models = [], []
    columns: dict[str, list] = {name: [] for name in TRACKER_SCORES.schema.names}
    for dimension in (4, 8, 16):
        for batch in (1, 4, 16):
            names.append(f"d{dimension}_i{batch:02d}")
            models.append(tmp_path / f"{names[-1]}.pt")
            save_model(models[-1], network(dimension, 2), {"batches": 3, "experiments_per_batch": batch})
    for name in sorted([*names, "bayes"]):
        for replicate in range(1 if name == "bayes" else 2):
            for experiment in range(8):
                columns["tracker"].append(name)
                columns["replicate"].append(replicate)
                columns["experiment"].append(experiment)
                for score in definitions.SCORES:
                    value = 3 + rng.random() + (name != "bayes")
                    columns[score].append(1 if definitions.SCORES[score].integer else value)
    with TableWriter(tmp_path / "scores.parquet", TRACKER_SCORES, {}) as writer:
        writer.write({name: np.array(values) for name, values in columns.items()})
    return tmp_path, names, models


def flags(directory, names, models) -> list:
    return [
        "--scores", directory / "scores.parquet", "--reference", "bayes",
        "--trackers", *names, "--models", *models, "--seed", 1, "--csv", directory / "law.csv",
    ]  # fmt: skip


def test_the_table_has_the_models_parameters_and_the_squared_errors(run_script, grid):
    directory, names, models = grid
    table = directory / "law.parquet"
    result = run_script("fit_scaling_law.py", *flags(directory, names[::-1], models[::-1]), "--output", table)
    assert result.returncode == 0, result.stderr
    rows = pd.read_parquet(table).set_index("tracker")
    assert list(rows.index) == names
    assert list(rows["experiments"]) == [3, 12, 48] * 3
    scores = pd.read_parquet(directory / "scores.parquet")
    squared = (scores["position_error"] ** 2).groupby(scores["tracker"]).mean()
    np.testing.assert_allclose(rows["squared_error"], squared[names])
    np.testing.assert_allclose(rows["excess"], squared[names] - squared["bayes"])
    contents = torch.load(models[0], weights_only=True)["network"]
    # What is not trained has no place among the parameters: the unit of length.
    numbers = {name: tensor.numel() for name, tensor in contents.items() if tensor.is_floating_point()}
    assert rows["parameters"].iloc[0] == (sum(numbers.values()) - numbers["length_scale"]) // 2
    told = json.loads(pq.read_schema(table).metadata[b"mpt"])["law"]
    assert told["reference"] == pytest.approx(squared["bayes"])
    picture = ["--table", table, "--title", "A title", "--palette", "crest", "--dots-per-inch", 60]
    result = run_script("draw_scaling_law.py", *picture, "--output", directory / "law.png")
    assert result.returncode == 0, result.stderr


def test_what_cannot_be_fitted_is_refused(refusal_here, grid):
    refusal = partial(refusal_here, script)
    directory, names, models = grid
    output = directory / "law.parquet"
    assert "9 --trackers" in refusal(*flags(directory, names, models[1:]), output=output)
    assert "has no scores of other" in refusal(
        *flags(directory, [*names[1:], "other"], models), output=output
    )
    assert "at least 9 networks" in refusal(*flags(directory, names[1:], models[1:]), output=output)
    save_model(models[0], network(4, 1), {"batches": "unlimited"})
    line = refusal(*flags(directory, names, models), output=output)
    assert f"{models[0]}: was not trained on a number of experiments" in line


def test_the_study_names_the_networks_and_one_reference():
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    assert scaling(config, plan(config)) is None
    overlay = yaml.safe_load((PROJECT / "studies/scaling_law.yaml").read_text(encoding="utf-8"))
    config["studies"] = overlay["studies"]
    found = scaling(config, plan(config))
    assert found.reference == "bayes"
    assert len(found.trackers) == 20
    config["studies"]["scaling_law"]["datasets"]["measurement_noise"] = [1, 7]
    with pytest.raises(StudyError, match=r"studies\.scaling_law: the law needs one dataset"):
        scaling(config, plan(config))
