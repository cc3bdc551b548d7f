"""What is asked of a container engine, as the Docker Engine API has it, and how its answers are to be read.

Guarantee: an answer that is not good is an `EngineError`, which says what is wrong and what to do.
Rule: a question is data. Nothing here speaks with anybody.

Paths carry no version: an engine then speaks its newest, and what is asked here is in all of them since 1.25.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

__all__ = [
    "AGENT", "GONE", "HUB", "RUN", "Answer", "EngineError", "Request", "attach", "containers", "create",
    "image", "inspect", "judge", "kill", "remove", "resize", "start", "version", "wait",
]  # fmt: skip

HUB, RUN, AGENT = "hubd.hub", "hubd.run", "hubd.agent"
"""The labels of every container that hubd makes."""

GONE = frozenset({404, 409})
"""There is no such container, it does not run, or it is being removed: fine for one who wants to end it."""

_CARD = "look at `container` in the agent's card"
_LOG = "look at the engine's log"


class EngineError(Exception):
    """The engine is not there, or did not do it."""

    def __init__(self, what: str, hint: str, status: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.status = status
        """What the engine answered; 0 where it said nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the engine."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    aim: str
    """What it is for, as the end of a sentence: "the engine does not …"."""
    body: Mapping[str, object] | None = None
    patience: float = 30.0
    upgrade: bool = False
    """The answer is a stream in both directions."""

    def encoded(self) -> bytes:
        """Return the bytes that ask it."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        # The end of the connection is the end of the answer, whether or not it says how long it is.
        connection = "Connection: Upgrade\r\nUpgrade: tcp" if self.upgrade else "Connection: close"
        size = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: engine\r\n{connection}\r\n{size}\r\n\r\n"
        return head.encode("ascii") + body


def version() -> Request:
    return Request("GET", "/version", "tell its version")


def image(name: str) -> Request:
    return Request("GET", f"/images/{quote(name, safe='/:@')}/json", f"know the image {name}")


def create(name: str, body: Mapping[str, object]) -> Request:
    # Without an overlay file system the engine copies the whole image.
    query = urlencode({"name": name})
    return Request("POST", f"/containers/create?{query}", "make the container", body, patience=300.0)


def attach(name: str, stdin: bool) -> Request:
    """Ask for a stream: what is written to it becomes the input; or, without `stdin`, what it prints."""
    query = urlencode({"stream": 1, "stdin": int(stdin), "stdout": int(not stdin), "stderr": int(not stdin)})
    return Request("POST", f"{_of(name)}/attach?{query}", "let us read what it prints", upgrade=True)


def start(name: str) -> Request:
    return Request("POST", f"{_of(name)}/start", "start the container", patience=120.0)


def wait(name: str) -> Request:
    return Request("POST", f"{_of(name)}/wait", "wait for the container", patience=float("inf"))


def inspect(name: str) -> Request:
    return Request("GET", f"{_of(name)}/json", "tell how the container is")


def kill(name: str, number: int) -> Request:
    return Request("POST", f"{_of(name)}/kill?{urlencode({'signal': number})}", "signal the container")


def resize(name: str, columns: int, rows: int) -> Request:
    query = urlencode({"w": columns, "h": rows})
    return Request("POST", f"{_of(name)}/resize?{query}", "give the container's terminal a size")


def remove(name: str) -> Request:
    return Request("DELETE", f"{_of(name)}?force=1&v=1", "remove the container", patience=60.0)


def containers(hub: str) -> Request:
    """Ask for all containers with the label of this hub, whatever state they are in."""
    filters = json.dumps({"label": [f"{HUB}={hub}"]})
    query = urlencode({"all": 1, "filters": filters})
    return Request("GET", f"/containers/json?{query}", "list its containers")


def _of(name: str) -> str:
    return f"/containers/{quote(name, safe='')}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine said."""

    status: int
    body: bytes

    @property
    def good(self) -> bool:
        # 304: it was so already. 101: from now on the connection is a stream.
        return self.status == 101 or 200 <= self.status < 300 or self.status == 304

    def read(self) -> Any:
        """Return the JSON of it, None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def told(self) -> str:
        """What went wrong, in the engine's words, on one line."""
        read = self.read()
        said = read.get("message", "") if isinstance(read, dict) else self.body.decode("utf-8", "replace")
        return " ".join(str(said).split())[:400] or f"it answered {self.status}"


def judge(request: Request, answer: Answer, fine: Collection[int] = ()) -> Answer:
    """Return an answer that is good, or fine. Raises EngineError for another, with what to do about it."""
    if answer.good or answer.status in fine:
        return answer
    told = answer.told
    if answer.status == 404 and "image" in told.lower():
        name = str((request.body or {}).get("Image", "")) or request.aim.removeprefix("know the image ")
        hint = f"get it (`podman pull {name}`), or import one (`podman import FILE.tar {name}`)"
        raise EngineError(f"the container engine has no image {name}", hint, 404)
    hint = _CARD if request.method == "POST" and answer.status not in GONE else _LOG
    if re.search(r"network (\S+ )?not found", told):
        hint = "write `network: none`, `bridge`, `host`, or one the engine knows, in the card's `container`"
    raise EngineError(f"the container engine does not {request.aim}: {told}", hint, answer.status)
