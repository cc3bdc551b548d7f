"""The clients that are known, as data: how each is started, told, resumed and stopped.

Guarantee: a command is a list of words. What a card says stands behind `--flag=`, or is quoted in a value,
so it can become neither a flag nor a shell word, whatever it says.
Rule 1: what differs between clients stands in `PRESETS`; `build` knows no client by name.
Rule 2: `granting` alone says what an agent may write.

In the words of a command line `{name}` is filled in; a tuple of words is left out where one of its values
is empty.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from hubd.core.effect import Doc
from hubd.launch.context import Context
from hubd.launch.granting import Grants, claude, codex, gemini, nothing, opencode

__all__ = ["PLAIN", "PRESETS", "Command", "Preset", "build", "keys", "preset_of", "program"]

Word = str | tuple[str, ...]
Signal = Literal["TERM", "INT"]
_NAME = re.compile(r"\{([a-z_]+)\}")
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_ARGUMENT_MOST = 100_000
"""Bytes of a prompt that is given as a word; the kernel takes 131,071. A longer one is read from its file."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One client."""

    name: str
    program: str
    argv: tuple[Word, ...]
    """Without a terminal: its result on standard output, in a form that `results` reads."""
    terminal: tuple[Word, ...] = ()
    """In a terminal, for people to attach to; it does not end by itself."""
    stdin: bool = True
    """Whether it reads the prompt on standard input, without a terminal."""
    typed: bool = False
    """Whether the prompt is typed into the terminal, for want of a word that takes it."""
    env: Mapping[str, str] = field(default_factory=dict)
    signal: Signal = "TERM"
    terminal_signal: Signal = "TERM"
    grants: Grants = nothing
    mode: str = ""
    """The permission mode where a card names none."""
    modes: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    """The modes in which it cannot write into its outbox: it could work, and never hand off."""
    lacks: tuple[str, ...] = ()
    """The lines of a card that it has no way to carry out."""
    version: tuple[str, ...] = ("--version",)
    measured: str = ""
    """The version that this was found out with."""
    instructions: tuple[str, ...] = ()
    """The files of a project that it reads by itself; one is enough."""
    mcp: tuple[str, ...] = ()
    """The files of a project that name its MCP servers."""
    tools: tuple[str, ...] = ()
    """The programs without which it cannot confine the commands it runs."""
    open_shell: bool = False
    """Whether its commands may write wherever its user may, whatever else it is told."""
    speaks_only: bool = False
    """It has no tools with which it could save a handoff: the hub does that for it, from its last words."""
    litter: tuple[str, ...] = ()
    """Patterns of what its sandbox makes in the folders that it opens, and leaves when it is killed."""


_CLAUDE: tuple[Word, ...] = (
    "--settings={claude_settings}",
    "--permission-mode={permission_mode}",
    ("--model={model}",),
    ("--session-id={new_session}",),
    ("--resume={old_session}",),
)
_CODEX: tuple[Word, ...] = (
    "-c", "check_for_update_on_startup=false",
    "-c", "analytics.enabled=false",
    "-c", 'approval_policy="never"',
    "-c", "sandbox_mode={codex_sandbox}",
    "-c", "sandbox_workspace_write.writable_roots={codex_roots}",
    ("-c", "sandbox_workspace_write.exclude_slash_tmp={codex_no_slash_tmp}"),
    ("-c", "sandbox_workspace_write.exclude_tmpdir_env_var={codex_no_tmpdir}"),
    ("-c", "model={codex_model}"),
)  # fmt: skip
_GEMINI: tuple[Word, ...] = (
    "gemini",
    "--approval-mode={permission_mode}",
    "--policy={folder}/gemini-policy.toml",
    "--include-directories={inbox}",
    "--include-directories={outbox}",
    "--include-directories={drafts}",
    ("--model={model}",),
    ("--session-id={new_session}",),
    ("--resume={old_session}",),
)
_AIDER: tuple[Word, ...] = (
    "aider", "--no-check-update", "--no-show-release-notes", "--no-analytics", "--no-gitignore",
    "--chat-history-file={folder}/aider.chat.md",
    "--input-history-file={folder}/aider.input",
    ("--read={agents_md}",),
    ("--model={model}",),
)  # fmt: skip

