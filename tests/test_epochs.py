"""The table of epochs in docs/networks.md: made from the figures' tables, each number in its place."""

import importlib
from pathlib import Path

import pytest
import yaml

from planning.config_files import read
from planning.configuration import problems

PROJECT = Path(__file__).parents[1]
REFERENCE = [
    PROJECT / "results/reference/epochs" / f"epochs_{scene}.csv"
    for scene in ("long", "noisy", "short", "recipes")
]


@pytest.fixture
def tabulation(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "docs")
    return importlib.import_module("tabulate_epochs")


def figure(path, points):
    """Write a figure's table of (score, label, epochs, mean)."""
    lines = ["score,label,x,dataset,mean"]
    lines += [f'{score},"{label}",{x},T8_sigma1.2_experiments-9,{mean}' for score, label, x, mean in points]
    path.write_text("\n".join(lines))
    return path


def test_a_row_has_both_scores_over_epochs(tabulation, tmp_path):
    points = [
        (score, label, epochs, mean + training * epochs)
        for label, training in (("net_{8,1}", 1), ("MHT", 0))
        for epochs in (5, 20)
        for score, mean in (("jaccard", 0.25), ("position_error", 3.5))
    ]
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tabulation.table([figure(tmp_path / "f.csv", points)]).splitlines()
    )
    assert head == ["scene", "tracker", "5", "20"]
    assert rows == [
        ["T = 8, σ = 1.2", "net_{8,1}", "5.250, 8.50", "20.250, 23.50"],
        ["T = 8, σ = 1.2", "MHT", "0.250, 3.50", ""],
    ]


def test_a_figure_may_have_fewer_epochs_than_another(tabulation, tmp_path):
    def points(*epochs):
        return [(score, "net", x, x) for x in epochs for score in ("jaccard", "position_error")]

    figures = [figure(tmp_path / "a.csv", points(1, 5)), figure(tmp_path / "b.csv", points(5, 20))]
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tabulation.table(figures).splitlines()
    )
    assert head[2:] == ["1", "5", "20"]
    assert [cells[2:] for cells in rows] == [
        ["1.000, 1.00", "5.000, 5.00", ""],
        ["", "5.000, 5.00", "20.000, 20.00"],
    ]


def test_a_curve_that_lacks_a_point_is_refused(tabulation, tmp_path):
    points = [("jaccard", "a", 1, 0.5), ("position_error", "a", 1, 3.0), ("jaccard", "a", 5, 0.5)]
    with pytest.raises(ValueError, match="a has no position_error at 5 epochs"):
        tabulation.table([figure(tmp_path / "f.csv", points)])


def test_the_page_has_the_numbers_of_the_reference(tabulation):
    assert tabulation.table(REFERENCE) in tabulation.PAGE.read_text(encoding="utf-8")


def test_the_studies_are_valid():
    config = read(PROJECT / "config.yaml")
    overlay = yaml.safe_load((PROJECT / "examples/epochs.yaml").read_text(encoding="utf-8"))
    config["studies"] |= overlay["studies"]
    assert problems(config, PROJECT / "schemas/config.schema.yaml") == []
