"""Commands that start and stop agents: start, stop, pause, resume.

Rule: a run cannot begin or end without hubd. Where none runs nothing is sent: it would happen at some later
time, when nobody expects it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from hubd.cli import display, standing
from hubd.cli.frame import Answer, Ended, Session, command
from hubd.cli.waiting import ended, live, need_daemon, until

__all__ = ["COMMANDS", "request_start"]

F = TypeVar("F", bound=Callable[..., Any])


def _wait(seconds: float, what: str) -> Callable[[F], F]:
    return click.option(
        "--wait", type=click.FloatRange(0), default=seconds, show_default=True, metavar="SECONDS",
        help=f"How long to wait {what}.",
    )  # fmt: skip


@command("start", "hubctl start backend\nhubctl start backend --for fix-login.r1.a1")
@click.argument("name")
@click.option("--for", "about", multiple=True, metavar="ID", help="What it is started for; may be repeated.")
@click.option("--note", metavar="TEXT", help="Why.")
@_wait(10.0, "until it is up")
def start(session: Session, name: str, about: tuple[str, ...], note: str | None, wait: float) -> None:
    """Start an agent now, whatever its launch policy says.

    Without --for it is started for what lies in its inbox and needs it, also what it was shown before.
    """
    told = request_start(session, name, [str(session.find(i)["id"]) for i in about], note)
    run = str(told["id"])
    row = _begun(session, name, run, wait)
    if row is None:
        header = ended(session, run)
        if header.get("outcome") != "done":
            raise _failed(run, name, header)
        told = {**told, "state": "ended", "agent": name, "up": False, "outcome": "done"}
        session.tell(told, f"{run}: ended already: {display.state('done')}")
        return
    told = {**told, "state": row["state"], "agent": name, "up": bool(row["up"]), "outcome": ""}
    what = ", ".join(row["on"])
    if row["up"]:
        session.tell(told, f"{run}: {name} is up" + (f", on {what}" if what else ""))
    else:
        session.tell(told, f"{run}: started, and not up yet", f"look again: `hubctl runs {run}`")


def request_start(session: Session, name: str, about: Iterable[str], note: str | None = None) -> Answer:
    """Ask the hub to start an agent; the answer's id is the run's. Ends the command where that cannot be."""
    session.outside_runs("start")
    need_daemon(session, "a run begins only under it")
    if session.ask("agents", agent=name)["agents"][0]["human"]:
        raise Ended(f"{name} is a person", "name an agent: `hubctl agent list`", "wrong-kind")
    return session.act("start", name, **{"for": tuple(about), "note": note})


def _begun(session: Session, agent: str, run: str, wait: float) -> Answer | None:
    """The run's row once it is up, or as it stands when the time is over; None if it has ended."""
    rows: list[Answer | None] = []

    def seen() -> bool:
        rows[:] = [live(session, agent).get(run)]
        return rows[0] is None or bool(rows[0]["up"])

    until(session, seen, wait)
    return rows[0]


def _failed(run: str, name: str, header: Mapping[str, Any]) -> Ended:
    outcome = str(header.get("outcome", ""))
    code = "not-started" if outcome == "not_started" else "run-failed"
    hint = f"`hubctl logs {run}` shows what it printed, `hubctl agent show {name}` what it lacks"
    said = f"{run} ended: {standing.how_it_ended(header)}"
    return Ended(said, hint, code, id=run, agent=name, outcome=outcome)


