"""How agents and runs stand, in the words of every command that shows them.

Rule: nothing is asked here; it is given rows of the read model, and the instant that times are relative to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hubd.cli import display

__all__ = ["how_it_ended", "money", "name_of", "not_started", "orphaned", "quiet", "runs_of", "state_of"]

Row = Mapping[str, Any]


def name_of(agent: Row) -> str:
    """An agent's name, and whether it is held back."""
    return str(agent["name"]) + (" (paused)" if agent["paused"] else "")


def state_of(agent: Row) -> str:
    """Its state in one word; people are in none. `stuck`: a run of it has said nothing for very long."""
    if any(run["stuck"] for run in agent["runs"]):
        return "stuck"
    return "a person" if agent["human"] else str(agent["state"])


def runs_of(agents: Sequence[Row], now: datetime) -> list[tuple[str, ...]]:
    """The runs that go on: which, whose, on what, since when, and for how long nothing was heard of them."""
    return [
        (run["id"], agent["name"], ", ".join(run["on"]), display.ago(run["created"], now), quiet(run))
        for agent in agents
        for run in agent["runs"]
    ]


def quiet(run: Row) -> str:
    """For how long nothing was heard of a run, or how it stands instead."""
    if run["state"] == "stopping":
        return "stopping"
    if not run["up"]:
        return "starting" if run["up"] is not None else ""
    return display.span(run["quiet"] or 0) + (", stuck" if run["stuck"] else "")


def how_it_ended(run: Row) -> str:
    """How a run ended and, in one line, why: `failed: Not logged in`. Given the header of its document."""
    why = str(run.get("status", "")) or _gist(str(run.get("note", "")))
    return f"{run.get('outcome', '')}: {why}" if why else str(run.get("outcome", ""))


def _gist(note: str) -> str:
    """The line of a note that says most: its first; of a traceback its last."""
    lines = [line for line in note.strip().partition("\n\n")[0].splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1 if lines[0].startswith("Traceback ") else 0].strip()


def money(usd: float | str | None) -> str:
    """`$0.12`; a dash where it is not known."""
    if usd in (None, ""):
        return "-"
    amount = float(usd or 0)
    return f"${amount:.2f}" if amount == 0 or amount >= 0.01 else f"${amount:.4f}"


def not_started(held: Sequence[Row]) -> list[str]:
    """What was not started and why, a line each, with what to do about it."""
    lines = []
    for one in held:
        about = one.get("on") or ()
        what = about if isinstance(about, str) else ", ".join(map(str, about))
        about_what = f" for {what}" if what else ""
        lines.append(display.prose(f"{one['agent']} was not started{about_what}: {one['message']}"))
        if one.get("hint"):
            lines.append(display.prose(f"hint: {one['hint']}"))
    return lines


def orphaned(agents: Sequence[Row]) -> str:
    """Without a hubd no process of a run is left, whatever the ledger says: what to do about those."""
    runs = [run["id"] for agent in agents for run in agent["runs"]]
    if not runs:
        return ""
    shown = ", ".join(runs[:3]) + (", …" if len(runs) > 3 else "")
    return f"hubd is not running, and so is none of {shown}: `hubctl up` settles what they leave"
