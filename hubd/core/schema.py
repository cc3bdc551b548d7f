"""The contract's generated files: a schema for each kind, one for hub.yaml, and the transition table.

Guarantee: made from `model`, `settings` and `transition` alone; while the test that compares them passes, the
contract's files and the code say the same.
Rule 1: nothing here decides; who needs a rule reads it where it is written. Rule 2: `hubd.generate` writes.

A schema describes a header after it was read by the grammar: every scalar is text, so a number is a string of
digits. Where JSON Schema cannot say what holds, a key that begins with `x-` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hubd.core.check import GLOBS_MOST, LINE_MOST, LONGEST, PLAN_MOST, TEXT_MOST
from hubd.core.model import (
    DOS,
    HUB_DOS,
    KINDS,
    PLAN_FIELDS,
    PRESETS,
    SENDABLE,
    WORD_FORMS,
    Field,
    Kind,
    KindSpec,
    Type,
)
from hubd.core.place import RESERVED
from hubd.core.proof import ASKED_AS, JUDGED, LIES, ROLES, TRAILERS, WRITES
from hubd.core.scalar import HIDDEN
from hubd.core.settings import SETTINGS, Setting
from hubd.core.transition import NEW, ROWS, Row

__all__ = ["files", "kind_schema", "lies", "settings_schema", "transitions", "writes"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1"
"""The version of the contract; another one is another contract."""

_NAME = "[a-z0-9][a-z0-9-]{0,62}"
_ID = r"[a-z0-9][a-z0-9-]{0,98}(\.[a-z0-9-]{1,62}){0,5}"
_HOST = "(@[a-z0-9][a-z0-9.-]{0,252})?"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
_DURATION = "(?=[0-9])([0-9]{1,9}[dD])?([0-9]{1,9}[hH])?([0-9]{1,9}[mM])?([0-9]{1,9}[sS])?"
_NOT_ADDRESSED = "|".join(sorted(RESERVED - {"owner", "all"}))
_ADDRESS = f"(?!({_NOT_ADDRESSED})(@|$))(any:{_NAME}|{_NAME}){_HOST}"
# As JSON and every regular expression write them, so that no file of the contract holds such a character.
_VISIBLE = "[^\\t\\n\\r" + "".join(c if c == "-" else f"\\u{ord(c):04x}" for c in HIDDEN) + "]"

_PATTERNS: Mapping[Type, str] = {
    Type.NAME: _NAME,
    Type.ADDRESS: _ADDRESS,
    Type.ADDRESSES: _ADDRESS,
    Type.ID: _ID,
    Type.IDS: _ID,
    Type.INT: "[0-9]{1,19}",
    Type.NUMBER: r"[0-9]{1,12}(\.[0-9]{1,6})?",
    Type.DURATION: _DURATION,
    Type.WHEN: f"({_DURATION}|{_TIME})",
    Type.TIME: _TIME,
    Type.NAMES: _NAME,
    Type.KEY: r"[^\s/\u0000-\u001f\u007f][^\u0000-\u001f\u007f]{0,199}",
    Type.GLOBS: r"(?!/)(?!(.*/)?\.\.(/|$))[^\n]{1,300}",
    Type.COMMIT: "[0-9a-f]{4,64}",
    Type.LINE: rf"(?=.*\S){_VISIBLE}+",
}
_LISTS = frozenset({Type.ADDRESSES, Type.IDS, Type.NAMES, Type.GLOBS})
_STATE = "state"

Schema = dict[str, Any]


def files() -> dict[str, str]:
    """Return every generated file of the contract: path below `mailbox/`, and its text."""
    made: dict[str, Schema] = {
        f"schema/{kind}.json": kind_schema(spec) for kind, spec in KINDS.items() if kind is not Kind.CONFIG
    }
    made["schema/hub.json"] = settings_schema()
    found = {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in made.items()}
    found["schema/transitions.json"] = _table_text(transitions())
    return found


# kinds


def kind_schema(spec: KindSpec) -> Schema:
    """Return the schema of one kind's header."""
    properties: dict[str, Schema] = {}
    for owner, fields in (("hub", spec.hub), ("author", spec.author)):
        for field in fields:
            properties[field.name] = {
                "description": field.about,
                **_value(spec, field),
                "x-owner": owner,
                **({"x-act": True} if field.act else {}),
            }
    schema: Schema = {
        "$schema": DRAFT,
        "title": spec.kind.value,
        "description": spec.about,
        "type": "object",
        "properties": properties,
        "required": [field.name for field in (*spec.hub, *spec.author) if field.required],
        "patternProperties": {"^x-[a-z0-9_-]{1,62}$": True},
        "additionalProperties": False,
        "x-written-by": "hub" if spec.written_by_hub else "author",
        "x-sendable": spec.kind in SENDABLE,
    }
    if spec.states:
        schema["x-states"] = list(spec.states)
        schema["x-final"] = [state for state in spec.states if state in spec.final]
    return schema


