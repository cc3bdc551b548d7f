"""Commands that write cards: agent add, agent remove.

Rule: a card that exists is replaced only when a person said so. Whoever is not the operator proposes: the
card then waits for an approver's tick.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubd.cli import display
from hubd.cli.frame import MISUSED, Answer, Ended, Session, command
from hubd.cli.texts import read_text
from hubd.client import compose
from hubd.core.model import LAUNCH, PRESETS, RUNTIMES, SHUTDOWN
from hubd.core.place import card as card_path
from hubd.core.place import is_name
from hubd.core.scalar import Value
from hubd.core.time import parse_duration

__all__ = ["add", "remove"]

_READ = ("message", "bounce")  # what nobody needs to have dealt with before an agent goes


@command(
    "add",
    "hubctl agent add backend --preset claude --directory ~/projects/backend\n"
    "hubctl agent add lint --directory . --launch auto -- ./lint.sh {prompt_file}",
)
@click.argument("name")
@click.option("--preset", type=click.Choice(tuple(PRESETS)), help="Which client it is.")
@click.option("--command", "words", metavar='"CMD…"', help="A program and its words; or write them after --.")
@click.option("--directory", metavar="DIR", help="The project it works in.")
@click.option(
    "--description", metavar="TEXT", help="One line about it; else it and what it can do are drawn from DIR."
)
@click.option(
    "--capability", "capabilities", multiple=True, metavar="C", help="What it can do; may be repeated."
)
@click.option("--launch", type=click.Choice(LAUNCH), help="When the hub starts it.")
@click.option("--shutdown", type=click.Choice(SHUTDOWN), help="When the hub stops it.")
@click.option("--runtime", type=click.Choice(RUNTIMES), help="How it runs.")
@click.option("--worktree", metavar="BASE", help="A worktree for each assignment, from this branch.")
@click.option("--model", metavar="M", help="Which model.")
@click.option("--budget", type=click.FloatRange(0), metavar="USD", help="The most one run may cost.")
@click.option("--timeout", metavar="DURATION", help="The longest run: 30m, 2h.")
@click.option("--instructions", metavar="FILE", help="Standing instructions; - is standard input.")
@click.option("--force", is_flag=True, help="Replace the card that is there.")
@click.argument("cmd", nargs=-1, type=click.UNPROCESSED)
def add(
    session: Session, name: str, preset: str | None, words: str | None, cmd: tuple[str, ...],
    directory: str | None, instructions: str | None, force: bool, **given: Any,
) -> None:  # fmt: skip
    """Write an agent's card, cards/NAME.md.

    Without a command hubd starts nobody; an agent that somebody else starts takes part all the same.
    """
    if not is_name(name):
        raise Ended(f"`{name}` cannot be an agent's name", "names are of a-z, 0-9 and -", "usage", MISUSED)
    program = _program(preset, words, cmd)
    project = _project(directory)
    if program is not None and project is None:
        raise click.UsageError("--directory is missing: the project that the agent works in")
    operator = str(session.ask("operator")["operator"])
    _keep(session, name, force)
    text = read_text(None, instructions).strip("\n") if instructions else ""
    drawn = _drawn(project, given)
    fields = _fields(program, project, **given)
    if session.actor != operator:
        own = {} if name == session.actor else {"name": name}
        told = session.send("agent", {**own, **fields}, text)
        session.tell(told, f"{told['id']}: {display.state(told['state'])}", told["path"])
        session.say("an approver's tick puts it in place: `hubctl approve " + told["id"] + "`")
        return
    data = compose({"kind": "agent", **fields}, text)
    told = _put(session, name, data)
    card = data.decode("utf-8", "replace")
    after = f"hubctl agent test {name}" if program is not None else ""
    told = {**told, "card": card, "drawn_from": drawn, "next": [after] if after else []}
    session.tell(told, f"{told['id']}: {display.state(told['state'])}", told["path"])
    session.say("", display.clean(card.rstrip("\n")), "")
    if drawn:
        session.say(display.prose(f"what it says of itself is drawn from: {', '.join(drawn)}"))
    if after:
        session.say(f"try it:  {after}")
    else:
        session.say("it has no command, so hubd does not start it; it takes part by its folders")


def _program(preset: str | None, words: str | None, cmd: tuple[str, ...]) -> Value | None:
    """The card's `command`: a preset's name, or a list of words."""
    if (preset is not None) + (words is not None) + bool(cmd) > 1:
        raise click.UsageError("the command is given twice: use one of --preset, --command and -- CMD…")
    if preset is not None:
        return preset
    if words is not None:
        try:
            cmd = tuple(shlex.split(words))
        except ValueError as error:
            raise click.UsageError(f"--command cannot be split into words: {error}") from error
        if not cmd:
            raise click.UsageError("--command is empty")
    return cmd or None


def _project(directory: str | None) -> str | None:
    if directory is None:
        return None
    path = os.path.abspath(os.path.expanduser(directory))
    if not os.path.isdir(path):
        raise Ended(
            f"there is no folder {path}", "name the project's folder: `--directory DIR`", "usage", MISUSED
        )
    return path


def _drawn(project: str | None, given: dict[str, Any]) -> list[str]:
    """Describe the agent by its project's own files, if nobody has; what it was drawn from, a line each."""
    if project is None or given["description"] is not None:
        return []
    from hubd.project.describe import describe

    described = describe(Path(project))
    given["description"] = described.description
    given["capabilities"] = given["capabilities"] or described.capabilities
    return described.found


