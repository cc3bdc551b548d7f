"""Commands beside a run that goes on: attach, logs.

Guarantee: `logs` lets nothing act on the terminal that a run printed, unless that is asked for (`--raw`).
Not promised for `attach`: a terminal that shows another one does what that one is told.
"""

from __future__ import annotations

import codecs
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from hubd.cli import display
from hubd.cli.frame import Ended, Session, command
from hubd.cli.waiting import live, pauses

__all__ = ["COMMANDS", "folder_of", "run_of", "show_log"]

_CHUNK = 1 << 16
_LINE = 1 << 16  # characters after which a line is shown without waiting for its end
_LOOK = 0.5  # seconds between two questions whether a followed run has ended
_LOGS = ("stdout.log", "terminal.log")


def run_of(session: Session, which: str) -> str:
    """The run that is meant: by a prefix of its id, or by its agent's name the newest one."""
    names = {row["name"] for row in session.ask("agents")["agents"]}
    if which not in names:
        return str(session.find(which, "run")["id"])
    going = list(live(session, which))
    if going:
        return going[-1]
    rows = session.ask("runs", agent=which, limit=1)["runs"]
    if not rows:
        raise Ended(f"{which} has not run yet", f"`hubctl start {which}` starts it", "unknown-id")
    return str(rows[0]["id"])


def folder_of(session: Session, run: str) -> Path:
    """Where what a run printed lies."""
    folder = session.layout.runs / run
    if not folder.is_dir():
        hint = "it is kept for `runs_days` (hub.yaml), on the machine that it ran on"
        raise Ended(f"nothing is kept of what {run} printed", hint, "not-kept")
    return folder


@command("attach", 'hubctl attach backend\nhubctl attach run-7f3k --send "yes"')
@click.argument("which", metavar="NAME|RUN")
@click.option("--send", "text", metavar="TEXT", help="Type this, and Enter, and stay outside.")
@click.option("--no-enter", is_flag=True, help="Without the Enter.")
@click.option(
    "--detach-key", "leave", metavar="KEY", default="ctrl-]", show_default=True, help="What leaves it."
)
def attach(session: Session, which: str, text: str | None, no_enter: bool, leave: str) -> None:
    """Sit at the terminal of a run.

    Several may; the run goes on when they leave. One without a terminal of its own (`runtime: pty` in the
    card gives it one) can be watched so, and takes nothing that is typed.
    """
    session.outside_runs("attach")
    from hubd.launch import attach as terminal

    try:
        key = terminal.key(leave)
    except ValueError as error:
        raise click.UsageError(f"--detach-key: {error}") from error
    if text is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = "`hubctl attach RUN --send TEXT` types, `hubctl logs -f RUN` watches"
        raise Ended("attach needs a terminal here", hint, "no-terminal")
    run = run_of(session, which)
    if session.show(run)["state"] == "ended":
        raise Ended(f"{run} has ended", f"`hubctl logs {run}` shows what it printed", "wrong-state")
    folder = folder_of(session, run)
    session.client.rest()
    try:
        if text is not None:
            terminal.send(folder, text if no_enter else f"{text}\r")
            session.tell({"schema": 1, "ok": True, "id": run, "sent": text}, f"{run}: sent")
            return
        click.echo(f"{run}: {leave} leaves it", err=True)
        left = terminal.attach(folder, sys.stdin.fileno(), sys.stdout.fileno(), key)
    except terminal.NotAttached as error:
        raise Ended(f"{run}: {error.what}", error.hint, "not-attached") from error
    goes_on = "it goes on" if left.why == "detached" else f"it has ended: `hubctl runs {run}`"
    session.tell({"schema": 1, "ok": True, "id": run, "left": left.why}, f"{run}: {goes_on}")


@command("logs", "hubctl logs backend\nhubctl logs -f run-7f3k --stderr")
@click.argument("which", metavar="NAME|RUN")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--stderr", "errors", is_flag=True, help="What it wrote to standard error.")
@click.option("--raw", is_flag=True, help="As it is, with everything that acts on a terminal.")
def logs(session: Session, which: str, follow: bool, errors: bool, raw: bool) -> None:
    """Show what a run printed, or prints.

    Of an agent it is the newest run. Escape sequences are taken out, and on a terminal all but colours.
    """
    show_log(session, run_of(session, which), follow, errors, raw)


def show_log(
    session: Session, run: str, follow: bool = False, errors: bool = False, raw: bool = False
) -> None:
    """Show what a run printed."""
    folder = folder_of(session, run)
    path = _log(folder, errors)
    if session.json:
        data = path.read_bytes() if path is not None else b""
        text = display.printed(data.decode("utf-8", "surrogateescape"))
        session.tell({"schema": 1, "ok": True, "id": run, "path": str(path or ""), "text": text})
        return
    chunks = _following(session, run, folder, errors) if follow else _whole(path)
    if raw:
        for data in chunks:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
    else:
        _show(chunks)
    other = _log(folder, not errors)
    if path is not None and not path.stat().st_size and other is not None and other.stat().st_size:
        where = f"hubctl logs {run}" if errors else f"hubctl logs {run} --stderr"
        click.echo(f"hubctl: nothing was written here; look at `{where}`", err=True)


def _log(folder: Path, errors: bool) -> Path | None:
    names = ("stderr.log",) if errors else _LOGS
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _whole(path: Path | None) -> Iterator[bytes]:
    if path is None:
        return
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            yield data


def _following(session: Session, run: str, folder: Path, errors: bool) -> Iterator[bytes]:
    """A log as it grows, until its run has ended."""
    from hubd.launch.capping import Tail

    tails = [Tail(folder / name) for name in (("stderr.log",) if errors else _LOGS)]
    over, asked = False, time.monotonic()
    for pause in pauses():
        for tail in tails:
            while data := tail.take():
                yield data
        if over:
            for tail in tails:
                tail.close()
            return
        if time.monotonic() - asked >= _LOOK:
            # What it printed last is read after its end is known.
            over, asked = session.show(run)["state"] == "ended", time.monotonic()
            session.client.rest()
        if not over:
            time.sleep(pause)


def _show(chunks: Iterator[bytes]) -> None:
    """Print line by line: a sequence that is cut in two is not taken for text."""
    colour = bool(display.paint("x", bold=True) != "x")
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    left = ""
    for data in chunks:
        *lines, left = (left + decoder.decode(data)).split("\n")
        for text in lines:
            click.echo(display.printed(text.removesuffix("\r"), colour))
        if len(left) > _LINE:
            click.echo(display.printed(left, colour), nl=False)
            left = ""
    if left:
        click.echo(display.printed(left, colour))


COMMANDS = (attach, logs)
