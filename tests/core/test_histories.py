"""Random histories: whatever anybody does, nothing raises, and the invariants hold after every step.

Each history is played on a `Table`, which looks at `invariants` after each step and decides everything twice.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubd.core import place
from hubd.core.effect import Nothing, Step
from hubd.core.model import DOS, EVIDENCE, HUB_DOS, RUN_OUTCOMES
from hubd.core.transition import dos, is_final
from tests.core.play import Table, assignments

ACTORS = ("operator", "anna", "lead", "backend", "tester", "critic")
STAFF = ("lead", "backend", "tester")
WORDS = ("x", "", "- [x] approve", "a: b", "`|`", "é", "\\x3c!-- hub -->", "any:review", "all", "²", "9" * 30)
SETTINGS = (
    "auto_approve: true", "max_rounds: 1", "approvers: [operator, anna]", "operator: anna", "approvals: 2",
    "auto_create_next_round: true", "max_attempts: 1", "not_author: true", "max_hop_count: 1",
    "lease_minutes: 1", "max_depth: 1", "max_concurrency: 2", "max_simultaneous_assignments: 1",
    "orchestrator: lead",
)  # fmt: skip
SWAPS = (
    ("- [ ] approve", "- [x] approve"), ("- [ ] approved", "- [x] approved"),
    ("- [ ] reject", "- [x] reject"),
    ("- [ ] changes_requested", "- [x] changes_requested"), ("state: pending", "state: claimed\nworker: w"),
    ("state: unread", "state: read"), ("state: claimed", "state: pending"), ("state: ", "state: closed #"),
    ("Note:", "Note: why"), ("Answer:", "Answer: so"), ("goal: ", "goal: other "), ("rev: ", "rev: 1"),
    ("id: ", "id: x"), ("kind: ", "kind: x"), ("<!-- hub -->\n", ""), ("---\n", "---\nnew: key\n"),
    ("title: ", "title: other "), ("to: ", "to: critic"), ("plan: ", "plan: 1"), ("\n", "\r\n"), ("", "\n"),
)  # fmt: skip


class Play:
    """Turns numbers into acts."""

    def __init__(self, numbers: list[int]) -> None:
        self.table = Table()
        self.numbers = numbers
        self.buffers: list[tuple[str, str]] = []

    def pick(self, choices: tuple[str, ...] | list[str]) -> str:
        return choices[self.numbers.pop() % len(choices) if self.numbers else 0]

    def some(self, kind: str = "") -> str:
        """Return the id of some document, live or finished."""
        known = [d.id for d in self.table.state.docs.values() if kind in d.kind]
        known += sorted(
            {place.stem(p.rpartition("/")[2]) for p in self.table.tree if p.startswith("archive/")}
        )[:5]
        return self.pick([*known, "no-such-id"])

    def lease(self, id_: str) -> str:
        doc = self.table.state.get(id_)
        return self.pick([doc.text("lease") if doc is not None else "7", "", "1"])

    def act(self) -> Step | Nothing | None:
        ways = "request legal legal live drop time people step step run run run"
        match self.pick(ways.split()):
            case "request":
                return self.request()
            case "legal":
                return self.legal()
            case "live":
                return self.live()
            case "drop":
                return self.drop()
            case "time":
                self.time()
                return None
            case "people":
                return self.people()
            case "run":
                return self.runs()
            case _:
                return self.onward()

    def request(self) -> Step | Nothing:
        do, on = self.pick((*DOS, *HUB_DOS)), self.some()
        lines = [f"lease: {lease}"] if (lease := self.lease(on)) else []
        lines += [f"to: {self.pick(ACTORS)}"] if do == "reassign" else []
        lines += [f"verdict: {self.pick(('approved', 'changes_requested'))}"] if do == "review" else []
        lines += [f'note: "{self.pick(WORDS)}"']
        if self.pick(("agent", "agent", "hub")) == "hub":
            return self.table.hub(do, on, self.pick(("", "seen")))
        return self.table.request(self.pick(ACTORS), do, on, *lines, name=self.pick(("a.md", "b.md", "")))

    def legal(self) -> Step | Nothing | None:
        """Ask for what the table has from here, as somebody who may well be allowed to."""
        doc = self.table.state.get(self.some())
        if doc is None or not dos(doc.kind, doc.state):
            return None
        do, key = self.pick(dos(doc.kind, doc.state)), doc.text("key") or doc.id
        if do == "resume":
            return self.table.request("anna", do, key.removeprefix("pause:"))
        actor = self.pick([doc.text("to") or "lead", "operator", doc.text("from"), "lead", "anna"])
        lines = [f"lease: {doc.text('lease')}"] if doc.text("lease") else []
        lines += (
            ["verdict: changes_requested"] if do == "review" else ["to: critic"] if do == "reassign" else []
        )
        return self.table.request(actor if actor != "hub" else "lead", do, key, *lines)

    def onward(self) -> Step | Nothing | None:
        """Do what leads on, with some likelihood that it is right."""
        table, doc = self.table, self.table.state.get(self.some())
        if doc is None or is_final(doc.kind, doc.state) or not doc.paths:
            return None
        actor = doc.paths[0].split("/")[1]
        match (doc.kind.value, doc.state):
            case ("task", "draft"):
                goals = (
                    "backend: 1",
                    "any:review: 2\n    deadline: 1h < 1",
                    "lead: 3 < 2",
                    "tester: 4\n    deadline: 3h",
                )
                return table.try_plan(doc.id, *goals[: 1 + len(self.numbers) % 4], actor=actor)
            case ("round", "awaiting_approval"):
                return table.approve(doc.id, actor)
            case ("round", "awaiting_review"):
                return table.review(doc.id, self.pick(("approved", "changes_requested")), actor=actor)
            case ("assignment", "pending"):
                return table.request(actor, "claim", doc.id, "worker: w")
            case ("assignment", "claimed" | "in_progress"):
                if self.pick(("hand off", "ask")) == "ask":
                    return table.ask(
                        actor, f"assignment: {doc.id}", f"lease: {doc.text('lease')}", "expires: 1h"
                    )
                return table.hand_off(doc.id, doc.text("lease"), self.pick(("done", "partial", "blocked")))
            case ("question", "open"):
                return table.request(actor, "answer", doc.id, "answer: so")
            case _:
                return table.remove(doc.id)

    def runs(self) -> Step | Nothing:
        """Start, tell, stop and end runs, and look at work, with some likelihood that it is right."""
        table, agent = self.table, self.pick(STAFF)
        live = [run.id for run in table.state.runs()] or [self.some()]
        waits = [doc.id for doc in table.state.inbox(agent)] or [self.some()]
        match self.pick(("start", "start", "for", "person", "show", "stop", "end", "end", "check")):
            case "start":
                return table.start(agent)
            case "for":
                return table.start(agent, self.pick(waits))
            case "person":
                return table.start(agent, *waits[: len(self.numbers) % 3], actor=self.pick(ACTORS))
            case "show":
                return table.tell(self.pick(live), self.pick(waits), self.pick(waits))
            case "stop":
                return table.request(self.pick(("operator", "anna", "lead")), "stop", self.pick(live))
            case "end":
                said = self.pick(("", "", "done", "blocked: no access"))
                return table.end(self.pick(live), self.pick(RUN_OUTCOMES), status=said, note=self.pick(WORDS))
            case _:
                note = self.pick(WORDS)
                return table.find(self.some("handoff"), self.pick(EVIDENCE), note=note, conflicts=(note,))

    def live(self) -> Step | Nothing | None:
        """Save or remove a live file, from a fresh or an old buffer."""
        paths = sorted(p for p in self.table.tree if p.startswith("agents/"))
        if not paths:
            return None
        path = self.pick(paths)
        self.buffers.append((path, self.table.tree[path].decode()))
        path, text = self.buffers[-1 - len(self.numbers) % min(3, len(self.buffers))]
        if self.pick(("save", "save", "save", "save", "save", "save", "remove")) == "remove":
            return self.table.propose(path.split("/")[1], "live", path, None)
        for _ in range(1 + len(self.numbers) % 2):
            old, new = SWAPS[self.numbers.pop() % len(SWAPS)] if self.numbers else SWAPS[0]
            text = text.replace(old, new, 1)
        return self.table.save_at(path, text)

    def drop(self) -> Step | Nothing:
        actor, name = self.pick(ACTORS), self.pick(("a.md", "b.md", "c.md", ""))
        lines: tuple[str, ...]
        match self.pick(("task", "round", "message", "question", "handoff", "agent", "rubbish")):
            case "task":
                plan = (
                    assignments("backend: X", "any:review: Y < 1")
                    if self.pick(("plan", "none")) == "plan"
                    else []
                )
                lines = ("kind: task", f'title: "{self.pick(WORDS)}"', f"owner: {self.pick(ACTORS)}", *plan)
            case "round":
                lines = ("kind: round", f"task: {self.some('task')}", *assignments(f"{self.pick(ACTORS)}: X"))
            case "message":
                to = self.pick((*ACTORS, "owner", "any:review", "[lead, tester]"))
                lines = ("kind: message", f"to: {to}", "subject: S", f'dedupe_key: "{self.pick(WORDS[5:])}"')
                lines += (f"reply_to: {self.some()}",) if self.pick(("reply", "new")) == "reply" else ()
                lines += (
                    (f"task: {self.some('task')}",)
                    if self.pick(("about", "free")) == "about"
                    else ("expires: 1h",)
                )
            case "question":
                on = self.some("assignment")
                lines = ("kind: question", "title: Q", f"assignment: {on}", f"lease: {self.lease(on) or 1}")
                lines += (f'choices: ["{self.pick(WORDS)}", b]', "expires: 1h")
            case "handoff":
                on = self.some("assignment")
                lines = (
                    "kind: handoff",
                    f"assignment: {on}",
                    f"lease: {self.lease(on) or 1}",
                    "outcome: done",
                )
                lines += (f'summary: "{self.pick(WORDS)}"',)
            case "agent":
                lines = ("kind: agent", f"capabilities: [{self.pick(('review', 'go'))}]")
            case _:
                lines = (self.pick(WORDS), self.pick(WORDS))
        return self.table.drop(actor, "\n".join(("---", *lines, "---", self.pick(WORDS[:6]), "")), name)

    def time(self) -> None:
        if self.pick(("later", "later", "boot")) == "boot":
            self.table.reboot(f"boot{len(self.numbers):04}")
        else:
            self.table.later((60, 3600, 6000)[len(self.numbers) % 3])

    def people(self) -> Step | Nothing:
        match self.pick(("settings", "settings", "card", "pause", "lease", "retire")):
            case "settings":
                return self.table.settings(*dict.fromkeys((self.pick(SETTINGS), self.pick(SETTINGS))))
            case "card":
                return self.table.card(
                    self.pick((*ACTORS, "fresh")),
                    self.pick(("human: true", "capabilities: [review]", "command: claude\nlaunch: auto")),
                )
            case "pause":
                return self.table.request("anna", self.pick(("pause", "resume")), self.pick(ACTORS))
            case "lease":
                globs = self.pick(("path: src/**", "path: src/*.py", "ttl: 1h"))
                return self.table.request(self.pick(ACTORS), "lease", self.pick(("db", "a.b")), globs)
            case _:
                return self.table.propose("anna", "cards", place.card(self.pick(ACTORS)), None)


@given(st.lists(st.integers(0, 10_000), min_size=20, max_size=300))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_no_history_raises_or_breaks_an_invariant(numbers: list[int]) -> None:
    play = Play(numbers)
    play.table.hire(*STAFF)
    play.table.task()
    play.table.dispatched("backend: 1", "any:review: 2 < 1")
    while play.numbers:
        play.act()


@given(
    st.lists(st.integers(0, 10_000), min_size=40, max_size=200),
    st.sampled_from([(), ("replicas: 2",), ("launch: auto", "runtime: pty"), ("launch: always",)]),
    st.sampled_from([{}, {"max_attempts": "1"}, {"max_depth": "9", "max_hop_count": "20"}]),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_no_history_of_runs_breaks_an_invariant(
    numbers: list[int], lines: tuple[str, ...], limits: dict[str, str]
) -> None:
    play = Play(numbers)
    play.table = table = Table(**limits)
    table.hire(*STAFF, lines=lines)
    table.task()
    table.dispatched("backend: 1", "tester: 2 < 1")
    while play.numbers:
        match play.pick(("run", "run", "run", "step", "step", "time")):
            case "run":
                play.runs()
            case "step":
                play.onward()
            case _:
                play.time()


@given(st.binary(max_size=400), st.sampled_from(["outbox", "live", "cards", "settings", "fixed"]))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(data: bytes, area: str) -> None:
    table = Table()
    task = table.task()
    path = {"outbox": "agents/lead/outbox/x.md", "live": table.path(task), "cards": "cards/lead.md"}.get(
        area, "hub.yaml"
    )
    table.propose("operator" if area in ("cards", "settings", "fixed") else "lead", area, path, data)  # type: ignore[arg-type]


@given(
    st.text(max_size=300),
    st.sampled_from(["task", "round", "message", "question", "request", "handoff", "agent"]),
)
@settings(max_examples=200, deadline=None)
def test_no_header_raises(text: str, kind: str) -> None:
    table = Table()
    table.drop("lead", f"---\nkind: {kind}\n{text}\n---\n".encode("utf-8", "replace").decode())
