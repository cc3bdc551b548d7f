"""Anthropic Messages, as Claude Code uses it: `POST /v1/messages`, answered whole or as a stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.models.acts import Act, Read, Say, Seen, Shell, Tool, Write

Json = dict[str, Any]
_numbers = itertools.count(1)
INPUT, OUTPUT = 1000, 100
"""The tokens that each turn is said to have used."""


def seen(body: Mapping[str, Any]) -> Seen:
    """Read what the model would see. A message of results carries no prompt; the last other one does."""
    messages: Sequence[Json] = body["messages"]
    system = body.get("system") or ""
    at = max(n for n, m in enumerate(messages) if m["role"] == "user" and not results([m]))
    return Seen(
        client="claude",
        model=str(body["model"]),
        system=system if isinstance(system, str) else "\n".join(str(p.get("text", "")) for p in system),
        prompt=text(messages[at]["content"]),
        results=tuple(results(messages[at:])),
        tools=frozenset(str(t["name"]) for t in body.get("tools") or ()),
        earlier=at,
        whole=json.dumps([system, messages], ensure_ascii=False),
    )


def text(content: object) -> str:
    """Return the text of a message's content, without what the client itself puts before it."""
    if isinstance(content, str):
        return content
    assert isinstance(content, list)
    texts = [str(part["text"]) for part in content if part.get("type") == "text"]
    return "\n".join(t for t in texts if not t.startswith("<system-reminder>"))


def results(messages: Sequence[Json]) -> list[str]:
    """Return what tools gave back in these messages."""
    parts = [p for m in messages if isinstance(m["content"], list) for p in m["content"]]
    return [text(p.get("content") or "") for p in parts if p.get("type") == "tool_result"]


def block(act: Act) -> Json:
    """Return an act as a block of the model's message."""
    if isinstance(act, Say):
        return {"type": "text", "text": act.text}
    match act:
        case Shell(command):
            name, given = "Bash", {"command": command, "description": "Run a step"}
        case Read(path):
            name, given = "Read", {"file_path": path}
        case Write(path, content):
            name, given = "Write", {"file_path": path, "content": content}
        case Tool(name, arguments):
            given = dict(arguments)
        case _:
            raise TypeError(act)
    return {"type": "tool_use", "id": f"toolu_{next(_numbers):06}", "name": name, "input": given}


def message(act: Act, model: str) -> Json:
    """Return the model's message, whole."""
    said = block(act)
    return {
        "id": f"msg_{next(_numbers):06}", "type": "message", "role": "assistant", "model": model,
        "content": [said], "stop_sequence": None,
        "stop_reason": "end_turn" if said["type"] == "text" else "tool_use",
        "usage": {"input_tokens": INPUT, "output_tokens": OUTPUT},
    }  # fmt: skip


def begin(model: str) -> Json:
    """Return the first event of a stream."""
    empty = message(Say(""), model)
    empty |= {"content": [], "stop_reason": None, "usage": {"input_tokens": INPUT, "output_tokens": 1}}
    return {"type": "message_start", "message": empty}


def events(act: Act, model: str) -> Iterator[Json]:
    """Yield the model's message as a stream's events."""
    whole = message(act, model)
    said = whole["content"][0]
    yield begin(model)
    if said["type"] == "text":
        start: Json = {"type": "text", "text": ""}
        delta: Json = {"type": "text_delta", "text": said["text"]}
    else:
        start = {**said, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(said["input"])}
    yield {"type": "content_block_start", "index": 0, "content_block": start}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": OUTPUT}}
    yield {"type": "message_stop"}


def failure(status: int) -> Json:
    """Return the body of an error."""
    kinds = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
    kind = kinds.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": f"the script says {status}"}}
