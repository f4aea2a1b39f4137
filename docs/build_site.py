"""What MkDocs calls to build the site: pages made from the schema, the tables and the scripts, and equations.

Generated pages are never committed, so that they cannot lag behind what they describe.
"""

import contextlib
import html
import importlib
import io
import os
import pkgutil
import re
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import latex2mathml.converter
import yaml
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
# Made of results/reference: what the pages show of it.
SHOWN = (".png", ".svg", ".gif", ".webp", ".md")
NOT_STATED = "not stated in the paper"
# Links lead to what a page is made from, which the repository has; in the site, to the page.
MADE_OF = {
    "../schemas/config.schema.yaml": "config.md",
    "../config.yaml": "config.md",
    "../src/mpt/tables/": "tables.md",
    "../src/mpt/tables/tracks.py": "tables.md#tracks",
    "../src/mpt/": "api.md",
}
RULES_PAGE = """# The graph of rules

An arrow leads from a rule to those that need its files. The graph is Snakemake's own
(`snakemake all readings --rulegraph`), drawn when this site is built.

![The graph of rules](images/rules.svg)
"""


def on_files(files: Files, config) -> Files:
    """Add the generated pages, the drawings and the pictures of the reference run to the site."""
    sys.path[:0] = [str(SOURCE), str(Path(__file__).parent)]
    import draw_rules
    from svg import as_svg

    pages = {
        "config.md": config_page(),
        "tables.md": tables_page(),
        "scripts.md": scripts_page(),
        "api.md": api_page(),
        "rules.md": RULES_PAGE,
        "images/rules.svg": as_svg(partial(draw_rules.rules_figure, ROOT)),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    for path in sorted((ROOT / "results/reference").rglob("*")):
        if path.suffix in SHOWN:
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Lead links that are right in the repository to what the site has of them."""
    for source, made in MADE_OF.items():
        markdown = markdown.replace(f"]({source})", f"]({made})")
    return markdown.replace("](../results/reference/", "](results/reference/")


def on_page_content(content: str, page, config, files) -> str:
    r"""Turn \(…\) and \[…\] of arithmatex into MathML."""

    def inline(found: re.Match) -> str:
        return latex2mathml.converter.convert(html.unescape(found[1]), display="inline")

    def block(found: re.Match) -> str:
        return latex2mathml.converter.convert(html.unescape(found[1]), display="block")

    content = re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', inline, content, flags=re.DOTALL)
    return re.sub(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', block, content, flags=re.DOTALL)


def config_page() -> str:
    """Return the reference of config.yaml: each key with its meaning, what it may be, and its default."""
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    defaults, lines = yaml.safe_load(text), text.splitlines()
    places = dict(_places(yaml.compose(text)))
    rows = [
        "# Config",
        "",
        "Each key of `config.yaml`, made from its schema. `NAME` is a name of yours, `[]` a list's element.",
        "A default marked * is not stated in the paper.",
        "",
        "| key | meaning | may be | default |",
        "| --- | --- | --- | --- |",
    ]
    for key, description, kind in _keys(schema, schema, "", ()):
        default, chosen = _default(defaults, key), key in places and NOT_STATED in lines[places[key]]
        shown = f"`{default}`{'*' if chosen else ''}" if default is not None else ""
        rows.append("| " + " | ".join(map(_cell, (f"`{key}`", description, kind, shown))) + " |")
    return "\n".join(rows) + "\n"


def tables_page() -> str:
    """Return the reference of the Parquet tables: each column with its type and meaning."""
    import mpt.tables
    from mpt.tables.files import Table

    parts = [
        "# Tables",
        "",
        "Between the rules stand Parquet files, sorted by their key. The parameters that made a table are",
        "JSON in its schema metadata, under `mpt`. Readers refuse, by file and row, what is otherwise.",
    ]
    seen = set()
    for module in sorted(info.name for info in pkgutil.iter_modules(mpt.tables.__path__)):
        loaded = importlib.import_module(f"mpt.tables.{module}")
        tables = [value for value in vars(loaded).values() if isinstance(value, Table)]
        for table in tables:
            if table.name in seen:
                continue
            seen.add(table.name)
            parts += [
                "",
                f"## {table.name}",
                "",
                f"{loaded.__doc__.splitlines()[0]} (`mpt.tables.{module}`)",
                "",
            ]
            parts += ["| column | type | | meaning |", "| --- | --- | --- | --- |"]
            for field in table.schema:
                role = "key" if field.name in table.key else "may be null" if field.nullable else ""
                meaning = (field.metadata or {}).get(b"description", b"").decode()
                parts.append(f"| `{field.name}` | {field.type} | {role} | {_cell(meaning)} |")
    return "\n".join(parts) + "\n"


def scripts_page() -> str:
    """Return the reference of the scripts: what --help prints of each."""
    parts = [
        "# Scripts",
        "",
        "`python src/NAME.py` reads the files that its flags name and writes those that its flags name.",
        "The workflow's logs in `results/logs/` show with which flags it ran.",
    ]
    width, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "100"
    try:
        for path in sorted(SOURCE.glob("*.py")):
            if "ArgumentParser(" not in path.read_text(encoding="utf-8") or path.stem == "command_line":
                continue
            loaded = importlib.import_module(path.stem)
            if not hasattr(loaded, "main"):
                continue
            said = io.StringIO()
            with (
                contextlib.redirect_stdout(said),
                contextlib.suppress(SystemExit),
                mock.patch.object(sys, "argv", [path.name, "--help"]),
            ):
                loaded.main()
            parts += ["", f"## {path.stem}", "", "```text", said.getvalue().rstrip(), "```"]
    finally:
        if width is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = width
    return "\n".join(parts) + "\n"


def api_page() -> str:
    """Return the reference of the library: the docstrings of every public module of mpt."""
    parts = ["# API", "", "The library takes and returns arrays; `mpt.tables` reads and writes files."]
    for path in sorted((SOURCE / "mpt").rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        if path.stem != "__init__":
            parts += ["", f"::: {name}"]
    return "\n".join(parts) + "\n"


def _keys(schema: dict, part: dict, path: str, inside: tuple):
    """Yield each key of a schema as (path, description, what it may be), parents before children.

    What has a name of the user's, or is an element of a list, is left out itself where nothing describes it.
    """
    name = part.get("$ref", "").rpartition("/")[2]
    if name:
        # A definition that leads back to itself is told once.
        if name in inside:
            return
        part = schema["$defs"][name] | {key: value for key, value in part.items() if key != "$ref"}
        inside = (*inside, name)
    description = " ".join(str(part.get("description", "")).split())
    if path and (description or not path.endswith((".NAME", "[]"))):
        yield path, description, _kind(schema, part)
    for key, child in part.get("properties", {}).items():
        if isinstance(child, dict):
            yield from _keys(schema, child, f"{path}.{key}" if path else key, inside)
    others = part.get("additionalProperties")
    if isinstance(others, dict) and "$ref" in others.get("then", {}):
        # Beside it null, which drops what has the name.
        others = others["then"]
    if isinstance(others, dict) and path:
        yield from _keys(schema, others, f"{path}.NAME", inside)
    if isinstance(part.get("items"), dict) and "properties" in _resolved(schema, part["items"]):
        yield from _keys(schema, part["items"], f"{path}[]", inside)


def _resolved(schema: dict, part: dict) -> dict:
    name = part.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else part


def _kind(schema: dict, part: dict) -> str:
    """Return in words what a value may be."""
    part = _resolved(schema, part)
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "if" in part:
        branches = [
            _kind(schema, part[branch]) for branch in ("then", "else") if isinstance(part.get(branch), dict)
        ]
        return " or ".join(kind for kind in branches if kind)
    if "anyOf" in part or "oneOf" in part:
        return " or ".join(_kind(schema, branch) for branch in part.get("anyOf", part.get("oneOf")))
    kinds = part.get("type", "")
    words = " or ".join(map(str, kinds)) if isinstance(kinds, list) else str(kinds)
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    # Limits of what a table can hold are not told.
    bounds = [f"{sign} {part[limit]:g}" for limit, sign in limits.items() if part.get(limit, 1e9) < 1e9]
    if words == "array" and isinstance(part.get("items"), dict):
        words = f"list of {_kind(schema, part['items']) or 'values'}"
    return " ".join([words, *bounds])


def _default(config, key: str):
    """Return a key's value in config.yaml if it is short, None if it has none or is a section."""
    value = config
    for name in key.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    if value is None:
        return "null"
    return None if isinstance(value, dict) or len(str(value)) > 60 else value


def _places(node, path: str = ""):
    """Yield each key of a YAML document with the number of its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{path}.{key.value}" if path else key.value
            yield name, key.start_mark.line
            yield from _places(value, name)


def _cell(text: object) -> str:
    return str(text).replace("|", r"\|").replace("\n", " ")
