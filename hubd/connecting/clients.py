"""What each client reads, as one table: which files, and what is to stand in them.

Guarantee: what is written follows from the client, who it takes part as, and where the mailbox lies; from
nothing else. So it can be compared with what is there.
Rule 1: pure data; editing is for the modules that know a file's form. Rule 2: what a client reads was seen
with the client itself (Claude Code 2.1, Codex 0.169, Gemini CLI 0.61, opencode 1.18); Cursor's as documented.

Not written here: trust. That a client may start programs for a folder is for the person to say, in there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hubd.connecting.blocks import Block
from hubd.connecting.members import Entry

__all__ = ["CLIENTS", "EVENTS", "Client", "Entries", "File", "Member", "Whole", "blank"]

EVENTS: Mapping[str, str] = {
    "SessionStart": "", "UserPromptSubmit": "", "PostToolUse": "*", "PreCompact": "", "Stop": "",
    "SessionEnd": "",
}  # fmt: skip
"""Claude's events that deliver mail, and the tools that they are for."""
MARK = "# hubctl connect"
SERVER = "hub"


@dataclass(frozen=True, slots=True)
class Member:
    """Who takes part, and where."""

    name: str
    mailbox: str
    call: tuple[str, ...]
    """The words that start hubctl: its path, or an interpreter and a module."""
    text: str
    """The template of the block."""

    @property
    def words(self) -> tuple[str, ...]:
        return (*self.call, "-C", self.mailbox, "--as", self.name)

    def block(self, title: str) -> tuple[str, ...]:
        """Return the lines that tell an agent how to take part."""
        told = {
            "agent": self.name, "mailbox": self.mailbox, "client": title,
            "call": shlex.join(self.words),
        }  # fmt: skip
        return tuple(self.text.format(**told).splitlines())


@dataclass(frozen=True, slots=True)
class Entries:
    """A JSON file's own part."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """A file that holds nothing but a block, below a head that the client wants."""

    head: str
    block: Block


Part = Block | Entries | Whole


@dataclass(frozen=True, slots=True)
class File:
    """One file of a project that a client reads. Paths are relative to the project."""

    path: str
    parts: tuple[Part, ...]
    instead: str = ""
    """What a person can run where this file is committed, and nothing committed may change."""


@dataclass(frozen=True, slots=True)
class Client:
    """One row of the table."""

    title: str
    files: Callable[[Member, bool], tuple[File, ...]]
    """By who takes part, and whether it is shared with everybody who has the project."""
    then: str
    """What the person does next."""


def _server(value: Any) -> bool:
    """Tell our registration: it starts `hubctl … --as NAME mcp`."""
    if not isinstance(value, dict):
        return False
    words = value.get("command")
    words = [*(words if isinstance(words, list) else [words]), *_list(value.get("args"))]
    return words[-1:] == ["mcp"] and "--as" in words


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _hook(value: Any) -> bool:
    hooks = _list(value.get("hooks")) if isinstance(value, dict) else []
    return any(isinstance(hook, dict) and str(hook.get("command", "")).endswith(MARK) for hook in hooks)


def _stdio(member: Member, **more: Any) -> dict[str, Any]:
    return {**more, "command": member.words[0], "args": [*member.words[1:], "mcp"]}


def _registered(section: str, value: dict[str, Any]) -> Entry:
    return Entry((section,), value, _server, SERVER)


def _plain(path: tuple[str, ...], value: str) -> Entry:
    return Entry(path, value, lambda there: bool(there == value), plain=True)


def _hooked(member: Member, event: str, matcher: str) -> Entry:
    command = f"{shlex.join(member.words)} hook {event} {MARK}"
    hook = {"hooks": [{"type": "command", "command": command, "timeout": 10}]}
    return Entry(("hooks", event), {"matcher": matcher, **hook} if matcher else hook, _hook)


def _claude(member: Member, shared: bool) -> tuple[File, ...]:
    hooks = tuple(_hooked(member, event, matcher) for event, matcher in EVENTS.items())
    added = shlex.join(("claude", "mcp", "add", "--scope", "local", SERVER, "--", *member.words, "mcp"))
    return (
        File("CLAUDE.md" if shared else "CLAUDE.local.md", (Block("claude", member.block("Claude Code")),)),
        File(".mcp.json", (Entries((_registered("mcpServers", _stdio(member, type="stdio")),)),), added),
        File(
            f".claude/settings{'' if shared else '.local'}.json",
            (Entries((*hooks, _plain(("enabledMcpjsonServers",), SERVER))),),
        ),
    )


def _codex(member: Member, shared: bool) -> tuple[File, ...]:
    told = member.block("Codex")
    command, args = json.dumps(member.words[0]), json.dumps([*member.words[1:], "mcp"])
    server = Block(
        "codex", (f"[mcp_servers.{SERVER}]", f"command = {command}", f"args = {args}"), "hash"
    )  # fmt: skip
    if shared:
        return File("AGENTS.md", (Block("codex", told),)), File(".codex/config.toml", (server,))
    instructions = Block("codex", ("developer_instructions = '''", *told, "'''"), "hash", top=True)
    return (File(".codex/config.toml", (instructions, server)),)


def _gemini(member: Member, shared: bool) -> tuple[File, ...]:
    del shared  # Gemini reads no file that is a person's own in a project; an uncommitted GEMINI.md is
    return (
        File("GEMINI.md", (Block("gemini", member.block("Gemini CLI")),)),
        File(".gemini/settings.json", (Entries((_registered("mcpServers", _stdio(member)),)),)),
    )


def _cursor(member: Member, shared: bool) -> tuple[File, ...]:
    del shared
    head = "---\ndescription: How to take part in the hub\nalwaysApply: true\n---\n"
    return (
        File(".cursor/rules/hubd.mdc", (Whole(head, Block("cursor", member.block("Cursor"))),)),
        File(".cursor/mcp.json", (Entries((_registered("mcpServers", _stdio(member)),)),)),
    )


def _opencode(member: Member, shared: bool) -> tuple[File, ...]:
    del shared
    own = ".opencode/hubd.md"
    local = {"type": "local", "command": [*member.words, "mcp"]}
    entries = (_registered("mcp", local), _plain(("instructions",), own))
    return (
        File(own, (Whole("", Block("opencode", member.block("opencode"))),)),
        File(".opencode/opencode.json", (Entries(entries),)),
    )


CLIENTS: Mapping[str, Client] = {
    "claude": Client("Claude Code", _claude, "start `claude` there; `/mcp` shows the server"),
    "codex": Client("Codex", _codex, "start `codex` there, and trust the folder when it asks"),
    "gemini": Client("Gemini CLI", _gemini, "start `gemini` there, and trust the folder when it asks"),
    "cursor": Client("Cursor", _cursor, "open the folder, and switch the server on in Settings, MCP"),
    "opencode": Client("opencode", _opencode, "start `opencode` there"),
}


def blank() -> Member:
    """Somebody who is nobody: enough to find again what was written for anybody."""
    return Member("nobody", "/", ("hubctl",), "")
