"""The strict grammar of a header: YAML cut down to what every reader reads the same way.

Guarantee: a header is either read, every scalar as the text its author wrote, or refused with the line, the
rule and, where it can be known, the line as it should be. Nothing is cut off, merged, repeated or converted.
Rule 1: YAML is known to this module alone. Rule 2: only the events of the YAML parser are used, never its
composer: that one recurses in C, and a header of brackets alone ends the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from hubd.core import repair
from hubd.core.flaw import FlawError, refuse
from hubd.core.scalar import HIDDEN, HUB_CLOSE, HUB_OPEN, INNER_KEY, KEY, Value

_Parser: Callable[[str], Any]
try:
    from yaml._yaml import CParser

    _Parser = CParser
except ImportError:  # PyYAML built without libyaml: slower, the same events
    _Parser = yaml.SafeLoader

DEPTH_LIMIT = 8  # the header itself is the first

_HIDDEN = re.compile(f"[{HIDDEN}]")
_HALF = re.compile("[\ud800-\udfff]")
_MARKER = re.compile(f"{HUB_OPEN}|{HUB_CLOSE}")
_FOREIGN_LINE = re.compile(r"^(?:-{3,}[ \t]*$|---[ \t]|\.\.\.(?:[ \t]|$)|%)", re.MULTILINE)
_BLOCK_OPENING = re.compile(r"[|>](?:[+-]?[1-9]?|[1-9][+-])")
_COMMENT_OR_BLANK = re.compile(r" *(?:#.*)?")
_COMMENT_OR_TAB = re.compile("[#\t]")
_COLON = re.compile(r"[ \n]*:")
_LOOK_BACK = 100  # lines before an error in which its cause is searched: bounds the work a bad header makes

_BAD_KEY = "a key is small letters, digits, `_` and `-`, a letter first, at most 64 characters"
_LINES = "a value stands on the line of its key; only `|` and `>` at the top level open a block of lines"
_COMMENT = "` #` cuts the value off here; put the value in quotes, or the comment on a line of its own"


@dataclass(frozen=True, slots=True)
class Field:
    """One top-level key: its value, and its first and last line, counted from 0 in the header."""

    key: str
    value: Value
    first: int
    last: int


def read(header: str, top: int) -> list[Field]:
    """The fields of a header whose first line is line `top` of its file; none if it is empty.

    Raises FlawError. The header's lines end all the same way, and its last one does end.
    """
    text = header.replace("\r\n", "\n") if "\r" in header else header
    lines = text.split("\n")
    _check_text(text, lines, top)
    try:
        return _Walk(text, lines, top).fields()
    except yaml.YAMLError as error:
        _explain(error, lines, top)


def _check_text(text: str, lines: list[str], top: int) -> None:
    """What is refused before YAML sees it."""
    if not text.isascii() or "\x7f" in text:
        hidden = _HIDDEN.search(text)
        if hidden:
            number = text.count("\n", 0, hidden.start())
            message = f"a header holds no hidden character, and here is U+{ord(hidden.group()):04X}"
            refuse("control-character", number + top, message, lines[number])
    marker = _MARKER.search(text)
    if marker:
        number = text.count("\n", 0, marker.start())
        refuse("hub-marker", number + top, "the hub's markers are the hub's alone", lines[number])
    foreign = _FOREIGN_LINE.search(text)
    if foreign:
        number = text.count("\n", 0, foreign.start())
        if top > 1 and not lines[number].strip("- \t"):
            message = "the closing fence is three dashes and nothing else"
            refuse("unclosed-header", number + top, message, lines[number], "---")
        message = "directives, `---`, `...` and further YAML documents are not used here"
        refuse("yaml-feature", number + top, message, lines[number])


class _Walk:
    """One pass over the events of one header.

    A depth beyond the limit ends the pass at the event that opens it: what follows is never scanned.
    `mend`: whether a refusal says how the line should be. A walk that only tests such a line does not.
    """

    __slots__ = ("_event", "_lines", "_mend", "_spans", "_text", "_top")

    def __init__(self, text: str, lines: list[str], top: int, mend: bool = True) -> None:
        self._text = text
        self._lines = lines
        self._top = top
        self._mend = mend
        self._event: Callable[[], Any] = _Parser(text).get_event
        # Where scalars stand, and whether a tab may be in them; kept only where there is a `#` or a tab.
        self._spans: list[tuple[int, int, bool]] | None = [] if _COMMENT_OR_TAB.search(text) else None

    def fields(self) -> list[Field]:
        next_event = self._event
        next_event()  # the stream begins
        if type(next_event()) is yaml.StreamEndEvent:
            return []
        self._check_mapping(next_event())
        found: list[tuple[str, Value, int, bool]] = []
        seen: set[str] = set()
        while type(event := next_event()) is not yaml.MappingEndEvent:
            key = self._key(event, KEY, seen)
            start = event.start_mark
            if start.column:
                self._refuse_indented(event)
            event = next_event()
            block = False
            if type(event) is yaml.ScalarEvent:
                value: Value = event.value
                block = event.style == "|" or event.style == ">"
                if block:
                    self._check_block(event, start.line)
                else:
                    self._check_scalar(event, start.line)
            else:
                value = self._value(event, 2)
            found.append((key, value, start.line, block))
        closing = next_event()
        if type(next_event()) is not yaml.StreamEndEvent:
            self._refuse("yaml-feature", closing, "a header is one YAML document")
        if self._spans is not None:
            self._check_cuts(self._spans)
        return self._bounded(found)

    def _bounded(self, found: list[tuple[str, Value, int, bool]]) -> list[Field]:
        """Gives each field its lines. Comments and blank lines before a key belong to that key's field."""
        lines = self._lines
        fields = []
        following = [first for _, _, first, _ in found[1:]]
        following.append(len(lines) - 1)
        for (key, value, first, block), end in zip(found, following, strict=True):
            last = end - 1
            if block:  # blank lines after a block are part of its value
                last = first
                while last + 1 < end and (not lines[last + 1] or lines[last + 1][0] == " "):
                    last += 1
            else:
                while last > first and _COMMENT_OR_BLANK.fullmatch(lines[last]):
                    last -= 1
            fields.append(Field(key, value, first, last))
        return fields

    def _key(self, event: Any, pattern: re.Pattern[str], seen: set[str]) -> str:
        kind = type(event)
        if kind is not yaml.ScalarEvent:
            self._check_plain_node(event)
            self._refuse("bad-key", event, "a key is a word")
        if event.anchor is not None or event.tag is not None:
            self._check_plain_node(event)
        key: str = event.value
        start, end = event.start_mark, event.end_mark
        if not pattern.fullmatch(key):
            if key == "<<":
                self._refuse("yaml-feature", event, "merge keys are not used here")
            if pattern is INNER_KEY and repair.is_text_item(self._lines, start.line):
                message = "an item that holds `: ` is read as a key and its value; text stands in quotes"
                self._refuse("unquoted-value", event, message, repair.line)
            self._refuse("bad-key", event, _BAD_KEY, repair.key_line)
        if start.line != end.line:
            self._refuse("bad-key", event, "a key stands on one line")
        if key in seen:
            self._refuse("duplicate-key", event, f"`{key}` is there twice")
        seen.add(key)
        return key

    def _value(self, event: Any, depth: int, inside_flow: bool = False) -> Value:
        """A nested value; `depth` counts the collections around its parts, the header included."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            start = event.start_mark
            begins = inside_flow or not self._text[start.index - start.column : start.index].isspace()
            self._check_scalar(event, start.line if begins else -1, inside_flow)
            value: str = event.value
            return value
        self._check_plain_node(event)
        if depth > DEPTH_LIMIT:
            self._refuse("too-deep", event, f"a header nests at most {DEPTH_LIMIT} deep")
        flow = bool(event.flow_style)
        if kind is yaml.MappingStartEvent:
            return self._mapping(event, depth, flow)
        items = []
        while type(event := self._event()) is not yaml.SequenceEndEvent:
            items.append(self._value(event, depth + 1, flow))
        return tuple(items)

    def _mapping(self, opening: Any, depth: int, flow: bool) -> Value:
        text = self._text
        if flow and text[opening.start_mark.index] != "{":
            message = "inside `[]` this is read as a key and its value; text stands in quotes"
            self._refuse("unquoted-value", opening, message, repair.line)
        mapping: dict[str, Value] = {}
        seen: set[str] = set()
        while type(event := self._event()) is not yaml.MappingEndEvent:
            key = self._key(event, INNER_KEY, seen)
            start = event.start_mark
            if flow and not _COLON.match(text, event.end_mark.index):
                message = "inside `{}` every key has its colon; text stands in quotes"
                self._refuse("unquoted-value", event, message, repair.line)
            if not flow and text[start.index - start.column : start.index].strip(" -"):
                self._refuse("yaml-feature", event, "`?` keys are not used here")
            mapping[key] = self._value(self._event(), depth + 1, flow)
        return mapping

    def _check_mapping(self, event: Any) -> None:
        self._check_plain_node(event)
        line: str = self._lines[event.start_mark.line]
        if type(event) is not yaml.MappingStartEvent or event.flow_style:
            correct = repair.spaced(line, _is_sound) if self._mend else ""
            self._refuse("not-a-mapping", event, "a header is lines of `key: value`", correct=correct)

    def _check_plain_node(self, event: Any) -> None:
        if type(event) is yaml.AliasEvent:
            self._refuse("yaml-feature", event, "aliases are not used: `*` begins one", repair.line)
        if event.anchor is not None:
            self._refuse("yaml-feature", event, "anchors are not used: `&` begins one", repair.line)
        if event.tag is not None:
            self._refuse("yaml-feature", event, "tags are not used: `!` begins one", repair.line)

    def _check_scalar(self, event: Any, line: int, inside_flow: bool = False) -> None:
        """What YAML made of a scalar is what its author wrote, and it stands on one line: `line`."""
        if event.anchor is not None or event.tag is not None:
            self._check_plain_node(event)
        start, end, style = event.start_mark, event.end_mark, event.style
        value: str = event.value
        if style:
            sound = style in "'\"" and start.line == end.line == line
            if sound and not value.isascii() and _HALF.search(value):
                self._refuse("unquoted-value", event, "this escape is half a character", repair.line)
        else:
            sound = self._text[start.index : end.index] == value and (start.line == line or not value)
        if not sound:
            self._refuse_lines(event, line, inside_flow)
        if self._spans is not None:
            self._spans.append((start.index, end.index, bool(style)))

    def _check_block(self, event: Any, line: int) -> None:
        """A block of lines opens on the line of its key, and has lines."""
        self._check_plain_node(event)
        start = event.start_mark
        if start.line != line:
            self._refuse_lines(event, line, inside_flow=False)
        opening = self._lines[start.line][start.column :].rstrip(" ")
        if not _BLOCK_OPENING.fullmatch(opening):
            self._refuse("inline-comment", event, "a comment stands on a line of its own", repair.line)
        if not event.value:
            message = "`|` and `>` open a block of lines, and none follow"
            self._refuse("unquoted-value", event, message, repair.text_line)
        if self._spans is not None:
            self._spans.append((start.index, event.end_mark.index, True))

    def _check_cuts(self, spans: list[tuple[int, int, bool]]) -> None:
        """Every `#` is in a scalar or begins its line; every tab is in quotes, in a block or in a comment."""
        text, at, position = self._text, 0, 0
        while found := _COMMENT_OR_TAB.search(text, position):
            where, position = found.span()
            while at < len(spans) and spans[at][1] <= where:
                at += 1
            if at < len(spans) and spans[at][0] <= where and (found.group() == "#" or spans[at][2]):
                continue
            begin = text.rfind("\n", 0, where) + 1
            if found.group() == "#" and not text[begin:where].strip(" "):
                position = text.find("\n", where)
                continue
            number = text.count("\n", 0, where)
            correct = repair.line(self._lines, number, _is_sound) if self._mend else ""
            comment = found.group() == "#"
            code = "inline-comment" if comment else "unquoted-value"
            message = _COMMENT if comment else "a tab stands only in quotes"
            refuse(code, number + self._top, message, self._lines[number], correct)

    def _refuse_lines(self, event: Any, line: int, inside_flow: bool) -> NoReturn:
        lines, end = self._lines, event.end_mark
        number = line if line >= 0 else event.start_mark.line
        correct = ""
        if self._mend:
            if inside_flow or (event.style not in ("|", ">") and lines[end.line][end.column :].strip()):
                culprit = repair.find(lines, number, number, _is_sound)
                correct = culprit[1] if culprit else ""
            else:
                correct = repair.joined(lines, number, event.value, _is_sound)
        refuse("multi-line-value", number + self._top, _LINES, lines[number], correct)

    def _refuse_indented(self, event: Any) -> NoReturn:
        line = self._lines[event.start_mark.line]
        if line[: event.start_mark.column].strip():
            self._refuse("yaml-feature", event, "`?` keys are not used here")
        correct = line.strip() if _is_sound(line.strip()) else ""
        self._refuse("bad-yaml", event, "a key begins at the start of its line", correct=correct)

    def _refuse(
        self,
        code: str,
        event: Any,
        message: str,
        mended: Callable[[list[str], int, repair.Sound], str] | None = None,
        correct: str = "",
    ) -> NoReturn:
        number = min(event.start_mark.line, len(self._lines) - 1)
        if mended and self._mend:
            correct = mended(self._lines, number, _is_sound)
        refuse(code, number + self._top, message, self._lines[number], correct)


def _is_sound(line: str) -> bool:
    """Whether this line is read as it stands. An indented line or an item is read below a key."""
    text = f"k:\n{line}\n" if line.startswith((" ", "-")) else line + "\n"
    try:
        _Walk(text, text.split("\n"), 1, mend=False).fields()
    except (FlawError, yaml.YAMLError):
        return False
    return True


def _explain(error: yaml.YAMLError, lines: list[str], top: int) -> NoReturn:
    """Find the line that made YAML stop: its own mark is often a line too late, or at the end."""
    mark: Any = getattr(error, "problem_mark", None)
    stop = min(mark.line if mark else len(lines), len(lines) - 1)
    culprit = repair.find(lines, max(0, stop - _LOOK_BACK), stop, _is_sound)
    if culprit:
        number, correct = culprit
        glued = correct and correct == repair.spaced(lines[number], _is_sound)
        code = "bad-yaml" if glued else "unquoted-value"
        message = "a blank follows the colon of a key" if glued else repair.reason(lines[number])
        refuse(code, number + top, message, lines[number], correct)
    context: Any = getattr(error, "context_mark", None)
    if getattr(error, "context", None) == "while scanning a simple key" and context:
        stop = context.line
    if stop == len(lines) - 1 and stop > 0:
        stop -= 1  # the end of the header is no line of it
    problem = getattr(error, "problem", None) or str(error)
    refuse("bad-yaml", stop + top, f"not YAML: {problem}", lines[stop])
