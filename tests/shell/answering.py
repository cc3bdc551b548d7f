"""A hub on its mailbox's real socket that launches nobody: what is seen of processes, a test says."""

from __future__ import annotations

import os
import queue
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hubd import query
from hubd.core.due import ask
from hubd.core.effect import Doc
from hubd.hub import Hub
from hubd.looking import look_ready
from hubd.outcome import Outcome
from hubd.server import Server

T = TypeVar("T")
DEADLINE = 20.0


class Answering:
    """One thread that is the hub, as a daemon's is; `on_answer` is called after each thing that is asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs: dict[str, dict[str, Any]] = {}
        self.facts: dict[str, Any] = {"held": [], "states": {}, "cost": {}}
        self.asked: list[dict[str, Any]] = []
        self.on_answer: Callable[[Hub], None] = lambda hub: None
        self._acts: queue.Queue[tuple[Callable[[Hub], Any], queue.Queue[Any]]] = queue.Queue()
        self._wake, self._woken = os.pipe()
        self._over = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        assert self._ready.wait(DEADLINE)

    def _work(self) -> None:
        selector = selectors.DefaultSelector()
        with Hub.open(self.root, "daemon") as hub:
            server = Server(hub.layout.socket, selector, lambda asked: self._answer(hub, asked))
            selector.register(self._wake, selectors.EVENT_READ, lambda: os.read(self._wake, 64))
            self._ready.set()
            while not self._over:
                for key, _ in selector.select(0.05):
                    key.data()
                look_ready(hub)
                while not self._acts.empty():
                    act, done = self._acts.get()
                    done.put(act(hub))
            server.close()
        selector.close()

    def _answer(self, hub: Hub, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        match asked["do"]:
            case "ping":
                told: dict[str, Any] = {"schema": 1, "ok": True, "pid": os.getpid(), "ready": True}
            case "submit":
                outcome = hub.submit(asked["agent"], asked["name"])
                told = outcome.as_json() if outcome is not None else {"ok": False, "code": "gone"}
            case _:
                facts = {"pid": os.getpid(), "uptime": 1.0, "trouble": "", "runs": self.runs, **self.facts}
                told = query.answer(hub, asked["what"], asked["args"], facts)
        self.on_answer(hub)
        return told

    def do(self, act: Callable[[Hub], T]) -> T:
        """Have something done by the thread that is the hub."""
        done: queue.Queue[T] = queue.Queue()
        self._acts.put((act, done))
        os.write(self._woken, b".")
        return done.get(timeout=DEADLINE)

    def close(self) -> None:
        self._over = True
        os.write(self._woken, b".")
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        os.close(self._wake)
        os.close(self._woken)

    # what a launcher would do

    def live(self) -> list[Doc]:
        return self.do(lambda hub: hub.state.runs())

    def end(self, run: str, outcome: str = "done", **result: str) -> Outcome:
        """Record how a run ended."""
        return self.do(lambda hub: ended(hub, run, outcome, **result))


def ended(hub: Hub, run: str, outcome: str = "done", **result: str) -> Outcome:
    return hub.judge(ask("end", run, result={"outcome": outcome, **result}))


@contextmanager
def answering(root: Path) -> Iterator[Answering]:
    hub = Answering(root)
    try:
        yield hub
    finally:
        hub.close()


__all__ = ["Answering", "answering", "ended"]