def _value(spec: KindSpec, field: Field) -> Schema:
    if field.name == "kind":
        return {"const": spec.kind.value}
    if field.name == _STATE and field.type is Type.CHOICE:
        return {"enum": list(spec.states)}
    if field.name == "from":  # an agent's name, or the hub's own
        return {"anyOf": [{"const": "hub"}, _form(field)]}
    return _form(field)


def _form(field: Field) -> Schema:
    if field.type is Type.CHOICE:
        also = _other_forms(field)
        return {"enum": [*field.choices, *also], **({"x-also": also} if also else {})}
    if field.type is Type.PLAN:
        return _plan()
    if field.type is Type.MAP:
        return _map(field)
    if field.type in (Type.TEXTS, Type.COMMAND):
        command = field.type is Type.COMMAND
        item: Schema = {"type": "string", **({"minLength": 1} if command else {"pattern": f"^{_VISIBLE}*$"})}
        least: Schema = {"minItems": 1} if command else {}
        words: Schema = {"x-presets": list(PRESETS)} if field.name == "command" else {}
        return {"anyOf": [item, {"type": "array", "items": item, **least}], **words}
    one = _text(field.type)
    if field.type in _LISTS:
        most: Schema = {"maxItems": GLOBS_MOST} if field.type is Type.GLOBS else {}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, **most}]}
    return one


def _text(type_: Type) -> Schema:
    if type_ is Type.BOOL:
        return {"enum": ["true", "false"]}
    pattern = _PATTERNS.get(type_)
    schema: Schema = {"type": "string"}
    if pattern is not None:
        schema["pattern"] = f"^{pattern}$"
    if type_ is Type.LINE:
        schema["maxLength"] = LINE_MOST
    if type_ is Type.TEXT:
        schema["maxLength"] = TEXT_MOST
    if type_ in (Type.DURATION, Type.WHEN):
        schema["x-most"] = f"{LONGEST // 86_400}d"
    if type_ is Type.NAME:
        return {**schema, "not": {"enum": sorted(RESERVED)}}
    if type_ is Type.INT:
        schema["x-most"] = str(2**63 - 1)
    return schema


def _other_forms(field: Field) -> dict[str, str]:
    """Words that are understood for the listed ones; the hub itself writes only those listed."""
    if field.name == "verdict":
        return {"approve": "approved", "changes-requested": "changes_requested"}
    if field.name in ("do", "decision"):
        return {form: word for form, word in WORD_FORMS.items() if word in field.choices}
    return {}


def _map(field: Field) -> Schema:
    if not field.parts:
        return {"type": "object"}
    return {
        "type": "object",
        "properties": {part.name: {"description": part.about, **_form(part)} for part in field.parts},
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }


def _plan() -> Schema:
    properties = {field.name: {"description": field.about, **_form(field)} for field in PLAN_FIELDS}
    numbers: Schema = {"type": "string", "pattern": "^[0-9]+$"}
    properties["after"].update(anyOf=[numbers, {"type": "array", "items": numbers}])
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": PLAN_MOST,
        "items": {
            "type": "object",
            "properties": properties,
            "required": [field.name for field in PLAN_FIELDS if field.required],
            "patternProperties": {"^x-": True},
            "additionalProperties": False,
        },
        "x-rule": "`after` holds numbers of this list, from 1, and makes no circle",
    }


# hub.yaml


def settings_schema() -> Schema:
    """Return the schema of hub.yaml."""
    return {
        "$schema": DRAFT,
        "title": "hub.yaml",
        "description": "The settings of a mailbox. A setting that is not there has its default.",
        "type": "object",
        "properties": {name: _setting(setting) for name, setting in SETTINGS.items()},
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }


