"""Run what a card's `setup:` asks for in a new worktree.

Guarantee: each command is an argv without a shell, with a limit in time; what it says is kept in a file, its
end is bounded, and a failure is a ProjectError that shows the last lines.

Not promised: an end of what the setup starts in a session of its own, or of the setup itself where the hub
is killed. Whoever sweeps processes by a tag puts that tag into `environment`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from hubd.core.naming import shown
from hubd.project.changes import digest
from hubd.project.plumbing import ProjectError
from hubd.project.running import run

__all__ = ["SETUP_LIMIT", "run_setup"]

SETUP_LIMIT = 900.0
_KEEP = 64 << 10  # bytes of what a setup says that are kept
_SHOWN = 20  # lines of them that an error shows
_PASSED = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "SSH_AUTH_SOCK", "TMPDIR",
    "TZ", "USER", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "http_proxy", "https_proxy",
    "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
"""What a setup is given of the hub's environment when its caller gives none: no secret of the hub's."""


def run_setup(
    commands: Sequence[Sequence[str]],
    path: Path,
    common: Path,
    log: Path,
    environment: Mapping[str, str] | None,
    limit: float,
) -> list[str]:
    """Run the commands in order and return what a reader should know. A ProjectError at the first failure."""
    given = environment if environment is not None else {k: os.environ[k] for k in _PASSED if k in os.environ}
    env = {**given, "TERM": "dumb", "GIT_TERMINAL_PROMPT": "0", "PWD": str(path)}
    config = digest(common / "config")
    said = b""
    try:
        for command in commands:
            words = shown(shlex.join(command))[:200]
            try:
                ran = run(command, cwd=path, env=env, limit=limit, keep=_KEEP, together=True)
            except OSError as error:
                missing = f"the setup `{words}` cannot be started: {error.strerror}"
                raise ProjectError(
                    missing, "install it, or correct `worktree: {setup: …}` of the card"
                ) from error
            said += f"$ {words}\n".encode() + ran.out
            if ran.late or ran.code:
                how = f"took longer than {limit:.0f} s" if ran.late else _ending(ran.code)
                hint = f"try it in {shown(str(path))}; what it said is in {shown(str(log))}"
                raise ProjectError(f"the setup `{words}` {how}", hint, _last_lines(ran.out))
    finally:
        log.write_bytes(said[-_KEEP:])
    if digest(common / "config") != config:
        return ["the setup changed the configuration of the project's git, which all its worktrees share"]
    return []


def _ending(code: int) -> str:
    return f"ended with {code}" if code > 0 else f"was ended by signal {-code}"


def _last_lines(out: bytes) -> str:
    lines = out.decode("utf-8", "replace").splitlines()[-_SHOWN:]
    return "\n".join(shown(line)[:300] for line in lines)
