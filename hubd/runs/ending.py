"""What a run leaves: its result in a few lines, its work in its branch, and what is known of a handoff.

Rule: an exit code is one fact among others; what a client says of itself is another. Evidence is git's word.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hubd.core.document import Value, document
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.secret import has_secret
from hubd.core.state import State
from hubd.core.time import format_duration
from hubd.hub import Hub
from hubd.launch.presets import preset_of
from hubd.launch.records import Result
from hubd.launch.results import read_result, share
from hubd.layout import Layout
from hubd.project import Evidence, commit_all, examine, find, retire, worktrees
from hubd.runs.preparing import branch_of, branches, home, project_of, runtime_of
from hubd.runs.running import Running

__all__ = ["Examination", "evidence_of", "examination", "hand_off_for", "keeping", "result_of"]

TAIL = 2000
"""Characters of its last output that are kept where a run did not end well."""
SECRET_LEAST = 6
"""Characters that a passed variable must have to count as a secret: a shorter one stands in any text."""
WITHHELD = "what it printed is not shown here, because it seems to hold a secret; `hubctl logs` shows it"
_REASONS = {"timeout": "timed_out", "stop": "stopped", "error": "not_started", "gone": "lost", "lost": "lost"}


def result_of(
    running: Running, read: Result, base: Mapping[str, str], typical: float | None = None
) -> dict[str, Value]:
    """Return what is recorded of a run's end, without the secrets that its agent was given.

    `typical`: the seconds that runs of this agent take which end well, for a hint where one had no more time.
    """
    given = {name: base.get(name, "") for name in running.card.texts("pass_env")}
    secrets = {name: value for name, value in given.items() if len(value) >= SECRET_LEAST}
    return {name: _without(value, secrets) for name, value in _result(running, read, typical).items()}


def _without(value: Value, secrets: Mapping[str, str]) -> Value:
    """Return a line of a result with each secret's name in the place of the secret."""
    if isinstance(value, tuple):
        return tuple(_without(part, secrets) for part in value)
    if not isinstance(value, str):
        return value
    for name, secret in secrets.items():
        value = value.replace(secret, f"({name})")
    return WITHHELD if has_secret(value.encode()) else value


def _result(running: Running, read: Result, typical: float | None) -> dict[str, Value]:
    ended, spent = running.ended, read.cost_usd
    outcome = _REASONS.get(str(ended.get("reason")), "failed" if read.is_error else "done")
    if outcome == "failed" and read.over_budget:
        outcome = "over_budget"
    found: dict[str, Value] = {"outcome": outcome}
    lines: Mapping[str, object] = {
        "status": read.status, "exit": _exit(ended), "session": read.session, "turns": read.turns,
        "input_tokens": read.input_tokens, "output_tokens": read.output_tokens, "branch": running.branch,
    }  # fmt: skip
    found |= {name: str(value) for name, value in lines.items() if value not in ("", None)}
    if ended.get("seconds") is not None:
        found["seconds"] = f"{float(ended['seconds']):.3f}"
    if spent is not None:
        found["cost_usd"] = f"{spent:.6f}"
    if read.denied:
        found["denied"] = tuple(read.denied)
    if outcome != "done" or read.error:
        found["note"] = _note(running, read, outcome, typical)
    elif read.text:
        found["note"] = read.text[-TAIL:]
    return found


def read_logs(running: Running) -> Result:
    """Return what the client says of itself in its output: of this run alone."""
    ended, terminal = running.ended, runtime_of(running.card) == "pty"
    out, err = (
        _log(running.folder / f"{name}.log") for name in (("terminal" if terminal else "stdout"), "stderr")
    )
    preset = preset_of(running.card)
    read = read_result(preset, out, err, ended.get("exit"), ended.get("signal"), terminal)
    return share(read, running.earlier)


def so_far(running: Running, read: Result) -> Result:
    """Return the sums of a session, this run's share included."""
    earlier = running.earlier
    return replace(
        read,
        cost_usd=(read.cost_usd or 0.0) + (earlier.cost_usd or 0.0),
        input_tokens=(read.input_tokens or 0) + (earlier.input_tokens or 0),
        output_tokens=(read.output_tokens or 0) + (earlier.output_tokens or 0),
    )


def _log(path: Path) -> bytes:
    try:
        return path.read_bytes()  # capped by the wrapper that wrote it
    except OSError:
        return b""


def _exit(ended: Mapping[str, object]) -> str:
    if ended.get("signal"):
        return f"signal {ended['signal']}"
    return "" if ended.get("exit") is None else str(ended["exit"])


