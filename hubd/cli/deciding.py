"""Commands that decide: approve, reject, review, recall, cancel, retry, reassign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hubd.cli import display
from hubd.cli.frame import Answer, Ended, Session, command
from hubd.cli.texts import sole

__all__ = ["COMMANDS"]


def _which(session: Session, do: str, given: str | None, note: str | None) -> tuple[str, str | None]:
    """The round that is meant, and the note: without a round, the only one that waits for the actor.

    What holds a space is no id: `hubctl approve "looks good"` is a note about the only round.
    """
    if given and note is None and any(c.isspace() for c in given):
        given, note = None, given
    if given:
        return str(session.find(given, "round", "agent", do=do)["id"]), note
    rows = [d for d in session.ask("inbox", agent=session.actor)["documents"] if do in d["next"]]
    nothing = f"nothing waits for {session.actor} to {do}"
    return str(sole(rows, nothing, f"{len(rows)} documents wait for {session.actor} to {do}")["id"]), note


def _plan(session: Session, shown: Answer) -> None:
    """Show what is about to be decided."""
    if session.json:
        return
    click.echo(display.paint(shown["id"], bold=True))
    click.echo(display.prose(shown["title"]))
    plan = shown["header"].get("assignments")
    items = [i for i in plan if isinstance(i, Mapping)] if isinstance(plan, list) else []
    rows = [(str(n), str(i.get("to", "")), _after(i), str(i.get("goal", ""))) for n, i in enumerate(items, 1)]
    if rows:
        click.echo(display.table(("#", "to", "after", "goal"), rows, give=3))
    if shown["body"].strip():
        click.echo()
        click.echo(display.clean(shown["body"].rstrip("\n")))
        click.echo()


def _after(item: Mapping[str, Any]) -> str:
    value = item.get("after", "")
    return value if isinstance(value, str) else ", ".join(map(str, value))


@command("approve", 'hubctl approve\nhubctl approve fix-login.r1 "go ahead"')
@click.argument("round_", metavar="[ROUND]", required=False)
@click.argument("note", required=False)
@click.option("--plan", metavar="HASH", help="The plan you have read; another one is then not approved.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask at a terminal.")
def approve(session: Session, round_: str | None, note: str | None, plan: str | None, yes: bool) -> None:
    """Approve a plan, or a proposed card.

    Without ROUND, the only one that waits for you. The approval binds the plan that is shown: if it is
    changed in that moment, nothing is approved.
    """
    id_, said = _which(session, "approve", round_, note)
    shown = session.show(id_)
    _plan(session, shown)
    if round_ is None and not yes and session.may_ask and not click.confirm("approve?"):
        raise Ended("nothing was approved", f'`hubctl reject {id_} "why"` gives it back', "declined")
    bound = plan or shown["header"].get("plan")
    told = session.act("approve", id_, plan=bound, note=said)
    lines = [f"{told['id']}: {display.state(told['state'])}" + (f" (plan {bound})" if bound else "")]
    if told["state"] == "awaiting_approval":
        lines.append("more approvals are needed")
    session.tell(told, *lines)


@command("reject", 'hubctl reject fix-login.r1 "split the second part"')
@click.argument("round_", metavar="[ROUND]", required=False)
@click.argument("note", required=False)
def reject(session: Session, round_: str | None, note: str | None) -> None:
    """Reject a plan, or a proposed card, and say why."""
    id_, said = _which(session, "reject", round_, note)
    told = session.act("reject", id_, note=said)
    session.tell(told, f"{told['id']}: {display.state(told['state'])}")


@command("review", 'hubctl review fix-login.r1 --verdict changes_requested --note "add a test"')
@click.argument("round_", metavar="[ROUND]", required=False)
@click.option(
    "--verdict",
    required=True,
    type=click.Choice(("approved", "changes_requested")),
    help="What the work is worth.",
)
@click.option("--note", metavar="TEXT", help="Why; what must change.")
def review(session: Session, round_: str | None, verdict: str, note: str | None) -> None:
    """Review a round whose work has ended.

    Without ROUND, the only one that waits for you.
    """
    id_, _ = _which(session, "review", round_, note)
    told = session.act("review", id_, verdict=verdict, note=note)
    session.tell(told, f"{told['id']}: {display.state(told['state'])}")


def _simple(name: str, kinds: tuple[str, ...], example: str, about: str) -> click.Command:
    def act(session: Session, id_: str, note: str | None) -> None:
        found = session.find(id_, *kinds, do=name)
        told = session.act(name, found["id"], note=note)
        session.tell(told, f"{told['id']}: {display.state(told['state'])}")

    act.__doc__ = about
    argument = click.argument("id_", metavar=kinds[0].upper() if len(kinds) == 1 else "ID")
    return command(name, example)(argument(click.argument("note", required=False)(act)))


recall = _simple(
    "recall", ("round",), 'hubctl recall fix-login.r1 "wrong branch"',
    "Take a plan or its approval back; work done is kept.",
)  # fmt: skip
cancel = _simple(
    "cancel", ("assignment", "question"), 'hubctl cancel fix-login.r1.a2 "done by hand"',
    "Cancel an assignment or question that is not wanted.",
)  # fmt: skip
retry = _simple(
    "retry", ("assignment",), "hubctl retry fix-login.r1.a1",
    "Try an assignment again that failed or was cancelled.",
)  # fmt: skip


@command("reassign", "hubctl reassign fix-login.r1.a1 --to frontend")
@click.argument("id_", metavar="ASSIGNMENT")
@click.option("--to", "agent", metavar="NAME", required=True, help="Who is to do it; may be any:CAPABILITY.")
@click.argument("note", required=False)
def reassign(session: Session, id_: str, agent: str, note: str | None) -> None:
    """Give an assignment to another agent."""
    found = session.find(id_, "assignment", do="reassign")
    told = session.act("reassign", found["id"], to=agent, note=note)
    session.tell(told, f"{told['id']}: {display.state(told['state'])}, for {agent}")


COMMANDS = (approve, reject, review, recall, cancel, retry, reassign)
