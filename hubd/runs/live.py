"""The runs that go on: begun, heard, stopped, ended.

Guarantee: a run's process is started once, and its end is recorded after all that its agent had saved is
judged and its work is kept.
Rule: no call waits for a process or for git; what takes its time is a job.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubd.core import policy
from hubd.core.due import ask
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.hub import Hub
from hubd.jobs import Jobs
from hubd.launch.control import Wrapped, reap
from hubd.launch.engine import EngineError
from hubd.launch.granting import OWN
from hubd.launch.litter import clear_litter
from hubd.launch.presets import keys, preset_of
from hubd.launch.records import Result
from hubd.lease import LeaseError
from hubd.looking import gather
from hubd.project import ProjectError, Worktree
from hubd.runs import ending, leftovers, preparing
from hubd.runs.running import Phase, Running

__all__ = ["LiveRuns", "Say"]

Say = Callable[[str, str], None]
OVERDUE = 30.0
"""Seconds that a wrapper may take, after its run's time and grace, to say that it has ended."""
LETTING_GO = 1.0
"""Seconds in which wrappers that have said `ended` are waited for, when the hub ends."""


class LiveRuns:
    """The runs whose processes this hub has, by id."""

    def __init__(
        self, hub: Hub, selector: selectors.BaseSelector, jobs: Jobs, say: Say, base: Mapping[str, str]
    ) -> None:
        self.hub = hub
        self.say = say
        self.base = base
        self.jobs = jobs
        self._selector = selector
        self._runs: dict[str, Running] = {}
        self.typical: Callable[[str], float | None] = lambda _: None
        self._sessions: dict[tuple[str, str], Result] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run: str) -> bool:
        return run in self._runs

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._runs)

    def ends_by_itself(self, run: str) -> bool:
        """Return whether this run goes on, and is there only for what it was started for."""
        running = self._runs.get(run)
        return running is not None and (running.command is None or not running.command.long_lived)

    def busy(self) -> bool:
        """Return whether something can be done about the end of a run now."""
        return any(
            r.phase is Phase.ENDING or (r.phase is Phase.OVER and not self._waits(r))
            for r in self._runs.values()
        )

    def observed(self, now: float) -> dict[str, policy.Observed]:
        """Return what policy may know of each."""
        return {r.id: r.observed(now) for r in self._runs.values()}

    def facts(self, now: float) -> dict[str, dict[str, Any]]:
        """Return what front ends are told of each."""
        warn = self.hub.state.settings.seconds("quiet_warn")
        found = {}
        for running in self._runs.values():
            quiet = running.observed(now).quiet
            found[running.id] = {
                "up": running.pid > 0, "pid": running.pid, "quiet": round(quiet, 1), "bytes": running.size,
                "stuck": running.pid > 0 and quiet >= warn,
            }  # fmt: skip
        return found

    def turn(self, now: float) -> bool:
        """Hear what wrappers say. Returns whether a process has begun."""
        begun = [self._listen(running, now) for running in list(self._runs.values())]
        return any(begun)

    def finish(self) -> None:
        """Go on with the ends of runs. Raises LedgerError, SpoolError: call it again."""
        for running in list(self._runs.values()):
            self._finish(running)

    def changed(self, run: Doc, begun: bool) -> None:
        """A run's document was written: `begun` as a new one, or as one that goes on or is to be stopped."""
        if begun:
            self._begin(run)
            return
        running = self._runs.get(run.id)
        if running is not None:
            running.run = run
            if run.state == "stopping":
                self._halt(running, run.text("note") or "it was stopped")

    def heard(self, agent: str, now: float) -> None:
        """An agent has saved something: its runs are alive, whatever they print."""
        for running in self._runs.values():
            if running.agent == agent:
                running.said = now

    def type(self, run: str, text: str) -> None:
        """Tell a run in a terminal something."""
        running = self._runs.get(run)
        if running is not None and running.wrapped is not None and not self.ends_by_itself(run):
            running.wrapped.type(keys(running.card, text))

    def halt_next(self) -> None:
        """Stop everybody but the orchestrator, and that when it is alone."""
        leader = self.hub.state.settings.word("orchestrator")
        others = [running for running in self._runs.values() if running.agent != leader]
        for running in others or list(self._runs.values()):
            self._halt(running, "hubd was stopped")

    def abandon(self) -> None:
        """Let go of everything: a wrapper whose hub is gone ends its run by itself."""
        for running in self._runs.values():
            if running.wrapped is not None and running.phase is Phase.UP:
                self._selector.unregister(running.wrapped)
                running.wrapped.close()
        self._runs.clear()
        reap(LETTING_GO)

    # a run begins

    def _begin(self, run: Doc) -> None:
        state = self.hub.state
        card = state.card(run.text("agent"))
        if card is None or run.id in self._runs:
            return
        folder = preparing.folder_of(self.hub.layout, run.id)
        tag = f"{state.hub_id}:{run.id}"
        running = Running(run, card, folder, tag, time.monotonic())
        self._runs[run.id] = running
        assignment = _assignment(state.get(id_) for id_ in run.texts("on"))
        project = preparing.project_of(card)
        if assignment is not None:
            running.earlier = self._sessions.pop((running.agent, assignment.id), running.earlier)
        if assignment is None or project is None or card.document.get("worktree") is None:
            self._start(running)
            return
        before = (state.get(id_) for id_ in assignment.texts("after"))
        workers = (doc.text("worker") for doc in before if doc is not None)
        running.after = tuple(worker for worker in workers if self.ends_by_itself(worker))
        running.assignment = assignment
        self._make(running)

    def _make(self, running: Running) -> None:
        """Make the worktree, once all that it starts from is committed."""
        assignment = running.assignment
        if assignment is None or any(run in self._runs for run in running.after):
            return
        running.assignment = None
        make = preparing.making(self.hub, running, assignment, self.base)
        self.jobs.ask(f"worktree {assignment.id}", make, lambda made: self._made(running, made))

    def _made(self, running: Running, made: object) -> None:
        """A worktree is there, or could not be made."""
        if running.phase is not Phase.PREPARING:
            return
        if isinstance(made, Worktree):
            running.worktree, running.branch = made, made.branch
            for note in made.notes:
                self.say("info", f"{running.id}: {note}")
            self._start(running)
        else:
            hint = f"; {made.hint}" if isinstance(made, ProjectError) else ""
            running.fail(f"its worktree could not be made: {made}{hint}")

    def _start(self, running: Running) -> None:
        """Start the wrapper; from now on it tells how the run goes."""
        lock = -1
        try:
            spec, running.command = preparing.spec_of(self.hub, running, self.base)
            own = [str(self.hub.layout.agent(running.agent) / folder) for folder in OWN]
            running.places = tuple(Path(place) for place in (spec.cwd, *own))
            if running.lease:
                lock = self.hub.liveness.hand_over(running.lease)
            running.wrapped = Wrapped.start(spec, lock if lock >= 0 else None)
        except (LeaseError, EngineError, ProjectError, OSError, ValueError) as error:
            running.fail(str(error))
            return
        finally:
            if lock >= 0:
                os.close(lock)
        running.phase, running.said = Phase.UP, time.monotonic()
        running.latest = running.said + spec.timeout + spec.grace + OVERDUE if spec.timeout else 0.0
        self._selector.register(running.wrapped, selectors.EVENT_READ, _nothing)
        if running.stop:
            running.wrapped.stop(running.stop)

    # a run goes on, and ends

    def _listen(self, running: Running, now: float) -> bool:
        wrapped, up = running.wrapped, running.pid > 0
        if wrapped is None or running.phase is not Phase.UP:
            return False
        for event in wrapped.events():
            running.hear(event, now)
        if running.latest and now > running.latest:
            # Its time is long over, and it has not said so: somebody has stopped the wrapper in its tracks.
            running.latest = 0.0
            with suppress(ProcessLookupError):
                os.kill(wrapped.pid, signal.SIGKILL)
        if running.ended:
            self._selector.unregister(wrapped)
            wrapped.close()
            if running.ended.get("reason") == "lost":
                self.jobs.ask(
                    running.tag, leftovers.clear_one(self.hub, running.run, self.base), self._cleared
                )
        return running.pid > 0 and not up

    def _waits(self, running: Running) -> bool:
        """Return whether what a run has left cannot be judged yet."""
        if self.jobs.busy(running.tag):
            return True
        settle = self.hub.state.settings.seconds("settle")
        return not self._alone(running) and time.monotonic() - running.over_at < settle

    def _alone(self, running: Running) -> bool:
        """Return whether nobody else writes into its agent's folders now: another run of the same agent."""
        return all(run.id == running.id for run in self.hub.state.runs(running.agent))

    def _finish(self, running: Running) -> None:
        """Go on with the end of a run, as far as that is possible now."""
        if running.phase is Phase.PREPARING:
            self._make(running)
        if running.phase is Phase.OVER:
            if self._waits(running):
                return
            clear_litter(preset_of(running.card), running.places)
            ending.hand_off_for(self.hub.layout, running)
            gather(self.hub, running.agent, whole=self._alone(running))
            running.phase = Phase.KEEPING if running.worktree is not None else Phase.ENDING
            if running.worktree is not None:
                key, act = f"worktree {running.worktree.record.stem}", ending.keeping(self.hub, running)
                self.jobs.ask(key, act, lambda kept: self._kept(running, kept))
        if running.phase is Phase.ENDING:
            self._end(running)

    def _kept(self, running: Running, kept: object) -> None:
        if isinstance(kept, BaseException):
            self.say("warning", f"{running.id}: its work could not be committed: {kept}")
        running.phase = Phase.ENDING

    def _end(self, running: Running) -> None:
        """Record how a run has ended. Its session is kept for the run that goes on with its assignment."""
        read = ending.read_logs(running)
        result = ending.result_of(running, read, self.base, self.typical(running.agent))
        self.hub.judge(ask("end", running.id, result=result))
        del self._runs[running.id]
        assignment = _assignment(self.hub.state.get(id_) for id_ in running.run.texts("on"))
        if read.session and assignment is not None and assignment.state == "input_required":
            self._sessions[running.agent, assignment.id] = ending.so_far(running, read)

    def _cleared(self, told: object) -> None:
        if isinstance(told, BaseException):
            self.say("warning", f"what a run left could not be ended: {told}")

    def _halt(self, running: Running, why: str) -> None:
        """Stop a run's process, or its beginning. Once is enough."""
        if running.stop:
            return
        running.stop = why
        if running.wrapped is not None:
            running.wrapped.stop(why)
        elif running.phase is Phase.PREPARING:
            self.jobs.ask(running.tag, leftovers.clear_one(self.hub, running.run, self.base), self._cleared)
            running.end({"reason": "stop"})


def _nothing() -> None:
    """Being woken is enough."""


def _assignment(documents: Iterable[Doc | None]) -> Doc | None:
    return next((d for d in documents if d is not None and d.kind is Kind.ASSIGNMENT), None)
