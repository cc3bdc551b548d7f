"""Commands that connect clients: connect."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from hubd.cli import display
from hubd.cli.frame import MISUSED, Ended, Session, command
from hubd.connecting import CLIENTS, Member, Survey, Unfit, carry_out, diff, survey
from hubd.layout import Layout

__all__ = ["COMMANDS"]

_TEMPLATE = Path(__file__).parents[1] / "templates" / "agent-block.md"
_EXAMPLE = "hubctl -C ~/mail connect claude --as backend --project ~/src/shop\nhubctl connect claude --remove"


@command("connect", _EXAMPLE)
@click.argument("client", type=click.Choice(tuple(CLIENTS)))
@click.option(
    "--project",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("."),
    metavar="DIR",
    help="The folder that the client works in; else the one you are in.",
)
@click.option("--shared", is_flag=True, help="Write the files that are committed, for everybody.")
@click.option("--print", "how", flag_value="print", help="Show what would change, and change nothing.")
@click.option(
    "--check", "how", flag_value="check", help="Say what is missing or outdated; 1 if there is any."
)
@click.option("--remove", "how", flag_value="remove", help="Take it all out; files are as they were.")
def connect(session: Session, client: str, project: Path, shared: bool, how: str | None) -> None:
    """Tell a coding agent that you use how to take part.

    Writes what it reads in a project: the MCP server, a block that says what to do, and hooks where it has
    some. The files are yours alone and not committed, unless you say --shared. Nothing else in them changes.
    """
    session.outside_runs("connect")
    project = project.resolve()
    if any(Layout(folder).exists for folder in (project, *project.parents)):
        hint = "name the folder of your project: --project DIR"
        raise Ended(f"{display.clean(str(project))} lies in a mailbox", hint, "in-mailbox")
    member = None if how == "remove" else _member(session, shared)
    try:
        found = survey(client, project, member, shared)
        if how not in ("print", "check"):
            carry_out(found)
    except Unfit as error:
        raise Ended(error.what, error.hint, "unfit") from error
    files = [{"path": change.name, "to_do": change.word} for change in found.changes]
    if how == "check" and found.open:
        names = ", ".join(change.name for change in found.open)
        hint = f"`hubctl connect {client}` writes them; --print shows how"
        raise Ended(f"missing or outdated: {names}", hint, "outdated", files=files)
    told = {"schema": 1, "ok": True, "client": client, "files": files}
    session.tell(told, *_lines(found, client, how))


def _lines(found: Survey, client: str, how: str | None) -> list[str]:
    """What a person is told."""
    if how == "print":
        return [display.clean(row) for row in diff(found.open)] or ["nothing would change"]
    if not found.open:
        return [
            {"check": "all is there", "remove": "nothing is there"}.get(how or "", "all is there already")
        ]
    done = {"make": "made", "change": "changed", "remove": "removed"}
    rows = [f"{done[change.word]} {display.clean(change.name)}" for change in found.open]
    if how == "remove":
        return rows
    rows += [f"{path} is committed, and left as it is; run: {instead}" for path, instead in found.left]
    return [*rows, f"then: {CLIENTS[client].then}"]


def _member(session: Session, shared: bool) -> Member:
    """Who takes part, and where."""
    name = session.named
    if name is None:
        hint = "say --as NAME; `hubctl agent list` shows who there is"
        raise Ended("say who the client takes part as", hint, "usage", MISUSED)
    layout = session.layout
    try:
        known = layout.outbox(name).is_dir()
    except ValueError:
        known = False
    if not known:
        what = f"there is no agent `{display.line(name)}` in {display.clean(str(layout.root))}"
        raise Ended(what, f"`hubctl agent add {name}`, or another --as", "unknown-agent")
    root = str(layout.root)
    if not root.isprintable() or set(root) & set("`${}'\""):
        what = f"clients would not read the mailbox's path as it is: {display.clean(root)}"
        raise Ended(what, "move the mailbox to a plainly named folder", "unfit")
    call = ("hubctl",) if shared else _call()
    return Member(name, root, call, _TEMPLATE.read_text("utf-8"))


def _call() -> tuple[str, ...]:
    """The words that start this hubctl from anywhere: a client's PATH may be another."""
    beside = Path(sys.executable).with_name("hubctl")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("hubctl")
    return (found,) if found else (sys.executable, "-m", "hubd.cli")


COMMANDS = (connect,)
"""A person runs these; what they write is for agents."""
