"""What a tracker's log says of its cost stands beside its scores, a sequence at a time."""

import pandas as pd
import pytest

import tabulate_costs
from mpt.errors import InputError
from mpt.tables.curves import CURVES
from mpt.tables.files import TableReader, TableWriter

SEQUENCES = 20
POINTS = {"linker": "others", "mht": "MHT", "frozen": "frozen", "plain": "transformer"}
TRAININGS = 5


@pytest.fixture
def table(tmp_path):
    """Return a table of curves: four trackers at one x, by one score."""
    rows = {
        "score": ["jaccard"] * 4,
        "curve": [0, 1, 2, 3],
        "x": [3.0] * 4,
        "label": list(POINTS.values()),
        "method": list(POINTS),
        "dataset": ["T50_sigma3"] * 4,
        "tracker": list(POINTS),
        "replicates": [1, 1, 1, TRAININGS],
        "experiments": [SEQUENCES] * 4,
        **{name: [0.5, 0.75, 0.25, 0.625] for name in ("mean", "low", "high", "median")},
        "sequence_half_width": [0.125] * 4,
    }
    path = tmp_path / "peers.parquet"
    with TableWriter(path, CURVES, {"columns": ["jaccard"], "laws": {}}) as writer:
        writer.write(
            tabulate_costs.columns_of(
                [
                    dict(zip(rows, values, strict=True))
                    | dict.fromkeys(("failed", "failed_low", "failed_high"))
                    for values in zip(*rows.values(), strict=True)
                ]
            )
        )
    return path


def told(logs, tracker, text):
    (logs / tracker).mkdir(parents=True)
    (logs / tracker / "T50_sigma3.log").write_text(text)


def test_costs_are_those_of_a_sequence(table, tmp_path):
    logs = tmp_path / "logs"
    told(
        logs,
        "linker",
        "started in 2.5 s\ntracked in 3.000000 processor seconds, 5 links left out, 10 added\n",
    )
    told(logs, "mht", "python src/track_mht.py\ntracked in 0.500000 processor seconds\n")
    told(logs, "frozen", "started in 0.1 s\n")
    trained = tmp_path / "trained"
    told(trained, "plain", "tracked in 4.000000 processor seconds\n")
    output = tmp_path / "costs.parquet"
    tabulate_costs.tabulate_costs(table=table, logs=[logs, trained], output=output)
    found = pd.read_parquet(output).set_index(["score", "tracker"])["mean"].to_dict()
    assert found == {
        ("jaccard", "linker"): 0.5,
        ("jaccard", "mht"): 0.75,
        ("jaccard", "frozen"): 0.25,
        ("jaccard", "plain"): 0.625,
        ("seconds", "linker"): 3.0 / SEQUENCES,
        ("seconds", "mht"): 0.5 / SEQUENCES,
        ("seconds", "plain"): 4.0 / (SEQUENCES * TRAININGS),
        ("links_left_out", "linker"): 5 / SEQUENCES,
        ("links_left_out", "mht"): 0.0,
        ("links_left_out", "plain"): 0.0,
        ("links_added", "linker"): 10 / SEQUENCES,
        ("links_added", "mht"): 0.0,
        ("links_added", "plain"): 0.0,
    }
    with TableReader(output, CURVES) as reader:
        assert reader.parameters["columns"] == ["jaccard", "seconds"]


def test_a_table_of_which_no_log_tells_is_refused(table, tmp_path):
    (tmp_path / "logs").mkdir()
    logs, output = [tmp_path / "logs"], tmp_path / "costs.parquet"
    with pytest.raises(InputError, match=r"logs: no log of a tracker in .*peers\.parquet says what it took"):
        tabulate_costs.tabulate_costs(table=table, logs=logs, output=output)
