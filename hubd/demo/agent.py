"""One agent of the demo: it takes part by reading and saving files, and by nothing else.

    python agent.py MAILBOX NAME ROLE PROJECT        (ROLE: lead, fix or test)

It stands alone: the standard library, no import of hubd, no hubctl. Whatever it does here, a program in any
language could do after reading the mailbox's README.md. It keeps no memory that matters: the files say what
is to be done. Each line it prints is one step, for the story to show; it works until it is ended, and ends
by itself, with an error, only when something it saved is refused.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LOOK_AGAIN = 0.05
PATIENCE = 30.0


def say(text: str) -> None:
    """Tell the story what was just done."""
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as it lies in the inbox, and how to change a line of it."""

    path: Path
    text: str

    def field(self, key: str) -> str:
        """Return the value of a header line, without quotes; empty where there is none."""
        found = re.search(rf"^{key}:[ \t]*(.*)$", self.text.partition("\n---")[0], re.MULTILINE)
        return found[1].strip().strip("\"'") if found else ""

    def with_field(self, key: str, value: str) -> Paper:
        """Set a header line: in its place, or as the last line of the header."""
        head, fence, body = self.text.partition("\n---")
        line = f"{key}: {value}"
        head, count = re.subn(rf"^{key}:.*$", lambda _: line, head, count=1, flags=re.MULTILINE)
        return Paper(self.path, (head if count else f"{head}\n{line}") + fence + body)

    def with_text(self, pattern: str, line: str) -> Paper:
        """Replace the first line of the body that matches."""
        text, count = re.subn(pattern, lambda _: line, self.text, count=1, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"{self.path.name} has no line like {pattern}")
        return Paper(self.path, text)


@dataclass(frozen=True, slots=True)
class Box:
    """An agent's own folders. Nothing else of the mailbox is touched."""

    home: Path

    def papers(self) -> Iterator[Paper]:
        """Read what lies in the inbox now."""
        for path in sorted((self.home / "inbox").glob("*.md")):
            paper = self.read(path)
            if paper is not None:
                yield paper

    def read(self, path: Path) -> Paper | None:
        """Read one file; None where it is gone, which is news too."""
        try:
            return Paper(path, path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def save(self, path: Path, text: str) -> None:
        """Write aside in drafts/, which nobody reads, and move the whole file to its place."""
        aside = self.home / "drafts" / path.name
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)

    def post(self, name: str, text: str) -> None:
        """Save a new document in the outbox and see it accepted: gone from there, and not in refused/."""
        path = self.home / "outbox" / name
        self.save(path, text)
        self.until(lambda: not path.exists(), f"{name} to leave the outbox")
        if (self.home / "refused" / name).exists():
            raise SystemExit(f"{name} was refused")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Look again and again until something holds; give up loudly."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise SystemExit(f"waited {PATIENCE:.0f} s for {what}")
            time.sleep(LOOK_AGAIN)


