"""Save and remove cards: people's ground, judged from the folder they lie in like everything else.

Guarantee: a card appears whole under its name, or not at all; what became of it is what the ledger says.
Rule: nothing is judged here. Who may not write into `cards/` is told so, and proposes a card in its outbox.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hubd.client.fate import refused, said
from hubd.client.wire import Unreachable
from hubd.core import place
from hubd.layout import Layout

__all__ = ["outcome_of", "remove", "save"]


def save(layout: Layout, name: str, data: bytes) -> None:
    """Put a card in place: written aside under a name that every hub ignores, then renamed."""
    path = layout.path(place.card(name))
    aside = path.with_name(f".{path.name}-{os.urandom(4).hex()}.tmp")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
            file.write(data)
        os.rename(aside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(aside)
        raise _not_allowed(error) from error


def remove(layout: Layout, name: str) -> None:
    """Take a card away; what that means is judged once it has been gone for a second."""
    try:
        os.unlink(layout.path(place.card(name)))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_allowed(error) from error


def _not_allowed(error: OSError) -> Unreachable:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return Unreachable(f"cannot save into cards/: {reason}", "get the right and the room to write there")


def outcome_of(row: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome that a row of the log tells, in the form in which the hub tells it.

    `shown`: the document of that row, or its bounce, as `show` gives it.
    """
    if row["refused"]:
        message, hint = said(str(shown.get("body", "")))
        return refused(row["refused"], message, hint, row["document"])
    return {
        "schema": 1, "ok": True, "id": row["document"], "kind": row["kind"], "state": row["to"],
        "path": str(shown.get("path", "")), "commit": row["commit"],
    }  # fmt: skip
