"""What a card's `worktree:` asks for: a base, files to copy, commands to run.

Guarantee: what is returned has the form that the card's author was promised; anything else is a ProjectError
that shows the form.
Rule: nothing on disk is looked at here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from hubd.core.document import Value
from hubd.core.naming import shown
from hubd.project.plumbing import ProjectError
from hubd.project.repository import is_ref

__all__ = ["Wishes", "read_wishes"]

_KEYS = {
    "base": "base: main",
    "copy": "copy: [.env]",
    "setup": "setup: [make, deps], or [[make, deps], [make, build]]",
}
_MOST = 50


@dataclass(frozen=True, slots=True)
class Wishes:
    """The card's words, checked."""

    base: str = ""
    copy: tuple[str, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()


def read_wishes(settings: Mapping[str, Value]) -> Wishes:
    """Check a card's `worktree:`."""
    for key in settings:
        if key not in _KEYS and not key.startswith("x-"):
            near = difflib.get_close_matches(key, _KEYS, 1)
            guess = f"; did you mean `{near[0]}`?" if near else ""
            said = f"`worktree:` has no `{shown(key)[:60]}`{guess}"
            raise ProjectError(said, "it knows " + "; ".join(f"`{form}`" for form in _KEYS.values()))
    base = settings.get("base", "")
    if not isinstance(base, str) or (base and not is_ref(base)):
        raise _wrong("base", "the name of a branch, a tag or a commit")
    return Wishes(base, _copy(settings.get("copy", ())), _setup(settings.get("setup", ())))


def _copy(value: Value) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, tuple) or len(names) > _MOST:
        raise _wrong("copy", f"a list of at most {_MOST} files")
    found = []
    for name in names:
        if not isinstance(name, str):
            raise _wrong("copy", "a list of files")
        parts = name.removeprefix("./").split("/")
        if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or "\0" in name:
            raise _wrong("copy", "a list of files inside the project, by their paths from its top")
        found.append("/".join(parts))
    return tuple(dict.fromkeys(found))


def _setup(value: Value) -> tuple[tuple[str, ...], ...]:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, tuple) or len(value) > _MOST:
        raise _wrong("setup", "a list of words, or a list of such lists")
    several = all(isinstance(part, tuple) for part in value)
    commands = value if several else (value,)
    found = []
    for command in commands:
        words = [word for word in command if isinstance(word, str) and "\0" not in word]
        if not command or len(words) != len(command) or not words[0]:
            raise _wrong("setup", "a list of words, or a list of such lists")
        found.append(tuple(words))
    return tuple(found)


def _wrong(key: str, form: str) -> ProjectError:
    return ProjectError(f"`{key}` of `worktree:` must be {form}", f"such as `{_KEYS[key]}`")
