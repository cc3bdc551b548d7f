"""A story of runs, and forgeries of it: what each does, and at which commit a checker must name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from hubd.ledger import Commit, Drop, Put
from tests.core.play import Answer, accepted
from tests.shell.forgeries import Change, Forgery, asks, by, held, one, says, writes
from tests.shell.histories import Recorded, and_also


@dataclass(frozen=True, slots=True)
class Story:
    """What happened: the commits, the number of each step by a word for it, and its document."""

    commits: list[Commit]
    at: Mapping[str, int]
    ids: Mapping[str, str]


@cache
def launches() -> Story:
    """An agent is started twice for one assignment, and by what it wrote another one, which is stopped."""
    table, at, ids = Recorded(), dict[str, int](), dict[str, str]()

    def step(word: str, answer: Answer) -> str:
        ids[word] = accepted(answer)
        at[word] = table.steps[-1].seq
        return ids[word]

    table.hire("lead", "backend", lines=("launch: auto",))
    _, round_ = table.dispatched("backend: Fix it")
    first = step("start", table.start("backend", f"{round_}.a1"))
    told = step("say", table.send("backend", "lead"))
    second = step("start by it", table.start("lead", told))
    step("time out", table.end(first, "timed_out", seconds="1800", note="No answer"))
    third = step("start again", table.start("backend", f"{round_}.a1", actor="operator"))
    step("show", table.tell(second, accepted(table.send("backend", "lead"))))
    lease = table.doc(f"{round_}.a1").text("lease")
    step("hand off", table.hand_off(f"{round_}.a1", lease))
    step("end", table.end(third, cost_usd="0.25"))
    step("check", table.find(f"{round_}.a1.h1", head="1f2e3d4"))
    step("stop", table.request("operator", "stop", second))
    step("end stopped", table.end(second, "stopped"))
    step("review", table.review(round_))
    return Story(table.commits, at, ids)


def elsewhere(id_: str, path: str, to: str, old: str, new: str, was_there: bool = True) -> Change:
    """A document lies in another folder, and says so. `was_there`: it is no new one."""

    def change(commit: Commit) -> Commit:
        data = held(commit, f"/{id_}.md")
        assert old.encode() in data, data.decode()
        put = Put(f"{to}/{id_}.md", data.replace(old.encode(), new.encode()))
        kept = tuple(c for c in commit.changes if c.path != f"{path}/{id_}.md")
        drop = (Drop(f"{path}/{id_}.md"),) if was_there else ()
        return and_also(replace(commit, changes=kept), *drop, put)

    return change


def run_forgeries() -> dict[str, Forgery]:
    """Return the forgeries by what they do."""
    story = launches()
    at, ids = story.at, story.ids
    first, told, second, third = ids["start"], ids["say"], ids["start by it"], ids["start again"]
    hand = ids["hand off"]
    a1 = hand.rpartition(".")[0]
    inbox, waiting = "agents/backend/inbox", "agents/backend/waiting"
    note = f"agents/lead/inbox/{told}.md"
    return {
        "an end that hands the assignment to another": one(
            at["time out"], "`to` is",
            elsewhere(a1, inbox, "agents/tester/inbox", "to: backend", "to: tester"),
        ),
        "an end that leaves the assignment with its run": one(
            at["time out"], "worker", writes(f"{inbox}/{a1}.md", "\n---\n", f"\nworker: {first}\n---\n")
        ),
        "an end that lets nobody start it again": one(
            at["time out"], "is not what", writes(f"{inbox}/{a1}.md", "\n---\n", f"\nshown: {second}\n---\n")
        ),
        "a claim for a run of another agent": one(
            at["start"], "is not what", asks("on: backend", "on: lead"),
            elsewhere(first, waiting, "agents/lead/waiting", "agent: backend", "agent: lead", False),
        ),
        "a claim for another run": one(
            at["start again"], "is not what",
            writes(f"{inbox}/{a1}.md", f"worker: {third}", f"worker: {second}"),
        ),
        "a start that claims under another number": one(
            at["start again"], "`lease` is", writes(f"{inbox}/{a1}.md", "lease: ", "lease: 1")
        ),
        "a message that was shown to another run": one(
            at["start by it"], "`shown` is", writes(note, f"shown: {second}", f"shown: {first}")
        ),
        "a message that was shown to nobody": one(
            at["start by it"], "`shown` is", writes(note, f"shown: {second}\n", "")
        ),
        "a message of another run": one(
            at["say"], "was not written in", writes(note, f"run: {first}", "run: run-xxxx")
        ),
        "a message of no run": one(
            at["say"], "was not written in", writes(note, f"run: {first}\ndepth: 1\n", "")
        ),
        "a message from nearer": one(at["say"], "was not written in", writes(note, "depth: 1", "depth: 0")),
        "a message that came nearer later": one(
            at["start by it"], "`depth` is", writes(note, "depth: 1", "depth: 0")
        ),
        "a run that is another's later": one(
            at["stop"], "`parent` is", writes(f"{second}.md", f"parent: {first}", f"parent: {third}")
        ),
        "a run that costs less than it did": one(
            at["review"], "never does",
            lambda commit: and_also(commit, _again(story, "end", third, "0.25", "0.05")),
        ),
        "a check by an agent": one(
            at["check"], "backend is none of", by("backend", "agents/backend/outbox/check.md")
        ),
        "evidence that becomes better": one(
            at["review"], "`evidence` is", writes(f"{hand}.md", "evidence: verified", "evidence: merged")
        ),
        "a start by an agent": one(at["start"], "lead is none of", by("lead", "agents/lead/outbox/start.md")),
        "a stop by an agent": one(at["stop"], "lead is none of", by("lead", "agents/lead/outbox/stop.md")),
        "an end by a person": one(
            at["end"], "operator is none of", by("operator", "agents/operator/outbox/end.md")
        ),
        "an end of another run": one(at["end"], "not about", asks(f"on: {third}", f"on: {second}")),
        "a telling that is told as more": one(at["show"], "upkeep", says("Hub-Class", None)),
    }  # fmt: skip


def _again(story: Story, word: str, id_: str, old: str, new: str) -> Put:
    """What ended is written once more, with other bytes."""
    commit = story.commits[story.at[word] - 1]
    path = next(c.path for c in commit.changes if c.path.endswith(f"/{id_}.md") and isinstance(c, Put))
    return Put(path, held(commit, path).replace(old.encode(), new.encode()))
