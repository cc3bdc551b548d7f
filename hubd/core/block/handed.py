"""What was handed off, as its reader needs it: what its author reports, what the hub found, how to merge it.

Guarantee: a command that is shown does what it says, whatever a branch or a folder is called; where that
cannot be, none is shown.
"""

from __future__ import annotations

import re
import shlex

from hubd.core.block.quoting import Page, fence
from hubd.core.effect import Doc
from hubd.core.model import Kind

_REPORTED = ("summary", "branch", "commit", "changed_files", "tests_run", "risks", "next_steps")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}\Z")
_FOUND = {
    "": "reported, not looked at",
    "reported": "reported, not verified",
    "verified": "verified: the commit is there",
    "merged": "merged: the base holds all of it",
}


def evidence(page: Page, handoff: Doc) -> str:
    """Return a handoff: what was reported, and what the hub found of it."""
    flag = " **partial**" if handoff.text("outcome") == "partial" else ""
    shown = [f"{key}: {', '.join(handoff.texts(key))}" for key in _REPORTED if handoff.texts(key)]
    notes = handoff.document.body.strip()
    said = page.quote("\n".join(shown) + (f"\n\n{notes}" if notes else ""))
    head = f"`{handoff.id}`: {handoff.text('outcome')}{flag}; {_FOUND.get(handoff.text('evidence'), '')}"
    if handoff.text("evidence") == "verified" and handoff.texts("changed_files"):
        other = bool(handoff.texts("undeclared"))
        head += ", but not all as it was named" if other else ", with the files that were named"
    return "\n\n".join((head, said, *found(page, handoff)))


def found(page: Page, handoff: Doc) -> list[str]:
    """Return what the hub saw of the work, if it has looked."""
    if not handoff.text("checked"):
        return []
    lines = []
    if handoff.text("head"):
        count = handoff.number("commits")
        commits = f"{count} commit{'' if count == 1 else 's'}"
        since = f" since {handoff.text('base')[:12]}" if handoff.text("base") else ""
        branch = page.line(handoff.text("branch") or "-")
        lines.append(f"- branch {branch} is at {handoff.text('head')[:12]}: {commits}{since}")
    for key, said in (
        ("undeclared", "not as it was named (changed and not named, or named and not changed)"),
        ("conflicts", "would conflict with"),
    ):
        if handoff.texts(key):
            lines.append(f"- **{said}**: {page.line(', '.join(handoff.texts(key)))}")
    parts = [f"What the hub found at {handoff.text('checked')}:"]
    parts += ["\n".join(lines)] if lines else []
    if handoff.text("diffstat"):
        parts.append(page.quote(handoff.text("diffstat")))
    if handoff.text("note"):
        parts.append(page.quote(handoff.text("note")))
    return parts if len(parts) > 1 else []


def merging(page: Page, round_: Doc) -> str:
    """Return the commands that merge what was verified, in the order of the plan; nothing where none was."""
    lines: list[str] = []
    for one in page.view.children(round_.id, Kind.ASSIGNMENT):
        handoffs = page.view.children(one.id, Kind.HANDOFF)
        last = handoffs[-1] if handoffs else None
        card = page.view.state.card(one.text("to"))
        if last is None or card is None or last.text("evidence") != "verified":
            continue
        branch, directory = last.text("branch"), card.text("directory")
        if _BRANCH.match(branch) and ".." not in branch and directory:
            lines.append(f"git -C {_word(directory)} merge --no-ff {branch}")
    if not lines:
        return ""
    said = "To merge what was verified, on the branch that it is meant for:"
    return f"{said}\n\n{fence(chr(10).join(dict.fromkeys(lines)), 'sh')}"


def _word(path: str) -> str:
    """Return a path as one word of a shell; `~/` goes on to mean home."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") and path[2:] else shlex.quote(path)
