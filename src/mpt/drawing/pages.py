"""Pages of HTML that show a table or a text; they load nothing, so that they open anywhere."""

import html
from collections.abc import Sequence

from mpt.numerals import is_number

# Of a number as it is shown; the page sorts by, and shows on hovering, what the table has.
DIGITS = 4
# Characters of a cell from which on its column is broken into lines.
LONG = 40

STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; color: #222; margin: 1.5em; }
pre { font: 13px/1.4 ui-monospace, monospace; }
table { border-collapse: collapse; }
th { position: sticky; top: 0; background: #eef3f7; text-align: left; vertical-align: bottom; }
th button { font: inherit; font-weight: 600; text-align: left; padding: 0; border: 0; background: none; }
th button { cursor: pointer; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
th, td { padding: .3em .7em; border-bottom: 1px solid #ddd; vertical-align: top; white-space: nowrap; }
td.long { white-space: normal; min-width: 20em; }
th.number button, td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""
# A click on a heading sorts by its column, a second one the other way round. Empty cells stay last.
SCRIPT = """
for (const head of document.querySelectorAll("th")) {
  head.querySelector("button").addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const body = head.closest("table").tBodies[0];
    const value = row => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
    const compare = (a, b) => {
      if (!a || !b) return !a - !b;
      const order = head.className === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
      return rising ? order : -order;
    };
    body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b))));
  });
}
"""


def table_page(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a page with a table that is sorted by a click on a heading.

    head: the headings; rows: the cells of each row as text, "" where there is none. A column of numbers
    is sorted by number and shown with four digits. Raises ValueError for a row of another length.
    """
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    if len(columns) != len(head):
        raise ValueError(f"rows have {len(columns)} cells, the heading {len(head)}")
    kinds = [_kind(cells) for cells in columns]
    heading = "".join(
        f'<th class="{kind}"><button>{html.escape(name.replace("_", " "))}</button></th>'
        for name, kind in zip(head, kinds, strict=True)
    )
    body = "\n".join(
        f"<tr>{''.join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True))}</tr>"
        for row in rows
    )
    table = f"<table>\n<thead><tr>{heading}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return _page(title, f"{table}\n<script>{SCRIPT}</script>")


def text_page(title: str, text: str) -> str:
    """Return a page that shows a text as it is written."""
    return _page(title, f"<pre>{html.escape(text)}</pre>")


def _page(title: str, content: str) -> str:
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{name}</h1>\n{content}\n</body>\n</html>\n"
    )


def _kind(cells: Sequence[str]) -> str:
    if any(cells) and all(is_number(cell) for cell in cells if cell):
        return "number"
    return "long" if any(len(cell) >= LONG for cell in cells) else "text"


def _cell(text: str, kind: str) -> str:
    if kind != "number" or not text:
        return f'<td class="{kind}">{html.escape(text)}</td>'
    value = html.escape(text, quote=True)
    return f'<td class="number" data-value="{value}" title="{value}">{_shown(text)}</td>'


def _shown(text: str) -> str:
    """Return a number in four digits; what is whole keeps all of its own."""
    number = float(text)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e9 else f"{number:.{DIGITS}g}"
