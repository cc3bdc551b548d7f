"""hubd in the foreground: watch, look, judge, answer, until told to stop.

Guarantee: one thread decides and records. A watcher only wakes it; a socket only asks it.
Rule 1: events are hints. At start, after a watcher's fault, and every so often, all of it is looked at.
Rule 2: on SIGTERM or SIGINT what is ready is still judged, then the lock is freed.
Exit codes: 0 stopped; 1 a failure that a person must mend; 3 another hub is live.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hubd import __version__, notices, query
from hubd.core.effect import Step
from hubd.crashing import crash_at
from hubd.following import Following
from hubd.founding import renew_contract
from hubd.hub import Hub, HubClosed
from hubd.layout import MailboxError, find
from hubd.lease import HubBusy, LeaseError
from hubd.ledger import LedgerError
from hubd.logfile import turn_over
from hubd.looking import look_ready
from hubd.notifying import Notifier
from hubd.outcome import Outcome
from hubd.reporting import Report
from hubd.runs import Launcher
from hubd.server import Server
from hubd.spool import SpoolError
from hubd.supervised import Supervisor
from hubd.tidying import tidy_archive
from hubd.watch import Watch

FOLDERS_EVERY = 2.0
ALL_EVERY = 30.0
TIDY_EVERY = 600.0
REST_AFTER = 1.0
REST_AT_LATEST = 5.0
TRY_AGAIN = 1.0
ENDING_MOST = 10.0
"""Seconds, after the grace that runs have, in which hubd records their ends before it ends itself."""


class Daemon:
    """The loop around one open hub."""

    def __init__(self, hub: Hub, report: Report) -> None:
        self.hub = hub
        self.report = report
        self.started = time.monotonic()
        self.stopping = ""
        self.trouble = ""
        self._selector = selectors.DefaultSelector()
        self._server = Server(hub.layout.socket, self._selector, self._answer)
        self._watch = Watch(self._watched, quiet=(str(hub.layout.now),))
        self._selector.register(self._watch, selectors.EVENT_READ, lambda: None)
        self._signals, self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._signals, selectors.EVENT_READ, self._drain_signals)
        self._following = Following(hub)
        self._folders: dict[str, int] = {}
        self._last_all = self._last_folders = self._last_rest = self._worked_at = time.monotonic()
        self._rested = False
        self._last_tidy = -TIDY_EVERY
        self._again = False
        self._warned = 0
        self._told_now = -1
        self.launcher = Launcher(hub, self._selector, report.say)
        self._notifier = Notifier(hub, self._selector, report.say)
        self._supervisor = Supervisor()
        hub.log = report.say
        hub.on_step = self._told

    def _told(self, step: Step, commit: str) -> None:
        self._worked_at, self._rested = time.monotonic(), False
        self.launcher.noted(step)
        self.report.step(step, commit)

    # the loop

    def run(self) -> int:
        """Work until told to stop. Returns the exit code."""
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._watch.start()
        try:
            self._warn()
            self._work(None)
            self._guarded(self._renew_contract)
            self.launcher.begin()
            self.report.say("info", f"ready (pid {os.getpid()}, {self.hub.layout.root})", pid=os.getpid())
            self._supervisor.say("READY=1")
            while not self.stopping:
                for key, _ in self._selector.select(self._pause()):
                    key.data()
                if not self.stopping:
                    self._turn()
            self._supervisor.say("STOPPING=1")
            self._drain()
            self._guarded(self._end_runs)
            self._drain()
            self.report.say("info", f"stopped by {self.stopping}")
            return 0
        except HubClosed as error:
            self.report.say("error", f"{error.what}; {error.hint}")
            return 1
        finally:
            self.launcher.abandon()
            self._notifier.close()
            self._watch.stop()
            self._server.close()
            self._selector.close()

    def _warn(self) -> None:
        """Tell what the ledger has found and mended, once."""
        for warning in self.hub.ledger.warnings[self._warned :]:
            self.report.say("warning", warning)
            self._warned += 1

    def _watched(self) -> list[Path]:
        """Return the folders whose news matter. Called from the watching thread: it only looks at names."""
        layout = self.hub.layout
        found = [layout.root, layout.cards, layout.leases, layout.agents, layout.git_dir / "refs/heads"]
        for name in list(self.hub.state.cards):
            found += [layout.agent(name), layout.outbox(name), layout.inbox(name), layout.waiting(name)]
        links = {path for path in found if path.is_symlink()}
        return [path for path in found if path.is_dir() and links.isdisjoint((path, *path.parents))]

    def _on_signal(self, number: int, _frame: object) -> None:
        self.stopping = signal.Signals(number).name

    def _drain_signals(self) -> None:
        os.read(self._signals, 64)

    def _pause(self) -> float:
        """Return how long nothing needs to be done."""
        if self._again:
            return 0.0
        now = time.monotonic()
        waits = [self._last_folders + FOLDERS_EVERY - now, self._supervisor.pause()]
        hub_now = self.hub.now()
        if self.hub.eyes.wake_at is not None:
            waits.append(self.hub.eyes.wake_at - hub_now.mono)
        due = self.hub.timers.next_in({"wall": hub_now.wall.timestamp(), "mono": hub_now.mono})
        if due is not None and not self.trouble:
            waits.append(due + 0.001)
        if not self._rested:
            waits.append(self._worked_at + REST_AFTER - now)
        if not self.trouble:
            waits += [self.launcher.pause(), self._notifier.pause()]
        return max(0.0, min(waits))

    def _turn(self) -> None:
        self._supervisor.alive()
        hints = self._watch.take()
        now = time.monotonic()
        whole = ALL_EVERY if self._watch.healthy else FOLDERS_EVERY
        if hints.everything or now - self._last_all >= whole:
            self._work(None)
        else:
            relative = {r for h in hints.paths if (r := self.hub.layout.relative(h)) is not None}
            if now - self._last_folders >= FOLDERS_EVERY:
                relative |= self._tick(now)
            self._work(relative)
        self._guarded(self.launcher.turn)
        self._guarded(self._notifier.turn)
        now = time.monotonic()
        quiet = now - self._worked_at >= REST_AFTER
        if not self._rested and (quiet or now - self._last_rest >= REST_AT_LATEST):
            self._rest(quiet)

    def _tick(self, now: float) -> set[str]:
        """Do what is done every so often; answers with the paths that a watcher may have missed."""
        self._last_folders = now
        if not self.hub.lock.still_ours():
            raise HubClosed
        self._guarded(self._look_around)
        self._guarded(self._pay)
        self._rested = False
        return self._changed_folders()

    def _look_around(self) -> list[Outcome]:
        notices.tell_strays(self.hub)
        return self.hub.judge_all(self.hub.dead_workers())

    def _pay(self) -> list[Outcome]:
        if self.hub.acting.owed:
            self.hub.folders()
        turn_over(self.hub.layout.logs / "hubd.log")
        return []

    def _changed_folders(self) -> set[str]:
        """Return the paths in folders whose own time has moved: what a watcher may have missed."""
        found: set[str] = set()
        for name in sorted(self.hub.state.cards):
            for folder in (f"agents/{name}/outbox", f"agents/{name}/inbox", f"agents/{name}/waiting"):
                found |= self._if_changed(folder)
        return found | self._if_changed("cards") | self._if_changed("leases")

    def _if_changed(self, folder: str) -> set[str]:
        try:
            moved = os.stat(self.hub.layout.root / folder, follow_symlinks=False).st_mtime_ns
        except OSError:
            moved = -1
        if self._folders.get(folder) == moved:
            return set()
        first = folder not in self._folders
        self._folders[folder] = moved
        if moved == -1:
            self._guarded(self._make_folders)
        if first:
            return set()
        expected = self.hub.state.paths_in(folder)
        try:
            return expected | {f"{folder}/{name}" for name, _ in self.hub.spool.scan(folder)}
        except SpoolError:
            return set()

    def _renew_contract(self) -> list[Outcome]:
        if renew_contract(self.hub):
            self.report.say("info", "the mailbox's copy of the contract is now this version's")
        return []

    def _end_runs(self) -> list[Outcome]:
        self.launcher.close(self.hub.state.settings.seconds("grace") + ENDING_MOST)
        return []

    def _make_folders(self) -> list[Outcome]:
        self.hub.folders()
        return []

    def _work(self, only: set[str] | None) -> None:
        """Look once, and act on it. What comes of that, and what was not ready, has its turn next."""
        if only is None:
            self._last_all = self._last_folders = time.monotonic()
            self._guarded(self._make_folders)
        done = self._guarded(partial(look_ready, self.hub, only))
        self._again = bool(done)
        if done is None:
            self._last_all = -ALL_EVERY  # what was seen is forgotten: next time all of it is looked at
        elif self.trouble:
            self.report.say("info", "it works again")
            self.trouble = ""

    def _drain(self) -> None:
        """Judge what is ready, to the last."""
        self._work(None)
        while self._again:
            self._work(set())

    def _guarded(self, act: Callable[[], list[Outcome]]) -> list[Outcome] | None:
        """Do something that may meet a full disk or a broken git: say so, stay alive, try again later."""
        try:
            return act()
        except (LedgerError, SpoolError, LeaseError, OSError) as error:
            if self.trouble != str(error):
                self.trouble = str(error)
                self.report.say("error", f"{error}; {getattr(error, 'hint', 'it is tried again')}")
            self.hub.eyes.wake_at = self.hub.now().mono + TRY_AGAIN
            return None

    def _rest(self, quiet: bool) -> None:
        """Note how far delivery got, and bring people's git up to date; if nothing happens, tidy as well."""
        self._rested, self._last_rest = True, time.monotonic()
        try:
            self.hub.note_delivered()
            if self._told_now != self.hub.state.seq or not os.path.lexists(self.hub.layout.now):
                query.write_now(self.hub)
                self._told_now = self.hub.state.seq
            self._following.rest(index=quiet)
            if quiet and time.monotonic() - self._last_tidy >= TIDY_EVERY:
                self._last_tidy = time.monotonic()
                tidy_archive(self.hub)
                self.launcher.tidy()
            self._warn()
        except (LedgerError, SpoolError, OSError) as error:
            self.report.say("warning", f"upkeep: {error}")

    # the socket

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        do = asked.get("do")
        try:
            if do == "ping":
                return {"schema": 1, "ok": True, "pid": os.getpid(), "ready": True}
            if do == "submit":
                outcome = self.hub.submit(str(asked.get("agent", "")), str(asked.get("name", "")))
                return (
                    outcome.as_json()
                    if outcome is not None
                    else _failed("gone", "there is no such file", "save it again")
                )
            if do == "look":
                self._work(None)
                return {"schema": 1, "ok": True}
            if do == "query":
                args = asked.get("args")
                facts = {
                    "uptime": time.monotonic() - self.started,
                    "pid": os.getpid(),
                    "trouble": self.trouble,
                    **self.launcher.facts(),
                }
                return query.answer(
                    self.hub, str(asked.get("what", "")), args if isinstance(args, dict) else {}, facts
                )
            if do == "stop":
                self.stopping = "request"
                return {"schema": 1, "ok": True}
        except (LedgerError, SpoolError, HubClosed) as error:
            return _failed("hub-trouble", str(error), getattr(error, "hint", ""))
        except Exception as error:  # noqa: BLE001
            # A question must never end the hub: say what happened, in the log and to who asked.
            self.report.say("error", f"a defect while answering {do}: {error!r}")
            return _failed("hub-defect", f"hubd failed on this: {error!r}", "report it")
        return _failed("bad-request", f"unknown request: {do}", "ping, submit, look, query, stop")


