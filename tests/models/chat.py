"""OpenAI Chat Completions, as opencode and aider use it: `POST /v1/chat/completions`, whole or as a stream.

The tools are named as opencode names them: bash, read, write.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.models.acts import Act, Read, Say, Seen, Shell, Tool, Write

Json = dict[str, Any]
_numbers = itertools.count(1)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def seen(body: Mapping[str, Any]) -> Seen:
    """Read what the model would see: the last message of the user is the prompt."""
    messages: Sequence[Json] = body["messages"]
    at = max(n for n, m in enumerate(messages) if m["role"] == "user")
    return Seen(
        client="chat",
        model=str(body["model"]),
        system="\n".join(text(m["content"]) for m in messages if m["role"] == "system"),
        prompt=text(messages[at]["content"]),
        results=tuple(text(m["content"]) for m in messages[at:] if m["role"] == "tool"),
        tools=frozenset(str(t["function"]["name"]) for t in body.get("tools") or ()),
        earlier=at,
    )


def text(content: object) -> str:
    """Return the text of a message."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def said(act: Act) -> Json:
    """Return an act as the model's message."""
    match act:
        case Say(words):
            return {"role": "assistant", "content": words}
        case Shell(command):
            name, given = "bash", {"command": command, "description": "Run a step"}
        case Read(path):
            name, given = "read", {"filePath": path}
        case Write(path, content):
            name, given = "write", {"filePath": path, "content": content}
        case Tool(name, arguments):
            given = dict(arguments)
        case _:
            raise TypeError(act)
    function = {"name": name, "arguments": json.dumps(given)}
    call = {"index": 0, "id": f"call_{next(_numbers):06}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def whole(act: Act, model: str) -> Json:
    """Return the model's answer in one piece."""
    message = said(act)
    reason = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**_head("chat.completion", model), "choices": [choice], "usage": USAGE}


def events(act: Act, model: str) -> Iterator[Json]:
    """Yield the model's answer as a stream's events."""
    message = said(act)
    reason = "tool_calls" if "tool_calls" in message else "stop"
    head = _head("chat.completion.chunk", model)
    yield {**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    yield {**head, "choices": [], "usage": USAGE}


def begin(model: str) -> Json:
    """Return the first event of a stream."""
    delta = {"role": "assistant", "content": ""}
    return {**_head("chat.completion.chunk", model), "choices": [{"index": 0, "delta": delta}]}


def _head(kind: str, model: str) -> Json:
    return {"id": f"chatcmpl-{next(_numbers):06}", "object": kind, "created": 0, "model": model}
