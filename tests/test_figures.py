"""Tables and pictures of scores and of operations, by the command lines of their scripts."""

import itertools
import json
import re
import shutil
from pathlib import Path

import matplotlib.image
import matplotlib.mathtext
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seaborn as sns
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import pictures
from damage import DAMAGES, edit
from draw_operations import draw
from draw_scores import draw as draw_curves
from mpt.drawing.figures import Line, axis_label, draw_scores
from mpt.drawing.style import Styles, symbols
from mpt.tables.curves import CURVES
from mpt.tables.files import TableReader, TableWriter
from mpt.tables.operations import OPERATIONS
from mpt.tables.scores import TRACKER_SCORES
from workflow import SMALL, snakemake, written

STYLES = {
    "mht": {"palette": "flare"},
    "transformer": {"palette": "crest"},
    "control": {"role": "reference"},
    "bayes": {"role": "reference"},
}
NAMES = {"mht": "MHT"}
LOOK = (
    "--title",
    "A title of $100",
    "--styles",
    json.dumps(STYLES),
    "--dots-per-inch",
    90,
)
BROKEN_FILES = ("remove", "truncate", "empty_file", "no_rows")


@pytest.fixture
def scores(tmp_path):
    """Return scores(dataset, tracker=values (R, B), …): a table of scores, all columns alike."""

    def make(dataset: str, **trackers):
        columns = {name: [] for name in TRACKER_SCORES.schema.names}
        for tracker, values in sorted(trackers.items()):
            for replicate, row in enumerate(np.atleast_2d(values)):
                for experiment, value in enumerate(row):
                    key = {"tracker": tracker, "replicate": replicate, "experiment": experiment}
                    for name, column in columns.items():
                        integer = "int" in str(TRACKER_SCORES.schema.field(name).type)
                        column.append(key.get(name, 1 if integer else value))
        path = tmp_path / f"{dataset}.parquet"
        with TableWriter(path, TRACKER_SCORES, {}) as writer:
            writer.write({name: np.array(column) for name, column in columns.items()})
        return path

    return make


def curve(label: str, *points, method="mht", fit=None) -> dict:
    return {"label": label, "method": method, "fit": fit, "points": points}


def tabulate(run_script, paths, curves, output, *columns):
    result = run_script(
        "tabulate_scores.py", "--scores", *paths, "--curves", json.dumps(curves), "--columns",
        *(columns or ["jaccard"]), "--output", output, "--csv", output.with_suffix(".csv"),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return pd.read_parquet(output)


def test_a_table_has_a_row_per_score_curve_and_x_in_the_order_of_the_curves(run_script, scores, tmp_path):
    rng = np.random.default_rng(0)
    values = {name: rng.random((2, 30)) for name in "abcd"}
    paths = [
        scores("one", first=values["a"], second=values["b"]),
        scores("two", first=values["c"], second=values["d"]),
    ]
    curves = [
        curve("Z", (2, "two", "second"), (1, "one", "second"), method="transformer"),
        curve("A", (1, "one", "first"), (2, "two", "first")),
    ]
    table = tabulate(run_script, paths, curves, tmp_path / "table.parquet", "position_error", "jaccard")
    assert list(table.score) == ["jaccard"] * 4 + ["position_error"] * 4
    jaccard = table[table.score == "jaccard"]
    assert list(zip(jaccard.label, jaccard.x, strict=True)) == [("Z", 1), ("Z", 2), ("A", 1), ("A", 2)]
    np.testing.assert_allclose(jaccard["mean"], [values[name].mean() for name in "bdac"])
    assert set(table.replicates) == {2}
    assert set(table.experiments) == {30}
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "table.csv"), table, check_dtype=False, check_exact=False, rtol=1e-14
    )


def test_curves_may_be_longer_than_an_argument(run_script, scores, tmp_path):
    path = scores("one", tracker=[0.1, 0.2])
    curves = [curve("A", *((x, "one", "tracker") for x in range(8000)))]
    text = json.dumps(curves)
    # Linux: 32 pages, and no longer with more memory.
    assert len(text) > 128 * 1024
    flags = ["--scores", path, "--columns", "jaccard", "--output", tmp_path / "t.parquet"]
    result = run_script(
        "tabulate_scores.py", *flags, "--curves", "-", "--csv", tmp_path / "t.csv", input=text
    )
    assert result.returncode == 0, result.stderr
    assert list(pd.read_parquet(tmp_path / "t.parquet").x) == list(range(8000))


