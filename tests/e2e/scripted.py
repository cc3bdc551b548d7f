"""A scripted agent: a small program that behaves well or badly on request, and knows only files.

It is started by hubd like any other client, as `python -I -S scripted.py`, and does, one after the other,
what the words of BEHAVE say. Nothing of hubd is imported.

    work            do the assignment: a file, a commit where there is a repository, a handoff
    late            write the handoff in the last instant, and be gone at once
    ask             ask a question about the assignment, once; when it was answered, work
    read            take every message as read
    plan NAME       plan a task with one assignment for NAME; review: tick approved
    tell NAME       write a message
    hold FILE       wait until a file is there
    write FILE      write a file where it is
    blab            print the secret it was given
    say N           print N bytes
    fork            leave children: in sessions of their own, deaf to SIGTERM, holding every descriptor
    deaf            ignore SIGTERM and SIGINT
    stay            never end
    listen          in a terminal: say what was heard; read what is new; end at `quit`
    fail            end with an error
    end TEXT        print the last line
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

NAME = os.environ["HUB_AGENT"]
MAILBOX = Path(os.environ["HUB_MAILBOX"])
INBOX, OUTBOX = Path(os.environ["HUB_INBOX"]), Path(os.environ["HUB_OUTBOX"])
RUN = os.environ["HUB_RUN"]


def save(name: str, text: str) -> None:
    """Save a document in the outbox as a careful author does: aside, then renamed."""
    aside = OUTBOX.parent / "drafts" / f"{RUN}-{name}"
    aside.write_text(text)
    aside.rename(OUTBOX / name)


def assignment() -> tuple[str, str]:
    return os.environ["HUB_ASSIGNMENT"], os.environ["HUB_LEASE"]


def git(*args: str) -> str:
    done = subprocess.run(("git", *args), capture_output=True, text=True, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else ""


def work(late: bool = False) -> None:
    id_, lease = assignment()
    lines = []
    if git("rev-parse", "--is-inside-work-tree") == "true":
        name = f"{id_}.txt"
        Path(name).write_text(f"{id_} was done by {NAME}\n")
        if os.environ.get("COMMITS", "yes") == "yes":
            git("add", name)
            git("-c", f"user.name={NAME}", "-c", f"user.email={NAME}@localhost", "commit", "-qm", f"Do {id_}")
            lines = [f"commit: {git('rev-parse', 'HEAD')}"]
        if os.environ.get("NAMES", "yes") == "yes":
            lines.append(f"branch: {git('branch', '--show-current')}")
        lines.append(f"changed_files: [{name}]")
    canary = hashlib.sha256(os.environ.get("CANARY", "").encode()).hexdigest()[:12]
    text = [
        "---", "kind: handoff", f"assignment: {id_}", f"lease: {lease}", "outcome: done",
        f"summary: Done by {NAME}, canary {canary}", *lines, "---", "",
    ]  # fmt: skip
    if late:
        (OUTBOX / f"handoff-{id_}.md").write_text("\n".join(text))
        os._exit(0)
    save(f"handoff-{id_}.md", "\n".join(text))


def ask() -> None:
    id_, lease = assignment()
    if "was answered" in (INBOX / f"{id_}.md").read_text():
        work()
        return
    lines = ("---", "kind: question", "title: Which way?", f"assignment: {id_}", f"lease: {lease}", "---", "")
    save(f"question-{id_}.md", "\n".join(lines))


def read() -> None:
    for path in INBOX.glob("m-*.md"):
        path.unlink()


def plan(to: str) -> None:
    """Plan every task that is in draft, and approve every round that awaits review."""
    for path in sorted(INBOX.glob("*.md")):
        text = path.read_text()
        if re.search("^kind: task$", text, re.M) and "state: draft" in text:
            lines = [
                "---",
                "kind: round",
                f"task: {path.stem}",
                "assignments:",
                f"  - to: {to}",
                "    goal: Do it",
                "---",
            ]
            save(f"plan-{path.stem}.md", "\n".join([*lines, ""]))
        elif re.search("^kind: round$", text, re.M) and "- [ ] approved" in text:
            aside = path.parent.parent / "drafts" / path.name
            aside.write_text(text.replace("- [ ] approved", "- [x] approved", 1))
            aside.rename(path)


def tell(to: str) -> None:
    save(f"note-{RUN}.md", f"---\nkind: message\nto: {to}\nsubject: From {RUN}\n---\nGo on.\n")


def listen() -> None:
    print("listening", flush=True)
    for line in sys.stdin:
        print(f"heard {line.strip()}", flush=True)
        if "New in your inbox" in line:
            read()
        if line.startswith("quit"):
            return


def fork() -> None:
    """Leave children that nothing but a thorough sweep finds."""
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)


def main() -> None:
    if not sys.stdin.isatty():
        print(f"{NAME} was given {len(sys.stdin.read())} characters", flush=True)
    words = iter(shlex.split(os.environ.get("BEHAVE", "work")))
    for word in words:
        match word:
            case "work":
                work()
            case "late":
                work(late=True)
            case "ask":
                ask()
            case "read":
                read()
            case "plan":
                plan(next(words))
            case "tell":
                tell(next(words))
            case "hold":
                gate = Path(next(words))
                while not gate.exists():
                    time.sleep(0.02)
            case "write":
                Path(next(words)).write_text(f"by {RUN}\n")
            case "blab":
                print(f"my key is {os.environ['CANARY']}", flush=True)
            case "say":
                left, line = int(next(words)), b"x" * 79 + b"\n"
                while left > 0:
                    left -= os.write(1, line * 800)
            case "fork":
                fork()
            case "deaf":
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)
            case "listen":
                listen()
            case "stay":
                time.sleep(600)
            case "fail":
                print("the model is not available", file=sys.stderr)
                sys.exit(3)
            case "end":
                print(next(words))
                return
            case _:
                sys.exit(f"what is {word}?")
    print("STATUS: done")


if __name__ == "__main__":
    main()
