"""The conda environments of the rules hold what their scripts import, in the versions that pip installs."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from planning.imports import imported, modules
from workflow import scripts_of_rules

PROJECT = Path(__file__).parents[1]
ENVIRONMENTS = sorted((PROJECT / "envs").glob("*.yaml"))
# What conda or an import statement calls a package of requirements.txt otherwise.
CONDA_NAMES = {"pytorch": "torch"}
IMPORT_NAMES = {"pypapi": "python-papi", "PIL": "pillow"}


def pins() -> dict[str, str]:
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def packages(environment: Path) -> dict[str, str]:
    """Return the version of each package that conda or, within it, pip installs, by its name on PyPI."""
    found = {}
    for dependency in yaml.safe_load(environment.read_text())["dependencies"]:
        if isinstance(dependency, dict):
            found |= dict(line.split("==") for line in dependency["pip"])
        elif dependency != "pip":
            name, _, version = dependency.partition("=")
            found[CONDA_NAMES.get(name, name)] = version
    return found


def rules() -> dict[str, tuple[list[str], Path]]:
    """Return the scripts and the environment of each rule that runs one."""
    found, scripts = {}, scripts_of_rules()
    for path in (PROJECT / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \n].*\n?)*)", path.read_text(), re.MULTILINE):
            environment = re.search(r'conda:\s+"\.\./(envs/\w+\.yaml)"', body)
            assert environment, name
            if name in scripts:
                found[name] = scripts[name], PROJECT / environment[1]
    return found


def imports(script: Path) -> set[str]:
    """Return the packages that a script imports, directly or by modules of this project."""
    root = PROJECT / "src"
    names = {name for path in (script, *modules(script, root)) for name in imported(path, root)}
    found = {name.partition(".")[0] for name in names} - {path.stem for path in root.iterdir()}
    return {IMPORT_NAMES.get(name, name) for name in found - set(sys.stdlib_module_names)}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_versions_are_those_of_the_requirements(environment):
    found = packages(environment)
    python = found.pop("python")
    assert python == "3.11"
    assert found
    assert found == {name: pins().get(name) for name in found}


@pytest.mark.parametrize("rule", sorted(rules()))
def test_an_environment_has_what_its_script_imports(rule):
    scripts, environment = rules()[rule]
    for script in scripts:
        assert imports(PROJECT / "src" / script) <= packages(environment).keys(), script


def test_imports_are_found_through_modules_of_the_project():
    assert {"torch", "numpy", "pyarrow"} <= imports(PROJECT / "src/train.py")


def test_each_environment_serves_a_rule():
    assert {environment for _, environment in rules().values()} == set(ENVIRONMENTS)
