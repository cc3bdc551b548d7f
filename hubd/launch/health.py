"""Whether this machine has what an agent needs: its folder, its client, what the client reads, what confines
it.

Guarantee: looking starts nothing but a client's own `--version`, with a time limit, and changes nothing.
Rule: a finding says what is there or missing, and where something is missing what can be done.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hubd.core.document import Value, document
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.launch.environment import environment
from hubd.launch.presets import PLAIN, Preset, preset_of, program

__all__ = ["Check", "Client", "checks", "client_health"]

_PATIENCE = 20.0
_VERSION = re.compile(r"\d+\.\d+")
_INSTALL = {
    "claude": "npm install -g @anthropic-ai/claude-code",
    "codex": "npm install -g @openai/codex",
    "gemini": "npm install -g @google/gemini-cli",
    "opencode": "npm install -g opencode-ai",
    "aider": "pip install aider-chat",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `hint` says what to do where it is not ok."""

    name: str
    ok: bool
    said: str
    hint: str = ""


class Client(NamedTuple):
    """A client as it was found; `problem` is empty where it answers."""

    path: str
    version: str
    problem: str


def client_health(
    preset: Preset, environment: Mapping[str, str], name: str = "", patience: float = _PATIENCE
) -> Client:
    """Look for a client in an agent's PATH, and ask it for its version. `name`: a program without a
    preset."""
    wanted = preset.program or name
    path = shutil.which(wanted, path=environment.get("PATH", os.defpath))
    if path is None:
        return Client("", "", f"`{wanted}` is not in the PATH")
    if preset is PLAIN:
        return Client(path, "", "")
    try:
        said = _ask((path, *preset.version), environment, patience)
    except subprocess.TimeoutExpired:
        return Client(path, "", f"it did not tell its version in {patience:g} s")
    except OSError as error:
        return Client(path, "", f"it cannot be started: {error.strerror}")
    line = next((line.strip() for line in said.splitlines() if _VERSION.search(line)), "")
    return Client(path, line[:100], "" if line else "it does not tell its version")


