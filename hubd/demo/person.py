"""The person of the demo, with nothing but an editor: drops a task, and approves what comes to be approved.

    python person.py MAILBOX NAME

It stands alone like the agents, and saves as editors do: a new file beside the old one, then a rename.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

TASK = """---
kind: task
title: Fix login
owner: lead
---
After login the user lands on /404 when `next` is absent. It should be /home.
"""
BOX = "- [ ] approve\n"
LOOK_AGAIN = 0.05


def say(text: str) -> None:
    """Tell the story what was just done."""
    print(text, flush=True)


def read(path: Path) -> str:
    """Return the text of a file, empty where it is gone."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def approve(path: Path, text: str) -> None:
    """Tick the box, and save."""
    plan = re.findall(r"^ *- to: *(\S+)", text, re.MULTILINE)
    say(f"opens inbox/{path.name}: a plan for {' and '.join(plan)}")
    say("types an x: `- [x] approve`, and saves")
    aside = path.with_name(f".{path.name}.swp")
    aside.write_text(text.replace(BOX, BOX.replace(" ]", "x]"), 1), encoding="utf-8")
    os.replace(aside, path)


def main() -> None:
    mailbox, name = sys.argv[1:]
    home = Path(mailbox) / "agents" / name
    say("saves outbox/fix-login.md: `kind: task`, `owner: lead`")
    (home / "outbox" / "fix-login.md").write_text(TASK, encoding="utf-8")
    done: set[str] = set()
    while True:
        for path in sorted((home / "inbox").glob("*.md")):
            text = read(path)
            if path.name not in done and "\nkind: round\n" in text and BOX in text:
                done.add(path.name)
                approve(path, text)
            elif "\nkind: bounce\n" in text:
                raise SystemExit(f"bounced:\n{text}")
        time.sleep(LOOK_AGAIN)


if __name__ == "__main__":
    main()
