"""hubctl: everything that can be done by editing files, as commands. click lives here and nowhere else.

    frame.py      session, options of every command, answers and errors
    display.py    tables, times, colour; texts.py: bodies and plans; hints.py: what can be done next
    setup.py      init up down demo completion (running.py: the daemon's process; worktree.py: git around it)
    service.py    service                   man.py        man
    glance.py     status                    looking.py    next inbox show log verify
    planning.py   do task round             deciding.py   approve reject review recall cancel retry reassign
    working.py    claim progress complete fail release     (holding.py: --hold)
    mail.py       send reply ack ask answer
    leasing.py    lease
    agents.py     agent (cards.py: add, remove; trying.py: test)
    starting.py   start stop pause resume   (waiting.py: for runs that come up and end)
    runs.py       runs stats                attaching.py  attach logs
    mcp.py        mcp                       tokens.py     token
    connect.py    connect
    hook.py       hook                      brief.py      brief
    standing.py   how agents and runs stand, in words

Rule: a command's module is imported when that command is used; a person waits for each of these imports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hubd.cli.frame import Program

__all__ = ["SECTIONS", "hubctl", "main"]

SECTIONS = {
    "Set up": {"setup": "init up down demo completion", "service": "service", "man": "man"},
    "Look": {"glance": "status", "looking": "next inbox show log verify", "brief": "brief"},
    "Plan and decide": {
        "planning": "do task round",
        "deciding": "approve reject review recall cancel retry reassign",
    },
    "Work": {"working": "claim progress complete fail release"},
    "Talk": {"mail": "send reply ack ask answer"},
    "Leases and agents": {"leasing": "lease", "agents": "agent"},
    "Start and watch agents": {
        "starting": "start stop pause resume",
        "runs": "runs stats",
        "attaching": "attach logs",
    },
    "Other programs": {"connect": "connect", "mcp": "mcp", "tokens": "token", "hook": "hook"},
}
"""What `hubctl --help` shows, and which module holds it."""

hubctl = Program(SECTIONS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run hubctl and return its exit code."""
    code = hubctl.main(list(sys.argv[1:] if argv is None else argv), standalone_mode=False)
    return code if isinstance(code, int) else 0
