"""hubctl service: let the machine's own supervisor run hubd, and start it again after a restart or a failure.

Guarantee: only a file that these commands wrote is replaced or removed, and only in the user's own folder.
Rule: what is written is made from the mailbox, this Python and the PATH of now; nothing else gets in.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from hubd.cli import display
from hubd.cli.frame import Ended, Section, Session, command
from hubd.layout import Layout

__all__ = ["COMMANDS", "Unit", "unit"]

TEMPLATE = Path(__file__).parents[1] / "templates" / "hubd.service"
MARK = "Written by `hubctl service install`"
LIMIT = 60
_KINDS = click.Choice(("systemd", "launchd"))


@dataclass(frozen=True, slots=True)
class Unit:
    """A service as a supervisor wants it written down."""

    kind: str
    name: str
    path: Path
    text: str

    @property
    def written(self) -> str | None:
        """What lies there now; None where nothing does."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def tell(self, *words: str) -> tuple[bool, str]:
        """Run the supervisor's own program; answers with whether it did, and what it said."""
        program = ("systemctl", "--user") if self.kind == "systemd" else ("launchctl",)
        try:
            done = subprocess.run(
                (*program, *words), capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
                check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return False, str(error)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    def start(self) -> tuple[bool, str]:
        if self.kind == "launchd":
            return self.tell("bootstrap", f"gui/{os.getuid()}", str(self.path))
        done, said = self.tell("daemon-reload")
        return self.tell("enable", "--now", self.name) if done else (done, said)

    def stop(self) -> tuple[bool, str]:
        if self.kind == "launchd":
            return self.tell("bootout", f"gui/{os.getuid()}/{self.name}")
        return self.tell("disable", "--now", self.name)

    def state(self) -> str:
        """In the supervisor's words: active, inactive, failed; `unknown` where it cannot be asked."""
        if self.kind == "launchd":
            return "active" if self.tell("print", f"gui/{os.getuid()}/{self.name}")[0] else "inactive"
        word = self.tell("is-active", self.name)[1].split("\n")[0]
        return word if re.fullmatch("[a-z]+", word) else "unknown"


def unit(layout: Layout, kind: str = "") -> Unit:
    """The service of a mailbox, by the supervisor that this machine has."""
    root, path = str(layout.root), os.environ.get("PATH", os.defpath)
    slug = re.sub(r"[^a-z0-9]+", "-", layout.root.name.lower()).strip("-")[:40] or "mailbox"
    name = f"hubd-{slug}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:6]}"
    if (kind or ("launchd" if sys.platform == "darwin" else "systemd")) == "launchd":
        label = f"hubd.{name}"
        made = {
            "Label": label, "ProgramArguments": [sys.executable, "-P", "-m", "hubd.daemon", "-C", root],
            "EnvironmentVariables": {"PATH": path}, "RunAtLoad": True, "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10, "ExitTimeOut": 120, "Umask": 0o077,
            "StandardErrorPath": str(layout.logs / "hubd.log"),
        }  # fmt: skip
        body = plistlib.dumps(made).decode().replace("<plist", f"<!-- {MARK} -->\n<plist", 1)
        return Unit("launchd", label, Path.home() / "Library/LaunchAgents" / f"{label}.plist", body)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    filled = {
        "name": f"{name}.service", "about": _plain(root), "root": _word(root),
        "python": _word(sys.executable), "path": _word(f"PATH={path}", dollars=False),
    }  # fmt: skip
    text = re.sub(r"\{(\w+)\}", lambda found: filled[found[1]], TEMPLATE.read_text(encoding="utf-8"))
    return Unit("systemd", f"{name}.service", config / "systemd/user" / f"{name}.service", text)


def _word(text: str, dollars: bool = True) -> str:
    """One word as systemd reads it. In a command a `$` is doubled, in an assignment it is itself."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    quoted = "".join(c if c.isprintable() else "".join(f"\\x{b:02x}" for b in os.fsencode(c)) for c in quoted)
    return '"' + (quoted.replace("$", "$$") if dollars else quoted) + '"'


def _plain(text: str) -> str:
    return display.line(text).replace("\\", "\\\\").replace("%", "%%")


def _unit(session: Session, kind: str) -> Unit:
    return unit(session.layout, kind)


def _mine(made: Unit) -> str | None:
    """What lies there, if these commands wrote it; another's file ends the command."""
    written = made.written
    if written is not None and MARK not in written:
        raise Ended(f"{made.path} was not written by hubctl", "move it away, or keep it", "exists")
    return written


kind_option = click.option(
    "--for", "kind", type=_KINDS, default=None, help="The supervisor, if not this machine's usual one."
)


@command("install", "hubctl service install")
@kind_option
@click.option("--print", "only_print", is_flag=True, help="Print what would be written, and write nothing.")
@click.option("--no-start", is_flag=True, help="Write it, and leave it to you to start it.")
def install(session: Session, kind: str | None, only_print: bool, no_start: bool) -> None:
    """Have hubd started at login, and again when it fails.

    A user's own service: no root. With systemd it says when it is ready, and is restarted when its loop
    stands still; its log is in the journal. To have it run while you are not logged in:
    `loginctl enable-linger`.
    """
    made = _unit(session, kind or "")
    told = {"schema": 1, "ok": True, "kind": made.kind, "name": made.name, "path": str(made.path)}
    if only_print:
        session.tell({**told, "text": made.text}, made.text.rstrip("\n"))
        return
    session.outside_runs("service install")
    _mine(made)
    if not no_start and made.state() != "active":
        runs = session.client.ping()
        if runs is not None:
            raise Ended(f"hubd runs already, as process {runs['pid']}", "`hubctl down` first", "runs")
    made.path.parent.mkdir(parents=True, exist_ok=True)
    aside = made.path.with_name(f".{made.path.name}.tmp")
    aside.write_text(made.text, encoding="utf-8")
    os.replace(aside, made.path)
    started, said = (False, "") if no_start else made.start()
    if not no_start and not started:
        what = f"wrote {display.line(str(made.path))}, and it could not be started: {display.line(said)}"
        by_hand = f"systemctl --user enable --now {made.name}"
        if made.kind == "launchd":
            by_hand = f"launchctl bootstrap gui/{os.getuid()} {made.path}"
        raise Ended(what, f"`{by_hand}`, or without a service: `hubctl up`", "not-started")
    lines = [f"wrote {display.line(str(made.path))}"] + ([f"started {made.name}"] if started else [])
    session.tell({**told, "started": started}, *lines)


@command("uninstall", "hubctl service uninstall")
@kind_option
def uninstall(session: Session, kind: str | None) -> None:
    """Stop the service and remove it. The mailbox stays as it is."""
    session.outside_runs("service uninstall")
    made = _unit(session, kind or "")
    there = _mine(made) is not None
    said = ""
    if there:
        stopped, said = made.stop()
        made.path.unlink(missing_ok=True)
        if made.kind == "systemd" and stopped:
            made.tell("daemon-reload")
        said = "" if stopped else said
    told = {
        "schema": 1,
        "ok": True,
        "name": made.name,
        "path": str(made.path),
        "removed": there,
        "said": said,
    }
    lines = [
        f"removed {display.line(str(made.path))}" if there else "no service is installed for this mailbox"
    ]
    session.tell(told, *lines, *([f"it could not be stopped: {display.line(said)}"] if said else []))


@command("status", "hubctl service status")
@kind_option
def status(session: Session, kind: str | None) -> None:
    """Show whether a service is installed, current and running."""
    made = _unit(session, kind or "")
    written = made.written
    state = made.state() if written is not None else "not installed"
    told = {
        "schema": 1, "ok": True, "kind": made.kind, "name": made.name, "path": str(made.path),
        "installed": written is not None, "current": written == made.text, "state": state,
    }  # fmt: skip
    lines = [f"{made.name}: {state}"]
    if written is not None:
        lines.append(display.line(str(made.path)))
        if written != made.text:
            lines.append("it is not what would be written now: `hubctl service install` writes it anew")
    session.tell(told, *lines)


COMMANDS = (
    Section("service", "hubd as a service of this user: systemd, launchd.", (install, uninstall, status)),
)
