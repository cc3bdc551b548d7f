"""hubctl agent test: one real task for one agent, from the plan to the handoff.

Guarantee: whatever comes of it, also when it is interrupted, the task is closed, and a run that was started
for it here does not go on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from hubd.cli import display, standing
from hubd.cli.frame import Answer, Ended, Session, command
from hubd.cli.starting import request_start
from hubd.cli.waiting import live, need_daemon, until
from hubd.client import Unreachable
from hubd.core.model import Kind
from hubd.core.scalar import Value
from hubd.core.time import parse_duration
from hubd.core.transition import is_final

__all__ = ["try_out"]

GOAL = "Say that you are there"
BODY = """This is a test of {name}, asked for by a person who waits for it. Change no file of the project.

Hand this assignment off with `outcome: done` and a `summary:` of one line that names the folder you work in.
"""
_LINGER = 10.0  # seconds that a run is given to end by itself after its handoff
_PASSING = ("no-slot", "orchestrator-first", "too-many-held")  # these pass without anybody's doing
_EVERY = 0.25


@command("test", 'hubctl agent test backend\nhubctl agent test backend "Count the tests" --timeout 5m')
@click.argument("name")
@click.argument("goal", metavar='["TASK"]', required=False)
@click.option("--timeout", default="10m", show_default=True, metavar="DURATION", help="How long it may take.")
def try_out(session: Session, name: str, goal: str | None, timeout: str) -> None:
    """Send an agent one real task, and wait for its handoff.

    Done only if a handoff with outcome done comes back; the task is closed afterwards.
    """
    session.outside_runs("agent test")
    patience = parse_duration(timeout)
    if not patience:
        raise click.UsageError("--timeout is a duration, such as 90s or 10m")
    need_daemon(session, "it is hubd that starts agents")
    card = session.show(f"card.{name}")["header"] if _is_agent(session, name) else {}
    if not card.get("command"):
        hint = f"`hubctl agent add {name} --force --preset claude --directory DIR`, or start it yourself"
        raise Ended(f"{name} has no command, so hubd cannot start it", hint, "no-command")
    manual = card.get("launch", "manual") == "manual"
    trial = _Trial(session, name, time.monotonic() + patience, timeout, manual)
    try:
        trial.send(goal or GOAL, "" if goal else BODY.format(name=name))
        trial.await_approval()
        trial.begin()
        trial.await_handoff()
        trial.await_end()
    finally:
        trial.clean_up()
    trial.tell()


def _is_agent(session: Session, name: str) -> bool:
    return not session.ask("agents", agent=name)["agents"][0]["human"]


@dataclass(slots=True)
class _Trial:
    """One test while it goes on."""

    session: Session
    name: str
    deadline: float
    timeout: str
    manual: bool
    task: str = ""
    run: str = ""
    begun: bool = False
    assignment: Mapping[str, Any] = field(default_factory=dict)
    handoff: Mapping[str, Any] = field(default_factory=dict)
    ended: Mapping[str, Any] = field(default_factory=dict)
    _shown: str = ""
    _began: float = field(default_factory=time.monotonic)

    @property
    def item(self) -> str:
        return f"{self.task}.r1.a1"

    @property
    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    # the steps

    def send(self, goal: str, body: str) -> None:
        plan: tuple[Value, ...] = ({"to": self.name, "goal": goal},)
        fields: dict[str, Value | None] = {"title": f"Test of {self.name}: {goal}"[:500], "assignments": plan}
        self.task = str(self.session.send("task", fields, body)["id"])

    def await_approval(self) -> None:
        """A plan by who may approve here is approved by that; else somebody must tick it."""
        round_ = f"{self.task}.r1"
        shown = self.session.show(round_)
        if shown["state"] == "awaiting_approval":
            how = f"tick it in {shown['path']}, or `hubctl approve {round_}`"
            self._say(f"{round_} waits for approval: {how}")
            if not self._until(lambda: self.session.show(round_)["state"] != "awaiting_approval"):
                hint = f"tick {shown['path']}, or let the author approve: `self_approval: allow` in hub.yaml"
                raise self._failed(f"nobody approved {round_} within {self.timeout}", hint, "not-approved")
            shown = self.session.show(round_)
        if shown["state"] not in ("dispatched", "awaiting_review"):
            what = f"{round_} was not approved: it is {shown['state']}"
            raise self._failed(what, f"`hubctl show {round_}`", "not-approved")

    def begin(self) -> None:
        """Start the agent, where nothing else does: a run in a terminal is told of what is new."""
        going = live(self.session, self.name).values()
        if self.manual and not any(run["runtime"] == "pty" for run in going):
            self.run = str(request_start(self.session, self.name, [self.item], "a test")["id"])
            self.begun = True

    def await_handoff(self) -> None:
        """Wait until the assignment has ended, or the run that was started for it."""
        in_time = self._until(self._over)
        hint = f"`hubctl logs {self.run or self.name}` shows what it printed"
        if not in_time:
            what = f"{self.name} did not hand off within {self.timeout}"
            raise self._failed(what, f"{hint}; `--timeout` gives it more time", "timeout")
        if not self.handoff:
            raise self._failed(self._why(), hint, "no-handoff")

    def await_end(self) -> None:
        """Give the run time to end by itself: how it ended is a part of the answer."""
        if self.run and not self._look_at_run():
            self._progress("waits for the end of its run")
            until(self.session, self._look_at_run, min(_LINGER, self.left))

    def clean_up(self) -> None:
        """Close the task, and stop what was started for it here and has not ended."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
        try:
            if self.task and not is_final(Kind.TASK, self.session.show(self.task)["state"]):
                self.session.act("close", self.task, note="the test is over")
            if self.begun and live(self.session, self.name).get(self.run, {}).get("state") == "started":
                self.session.act("stop", self.run, note="the test is over")
        except (Ended, Unreachable) as error:
            click.echo(f"hubctl: {self.task} could not be closed: {error}", err=True)

    def tell(self) -> None:
        """The answer; anything but a handoff that says done is a failure."""
        header = self.handoff["header"]
        outcome = str(header.get("outcome", ""))
        told = {"schema": 1, "ok": True, **self._facts(), "outcome": outcome}
        if outcome != "done":
            what = f"{self.name} handed off with outcome {outcome}: {header.get('summary', '')}"
            raise self._failed(what, f"`hubctl show {self.handoff['id']}`", "not-done")
        lines = [f"{self.handoff['id']}: {display.state('done')}"]
        lines.append(display.prose(str(header.get("summary", ""))))
        if self.handoff["body"].strip():
            lines += ["", display.clean(self.handoff["body"].rstrip("\n")), ""]
        self.session.tell(told, *lines, self._run_line())

    # looking

    def _over(self) -> bool:
        # Asked first: what a run saved is judged before its end is, so that its handoff is seen below.
        ended = bool(self.run) and self._look_at_run()
        family = self.session.ask("family", id=self.task)["documents"]
        row = next((d for d in family if d["id"] == self.item), None)
        self.assignment = row or {}
        handoff = next((d for d in family if d["id"].startswith(f"{self.item}.h")), None)
        agent = self.session.ask("agents", agent=self.name)["agents"][0]
        mine = [run for run in agent["runs"] if self.item in run["on"]]
        self.run = self.run or (mine[0]["id"] if mine else "")
        if handoff is not None:
            self.handoff = self.session.show(handoff["id"])
            self.run = self.run or str(self.handoff["header"].get("run", ""))
            return True
        if row is None or is_final(Kind.ASSIGNMENT, row["state"]):
            return True
        if ended:
            return True
        self._hear(agent, mine)
        return False

    def _hear(self, agent: Answer, mine: list[Answer]) -> None:
        """Say how it goes; end the test where nobody will be started without somebody's doing."""
        why = next((h for h in agent["held"] if not self.run and h["code"] not in _PASSING), None)
        if why is not None:
            what = f"{self.name} was not started: {why['message']}"
            raise self._failed(what, str(why["hint"]), str(why["code"]))
        if mine:
            how = f"works, quiet for {standing.quiet(mine[0])}" if mine[0]["up"] else "begins"
            what = f"{mine[0]['id']} {how}"
        else:
            what = "waits to be started"
        self._progress(what)

    def _look_at_run(self) -> bool:
        """Whether the run has ended; then its header is kept."""
        shown = self.session.show(self.run)
        if shown["state"] == "ended":
            self.ended = shown["header"]
        return bool(self.ended)

    def _until(self, holds: Any) -> bool:
        while not holds():
            if not self.left:
                return False
            self.session.client.rest()
            time.sleep(min(_EVERY, self.left))
        return True

    # saying

    def _why(self) -> str:
        if self.assignment.get("state") == "input_required":
            return f"{self.name} asked something instead of handing off: a test is answered by nobody"
        if self.ended:
            return f"{self.name} did not hand off; {self.run} ended: {standing.how_it_ended(self.ended)}"
        state = self.assignment.get("state", "gone")
        note = str(self.assignment.get("note", "")).strip()
        why = f": {note.splitlines()[0]}" if note else ""
        return f"{self.name} did not hand off; the assignment is {state}{why}"

    def _facts(self) -> dict[str, Any]:
        return {
            "agent": self.name, "task": self.task, "assignment": self.item,
            "handoff": dict(self.handoff), "run": {"id": self.run, **self.ended},
        }  # fmt: skip

    def _failed(self, what: str, hint: str, code: str) -> Ended:
        return Ended(what, hint, code, **self._facts())

    def _run_line(self) -> str:
        if not self.run:
            return "no run of hubd's did it"
        if not self.ended:
            return f"{self.run}: not ended yet (`hubctl runs {self.run}`)"
        parts = [str(self.ended.get("outcome", ""))]
        if self.ended.get("seconds"):
            parts.append(display.span(float(self.ended["seconds"])))
        if self.ended.get("cost_usd"):
            parts.append(standing.money(self.ended["cost_usd"]))
        return f"{self.run}: {', '.join(parts)}"

    def _say(self, text: str) -> None:
        if not self.session.json:
            click.echo(display.line(text), err=True)

    @property
    def _terminal(self) -> bool:
        return not self.session.json and sys.stderr.isatty()

    def _progress(self, what: str) -> None:
        """One line on a terminal, written over and over; elsewhere nothing."""
        if self._terminal:
            text = f"{self.item}: {what} ({display.span(time.monotonic() - self._began)})"
            self._shown = display.cut(display.line(text), display.width() - 1)
            click.echo(f"\r\x1b[K{self._shown}", err=True, nl=False)