def _fields(program: Value | None, project: str | None, **given: Any) -> dict[str, Value | None]:
    if given["timeout"] is not None and not parse_duration(given["timeout"]):
        raise click.UsageError("--timeout is a duration, such as 90s, 30m or 2h")
    worktree: Mapping[str, Value] | None = {"base": given["worktree"]} if given["worktree"] else None
    return {
        "description": given["description"],
        "capabilities": tuple(given["capabilities"]),
        "launch": given["launch"],
        "shutdown": given["shutdown"],
        "runtime": given["runtime"],
        "command": program,
        "directory": project,
        "worktree": worktree,
        "timeout": given["timeout"],
        "model": given["model"],
        "budget_usd": f"{given['budget']:.6f}".rstrip("0").rstrip(".")
        if given["budget"] is not None
        else None,
    }


def _keep(session: Session, name: str, force: bool) -> None:
    """End the command where it would replace what nobody said it may."""
    known = next((a for a in session.ask("agents")["agents"] if a["name"] == name), None)
    if known is not None and known["human"]:
        raise Ended(f"{name} is a person", "choose another name for the agent", "exists")
    if not force and (known is not None or session.layout.path(card_path(name)).exists()):
        hint = f"`hubctl agent show {name}` shows it; `--force` replaces it"
        raise Ended(f"{name} has a card already, and it is left as it is", hint, "exists")


def _put(session: Session, name: str, data: bytes) -> Answer:
    """Save a card, and return what became of it."""
    path = session.layout.path(card_path(name))
    if path.is_file() and path.read_bytes() == data:
        return {
            "schema": 1, "ok": True, "id": f"card.{name}", "kind": "agent", "state": "active",
            "path": card_path(name), "commit": "",
        }  # fmt: skip
    told = session.client.card(name, data)
    if not told["ok"]:
        raise Ended.refused(told)
    return told


@command("remove", "hubctl agent remove backend")
@click.argument("name")
def remove(session: Session, name: str) -> None:
    """Retire an agent: its card is removed, its folders and its history stay.

    Refused as long as it has something to do, or runs.
    """
    operator = str(session.ask("operator")["operator"])
    if session.actor != operator:
        what = f"cards are {operator}'s ground, and you act as {session.actor}"
        raise Ended(what, f"ask {operator} to remove it", "not-yours")
    row = session.ask("agents", agent=name)["agents"][0]
    busy = [
        doc
        for waiting in (False, True)
        for doc in session.ask("inbox", agent=name, waiting=waiting)["documents"]
        if doc["kind"] not in _READ
    ]
    known = {doc["id"] for doc in busy}
    busy += [{**r, "kind": "run", "title": ", ".join(r["on"])} for r in row["runs"] if r["id"] not in known]
    if busy:
        what = f"{name} has {len(busy)} live document{'s' if len(busy) > 1 else ''}"
        hint = "reassign, cancel or close them, `hubctl stop` its runs; then remove the card"
        raise Ended(what, hint, "still-needed", candidates=busy)
    told = session.client.card(name, None)
    if not told["ok"]:
        raise Ended.refused(told)
    session.tell(told, f"{told['id']}: {display.state(told['state'])}", f"its folders stay: agents/{name}")
