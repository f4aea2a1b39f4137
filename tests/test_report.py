"""The captions of the report: each is sound reStructuredText when Snakemake has filled it in."""

from pathlib import Path
from types import SimpleNamespace

import docutils.core
import jinja2
import pytest
import yaml

PROJECT = Path(__file__).parents[1]
STRICT = {"halt_level": 2, "report_level": 2, "embed_stylesheet": False}
CAPTIONS = sorted((PROJECT / "report").glob("*.rst"))


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
