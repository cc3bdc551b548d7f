"""Commands that look at runs: runs, stats."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import ceil

import click

from hubd.cli import display, standing
from hubd.cli.attaching import folder_of, show_log
from hubd.cli.frame import Answer, Ended, Session, command
from hubd.cli.waiting import live
from hubd.core.time import format_duration

__all__ = ["COMMANDS"]


@command("runs", "hubctl runs --agent backend\nhubctl runs --tree\nhubctl runs run-7f3k --prompt")
@click.argument("id_", metavar="[RUN]", required=False)
@click.option("--agent", metavar="NAME", help="Only this agent's.")
@click.option("--task", metavar="ID", help="Only those for this task, or for what belongs to it.")
@click.option("--tree", is_flag=True, help="Each under the run that led to it.")
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--prompt", is_flag=True, help="What this run was told.")
@click.option("--output", is_flag=True, help="What this run printed.")
@click.option("--replay", is_flag=True, help="What this run showed on its terminal, as it went.")
@click.option(
    "--speed", type=click.FloatRange(0), default=1.0, metavar="N", help="Replay so many times as fast."
)
def runs(
    session: Session, id_: str | None, agent: str | None, task: str | None, tree: bool, limit: int,
    prompt: bool, output: bool, replay: bool, speed: float,
) -> None:  # fmt: skip
    """List runs, newest first, or show one.

    Of one run: how it went; with --prompt what it was told, with --output or --replay what it printed.
    """
    if prompt + output + replay > 1:
        raise click.UsageError("use one of --prompt, --output and --replay")
    if id_ is None:
        if prompt or output or replay:
            raise click.UsageError("name a run: `hubctl runs RUN --prompt`")
        _list(session, agent, task, tree, limit)
        return
    run = str(session.find(id_, "run")["id"])
    if prompt:
        _prompt(session, run)
    elif output:
        show_log(session, run)
    elif replay:
        _replay(session, run, speed)
    else:
        _one(session, run)


def _list(session: Session, agent: str | None, task: str | None, tree: bool, limit: int) -> None:
    asked = {"agent": agent, "task": session.find(task)["id"] if task else None}
    told = session.ask("runs", limit=limit, tree=tree, **{k: v for k, v in asked.items() if v})
    now = display.today()
    found = _as_tree(told["runs"]) if tree else [("", row) for row in told["runs"]]
    rows = [
        (
            before + row["id"], row["agent"], row["outcome"] or row["state"],
            display.ago(row["created"], now), _span(row["seconds"]),
            standing.money(row["cost_usd"]), ", ".join(row["on"]),
        )
        for before, row in found
    ]  # fmt: skip
    head = ("run", "agent", "state", "began", "took", "cost", "on")
    session.tell(told, display.table(head, rows, give=6, colour=2) if rows else "nobody has run yet")


def _as_tree(rows: Sequence[Answer]) -> list[tuple[str, Answer]]:
    """Rows, each below the one that led to it, with what is to stand before its id."""
    known = {row["id"] for row in rows}
    below: dict[str, list[Answer]] = {}
    for row in rows:
        below.setdefault(row["parent"] if row["parent"] in known else "", []).append(row)
    out: list[tuple[str, Answer]] = []
    left = [(0, row) for row in reversed(below.get("", []))]
    while left:
        depth, row = left.pop()
        out.append(("· " * (depth - 1) + "└ " if depth else "", row))
        left += [(depth + 1, child) for child in reversed(below.get(row["id"], []))]
    return out


def _one(session: Session, run: str) -> None:
    shown = session.show(run)
    header = shown["header"]
    going = live(session).get(run, {})
    if session.json:
        session.tell({**shown, **{key: going.get(key) for key in ("up", "pid", "quiet", "stuck")}})
        return
    ended = header.get("state") == "ended"
    how = header.get("outcome", "") if ended else header.get("state", "")
    quiet = f", quiet for {standing.quiet(going)}" if going and going["up"] else ""
    click.echo(f"{display.paint(run, bold=True)}  {header.get('agent', '')}, {display.state(how)}{quiet}")
    for name, text in _lines(header):
        click.echo(f"{name.ljust(8)}  {text}")
    note = str(header.get("note", "")).strip("\n")
    if note:
        click.echo()
        click.echo(display.clean(note))
    click.echo()
    click.echo(f"what it was told: hubctl runs {run} --prompt")
    click.echo(f"what it printed:  hubctl logs {'' if ended else '-f '}{run}")


def _lines(header: Answer) -> list[tuple[str, str]]:
    """What is known of a run, a line each."""
    now = display.today()
    took = f", took {display.span(float(header['seconds']))}" if header.get("seconds") else ""
    counted = {"read": header.get("input_tokens"), "written": header.get("output_tokens")}
    tokens = " and ".join(f"{count} {word}" for word, count in counted.items() if count)
    cost = [standing.money(header["cost_usd"])] if header.get("cost_usd") else []
    cost += [f"{header['turns']} turns"] if header.get("turns") else []
    cost += [f"tokens: {tokens}"] if tokens else []
    found = [
        ("for", _many(header.get("on"))),
        ("began", f"{display.ago(header.get('created', ''), now)}{took}"),
        ("after", header.get("parent", "")),
        ("as", ", ".join(filter(None, (header.get("runtime"), header.get("command"))))),
        ("said", header.get("status", "")),
        ("exit", header.get("exit", "")),
        ("cost", ", ".join(cost)),
        ("session", header.get("session", "")),
        ("denied", _many(header.get("denied"))),
        ("branch", header.get("branch", "")),
        ("lease", header.get("lease", "")),
    ]
    return [(name, display.line(str(text))) for name, text in found if text]


def _many(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _prompt(session: Session, run: str) -> None:
    path = folder_of(session, run) / "prompt.md"
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise Ended(f"{run} was never told anything", f"`hubctl runs {run}` shows why", "not-kept") from None
    session.tell({"schema": 1, "ok": True, "id": run, "path": str(path), "text": display.clean(text)})
    session.say(display.clean(text.rstrip("\n")))


def _replay(session: Session, run: str, speed: float) -> None:
    path = folder_of(session, run) / "terminal.cast"
    if not path.is_file():
        raise Ended(f"{run} had no terminal", f"`hubctl logs {run}` shows what it printed", "no-terminal")
    session.client.rest()
    from hubd.launch.replaying import replay, size

    if session.json:
        columns, rows = size(path) or (0, 0)
        session.tell(
            {"schema": 1, "ok": True, "id": run, "path": str(path), "columns": columns, "rows": rows}
        )
        return
    sys.stdout.flush()
    replay(path, sys.stdout.fileno(), speed)


@command("stats", "hubctl stats\nhubctl stats --agent backend --days 30")
@click.option("--agent", metavar="NAME", help="Only this agent's.")
@click.option("--days", type=click.IntRange(1), default=7, show_default=True, help="How far back.")
def stats(session: Session, agent: str | None, days: int) -> None:
    """Show how runs went, and what they cost."""
    told = session.ask("stats", days=days, **({"agent": agent} if agent else {}))
    limits = {row["name"]: row["timeout"] for row in session.ask("agents")["agents"]}
    hints = [
        hint for name, row in told["agents"].items() if (hint := _too_short(name, row, limits.get(name)))
    ]
    session.tell({**told, "hints": hints})
    if session.json:
        return
    head = ("agent", "runs", "median", "p90", "cost", "ended")
    rows = [
        (
            name, str(row["runs"]), _span(row["median_seconds"]), _span(row["p90_seconds"]),
            standing.money(row["cost_usd"]), _counts(row["outcomes"]),
        )
        for name, row in told["agents"].items()
    ]  # fmt: skip
    click.echo(display.table(head, rows, give=5) if rows else f"no run has ended in {days} days")
    for name, row in told["agents"].items():
        if row["failures"]:
            causes = "; ".join(f"{cause} ({count})" for cause, count in row["failures"].items())
            click.echo(display.prose(f"why {name} failed: {causes}"))
    for hint in hints:
        click.echo(display.prose(f"hint: {hint}"))


def _too_short(name: str, row: Answer, limit: float | None) -> str:
    """What to do where the timeout ends runs that would have gone well."""
    p90 = row["p90_seconds"]
    if limit is None or p90 is None or limit > p90:
        return ""
    timeout = f"`timeout: {format_duration(max(60, ceil(p90 * 1.5 / 60) * 60))}`"
    took = f"one run of {name} in ten takes {_span(p90)} or longer, and its timeout is {_span(limit)}"
    return f"{took}: give it more, such as {timeout} in cards/{name}.md, or less at once"


def _span(seconds: float | None) -> str:
    return "" if seconds is None else display.span(seconds)


def _counts(counts: Answer) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items())


COMMANDS = (runs, stats)