def _failed(code: str, message: str, hint: str) -> dict[str, Any]:
    return {"schema": 1, "ok": False, "code": code, "message": message, "hint": hint, "bounce": ""}


def main(argv: Sequence[str] | None = None) -> int:
    """Run hubd. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="hubd", description="The daemon of a mailbox, in the foreground.")
    parser.add_argument(
        "-C", metavar="DIR", dest="root", help="the mailbox; else HUB_MAILBOX, else the folder you are in"
    )
    parser.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="how the log on stderr is written"
    )
    parser.add_argument(
        "--wait", type=float, default=10.0, metavar="SECONDS", help="how long to wait for a running step"
    )
    parser.add_argument(
        "--http", metavar="HOST:PORT", help="serve MCP there: 127.0.0.1:8765; off, if not given"
    )
    parser.add_argument(
        "--http-name", action="append", default=[], metavar="NAME",
        help="what others may call this machine; may be repeated, and lets --http listen to other machines",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"hubd {__version__}")
    given = parser.parse_args(argv)
    report = Report(given.log_format)
    try:
        layout = find(given.root, os.environ.get("HUB_MAILBOX"))
        hub = Hub.open(
            Path(layout.root), "daemon", wait=given.wait, crash=crash_at(os.environ.get("HUBD_CRASH", ""))
        )
    except HubBusy as error:
        sys.stderr.write(f"hubd: {error}\nhint: `hubctl status` shows it, `hubctl down` stops it\n")
        return 3
    except (MailboxError, LedgerError, SpoolError, LeaseError) as error:
        sys.stderr.write(f"hubd: {error}\nhint: {getattr(error, 'hint', '')}\n")
        return 1
    with hub:
        return _with_http(given, report, hub) if given.http else Daemon(hub, report).run()


def _with_http(given: argparse.Namespace, report: Report, hub: Hub) -> int:
    """Run hubd, and MCP over HTTP beside it. It takes longer to import than all the rest."""
    from hubd.mcp_server.http import NotServed, address, serving

    try:
        with serving(hub.layout, address(given.http, given.http_name)) as port:
            report.say("info", f"serves MCP at port {port}", port=port)
            return Daemon(hub, report).run()
    except NotServed as error:
        sys.stderr.write(f"hubd: {error}\nhint: {error.hint}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
