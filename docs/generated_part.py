"""The part of a page that a script writes: what stands between two marks, comments of Markdown."""

from pathlib import Path


def filled(page: Path, marks: tuple[str, str], made: str) -> str:
    """Return a page's text with what was made between its marks; raises ValueError if it lacks one."""
    begin, end = marks
    before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{page.name} lacks {begin} or {end}")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"
