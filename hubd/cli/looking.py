"""Commands that look: next, inbox, show, log, verify."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from hubd.cli import display
from hubd.cli.frame import REFUSED, Answer, Session, command
from hubd.cli.hints import commands
from hubd.client import Unreachable
from hubd.core.time import format_wall, parse_duration, parse_wall

__all__ = ["COMMANDS"]


@command("next", "hubctl next --as backend")
def next_(session: Session) -> None:
    """Show the first document that waits for you.

    Its path, what it is about, and the commands that can be used on it.
    """
    told = session.ask("inbox", agent=session.actor)
    rows = [d for d in told["documents"] if d["kind"] != "handoff"]
    first = rows[0] if rows else None
    if session.json:
        session.tell({"schema": 1, "agent": told["agent"], "document": first, "count": len(rows)})
        return
    if first is None:
        click.echo(f"nothing waits for {told['agent']}")
        return
    path = session.layout.path(first["path"])
    click.echo(display.clean(str(path)))
    click.echo(f"{first['kind']}, {display.state(first['state'])}")
    click.echo(display.prose(first["title"]))
    for text in commands(first):
        click.echo(f"  {text}")
    if len(rows) > 1:
        click.echo(f"{len(rows) - 1} more: `hubctl inbox`")


@command("inbox", "hubctl inbox backend")
@click.argument("agent", required=False)
@click.option("--waiting", is_flag=True, help="What waits for somebody else instead.")
def inbox(session: Session, agent: str | None, waiting: bool) -> None:
    """List what an agent must act on, oldest first."""
    told = session.ask("inbox", agent=agent or session.actor, waiting=waiting)
    now = display.today()
    rows = [
        (d["id"], d["kind"], d["state"], d["from"], display.ago(d["created"], now), d["title"])
        for d in told["documents"]
    ]
    nothing = f"{told['agent']} waits for nothing" if waiting else f"nothing waits for {told['agent']}"
    table = display.table(("id", "kind", "state", "from", "since", "title"), rows, give=5, colour=2)
    session.tell(told, table if rows else nothing)
    if told["more"]:
        session.say(f"and {told['more']} more, newer ones")


@command("show", "hubctl show fix-login\nhubctl show fix-login.r1.a1 --json")
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="The author's text alone, as it is.")
def show(session: Session, id_: str, raw: bool) -> None:
    """Show a document, live or archived, and what can be done."""
    told = session.show(id_)
    if session.json:
        session.tell(told)
        return
    if raw:
        click.echo(display.clean(told["body"]), nl=False)
        return
    click.echo(f"{display.paint(told['id'], bold=True)}  {told['kind']}, {display.state(told['state'])}")
    click.echo(display.clean(told["path"]))
    click.echo()
    shown = {k: v for k, v in told["header"].items() if k not in ("id", "kind", "state", "outbox", "rev")}
    room = max((len(k) for k in shown), default=0)
    for key, value in shown.items():
        click.echo(f"{key.ljust(room)}  {_value(value, room)}")
    for text in (told["block"], told["body"]):
        if text.strip():
            click.echo()
            click.echo(display.clean(text.rstrip("\n")))
    if told["next"]:
        click.echo()
        click.echo(f"you can: {', '.join(told['next'])}")
        for how in commands(told):
            click.echo(f"  {how}")


def _value(value: Any, room: int) -> str:
    if isinstance(value, str):
        lines = display.clean(value.replace("\r\n", "\n")).split("\n")
        return f"\n{' ' * (room + 2)}".join(lines)
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_value(v, room)}" for k, v in value.items())
    plain = all(isinstance(v, str) for v in value)
    gap = ", " if plain else f"\n{' ' * (room + 2)}"
    return gap.join(_value(v, room) for v in value)


@command("log", "hubctl log fix-login\nhubctl log --agent backend --since 2h")
@click.argument("id_", metavar="[ID]", required=False)
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--id", "of", metavar="ID", help="Only this document and what belongs to it.")
@click.option("--agent", metavar="NAME", help="Only what this agent did.")
@click.option("--kind", metavar="KIND", help="Only this kind of document.")
@click.option("--since", metavar="WHEN", help="Not older: a duration (2h) or a time.")
@click.option("--until", metavar="WHEN", help="Not newer: a duration (2h) or a time.")
@click.option("--upkeep", is_flag=True, help="Also receipts and renewals of leases.")
def log(session: Session, id_: str | None, of: str | None, limit: int, **filters: Any) -> None:
    """Show what happened, newest first: a line a commit."""
    if id_ and of:
        raise click.UsageError("the document is named twice")
    args = {key: value for key, value in filters.items() if value}
    for key in ("since", "until"):
        if key in args:
            args[key] = _time(str(args[key]), f"--{key}")
    if id_ or of:
        args["id"] = session.find(str(id_ or of))["id"]
    told = session.ask("log", limit=limit, **args)
    now = display.today()
    rows = [
        (str(t["seq"]), display.ago(t["time"], now).removesuffix(" ago"), t["actor"], *_step(t))
        for t in told["transitions"]
    ]
    table = display.table(("seq", "ago", "who", "document", "step"), rows, give=3)
    session.tell(told, table if rows else "nothing happened that is asked for")
    if told.get("more") and len(rows) < limit:
        session.say("older history was not looked at; a filter such as --id or --since looks at all of it")


def _step(row: Answer) -> tuple[str, str]:
    if row["refused"]:
        return str(row["source"]).rpartition("/")[2], f"refused: {row['refused']}"
    return str(row["document"]), f"{row['from']} -> {row['to']}"


def _time(text: str, option: str) -> str:
    seconds = parse_duration(text)
    if seconds is not None:
        return format_wall(display.today() - timedelta(seconds=seconds))
    when = parse_wall(text) or parse_wall(f"{text}T00:00:00Z")
    if when is None:
        raise click.UsageError(f"{option} is a duration such as 2h, or a time such as 2026-11-21T10:00:00Z")
    return format_wall(when)


@command("verify", "hubctl verify\nhubctl verify path/to/clone --anchor 1f2e3d4")
@click.argument("path", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rev", metavar="COMMIT", help="Verify up to this commit instead of the tip.")
@click.option(
    "--anchor", metavar="COMMIT", help="A commit that must be in the history: a pushed or signed tip."
)
def verify(session: Session, path: Path | None, rev: str | None, anchor: str | None) -> int:
    """Check the whole history, and name the first illegal commit.

    A checker of its own replays every step. It needs no daemon and no mailbox, only a clone. A history that
    was rewritten consistently from its first commit is found out only with --anchor.
    """
    from hubd.verify import NoLedger
    from hubd.verify import verify as check

    root = path or session.layout.root
    try:
        result = check(root, rev=rev, anchor=anchor)
    except NoLedger as error:
        raise Unreachable(str(error), error.hint, "no-ledger") from error
    told = result.as_json()
    if result.ok:
        session.tell(told, f"ok: {result.commits} commits, {result.transitions} transitions, all legal")
        return 0
    bad = told["first_bad"]
    where = (
        f"commit {bad['commit']} (number {bad['seq']})" if bad["commit"] else f"after number {bad['seq'] - 1}"
    )
    session.tell(told, f"not legal: {where}: {display.line(bad['reason'])}")
    return REFUSED


COMMANDS = (next_, inbox, show, log, verify)
