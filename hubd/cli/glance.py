"""hubctl status: the mailbox at a glance."""

from __future__ import annotations

from datetime import datetime

import click

from hubd.cli import display, standing
from hubd.cli.frame import Answer, Session, command

__all__ = ["COMMANDS", "ends"]


@command("status", "hubctl status")
def status(session: Session) -> None:
    """Show at a glance: hubd, what waits for whom, agents, leases."""
    told = session.ask("status")
    if session.json:
        session.tell(told)
        return
    now = display.today()
    click.echo(f"{display.paint('mailbox', bold=True)}  {display.clean(told['mailbox'])}")
    click.echo(f"{display.paint('hubd', bold=True)}     {_daemon(told)}")
    if told["trouble"]:
        click.echo(f"{display.paint('trouble', 'red')}  {display.line(told['trouble'])}")
    last = told["last_commit"]
    if last is not None:
        text = f"{display.ago(last['time'], now)}: {display.line(last['subject'])}"
        click.echo(f"{display.paint('last', bold=True)}     {text}")
    click.echo(f"{display.paint('live', bold=True)}     {_counts(told['counts'])}")
    _section("nothing waits for anybody", ("who", "id", "kind", "state", "since"), [
        (w["agent"], w["id"], w["kind"], w["state"], display.ago(w["created"], now)) for w in told["waits"]
    ], give=1, colour=3)  # fmt: skip
    more = sum(a["inbox"] for a in told["agents"]) - len(told["waits"])
    if more > 0:
        click.echo(f"and {more} more: `hubctl inbox AGENT`")
    head = ("agent", "state", "inbox", "waiting", "holds", "oldest", "today")
    _section("no agents yet", head, [_agent(a, now) for a in told["agents"]], give=5, colour=1)
    runs = standing.runs_of(told["agents"], now)
    if runs and told["daemon"] is not None:
        _section("", ("run", "agent", "on", "since", "quiet"), runs, give=2)
    _not_started(told)
    if told["leases"]:
        _section("no leases", ("key", "holder", "lease", "ends"), [
            (e["key"], e["holder"], str(e["lease"]), ends(e, now)) for e in told["leases"]
        ], give=0)  # fmt: skip


def _agent(agent: Answer, now: datetime) -> tuple[str, ...]:
    return (
        standing.name_of(agent), standing.state_of(agent),
        str(agent["inbox"]), str(agent["waiting"]), str(agent["holds"]),
        display.ago(agent["oldest"], now), "" if agent["human"] else standing.money(agent["cost_today"]),
    )  # fmt: skip


def _not_started(told: Answer) -> None:
    """Why somebody does not run who has something to do."""
    lines = standing.not_started(told["held"])
    if told["daemon"] is None and standing.orphaned(told["agents"]):
        lines.append(display.prose(standing.orphaned(told["agents"])))
    if lines:
        click.echo()
        click.echo("\n".join(lines))


def _daemon(told: Answer) -> str:
    if told["daemon"] is None:
        return "not running; the next command judges what is saved (start: `hubctl up`)"
    paused = "; launching is paused" if told["paused"] else ""
    return f"runs as process {told['daemon']['pid']} since {display.span(told['daemon']['uptime'])}{paused}"


def _counts(counts: dict[str, dict[str, int]]) -> str:
    parts = [f"{kind} {sum(by.values())}" for kind, by in counts.items()]
    return ", ".join(parts) or "nothing"


def _section(
    nothing: str, head: tuple[str, ...], rows: list[tuple[str, ...]], give: int, colour: int | None = None
) -> None:
    click.echo()
    click.echo(display.table(head, rows, give, colour) if rows else nothing)


def ends(lease: Answer, now: datetime) -> str:
    """When a lease ends, in words."""
    if lease["stopped"]:
        return "stands still"
    return display.ago(lease["expires"], now) if lease["expires"] else "never"


COMMANDS = (status,)
