"""The contract's files are current, complete, and say what the hub does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hubd.core.check import check_value
from hubd.core.codes import CODES
from hubd.core.diagram import blocks, fill
from hubd.core.document import Document, Value, parse, parse_settings
from hubd.core.effect import Doc
from hubd.core.model import DOS, HUB_DOS, KINDS, Kind
from hubd.core.proof import ASKED_AS, LIES, ROLES, TRAILERS, WRITES
from hubd.core.schema import files
from hubd.core.settings import SETTINGS
from hubd.core.transition import ROWS, TABLE
from tests.core.play import Table, accepted
from tests.core.reach import REACH

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "mailbox"
PAGE = (CONTRACT / "SPEC.md").read_text(encoding="utf-8")
REACHED = [(kind, state) for kind in REACH for state in KINDS[kind].states]
KINDS_OF_DOCUMENTS = [kind for kind in KINDS if kind is not Kind.CONFIG]


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files()[f"schema/{name}.json"])
    return loaded


def as_json(value: Value | dict[str, Value]) -> Any:
    return json.loads(json.dumps(value))


# current


@pytest.mark.parametrize("path", sorted(files()))
def test_a_generated_file_is_current(path: str) -> None:
    assert (CONTRACT / path).read_text(encoding="utf-8") == files()[path], "run `make contract`"


def test_no_schema_is_left_over() -> None:
    assert {f"schema/{path.name}" for path in (CONTRACT / "schema").iterdir()} == set(files())


def test_the_generated_parts_of_the_page_are_current() -> None:
    assert fill(PAGE) == PAGE, "run `make contract`"


def test_the_page_shows_every_generated_part_once() -> None:
    shown = re.findall(r"<!-- generated: ([a-z -]+) -->", PAGE)
    assert sorted(shown) == sorted(blocks())


# the page


def test_every_diagram_has_every_state_and_every_step() -> None:
    for row in TABLE:
        if row.kind is not Kind.CONFIG:
            arrow = rf"^    {row.before or re.escape('[*]')} --> {row.after}: .*\(?\b{row.do}\b\)?"
            assert re.search(arrow, blocks()[f"states {row.kind.value}"], re.MULTILINE), row
    for kind in KINDS_OF_DOCUMENTS:
        for state in KINDS[kind].states:
            assert state in blocks()[f"states {kind.value}"]


def test_the_page_names_every_code_verb_setting_trailer_and_role() -> None:
    words = [*CODES, *DOS, *SETTINGS, *ROLES, *(f"Hub-{name}" for name in TRAILERS)]
    assert not [word for word in words if f"`{word}`" not in PAGE]


# the schemas


@pytest.mark.parametrize("path", sorted(p for p in files() if "transitions" not in p))
def test_a_schema_is_one(path: str) -> None:
    Draft202012Validator.check_schema(json.loads(files()[path]))


@pytest.mark.parametrize("kind", KINDS_OF_DOCUMENTS)
def test_a_schema_says_whose_each_line_is(kind: Kind) -> None:
    made, spec = schema(kind.value), KINDS[kind]
    owners = {name: part["x-owner"] for name, part in made["properties"].items()}
    assert owners == {f.name: "hub" for f in spec.hub} | {f.name: "author" for f in spec.author}
    acts = {name for name, part in made["properties"].items() if part.get("x-act")}
    assert acts == {f.name for f in spec.hub if f.act}
    assert made.get("x-final", []) == [state for state in spec.states if state in spec.final]


@pytest.mark.parametrize(("kind", "state"), REACHED)
def test_every_document_of_a_history_is_as_its_schema_says(kind: Kind, state: str) -> None:
    table = Table()
    REACH[kind](state)(table)
    checked = 0
    for path, data in table.tree.items():
        document = parse(data, 1 << 20)
        if path.endswith(".md") and isinstance(document, Document) and document.text("kind"):
            made = Draft202012Validator(schema(document.text("kind")))
            assert not [e.message for e in made.iter_errors(as_json(document.header))], path
            checked += 1
    assert checked


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("task", "title: x\nownr: lead"), ("task", "title: ''"), ("task", "owner: lead"),
        ("task", "title: x\nowner: Lead"), ("task", "title: x\nowner: hubd"),
        ("task", "title: x\npriority: soon"), ("round", "task: x"), ("round", "task: x\nassignments: []"),
        ("round", "task: x\nassignments: [{to: a}]"), ("message", "to: []\nsubject: s"),
        ("handoff", "assignment: x\nlease: 1\noutcome: well\nsummary: s"), ("message", "to: a/b\nsubject: s"),
        ("handoff", "assignment: x\nlease: '-1'\noutcome: done\nsummary: s"),
        ("handoff", "assignment: x\nlease: 1\noutcome: done\nsummary: s\ncommit: HEAD"),
        ("question", "title: x\nexpires: tomorrow"), ("request", "do: fly\non: x"), ("request", "do: claim"),
        ("request", "do: lease\non: k\npath: [/etc/*]"), ("agent", "human: 'yes'"), ("agent", "env: x"),
    ],
)  # fmt: skip
def test_what_the_hub_refuses_for_its_form_the_schema_refuses(kind: str, lines: str) -> None:
    text = f"---\nkind: {kind}\n{lines}\n---\n"
    document = parse(text.encode())
    assert isinstance(document, Document)
    assert list(Draft202012Validator(schema(kind)).iter_errors(as_json(document.header)))
    step = Table().drop("lead", text)
    assert getattr(step, "refusal", None) is not None


def test_the_template_of_hub_yaml_is_as_its_schema_says() -> None:
    read = parse_settings((ROOT / "templates" / "hub.yaml").read_bytes())
    assert isinstance(read, dict)
    made = schema("hub")
    assert not list(Draft202012Validator(made).iter_errors(as_json(read)))
    assert {name: part["default"] for name, part in made["properties"].items()} == as_json(read)


# the table


def test_the_table_of_the_contract_is_the_one_that_decides() -> None:
    rows = schema("transitions")["transitions"]
    keys = [(r["kind"], "" if r["from"] == "new" else r["from"], r["to"], r["do"]) for r in rows]
    assert keys == [(row.kind.value, row.before, row.after, row.do) for row in ROWS.values()]
    for told, row in zip(rows, ROWS.values(), strict=True):
        assert (tuple(told["by"]), tuple(told["follows"])) == (row.by, row.follows)
        assert (told["needs"], told["upkeep"]) == (row.needs, row.upkeep)


def test_what_the_table_adds_speaks_of_what_there_is() -> None:
    assert {role for row in TABLE for role in row.by} <= set(ROLES)
    for kind, steps in WRITES.items():
        spec, rows = KINDS[kind], [row for row in TABLE if row.kind is kind]
        known = {row.do for row in rows} | {f"{row.do} {row.after}" for row in rows}
        assert set(steps) <= known, kind
        lines = {word.partition("=")[0] for words in steps.values() for word in words.split()}
        assert lines <= {*spec.hub_keys, "@text"}, kind
    dos = {row.do for row in TABLE} | {f"{row.do} {row.after}" for row in TABLE}
    assert set(ASKED_AS) <= dos
    assert set(LIES) == set(KINDS) - {Kind.REQUEST, Kind.CONFIG}
    table = schema("transitions")
    assert set(table["verbs"]["asked"]) == set(DOS)
    assert set(table["verbs"]["hub"]) == set(HUB_DOS)
    assert set(table["words"].values()) <= {*DOS, "changes_requested"}


@pytest.mark.parametrize(("kind", "state"), REACHED)
def test_a_document_lies_where_the_contract_says(kind: Kind, state: str) -> None:
    table = Table()
    id_ = REACH[kind](state)(table)
    doc = table.doc(id_) if not id_.startswith("card.") else table.state.card(id_[5:])
    if not isinstance(doc, Doc):
        return  # a card that was retired has no name of its own any more
    folder, _, who = schema("transitions")["kinds"][kind.value]["lies"][state].partition(" ")
    assert doc.paths
    for path in doc.paths:
        assert f"/{folder}/" in f"/{path}"
    if who in ("assignee", "agent"):
        name = doc.text("to") if who == "assignee" else doc.text("agent")
        assert doc.paths[0].split("/")[1] == name


def test_two_approvals_are_asked_of_two_folders() -> None:
    table = Table(approvers=("operator", "anna"), approvals="2")
    round_ = table.plan(table.task())
    assert {path.split("/")[1] for path in table.doc(round_).paths} == {"operator", "anna"}
    accepted(table.approve(round_, "anna"))
    assert {path.split("/")[1] for path in table.doc(round_).paths} == {"operator"}


VALUES: tuple[Value, ...] = (
    *("", " ", "x", "X", "a-b", "a" * 63, "a" * 64, "hub", "all", "owner", "operator", "any:review", "any:"),
    *("any:X", "any", "hub@local", "lead@local", "lead@", "owner@far.example", "none", "0", "007", "1.5"),
    *("1.", "9" * 13, "true", "True", "yes", "45s", "90m", "1h30m", "30m1h", "1.5h", "90", "2H", "3d", "low"),
    *("2026-11-21T10:00:00Z", "2026-11-21", "2026-11-21 10:00:00+01:00", "x.r1.a1", "x.r1.", "X.r1", "a\tb"),
    *("branch:main", " lead", "/etc", "src/**/*.py", "../x", "a/../b", "1f2e3d4", "1f2", "HEAD", "two\nof"),
    *("approved", "rejected", "changes-requested", "in_progress"),
    *("x" * 500, "x" * 501, "x" * 20_001, "\u202e", "\x85", "é", "done", "approve"),
    *((), ("a",), ("a", "B"), ("1",), ("", "a"), ("src/*", "/x"), ("x.r1", "x.r2"), ("a",) * 51, {"a": "b"}),
    *((("a",),), ("two\nof",), ({"to": "lead", "goal": "g"},), ({"to": "lead", "goal": "g", "x-a": "y"},)),
    *(({"to": "lead"},), ({"to": "lead", "goal": "g", "aftr": "1"},), ({"to": "hub", "goal": "g"},)),
    ({"to": "any:x", "goal": "h", "deadline": "2h"}, {"to": "lead", "goal": "g", "after": ("1",)}),
)
"""Not among them: dates that do not exist, numbers above 2^63 - 1, lengths above ten years, circles in
`after:`. A schema cannot say these; `x-` keys do."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS_OF_DOCUMENTS if KINDS[kind].author])
def test_a_schema_takes_and_refuses_the_values_that_the_hub_does(kind: Kind) -> None:
    parts = schema(kind.value)["properties"]
    for field in KINDS[kind].author:
        for value in VALUES if field.name != "kind" else ():
            fine = Draft202012Validator(parts[field.name]).is_valid(as_json(value))
            assert fine == (check_value(field, value) is None), (field.name, value)
