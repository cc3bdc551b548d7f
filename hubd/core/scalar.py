"""How a value is written on one line of a header.

Guarantee: what `dump_line` writes, the grammar reads back as the same value, in a header of LF or CRLF.
Rule 1: a value is quoted only where YAML, not this project, would read something else: `no`, `1.10` and dates
stay bare, because here every scalar is text. Rule 2: nothing is ever spread over two lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Value: TypeAlias = "str | tuple[Value, ...] | Mapping[str, Value]"

HUB_OPEN = "<!-- hub -->"
HUB_CLOSE = "<!-- /hub -->"

KEY = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# Inside a value a key may also be the name of an environment variable: `env: {LOG_LEVEL: info}`.
INNER_KEY = re.compile(r"[a-z][a-z0-9_-]{0,63}|[A-Z_][A-Z0-9_]{0,63}")

# Characters that a header may not hold as they are: controls, line separators that only some readers honour,
# marks that change the direction of text (what a person reads is then not what is decided on), U+FEFF.
HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff"

_MARKER = "<(?=!-- /?hub -->)"  # refused wherever it stands as it is, so it is written escaped
_UNSAFE = re.compile(
    r"\A[?:,\[\]{}#&*!|>'\"%@`]|\A-(?![A-Za-z0-9])"  # an indicator in front
    r"|\A\s|\s\Z|\A\Z"  # nothing, or a blank at an end
    r"|:(?:\s|\Z)|\s#"  # what ends a value
    rf"|{_MARKER}|[\t\n\r{HIDDEN}\ud800-\udfff]"
)
# A colon or a question mark may stand in a list, but YAML's readers disagree about where.
_UNSAFE_IN_FLOW = re.compile(rf"{_UNSAFE.pattern}|[,\[\]{{}}:?]")
_ESCAPED = re.compile(rf'["\\\t\n\r{HIDDEN}\ud800-\udfff]|{_MARKER}')
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def quote(value: str) -> str:
    """The scalar as it must stand on a YAML line: bare where that is safe, else in double quotes."""
    return quoted(value) if _UNSAFE.search(value) else value


def quoted(value: str) -> str:
    """The scalar in double quotes, needed or not."""
    return '"' + _ESCAPED.sub(_escape, value) + '"'


def dump_line(key: str, value: Value) -> str:
    """`key: value` on one line; tuples and mappings in flow style. No newline at the end."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not a key: {key!r}")
    return f"{key}: {quote(value) if isinstance(value, str) else flow(value)}"


def flow(value: Value) -> str:
    """The value as it must stand inside `[]` or `{}`."""
    if isinstance(value, str):
        return quoted(value) if _UNSAFE_IN_FLOW.search(value) else value
    if isinstance(value, Mapping):
        for key in value:
            if not INNER_KEY.fullmatch(key):
                raise ValueError(f"not a key: {key!r}")
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    return "[" + ", ".join(flow(inner) for inner in value) + "]"


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char in _NAMED:
        return _NAMED[char]
    number = ord(char)
    if 0xD800 <= number <= 0xDFFF:  # half a character, from a name that is not UTF-8: no text can hold it
        number = 0xFFFD
    return f"\\x{number:02X}" if number < 0x100 else f"\\u{number:04X}"
