"""A table with agents that can be started, and runs that are written by hand, as the hub would write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hubd.core import place
from hubd.core.document import Value, document
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.policy import Account, Held, Observed, Plan, lineage, plan
from hubd.core.state import HELD
from hubd.core.time import format_wall
from tests.core.play import Table, accepted


class Staff(Table):
    """`backend` and `tester` are launched by the hub; what else is needed a test says with `card`."""

    def __init__(self, **settings: str) -> None:
        super().__init__(**settings)
        self.watched = False  # runs that are written by hand are no steps
        self.account = Account()
        self.seen: dict[str, Observed] = {}
        self.unfit: dict[str, str] = {}
        for name in ("backend", "tester"):
            self.hire(name)

    def hire(self, name: str, *lines: str) -> None:
        """Save an agent's card; without lines it is started when something asks it to act."""
        given = {line.partition(":")[0] for line in lines}
        usual = ("launch: auto", "command: claude")
        accepted(self.card(name, *(u for u in usual if u.partition(":")[0] not in given), *lines))

    def ask_policy(self) -> Plan:
        return plan(self.state, self.account, self.seen, self.now, self.unfit)

    # runs by hand

    def write(self, *docs: Doc) -> None:
        """Apply documents as one commit."""
        seq = self.state.seq + 1
        for doc in docs:
            known = self.state.get(doc.id)
            for path in known.paths if known is not None else ():
                self.tree.pop(path, None)
            for path in doc.paths:
                self.tree[path] = doc.document.render()
        self.state.apply(seq, docs)

    def begin(
        self, agent: str, *on: str, up: bool = True, alone: bool = True, by: str = "hub", **more: str
    ) -> str:
        """Start a run as `decide` does: what it is for was shown to it, its assignment is claimed for it."""
        seq = self.state.seq + 1
        depth, parent = lineage(self.state, on)
        lines: dict[str, Value] = {
            "id": f"run-{seq}", "kind": "run", "state": "started", "rev": str(seq), "from": by,
            "created": format_wall(self.now.wall), "agent": agent, "on": on, "depth": str(depth),
        }  # fmt: skip
        if parent:
            lines["parent"] = parent
        lines.update(more)
        docs = []
        for id_ in on:
            doc = self.doc(id_)
            changes: dict[str, Value | None] = {"rev": str(seq), "shown": f"run-{seq}"}
            if doc.kind is Kind.ASSIGNMENT:
                changes["shown"] = None  # its worker says who has it
                docs += self._claimed(doc, seq, changes)
                lines["lease"] = str(seq)
            state = "claimed" if doc.kind is Kind.ASSIGNMENT else doc.state
            changes["state"] = state
            docs.append(replace(doc, state=state, document=doc.document.with_fields(changes)))
        run = Doc(f"run-{seq}", Kind.RUN, "started", document(lines), (place.waiting(agent, f"run-{seq}"),))
        self.write(*docs, run)
        self.account.note(run)
        self.see(run.id, up=up, alone=alone)
        return run.id

    def _claimed(self, doc: Doc, seq: int, changes: dict[str, Value | None]) -> Iterable[Doc]:
        held = self.state.lease(doc.id)
        if held is not None:  # by a run that has ended
            yield replace(held, state="released", paths=(place.archive(held.id),))
        changes.update({"lease": str(seq), "worker": f"run-{seq}"})
        lease = document({
            "id": f"l-{seq}", "kind": "lease", "state": "held", "from": doc.text("to"), "key": doc.id,
            "lease": str(seq), "worker": f"run-{seq}", "ttl": "5400", "boot": self.now.boot,
            "deadline": f"{self.now.mono + 5400:.3f}",
        })  # fmt: skip
        yield Doc(f"l-{seq}", Kind.LEASE, "held", lease, (place.lease(doc.id),))

    def see(self, run: str, up: bool = True, quiet: float = 0.0, alone: bool = True) -> None:
        self.seen[run] = Observed(run, up, quiet, alone)

    def end(self, run: str, outcome: str = "done", **more: str) -> None:
        """End a run as `decide` does: an assignment that it still holds goes back."""
        doc = self.doc(run)
        docs = []
        for id_ in doc.texts("on"):
            part = self.state.get(id_)
            if part is not None and part.text("worker") == run and part.state in HELD:
                docs += self._given_back(part, run if outcome == "stopped" else None)
                outcome = "no_handoff" if outcome == "done" else outcome
        lines = {"state": "ended", "ended": format_wall(self.now.wall), "outcome": outcome, **more}
        ended = replace(
            doc, state="ended", document=doc.document.with_fields(lines), paths=(place.archive(run),)
        )
        self.write(*docs, ended)
        self.account.note(ended)
        self.seen.pop(run, None)

    def _given_back(self, part: Doc, shown: str | None) -> Iterable[Doc]:
        lease = self.state.lease(part.id)
        if lease is not None:
            yield replace(lease, state="released", paths=(place.archive(lease.id),))
        changes: dict[str, Value | None] = {
            "state": "pending", "lease": None, "worker": None, "rev": str(self.state.seq + 1),
            "shown": shown,
        }  # fmt: skip
        yield replace(part, state="pending", document=part.document.with_fields(changes))

    def stopping(self, run: str) -> None:
        doc = self.doc(run)
        self.write(replace(doc, state="stopping", document=doc.document.with_fields({"state": "stopping"})))

    def show(self, run: str, *on: str) -> None:
        """Tell a run of more, as `decide` does: what is to be claimed is claimed for it."""
        seq = self.state.seq + 1
        doc = self.doc(run)
        docs = [replace(doc, document=doc.document.with_fields({"on": (*doc.texts("on"), *on)}))]
        for id_ in on:
            told = self.doc(id_)
            docs.append(replace(told, document=told.document.with_fields({"shown": run, "rev": str(seq)})))
        self.write(*docs)

    def carry_out(self, wanted: Plan) -> list[str]:
        """Record what a plan wants; return the runs that it began."""
        for stop in wanted.stops:
            self.stopping(stop.run)
        for tell in wanted.tells:
            self.show(tell.run, *tell.on)
        for renew in wanted.renews:
            accepted(self.hub("renew", renew.lease))
        return [self.begin(start.agent, *start.on, up=False) for start in wanted.starts]

    # documents

    def part(self, to: str = "backend", goal: str = "Do it") -> str:
        """Return an assignment that is pending, of a task of its own, approved by a person."""
        _, round_ = self.dispatched(f"{to}: {goal}")
        return f"{round_}.a1"

    def parts(self, to: str, count: int) -> list[str]:
        """Return assignments of one round, all pending."""
        _, round_ = self.dispatched(*(f"{to}: Do {n}" for n in range(count)))
        return [f"{round_}.a{n + 1}" for n in range(count)]

    def written_in(self, id_: str, run: str, depth: int) -> str:
        """Say of a document that a run wrote it."""
        doc = self.doc(id_)
        lines = {"run": run, "depth": str(depth)}
        self.write(replace(doc, document=doc.document.with_fields(lines)))
        return id_

    def mail(self, to: str = "backend", actor: str = "operator") -> str:
        return accepted(self.send(actor, to))

    def question(self, part: str) -> str:
        """Ask about an assignment that is held; it waits for the answer."""
        doc = self.doc(part)
        return accepted(self.ask(doc.text("to"), f"assignment: {part}", f"lease: {doc.text('lease')}"))

    def handed(self, part: str, outcome: str = "done") -> str:
        """Hand off what is held; the account hears of it as it does in the hub."""
        doc = self.doc(part)
        handoff = accepted(self.hand_off(part, doc.text("lease"), outcome))
        run = doc.text("worker")
        if not self.doc(handoff).text("run"):
            self.written_in(handoff, run, 1)
        self.account.note(self.doc(handoff))
        return handoff

    def pass_time(self, seconds: float) -> None:
        """Let time pass, in silence."""
        self.later(seconds)
        for run, seen in self.seen.items():
            self.seen[run] = replace(seen, quiet=seen.quiet + seconds)


def codes(wanted: Plan) -> dict[str, str]:
    """Return why agents are not started, by agent."""
    return {held.agent: held.code for held in wanted.held}


def held(wanted: Plan, code: str) -> Held:
    (found,) = (h for h in wanted.held if h.code == code)
    return found
