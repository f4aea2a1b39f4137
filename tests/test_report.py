"""The report: its captions are sound, and a browser without a network shows every figure and every table."""

import importlib.metadata
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import docutils.core
import jinja2
import matplotlib.image
import pandas as pd
import playwright.sync_api
import pytest
import yaml

from mpt.drawing.pages import table_page
from workflow import SMALL, snakemake

PROJECT = Path(__file__).parents[1]
STRICT = {"halt_level": 2, "report_level": 2, "embed_stylesheet": False}
CAPTIONS = sorted((PROJECT / "report").glob("*.rst"))
# Where pictures of the report are left to be looked at; otherwise they are deleted with pytest's other files.
SCREENSHOTS = "REPORT_SCREENSHOTS"


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_is_sound_for_each_study(caption):
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    template = jinja2.Template(caption.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined)
    for study in config["studies"]:
        snakemake = SimpleNamespace(config=config, wildcards=SimpleNamespace(study=study))
        text = template.render(snakemake=snakemake)
        # A warning of docutils is an error here.
        made = docutils.core.publish_string(text, writer="html5", settings_overrides=STRICT)
        assert b"<p>" in made
        if caption.stem == "scores":
            assert config["studies"][study]["x"].replace("_", " ") in text


def test_a_caption_names_only_scripts_that_exist():
    for caption in CAPTIONS:
        for word in caption.read_text(encoding="utf-8").split("``")[1::2]:
            assert not word.startswith("src/") or (PROJECT / word).exists(), caption.name


class Opened:
    """A file opened in the browser, which notes what it logs as an error and whom it asks for anything."""

    def __init__(self, browser, path: Path):
        self.page = browser.new_context(offline=True, viewport={"width": 1400, "height": 900}).new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.goto(path.as_uri())

    def entries(self, category: str) -> dict:
        """Open a category from the report's first page; return the rows of its menu by their label."""
        menu, path = self.page.locator("nav").all()
        path.locator("a").first.click()
        menu.get_by_text(category, exact=True).click()
        menu.locator("tbody tr").first.wait_for()
        return {row.inner_text().strip(): row for row in menu.locator("tbody tr").all()}


def column(frame, heading: str) -> list[str]:
    """Return the cells of a table's column, in the order in which they stand."""
    script = """heading => {
        const heads = [...document.querySelectorAll("th")];
        const index = heads.findIndex(head => head.textContent === heading);
        const cells = [...document.querySelectorAll("tbody tr")].map(row => row.cells[index]);
        return cells.map(cell => cell.title || cell.textContent);
    }"""
    return frame.evaluate(script, heading)


@pytest.fixture(scope="module")
def browser():
    """Return the system's Chromium. Nothing is downloaded."""
    executable = shutil.which("chromium")
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    with playwright.sync_api.sync_playwright() as driver:
        # Its sandbox needs rights that a container does not give.
        started = driver.chromium.launch(executable_path=executable, chromium_sandbox=False)
        yield started
        started.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory) -> Path:
    if chosen := os.environ.get(SCREENSHOTS):
        Path(chosen).mkdir(parents=True, exist_ok=True)
        return Path(chosen)
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def report(browser, finished) -> Opened:
    path = finished / "results/report.html"
    result = snakemake(finished, "--report", path)
    assert result.returncode == 0, result.stdout + result.stderr
    opened = Opened(browser, path)
    opened.page.get_by_text("Statistics").wait_for()
    return opened


