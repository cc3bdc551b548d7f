"""What an agent may write in the mailbox, in each client's words: its inbox, outbox and drafts, no more.

Guarantee: whatever else a card allows, a client that has rules is told to keep its writing tools from
everything else in the mailbox; a client that has a sandbox runs its commands in it, unless the card asks
for none.
Rule: pure text. Whether the machine has what a sandbox needs is looked at by `health`.

Not promised: that a client keeps its own rules, nor that a shell outside of a sandbox does; containers keep
agents of one user apart. Reading the mailbox is granted where a client can grant that without writing:
gemini cannot.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubd.launch.context import Context

__all__ = ["OWN", "Granted", "Grants", "claude", "codex", "gemini", "nothing", "opencode", "other_names"]

OWN = ("inbox", "outbox", "drafts")
"""The folders of an agent that it writes in."""
_NOT_OWN = ("waiting", "refused")
_GROUND = ("cards/**", "leases/**", "archive/**", "contract/**", ".git/**", "hub.yaml", "README.md", "NOW.md")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
_SPECIAL = re.compile(r"([\\*?\[\]{}()!])")
_TOOL = re.compile(r"([A-Za-z0-9_.*-]+)(?:\((.*)\))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Granted:
    """What goes into a command line, an environment and the run's folder."""

    values: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


Grants = Callable[[Context], Granted]


def nothing(_: Context) -> Granted:
    """For a program that has no rules of its own."""
    return Granted()


def claude(context: Context) -> Granted:
    """Rules for its file tools, and its sandbox around the commands it runs.

    A refusal is stronger than any permission and any permission mode, so what is not the agent's own is
    refused by name; `//` begins a path from the root. Where bubblewrap or socat is missing it says so, and
    runs commands without a sandbox: then the card's `allowed_tools` decide which.
    """
    card = context.card
    allow: list[str] = []
    deny: list[str] = []
    for root in (_SPECIAL.sub(r"\\\1", root) for root in _roots(context)):
        me = f"{root}/agents/{context.agent}"
        allow += [f"Read(/{root}/**)", *(f"Edit(/{me}/{own}/**)" for own in OWN)]
        deny += [f"Edit(/{root}/{path})" for path in _GROUND]
        deny += [f"Edit(/{me}/{folder}/**)" for folder in _NOT_OWN]
        deny += [f"Edit(/{root}/agents/{name}/**)" for name in other_names(context.agent)]
    allowed = card.texts("allowed_tools")
    settings = {
        "permissions": {"allow": [*allow, *allowed], "deny": [*deny, *card.texts("disallowed_tools")]},
        "sandbox": {
            "enabled": card.text("permission_mode") != "bypassPermissions",
            "failIfUnavailable": False,
            "allowUnsandboxedCommands": False,
            "autoAllowBashIfSandboxed": not allowed,
            "filesystem": {
                "allowWrite": [str(context.own(own)) for own in OWN],
                "denyWrite": _shared_git(context.cwd),
            },
            "network": {"allowedDomains": ["*"]},
        },
    }
    return Granted({"claude_settings": json.dumps(settings)})


def _shared_git(cwd: Path) -> list[str]:
    """Return the git folder that a worktree shares with the project it is one of.

    The sandbox would open it, and lock the project's git config against everybody while a command runs;
    killed, it leaves the lock behind. Shut, it locks nothing. The agent cannot commit then, and the hub does
    it.
    """
    try:
        pointer = (cwd / ".git").read_text("utf-8").removeprefix("gitdir:").strip()
        shared = (cwd / pointer / "commondir").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return []
    return [os.path.realpath(cwd / pointer / shared)]


def other_names(name: str) -> list[str]:
    """Return patterns that match every agent's name but this one, also names that nobody has yet.

    Each begins as the name begins, and goes on otherwise. Letters are written out, because not every matcher
    knows how to turn a set around.
    """
    found = [f"{name}?*"]
    for at, letter in enumerate(name):
        rest = _LETTERS.replace(letter, "")
        found.append(f"{name[:at]}[{rest}]*")
        if at:
            found.append(name[:at])
    return found


