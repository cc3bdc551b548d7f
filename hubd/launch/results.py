"""What came of a run, as its client says it: session, cost, tokens, the last words, and its STATUS line.

Guarantee: reading never raises, and gives no control character on.
Rule 1: a client's record is believed, not its exit code. A program that leaves no record has nothing but the
code. Rule 2: what was said stays as it was said; how much of it is this run's alone is worked out by `share`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from hubd.launch.presets import Preset
from hubd.launch.records import READERS, Result, tail

__all__ = ["Result", "cost_of_run", "read_result", "share"]

_STATUS = re.compile(r"^[*_`> \t]{0,4}STATUS:([^\n]{1,1000})", re.MULTILINE)
_WORD = re.compile(r"(?:done|blocked|waiting)\b", re.IGNORECASE)
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()#][A-Z0-9]|[^\[\]])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_RESUME = re.compile(r"\b(?:claude --resume|codex resume) ([A-Za-z0-9-]{8,64})")
_TEXT_MOST = 20_000
_LINE_MOST = 500
_DENIED_MOST = 20
_COUNTS_RUN, _COUNTS_SESSION = (2, 1, 197), (2, 1, 329)
"""The last measured version of Claude Code whose cost is the run's, and the first whose is the session's."""


def read_result(
    preset: Preset, stdout: bytes, stderr: bytes, code: int | None, signal: int | None, terminal: bool = False
) -> Result:
    """Read what a client said. `code` and `signal`: how it ended. `terminal`: what it showed on one."""
    out, err = _clean(stdout), _clean(stderr)
    reader = READERS.get(preset.name)
    if terminal or reader is None:
        result = Result(text=out, is_error=bool(code) or signal is not None, error="")
    else:
        result = reader(out, err)
    if terminal:
        # The prompt stands on the same screen, so what looks like a status may be its own example.
        session, status = next(iter(_RESUME.findall(out)[-1:]), ""), ""
    else:
        session, status = _line(result.session), _status(result.text)
    return replace(
        result,
        client=preset.name,
        session=session,
        status=status,
        text=result.text[-_TEXT_MOST:],
        error=(result.error or tail(err))[-_TEXT_MOST:] if result.is_error else "",
        denied=tuple(dict.fromkeys(map(_line, result.denied)))[:_DENIED_MOST],
    )


def share(result: Result, earlier: Result, version: str = "") -> Result:
    """Return a result with what is this run's alone. `earlier`: the sums of its session's earlier runs."""
    result = replace(result, cost_usd=cost_of_run(result, earlier.cost_usd or 0.0, version))
    if result.client != "codex":
        return result
    read = _rest(result.input_tokens, earlier.input_tokens)
    return replace(
        result, input_tokens=read, output_tokens=_rest(result.output_tokens, earlier.output_tokens)
    )


def cost_of_run(result: Result, earlier: float, version: str = "") -> float | None:
    """Return what a run has cost alone. `earlier`: what its session's earlier runs have cost, together.

    Up to 2.1.197 Claude Code says what the run costs, from 2.1.329 what its session costs. A version between
    them is known by its record, which counts a session's tokens beside the run's. `version` where the record
    does not tell it.
    """
    said = result.cost_total_usd
    if said is None or result.client != "claude":
        return said
    known = tuple(map(int, re.findall(r"\d+", result.version or version)[:3]))
    of_session = bool(result.of_session)
    if known and not _COUNTS_RUN < known < _COUNTS_SESSION:
        of_session = known >= _COUNTS_SESSION
    return round(said - earlier, 6) if of_session and said >= earlier else said


def _rest(total: int | None, earlier: int | None) -> int | None:
    return total - (earlier or 0) if total is not None and total >= (earlier or 0) else total


def _status(text: str) -> str:
    """Return what the last STATUS line says; its first word in small letters, where that is one of the
    three."""
    said = _line(re.sub("[*`]", "", next(iter(_STATUS.findall(text)[-1:]), "")))
    word = _WORD.match(said)
    return word[0].lower() + said[word.end() :] if word else said


def _line(text: str) -> str:
    return " ".join(text.split())[:_LINE_MOST]


def _clean(data: bytes) -> str:
    """Return text without colours, movements and other control characters."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", _ESCAPES.sub("", text))