def test_the_report_shows_every_figure_and_every_table(report, finished, screenshots):
    page = report.page
    # The graph of rules.
    page.locator("canvas").wait_for()
    page.screenshot(path=screenshots / "0 first page.png")
    seen = set()
    categories = page.locator("nav").first.get_by_text(re.compile(r"^\d\. ")).all_inner_texts()
    assert len(categories) == 5
    for category in categories:
        for label in report.entries(category):
            view, about = report.entries(category)[label].locator("a").all()
            address = view.get_attribute("href")
            if address.startswith("data:"):
                name = re.search("filename=([^;]+)", address)[1]
            else:
                view.click()
                shown = page.locator("img[src^='data:image'], iframe").last
                shown.wait_for()
                name = re.search("filename=([^;]+)", shown.get_attribute("src"))[1]
                if name.endswith(".png"):
                    width, height = matplotlib.image.imread(next(finished.rglob(name))).shape[1::-1]
                    assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [
                        width,
                        height,
                    ]
                else:
                    assert shown.content_frame.locator("tbody tr, pre").count()
            about.click()
            # The caption: what is seen, and the script that made it.
            assert re.search(
                r"Description\s+(?s:.{100,})Size", page.locator("nav").first.inner_text(), re.IGNORECASE
            )
            page.screenshot(path=screenshots / f"{category} {name.replace('.', '_')}.png")
            seen.add(name)
    figures = {path.name for path in (finished / "results").rglob("*.png")}
    tables = {path.name for path in (finished / "results/pages").iterdir()} | {"claims.csv"}
    assert seen == figures | tables
    assert report.errors == []
    assert report.hosts == {""}


def test_the_ledger_in_the_report_is_sorted_by_a_click(report, finished):
    ledger = pd.read_csv(finished / "results/claims.csv", keep_default_na=False)
    report.entries("1. Claims")["which claims hold"].locator("a").first.click()
    frame = report.page.locator("iframe").element_handle().content_frame()
    frame.locator("tbody tr").first.wait_for()
    assert column(frame, "claim") == ledger.claim.to_list()
    effects = ledger.effect[ledger.effect != ""].astype(float)
    for expected in (effects.sort_values(), effects.sort_values(ascending=False)):
        frame.locator("th button", has_text=re.compile("^effect$")).click()
        found = column(frame, "effect")
        assert [float(cell) for cell in found[: len(expected)]] == expected.to_list()
        assert not any(found[len(expected) :])
    frame.locator("th button", has_text=re.compile("^verdict$")).click()
    assert column(frame, "verdict") == sorted(ledger.verdict)
    assert report.errors == []


def test_the_statistics_of_the_report_are_drawn(report, screenshots):
    report.page.locator("nav").nth(1).locator("a").first.click()
    report.page.get_by_text("Statistics").click()
    report.page.locator("#timeline canvas").wait_for()
    report.page.screenshot(path=screenshots / "9 statistics.png")
    assert report.errors == []


def test_text_of_a_table_is_shown_as_it_is_written(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(table_page("a < b", ["claim"], [["<script>x()</script>"], ["a & b"]]), encoding="utf-8")
    opened = Opened(browser, path)
    assert column(opened.page, "claim") == ["<script>x()</script>", "a & b"]
    assert opened.page.title() == "a < b"
    assert opened.errors == []


def test_pages_say_the_versions_that_are_installed(run_script, tmp_path):
    run = tmp_path / "run.csv"
    run.write_text("rule,jobs\nall,1\n", encoding="utf-8")
    result = run_script("write_pages.py", "--run", run, "--config", SMALL, "--output", tmp_path / "pages")
    assert result.returncode == 0, result.stderr
    # Without a ledger there is no page of one.
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {
        "run.html",
        "config.html",
        "versions.html",
    }
    text = (tmp_path / "pages/versions.html").read_text(encoding="utf-8")
    for name in ("numpy", "snakemake", "torch"):
        version = re.escape(importlib.metadata.version(name))
        assert re.search(f">{name}</td><td[^>]*>{version}<", text)


def test_a_table_whose_rows_differ_in_length_is_refused(refusal, tmp_path):
    run = tmp_path / "run.csv"
    run.write_text("rule,jobs\nall,1\ntrain\n", encoding="utf-8")
    line = refusal("write_pages.py", "--run", run, "--config", SMALL, output=tmp_path / "pages")
    assert line.endswith("run.csv: line 3 has 1 cells, the heading 2")