def test_scores_that_obey_a_law_are_fitted_by_it(run_script, scores, tmp_path):
    x = [1, 3, 10, 30, 100]
    c, a, alpha = 0.95, 0.2, 0.7
    noise = np.random.default_rng(1).normal(0, 0.01, 40)
    noise -= noise.mean()
    paths = [scores(f"at{i}", tracker=c - a * i**-alpha + noise) for i in x]
    fitted = curve("law", *((i, f"at{i}", "tracker") for i in x), fit="scaling_law")
    table = tabulate(
        run_script, paths, [curve("other", (1, "at1", "tracker")), fitted], tmp_path / "t.parquet"
    )
    law = table[table.method == "fit"]
    assert set(law.label) == {"fit to law"}
    assert (law.x.min(), law.x.max()) == (1, 100)
    np.testing.assert_allclose(law["mean"], c - a * law.x**-alpha, atol=2e-4)
    with TableReader(tmp_path / "t.parquet", CURVES) as reader:
        (found,) = reader.parameters["laws"]["jaccard"]
    for name, true in (("c", c), ("a", a), ("alpha", alpha)):
        value, low, high = found[name]
        # The noise is the same at each x, so that only c is uncertain.
        assert value == pytest.approx(true, abs=1e-3)
        assert low - 1e-3 <= true <= high + 1e-3


@pytest.mark.parametrize("damage", BROKEN_FILES)
def test_a_broken_table_of_scores_is_refused(refusal, scores, tmp_path, damage):
    path = scores("one", tracker=[0.1, 0.2])
    words = DAMAGES[damage](path)
    line = refuse(refusal, path, [curve("A", (1, "one", "tracker"))], tmp_path)
    assert words in line
    assert "one.parquet" in line


def set_not_finite(table):
    column = table["jaccard"].to_numpy().copy()
    column[1] = np.nan
    return table.set_column(table.column_names.index("jaccard"), "jaccard", [column])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop_columns("jaccard"), "no column 'jaccard'"),
        (lambda table: table.take([0, 0, 1]), "row 1: "),
        (set_not_finite, "row 1: column 'jaccard' is nan"),
        (lambda table: table.slice(0, 3), "not of the same experiments"),
    ],
)
def test_a_wrong_table_of_scores_is_refused(refusal, scores, tmp_path, change, words):
    path = scores("one", tracker=[[0.1, 0.2], [0.3, 0.4]])
    edit(path, change)
    line = refuse(refusal, path, [curve("A", (1, "one", "tracker"))], tmp_path)
    assert words in line
    assert "one.parquet" in line


@pytest.mark.parametrize(
    ("curves", "words"),
    [
        ([curve("A", (1, "one", "nobody"))], "no table of scores has nobody on one"),
        ([curve("A", (1, "elsewhere", "tracker"))], "no table of scores has tracker on elsewhere"),
    ],
)
def test_a_curve_through_scores_that_are_not_there_is_refused(refusal, scores, tmp_path, curves, words):
    assert words in refuse(refusal, scores("one", tracker=[0.1, 0.2]), curves, tmp_path)


def test_one_experiment_without_an_interval_is_refused(refusal, scores, tmp_path):
    path = scores("recording_movie", tracker=[0.1])
    line = refuse(refusal, path, [curve("A", (1, "recording_movie", "tracker"))], tmp_path)
    assert "recording_movie: tracker was scored on one experiment, and an interval needs two" in line


def refuse(refusal, path, curves, tmp_path) -> str:
    return refusal(
        "tabulate_scores.py", "--scores", path, "--curves", json.dumps(curves), "--columns", "jaccard",
        "--csv", tmp_path / "t.csv", output=tmp_path / "t.parquet",
    )  # fmt: skip


@pytest.fixture
def curves_table(run_script, scores, tmp_path):
    path = scores("one", a=[0.8, 0.9], b=[0.2, 0.3], c=[0.7, 0.9])
    curves = [
        curve("random", (1, "one", "b"), (9, "one", "b"), method="control"),
        curve("MHT, K_MHT = 8", (1, "one", "a"), (9, "one", "a")),
        curve("transformer_{8,i}", (1, "one", "c"), (9, "one", "c"), method="transformer"),
    ]
    tabulate(run_script, [path], curves, tmp_path / "curves.parquet")
    return tmp_path / "curves.parquet"


