"""OpenAI Responses, as Codex uses it: `POST /v1/responses`, answered as a stream of events.

Codex has one shell tool, whose name and arguments differ between its versions: the offered one is used.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.models.acts import Act, Read, Say, Seen, Shell, Tool, Write

Json = dict[str, Any]
_numbers = itertools.count(1)
INPUT, OUTPUT = 1000, 100


def seen(body: Mapping[str, Any]) -> Seen:
    """Read what the model would see: the last message of the user is the prompt."""
    items: Sequence[Json] = body["input"]
    at = max(n for n, item in enumerate(items) if item.get("role") == "user")
    return Seen(
        client="codex",
        model=str(body["model"]),
        system=str(body.get("instructions") or ""),
        prompt=text(items[at].get("content")),
        results=tuple(text(i.get("output")) for i in items[at:] if str(i.get("type")).endswith("_output")),
        tools=frozenset(str(t.get("name") or t.get("type")) for t in body.get("tools") or ()),
        earlier=at,
    )


def text(content: object) -> str:
    """Return the text of a message's content, or of a tool's output."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def command(act: Act) -> str:
    """Return an act as a command, for a client that has no other tool."""
    match act:
        case Shell(line):
            return line
        case Read(path):
            return f"cat -- {shlex.quote(path)}"
        case Write(path, content):
            return f"printf %s {shlex.quote(content)} > {shlex.quote(path)}"
        case _:
            raise TypeError(act)


def item(act: Act, tools: frozenset[str]) -> Json:
    """Return an act as an item of the model's answer."""
    number = next(_numbers)
    if isinstance(act, Say):
        part = {"type": "output_text", "text": act.text, "annotations": []}
        return {
            "type": "message", "id": f"msg_{number:06}", "role": "assistant", "status": "completed",
            "content": [part],
        }  # fmt: skip
    if isinstance(act, Tool):
        name, given = act.name, dict(act.arguments)
    elif "exec_command" in tools:
        name, given = "exec_command", {"cmd": command(act)}
    elif "shell_command" in tools:
        name, given = "shell_command", {"command": command(act)}
    elif "shell" in tools:
        name, given = "shell", {"command": ["bash", "-c", command(act)]}
    else:
        raise LookupError(f"no shell among the tools {sorted(tools)}")
    return {
        "type": "function_call", "id": f"fc_{number:06}", "call_id": f"call_{number:06}", "name": name,
        "arguments": json.dumps(given), "status": "completed",
    }  # fmt: skip


def begin(model: str) -> Json:
    """Return the first event of a stream."""
    response = {
        "id": f"resp_{next(_numbers):06}",
        "object": "response",
        "status": "in_progress",
        "model": model,
    }
    return {"type": "response.created", "response": {**response, "output": []}}


def events(act: Act, model: str, tools: frozenset[str]) -> Iterator[Json]:
    """Yield the model's answer as a stream's events."""
    first = begin(model)
    said = item(act, tools)
    usage = {
        "input_tokens": INPUT, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUTPUT, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT + OUTPUT,
    }  # fmt: skip
    yield first
    yield {"type": "response.output_item.added", "output_index": 0, "item": said}
    if isinstance(act, Say):
        where = {"item_id": said["id"], "output_index": 0, "content_index": 0}
        yield {"type": "response.output_text.delta", **where, "delta": act.text}
    yield {"type": "response.output_item.done", "output_index": 0, "item": said}
    done = {**first["response"], "status": "completed", "output": [said], "usage": usage}
    yield {"type": "response.completed", "response": done}


def failure(status: int) -> Json:
    """Return the body of an error."""
    return {"error": {"message": f"the script says {status}", "type": "server_error", "code": str(status)}}
