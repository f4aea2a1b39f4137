"""The documentation: the site is built without a network, and says of everything that exists what it is."""

import ast
import csv
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
import yaml

from mpt.scoring.definitions import SCORES
from planning.configuration import canonical
from planning.studies import plan

PROJECT = Path(__file__).parents[1]
PAGES = sorted((PROJECT / "docs").glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)")
TEXTS = (".md", ".py", ".smk", ".yaml", ".rst")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", directory]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return directory


def test_the_site_asks_no_other_host_for_anything(site):
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//[^\"]+", text), page.name
        assert not re.findall(r"<link[^>]+rel=\"(?:stylesheet|preconnect)\"[^>]+href=\"(?:https?:)?//", text)


def test_equations_are_set(site):
    text = (site / "model.html").read_text(encoding="utf-8")
    assert text.count("<math") >= 20
    for page in site.glob("*.html"):
        assert "arithmatex" not in page.read_text(encoding="utf-8"), page.name
    for name in ("model", "rules"):
        assert ElementTree.parse(site / f"images/{name}.svg").getroot().tag.endswith("svg")


def test_each_key_of_the_config_is_in_its_reference(site):
    text = (site / "config.html").read_text(encoding="utf-8")
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    assert [key for key in config if f"<code>{key}</code>" not in text] == []
    keys = [f"simulation.{key}" for key in config["simulation"]]
    assert [key for key in keys if f"<code>{key}</code>" not in text] == []