def test_a_picture_is_drawn_twice_the_same(run_script, curves_table, tmp_path):
    for name in ("first", "second"):
        result = run_script(
            "draw_scores.py", "--table", curves_table, "--x", "frames", "--scale", "log", *LOOK,
            "--output", tmp_path / f"{name}.png", tmp_path / f"{name}.pdf",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    for suffix in ("png", "pdf"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()
    assert matplotlib.image.imread(tmp_path / "first.png")[..., :3].std() > 0.05


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--styles", '{"mht": {"palette": "no such"}, "control": {"role": "reference"}}'), "no such"),
        (("--styles", '{"mht": {"palette": "flare"}}'), "no style is declared for the method 'control'"),
        (("--styles", '{"mht": {"colour": "red"}}'), "style of mht"),
        (("--styles", '{"mht": {"palette": "flare", "marker": "q"}}'), "marker 'q'"),
        (
            (
                "--styles",
                '{"mht": {"palette": "flare"}, "control": {"role": "reference", "dashes": {"a": -1}}}',
            ),
            "dashes",
        ),
        (("--styles", "[]"), "not an object"),
        (("--styles", "{"), "not JSON"),
        (("--dots-per-inch", "0"), "--dots-per-inch"),
        (("--scale", "cubic"), "--scale"),
    ],
)
def test_a_wrong_look_is_refused(refusal, curves_table, tmp_path, flags, words):
    arguments = ("--table", curves_table, "--x", "frames", *LOOK, *flags)
    assert words in refusal("draw_scores.py", *arguments, output=tmp_path / "picture.png")


def test_a_picture_of_unknown_kind_is_refused(refusal, curves_table, tmp_path):
    line = refusal(
        "draw_scores.py", "--table", curves_table, "--x", "frames", *LOOK, output=tmp_path / "picture.bmp"
    )
    assert "picture.bmp" in line


@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_broken_table_of_curves_is_refused(refusal, curves_table, tmp_path, damage):
    words = DAMAGES[damage](curves_table)
    line = refusal(
        "draw_scores.py", "--table", curves_table, "--x", "frames", *LOOK, output=tmp_path / "picture.png"
    )
    assert words in line
    assert "curves.parquet" in line


def line(label: str, method: str, *means: float, spread: float = 0) -> Line:
    values = np.array(means)
    return Line(label, method, np.arange(1.0, 1 + len(values)), values, values - spread, values + spread)


def panel(score: str, *lines: Line):
    """Draw one panel; returns its axes."""
    (axis,) = draw_scores({score: lines}, {}, "", "frames", "linear", Styles(STYLES)).axes
    return axis


def test_a_tracker_that_tracks_nothing_stays_in_sight():
    trackers = [line("MHT", "mht", 0.95, 0.9), line("lost", "transformer", 0.4, 0.35)]
    references = [line("frozen", "control", 0.92, 0.92), line("random", "control", 0.3, 0.3)]
    low, high = panel("jaccard", *references, *trackers).get_ylim()
    assert low < 0.3
    assert high > 0.95


def test_references_far_from_the_trackers_are_told_in_words_above_the_panel():
    below = [line("random", "control", 0.33, 0.36), line("MHT", "mht", 0.95, 0.9)]
    axis = panel("jaccard", *below)
    assert axis.get_ylim()[0] > 0.8
    assert axis.get_title(loc="right") == "random ↓ 0.33 to 0.36"
    assert not axis.texts
    above = [line("frozen", "control", 4.1, 9, 20.5), line("random", "control", 9.5, 9.5, 9.5)]
    near = [line("oracle", "control", 3.3, 4.1, 4.3), line("MHT", "mht", 3.5, 4.4, 4.5)]
    axis = panel("position_error", *above, *near)
    low, high = axis.get_ylim()
    assert low < 3.3
    assert 4.5 < high < 5
    assert axis.get_title(loc="right") == "frozen ↑ 9 to 20.5, random ↑ 9.5"


@pytest.mark.parametrize("score", ["jaccard", "gated_jaccard", "within_tolerance"])
def test_the_axis_of_a_fraction_ends_at_1_whatever_the_interval(score):
    assert panel(score, line("MHT", "mht", 0.98, 0.9, spread=0.2)).get_ylim()[1] == 1
    assert panel(score, line("MHT", "mht", 0.1, 0.2, spread=0.3)).get_ylim()[0] == 0
    assert panel("swaps", line("MHT", "mht", 1, 0.9, spread=0.2)).get_ylim()[1] > 1.2