_PRESETS = (
    Preset(
        name="claude",
        program="claude",
        argv=(
            "claude", "-p", "--output-format=stream-json", "--verbose", *_CLAUDE,
            ("--max-budget-usd={budget_usd}",),
        ),
        terminal=("claude", *_CLAUDE, "--", "{prompt}"),
        env={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"},
        signal="INT",  # it ends its children as at TERM, and then still says what the run has cost
        grants=claude,
        mode="acceptEdits",
        modes=("acceptEdits", "auto", "bypassPermissions", "dontAsk", "manual", "plan"),
        mute=("plan",),
        measured="2.1.329",
        instructions=("CLAUDE.md", ".claude/CLAUDE.md"),
        mcp=(".mcp.json",),
        tools=("bwrap", "socat"),
        litter=(
            ".claude/*", ".claude", ".bash_profile", ".bashrc", ".gitconfig", ".gitmodules", ".idea",
            ".mcp.json", ".profile", ".ripgreprc", ".vscode", ".zprofile", ".zshrc",
        ),
    ),
    Preset(
        name="codex",
        program="codex",
        argv=("codex", "exec", "--json", "--skip-git-repo-check", *_CODEX, ("resume", "{old_session}"), "-"),
        terminal=("codex", *_CODEX, ("resume", "{old_session}"), "--", "{prompt}"),
        signal="TERM",  # at INT it has no time to clear away what its sandbox has made
        grants=codex,
        mode="workspace-write",
        modes=("read-only", "workspace-write", "danger-full-access"),
        mute=("read-only",),
        lacks=("allowed_tools", "disallowed_tools", "budget_usd"),
        measured="0.169.0",
        instructions=("AGENTS.md",),
        mcp=(".codex/config.toml",),
        litter=(".agents", ".aws", ".codex", ".git"),
    ),
    Preset(
        name="gemini",
        program="gemini",
        argv=(*_GEMINI, "--output-format=json"),
        terminal=(*_GEMINI, "--prompt-interactive={prompt}"),
        env={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        grants=gemini,
        mode="auto_edit",
        modes=("default", "auto_edit", "yolo", "plan"),
        mute=("default", "plan"),
        lacks=("budget_usd",),
        measured="0.61.0",
        instructions=("GEMINI.md",),
        mcp=(".gemini/settings.json",),
    ),
    Preset(
        name="opencode",
        program="opencode",
        argv=("opencode", "run", "--format=json", ("--model={model}",), ("--session={old_session}",)),
        terminal=("opencode", ("--model={model}",), ("--session={old_session}",), "--prompt={prompt}"),
        env={"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
        grants=opencode,
        open_shell=True,
        lacks=("permission_mode", "budget_usd"),
        measured="1.18.33",
        instructions=("AGENTS.md", "CLAUDE.md"),
        mcp=("opencode.json", "opencode.jsonc"),
    ),
    Preset(
        name="aider",
        speaks_only=True,  # it edits the files that it is told of, and no others
        program="aider",
        argv=(*_AIDER, "--yes-always", "--no-pretty", "--no-stream", "--message-file={prompt_file}"),
        terminal=_AIDER,
        stdin=False,
        typed=True,
        lacks=("permission_mode", "allowed_tools", "disallowed_tools", "budget_usd"),
        measured="0.86.2",
        instructions=("AGENTS.md",),
    ),
)  # fmt: skip
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _PRESETS})

PLAIN = Preset(
    "", "", (), lacks=("model", "permission_mode", "allowed_tools", "disallowed_tools", "budget_usd")
)
"""Any other program. Its words are the card's; it reads the prompt on standard input. In a terminal nothing
is typed for it, because a shell would obey it: HUB_PROMPT, or `{prompt_file}`, says where the prompt
lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a run's process is started."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    typed: str = ""
    """What is typed into a terminal as soon as it is ready."""
    signal: int = signal.SIGTERM
    files: Mapping[str, str] = field(default_factory=dict)
    """Names and texts: written into the run's folder before it is started."""
    long_lived: bool = False
    """It does not end by itself, and is told of more with `keys`."""


def preset_of(card: Doc) -> Preset:
    """Return the preset that a card's `command` names; `PLAIN` for a list of words."""
    command = card.document.get("command")
    return PRESETS.get(command, PLAIN) if isinstance(command, str) else PLAIN


def program(card: Doc) -> str:
    """Return the program that a card starts; an empty text where it starts none."""
    return preset_of(card).program or next(iter(card.texts("command")), "")


def build(context: Context) -> Command:
    """Return how a run is started. Raises ValueError where its card names no command.

    What is no name of a session is not handed on: the client then begins a new one.
    """
    card = context.card
    preset, terminal = preset_of(card), context.runtime == "pty"
    granted = preset.grants(context)
    words: Sequence[Word] = preset.terminal if terminal else preset.argv
    words = card.texts("command") if preset is PLAIN else words
    if not words:
        raise ValueError(f"the card of {context.agent} names no command")
    values = {**_values(context, preset), **granted.values}
    stop = preset.terminal_signal if terminal else preset.signal
    return Command(
        argv=_filled(words, values),
        env={**preset.env, **granted.env, "HUB_PROMPT": str(context.prompt_file)},
        stdin=context.prompt if preset.stdin and not terminal else "",
        typed=keys(card, context.prompt) if preset.typed and terminal else "",
        signal=signal.Signals[f"SIG{stop}"],
        files=granted.files,
        long_lived=terminal,
    )


def keys(card: Doc, text: str) -> str:
    """Return what has to be typed so that a client in a terminal takes a text as one message.

    It is pasted in one piece, and holds no control character: no line of it is sent alone, and none is a key.
    """
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if preset_of(card) is PLAIN:
        return f"{' '.join(plain.split())}\r"
    return f"\x1b[200~{plain}\x1b[201~\r"


def _values(context: Context, preset: Preset) -> dict[str, str]:
    """Return what can be filled in for every client."""
    card = context.card
    session = context.session if _SESSION.match(context.session) else ""
    prompt = context.prompt.replace("\0", "")
    if len(prompt.encode("utf-8", "replace")) > _ARGUMENT_MOST:
        prompt = f"Read the file {context.prompt_file} and do what it says."
    agents_md = context.cwd / "AGENTS.md"
    return {
        "agent": context.agent,
        "run": context.run,
        "mailbox": str(context.root),
        "cwd": str(context.cwd),
        "folder": str(context.folder),
        "prompt_file": str(context.prompt_file),
        "prompt": prompt,
        **{own: str(context.own(own)) for own in ("inbox", "outbox", "drafts")},
        "model": card.text("model"),
        "budget_usd": card.text("budget_usd"),
        "permission_mode": card.text("permission_mode") or preset.mode,
        "old_session": session if context.resume else "",
        "new_session": "" if context.resume else session,
        "agents_md": str(agents_md) if agents_md.is_file() else "",
    }


def _filled(words: Sequence[Word], values: Mapping[str, str]) -> tuple[str, ...]:
    """Fill in what is known; other braces stay as they are."""
    done: list[str] = []
    for word in words:
        group = (word,) if isinstance(word, str) else word
        wanted = [name for part in group for name in _NAME.findall(part)]
        if isinstance(word, str) or all(values.get(name) for name in wanted):
            done += [_NAME.sub(lambda found: values.get(found[1], found[0]), part) for part in group]
    return tuple(done)