def test_each_key_of_the_config_has_a_meaning(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "docs")
    import build_site

    schema = yaml.safe_load((PROJECT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    keys = list(build_site._keys(schema, schema, "", ()))
    assert len(keys) > 100
    assert [key for key, meaning, _ in keys if not meaning] == []


def test_each_script_and_each_of_its_flags_is_in_the_reference(site):
    text = (site / "scripts.html").read_text(encoding="utf-8")
    for path in sorted((PROJECT / "src").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "    run(main)" not in source or path.stem == "command_line":
            continue
        assert f'id="{path.stem}"' in text, path.name
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
        flags = {
            call.args[0].value
            for call in calls
            if isinstance(call.args[0], ast.Constant) and re.fullmatch("--[a-z-]+", str(call.args[0].value))
        }
        assert [flag for flag in flags if flag not in text] == [], path.name


def test_each_column_of_the_scores_is_in_the_reference_of_tables(site):
    from mpt.tables.scores import SCORES as TABLE

    text = (site / "tables.html").read_text(encoding="utf-8")
    assert [name for name in TABLE.schema.names if f"<code>{name}</code>" not in text] == []


@pytest.fixture(scope="module")
def cloned() -> set[Path]:
    """Return the files and folders that a clone has, before anything is made in it."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=PROJECT, text=True)
    files = [PROJECT / name for name in listed.split("\0") if name]
    return {place for file in files for place in (file, *file.parents)}


@pytest.mark.parametrize(
    "page",
    [
        *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "profiles/README.md")),
        *PAGES,
    ],
    ids=lambda page: str(page.relative_to(PROJECT)),
)
def test_links_lead_to_what_a_clone_has(page, cloned):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target in cloned, link
        if heading:
            assert heading in headings(target), link


def headings(page: Path) -> list[str]:
    """Return the headings of a page as links name them: in small letters, hyphens for spaces."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found]


def test_the_committed_picture_of_the_model_is_what_its_script_draws(monkeypatch):
    monkeypatch.syspath_prepend(PROJECT / "docs")
    import draw_model
    from svg import as_svg

    # A style that the process has set changes nothing.
    with matplotlib.rc_context({"patch.linewidth": 3, "font.size": 20, "svg.fonttype": "none"}):
        drawn = as_svg(draw_model.model_figure)
    assert draw_model.PICTURE.read_text(encoding="utf-8") == drawn


def test_each_score_and_each_verdict_is_explained():
    from planning.last_screen import MARKS

    scores = (PROJECT / "docs/scores.md").read_text(encoding="utf-8")
    assert [name for name in SCORES if f"`{name}`" not in scores] == []
    statistics = (PROJECT / "docs/statistics.md").read_text(encoding="utf-8")
    assert [verdict for verdict in MARKS if f"*{verdict}*" not in statistics] == []


def test_the_graph_of_rules_has_every_rule():
    sys.path.insert(0, str(PROJECT / "docs"))
    from draw_rules import rule_graph

    # Not in it is what only a config of the user's asks for, what trackers cost, and the law of scaling.
    others = ("recordings.smk", "movies.smk", "costs.smk", "scaling_law.smk")
    files = [path for path in (PROJECT / "rules").glob("*.smk") if path.name not in others]
    texts = [path.read_text(encoding="utf-8") for path in files]
    declared = {rule for text in texts for rule in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    nodes, edges = rule_graph(PROJECT)
    assert set(nodes.values()) == declared | {"all", "readings"}
    named = {(nodes[begin], nodes[end]) for begin, end in edges}
    assert {
        ("simulate_training_set", "train"),
        ("train", "track_trained"),
        ("judge_choices", "tabulate_choices"),
    } <= named


def test_one_version_everywhere():
    texts = {
        name: (PROJECT / name).read_text(encoding="utf-8")
        for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md")
    }
    version = re.search(r'^version = "(.*)"$', texts["pyproject.toml"], re.MULTILINE)[1]
    assert f"version: {version}\n" in texts["CITATION.cff"]
    assert re.search(rf"^## {re.escape(version)}$", texts["CHANGELOG.md"], re.MULTILINE)


def test_comments_and_pages_name_only_files_that_exist():
    folders = (
        "docs",
        "src",
        "rules",
        "tests",
        "profiles",
        "schemas",
        "envs",
        "examples",
        "trackers",
        "report",
    )
    files = [*PROJECT.glob("*"), *(path for folder in folders for path in (PROJECT / folder).rglob("*"))]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in TEXTS}
    named = re.compile(
        r"(?<![\w/.])((?:docs|src|rules|examples|profiles|schemas)/[a-z_/]+\.(?:md|py|smk|yaml))\b"
    )
    found = {(path.name, name) for path, text in texts.items() for name in named.findall(text)}
    assert {(path, name) for path, name in found if not (PROJECT / name).exists()} == set()


def test_no_command_gives_a_target_where_a_config_is_read():
    # Snakemake takes every word after the flag for a config file.
    commands = [
        command
        for path in PROJECT.rglob("*")
        if path.suffix in TEXTS and not set(path.parts) & {".venv", ".snakemake", "site", "tests"}
        for command in re.findall(
            r"snakemake (?:[^`\n]|\\\n)*", path.read_text(encoding="utf-8").replace("\\\n#", " ")
        )
    ]
    read = [
        words for command in commands for words in re.findall(r"--configfiles? ((?:[^-\s]\S* *)+)", command)
    ]
    assert len(read) > 5
    for words in read:
        assert all(word.endswith(".yaml") or word.isupper() for word in words.split()), words


def test_what_is_said_of_width_and_of_unlimited_training_was_measured():
    text = " ".join((PROJECT / "docs/networks.md").read_text(encoding="utf-8").split())
    rows = reference("width/width.csv")
    found = {
        (row["score"], row["x"]): float(row["mean"]) for row in rows if row["label"] == "transformer_{150,1}"
    }
    widths = ("32", "80", "160")
    pairs = [f"{found['jaccard', d]:.3f}, {found['position_error', d]:.1f} with" for d in widths]
    rows = reference("benchmarks/transformer.csv")
    found = {row["quantity"]: float(row["value"]) for row in rows if row["row"] == "unlimited"}
    ratios = [found[f"plain, σ = 7: position error / MHT K = {K}"] for K in (1, 8)]
    told = [*pairs, f"{ratios[0]:.2f} times that of the MHT", f"{ratios[1]:.2f} times that with"]
    assert [words for words in told if words not in text] == []


def test_what_is_said_of_readings_was_found():
    text = " ".join((PROJECT / "docs/choices.md").read_text(encoding="utf-8").split())
    found = reference("readings/readings.csv")
    scores = ("jaccard", "position_error", "idf1")
    held = {score: [int(row[f"{score}_held"]) for row in found] for score in scores}
    most, judged = max(held["jaccard"]), int(found[0]["judged"])
    best = [row for row in found if int(row["jaccard_held"]) == most]
    best.sort(key=lambda row: [-int(row[f"{score}_held"]) for score in scores])
    assert {row["start"] for row in best} == {"measured"}
    told = [
        f"of {len(found)} readings none gives all {judged} claims by the Jaccard coefficient. "
        f"{['', 'One gives', 'Two give', 'Three give'][len(best)]} {most}, the most."
    ]

    verdicts = pd.read_parquet(PROJECT / "results/reference/readings/verdicts.parquet")
    verdicts = verdicts[(verdicts.part == "crossed") & (verdicts.score == "jaccard")]
    axes = ["start", "process_noise_model", "estimate", "transformer"]
    for row in best:
        of_reading = verdicts[(verdicts[axes] == [row[axis] for axis in axes]).all(axis=1)]
        said = [
            " ".join(of_reading.claim[of_reading.verdict == word]) for word in ("contradicted", "undecided")
        ]
        cells = [
            *(row[axis].replace("_", " ") for axis in axes[1:]),
            *(row[f"{score}_held"] for score in scores),
        ]
        told.append(f"| {' | '.join([*cells, *said])} |")

    for control in ("curve", "reference", "frozen", "random", "oracle"):
        levels = [[float(row[f"{score}_of_{control}"]) for row in best] for score in scores[:2]]
        jaccard, error = (
            ", ".join(f"{level:.{digits}f}" for level in of_score)
            for of_score, digits in zip(levels, (3, 1), strict=True)
        )
        told.append(f"| {jaccard} | {error} |")

    never = sorted(set(verdicts.claim) - set(verdicts.claim[verdicts.verdict == "supported"]))
    told.append(f"under none of the {len(found)}: {', '.join(never[:-1])} and {never[-1]}.")
    told.append(f"{100 * (verdicts.verdict == 'undecided').mean():.0f} % are undecided")
    (own,) = (
        row
        for row in found
        if [row[axis] for axis in axes] == ["known", "position", "filtered", "teacher_forcing"]
    )
    told.append(
        f"gives {own['jaccard_held']} claims by JC and {own['position_error_held']} by position error"
    )
    assert held["position_error"].count(int(own["position_error_held"])) == 1
    assert int(own["position_error_held"]) == max(held["position_error"])
    assert [words for words in told if words not in text] == []


def test_what_is_said_of_choices_was_found():
    text = " ".join((PROJECT / "docs/choices.md").read_text(encoding="utf-8").split())
    answer = (PROJECT / "results/reference/readings/readings.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| ([a-z ]+) \| \S.* → (.+) \| \d+ \| ([\d.]+) \| ([\d.]+) \|", re.MULTILINE)
    by_jaccard = {(axis, value): float(jaccard) for axis, value, jaccard, _ in row.findall(answer)}
    by_error = {(axis, value): float(error) for axis, value, _, error in row.findall(answer)}
    drift, network, estimate, *starts = sorted(by_jaccard, key=by_jaccard.get, reverse=True)[:5]
    assert drift == ("drift spread", "1")
    assert network == ("transformer", "position past")
    assert estimate == ("estimate", "detection")
    assert set(starts) == {("start", "measured"), ("initial spread", "0")}
    assert by_jaccard["prior", "3"] == 0
    past = ("transformer", "closed loop past")
    assert sorted(by_error, key=by_error.get, reverse=True)[:2] == [network, past]
    told = [
        f"faster drift turns most ({by_jaccard[drift]}), "
        f"then a network that yields positions ({by_jaccard[network]}), "
        f"an MHT that reports raw detections ({by_jaccard[estimate]}), "
        f"and a common or a measured start ({by_jaccard[starts[0]]} each)",
        f"a network that yields positions turns most ({by_error[network]}), "
        f"then closed loop on the past ({by_error[past]})",
    ]
    assert [words for words in told if words not in text] == []


@pytest.mark.parametrize("claim", ["2c", "3c", "8f", "9b"])
def test_the_transformer_beats_the_mht_only_where_it_is_said_to(claim):
    found = reference("readings/readings.csv")
    beaten = [row for row in found if claim in row["jaccard_claims"].split()]
    assert beaten
    for row in beaten:
        on_velocity = row["process_noise_model"] in ("literal", "velocity")
        if claim in ("2c", "3c"):
            assert on_velocity
        else:
            assert row["estimate"] == "detection" or (row["estimate"] == "online" and on_velocity)
    assert not any(claim in row["position_error_claims"].split() for row in found)


def test_what_is_said_of_other_numbers_of_particles_was_measured():
    text = " ".join((PROJECT / "docs/networks.md").read_text(encoding="utf-8").split())
    rows = reference("benchmarks/transformer.csv")
    found = {row["quantity"]: float(row["value"]) for row in rows if row["row"] == "other_numbers"}
    error, jaccard = (
        found[f"20 particles: {score} MHT K = 1"] for score in ("position error /", "Jaccard −")
    )
    assert f"error is {error:.3f} times that of the MHT" in text
    assert f"coefficient is {jaccard:.4f} above" in text


def test_what_is_said_of_many_particles_was_found():
    text = (PROJECT / "docs/many.md").read_text(encoding="utf-8")
    network, hybrid = "geometric, trained at N = 5", "hybrid, trained at N = 5"

    def rows(figure, values, labels):
        """Return the rows of a table: by curve the Jaccard coefficient and the position error."""
        found = {
            (row["label"], float(row["x"]), row["score"]): float(row["mean"])
            for row in reference(f"beyond/figures/{figure}.csv")
        }
        for x in values:
            pairs = ((found[label, x, "jaccard"], found[label, x, "position_error"]) for label in labels)
            yield f"| {x:g} | {' | '.join(f'{links:.3f}, {error:.2f}' for links, error in pairs)} |"

    mht = ("MHT, K_MHT = 1", "MHT, K_MHT = 3")
    told = [
        *rows("figure_7", (2, 5, 10, 20, 50, 100), (*mht, network, hybrid)),
        *rows("figure_8", (0.0005, 0.001, 0.0015, 0.002, 0.003), (*mht, network)),
        *rows("figure_9", (1, 2, 3, 4, 5), ("MHT", *(f"hybrid, ε = {e}" for e in (0.1, 0.01, 0.001)))),
        *rows("figure_10", (2, 5, 10), (network, "geometric, trained at the same N")),
    ]
    seconds = {
        (row["label"], row["x"]): float(row["mean"])
        for row in reference("beyond/costs/figure_7.csv")
        if row["score"] == "seconds"
    }
    for label in (*mht, network, hybrid):
        told.append(" | ".join(f"{seconds[label, x]:.2g}" for x in ("2", "20", "100")))
    for row in reference("beyond/lost.csv"):
        lost = [f"{100 * float(row[share]):.0f} %" for share in ("windows_lost", "sequences_with_one")]
        kept = f"{float(row['kept_of_a_track']):.2f}"
        told.append(f"| {' | '.join([row['particles'], row['epsilon'], kept, *lost])} |")
    verdicts: dict[str, dict[str, str]] = {}
    for row in reference("beyond/claims.csv"):
        verdicts.setdefault(row["claim"], {})[row["score"]] = row["verdict"]
    for claim, by_score in verdicts.items():
        judged = " | ".join(by_score.get(score, "–") for score in ("jaccard", "position_error"))
        assert re.search(rf"^\| `{claim}` \|.* \| {judged} \|$", text, re.MULTILINE), (claim, judged)
    assert [row for row in told if row not in text] == []


def test_what_is_said_of_a_gpu_was_measured():
    text = " ".join((PROJECT / "docs/machines.md").read_text(encoding="utf-8").split())
    found = {row["quantity"]: float(row["value"]) for row in reference("benchmarks/gpu.csv")}

    networks = ("plain", "geometric")
    units = ("on the device [s]", "[processor s]")
    plain, geometric = (
        [found[f"{name}, T = 150, i = 1: an epoch {unit}"] for unit in units] for name in networks
    )
    faster = [found[f"{name}, T = 150, i = 30: times as fast"] for name in networks]
    many, five = (f"plain, {number} trainings" for number in (1280, 5))
    speed = [found[f"{trainings}: sequences of an epoch [1/s]"] for trainings in (many, five)]
    change = max(found[f"{name}, bfloat16: position error, relative difference"] for name in networks)
    told = [
        f"takes {plain[0]:.2f} s ({plain[1]:.2f} s of one core)",
        f"of the geometric one {geometric[0]:.1f} s ({geometric[1]:.1f} s)",
        f"{faster[0]:.1f} (plain) and {faster[1]:.1f} (geometric) times as fast",
        f"1,280 of the plain network learn from {speed[0]:,.0f} sequences a second",
        f"in {found[f'{many}: peak memory [MiB]'] / 1024:.1f} GiB; five learn from {speed[1]:.0f}",
        f"changes the position error by at most {100 * change:.1f} %",
    ]
    assert [words for words in told if words not in text] == []


def test_what_is_said_of_a_hybrids_operations_was_counted():
    rows = reference("benchmarks/transformer.csv")
    found = {row["quantity"]: float(row["value"]) for row in rows if row["row"] == "many_operations"}
    told = re.findall(
        r"^" + r"\| ([\d.,]+(?: [kMG])?) " * 7 + r"\|$",
        (PROJECT / "docs/networks.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(told) == 9
    for N, K, *cells in told:
        exact, pruned = (found[f"N = {N}, K = {K}: {name}"] for name in ("MHT", "MHT among what is kept"))
        network, ratio = found[f"N = {N}: network"], found[f"N = {N}, K = {K}: hybrid / MHT"]
        assert ratio == pytest.approx((network + pruned) / exact, rel=0.001)
        expected = [exact, pruned, network, network + pruned, ratio]
        # Two digits are written.
        assert [number(cell) for cell in cells] == pytest.approx(expected, rel=0.05), (N, K)
        assert network > 2 * exact


def test_what_is_said_of_other_trackers_of_many_particles_was_measured():
    rows = reference("benchmarks/mht.csv")
    found = {row["quantity"]: float(row["value"]) for row in rows if row["row"] == "many_peers"}
    text = (PROJECT / "docs/mht.md").read_text(encoding="utf-8")
    names = {"Stone Soup, multi-frame assignment, window 2": "Stone Soup, multi-frame, window 2"}
    names["motile, integer program solved by SCIP"] = "motile"
    table = text[text.index("| tracker | N = 20 |") :].split("\n\n")[0].splitlines()[2:]
    assert len(table) == 7
    for line in table:
        name, *cells = (cell.strip().replace("\\(", "").replace("\\)", "") for cell in line.split("|")[1:-1])
        name = names.get(name, name)
        for N, seconds, times in (20, *cells[:2]), (100, *cells[2:]):
            if seconds == "not within 30 s":
                assert found[f"N = {N}: {name}: share that ends within 30 s"] == 0
                continue
            assert number(seconds) == pytest.approx(found[f"N = {N}: {name}: a sequence [s]"], rel=0.05)
            if times:
                K = 2 if "window" in name else 1
                assert number(times) == pytest.approx(
                    found[f"N = {N}: {name}: times as slow as K = {K}"], rel=0.05
                )
    wrong = {
        N: [100 * value for name, value in found.items() if re.match(rf"N = {N}: .*: links wrong", name)]
        for N in (20, 100)
    }
    said = [f"{min(shares):.1f} to {max(shares):.1f} %" for shares in wrong.values()]
    assert all(words in " ".join(text.split()) for words in said), said


def number(written: str) -> float:
    """Return a number as a table has it: 2,100 or 3.8 G."""
    digits, _, unit = written.replace(",", "").partition(" ")
    return float(digits) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit]


def reference(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of the reference run."""
    with (PROJECT / "results/reference" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_said_of_speed_was_measured():
    text = " ".join((PROJECT / "docs/speed.md").read_text(encoding="utf-8").split())
    found = {row["quantity"]: float(row["value"]) for row in reference("benchmarks/transformer.csv")}
    start_up = {row["quantity"]: float(row["value"]) for row in reference("benchmarks/start_up.csv")}
    together, forked = (start_up[f"in {way} process: times a job each"] for way in ("one", "forks of one"))
    mht = {row["quantity"]: float(row["value"]) for row in reference("benchmarks/mht.csv")}
    before = {row["quantity"]: float(row["value"]) for row in reference("benchmarks/before.csv")}
    epochs = [f"{name} {before[f'{name}: an epoch: now / before']:.2f}" for name in ("geometric", "plain")]

    def decoded(network: str, sees: str) -> str:
        name = f"{network}, encoder sees {sees}"
        seconds = found[f"{name}: 200 sequences of 150 frames [s]"]
        return f"{found[f'{name}: by torch alone [s]']:.2f} | {seconds:.2f} |"

    def of_torch(network: str, sees: str) -> str:
        """Return the row of a table: each number of sequences of 150 frames, then of 600."""
        name = f"{network}, encoder sees {sees}: "
        fractions = {
            tuple(map(int, re.findall(r": (\d+) of (\d+) frames", quantity)[0])): value
            for quantity, value in found.items()
            if quantity.startswith(name) and " pairs)" in quantity
        }
        shape = sorted(fractions, key=lambda each: each[::-1])
        assert shape == [(number, frames) for frames in (150, 600) for number in (1, 4, 16, 64)]
        return " | ".join(f"{fractions[each]:.2f}" for each in shape)

    def of_before(quantity: str) -> str:
        return f"{before[f'{quantity}: now / before']:.2f}"

    def joined(way: str) -> str:
        jobs, share = (start_up[f"{way}: {what}"] for what in ("jobs with a benchmark", "share of start-up"))
        return f"{jobs:.0f} | {100 * share:.1f} % |"

    told = [
        f"| geometric, which sees the past | {of_torch('geometric', 'past')} |",
        f"| geometric, which sees the whole sequence | {of_torch('geometric', 'whole')} |",
        f"| plain, which sees the whole sequence | {of_torch('plain', 'whole')} |",
        f"| plain, which sees the past | {of_torch('plain', 'past')} |",
        f"take {of_before('plain: a job')} (plain) and {of_before('geometric: a job')} (geometric)",
        f"the MHT's with \\(K = 8\\) {of_before('K = 8: a job')} (",
        f"(`tests/config.yaml`) takes {of_before('small config')} of the time",
        f"with nothing to do, {of_before('nothing to do')} (",
        f"dry run of 21,906 jobs takes {of_before('dry run of 21,906 jobs')} of the time before",
        f"| 272 | 3,000 | {of_before('Figure 3: 272 tracks files')} |",
        f"| 41 | 400 | {of_before('Figure 6, T = 100: 41 tracks files')} |",
        f"| 21 | 350 | {of_before('Figure 2a: 21 tracks files')} |",
        f"| one tracker, one test set: as it is | {joined('a job for each tracker and test set')}",
        f"| all controls of a test set | {joined('all controls of a test set in one')}",
        f"| all test sets of a tracker | {joined('all test sets of a tracker in one')}",
        f"| all trackers of a test set | {joined('all trackers of a test set in one')}",
        f"| geometric | {decoded('geometric', 'past')}",
        f"| plain, which sees the whole sequence | {decoded('plain', 'whole')}",
        f"| plain, which sees the past | {decoded('plain', 'past')}",
        *(
            f"| {name} | {found[f'{name}: by torch alone [s]']:.2f}"
            f" | {found[f'{name}: 3000 sequences of 8 frames [s]']:.3f} |"
            for name in ("geometric", "plain")
        ),
        ", ".join(epochs),
        f"| all in one process | {together:.2f} |",
        f"| forks of one process that has imported | {forked:.2f} |",
        f"{100 * mht['N = 2, K = 8: operations a second / peak']:.0f} % of the machine's peak",
    ]
    assert [words for words in told if words not in text] == []


def test_submissions_to_a_cluster_are_those_of_its_profile():
    config = canonical(yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8")))
    made = plan(config)
    trained = [tracker for tracker, _ in made.told if tracker in made.model_of]
    # A test set and what tracks it without a model are one component of their group's.
    components = {
        "training_sets": len(made.training_sets),
        "test_sets": len(made.test_sets),
        "transformers": len(trained),
        "scores": len(made.scored),
    }
    calibrations = 1
    alone = len(made.models) + len(made.counted) + calibrations
    said = {}
    for profile in ("slurm", "htcondor"):
        path = PROJECT / f"profiles/{profile}/config.yaml"
        together = yaml.safe_load(path.read_text(encoding="utf-8"))["group-components"]
        assert together.keys() == components.keys()
        said[profile] = alone + sum(math.ceil(count / together[name]) for name, count in components.items())
    for page in ("docs/scaling.md", "profiles/README.md"):
        text = (PROJECT / page).read_text(encoding="utf-8")
        assert f"{said['slurm']} submissions (HTCondor: {said['htcondor']})" in text
