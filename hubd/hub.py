"""The step: a saved file is judged, recorded, and only then acted upon.

Guarantee: commit first, then act. Whatever follows the commit is a repeatable function of the ledger, so a
hub that was killed at any instant is repaired by starting another.
Guarantee: bytes that were read are in the ledger, in `refused/`, or in the quarantine before they leave the
place where they lay.
Rule 1: only a `Hub` records, and only while it holds the hub lock. Rule 2: nothing is decided here.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hubd.acting import Acting, Decided
from hubd.clock import Clock, SystemClock
from hubd.commits import commit_of
from hubd.core import place
from hubd.core.due import after_boot, ask, by_policy
from hubd.core.effect import Nothing, Proposal, Step
from hubd.core.model import Kind
from hubd.core.naming import Naming, naming
from hubd.core.state import State
from hubd.core.time import Now
from hubd.judging import judge, outcome, proposal_at
from hubd.layout import Layout
from hubd.lease import HubLock, Liveness, Mode
from hubd.ledger import Commit, Ledger, LedgerError
from hubd.loading import load_state
from hubd.outcome import Outcome
from hubd.sight import Eyes
from hubd.spool import Bytes, Displaced, NotAFile, Spool, SpoolError
from hubd.timing import Timers

GROUP_MOST = 200


class HubClosed(Exception):
    """The hub lost its lock: somebody removed the lock file. Nothing more is recorded."""

    what = "the hub lock was taken away"
    hint = "start hubd again; nothing was lost"

    def __init__(self) -> None:
        super().__init__(self.what)


def no_crash(_point: str) -> None:
    """Where a test may stop the process."""


def _say_nothing(_what: object, _text: str) -> None:
    """Where the daemon writes its log."""


class Hub:
    """One mailbox, held by this process."""

    def __init__(
        self,
        layout: Layout,
        lock: HubLock,
        ledger: Ledger,
        spool: Spool,
        clock: Clock,
        crash: Callable[[str], None],
        environment: Mapping[str, str],
    ) -> None:
        self.layout = layout
        self.lock = lock
        self.ledger = ledger
        self.spool = spool
        self.clock = clock
        self.crash = crash
        self.environment = environment
        self.state: State = load_state(ledger, environment)
        self.log: Callable[[str, str], None] = _say_nothing
        self.on_step: Callable[[Step, str], None] = _say_nothing
        self.liveness = Liveness(layout.alive)
        self.timers = Timers()
        self.timers.add(self.state.live())
        self.eyes = Eyes()
        self.acting = Acting(spool, self.truth, self.eyes)
        self.bulk_answer = ""
        self.pause: Callable[[float], object] = time.sleep
        self._to_act: deque[tuple[Decided, str]] = deque()
        self._undelivered = ""
        self._blocked: set[str] = set()
        self._stale = False
        last = ledger.commit(ledger.tip())
        self._last_wall = last.when if last is not None else clock.now().wall

    @classmethod
    def open(
        cls,
        root: Path,
        mode: Mode = "step",
        wait: float = 10.0,
        clock: Clock | None = None,
        crash: Callable[[str], None] = no_crash,
        environment: Mapping[str, str] | None = None,
    ) -> Hub:
        """Take the hub lock, load the state, and finish what an earlier hub began.

        Raises HubBusy (lease), LedgerError, SpoolError.
        """
        layout = Layout(Path(root).resolve())
        clock = clock or SystemClock()
        lock = HubLock(layout.lock)
        lock.acquire(mode, clock.now().wall, wait=wait)
        try:
            ledger = Ledger.open(layout.root, crash=crash)
            spool = Spool(layout.root, crash=crash)
            hub = cls(
                layout, lock, ledger, spool, clock, crash, os.environ if environment is None else environment
            )
        except BaseException:
            lock.release()
            raise
        try:
            hub._begin()
        except BaseException:
            hub._let_go()
            raise
        return hub

    def _begin(self) -> None:
        from hubd.recovery import recover

        self.folders()
        recover(self)
        self.judge_all(after_boot(self.state, self.now()))
        self.judge_all(by_policy(self.state, list(self.state.docs)))

    def close(self) -> None:
        """Note how far delivery got, bring people's git up to date, end git, free the lock."""
        from hubd.following import Following

        try:
            if self.lock.still_ours():  # else somebody else is the hub, and its references are not ours
                Following(self).rest()
                self.note_delivered()
        except (LedgerError, SpoolError, HubClosed) as error:
            self.log("warning", f"at the end: {error}; the next start does it")
        finally:
            self._let_go()

    def _let_go(self) -> None:
        with suppress(LedgerError):
            self.ledger.close()
        self.spool.close()
        self.lock.release()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def now(self) -> Now:
        """Return the instant; its wall never goes back behind the last commit's."""
        now = self.clock.now()
        if now.wall < self._last_wall:
            now = replace(now, wall=self._last_wall)
        self._last_wall = now.wall
        return now

    def folders(self) -> None:
        """Make missing folders again, with what belongs in them: nobody has removed a document."""
        done = self.layout.folders(sorted(self.state.cards))
        made = {self.layout.relative(path) or "" for path in done.made}
        blocked = {self.layout.relative(path) or "" for path in done.blocked}
        for path in sorted(blocked - self._blocked):
            self.log("warning", f"{path} is no folder; it is not used until it is one again")
        fresh = made | self._blocked - blocked
        for path in {p for folder in fresh | blocked for p in self.state.paths_in(folder)}:
            self.acting.owed.setdefault(path, ())
        self._blocked = blocked
        self.acting.pay()

    def dead_workers(self) -> list[Proposal]:
        """Return the hub's own proposals about leases whose worker's process is gone.

        Not of those that a run holds: how that ended is the launcher's to tell, after all it saved is judged.
        """
        found = []
        by_runs = {run.number("lease") for run in self.state.runs()}
        for number in self.liveness.numbers():
            if number in by_runs:
                continue
            lease = self.state.get(f"l-{number}")
            if lease is None or lease.state != "held":
                self.liveness.let_go(number)
            elif self.liveness.alive(number) is False:
                about = lease.text("key") if self.state.get(lease.text("key")) is not None else lease.id
                found.append(ask("expire", about, f"the worker that held lease {number} ended"))
        return found

    # judging

    def judge(self, proposal: Proposal, displaced: Displaced | None = None) -> Outcome:
        """Judge one proposal, and everything that follows from it by policy."""
        outcomes = self.judge_all([proposal], {id(proposal): displaced} if displaced is not None else None)
        return outcomes[0]

    def judge_all(
        self, proposals: Sequence[Proposal], displaced: Mapping[int, Displaced] | None = None
    ) -> list[Outcome]:
        """Judge proposals in order; those that are ready together share one flush of the ledger."""
        outcomes: list[Outcome] = []
        for start in range(0, len(proposals), GROUP_MOST):
            outcomes += self._group(proposals[start : start + GROUP_MOST], displaced or {})
        return outcomes

    def _group(self, proposals: Sequence[Proposal], displaced: Mapping[int, Displaced]) -> list[Outcome]:
        decided: list[Decided] = []
        nothing: list[tuple[Proposal, Nothing]] = []
        results: list[Step | Nothing] = []
        commits: list[Commit] = []
        pending = deque((p, True) for p in proposals)
        if self._stale:
            self._reload()
        try:
            while pending:
                proposal, asked = pending.popleft()
                now = self.now()
                decision = judge(self.state, self.ledger, proposal, now, self.log)
                if asked:
                    results.append(decision)
                if isinstance(decision, Nothing):
                    if asked:
                        nothing.append((proposal, decision))
                    continue
                commits.append(commit_of(decision, self.state, now))
                decided.append(Decided(decision, self._before(decision), displaced.get(id(proposal))))
                self.state.apply(decision.seq, decision.documents, decision.changes)
                changed, self.state.changed = self.state.changed, set()
                pending.extendleft((p, False) for p in reversed(by_policy(self.state, changed)))
            ids = self._record(commits)
        except BaseException:
            self._stale = True
            raise
        self._to_act.extend(zip(decided, ids, strict=True))
        try:
            self.act()
        except SpoolError as error:
            # It is recorded, and so it is done; acting on it goes on as soon as the disk lets it.
            self.log("error", f"{error}; {error.hint}")
        for proposal, decision in nothing:
            self.acting.leave(proposal, decision, displaced.get(id(proposal)))
        self.settle(self.acting.aside())
        known = {d.step.seq: c for d, c in zip(decided, ids, strict=True)}
        return [outcome(self.state, result, known) for result in results]

    def _reload(self) -> None:
        """Forget what was decided and not recorded, and what was taken to be due."""
        self.state = load_state(self.ledger, self.environment)
        self.timers = Timers()
        self.timers.add(self.state.live())
        self._stale = False

    def _before(self, step: Step) -> dict[str, bytes]:
        """Return what the changed paths hold before this step."""
        known: dict[str, bytes] = {}
        for change in step.changes:
            data = self.truth(change.path)
            if data is not None:
                known[change.path] = data
        return known

    def truth(self, path: str) -> bytes | None:
        """Return what a live path must hold now."""
        if path in self.state.fixed:
            return self.state.fixed[path]
        if path.startswith("cards/"):
            card = self.state.card(place.stem(path[len("cards/") :]))
            return card.document.render() if card is not None else None
        doc = self.state.live_path(path)
        return doc.document.render() if doc is not None else None

    def _record(self, commits: Sequence[Commit]) -> list[str]:
        if not commits:
            return []
        if not self.lock.still_ours():
            raise HubClosed
        return self.ledger.record(commits)

    def record_made(self, step: Step, commit: Commit) -> None:
        """Record a step of the hub's own that is no answer to a proposal, and act on it."""
        before = self._before(step)
        (oid,) = self._record([commit])
        self.state.apply(step.seq, step.documents, step.changes)
        self._to_act.append((Decided(step, before, None), oid))
        self.act()

    # acting: everything below can be done again

    def act(self) -> None:
        """Act on what is recorded, in order. SpoolError: the disk does not let it; call it again."""
        if self._stale:
            self._reload()
        while self._to_act:
            made, commit = self._to_act[0]
            self._act(made)
            self._to_act.popleft()
            self._undelivered = commit
            self.on_step(made.step, commit)

    def _act(self, made: Decided) -> None:
        self.crash("act.before")
        self.acting.perform(made)
        documents = made.step.documents
        if any(d.id.startswith("card.") for d in documents):
            self.folders()
        self.timers.add(documents)
        for doc in documents:
            if doc.kind is Kind.QUESTION and doc.text("from") == "hub" and doc.state == "answered":
                self.bulk_answer = doc.text("answer")
            if doc.kind is Kind.LEASE and doc.state != "held":
                self.liveness.let_go(doc.number("lease"))
        self.crash("act.after")

    def settle(self, displaced: Sequence[Displaced]) -> None:
        """Judge what somebody saved in the very moment in which the hub delivered something there."""
        for one in displaced:
            if one.path is None or not isinstance(one.read, Bytes | NotAFile):
                continue  # it stays in swap until its writer is done; the next look finds it there
            proposal = self.proposal(one.path, one.read)
            if proposal is None:
                if one.data is not None:
                    self.spool.quarantine(one.data)
                self.spool.drop(one)
            else:
                self.judge(proposal, one)

    # proposals

    def proposal(self, path: str, read: Bytes | NotAFile | None) -> Proposal | None:
        """Return what a file at a path proposes, and who; None where nobody proposes anything there."""
        return proposal_at(self.state, path, read)

    def submit(self, agent: str, name: str) -> Outcome | None:
        """Judge one file of an outbox now; None where there is none."""
        path = place.outbox(agent, name)
        if self.state.card(agent) is None:
            said = f"there is no agent `{agent}`"
            return Outcome(False, code="unknown-recipient", message=said, hint="save a card in cards/ first")
        if "/" in name or naming(name) is Naming.IGNORED:
            return None
        self.act()
        read = self.spool.read(path)
        if not isinstance(read, Bytes | NotAFile):
            return None
        if not self.eyes.may_send(agent, self.state.settings, self.now().mono):
            said = f"{agent} sends more than {self.state.settings.number('rate')} documents a minute"
            hint = "it stays in the outbox, and is judged in its turn"
            return Outcome(False, code="too-fast", message=said, hint=hint)
        proposal = self.proposal(path, read)
        return self.judge(proposal) if proposal is not None else None

    def look(self, patience: float | None = None) -> list[Outcome]:
        """Judge everything on disk that is ready, and what is due, until nothing is left. See `looking`."""
        from hubd.looking import look_once

        return look_once(self, patience)

    def note_delivered(self, durable: bool = False) -> None:
        """Move refs/hub/delivered to the last commit whose consequences are on disk."""
        if self._undelivered:
            self.ledger.mark_delivered(self._undelivered, durable=durable)
            self._undelivered = ""


__all__ = ["Hub", "HubClosed"]