def test_errors_have_a_logarithmic_axis_where_those_of_the_trackers_span_a_decade():
    random = line("random", "control", 0.7, 300)
    assert panel("position_error", random, line("MHT", "mht", 0.7, 6)).get_yscale() == "linear"
    axis = panel("position_error", random, line("MHT", "mht", 0.7, 7.2, spread=0.8))
    assert axis.get_yscale() == "log"
    low, high = axis.get_ylim()
    assert 0.5 < low < 0.7
    assert [tick for tick in axis.get_yticks() if low <= tick <= high] == pytest.approx([1, 2, 5])
    assert panel("jaccard", line("MHT", "mht", 0.05, 0.9)).get_yscale() == "linear"


def test_axes_have_the_units_of_what_they_show():
    axis = panel("position_error", line("MHT", "mht", 1, 2))
    assert axis.get_xlabel() == "Sequence length $T$ (frames)"
    assert axis.get_ylabel() == "RMS position error (length)"
    assert axis_label("measurement_noise") == r"Measurement noise $\sigma$ (length)"
    assert axis_label("experiments_per_batch") == "Experiments per batch $i$"
    assert axis_label("jaccard") == "Jaccard coefficient JC"


def test_labels_are_set_in_the_symbols_of_the_paper():
    assert symbols("transformer_{8,30}") == "transformer$_{8{,}30}$"
    assert symbols("MHT, K_MHT = 8") == r"MHT, $K_\mathrm{MHT}$ = 8"
    assert symbols("costs $5") == r"costs \$5"


@given(st.text() | st.from_regex(r"\A[a-z]+_\{[^}]*\}\Z"))
def test_any_label_can_be_set(label):
    matplotlib.mathtext.MathTextParser("path").parse(symbols(label))


def pixels(text: str, **options) -> np.ndarray:
    figure = Figure(figsize=(3, 0.5))
    figure.text(0.1, 0.5, text, **options)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize(
    "label",
    ["model_{run__2}", "x_{a_}", "_mine", "$", "a $5 b", "$x$", r"a\$b", r"\alpha^2", "a_{1,2", "K_x"],
)
def test_text_of_users_is_drawn_as_written(label):
    np.testing.assert_array_equal(pixels(symbols(label)), pixels(label, parse_math=False))


def test_a_label_of_ours_is_not_drawn_as_written():
    for label in ("transformer_{8,30}", "transformer_{T,i}, K_MHT = 8"):
        assert (pixels(symbols(label)) != pixels(label, parse_math=False)).any()


def test_the_legend_has_every_label_even_those_that_begin_with_an_underscore():
    lines = [line("_mine", "mht", 0.9, 0.8), line("frozen", "control", 0.9, 0.9)]
    figure = draw_scores({"jaccard": lines}, {}, "", "frames", "linear", Styles(STYLES))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["_mine", "frozen"]
    assert len(legend.legend_handles) == 2


def test_a_method_has_its_colour_and_marker_whatever_else_is_drawn():
    alone = panel("jaccard", line("A", "transformer", 0.9, 0.8)).lines
    beside = panel("jaccard", line("B", "mht", 0.9, 0.8), line("A", "transformer", 0.9, 0.8)).lines
    assert (alone[0].get_color(), alone[0].get_marker()) == (beside[1].get_color(), beside[1].get_marker())
    declared = Styles({"a": {"palette": "flare"}, "b": {"palette": "crest", "marker": "o"}})
    assert declared["b"].marker == "o" != declared["a"].marker


def drawn_in(figure: Figure) -> dict[str, tuple]:
    """Return by its label the colour and the dashes of each line of a figure's first panel."""
    # matplotlib tells the pattern of a dashed line nowhere else.
    return {
        line.get_label(): (matplotlib.colors.to_hex(line.get_color()), str(line._unscaled_dash_pattern))
        for line in figure.axes[0].lines
    }


