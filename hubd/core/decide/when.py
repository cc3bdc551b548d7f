"""Dates that authors write, as instants."""

from __future__ import annotations

from datetime import timedelta

from hubd.core.effect import Doc
from hubd.core.time import format_wall, parse_duration, parse_wall
from hubd.core.work import Work


def resolve_when(work: Work, text: str) -> str:
    """Return a duration from now, or a time, as a time. Its form was checked."""
    seconds = parse_duration(text)
    if seconds is not None:
        return format_wall(work.now.wall + timedelta(seconds=seconds))
    when = parse_wall(text)
    return format_wall(when) if when is not None else ""


def past(work: Work, doc: Doc, key: str) -> bool:
    """Return whether the time that a document names has passed."""
    when = parse_wall(doc.text(key)) if doc.text(key) else None
    return when is not None and when <= work.now.wall
