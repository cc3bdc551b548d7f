"""The first paragraph of a Markdown file, as one plain line.

Guarantee: what comes out has no markup, no line break and no character that a reader cannot see. Work is
linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["first_paragraph", "line"]

_LINES = 400  # of a file, among which a paragraph is looked for
_WIDE = 2000  # characters of one line that are looked at
# What is not a sentence of the project's own: headings, badges, lists, tables, quotes, imports, markup.
_NOT_PROSE = re.compile(
    r"#|>|\||[-*+] |\d{1,3}[.)] |!\[|\[!\[|\[[^\]]{1,200}\]:|<|@\S+$|\.\. |:[a-z]|[-=*_~^.` ]{3,}$"
)
_FENCE = re.compile(r"(```|~~~)")
_IMAGE = re.compile(r"!\[[^\]]{0,300}\]\([^)]{0,500}\)")
_LINK = re.compile(r"\[([^\]]{1,300})\](?:\([^)]{0,500}\)|\[[^\]]{0,100}\])")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_MARKS = re.compile(r"[`*]+|(?<![A-Za-z0-9])_{1,3}(?=[^_\s])|(?<=[^_\s])_{1,3}(?![A-Za-z0-9])")
# What a tool writes into every such file says nothing of the project.
_BOILERPLATE = re.compile(
    r"this file (provides|contains|gives) (guidance|instructions|guidelines)", re.IGNORECASE
)
_ZERO_WIDTH = frozenset("\u115f\u1160\u3164\uffa0\u034f\u2800")  # letters to Unicode, nothing to an eye


def line(text: object, most: int) -> str:
    """Return text as one line of visible characters, cut at a word where it is longer than `most`."""
    if not isinstance(text, str):
        return ""
    cut = text[: most * 8]
    seen = "".join(c if _visible(c) else " " if c.isspace() else "" for c in cut)
    words = " ".join(seen.split()).replace("<!--", "").replace("-->", "")
    words = " ".join(words.split())
    if len(words) <= most:
        return words
    short = words[: most - 1]
    at_word = short.rpartition(" ")[0]
    return (at_word if len(at_word) > most // 2 else short).rstrip(" ,;:") + "…"


def _visible(char: str) -> bool:
    return char.isprintable() and char not in _ZERO_WIDTH and unicodedata.category(char) != "Co"


def first_paragraph(text: str) -> str:
    """Return the first lines of prose that belong together; empty where there is none."""
    paragraph: list[str] = []
    for row in _rows(text):
        if row and not _NOT_PROSE.match(row):
            paragraph.append(row)
            continue
        said = _plain(" ".join(paragraph))
        if said and not _BOILERPLATE.match(said):
            return said
        paragraph = []
    said = _plain(" ".join(paragraph))
    return "" if _BOILERPLATE.match(said) else said


def _rows(text: str) -> list[str]:
    """Return the lines outside front matter, comments and code."""
    rows: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")[:_LINES]
    if lines and lines[0].rstrip() == "---":
        ends = [number for number, row in enumerate(lines[1:], 1) if row.rstrip() in ("---", "...")]
        lines = lines[ends[0] + 1 :] if ends else lines
    fence, comment = "", False
    for raw in lines:
        row = raw[:_WIDE].strip()
        opening = _FENCE.match(row)
        if fence:
            fence = "" if row.startswith(fence) else fence
            row = ""
        elif opening and not comment:
            fence, row = opening.group(1), ""
        elif comment or row.startswith("<!--"):
            comment = "-->" not in row
            row = ""
        elif raw.startswith(("    ", "\t")) and (not rows or not rows[-1]):
            row = ""  # indented code, after an empty line
        rows.append(row)
    return _without_titles(rows)


def _without_titles(rows: list[str]) -> list[str]:
    """Blank the lines that are underlined as a heading."""
    kept = list(rows)
    for number, row in enumerate(rows[1:], 1):
        if re.fullmatch(r"[=\-~^*]{3,}", row) and rows[number - 1]:
            kept[number - 1] = ""
    return kept


def _plain(text: str) -> str:
    text = _IMAGE.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", text)
    return " ".join(_MARKS.sub("", text).split())
