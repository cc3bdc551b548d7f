"""The contract's files are made from the data that decides, and say what the hub does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hubd.core.codes import CODES
from hubd.core.diagram import blocks
from hubd.core.document import Document, parse
from hubd.core.model import KINDS, Kind
from hubd.core.transition import ROWS
from hubd.generate import current
from tests.core.play import Table

CONTRACT = Path(__file__).resolve().parents[2] / "mailbox"
PAGE = (CONTRACT / "SPEC.md").read_text(encoding="utf-8")
FILES = current(CONTRACT)


def schema(name: str) -> Any:
    return json.loads((CONTRACT / "schema" / f"{name}.json").read_text(encoding="utf-8"))


def plain(document: Document) -> Any:
    """A header as JSON has it."""
    return json.loads(json.dumps(document.header, default=list))


@pytest.mark.parametrize("path", sorted(FILES), ids=lambda path: path.name)
def test_a_generated_file_is_current(path: Path) -> None:
    assert path.is_file(), f"`make contract` writes {path.name}"
    assert path.read_text(encoding="utf-8") == FILES[path], "`make contract` brings it up to date"


def test_no_schema_is_left_over() -> None:
    there = {p.name for p in (CONTRACT / "schema").iterdir()}
    assert there == {p.name for p in FILES if p.parent.name == "schema"}


@pytest.mark.parametrize("path", sorted((CONTRACT / "schema").glob("*.json")), ids=lambda path: path.stem)
def test_a_schema_is_one(path: Path) -> None:
    said = json.loads(path.read_text(encoding="utf-8"))
    if "$schema" in said:
        jsonschema.Draft202012Validator.check_schema(said)


def test_every_kind_has_a_schema() -> None:
    for kind in set(KINDS) - {Kind.CONFIG}:
        assert schema(kind.value)["properties"]["kind"]


def test_the_transitions_are_the_table() -> None:
    rows = schema("transitions")["transitions"]
    assert len(rows) == len(ROWS)
    told = {(r["kind"], r["from"], r["to"], r["do"]) for r in rows}
    assert told == {(r.kind.value, r.before or "new", r.after, r.do) for r in ROWS.values()}


def test_the_page_shows_every_generated_block() -> None:
    shown = set(re.findall(r"<!-- generated: ([a-z -]+) -->", PAGE))
    assert shown == set(blocks())


def test_the_page_shows_every_code() -> None:
    assert not [code for code in CODES if f"| {code} |" not in PAGE and f"`{code}`" not in PAGE]


def test_what_the_hub_writes_fits_the_schemas() -> None:
    table = Table()
    task = table.task()
    round_ = table.plan(task)
    table.approve(round_)
    lease = table.claim(f"{round_}.a1")
    table.drop("backend", "---\nkind: message\nto: [lead, operator]\nsubject: Half way\n---\n")
    table.drop("backend", "---\nkind: question\ntitle: Which?\nchoices: [a, b]\n---\n")
    table.drop("backend", "---\nkind: task\ntitle: Fix #12\n---\n")
    table.hand_off(f"{round_}.a1", lease)
    kinds = set()
    for path, data in table.tree.items():
        document = parse(data, room=4096)
        assert isinstance(document, Document), path
        kinds.add(document.text("kind"))
        jsonschema.validate(plain(document), schema(document.text("kind")))
    assert kinds >= set(KINDS) - {Kind.REQUEST, Kind.RUN, Kind.CONFIG}


@pytest.mark.parametrize(
    "header",
    [
        {"kind": "task"},
        {"kind": "task", "title": "x", "owner": "Not A Name"},
        {"kind": "task", "title": "x", "colour": "red"},
        {"kind": "task", "title": "x", "assignments": [{"to": "backend"}]},
    ],
    ids=["no title", "bad owner", "unknown key", "no goal"],
)
def test_a_schema_refuses_what_the_hub_refuses(header: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(header, schema("task"))
