"""What the hub says and asks by itself: about a bulk change, too many documents, a branch moved back.

Rule: it speaks through the same door as everybody; the core decides what becomes of it.
"""

from __future__ import annotations

import hashlib
import os

from hubd.core import place
from hubd.core.block import inline
from hubd.core.effect import Doc, Proposal
from hubd.core.model import Kind
from hubd.core.naming import Naming, naming, shown
from hubd.hub import Hub
from hubd.spool import FolderBlocked

_BULK_MARK = "x-bulk"


def open_bulk_question(hub: Hub) -> Doc | None:
    """Return the hub's own open question about a bulk change."""
    operator = hub.state.settings.word("operator")
    asked = (d for d in hub.state.inbox(operator) if d.kind is Kind.QUESTION and d.text("from") == "hub")
    return next((d for d in asked if d.document.get(_BULK_MARK) is not None), None)


def ask_about_bulk(hub: Hub, count: int) -> None:
    """Ask the operator what a bulk change was meant to be."""
    text = (
        "---\nkind: question\nto: operator\n"
        f"title: {count} live documents changed or went at once. What is to be done?\n"
        "choices: [put the truth back, judge each file]\n"
        f"{_BULK_MARK}: asked\n---\n"
        "This happens after a script that went wrong, or a restored backup. Until you answer, no change of\n"
        "a live document is judged; new documents in outboxes are. What was there when the truth is put\n"
        "back is kept in `.git/hub/quarantine`.\n"
    )
    hub.judge(Proposal("hub", "hub", "hub/bulk", text.encode(), "hub", f"{count} documents changed at once"))


def bulk_answer(hub: Hub) -> str:
    """Return the answer to the last bulk question, once."""
    answer, hub.bulk_answer = hub.bulk_answer, ""
    return answer


def tell_too_fast(hub: Hub, name: str) -> None:
    """Tell an agent, once an episode, that it sends too much."""
    rate, burst = hub.state.settings.number("rate"), hub.state.settings.number("burst")
    hub.log("warning", f"{name} sends more than {rate} documents a minute; the rest waits in its outbox")
    text = (
        f"---\nkind: message\nto: {name}\nsubject: You send more than {rate} documents a minute\n---\n"
        f"Code: too-fast. What is over the limit ({burst} at once, then {rate} a minute) stays in your\n"
        "outbox, untouched, and is judged in its turn. Nothing is lost; nothing needs to be sent again.\n"
    )
    hub.judge(Proposal("hub", "hub", "hub/rate", text.encode(), "hub", "too-fast"))


def tell_moved_back(hub: Hub, tip: str, count: int) -> None:
    """Tell the operator, once, that their branch was moved back and the truth was not."""
    text = (
        "---\nkind: message\nto: operator\nsubject: The branch was moved back; the truth was not\n---\n"
        f"`git reset` or the like took refs/heads/main back to {tip[:12]}, and {count} files with it.\n"
        "What has happened stays: the mailbox's files show again what is true, and the branch follows it.\n"
        "No step was undone. To take something back, recall a round, cancel an assignment or close a task.\n"
    )
    hub.judge(Proposal("hub", "hub", "hub/behind", text.encode(), "hub", "refs/heads/main was moved back"))


def tell_strays(hub: Hub) -> None:
    """Tell the operator, once each, of folders that send and have no card: nothing in them is judged."""
    for name, _ in hub.spool.scan("agents"):
        if name in hub.state.cards or name in hub.eyes.strays or not _sends(hub, name):
            continue
        hub.eyes.strays.add(name)
        card = place.card(name) if place.is_name(name) else "a card; its name must be of a-z, 0-9 and -"
        text = (
            "---\nkind: message\nto: operator\nsubject: A folder in agents/ has no card\n"
            f"dedupe_key: {_key(name)}\n---\n"
            f"Something was saved in `agents/{inline(shown(name))}/outbox/`. Nobody has this name, so\n"
            f"it is not judged; nothing is lost. To let it take part, save {card}.\n"
        )
        hub.judge(Proposal("hub", "hub", "hub/stray", text.encode(), "hub", "a folder without a card"))


def _key(name: str) -> str:
    return f"stray-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def _sends(hub: Hub, name: str) -> bool:
    try:
        found = hub.spool.scan(f"agents/{name}/outbox")
    except FolderBlocked:
        return False
    return any(naming(file) is not Naming.IGNORED for file, _ in found)
