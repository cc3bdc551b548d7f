"""`hubctl hook`: mail reaches a session that runs, through the hooks of its client.

Guarantee: it never stands in a session's way. Whatever it is given, it ends with 0; where there is no
mailbox, no hub, no card or nothing to tell, it prints nothing. A hub that does not answer in time is one that
is not there. What was shown is recorded after it was printed: it may be told twice, and is not lost.
Rule 1: the client's words are data: of all it sends, only the event's name, the session's id and two flags
are looked at. Rule 2: after each tool (PostToolUse) only a running hubd is asked; nobody becomes the hub for
that.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import click

from hubd.cli.frame import Ended, Session, command
from hubd.client import Unreachable
from hubd.core.place import NAME
from hubd.layout import MailboxError

__all__ = ["COMMANDS"]

EVENTS = ("SessionStart", "UserPromptSubmit", "PostToolUse", "PreCompact", "Stop", "SessionEnd")
_PATIENCE = 2.0  # seconds in which the hub must have answered
_INPUT_MOST = 32 * 1024 * 1024
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_AFTER_LOSS = ("compact", "resume")  # how a session begins that has forgotten, or may have


@command("hook", "hubctl --as backend hook SessionStart < event.json")
@click.argument("event", required=False)
@click.option(
    "--budget", type=click.IntRange(0), default=1500, show_default=True, help="The most tokens it may say."
)
def hook(session: Session, event: str | None, budget: int) -> None:
    """Tell a running session of its mail: for a client's hooks.

    EVENT is SessionStart, UserPromptSubmit, PostToolUse, PreCompact, Stop or SessionEnd; the client's JSON
    comes on standard input, and the answer is what Claude Code expects. Who is told: `--as`, or HUB_AGENT.
    Without a mailbox, a hub or news it says nothing, and it always ends with 0.
    """
    given = _heard()
    name = event or str(given.get("hook_event_name", ""))
    try:
        told = _tell(session, name, given, budget)
    except (Ended, MailboxError, Unreachable, OSError):
        told = False
    if session.json and not told:
        click.echo(json.dumps({"schema": 1, "ok": True}))


def _heard() -> Mapping[str, Any]:
    """What the client said; nothing where that cannot be read."""
    if sys.stdin.isatty():
        return {}
    data = sys.stdin.buffer.read(_INPUT_MOST + 1)
    try:
        given = json.loads(data) if len(data) <= _INPUT_MOST else None
    except (ValueError, RecursionError):
        given = None
    return given if isinstance(given, dict) else {}


def _tell(session: Session, event: str, given: Mapping[str, Any], budget: int) -> bool:
    """Say what there is to say, and return whether anything was said."""
    agent = session.named
    if event not in EVENTS or agent is None or not NAME.match(agent):
        return False
    if not given or (event == "Stop" and given.get("stop_hook_active")):
        return False
    session.client.wait = _PATIENCE
    if event == "PostToolUse" and session.client.ping() is None:
        return False
    own = str(given.get("session_id", ""))
    worker = os.environ.get("HUB_RUN") or (own if _SESSION.match(own) else "")
    if event == "SessionEnd":
        if not session.run:  # a run's end is the hub's
            _free(session, agent, worker)
        return False
    lost = event == "PreCompact" or (event == "SessionStart" and given.get("source") in _AFTER_LOSS)
    what = "brief" if lost else "digest"
    told = session.ask(what, agent=agent, event=event, worker=worker, budget=budget)
    if not told["text"]:
        return False
    click.echo(_said(event, str(told["text"])))
    sys.stdout.flush()
    if told["documents"] and event != "PreCompact":  # that is read by who sums up, not by the session
        session.act("present", agent, **{"for": tuple(told["documents"])})
    return True


def _said(event: str, text: str) -> str:
    """The answer in the client's form. What it prints before it compacts is plain text there."""
    if event == "PreCompact":
        return text
    if event == "Stop":
        return json.dumps({"decision": "block", "reason": text})
    return json.dumps({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}})


def _free(session: Session, agent: str, worker: str) -> None:
    """Give back what a session that ends holds under its own name; each by itself."""
    for row in session.ask("digest", agent=agent, event="SessionEnd", worker=worker)["holds"]:
        try:
            session.act(row["do"], row["on"], lease=row["lease"], note="the session ended")
        except Ended:
            continue  # handed off or taken over meanwhile: nothing is left to be freed


COMMANDS = (hook,)