def _setting(setting: Setting) -> Schema:
    name: Schema = {"type": "string", "pattern": f"^{_NAME}$", "not": {"enum": sorted(RESERVED)}}
    forms: dict[str, Schema] = {
        "int": {"type": "string", "pattern": "^[0-9]+$"},
        "duration": {"type": "string", "pattern": f"^([0-9]+ms|{_DURATION})$"},
        "bool": {"enum": ["true", "false"]},
        "choice": {"enum": list(setting.choices)},
        "name": name if setting.default else {"anyOf": [{"const": ""}, name]},
        "names": {"anyOf": [name, {"type": "array", "items": name, "minItems": 1}]},
        "number": {"type": "string", "pattern": f"^{_PATTERNS[Type.NUMBER]}$"},
        "words": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "path": {"type": "string", "pattern": "^((/|~/)[^\\u0000-\\u001f]*)?$", "maxLength": 1000},
    }
    bounds: Schema = {}
    if setting.type in ("int", "duration"):
        unit = "s" if setting.type == "duration" else ""
        bounds = {"x-least": f"{setting.least:.0f}{unit}", "x-most": f"{setting.most:.0f}{unit}"}
    default = setting.default if isinstance(setting.default, str) else list(setting.default)
    return {"description": setting.about, **forms[setting.type], "default": default, **bounds}


# the table


def transitions() -> Schema:
    """Return the table and what else a reader of a history needs: keys, states, roles, words, defaults."""
    kinds = {}
    for kind, spec in KINDS.items():
        if kind is Kind.REQUEST:
            continue
        kinds[kind.value] = {
            "states": list(spec.states),
            "final": [state for state in spec.states if state in spec.final],
            "written_by": "hub" if spec.written_by_hub else "author",
            "hub_keys": list(spec.hub_keys),
            "lies": {state: lies(spec, state) for state in spec.states} if kind in LIES else {},
        }
    return {
        "contract": VERSION,
        "kinds": kinds,
        "roles": dict(ROLES),
        "verbs": {"asked": list(DOS), "hub": list(HUB_DOS)},
        "words": {**WORD_FORMS, "changes-requested": "changes_requested"},
        "trailers": list(TRAILERS),
        "asked_as": {do: list(words) for do, words in ASKED_AS.items()},
        "defaults": {name: _written(SETTINGS[name].default) for name in JUDGED},
        "transitions": [_row(row) for row in ROWS.values()],
    }


def lies(spec: KindSpec, state: str) -> str:
    """Return where a document lies in a state: a folder, and whose it is where there are several."""
    where = LIES[spec.kind]
    return "archive" if state in spec.final else where.get(state, where.get("", ""))


def _written(default: str | tuple[str, ...]) -> str:
    """A setting as hub.yaml writes it."""
    return default if isinstance(default, str) else f"[{', '.join(default)}]"


def _row(row: Row) -> Schema:
    made: Schema = {
        "kind": row.kind.value,
        "from": row.before if row.before != NEW else "new",
        "to": row.after,
        "do": row.do,
        "by": list(row.by),
        "follows": list(row.follows),
        "needs": row.needs,
        "upkeep": row.upkeep,
        "writes": writes(row),
    }
    return made


def writes(row: Row) -> dict[str, str]:
    """Return what becomes of the hub's lines: `any` for a line that the step writes as it sees fit."""
    known = WRITES.get(row.kind, {})
    words = known.get(f"{row.do} {row.after}", known.get(row.do, "")).split()
    made = {line: how or "any" for line, _, how in (word.partition("=") for word in words)}
    for line in ("shown", "presented") if row.before not in (NEW, row.after) else ():
        if line in KINDS[row.kind].hub_keys:
            made.setdefault(line, "none")
    return {"state": "any", "rev": "commit", **made} if row.kind in WRITES else {}


def _table_text(table: Schema) -> str:
    """JSON with one line for each kind and each row, so that a change of the table is a change of lines."""
    lines = ["{"]
    last = len(table) - 1
    for at, (name, value) in enumerate(table.items()):
        comma = "," if at < last else ""
        if name not in ("kinds", "transitions", "roles", "words"):
            lines.append(f"  {_dump(name)}: {_dump(value)}{comma}")
        elif isinstance(value, list):
            lines.append(f"  {_dump(name)}: [")
            lines += [f"    {_dump(item)}{',' if n < len(value) else ''}" for n, item in enumerate(value, 1)]
            lines.append(f"  ]{comma}")
        else:
            lines.append(f"  {_dump(name)}: {{")
            items = [f"    {_dump(key)}: {_dump(item)}" for key, item in value.items()]
            lines += [item + ("," if n < len(items) else "") for n, item in enumerate(items, 1)]
            lines.append(f"  }}{comma}")
    return "\n".join((*lines, "}")) + "\n"


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
