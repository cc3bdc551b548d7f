"""An agent of a mailbox in Python: it runs a command for each assignment.

    python agent.py MAILBOX NAME COMMAND…   COMMAND reads the assignment; what it prints is handed off

In a card, for hubd to start it:  command: [python3, /path/to/agent.py, "{mailbox}", "{agent}", COMMAND]
"""

from __future__ import annotations

import subprocess
import sys

from hubd.agent import Agent, Assignment, Paper

mailbox, name, *command = sys.argv[1:]
agent = Agent(mailbox, name)


@agent.on_assignment
def work(assignment: Assignment) -> dict[str, str]:
    """Run the command; what is returned becomes the handoff."""
    assignment.progress(f"running {command[0]}")
    done = subprocess.run(command, input=assignment.text, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or ["it said nothing"]
    if done.returncode:
        return {"outcome": "blocked", "summary": f"it ended with {done.returncode}", "body": done.stderr}
    return {"summary": lines[-1][:400], "body": done.stdout}


@agent.on_message
def read(message: Paper) -> None:
    """Say what was told; the message is then read."""
    sys.stderr.write(f"{message.field('from')}: {message.field('subject')}\n")


agent.run()
