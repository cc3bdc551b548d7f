"""The records that clients leave on their standard output, each read into the same result.

Guarantee: whatever the bytes are, cut in the middle or none at all, a reader gives a result and never raises.
Rule: the exit code is not looked at: it lies. A client that says no end of its own has failed.

What was denied is told by the tool's name and a file's path. A command may hold a secret, so it is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["READERS", "Result", "tail"]

Json = dict[str, Any]
_GEMINI_DENIED = re.compile(
    r"^Error executing tool (\S+): (?:Tool execution denied|Path not in workspace|Tool \S+ not found)",
    re.MULTILINE,
)
_CODEX_DENIED = ("reject command", "rejected by user")
_OPENCODE_DENIED = ("rejected permission", "a rule which prevents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a client said of its run. None: it said nothing of that."""

    session: str = ""
    cost_usd: float | None = None
    """What this run has cost alone, once `results.share` has worked it out."""
    cost_total_usd: float | None = None
    """What the client said: of this run, or of its whole session."""
    turns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    denied: tuple[str, ...] = ()
    """The tools that it asked for and was not given."""
    is_error: bool = False
    over_budget: bool = False
    status: str = ""
    """What its last STATUS line said."""
    text: str = ""
    """Its last message."""
    error: str = ""
    client: str = ""
    version: str = ""
    of_session: bool | None = None
    """Whether the record itself shows that the total is of more than this run."""


def _claude(out: str, err: str) -> Result:
    """`--output-format stream-json`: an `init`, messages, and a `result`, which is missing when it was
    killed."""
    session, version, last, final = "", "", "", {}
    turns: dict[object, int] = {}
    for event in _records(out):
        session = _word(event.get("session_id")) or session
        match event.get("type"):
            case "system" if event.get("subtype") == "init":
                version = _word(event.get("claude_code_version"))
            case "assistant":
                message = _map(event.get("message"))
                last = _joined(message.get("content")) or last
                turns[str(message.get("id"))] = _claude_read(_map(message.get("usage")))
            case "result":
                final = event
    if not final:
        return Result(
            session=session,
            version=version,
            turns=len(turns) or None,
            input_tokens=sum(turns.values()) or None,
            is_error=True,
            text=last,
            error=tail(err) or "it was ended before it said how it went",
        )
    usage = _map(final.get("usage"))
    models = [_map(model) for model in _map(final.get("modelUsage")).values()]
    counted = sum(_whole(model.get("inputTokens")) or 0 for model in models)
    said, failed = _word(final.get("result")), bool(final.get("is_error"))
    reasons = said or "\n".join(_word(each) for each in _list(final.get("errors")))
    return Result(
        session=session,
        version=version,
        cost_total_usd=_amount(final.get("total_cost_usd")),
        turns=_whole(final.get("num_turns")),
        input_tokens=_claude_read(usage),
        output_tokens=_whole(usage.get("output_tokens")),
        denied=tuple(_claude_denied(_map(each)) for each in _list(final.get("permission_denials"))),
        is_error=failed,
        over_budget=final.get("subtype") == "error_max_budget_usd",
        text=last if failed and last else said or last,
        error=(reasons or tail(err)) if failed else "",
        of_session=counted > (_whole(usage.get("input_tokens")) or 0),
    )


def _claude_denied(denial: Json) -> str:
    tool, path = _word(denial.get("tool_name")), _map(denial.get("tool_input")).get("file_path")
    return f"{tool} {path}" if isinstance(path, str) else tool


def _claude_read(usage: Json) -> int:
    keys = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(_whole(usage.get(key)) or 0 for key in keys)


