"""Commands about agents: agent list, agent show, pause, resume."""

from __future__ import annotations

import click

from hubd.cli import display
from hubd.cli.frame import Section, Session, command
from hubd.cli.looking import agent_rows

__all__ = ["COMMANDS"]


@command("list", "hubctl agent list")
def list_(session: Session) -> None:
    """List the agents and people of this mailbox, and what they have to do."""
    told = session.ask("agents")
    head = ("agent", "inbox", "waiting", "holds", "oldest", "can")
    session.tell(told, display.table(head, agent_rows(told["agents"], display.today()), give=5))


@command("show", "hubctl agent show backend")
@click.argument("name")
def show(session: Session, name: str) -> None:
    """Show an agent: its card, and what it has to do."""
    row = session.ask("agents", agent=name)["agents"][0]
    card = session.show(f"card.{name}")
    told = {"schema": 1, **row, "header": card["header"], "body": card["body"]}
    if session.json:
        session.tell(told)
        return
    click.echo(
        f"{display.paint(name, bold=True)}  {'a person' if row['human'] else 'an agent'}, {row['path']}"
    )
    if row["capabilities"]:
        click.echo(f"can {', '.join(row['capabilities'])}")
    paused = ", paused" if row["paused"] else ""
    click.echo(f"inbox {row['inbox']}, waiting {row['waiting']}, holds {row['holds']}{paused}")
    if card["body"].strip():
        click.echo()
        click.echo(display.clean(card["body"].rstrip("\n")))


def _pausing(name: str, about: str) -> click.Command:
    def act(session: Session, agent: str | None, note: str | None) -> None:
        told = session.act(name, agent or "hub", note=note)
        session.tell(told, f"{agent or 'every agent'}: {name}d")

    act.__doc__ = about
    argument = click.argument("agent", required=False)
    return command(name, f"hubctl {name} backend")(
        argument(click.option("--note", metavar="TEXT", help="Why.")(act))
    )


pause = _pausing("pause", "Say that an agent, or everyone, is not to be started.")
resume = _pausing("resume", "Let an agent, or everyone, be started again.")

COMMANDS = (Section("agent", "Agents and people of this mailbox.", (list_, show)), pause, resume)