def _note(running: Running, read: Result, outcome: str, typical: float | None) -> str:
    """Return what happened, and the end of what it said."""
    parts = [str(running.ended.get("error") or ""), read.error]
    if outcome == "stopped":
        parts.append(running.stop)
    if outcome == "timed_out":
        parts.append(_too_long(float(running.ended.get("seconds") or 0), typical))
    tail = read.text or _log(running.folder / "stdout.log").decode("utf-8", "replace")[-TAIL:]
    complaint = _log(running.folder / "stderr.log").decode("utf-8", "replace")[-TAIL // 2 :]
    parts += [tail[-TAIL:].strip(), complaint.strip()]
    return "\n\n".join(dict.fromkeys(part for part in parts if part))


def _too_long(seconds: float, typical: float | None) -> str:
    said = f"it ran for {format_duration(seconds)}"
    if typical is None:
        return f"{said}; no run of it has ended well lately: is its `timeout` long enough?"
    usual = f"its runs that end well take {format_duration(typical)}"
    return f"{said}; {usual}: " + ("raise its `timeout`" if typical > seconds / 2 else "it may have hung")


# work


def hand_off_for(layout: Layout, running: Running) -> None:
    """Save the handoff of an agent that has no tools to save one, if it ended well, from its last words."""
    ended = running.ended.get("reason") == "exit"
    if not (preset_of(running.card).speaks_only and ended and running.lease):
        return
    read = read_logs(running)
    if read.is_error or read.status.startswith(("blocked", "waiting")):
        return
    said = [line for line in read.text.splitlines() if line.strip() and not line.startswith("STATUS:")]
    header: dict[str, Value] = {
        "kind": "handoff", "assignment": running.run.texts("on")[0], "lease": str(running.lease),
        "outcome": "done", "summary": (said[-1].strip() if said else f"{running.agent} has ended")[:300],
        **({"branch": running.branch} if running.branch else {}),
    }  # fmt: skip
    name = f"handoff-{running.id}.md"
    aside = layout.drafts(running.agent) / name
    aside.write_bytes(document(header, "\n".join(said) + "\n").render())
    aside.replace(layout.outbox(running.agent) / name)


def keeping(hub: Hub, running: Running) -> Callable[[], str]:
    """Return the job that commits what lies in a run's worktree, or removes one that holds nothing."""
    worktree, agent = running.worktree, running.agent
    assert worktree is not None
    email = running.card.text("email") or f"{agent}@{hub.state.host}"
    message = _summary(hub.state, running) or f"Work of {agent}, left by {running.id}"
    over = not any(_goes_on(hub.state, id_) for id_ in running.run.texts("on"))

    def keep() -> str:
        commit_all(worktree, agent, email, message, alone=True)
        return retire(worktree) if over else "kept: its assignment goes on"

    return keep


def _summary(state: State, running: Running) -> str:
    """Return what the agent says of its work, if this run has handed it off."""
    for id_ in running.run.texts("on"):
        for handoff in state.children(id_, Kind.HANDOFF):
            if handoff.text("run") == running.id:
                return f"{handoff.text('summary')}\n\nHandoff {handoff.id} of {running.agent}."
    return ""


def _goes_on(state: State, id_: str) -> bool:
    doc = state.get(id_)
    return doc is not None and doc.kind is Kind.ASSIGNMENT and doc.state not in ("cancelled", "timed_out")


def tidying(hub: Hub, going_on: frozenset[str]) -> Callable[[], list[str]]:
    """Return the job that removes the output of old runs, and worktrees that hold nothing any more."""
    runs, days = hub.layout.runs, hub.state.settings.number("runs_days")
    folder, hub_id = home(hub), hub.state.hub_id
    # As long as the task lives, its work may be judged, or tried again.
    live = frozenset(d.id for d in hub.state.docs.values() if d.kind is Kind.ASSIGNMENT)

    def tidy() -> list[str]:
        oldest = time.time() - days * 86_400
        for old in sorted(runs.glob("run-*")) if runs.is_dir() else ():
            if old.name not in going_on and old.stat().st_mtime < oldest:
                shutil.rmtree(old, ignore_errors=True)
        said = []
        for listed in worktrees(folder) if folder.is_dir() else ():
            if listed.hub != hub_id or listed.assignment in live or listed.state not in ("empty", "merged"):
                continue
            worktree = find(folder, hub_id, listed.assignment)
            if worktree is not None:
                said.append(f"the worktree of {listed.assignment}: {retire(worktree)}")
        return said

    return tidy


@dataclass(frozen=True, slots=True)
class Examination:
    """A look at the work that a handoff names: a job, and the key under which it is done."""

    key: str
    act: Callable[[], Evidence]


def examination(hub: Hub, handoff: Doc) -> Examination | None:
    """Return the job that looks at a handoff's work; None where nothing can be looked at."""
    state = hub.state
    assignment = state.get(handoff.text("assignment"))
    card = state.card(assignment.text("to")) if assignment is not None else None
    project = project_of(card) if card is not None else None
    if assignment is None or card is None or project is None:
        return None
    named = bool(handoff.text("branch") or handoff.text("commit"))
    has_worktree = card.document.get("worktree") is not None
    if not named and not has_worktree:
        return None
    agent, folder, hub_id = card.id.removeprefix("card."), home(hub), state.hub_id
    email = card.text("email") or f"{agent}@{state.host}"
    message = f"{handoff.text('summary')}\n\nHandoff {handoff.id} of {agent}."
    branch, commit = handoff.text("branch"), handoff.text("commit")
    changed = handoff.texts("changed_files")
    beside = state.children(assignment.text("round"), Kind.ASSIGNMENT)
    named_by = [branch_of(state, other.id) for other in beside if other.id != assignment.id]

    def look() -> Evidence:
        worktree = find(folder, hub_id, assignment.id) if has_worktree else None
        if worktree is not None:
            commit_all(worktree, agent, email, message)
        others = branches(folder, hub_id, named_by)
        return examine(
            project, branch=branch, commit=commit, changed_files=changed, worktree=worktree, others=others
        )

    return Examination(f"worktree {assignment.id}", look)


def evidence_of(found: object) -> dict[str, Value]:
    """Return what is recorded of a look, also of one that failed."""
    if isinstance(found, Evidence):
        return found.result()
    return {"evidence": "reported", "note": f"the hub could not look at it: {found}"}
