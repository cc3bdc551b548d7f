"""The contract's vectors: proposals with what came before them, and what must come of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hubd.core.codes import CODES, SHELL
from hubd.core.effect import Nothing, Proposal, Put, Step
from hubd.core.model import Kind
from hubd.core.time import parse_duration
from hubd.core.transition import TABLE
from tests.core.play import AGENTS, PERSONS, Answer, Table, accepted, changed, nothing, refused

ROOT = Path(__file__).parents[2] / "mailbox" / "vectors"
ACCEPT = sorted((ROOT / "accept").glob("*.json"))
REFUSE = sorted((ROOT / "refuse").glob("*.json"))
STORIES: dict[str, list[Any]] = json.loads((ROOT / "stories.json").read_text())
REFERENCE = re.compile(r"\{\{([a-z]+)((?:\.[a-z0-9]+)*)(?::([a-z_]+))?\}\}")


class Runner:
    """Plays a vector. What it does is written in the README beside the vectors."""

    def __init__(self, vector: Mapping[str, Any]) -> None:
        given = vector.get("settings", {})
        self.table = Table(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
        self.labels: dict[str, str] = {}
        for step in vector["before"]:
            self.before(step)

    def before(self, step: Any) -> None:
        if isinstance(step, str):
            for part in STORIES[step]:
                self.before(part)
        elif "keep" in step:
            self.labels[step["as"]] = self.filled(step["keep"])
        elif "later" in step:
            seconds = parse_duration(step["later"])
            assert seconds is not None
            self.table.policy = step.get("due", True)
            if self.table.policy:
                self.table.later(seconds)
            else:
                self.pass_time(seconds)
        else:
            answer = self.propose(step, "".join(f"{line}\n" for line in step.get("lines", [])).encode())
            assert isinstance(answer, Step), step
            if "as" in step:
                self.labels[step["as"]] = answer.transition.document

    def pass_time(self, seconds: int) -> None:
        """Let time pass, and let the vector itself ask about what is due."""
        put, self.table.put = self.table.put, lambda proposal: Nothing("later")  # type: ignore[method-assign]
        self.table.later(seconds)
        self.table.put = put  # type: ignore[method-assign]
        self.table.policy = True

    def filled(self, text: str) -> str:
        return REFERENCE.sub(self.reference, text)

    def reference(self, found: re.Match[str]) -> str:
        label, suffix, field = found.groups()
        id_ = self.labels[label] + suffix
        return self.table.doc(id_).text(field) if field else id_

    def propose(self, step: Mapping[str, Any], data: bytes) -> Answer:
        path = self.filled(step["path"])
        if "edit" in step:
            text = self.table.tree[path].decode()
            data = changed(text, *((old, new) for old, new in step["edit"])).encode()
        elif b"{{" in data:
            data = self.filled(data.decode()).encode()
        content = None if step.get("delete") else data
        more = {key: step[key] for key in ("observed", "unreadable") if key in step}
        return self.table.put(Proposal(step["actor"], step["area"], path, content, **more))


def load(path: Path) -> tuple[dict[str, Any], bytes]:
    return json.loads(path.read_text()), path.with_suffix(".md").read_bytes()


@pytest.mark.parametrize("path", ACCEPT, ids=lambda p: p.stem)
def test_a_vector_to_accept_leads_to_what_it_says(path: Path) -> None:
    vector, data = load(path)
    runner = Runner(vector)
    table, expect = runner.table, vector["expect"]
    count = len(table.steps)
    answer = runner.propose(vector["proposal"], data)
    if "nothing" in expect:
        assert nothing(answer).put_back == (expect["nothing"] == "put back")
        assert len(table.steps) == count
        return
    assert isinstance(answer, Step)
    runner.labels["it"] = accepted(answer)
    taken = answer.transition
    said = f"{taken.kind}.{taken.do}: {taken.before or 'new'} -> {taken.after}"
    assert said == expect["transition"]
    check(runner, expect)
    if "ends" in expect:
        put = next(
            c for c in answer.changes if isinstance(c, Put) and c.path in table.doc(taken.document).paths
        )
        assert put.data.decode().endswith(expect["ends"])
    for number, agent in enumerate(expect.get("copies", ()), 1):
        assert table.inbox(agent) == [f"{taken.document.rpartition('.')[0]}.{number}"]


def check(runner: Runner, expect: Mapping[str, Any]) -> None:
    table, filled = runner.table, runner.filled
    assert {filled(k): table.state_of(filled(k)) for k in expect.get("states", {})} == {
        filled(k): v for k, v in expect.get("states", {}).items()
    }
    for agent, ids in expect.get("inboxes", {}).items():
        assert table.inbox(agent) == [filled(i) for i in ids], agent
    for id_, fields in expect.get("fields", {}).items():
        for key, value in fields.items():
            assert table.doc(filled(id_)).text(key) == filled(value), (id_, key)
    if "leases" in expect:
        keys = sorted(lease.text("key") for lease in table.state.leases())
        assert keys == sorted(filled(k) for k in expect["leases"])


@pytest.mark.parametrize("path", REFUSE, ids=lambda p: p.stem)
def test_a_vector_to_refuse_is_refused_as_it_says_and_changes_nothing(path: Path) -> None:
    vector, data = load(path)
    runner = Runner(vector)
    table, expect = runner.table, vector["expect"]
    before = dict(table.tree)
    answer = runner.propose(vector["proposal"], data)
    assert refused(answer) == expect["refused"]
    assert isinstance(answer, Step)
    assert answer.refusal is not None
    assert answer.refusal.line == expect.get("line", 0)
    assert answer.refusal.correct == runner.filled(expect["correct"]) if "correct" in expect else True
    assert list(answer.refusal.legal) == expect.get("legal", list(answer.refusal.legal))
    after = {
        p: d
        for p, d in table.tree.items()
        if table.state.get(p.rpartition("/")[2][:-3]) not in answer.documents
    }
    assert after == before
    assert [d.kind for d in answer.documents] == [Kind.BOUNCE]


def test_every_code_has_a_vector() -> None:
    codes = {json.loads(p.read_text())["expect"]["refused"] for p in REFUSE}
    assert codes == set(CODES) - SHELL


def test_every_direct_step_of_an_author_has_a_vector() -> None:
    """Not every state it may begin in, but every verb of every kind."""
    seen = {json.loads(p.read_text())["expect"].get("transition", "").partition(":")[0] for p in ACCEPT}
    verbs = {f"{row.kind}.{row.do}" for row in TABLE if row.by and row.by != ("hub",)}
    shown_elsewhere = {"bounce.refuse", "lease.expire"}
    assert verbs - seen - shown_elsewhere == set()


def test_vectors_come_in_pairs_and_say_what_they_are_about() -> None:
    for folder in ("accept", "refuse"):
        names = {p.stem for p in (ROOT / folder).glob("*.json")}
        assert names == {p.stem for p in (ROOT / folder).glob("*.md")}
    for path in (*ACCEPT, *REFUSE):
        assert json.loads(path.read_text())["about"].endswith("."), path


def test_every_story_is_used() -> None:
    used = set(words(json.loads(p.read_text())["before"] for p in (*ACCEPT, *REFUSE)))
    used |= set(words(STORIES.values()))
    assert used == set(STORIES)


def words(stories: Iterable[list[Any]]) -> list[str]:
    return [step for story in stories for step in story if isinstance(step, str)]


def test_the_beginning_is_the_one_that_is_written_down() -> None:
    start = json.loads((ROOT / "start.json").read_text())
    table = Table()
    assert (start["hub"], start["host"]) == (table.state.hub_id, table.state.host)
    assert (start["now"]["boot"], start["now"]["mono"]) == (table.now.boot, table.now.mono)
    assert set(start["cards"]) == {*PERSONS, *AGENTS}
    for name, lines in start["cards"].items():
        assert table.tree[f"cards/{name}.md"].decode() == "\n".join(("---", *lines, "---", ""))
