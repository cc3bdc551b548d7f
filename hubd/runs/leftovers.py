"""What an earlier hub left: processes, containers, and runs that nobody will end.

Guarantee: repeatable; a run of another mailbox's hub is never touched, since every mark names the hub.
Rule: it is cleared away beside the hub's work. An agent is not started anew before its old run has ended.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from hubd.core.due import ask
from hubd.core.effect import Doc
from hubd.hub import Hub
from hubd.launch.engine import Engine, EngineError, clear, find_socket
from hubd.launch.sweeping import sweep, wrappers
from hubd.looking import gather

__all__ = ["clear_all", "clear_one", "end_lost"]

_LOOK = 0.05


def clear_all(hub: Hub, base: Mapping[str, str]) -> Callable[[], list[str]]:
    """Return the job that ends everything of every earlier run. It answers with what went wrong."""
    settings, hub_id = hub.state.settings, hub.state.hub_id
    tag, grace, engine = f"{hub_id}:", settings.seconds("grace"), settings.word("engine")
    known = (*hub.state.cards.values(), *hub.state.runs())  # a card may have been changed since
    contained = any(doc.text("runtime") == "container" for doc in known)

    def act() -> list[str]:
        clear_processes(tag, grace)
        if contained:
            try:
                clear(Engine(find_socket(engine, base)), hub_id)
            except EngineError as error:
                return [f"containers of an earlier hub could not be looked for: {error}; {error.hint}"]
        return []

    return act


def clear_one(hub: Hub, run: Doc, base: Mapping[str, str]) -> Callable[[], None]:
    """Return the job that ends what is left of a run whose wrapper is gone, or never was."""
    hub_id, engine = hub.state.hub_id, hub.state.settings.word("engine")
    contained, id_ = run.text("runtime") == "container", run.id

    def act() -> None:
        sweep(f"{hub_id}:{id_}")
        if contained:
            clear(Engine(find_socket(engine, base)), hub_id, [id_])

    return act


def clear_processes(tag: str, grace: float) -> int:
    """End every process that bears a tag. A wrapper whose hub is gone stops its run: it has that time."""
    deadline = time.monotonic() + grace + 1.0
    while (left := wrappers(tag)) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    for pid in left.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return sweep(tag)


def end_lost(hub: Hub, run: Doc) -> None:
    """Judge what the agent had saved, and record that its run is lost, or was stopped as it was to be."""
    gather(hub, run.text("agent"))
    stopped = run.state == "stopping"
    said = "hubd ended while it was being stopped" if stopped else "hubd ended while it went on"
    hub.judge(ask("end", run.id, result={"outcome": "stopped" if stopped else "lost", "note": said}))
