"""Scripted agents that take part in a mailbox: they read the prompt they are given, and act by what it says.

Guarantee: what they know of paths, leases and forms is from the prompt alone. A prompt that leaves something
out makes them fail as it would make a model fail.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from tests.models.acts import Act, Read, Say, Script, Seen, Shell, Write

_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
FILES: Mapping[str, str] = {"hello.txt": "Hello, world.\n"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a prompt says."""

    tree: str
    document: str
    handoff_path: str
    handoff: str
    question_path: str
    question: str


def told(prompt: str) -> Told:
    """Read a prompt. What is not in it is an empty text."""
    handoff = _sample(prompt, r"Save it as `([^`]+)`")
    question = _sample(prompt, r"Save a question\s+as `([^`]+)`")
    return Told(
        _found(prompt, r"^- You work in `([^`]+)`"), _found(prompt, r"^File: `([^`]+)`"), *handoff, *question
    )


def _found(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def _sample(prompt: str, where: str) -> tuple[str, str]:
    """Return the path that a sentence names, and the document in the fence below it."""
    found = re.search(rf"{where}.*?^```markdown\n(.*?)\n```$", prompt, re.MULTILINE | re.DOTALL)
    return (found[1], found[2] + "\n") if found else ("", "")


def works(
    files: Mapping[str, str] = FILES,
    command: str = "cat hello.txt",
    commit: bool = True,
    outcome: str = "done",
) -> Script:
    """Work an assignment to its handoff: read it, write files, run a command, commit, hand off, say so."""

    def script(seen: Seen) -> Act:
        it = told(seen.prompt)
        tree, done = shlex.quote(it.tree), len(seen.results)
        added = " ".join(shlex.quote(name) for name in files)
        committing = f"cd {tree} && git add {added} && git commit -q -m 'Say hello' && git rev-parse HEAD"
        acts: list[Act] = [Read(it.document)]
        acts += [Write(f"{it.tree}/{name}", text) for name, text in files.items()]
        acts.append(Shell(f"cd {tree} && {command}"))
        acts += [Shell(committing)] if commit else []
        if done < len(acts):
            return acts[done]
        if done == len(acts):
            made = _COMMIT.search(seen.results[-1]) if commit else None
            return Write(it.handoff_path, _handed(it.handoff, files, outcome, made[0] if made else ""))
        return Say(f"I have written {', '.join(files)} and handed it off.\nSTATUS: {outcome}")

    return script


def _handed(sample: str, files: Mapping[str, str], outcome: str, commit: str) -> str:
    """Fill in the form of a handoff."""
    lines = {
        "outcome": outcome,
        "summary": "It says hello",
        "changed_files": f"[{', '.join(files)}]",
        "tests_run": '["cat: it is there"]',
    }
    for key, value in lines.items():
        sample = re.sub(rf"^{key}: .*$", lambda _, k=key, v=value: f"{k}: {v}", sample, flags=re.MULTILINE)  # type: ignore[misc]
    named = f"commit: {commit}\nchanged_files:" if commit else "changed_files:"
    return sample.replace("changed_files:", named, 1)


def asks(title: str = "Which greeting?") -> Script:
    """Save a question, and end."""

    def script(seen: Seen) -> Act:
        it = told(seen.prompt)
        if not seen.results:
            return Write(
                it.question_path, re.sub(r"^title: .*$", f"title: {title}", it.question, flags=re.MULTILINE)
            )
        return Say(f"I have asked: {title}\nSTATUS: waiting for an answer")

    return script


def trespasses(*paths: str) -> Script:
    """Try to write where it may not, with the client's tool and with its shell; hand nothing off."""

    def script(seen: Seen) -> Act:
        acts: list[Act] = []
        for path in paths:
            acts.append(Write(path, "trespassed\n"))
            acts.append(Shell(f"echo trespassed > {shlex.quote(path)}"))
        done = len(seen.results)
        return acts[done] if done < len(acts) else Say("It was not allowed.\nSTATUS: blocked by its rights")

    return script