def _codex(out: str, err: str) -> Result:
    """`exec --json`: a thread, its turns and items. Tokens are of the whole thread; it tells no cost."""
    session, text, error, usage, acts, whole = "", "", "", {}, 0, False
    for event in _records(out):
        item = _map(event.get("item"))
        match event.get("type"):
            case "thread.started":
                session = _word(event.get("thread_id"))
            case "item.completed" if item.get("type") == "agent_message":
                text = _word(item.get("text"))
            case "item.completed" if item.get("type") == "command_execution":
                acts += 1
            case "turn.completed":
                usage, whole = _map(event.get("usage")), True
            case "turn.failed":
                error, whole = _word(_map(event.get("error")).get("message")) or error, False
            case "error":
                error = _word(event.get("message")) or error
    return Result(
        session=session,
        turns=acts + 1 if whole else acts or None,
        input_tokens=_whole(usage.get("input_tokens")),
        output_tokens=_whole(usage.get("output_tokens")),
        denied=("a command outside of the sandbox",) if any(word in err for word in _CODEX_DENIED) else (),
        is_error=not whole,
        text=text,
        error="" if whole else error or tail(err) or "it was ended before it said how it went",
        of_session=True,
    )


def _gemini(out: str, err: str) -> Result:
    """`--output-format json`: one object on standard output; or on the other one, with an error in it."""
    found = _object(out)
    record = found or _last_object(err)
    models = [_map(model) for model in _map(_map(record.get("stats")).get("models")).values()]
    tokens = [_map(model.get("tokens")) for model in models]
    problem = _word(_map(record.get("error")).get("message"))
    return Result(
        session=_word(record.get("session_id")),
        turns=sum(_whole(_map(model.get("api")).get("totalRequests")) or 0 for model in models) or None,
        input_tokens=_sum(tokens, "prompt"),
        output_tokens=_sum(tokens, "candidates"),
        denied=tuple(_GEMINI_DENIED.findall(err)),
        is_error=not found or bool(problem),
        text=_word(record.get("response")),
        error=problem or ("" if found else tail(err)),
    )


def _opencode(out: str, err: str) -> Result:
    """`run --format json`: events. A permission that it had to ask for ends the run, and no event says so."""
    session, text, error, reason = "", "", "", ""
    denied: list[str] = []
    steps: list[Json] = []
    for event in _records(out):
        session = _word(event.get("sessionID")) or session
        part = _map(event.get("part"))
        refusal = _word(_map(part.get("state")).get("error"))
        match event.get("type"):
            case "text":
                text = _word(part.get("text"))
            case "step_finish":
                steps.append(part)
                reason = _word(part.get("reason"))
            case "tool_use" if any(word in refusal for word in _OPENCODE_DENIED):
                denied.append(_word(part.get("tool")))
            case "error":
                problem = _map(event.get("error"))
                error = _word(_map(problem.get("data")).get("message")) or _word(problem.get("name"))
                error = error or "it does not say why"
    if not error and reason != "stop":
        error = tail(err) or "it was ended before it said how it went"
    tokens = [_map(step.get("tokens")) for step in steps]
    return Result(
        session=session,
        cost_total_usd=round(sum(_amount(step.get("cost")) or 0.0 for step in steps), 6) if steps else None,
        turns=len(steps) or None,
        input_tokens=_sum(tokens, "input"),
        output_tokens=_sum(tokens, "output"),
        denied=tuple(denied),
        is_error=bool(error),
        text=text,
        error=error,
    )


READERS: Mapping[str, Callable[[str, str], Result]] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "opencode": _opencode,
}
"""By the preset's name. They take what was written to standard output and to the other one."""


def tail(text: str) -> str:
    """Return the end of what was printed, where an error most likely stands."""
    return text.strip()[-2000:]


def _records(text: str) -> Iterator[Json]:
    """Yield the lines that are objects; others are cut, or somebody else's."""
    for line in text.split("\n"):
        if line.startswith("{") and (found := _object(line)):
            yield found


def _object(text: str) -> Json:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _last_object(text: str) -> Json:
    """Return the object that a text ends with; it begins a line."""
    return _object(text[text.rfind("\n{") + 1 :])


def _joined(content: object) -> str:
    parts = [_map(part) for part in _list(content)]
    return "\n".join(_word(part.get("text")) for part in parts if part.get("type") == "text")


def _sum(parts: Sequence[Json], key: str) -> int | None:
    return sum(_whole(part.get(key)) or 0 for part in parts) if parts else None


def _map(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**63 else None


def _amount(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else None