def codex(context: Context) -> Granted:
    """Its sandbox: commands write in the project, in these three folders, and in the temporary ones.

    A temporary folder that the mailbox lies in is left out, or the mailbox would be open. The values are
    TOML.
    """
    card, roots = context.card, [Path(root) for root in _roots(context)]
    shut = {
        "codex_no_slash_tmp": any(root.is_relative_to("/tmp") for root in roots),
        "codex_no_tmpdir": any(root.is_relative_to(context.tmp or "/tmp") for root in roots),
    }
    return Granted(
        {
            "codex_sandbox": _toml(card.text("permission_mode") or "workspace-write"),
            "codex_roots": f"[{', '.join(_toml(str(context.own(own))) for own in OWN)}]",
            "codex_model": _toml(card.text("model")) if card.text("model") else "",
            **{name: "true" if shuts else "" for name, shuts in shut.items()},
        }
    )


def gemini(context: Context) -> Granted:
    """The tools of the card as rules of a policy: `run_shell_command(git)` allows what begins so.

    Its file tools stay in its workspace in every mode: the project, and the three folders of the command
    line.
    """
    card = context.card
    rules = [_gemini_rule(tool, "allow", 500) for tool in card.texts("allowed_tools")]
    rules += [_gemini_rule(tool, "deny", 900) for tool in card.texts("disallowed_tools")]
    return Granted(files={"gemini-policy.toml": "\n".join(("# what the card says of tools", *rules, ""))})


def _gemini_rule(tool: str, decision: str, priority: int) -> str:
    name, begins = _tool(tool)
    lines = ["[[rule]]", f"toolName = {_toml(name)}"]
    lines += [f"commandPrefix = {_toml(begins)}"] if begins else []
    return "\n".join((*lines, f'decision = "{decision}"', f"priority = {priority}"))


def opencode(context: Context) -> Granted:
    """Permissions: to read in the whole mailbox, to edit in the three folders. Its shell is not confined.

    What it would ask for is refused to it, and ends the run; so other folders are refused outright. Of
    several rules the last that fits counts, so these come after the card's. Editing is judged by the path
    as it is seen from the project, so that is how the mailbox is named.
    """
    permission: dict[str, dict[str, str]] = {}
    for key, decision in (("allowed_tools", "allow"), ("disallowed_tools", "deny")):
        for name, pattern in map(_tool, context.card.texts(key)):
            permission.setdefault(name.lower(), {})[pattern or "*"] = decision
    outside, edit = (
        permission.setdefault("external_directory", {"*": "deny"}),
        permission.setdefault("edit", {}),
    )
    for root in _roots(context):
        outside[f"{root}/**"] = "allow"
        for seen in dict.fromkeys((root, *(os.path.relpath(root, top) for top in _tops(context.cwd)))):
            edit[f"{seen}/**"] = "deny"
            edit |= {f"{seen}/agents/{context.agent}/{own}/**": "allow" for own in OWN}
    return Granted(env={"OPENCODE_PERMISSION": json.dumps(permission)})


def _toml(text: str) -> str:
    """Return a text as TOML writes it: as JSON does, but no character is written as two."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _tops(cwd: Path) -> tuple[Path, ...]:
    """Return where paths of a project may be seen from: its folder, and the top of its work tree."""
    real = Path(os.path.realpath(cwd))
    top = next((each for each in (real, *real.parents) if (each / ".git").exists()), real)
    return cwd, real, top


def _tool(text: str) -> tuple[str, str]:
    """Return a tool's name, and what stands in its parentheses."""
    named = _TOOL.match(text)
    return (named[1], named[2] or "") if named else (text, "")


def _roots(context: Context) -> list[str]:
    """Return the mailbox's path as it is said, and as it is without links on the way."""
    return list(dict.fromkeys((str(context.root), os.path.realpath(context.root))))