def test_a_control_looks_the_same_whatever_other_controls_a_figure_has():
    labels = ["frozen", "random", "oracle", "mine"]
    dashes = {"frozen": 0, "random": 1, "oracle": 2}
    styles = Styles(STYLES | {"control": {"role": "reference", "dashes": dashes}})
    mht = line("MHT", "mht", 0.9, 0.8)

    def looks(shown):
        lines = [*(line(label, "control", 0.85, 0.85) for label in shown), mht]
        return drawn_in(draw_scores({"jaccard": lines}, {}, "", "frames", "linear", styles))

    together = looks(labels)
    assert len(set(together.values())) == 5
    for shown in (["oracle"], ["mine", "oracle", "frozen"], ["random", "oracle"]):
        seen = looks(shown)
        assert {label: seen[label] for label in shown if label in dashes} == {
            label: together[label] for label in shown if label in dashes
        }
        assert len(set(seen.values())) == len(seen)


def test_the_workflow_draws_a_control_the_same_in_every_study(tmp_path):
    study = {
        "title": "Mine",
        "datasets": {"frames": 8, "measurement_noise": [1, 2]},
        "x": "measurement_noise",
        "trackers": [
            {"method": "control", "control": ["oracle", "frozen"]},
            {"method": "mht", "lookback": 1, "measurement_noise": 1},
        ],
    }
    mine = written(tmp_path, yaml.safe_dump({"studies": {"mine": study}}))
    targets = ["results/figures/mine.png", "results/figures/figure_3.png"]
    result = snakemake(tmp_path, "--dry-run", *targets, configs=(SMALL, mine))
    found = re.findall(r"draw_scores\.py .*--styles '(\{.*?\})' ", result.stdout + result.stderr)
    assert len(found) == 2, result.stderr
    first, second = (json.loads(text)["control"]["dashes"] for text in found)
    assert {len(first), len(second)} == {2, 3}
    assert all(first[label] == second[label] for label in first.keys() & second.keys())


def test_a_fit_has_the_colour_of_its_curve_and_says_where_its_exponent_is_at_its_bound(
    run_script, scores, tmp_path
):
    x = [1, 3, 10, 30]
    # In log i the one is a straight line, which x^(−α) is nowhere but for α → 0; the other is a law.
    paths = [scores(f"at{i}", mine=[0.5 + 0.05 * np.log(i)] * 2, other=[0.9 - 0.3 / i] * 2) for i in x]
    curves = [
        curve(name, *((i, f"at{i}", name) for i in x), method=method, fit="scaling_law")
        for name, method in (("mine", "mht"), ("other", "transformer"))
    ]
    tabulate(run_script, paths, curves, tmp_path / "t.parquet")
    figure = draw_curves(
        [tmp_path / "t.parquet"], ["A title"], "experiments_per_batch", "log", Styles(STYLES)
    )
    looks = drawn_in(figure)
    for name in ("mine", "other"):
        (color, dashes), (fitted, its_dashes) = looks[name], looks[f"fit to {name}"]
        assert color == fitted
        assert dashes != its_dashes
    notes = figure.axes[0].get_title(loc="right").splitlines()
    assert [note.partition(":")[0] for note in notes] == [
        "fit to mine",
        "its exponent is at its bound",
        "fit to other",
    ]
    assert notes[2] == "fit to other: $0.9-0.3\\,i^{-1}$"


def lightness_and_hue(palette: str) -> np.ndarray:
    """Return the middle shade of a palette in CIELAB, by the definitions of sRGB and of CIE 1976, D65."""
    value = np.array(sns.color_palette(palette, 3)[1])
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    X, Y, Z = np.cbrt(to_xyz @ linear / [0.9505, 1, 1.089])
    return np.array([116 * Y - 16, 500 * (X - Y), 200 * (Y - Z)])


def test_a_method_without_a_look_gets_colours_that_no_other_has():
    config = yaml.safe_load((REFERENCE_FIGURES.parents[2] / "config.yaml").read_text(encoding="utf-8"))
    looks = [method.get("style", {}) for method in config["methods"].values()]
    declared = {look["palette"] for look in looks if "palette" in look}
    spare = config["figures"]["spare_palettes"]
    for palette, other in itertools.product(spare, {*declared, *spare}):
        if palette != other:
            apart = np.linalg.norm(lightness_and_hue(palette) - lightness_and_hue(other))
            # A difference of 10 is seen at a glance.
            assert apart > 25, (palette, other)