@command("stop", 'hubctl stop backend\nhubctl stop run-7f3k --note "wrong branch"\nhubctl stop --all')
@click.argument("which", metavar="[NAME|RUN]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every run; the orchestrator's last.")
@click.option("--note", metavar="TEXT", help="Why.")
@_wait(20.0, "until they have ended")
def stop(session: Session, which: str | None, everything: bool, note: str | None, wait: float) -> None:
    """Stop an agent's runs, or one run.

    With each the runs that it led to are stopped. What a stopped run held goes back to its agent's inbox,
    and is not started again by itself.
    """
    if bool(which) == everything:
        raise click.UsageError("name an agent or a run, or say --all")
    session.outside_runs("stop")
    need_daemon(session, "what still runs would be stopped only when it does")
    told = session.ask("agents")
    known = {run["id"]: {**run, "agent": row["name"]} for row in told["agents"] for run in row["runs"]}
    meant = _meant(session, which, known, [row["name"] for row in told["agents"]])
    last = str(told["orchestrator"])
    order = sorted(meant, key=lambda r: (r["agent"] == last, r["depth"], r["created"], r["id"]))
    asked: set[str] = set()
    for run in order:
        # Who stops a run stops what it led to: those have been asked already.
        if run["state"] == "started" and not _above(run, known) & asked:
            session.act("stop", run["id"], note=note)
            asked.add(run["id"])
    ids = [run["id"] for run in order]
    until(session, lambda: not live(session).keys() & set(ids), wait)
    rows = [_now(session, run) for run in order]
    session.tell({"schema": 1, "ok": True, "runs": rows}, *map(_line, rows))
    if not rows:
        session.say(f"{which} does not run" if which else "nobody runs")


def _meant(
    session: Session, which: str | None, known: Mapping[str, Answer], names: list[str]
) -> list[Answer]:
    if which is None:
        return list(known.values())
    if which in names:
        return [run for run in known.values() if run["agent"] == which]
    id_ = str(session.find(which, "run", do="stop")["id"])
    if id_ not in known:
        raise Ended(f"{id_} has ended already", f"`hubctl runs {id_}` shows how", "wrong-state")
    return [known[id_]]


def _above(run: Answer, known: Mapping[str, Answer]) -> set[str]:
    """The live runs that led to a run."""
    found: set[str] = set()
    while run["parent"] in known and run["parent"] not in found:
        found.add(run["parent"])
        run = known[run["parent"]]
    return found


def _now(session: Session, run: Answer) -> Answer:
    header = ended(session, run["id"])
    return {
        "id": run["id"], "agent": run["agent"], "on": run["on"], "state": str(header.get("state", "")),
        "outcome": str(header.get("outcome", "")),
    }  # fmt: skip


def _line(run: Answer) -> str:
    if run["state"] == "ended":
        return f"{run['id']}: {run['agent']} has ended: {display.state(run['outcome'])}"
    return f"{run['id']}: {run['agent']} is {display.state(run['state'])}; after its grace force ends it"


@command("pause", 'hubctl pause backend --note "too dear"')
@click.argument("agent", required=False)
@click.option("--note", metavar="TEXT", help="Why.")
def pause(session: Session, agent: str | None, note: str | None) -> None:
    """Say that an agent, or everyone, is not to be started.

    Runs that go on are left to end by themselves; `hubctl stop` ends them.
    """
    told = session.act("pause", agent or "hub", note=note)
    going = sorted(live(session, agent or "").values(), key=lambda r: r["created"])
    session.tell({**told, "runs": [run["id"] for run in going]}, f"{agent or 'every agent'}: paused")
    if going:
        shown = ", ".join(f"{run['id']} ({run['agent']})" for run in going[:3])
        shown, one = shown + (", …" if len(going) > 3 else ""), len(going) == 1
        how = f"`hubctl stop {agent or '--all'}`"
        session.say(f"{shown} {'goes' if one else 'go'} on; {how} ends {'it' if one else 'them'}")


@command("resume", "hubctl resume backend")
@click.argument("agent", required=False)
@click.option("--note", metavar="TEXT", help="Why.")
def resume(session: Session, agent: str | None, note: str | None) -> None:
    """Let an agent, or everyone, be started again.

    Whoever is started by itself is started for what waits; the others with `hubctl start`.
    """
    told = session.act("resume", agent or "hub", note=note)
    session.tell(told, f"{agent or 'every agent'}: resumed")


COMMANDS = (start, stop, pause, resume)
