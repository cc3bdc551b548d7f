"""Commands that make work: do, task, round."""

from __future__ import annotations

from typing import Any

import click

from hubd.cli import display
from hubd.cli.frame import Answer, Section, Session, command
from hubd.cli.texts import PlanCommand, body_options, plan_of, plan_options, read_text

__all__ = ["COMMANDS"]

_PRIORITY = click.option(
    "--priority", type=click.Choice(("low", "normal", "high", "urgent")), help="How pressing it is."
)


@command("do", 'hubctl do backend "Fix the login redirect"')
@click.argument("agent")
@click.argument("goal")
@_PRIORITY
@body_options
def do(
    session: Session, agent: str, goal: str, priority: str | None, body: str | None, body_file: str | None
) -> None:
    """Give one agent one goal: a task and its plan in one go.

    Where you approve here, it is approved by that.
    """
    plan = ({"to": agent, "goal": goal},)
    fields = {"title": goal, "priority": priority, "assignments": plan}
    _new_task(session, fields, read_text(body, body_file))


def _new_task(session: Session, fields: dict[str, Any], text: str) -> None:
    told = session.send("task", fields, text)
    if fields.get("assignments"):
        # Its round, and maybe that one's approval, followed at once: tell where it stands now.
        now = session.show(told["id"])
        told = {**told, "state": now["state"], "path": now["path"]}
    session.tell(told, f"{told['id']}: {display.state(told['state'])}", told["path"])
    if not session.json:
        _whose_turn(session, told)


def _whose_turn(session: Session, told: Answer) -> None:
    """Say what happens next to a task that was just made."""
    for row in session.ask("family", id=told["id"])["documents"]:
        who = f" for {row['to']}" if row.get("to") else ""
        click.echo(f"{row['id']}: {row['kind']}{who}, {display.state(row['state'])}")


@command("new", 'hubctl task new --title "Fix the login" --owner lead --body-file login.md', cls=PlanCommand)
@click.option("--title", required=True, metavar="TEXT", help="One line that says what is wanted.")
@click.option("--owner", metavar="NAME", help="Who plans it and reviews the work; you, if not given.")
@_PRIORITY
@plan_options
@body_options
def task_new(
    session: Session, title: str, owner: str | None, priority: str | None,
    body: str | None, body_file: str | None,
    assigns: tuple[tuple[str, str], ...], afters: tuple[str, ...], deadlines: tuple[str, ...],
) -> None:  # fmt: skip
    """Make a task. With --assign it carries its first plan."""
    plan = plan_of(assigns, afters, deadlines)
    fields = {"title": title, "owner": owner, "priority": priority, "assignments": plan}
    _new_task(session, fields, read_text(body, body_file))


@command("list", "hubctl task list")
def task_list(session: Session) -> None:
    """List the tasks that are not finished."""
    told = session.ask("tasks")
    now = display.today()
    rows = [
        (t["id"], t["state"], t["owner"], display.ago(t["created"], now), _parts(t), t["title"])
        for t in told["tasks"]
    ]
    table = display.table(("id", "state", "owner", "since", "work", "title"), rows, give=5, colour=1)
    session.tell(told, table if rows else "no task is live")


def _parts(task: Answer) -> str:
    done = task["assignments"].get("completed", 0)
    return f"{done}/{sum(task['assignments'].values())}" if task["assignments"] else ""


def _show_family(session: Session, id_: str, kind: str) -> None:
    told = session.ask("family", id=session.find(id_, kind)["id"])
    if session.json:
        session.tell(told)
        return
    click.echo(f"{display.paint(told['id'], bold=True)}  {told['kind']}, {display.state(told['state'])}")
    click.echo(display.prose(told["title"]))
    if told["body"].strip():
        click.echo()
        click.echo(display.clean(told["body"].rstrip("\n")))
    rows = [(d["id"], d["kind"], d["state"], d.get("to") or d["from"], d["title"]) for d in told["documents"]]
    if rows:
        click.echo()
        click.echo(display.table(("id", "kind", "state", "who", "what"), rows, give=4, colour=2))


@command("show", "hubctl task show fix-login")
@click.argument("id_", metavar="TASK")
def task_show(session: Session, id_: str) -> None:
    """Show a task with its rounds, assignments and handoffs."""
    _show_family(session, id_, "task")


@command("close", 'hubctl task close fix-login "not needed any more"')
@click.argument("id_", metavar="TASK")
@click.argument("note", required=False)
def task_close(session: Session, id_: str, note: str | None) -> None:
    """Close a task, from any state; everything under it ends, what was done is kept."""
    found = session.find(id_, "task", do="close")
    told = session.act("close", found["id"], note=note)
    session.tell(told, f"{told['id']}: {display.state(told['state'])}")


@command(
    "submit",
    'hubctl round submit fix-login --assign backend "Fix it" --assign any:review "Review" --after 1',
    cls=PlanCommand,
)
@click.argument("id_", metavar="TASK")
@plan_options
@body_options
def round_submit(
    session: Session, id_: str, body: str | None, body_file: str | None,
    assigns: tuple[tuple[str, str], ...], afters: tuple[str, ...], deadlines: tuple[str, ...],
) -> None:  # fmt: skip
    """Plan a round for a task: who does what, in which order. It then waits for approval."""
    if not assigns:
        raise click.UsageError('a round needs at least one --assign AGENT "GOAL"')
    found = session.find(id_, "task", do="plan")
    plan = plan_of(assigns, afters, deadlines)
    told = session.send("round", {"task": found["id"], "assignments": plan}, read_text(body, body_file))
    session.tell(told, f"{told['id']}: {display.state(told['state'])}", told["path"])


@command("show", "hubctl round show fix-login.r1")
@click.argument("id_", metavar="ROUND")
def round_show(session: Session, id_: str) -> None:
    """Show a round with its assignments and handoffs."""
    _show_family(session, id_, "round")


COMMANDS = (
    do,
    Section("task", "Tasks: what somebody wants done.", (task_new, task_list, task_show, task_close)),
    Section("round", "Rounds: one plan for a task.", (round_submit, round_show)),
)