REFERENCE_FIGURES = Path(__file__).parent.parent / "results/reference/figures"
# As rules/figures.smk makes them of config.yaml.
REFERENCE_STYLES = STYLES | {
    "plain": {"palette": "crest"},
    "geometric": {"palette": "Purples"},
    "plain, control": {"role": "reference", "palette": "crest"},
    "geometric, control": {"role": "reference", "palette": "Purples"},
}


@pytest.fixture
def reference_table(tmp_path):
    """Return reference_table(name): the path of a reference figure's table, with every column of today."""

    def make(name: str) -> Path:
        with_all = pq.read_table(REFERENCE_FIGURES / f"figure_{name}.parquet")
        for field in CURVES.schema:
            if field.name not in with_all.column_names:
                values = [None] * len(with_all) if field.nullable else with_all["mean"].to_pylist()
                with_all = with_all.append_column(field, pa.array(values, field.type))
        pq.write_table(with_all, tmp_path / f"figure_{name}.parquet")
        return tmp_path / f"figure_{name}.parquet"

    return make


def texts(figure: Figure) -> list:
    """Return the boxes in pixels of all text that is drawn, each with its text."""
    FigureCanvasAgg(figure).draw()
    # Ticks beyond the ends of an axis exist, but are not drawn.
    beyond = [
        label
        for axis in figure.axes
        for which in (axis.xaxis, axis.yaxis)
        for tick in [*which.get_major_ticks(), *which.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not min(which.get_view_interval()) <= tick.get_loc() <= max(which.get_view_interval())
    ]
    found = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    drawn = [text for text in found if text.get_text().strip() and text not in beyond]
    return [(text.get_text(), text.get_window_extent()) for text in drawn]


def test_no_text_of_the_figure_of_operations_overlaps():
    figure = draw(REFERENCE_FIGURES / "figure_5.parquet", "Operations", Styles(REFERENCE_STYLES), NAMES)
    boxes = texts(figure)
    assert len(boxes) > 10
    for number, (text, box) in enumerate(boxes):
        for other, its in boxes[number + 1 :]:
            shared = Bbox.intersection(box, its)
            assert shared is None or min(shared.width, shared.height) < 1, (text, other)


@pytest.mark.parametrize("names", [["2a"], ["3"], ["6"], ["2a", "2b", "2c"]])
def test_no_text_of_the_figures_is_clipped_or_overlaps(reference_table, names):
    tables = [reference_table(name) for name in names]
    titles = [f"Measurement noise believed to be 1, K = 8 ({name})" for name in names]
    figure = draw_curves(tables, titles, "measurement_noise", "linear", Styles(REFERENCE_STYLES))
    boxes = texts(figure)
    assert len(boxes) > 10
    for number, (text, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
        for other, its in boxes[number + 1 :]:
            shared = Bbox.intersection(box, its)
            assert shared is None or min(shared.width, shared.height) < 1, (text, other)


def test_panels_drawn_together_share_their_axes_and_say_which_is_which(reference_table):
    tables = [reference_table(name) for name in ("2a", "2b", "2c")]
    titles = ["one", "two", "three"]
    figure = draw_curves(tables, titles, "measurement_noise", "linear", Styles(REFERENCE_STYLES))
    axes = np.array(figure.axes).reshape(2, 3)
    for row in axes:
        assert len({axis.get_ylim() for axis in row}) == 1
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    for axis, name in zip(axes[0], ("2a", "2b", "2c"), strict=True):
        table = pd.read_parquet(REFERENCE_FIGURES / f"figure_{name}.parquet")
        expected = table[(table.score == "jaccard") & (table.method == "mht")]["mean"]
        (drawn,) = [line.get_ydata() for line in axis.lines if line.get_label() == "MHT"]
        np.testing.assert_array_equal(drawn, expected)


def test_titles_are_one_for_each_table(refusal, curves_table, tmp_path):
    flags = ("--table", curves_table, curves_table, "--x", "frames", *LOOK)
    assert "2 tables need as many titles" in refusal("draw_scores.py", *flags, output=tmp_path / "p.png")


def test_fonts_are_embedded_as_true_type(tmp_path):
    figure = draw_scores(
        {"jaccard": [line("A", "mht", 0.9, 0.8)]}, {}, "", "frames", "linear", Styles(STYLES)
    )
    pictures.save(figure, [tmp_path / "p.pdf"], 90)
    assert b"/FontFile2" in (tmp_path / "p.pdf").read_bytes()
    assert b"/Type3" not in (tmp_path / "p.pdf").read_bytes()


@pytest.fixture
def operations(tmp_path):
    """Return operations(tracker): the path of a table of a tracker's operations at three lookbacks."""

    def make(tracker: str):
        path = tmp_path / f"{tracker}.parquet"
        with TableWriter(path, OPERATIONS, {"made by": tracker}) as writer:
            writer.write(
                {
                    "tracker": np.array([tracker] * 3),
                    "variant": np.array(["plain"] * 3),
                    "K": np.array([1, 2, 4]),
                    "flops": np.array([10, 20, 80]),
                    "macs": np.ma.array([5, 10, 40], mask=tracker == "mht"),
                    "source": np.array(["model"] * 3),
                    "seconds": np.array([0.1, 0.2, 0.4]),
                    "seconds_together": None,
                    "gpu_seconds_together": None,
                }
            )
        return path

    return make


def test_the_operations_of_all_trackers_stand_in_one_table_and_picture(run_script, operations, tmp_path):
    paths = [operations("transformer"), operations("mht")]
    table = tmp_path / "all.parquet"
    result = run_script(
        "tabulate_operations.py", "--counts", *paths, "--output", table, "--csv", tmp_path / "all.csv"
    )
    assert result.returncode == 0, result.stderr
    expected = pd.concat(map(pd.read_parquet, reversed(paths)), ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(table), expected)
    assert len(pd.read_csv(tmp_path / "all.csv")) == 6
    assert b"made by" in pq.read_schema(table).metadata[b"mpt"]
    result = run_script("draw_operations.py", "--table", table, *LOOK, "--output", tmp_path / "all.png")
    assert result.returncode == 0, result.stderr
    assert matplotlib.image.imread(tmp_path / "all.png")[..., :3].std() > 0.05


@pytest.fixture
def growing(tmp_path):
    """Return the path of a table in which 4 · 2^K and 4^K meet 32 at K = 3 and 2.5."""
    path, K = tmp_path / "growing.parquet", np.array([1, 2, 3, 4])
    made_by = {"mht": {"particles": 2}, "transformer": {"dimension": 8, "sequences_together": 100}}
    variants = ["mht assignment", "mht enumerate", "mht refilter", "transformer re_encoded"]
    with TableWriter(path, OPERATIONS, made_by) as writer:
        for name, flops in zip(variants, [None, 4 * 2**K, 4**K, 32 + 0 * K], strict=True):
            tracker, variant = name.split()
            writer.write(
                {
                    "tracker": np.array([tracker] * 4),
                    "variant": np.array([variant] * 4),
                    "K": K,
                    "flops": np.ma.masked_all(4, int) if flops is None else flops,
                    "macs": None,
                    "source": np.array(["none" if flops is None else "model"] * 4),
                    "seconds": K / 8,
                    "seconds_together": None if tracker == "mht" else K / 80,
                    "gpu_seconds_together": None,
                }
            )
    return path


def test_crossings_are_marked_where_the_curves_of_trackers_meet(growing):
    axis, _ = draw(growing, "", Styles(STYLES), NAMES).axes
    assert sorted(text.get_text() for text in axis.texts) == ["2.5", "3.0"]
    circles = [line.get_xydata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(sorted(map(tuple, circles)), [(2.5, 32), (3, 32)])


def test_guides_grow_as_the_paper_states(growing):
    axis, _ = draw(growing, "", Styles(STYLES), NAMES).axes
    curves = {line.get_label().partition(":")[0]: line.get_ydata() for line in axis.lines}
    np.testing.assert_allclose(curves["paper, MHT"] / curves["paper, MHT"][0], [1, 2, 4, 8])
    K = np.array([1, 2, 3, 4])
    np.testing.assert_allclose(
        curves["paper, transformer"] / curves["paper, transformer"][0], (64 * K + 8 * K**2) / 72
    )
    ends = [
        curves[f"paper, {tracker}"][-1] / curves[anew][-1]
        for tracker, anew in [("MHT", "MHT, filtered anew"), ("transformer", "transformer, encoded anew")]
    ]
    (told,) = re.findall(r"ending at ([\d.]+) × those", axis.get_title(loc="right"))
    np.testing.assert_allclose(ends, float(told))


def test_what_was_timed_but_not_counted_is_drawn_in_seconds_only(growing):
    operations, seconds = draw(growing, "", Styles(STYLES), NAMES).axes
    drawn = [
        sum("branch and bound" in line.get_label() for line in axis.lines) for axis in (operations, seconds)
    ]
    assert drawn == [0, 1]
    (together,) = [line for line in seconds.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(together.get_ydata(), [1 / 80, 2 / 80, 3 / 80, 4 / 80])
    assert "among 100" in seconds.get_title(loc="right")


def test_a_tracker_looks_the_same_in_all_panels_and_each_is_in_the_legend(growing):
    figure = draw(growing, "", Styles(STYLES), NAMES)
    looks = {}
    for line in (line for axis in figure.axes for line in axis.lines):
        if not line.get_label().startswith("_"):
            look = (matplotlib.colors.to_hex(line.get_color()), line.get_marker(), line.get_linestyle())
            looks.setdefault(line.get_label(), set()).add(look)
    # Three of the MHT, one of the transformer, two of the paper.
    assert len(looks) == 6
    assert all(len(look) == 1 for look in looks.values())
    assert len(set.union(*looks.values())) == 6
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == set(looks)


def test_two_tables_of_one_tracker_are_refused(refusal, operations, tmp_path):
    path = operations("mht")
    line = refusal(
        "tabulate_operations.py",
        "--counts",
        path,
        path,
        "--csv",
        tmp_path / "t.csv",
        output=tmp_path / "t.parquet",
    )
    assert "mht" in line


@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_a_broken_table_of_operations_is_refused(refusal, operations, tmp_path, damage):
    path = operations("mht")
    words = DAMAGES[damage](path)
    flags = ("--counts", path, "--csv", tmp_path / "t.csv")
    assert words in refusal("tabulate_operations.py", *flags, output=tmp_path / "t.parquet")
    assert words in refusal("draw_operations.py", "--table", path, *LOOK, output=tmp_path / "t.png")


def test_a_run_is_summed_rule_by_rule(run_script, tmp_path):
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for job, seconds, start_up, memory in (
        ("train/a", 10, "1.5", "300.0"),
        ("train/deep/b_sigma0.5", 20, "2.5", "200.0"),
        ("draw", 0.4, None, "NA"),
    ):
        benchmark = tmp_path / "benchmarks" / f"{job}.tsv"
        log = tmp_path / "logs" / f"{job}.log"
        for path in (benchmark, log):
            path.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(f"{header}{seconds}\t0:00:00\t{memory}\t1\t1\t1\t0\t0\t50\t{seconds / 2}\n")
        log.write_text(f"started in {start_up} s\nstep 1\n" if start_up else "")
    # A job that is not asked for any more does not count.
    jobs = tmp_path / "jobs.json"
    jobs.write_text('{"train": ["a", "deep/b_sigma0.5"], "draw": [""], "judge": [""]}')
    shutil.copy(tmp_path / "benchmarks/train/a.tsv", tmp_path / "benchmarks/train/c.tsv")
    result = run_script(
        "summarise_run.py", "--benchmarks", tmp_path / "benchmarks", "--logs", tmp_path / "logs",
        "--jobs", jobs, "--output", tmp_path / "run.csv",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = pd.read_csv(tmp_path / "run.csv", index_col="rule")
    assert list(rows.index) == ["draw", "train", "all"]
    assert list(rows.loc["train"]) == [2, 30, 4, 15, 300]
    assert list(rows.loc["all"]) == [3, 30.4, 4, 15.2, 300]
    assert "13.2%" in result.stdout


def test_a_run_without_benchmarks_is_refused(refusal, tmp_path):
    for name in ("benchmarks", "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "jobs.json").write_text('{"train": ["a"]}')
    flags = ("--benchmarks", tmp_path / "benchmarks", "--logs", tmp_path / "logs")
    flags += ("--jobs", tmp_path / "jobs.json")
    assert "has no benchmarks" in refusal("summarise_run.py", *flags, output=tmp_path / "run.csv")


def test_the_start_of_a_job_is_logged_only_where_the_shell_tells_when_it_began(run_script, tmp_path):
    (tmp_path / "logs").mkdir()
    flags = ("--benchmarks", tmp_path / "logs", "--logs", tmp_path / "logs", "--output", tmp_path / "run.csv")
    assert run_script("summarise_run.py", *flags).stdout == ""
