"""What the tools take and give, as JSON Schemas, and the check of what a client sent.

Rule: a model reads all of this before it does anything: every word here is paid for in each session. The
whole list of tools stays below 3,000 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubd.mcp_server.asking import Failed

__all__ = ["checked", "given", "gives", "rows"]

Schema = dict[str, Any]
LIMIT_MOST = 100
TEXT_MOST = 400
_TYPES: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool}
_OF: Mapping[str, Schema] = {
    "": {"type": "string"},
    "[]": {"type": "array"},
    "{}": {"type": "object"},
    "#": {"type": "number"},
    "?": {"type": "boolean"},
}
PAGE = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST},
    "cursor": {"type": "string"},
}


def _properties(words: str) -> Schema:
    """`id path next[]`: names, each with what it holds behind it."""
    found = {}
    for word in words.split():
        name = word.rstrip("[]{}#?")
        found[name] = _OF[word[len(name) :]]
    return found


def rows(words: str) -> Schema:
    """A list of objects that have these properties."""
    return {"type": "array", "items": {"type": "object", "properties": _properties(words)}}


def gives(words: str, **more: Schema) -> Schema:
    """An object with these properties, all of them required."""
    properties = {**_properties(words), **more}
    return {"type": "object", "properties": properties, "required": list(properties)}


def given(required: str = "", paged: bool = False, **properties: str | Schema) -> Schema:
    """What a tool takes: texts with a word about each, or whole schemas."""
    found: Schema = {
        name: {"type": "string", **({"description": about} if about else {})}
        if isinstance(about, str)
        else about
        for name, about in properties.items()
    }
    schema: Schema = {"type": "object", "properties": {**found, **(PAGE if paged else {})}}
    if required:
        schema["required"] = required.split()
    return {**schema, "additionalProperties": False}


def checked(schema: Schema, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the schema has them. Raises Failed, which says what is wrong."""
    known = schema["properties"]
    for name, value in arguments.items():
        if name not in known:
            raise Failed("bad-value", f"there is no argument `{_short(name)}`", f"known: {', '.join(known)}")
        if type(value) is not _TYPES[known[name]["type"]]:
            raise Failed("bad-value", f"`{name}` must be a {known[name]['type']}")
        if isinstance(value, str) and (len(value) > TEXT_MOST or "\0" in value or not _is_text(value)):
            raise Failed("bad-value", f"`{name}` must be text of at most {TEXT_MOST} characters")
        if type(value) is int and not known[name]["minimum"] <= value <= known[name].get("maximum", 2**53):
            raise Failed("bad-value", f"`{name}` must be from 1 to {known[name].get('maximum')}")
        if "enum" in known[name] and value not in known[name]["enum"]:
            raise Failed("bad-value", f"`{name}` must be one of {', '.join(known[name]['enum'])}")
    for name in schema.get("required", ()):
        if not arguments.get(name):
            raise Failed("bad-value", f"`{name}` is missing")
    return dict(arguments)


def _short(text: str) -> str:
    return text[:40].encode("utf-8", "replace").decode()


def _is_text(value: str) -> bool:
    """Whether this is no half of a character, which neither git nor a file can be asked for."""
    return not any("\ud800" <= c <= "\udfff" for c in value)