@dataclass(frozen=True, slots=True)
class Project:
    """The project's repository, and this agent's own worktree and branch of it."""

    root: Path
    name: str

    @property
    def tree(self) -> Path:
        return self.root.parent / "worktrees" / self.name

    @property
    def branch(self) -> str:
        return f"work/{self.name}"

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git in the worktree (in the project before there is one), and return what it says."""
        identity = ("-c", f"user.name={self.name}", "-c", f"user.email={self.name}@demo.invalid")
        where = self.tree if self.tree.exists() else self.root
        command = ("git", "-C", str(where), *identity, *arguments)
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout.strip()

    def prepare(self) -> None:
        """Make the worktree at first use."""
        if not self.tree.exists():
            self.git("worktree", "add", "-q", "-b", self.branch, str(self.tree), "main")

    def commits(self, text: str) -> list[str]:
        """Return the commits of this project that a document names, in its order."""
        words = dict.fromkeys(re.findall(r"\b[0-9a-f]{7,40}\b", text))
        found = (self.git("rev-parse", "-q", "--verify", f"{word}^{{commit}}", check=False) for word in words)
        return [commit for commit in found if commit]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the worktree, as the project's own tests are run."""
        return subprocess.run(
            (sys.executable, "-B", *arguments), cwd=self.tree, capture_output=True, text=True, check=False
        )

    def test(self) -> str:
        """Run the project's tests and say in one line what they said."""
        done = self.run("-m", "unittest", "discover", "-s", "tests", "-t", ".")
        count = re.search(r"Ran (\d+)", done.stderr)
        return f"unittest: ran {count[1] if count else 'none'}, {'OK' if done.returncode == 0 else 'FAILED'}"

    def commit(self, message: str) -> str:
        """Commit everything in the worktree and return the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


# -- what each role knows how to do --------------------------------------------------------------------------

Skill = Callable[[Project, Paper], tuple[str, str]]
"""Changes files in the worktree; answers with a summary and the file that was changed."""

NAIVE = '    return next_page or "/home"\n'
STRICT = '    local = (next_page or "").startswith("/") and not (next_page or "").startswith("//")\n'
STRICT += '    return (next_page or "/home") if local else "/home"\n'
OFFSITE = "//evil.example"


def fix(project: Project, paper: Paper) -> tuple[str, str]:
    """Mend app/login.py. The first thought is naive; told about other sites, it is not."""
    strict = "other site" in paper.field("goal")
    path = project.tree / "app" / "login.py"
    head = path.read_text(encoding="utf-8").partition("    return")[0].partition("    local")[0]
    path.write_text(head + (STRICT if strict else NAIVE), encoding="utf-8")
    summary = "Targets on another site lead to /home" if strict else "Redirects to /home when next is absent"
    return summary, "app/login.py"


def test(project: Project, paper: Paper) -> tuple[str, str]:
    """Take over the fix that the assignment names, and add a regression test for it."""
    for commit in project.commits(paper.text):
        project.git("merge", "-q", "-m", "Take over the fix", commit)
    strict = "other site" in paper.field("goal")
    name, target = ("stays_on_the_site", repr(OFFSITE)) if strict else ("without_a_target_goes_home", "None")
    path = project.tree / "tests" / "test_login.py"
    case = f'\n    def test_{name}(self):\n        self.assertEqual(landing({target}), "/home")\n'
    path.write_text(path.read_text(encoding="utf-8") + case, encoding="utf-8")
    return f"Adds test_{name}", "tests/test_login.py"


HANDOFF = """---
kind: handoff
assignment: {assignment}
lease: {lease}
outcome: done
summary: {summary}
branch: {branch}
commit: {commit}
changed_files: [{changed}]
tests_run: {tests}
risks: none known
next_steps: none
---
Made in a worktree of its own; nothing else was touched.
"""


def work(box: Box, project: Project, skill: Skill, paper: Paper) -> None:
    """Claim, read back, work, hand off."""
    id_, word = paper.field("id"), f"w{os.getpid()}"
    say(f"claims {id_}: writes `worker: {word}`")
    box.save(paper.path, paper.with_field("state", "claimed").with_field("worker", word).text)

    def answered() -> bool:
        now = box.read(paper.path)
        return now is None or bool(now.field("lease"))

    box.until(answered, f"an answer about {id_}")
    held = box.read(paper.path)
    if held is None or held.field("worker") != word:
        say(f"reads it back: {id_} went to somebody else")
        return
    lease = held.field("lease")
    say(f"reads back its own word beside `lease: {lease}`")
    project.prepare()
    box.post(
        f"progress-{id_}.md",
        f"---\nkind: request\ndo: progress\non: {id_}\nlease: {lease}\nnote: worktree ready\n---\n",
    )
    summary, changed = skill(project, held)
    tests = project.test()
    commit = project.commit(summary)
    say(f"commits {commit[:7]} on {project.branch}; {tests}")
    text = HANDOFF.format(
        assignment=id_, lease=lease, summary=json.dumps(summary), branch=project.branch, commit=commit,
        changed=changed, tests=json.dumps([tests]),
    )  # fmt: skip
    say(f"hands off: handoff-{id_}.md")
    box.post(f"handoff-{id_}.md", text)
    box.until(lambda: not paper.path.exists(), f"{id_} to leave the inbox")


PLAN = """---
kind: round
task: {task}
assignments:
  - to: backend
    goal: {fix}
  - to: qa
    goal: {test}
    after: [1]
