"""The table of docs/ablation.md: made from the figures' tables, each number in its place."""

import importlib
from pathlib import Path

import pytest
import yaml

from planning.config_files import read
from planning.configuration import problems
from planning.studies import plan

PROJECT = Path(__file__).parents[1]
STUDIES = ("ablation_mild", "ablation_short", "ablation_long")


@pytest.fixture
def tabulation(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "docs")
    return importlib.import_module("tabulate_ablation")


def figure(path, scores=("jaccard", "position_error", "idf1", "own_particle"), first=0):
    """Write a figure's table: the mean counts the scores, and training adds 0.5."""
    lines = ["score,curve,x,label,method,dataset,tracker,mean,low,high"]
    for number, score in enumerate(scores):
        for curve, (label, method) in enumerate([("a, without = nothing", "geometric"), ("MHT", "mht")]):
            for x in (first, 20):
                trained = 0.5 if x and method == "geometric" else 0
                tracker = f"a_epochs-{x}" if method == "geometric" else "mht_K8"
                mean = number + trained
                words = (score, curve, x, f'"{label}"', method, "T8_sigma7_experiments-9", tracker)
                lines.append(",".join(map(str, (*words, mean, mean - 0.25, mean + 0.25))))
    path.write_text("\n".join(lines))
    return path


def test_each_score_stands_untrained_and_trained(tabulation, tmp_path):
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tabulation.table([figure(tmp_path / "f.csv")]).splitlines()
    ]
    assert rows[0][:4] == ["scene", "network", "JC, untrained", "JC, trained"]
    assert rows[2] == ["T = 8, σ = 7", "a"] + [f"{n}.{half}00 ± 0.250" for n in range(4) for half in (0, 5)]
    assert rows[3] == ["T = 8, σ = 7", "MHT", *(x for n in range(4) for x in ("–", f"{n}.000 ± 0.250"))]


@pytest.mark.parametrize("lacking", [{"scores": ["jaccard"]}, {"first": 1}])
def test_a_figure_that_lacks_a_number_is_refused(tabulation, tmp_path, lacking):
    with pytest.raises(ValueError, match="at 0 epochs"):
        tabulation.table([figure(tmp_path / "f.csv", **lacking)])


def test_the_study_leaves_out_each_part_by_itself_trained_and_untrained():
    config = read(PROJECT / "config.yaml")
    overlay = yaml.safe_load((PROJECT / "examples/ablation.yaml").read_text(encoding="utf-8"))
    for section, values in overlay.items():
        config[section] |= values
    assert problems(config, PROJECT / "schemas/config.schema.yaml") == []
    jobs = plan(config)
    for study in STUDIES:
        trackers = {name for curve in jobs.curves[study] for *_, name in curve.points}
        models = [jobs.models[jobs.model_of[name]] for name in trackers if name in jobs.model_of]
        assert {
            (model.get("without", "plain"), model["augment"], model["epochs"] > 0) for model in models
        } == {
            (part, augment, trained)
            for part, augment in [
                ("nothing", "rotations"),
                ("geometry", "rotations"),
                ("rivalry", "rotations"),
                ("division", "rotations"),
                ("nothing", "none"),
                ("plain", "none"),
            ]
            for trained in (False, True)
        }