def _ask(argv: Sequence[str], environment: Mapping[str, str], patience: float) -> str:
    """Return what a program prints. Whatever it has started is gone when this returns."""
    with subprocess.Popen(
        argv, env=dict(environment), cwd="/", start_new_session=True, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            return process.communicate(timeout=patience)[0]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def checks(
    header: Mapping[str, object], body: str = "", base: Mapping[str, str] | None = None
) -> list[Check]:
    """Return what is found for a card, given as its header. `base`: the hub's environment; else this
    process's."""
    fields = {name: _value(value) for name, value in header.items()}
    card = Doc("card", Kind.AGENT, "active", document(fields, body), ())
    found = environment(card, os.environ if base is None else base)
    preset = preset_of(card)
    folder = Path(card.text("directory")).expanduser() if card.text("directory") else None
    contained = card.text("runtime") == "container"
    return [
        *_directory(card, folder),
        *([] if contained else _client(card, preset, found.variables)),
        *(_present("instructions", preset.instructions, folder) if preset.instructions else []),
        *(_present("mcp", preset.mcp, folder) if preset.mcp else []),
        *([] if contained else _confinement(card, preset, found.variables)),
        *_words(card, preset),
        *[
            Check(
                "environment",
                False,
                f"the hub's environment has no {name}",
                f"set {name} where hubd is started",
            )
            for name in found.missing
        ],
    ]


def _directory(card: Doc, folder: Path | None) -> list[Check]:
    if folder is None:
        hint = "add `directory:` with the path of the project"
        return [Check("directory", False, "the card names none: it would work in its own folder", hint)]
    if not folder.is_dir():
        return [Check("directory", False, f"{folder} is not there", "make it, or correct `directory:`")]
    wants_git = card.document.get("worktree") is not None
    if wants_git and not any((each / ".git").exists() for each in (folder, *folder.resolve().parents)):
        hint = "run `git init` there, or leave out `worktree:`"
        return [Check("directory", False, f"{folder} is in no git repository", hint)]
    return [Check("directory", True, str(folder))]


def _client(card: Doc, preset: Preset, variables: Mapping[str, str]) -> list[Check]:
    name = program(card)
    if not name:
        return []
    client = client_health(preset, variables, name)
    if client.problem:
        install = _INSTALL.get(preset.name, "")
        hint = f"install it ({install}), or add its folder to the PATH of hubd" if install else ""
        return [Check("client", False, client.problem, hint or "correct `command:`, or the PATH of hubd")]
    return [Check("client", True, f"{client.path} {client.version}".rstrip())]


def _present(name: str, wanted: tuple[str, ...], folder: Path | None) -> list[Check]:
    if folder is None or not folder.is_dir():
        return []
    there = [each for each in wanted if (folder / each).is_file()]
    if there:
        return [Check(name, True, ", ".join(there))]
    return [
        Check(name, False, f"no {' or '.join(wanted)}", "it can do without; the client would read it there")
    ]


def _confinement(card: Doc, preset: Preset, variables: Mapping[str, str]) -> list[Check]:
    """What a client needs in order to keep the commands that it runs out of others' folders."""
    path = variables.get("PATH", os.defpath)
    missing = [tool for tool in preset.tools if shutil.which(tool, path=path) is None]
    mode = card.text("permission_mode")
    if mode in ("bypassPermissions", "danger-full-access", "yolo"):
        said = f"`permission_mode: {mode}` lets its commands write everywhere"
        return [Check("sandbox", False, said, "leave it out, unless a container holds the agent")]
    if preset.open_shell:
        hint = "a container keeps it apart, `runtime: container`; or leave out its shell, `disallowed_tools:`"
        return [Check("sandbox", False, "the commands it runs may write everywhere", hint)]
    if missing:
        runs = (
            "its commands run outside of a sandbox"
            if card.texts("allowed_tools")
            else "it may run no command"
        )
        hint = "on Debian: apt install bubblewrap socat; or name in `allowed_tools:` what it may run"
        return [Check("sandbox", False, f"without {' and '.join(missing)} {runs}", hint)]
    if preset.name == "codex":
        return [_codex_home(variables)]
    return [Check("sandbox", True, "its commands run in its own sandbox")] if preset.tools else []


def _codex_home(variables: Mapping[str, str]) -> Check:
    """Below a temporary folder codex cannot set up its sandbox: every command fails, and the run seems to go
    well."""
    home = Path(variables.get("CODEX_HOME") or Path(variables.get("HOME", "/")) / ".codex")
    tmp = Path(variables.get("TMPDIR") or "/tmp")
    if home.is_relative_to(tmp):
        said = f"CODEX_HOME {home} is below the temporary folder: no command will run"
        return Check("sandbox", False, said, "put CODEX_HOME elsewhere, or set another TMPDIR")
    return Check("sandbox", True, "its commands run in its own sandbox")


def _words(card: Doc, preset: Preset) -> list[Check]:
    """What the card says and this client cannot do."""
    found = [
        Check(
            "card", False, f"`{key}` has no effect: {_who(preset)} has nothing like it", f"leave out `{key}:`"
        )
        for key in preset.lacks
        if card.document.get(key) not in (None, "", ())
    ]
    mode = card.text("permission_mode")
    if mode and preset.modes and mode not in preset.modes:
        hint = f"write one of: {', '.join(preset.modes)}"
        found.append(Check("card", False, f"`permission_mode: {mode}` is none of {preset.name}'s", hint))
    if (mode or preset.mode) in preset.mute:
        said = f"`permission_mode: {mode}` keeps {preset.name} from writing a handoff"
        found.append(Check("card", False, said, "leave it out, or use another mode"))
    return found


def _who(preset: Preset) -> str:
    return preset.name or "a plain command"


def _value(value: object) -> Value:
    """Return a value of a header that came as JSON: lists are tuples, and every scalar is text."""
    if isinstance(value, Mapping):
        return {str(name): _value(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_value(each) for each in value)
    return value if isinstance(value, str) else str(value)
