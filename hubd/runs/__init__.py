"""Runs: agents' processes, started and stopped because the ledger says so, and what becomes of them.

Guarantee: a process is started only after its `run` was committed as started, and whatever became of it is
committed as its end; a hub that was killed ends at its next start what it had begun.
Rule 1: who is started is decided by `core.policy`, and what that means by `core.decide`; here it is carried
out. Rule 2: one thread proposes and starts; git in projects is asked in threads of its own, see `jobs`.

    launcher.py    ties it together, inside the daemon's loop
    live.py        the runs that go on: begun, heard, stopped, ended
    running.py     one run: its wrapper, what it was given, how it goes
    preparing.py   what a run needs before it begins: folder, worktree, prompt, command line, environment
    ending.py      what a run leaves: its result, its work, what is known of a handoff
    leftovers.py   what an earlier hub left: processes, containers, runs that nobody ends
    telling.py     what people are told about agents that are not started
"""

from hubd.runs.launcher import Launcher

__all__ = ["Launcher"]
