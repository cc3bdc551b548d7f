"""What a card says about how its agent is started: checked when it is saved, before anything is started.

Guarantee: a card that passes can be carried out as far as the card goes; what the machine lacks (a folder, a
program, an image) is found out where it is started.
Rule: nothing here looks outside the card. Each finding names the line, and what to write instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping

from hubd.core.document import Document, Value, dump_line
from hubd.core.effect import Doc, Refusal
from hubd.core.model import PRESETS
from hubd.core.secret import has_secret
from hubd.core.settings import Settings
from hubd.core.time import parse_duration

__all__ = ["check_card", "command_of", "is_kept_up", "is_path"]

REPLICAS_MOST = 100
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_MEMORY = re.compile(r"[1-9]\d{0,11}[bkmg]?\Z")
_USER = re.compile(r"\d{1,9}(:\d{1,9})?\Z")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
_REVISION = re.compile(r"[A-Za-z0-9_][^\s~^:?*\[\\]{0,199}\Z")
_NEEDS_COMMAND = ("auto", "always")


def is_kept_up(settings: Settings, agent: str, card: Doc) -> bool:
    """Return whether one run of an agent is to be there all the time."""
    return card.text("launch") == "always" or settings.word("orchestrator") == agent


def command_of(card: Doc) -> str:
    """Return the preset, or the program, in one line."""
    words = card.texts("command")
    return " ".join(words[0].split())[:500] if words else ""


def is_path(text: str) -> bool:
    """Return whether a text is a path from the root, or from the hub's user's home."""
    plain = text.isprintable() and ".." not in text.split("/")
    return plain and text.startswith(("/", "~/")) and len(text) <= 1000


def check_card(document: Document) -> Refusal | None:
    """Return the first thing that is wrong with how an agent is to be started, or None.

    The forms of its values were checked; here is what they mean, alone and together.
    """
    return next((wrong for check in _CHECKS if (wrong := check(document)) is not None), None)


def _bad(document: Document, key: str, said: str, hint: str, correct: str = "") -> Refusal:
    entry = document.entry(key)
    line = entry.line if entry is not None else 1
    written = entry.text.strip().rpartition("\n")[2] if entry is not None else ""
    return Refusal("bad-value", said, hint, line, written, correct)


def _missing(document: Document, key: str, said: str, hint: str) -> Refusal:
    """Refuse what lacks something else; `key` is the line that asks for it."""
    entry = document.entry(key)
    return Refusal("missing-key", said, hint, entry.line if entry is not None else 1)


def _command(document: Document) -> Refusal | None:
    command = document.get("command")
    if not isinstance(command, str) or command in PRESETS:
        return None
    near = difflib.get_close_matches(command.lower(), PRESETS, 1)
    guess = f"; did you mean `{near[0]}`?" if near else ""
    hint = "write a preset (" + ", ".join(PRESETS) + "), or the program and its words as a list"
    correct = dump_line("command", near[0] if near else tuple(command.split()))
    return _bad(document, "command", f"there is no preset `{command[:80]}`{guess}", hint, correct)


def _launch(document: Document) -> Refusal | None:
    launch = document.text("launch")
    if launch not in _NEEDS_COMMAND:
        return None
    if document.text("human") == "true":
        return _bad(document, "launch", "a person is not started", "leave out `launch:`")
    if document.get("command") is None:
        hint = "add `command:`: a preset (" + ", ".join(PRESETS) + "), or a list"
        return _missing(document, "launch", f"`launch: {launch}` needs `command:`", hint)
    return None


def _directory(document: Document) -> Refusal | None:
    directory = document.text("directory")
    if directory and not is_path(directory):
        said = "`directory` must be a path that begins with / or ~/"
        return _bad(document, "directory", said, "write the whole path", "")
    if document.get("worktree") is not None and not directory:
        said, hint = "`worktree` needs `directory:`", "add `directory:`, the project that it is a worktree of"
        return _missing(document, "worktree", said, hint)
    return None


def _worktree(document: Document) -> Refusal | None:
    base = _part(document, "worktree", "base")
    if isinstance(base, str) and base and (not _REVISION.match(base) or ".." in base):
        return _bad(document, "worktree", "`base` must be a branch or a commit", "write base: main")
    copied = _part(document, "worktree", "copy")
    names = copied if isinstance(copied, tuple) else (copied or "",)
    if any(re.search(r"[*?]", str(name)) for name in names):
        return _bad(document, "worktree", "`copy` names files, and knows no patterns", "name each of them")
    return None


def _container(document: Document) -> Refusal | None:
    image = _part(document, "container", "image")
    if document.text("runtime") == "container" and not image:
        hint = "add `container: {image: ...}` with the name of an image"
        return _missing(document, "runtime", "`runtime: container` needs an image", hint)
    for name, fits, example in _FORMS:
        value = _part(document, "container", name)
        lines = value if isinstance(value, tuple) else (value,) if value is not None else ()
        if not all(isinstance(line, str) and fits(line) for line in lines):
            return _bad(document, "container", f"`{name}` has not its form", f"write it as {example}")
    return None


def _is_mount(text: str) -> bool:
    host, _, rest = text.partition(":")
    inside, _, mode = rest.partition(":")
    return is_path(host) and is_path(inside) and inside.startswith("/") and mode in ("", "ro", "rw")


_FORMS: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("image", lambda text: bool(text) and text[0] != "-" and not re.search(r"\s", text), "debian:12"),
    ("mounts", _is_mount, "~/data:/data:ro"),
    ("network", lambda text: _NETWORK.match(text) is not None, "none"),
    ("memory", lambda text: _MEMORY.match(text) is not None, "512m or 2g"),
    ("user", lambda text: _USER.match(text) is not None, "1000:1000"),
)


def _part(document: Document, key: str, name: str) -> Value | None:
    value = document.get(key)
    return value.get(name) if isinstance(value, Mapping) else None


def _counts(document: Document) -> Refusal | None:
    replicas = document.text("replicas")
    if replicas and not 1 <= int(replicas) <= REPLICAS_MOST:
        return _bad(document, "replicas", f"`replicas` must be from 1 to {REPLICAS_MOST}", "write 1 or more")
    for key in ("timeout", "idle_timeout"):
        if document.text(key) and not parse_duration(document.text(key)):
            return _bad(document, key, f"`{key}` must be a second at least", f"write {key}: 30m")
    return None


def _environment(document: Document) -> Refusal | None:
    given = document.get("env")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if not isinstance(value, str):
            return _bad(document, "env", f"`{name}` of `env` must be text", "write one value in quotes")
        if has_secret(value.encode()):
            said = f"`{name}` of `env` looks like a secret, and what a card says is kept for ever"
            hint = f"put it in the environment of hubd, and write `pass_env: [{name}]` instead"
            return _bad(document, "env", said, hint)
    passed = document.get("pass_env") or ()
    names = [("env", str(name)) for name in given] if isinstance(given, Mapping) else []
    names += [("pass_env", str(name)) for name in (passed if isinstance(passed, tuple) else (passed,))]
    for key, name in names:
        if not _VARIABLE.match(name):
            said = f"`{name[:80]}` of `{key}` is no name of a variable"
            return _bad(document, key, said, "write letters, digits and _, as API_KEY")
        if name.upper().startswith("HUB_"):
            said = f"`{name}` of `{key}`: names that begin with HUB_ are the hub's"
            return _bad(document, key, said, "leave it out, or name it otherwise")
    return None


_CHECKS = (_command, _launch, _directory, _worktree, _container, _counts, _environment)
