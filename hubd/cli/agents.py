"""Commands about agents: agent list, agent show; cards.py: agent add, remove; trying.py: agent test."""

from __future__ import annotations

from typing import Any

import click

from hubd.cli import display, standing
from hubd.cli.cards import add, remove
from hubd.cli.frame import Answer, Section, Session, command
from hubd.cli.trying import try_out

__all__ = ["COMMANDS"]


@command("list", "hubctl agent list\nhubctl agent list --capability review")
@click.option("--capability", metavar="C", help="Only those that can do this.")
def list_(session: Session, capability: str | None) -> None:
    """List the agents and people of this mailbox, what they do and have to do."""
    told = session.ask("agents", **({"capability": capability} if capability else {}))
    now = display.today()
    rows = [
        (
            standing.name_of(a), standing.state_of(a), str(a["inbox"]), str(a["waiting"]), str(a["holds"]),
            display.ago(a["oldest"], now), ", ".join(a["capabilities"]),
        )
        for a in told["agents"]
    ]  # fmt: skip
    head = ("agent", "state", "inbox", "waiting", "holds", "oldest", "can")
    session.tell(told, display.table(head, rows, give=6, colour=1) if rows else f"nobody can {capability}")
    if not told["daemon"] and standing.orphaned(told["agents"]):
        session.say(display.prose(standing.orphaned(told["agents"])))


@command("show", "hubctl agent show backend")
@click.argument("name")
def show(session: Session, name: str) -> None:
    """Show an agent: its state, its health, its card, and what it has to do.

    Its health is looked at from here, with your own rights and PATH: hubd's may differ.
    """
    told = session.ask("agents", agent=name)
    row = told["agents"][0]
    card = session.show(f"card.{name}")
    checks = _health(card, row)
    told = {"schema": 1, **row, "header": card["header"], "body": card["body"], "health": checks}
    if session.json:
        session.tell(told)
        return
    _show_state(row, bool(session.client.ping()))
    for run in row["runs"]:
        what = ", ".join(filter(None, (display.state(run["state"]), *run["on"])))
        quiet = f", quiet for {standing.quiet(run)}" if run["up"] else ""
        click.echo(
            display.prose(f"{run['id']}: {what}, {display.ago(run['created'], display.today())}{quiet}")
        )
    for line in standing.not_started(row["held"]):
        click.echo(line)
    _show_health(checks)
    if card["body"].strip():
        click.echo()
        click.echo(display.clean(card["body"].rstrip("\n")))


def _show_state(row: Answer, daemon: bool) -> None:
    what = "a person" if row["human"] else f"an agent, {display.state(row['state'])}"
    click.echo(f"{display.paint(row['name'], bold=True)}  {what}, {row['path']}")
    if row["description"]:
        click.echo(display.prose(row["description"]))
    if row["capabilities"]:
        click.echo(f"can {', '.join(row['capabilities'])}")
    paused = ", paused" if row["paused"] else ""
    click.echo(f"inbox {row['inbox']}, waiting {row['waiting']}, holds {row['holds']}{paused}")
    if not row["human"]:
        launch = row["launch"] or "by others: its card has no command"
        click.echo(f"launch {launch}, today {standing.money(row['cost_today'])}")
    if not daemon and standing.orphaned([row]):
        click.echo(display.prose(standing.orphaned([row])))


def _health(card: Answer, row: Answer) -> list[dict[str, Any]]:
    """What this machine has of what an agent needs; nothing for whoever hubd never starts."""
    if row["human"] or not card["header"].get("command"):
        return []
    from hubd.launch.health import checks

    found = checks(card["header"], card["body"])
    return [{"name": c.name, "ok": c.ok, "said": c.said, "hint": c.hint} for c in found]


def _show_health(checks: list[dict[str, Any]]) -> None:
    if not checks:
        return
    click.echo()
    room = max(len(c["name"]) for c in checks)
    for check in checks:
        word = display.paint("ok", "green") + "  " if check["ok"] else display.paint("lack", "red")
        click.echo(f"{word}  {check['name'].ljust(room)}  {display.line(check['said'])}")
        if check["hint"] and not check["ok"]:
            click.echo(display.prose(f"hint: {check['hint']}"))


COMMANDS = (Section("agent", "Agents and people of this mailbox.", (list_, show, add, remove, try_out)),)
