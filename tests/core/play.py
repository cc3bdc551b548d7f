"""Play histories against the core alone: no disk, no clock, no git.

A `Table` holds a state and everybody's folders as the ledger would; every step is applied at once, and
after each the invariants are looked at: see `invariants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hubd.core import place
from hubd.core.decide import decide, examine
from hubd.core.document import Document, Value, parse
from hubd.core.due import Timer, after_boot, ask, by_policy, timers
from hubd.core.effect import Area, Doc, Drop, Nothing, Proposal, Put, Step, Transition
from hubd.core.model import Kind
from hubd.core.settings import Settings
from hubd.core.state import State, read_back
from hubd.core.time import Now
from hubd.core.work import Facts
from tests.core.invariants import check_state, check_step, snapshot

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PERSONS = ("operator", "anna", "ben")
AGENTS = {"lead": "plan", "backend": "python", "tester": "review", "critic": "review"}
Answer = Step | Nothing


class Table:
    """A mailbox in memory."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, /, **settings: str | tuple[str, ...]
    ) -> None:
        self.state = State("hub0", "local", Settings(dict(settings)), 0, environment)
        self.now = Now(START, "boot0000", 1000.0)
        self.tree: dict[str, bytes] = {}
        self.steps: list[Step] = []
        self.old: dict[tuple[str, int], bytes] = {}
        self.policy = True
        self.watched = True
        for name in PERSONS:
            self._found(name, "human: true")
        for name, capability in AGENTS.items():
            self._found(name, f"capabilities: [{capability}]")

    def _found(self, name: str, line: str) -> None:
        data = f"---\nkind: agent\n{line}\n---\n".encode()
        document = parse(data)
        assert isinstance(document, Document)
        path = place.card(name)
        self.tree[path] = data
        self.state.apply(self.state.seq + 1, [Doc(f"card.{name}", Kind.AGENT, "active", document, (path,))])

    # proposing

    def card(self, name: str, *lines: str, actor: str = "operator") -> Answer:
        text = "\n".join(("---", "kind: agent", *lines, "---", ""))
        return self.propose(actor, "cards", place.card(name), text.encode())

    def settings(self, *lines: str, actor: str = "operator") -> Answer:
        return self.propose(
            actor, "settings", place.SETTINGS, "".join(f"{line}\n" for line in lines).encode()
        )

    def propose(self, actor: str, area: Area, path: str, data: bytes | None, observed: str = "") -> Answer:
        return self.put(Proposal(actor, area, path, data, observed=observed))

    def put(self, proposal: Proposal) -> Answer:
        examined = examine(self.state, proposal)
        found = {i: d for i in examined.ids if (d := self.archived(i)) is not None}
        base = None
        if examined.base is not None:
            data = self.version(*examined.base)
            parsed = read_back(data) if data else None
            base = parsed if isinstance(parsed, Document) else None
        facts = Facts(found, base)
        before = snapshot(self.state) if self.watched else None
        decision = decide(self.state, examined, facts, self.now)
        if before is not None:
            assert decision == decide(self.state, examined, facts, self.now), "deciding is not pure"
            assert before == snapshot(self.state), "deciding changed the state"
        if isinstance(decision, Step):
            if before is not None:
                check_step(self.state, decision)
            self._apply(decision)
        return decision

    def version(self, path: str, rev: int) -> bytes | None:
        """Return what lay at a path after the commit of this number."""
        return self.old.get((path, rev))

    def archived(self, id_: str) -> Doc | None:
        data = self.tree.get(place.archive(id_))
        parsed = read_back(data) if data else None
        if not isinstance(parsed, Document) or not parsed.text("kind"):
            return None
        return Doc(id_, Kind(parsed.text("kind")), parsed.text("state"), parsed, (place.archive(id_),))

    def _apply(self, step: Step) -> None:
        self.steps.append(step)
        for change in step.changes:
            if isinstance(change, Put):
                self.tree[change.path] = change.data
                self.old[change.path, step.seq] = change.data
            elif isinstance(change, Drop):
                del self.tree[change.path]
        self.state.apply(step.seq, step.documents, step.changes)
        changed, self.state.changed = self.state.changed, set()
        if self.watched:
            check_state(self.state, self.tree, self.now)
        if self.policy:
            for proposal in by_policy(self.state, changed):
                self.put(proposal)

    # what people and agents do

    def drop(self, actor: str, text: str, name: str = "") -> Answer:
        """Save a document in an outbox."""
        name = name or f"n{self.state.seq}.md"
        return self.propose(actor, "outbox", place.outbox(actor, name), text.encode())

    def request(self, actor: str, do: str, on: str, *lines: str, name: str = "") -> Answer:
        text = "\n".join(("---", "kind: request", f"do: {do}", f"on: {on}", *lines, "---", ""))
        return self.drop(actor, text, name)

    def hub(self, do: str, on: str, observed: str = "", **fields: Value) -> Answer:
        """Let the hub ask something of itself."""
        return self.put(ask(do, on, observed, **fields))

    def hire(self, *names: str, lines: tuple[str, ...] = ()) -> None:
        """Give agents a command, so that they can be started."""
        for name in names or ("backend",):
            able = f"capabilities: [{AGENTS.get(name, 'none')}]"
            accepted(self.card(name, able, "command: [work]", *lines))

    def start(self, agent: str, *on: str, actor: str = "hub") -> Answer:
        """Start an agent for documents, or for what lies in its inbox."""
        if actor == "hub":
            return self.hub("start", agent, **({"for": on} if on else {}))
        return self.request(actor, "start", agent, *([f"for: [{', '.join(on)}]"] if on else []))

    def end(self, run: str, outcome: str = "done", **result: Value) -> Answer:
        return self.hub("end", run, result={"outcome": outcome, **result})

    def tell(self, run: str, *on: str) -> Answer:
        """Show a run that goes on what came since."""
        return self.hub("show", run, **{"for": on})

    def find(self, handoff: str, evidence: str = "verified", **result: Value) -> Answer:
        """Let the hub look at the work that was handed off."""
        return self.hub("check", handoff, result={"evidence": evidence, **result})

    def send(self, actor: str, to: str, *lines: str, body: str = "Text.", name: str = "") -> Answer:
        text = "\n".join(("---", "kind: message", f"to: {to}", *lines, "subject: News", "---", body, ""))
        return self.drop(actor, text, name)

    def ask(self, actor: str, *lines: str, name: str = "") -> Answer:
        return self.drop(
            actor, "\n".join(("---", "kind: question", "title: Which one?", *lines, "---", "")), name
        )

    def doc(self, id_: str) -> Doc:
        doc = self.state.get(id_) or self.archived(id_)
        assert doc is not None, id_
        return doc

    def path(self, id_: str, actor: str = "") -> str:
        return next(p for p in self.doc(id_).paths if not actor or p.startswith(f"agents/{actor}/"))

    def read(self, id_: str, actor: str = "") -> str:
        return self.tree[self.path(id_, actor)].decode()

    def save(self, id_: str, text: str, actor: str = "") -> Answer:
        """Save other text over a live document, in its own folder."""
        path = self.path(id_, actor)
        return self.propose(path.split("/")[1], "live", path, text.encode())

    def save_at(self, path: str, text: str) -> Answer:
        """Save text at a path of somebody's folder, as an editor does that has had the file open."""
        return self.propose(path.split("/")[1], "live", path, text.encode())

    def edit(self, id_: str, *changes: tuple[str, str], actor: str = "") -> Answer:
        return self.save(id_, changed(self.read(id_, actor), *changes), actor)

    def remove(self, id_: str, actor: str = "") -> Answer:
        path = self.path(id_, actor)
        return self.propose(path.split("/")[1], "live", path, None)

    def later(self, seconds: float) -> list[Answer]:
        """Let time pass, and carry out what is due."""
        wall, mono = self.now.wall + timedelta(seconds=seconds), self.now.mono + seconds
        self.now = replace(self.now, wall=wall, mono=mono)
        due: list[Timer] = [t for doc in list(self.state.live()) for t in timers(doc)]
        clocks = {"wall": self.now.wall.timestamp(), "mono": self.now.mono}
        return [self.put(ask("expire", t.document)) for t in due if t.at <= clocks[t.clock]]

    def reboot(self, boot: str = "boot1111") -> None:
        self.now = replace(self.now, boot=boot, mono=5.0)
        for proposal in after_boot(self.state, self.now):
            self.put(proposal)

    def state_of(self, id_: str) -> str:
        doc = self.state.get(id_) or self.archived(id_)
        return doc.state if doc is not None else "none"

    def inbox(self, agent: str, folder: str = "inbox") -> list[str]:
        return [d.id for d in self.state.inbox(agent, folder)]

    def taken(self) -> list[Transition]:
        """Return every step of every document, in order."""
        return [t for step in self.steps for t in (step.transition, *step.consequences)]

    # common beginnings

    def task(
        self, title: str = "Fix the login", owner: str = "lead", actor: str = "operator",
        body: str = "It breaks.", lines: str = "",
    ) -> str:  # fmt: skip
        named = f"owner: {owner}\n" if owner else ""
        return accepted(self.drop(actor, f"---\nkind: task\ntitle: {title}\n{named}{lines}---\n{body}\n"))

    def plan(self, task: str, *goals: str, actor: str = "lead") -> str:
        return accepted(self.try_plan(task, *goals, actor=actor))

    def try_plan(self, task: str, *goals: str, actor: str = "lead", name: str = "") -> Answer:
        """Drop a round. A goal is `to: goal`, or `to: goal < 1` where it comes after number 1."""
        header = ("---", "kind: round", f"task: {task}", *assignments(*goals), "---", "Mind the tests.", "")
        return self.drop(actor, "\n".join(header), name)

    def approve(self, round_: str, actor: str = "operator") -> Answer:
        return self.edit(round_, ("- [ ] approve", "- [x] approve"), actor=actor)

    def dispatched(self, *goals: str) -> tuple[str, str]:
        """Return a task and its first round, approved."""
        task = self.task()
        round_ = self.plan(task, *goals)
        accepted(self.approve(round_))
        return task, round_

    def claim(self, id_: str, worker: str = "w1") -> str:
        accepted(self.edit(id_, ("state: pending", f"state: claimed\nworker: {worker}")))
        return self.doc(id_).text("lease")

    def hand_off(
        self, id_: str, lease: str, outcome: str = "done", actor: str = "", name: str = ""
    ) -> Answer:
        lines = ("---", "kind: handoff", f"assignment: {id_}", f"lease: {lease}", f"outcome: {outcome}")
        text = "\n".join((*lines, "summary: It works", "---", "Notes.", ""))
        return self.drop(actor or self.doc(id_).text("to"), text, name)

    def do(self, id_: str, outcome: str = "done") -> None:
        """Claim an assignment and hand it off."""
        accepted(self.hand_off(id_, self.claim(id_), outcome))

    def review(self, round_: str, verdict: str = "approved", note: str = "", actor: str = "lead") -> Answer:
        changes = [(f"- [ ] {verdict}", f"- [x] {verdict}")] + ([("Note:", f"Note: {note}")] if note else [])
        return self.edit(round_, *changes, actor=actor)


def assignments(*goals: str) -> list[str]:
    """Return the lines of a plan."""
    lines = ["assignments:"]
    for goal in goals or ("backend: Fix it", "tester: Review it < 1"):
        to, _, rest = goal.partition(": ")
        what, _, after = rest.partition(" < ")
        lines += [f"  - to: {to}", f"    goal: {what}"] + ([f"    after: [{after}]"] if after else [])
    return lines


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return a text with each pattern replaced once."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in\n{text}"
        text = text.replace(old, new, 1)
    return text


def accepted(answer: Answer) -> str:
    """Return the document of an accepted step."""
    assert isinstance(answer, Step), answer
    assert answer.refusal is None, answer.refusal
    return answer.transition.document


def refused(answer: Answer) -> str:
    """Return the code of a refused step."""
    assert isinstance(answer, Step), answer
    assert answer.refusal is not None, answer.transition
    return answer.refusal.code


def nothing(answer: Answer) -> Nothing:
    """Return the answer that there is nothing to do."""
    assert isinstance(answer, Nothing), answer
    return answer