---
{why}
"""


def plan(box: Box, paper: Paper) -> None:
    """Write the next round for a task that is in draft."""
    task, number = paper.field("id"), int(paper.field("rounds") or "0") + 1
    goals = ("Go home when `next` is absent", "Add a regression test on top of the fix")
    why = "One mends it, the other proves it."
    if number > 1:
        goals = ("Never lead to another site", "Add a test that no other site is reached")
        why = f"As the review of the last round asks: `{OFFSITE}` must not be a target."
    text = PLAN.format(task=task, fix=json.dumps(goals[0]), test=json.dumps(goals[1]), why=why)
    say(f"plans round {number}: plan-{task}-{number}.md, 2 after 1")
    box.post(f"plan-{task}-{number}.md", text)
    box.until(lambda: not paper.path.exists(), f"{task} to leave the inbox")


def review(box: Box, project: Project, paper: Paper) -> None:
    """Try the work that the handoffs name, and answer by what was seen, not by what was said."""
    id_ = paper.field("id")
    near = [p.text for p in box.papers() if p.field("assignment").startswith(f"{id_}.")]
    commits = project.commits("\n".join([paper.text, *near]))
    if not commits:
        raise SystemExit(f"{id_} names no commit of the project")
    newest = max(commits, key=lambda commit: int(project.git("rev-list", "--count", commit)))
    project.prepare()
    project.git("checkout", "-q", "--detach", newest)
    tests = project.test()
    probe = f"from app.login import landing; print(landing({OFFSITE!r}))"
    answer = project.run("-c", probe).stdout.strip()
    say(f"reviews {id_} at {newest[:7]}; {tests}")
    say(f"tries {OFFSITE}: leads to {answer}")
    if answer == "/home" and tests.endswith("OK"):
        say("writes `verdict: approved` into the header")
        edited = paper.with_field("verdict", "approved")
    else:
        say("ticks `- [x] changes_requested` and writes why after `Note:`")
        edited = paper.with_text(r"^- \[ \] changes_requested\b", "- [x] changes_requested")
        edited = edited.with_text(r"^Note:[ \t]*$", f"Note: {OFFSITE} leaves the site; stay on it")
    box.save(paper.path, edited.text)
    box.until(lambda: not paper.path.exists(), f"{id_} to leave the inbox")


def turn(box: Box, project: Project, role: str, paper: Paper) -> None:
    """Do what one document of the inbox asks for, if anything."""
    kind, state = paper.field("kind"), paper.field("state")
    if kind == "bounce":
        raise SystemExit(f"bounced:\n{paper.text}")
    if kind == "message" and state == "unread":
        say(f"reads: {paper.field('subject')}")
        box.save(paper.path, paper.with_field("state", "read").text)
        box.until(lambda: not paper.path.exists(), "a read message to leave the inbox")
    elif role == "lead" and (kind, state) == ("task", "draft"):
        plan(box, paper)
    elif role == "lead" and (kind, state) == ("round", "awaiting_review"):
        review(box, project, paper)
    elif role != "lead" and (kind, state) == ("assignment", "pending"):
        work(box, project, {"fix": fix, "test": test}[role], paper)


def main() -> None:
    mailbox, name, role, root = sys.argv[1:]
    box, project = Box(Path(mailbox) / "agents" / name), Project(Path(root), name)
    while True:
        for paper in box.papers():
            turn(box, project, role, paper)
        time.sleep(LOOK_AGAIN)


if __name__ == "__main__":
    main()
