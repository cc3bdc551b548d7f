"""Documents, tasks and inboxes by URI.

Guarantee: a URI is one of three forms with a name or an id in it, letter for letter, or it is refused:
nothing in it becomes a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubd.core.place import ID, NAME
from hubd.core.scalar import dump_line
from hubd.mcp_server.asking import Failed
from hubd.mcp_server.sizes import MOST, packed
from hubd.mcp_server.tools import Desk, call

__all__ = ["TEMPLATES", "Spot", "listed", "read", "spot"]

JSON, MARKDOWN = "application/json", "text/markdown"
LONGEST = 400
TEMPLATES = (
    ("inbox", "mailbox://inbox/{agent}", "What an agent must act on, with the steps to take.", JSON),
    ("document", "mailbox://document/{id}", "A document as its file has it.", MARKDOWN),
    ("task", "mailbox://task/{id}", "A task with its rounds, assignments, handoffs and runs.", JSON),
)
_FORM = re.compile(r"mailbox://(inbox|document|task)/([a-z0-9.-]{1,200})\Z")


@dataclass(frozen=True, slots=True)
class Spot:
    """What a URI means."""

    form: str
    name: str


def spot(uri: str) -> Spot:
    """Read a URI. Raises Failed."""
    found = _FORM.match(uri[:LONGEST])
    if found is None or not (NAME if found[1] == "inbox" else ID).match(found[2]):
        forms = ", ".join(template for _, template, _, _ in TEMPLATES)
        raise Failed("unknown-uri", "there is no such resource", f"resources: {forms}")
    return Spot(found[1], found[2])


def read(desk: Desk, uri: str) -> tuple[str, str]:
    """What a resource holds now: its text, and what kind of text that is. Raises Failed."""
    at = spot(uri)
    if at.form == "inbox":
        return packed(call(desk, "inbox_list", {"agent": at.name, "limit": 50})), JSON
    if at.form == "task":
        return packed(call(desk, "task_get", {"id": at.name, "limit": 50})), JSON
    told = desk.ask("show", id=at.name)
    if told["id"] != at.name:  # the beginning of an id is no URI: what it means may change
        raise Failed("unknown-uri", f"there is no document `{at.name}`", "give its whole id")
    return _markdown(told), MARKDOWN


def _markdown(told: Mapping[str, Any]) -> str:
    lines = "\n".join(dump_line(key, _value(value)) for key, value in told["header"].items())
    block = f"<!-- hub -->\n{told['block']}<!-- /hub -->\n" if told["block"] else ""
    text = f"---\n{lines}\n---\n{block}{told['body']}".encode("utf-8", "replace")
    if len(text) <= MOST:
        return text.decode("utf-8")
    return text[:MOST].decode("utf-8", "ignore") + f"\n… cut; the file is {told['path']}\n"


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value(inner) for inner in value)
    return {k: _value(v) for k, v in value.items()} if isinstance(value, Mapping) else str(value)


def listed(desk: Desk) -> list[tuple[str, str]]:
    """(uri, what it is) of every inbox and of every task that goes on."""
    agents, tasks = desk.ask("agents")["agents"], desk.ask("tasks")["tasks"]
    return [
        *((f"mailbox://inbox/{agent['name']}", f"inbox of {agent['name']}") for agent in agents),
        *((f"mailbox://task/{task['id']}", f"task: {task['title']}"[:200]) for task in tasks),
    ]
