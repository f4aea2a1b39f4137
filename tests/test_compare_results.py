"""Two runs held together: modified copies of the reference results, and what is said of them."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from compare_results import compare
from damage import DAMAGES, edit
from mpt.judgement.agreement import agree, worst

REFERENCE = Path(__file__).parent.parent / "results/reference"
TABLES = ("claims", "figures/figure_2a", "figures/figure_4", "figures/figure_5")


@pytest.fixture
def runs(tmp_path):
    """Two copies of some tables of the reference results."""
    for name in ("a", "b"):
        for table in TABLES:
            path = tmp_path / name / f"{table}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REFERENCE / f"{table}.parquet", path)
    return tmp_path / "a", tmp_path / "b"


def replace(column: str, row: int, value):
    def change(table):
        values = table[column].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        place = table.column_names.index(column)
        return table.set_column(place, table.field(place), pa.array(values, table.field(place).type))

    return change


def row_of(path: Path, **values) -> dict:
    """Return the first row of a table with these values, and its number as "row"."""
    table = pa.parquet.read_table(path)
    chosen = pa.array(range(len(table)))
    for name, value in values.items():
        chosen = pc.filter(chosen, pc.equal(table[name].take(chosen), value))
    row = chosen[0].as_py()
    return table.slice(row, 1).to_pylist()[0] | {"row": row}


def told(run_script, runs) -> tuple[int, str, str]:
    output = runs[0].parent / "report.md"
    result = run_script(
        "compare_results.py", *runs, "--output", output, "--picture", output.with_suffix(".png")
    )
    assert result.returncode in (0, 1), result.stderr
    assert (result.returncode == 0) == result.stdout.startswith("The runs agree")
    return result.returncode, result.stdout, output.read_text()


def test_a_copy_is_the_same(run_script, runs):
    status, _, report = told(run_script, runs)
    assert status == 0
    tables = [pa.parquet.read_table(runs[0] / f"{table}.parquet") for table in TABLES]
    fitted = [table["method"].to_pylist().count("fit") for table in tables if "method" in table.column_names]
    assert sum(fitted) > 0
    assert f"The runs agree: {sum(map(len, tables)) - sum(fitted)} same." in report
    assert "![Both runs' curves](report.png)" in report
    assert (runs[0].parent / "report.png").stat().st_size > 10_000


def test_a_fitted_law_is_not_compared_beside_its_points(runs):
    path = runs[1] / "figures/figure_4.parquet"
    law = row_of(path, score="jaccard", method="fit")
    edit(path, replace("mean", law["row"], law["mean"] + 0.1))
    assert worst(compare(*runs)[0]["figures/figure_4"]) == "same"


def test_a_mean_within_both_intervals_agrees_and_one_outside_does_not(run_script, runs):
    path = runs[1] / "figures/figure_2a.parquet"
    point = row_of(path, score="position_error", label="MHT", x=7.0)
    half = (point["high"] - point["low"]) / 2
    edit(path, replace("mean", point["row"], point["mean"] + half / 2))
    pairs = compare(*runs)[0]["figures/figure_2a"]
    (moved,) = [pair for pair in pairs if pair.state != "same"]
    assert (moved.key, moved.state) == (("position_error", "MHT", 7.0), "within intervals")
    assert moved.apart == pytest.approx(0.5)
    assert agree(pairs)

    edit(path, replace("mean", point["row"], point["mean"] + 1.5 * half))
    status, _, report = told(run_script, runs)
    assert status == 1
    assert "1 different" in report
    assert (
        f"position_error, MHT, 7 | {point['mean']:.6g} | {point['mean'] + 1.5 * half:.6g} | different"
        in report
    )


def test_a_narrow_interval_that_leaves_out_the_others_mean_is_a_difference(runs):
    path = runs[1] / "figures/figure_2a.parquet"
    point = row_of(path, score="jaccard", label="MHT", x=7.0)
    shift = (point["high"] - point["low"]) / 4
    for name, value in (("mean", shift), ("low", shift * 2.2), ("high", 0)):
        edit(path, replace(name, point["row"], point[name] + value))
    # B's mean is within A's interval, A's is below that of B.
    assert worst(compare(*runs)[0]["figures/figure_2a"]) == "different"


def test_another_verdict_differs_however_near_the_effect(run_script, runs):
    path = runs[1] / "claims.parquet"
    claim = row_of(path, claim="2a", score="jaccard")
    assert claim["verdict"] == "supported"
    edit(path, replace("verdict", claim["row"], "undecided"))
    status, _, report = told(run_script, runs)
    assert status == 1
    assert "| claims | 2a, jaccard | supported | undecided | different |" in report


def test_an_effect_within_intervals_is_no_difference(runs):
    path = runs[1] / "claims.parquet"
    claim = row_of(path, claim="2a", score="jaccard")
    edit(path, replace("effect", claim["row"], (claim["effect"] + claim["high"]) / 2))
    assert worst(compare(*runs)[0]["claims"]) == "within intervals"


def test_one_operation_more_differs_and_other_seconds_do_not(runs):
    path = runs[1] / "figures/figure_5.parquet"
    edit(path, replace("seconds", 3, 123.0))
    assert worst(compare(*runs)[0]["figures/figure_5"]) == "same"
    row = row_of(path, tracker="mht", variant="enumerate")["row"]
    edit(path, replace("flops", row, lambda value: value + 1))
    (found,) = [pair for pair in compare(*runs)[0]["figures/figure_5"] if pair.state != "same"]
    assert found.second == found.first + 1


def test_what_only_one_run_has_is_told(run_script, runs):
    (runs[1] / "figures/figure_4.parquet").unlink()
    path = runs[0] / "figures/figure_2a.parquet"
    edit(path, lambda table: table.filter(pc.invert(pc.equal(table["label"], "oracle"))))
    status, _, report = told(run_script, runs)
    assert status == 1
    assert "only in A" in report
    assert "jaccard, oracle, 0.5 |  |" in report


@pytest.mark.parametrize("damage", ["truncate", "empty_file"])
def test_a_broken_table_is_refused(refusal, runs, damage):
    path = runs[1] / "figures/figure_2a.parquet"
    words = DAMAGES[damage](path)
    line = refusal("compare_results.py", *runs, output=runs[0].parent / "report.md")
    assert words in line
    assert "figure_2a.parquet" in line


def test_runs_without_a_common_table_are_refused(refusal, runs, tmp_path):
    (tmp_path / "nothing").mkdir()
    line = refusal("compare_results.py", runs[0], tmp_path / "nothing", output=tmp_path / "report.md")
    assert "no table in common" in line
