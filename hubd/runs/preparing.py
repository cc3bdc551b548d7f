"""What a run needs before it begins: its folder, its worktree, its prompt, its command line, its environment.

Guarantee: nothing of a card or of a document becomes a shell word: a command is a list of words, everywhere.
Rule: secrets of `pass_env` go to the process over a pipe; they are in no file, no argument and no log.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hubd.core.document import Value
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.prompt import render_prompt
from hubd.core.state import State
from hubd.core.time import parse_duration
from hubd.hub import Hub
from hubd.launch.context import Context
from hubd.launch.engine import EngineError, find_socket
from hubd.launch.environment import environment
from hubd.launch.presets import Command, build, program
from hubd.launch.spec import TAG, Runtime, Spec
from hubd.layout import Layout
from hubd.project import Worktree, find, prepare
from hubd.project.records import load
from hubd.runs.running import Running

__all__ = ["branch_of", "branches", "folder_of", "home", "making", "project_of", "spec_of", "unfit"]

TEMPLATE = Path(__file__).parents[1] / "templates" / "prompt.md"
_MIB = 1024 * 1024


def folder_of(layout: Layout, run: str) -> Path:
    """Return the folder of a run's output, made if it is missing. Only the hub's user may look into it."""
    layout.runs.mkdir(mode=0o700, exist_ok=True)
    folder = layout.runs / run
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def home(hub: Hub) -> Path:
    """Return the folder that worktrees of this mailbox lie in."""
    named = hub.state.settings.word("worktrees")
    return Path(named).expanduser() if named else _state_folder() / "worktrees" / hub.state.hub_id[:12]


def _state_folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "hubd"


def scratch(hub: Hub, agent: str) -> Path:
    """Return the folder in which an agent works that has no project, made if it is missing.

    Not in the mailbox: what an agent does with git there would be a person's git to the hub.
    """
    folder = _state_folder() / "scratch" / hub.state.hub_id[:12] / agent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def project_of(card: Doc) -> Path | None:
    """Return the project that an agent works in; None where its card names none."""
    named = card.text("directory")
    return Path(named).expanduser() if named else None


def branch_of(state: State, assignment: str) -> tuple[str, str]:
    """Return an assignment, and the branch that its last handoff names, if it names one."""
    handoffs = state.children(assignment, Kind.HANDOFF)
    return assignment, handoffs[-1].text("branch") if handoffs else ""


def branches(folder: Path, hub_id: str, named: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the branches of assignments: what was named, else the worktree's. It reads files: for a job."""
    found: list[str] = []
    for assignment, branch in named:
        worktree = find(folder, hub_id, assignment) if not branch else None
        found.append(branch or (worktree.branch if worktree is not None else ""))
    return tuple(dict.fromkeys(branch for branch in found if branch))


def unfit(card: Doc, base: Mapping[str, str], engine: str) -> str:
    """Return why this machine cannot start an agent, or nothing: a look that costs no process."""
    project = project_of(card)
    if project is not None and not project.is_dir():
        return f"its directory {project} is not there"
    if runtime_of(card) == "container":
        try:
            find_socket(engine, base)
        except EngineError as error:
            return f"{error.what}; {error.hint}"
        return ""
    name, path = program(card), environment(card, base).variables.get("PATH", os.defpath)
    if shutil.which(name, path=path) is None:
        return f"its program `{name}` is not found, or may not be started"
    return ""


def runtime_of(card: Doc) -> Runtime:
    """Return how an agent runs; a process where its card says nothing."""
    named = card.text("runtime")
    return "pty" if named == "pty" else "container" if named == "container" else "process"


def making(hub: Hub, running: Running, assignment: Doc, base: Mapping[str, str]) -> Callable[[], Worktree]:
    """Return the job that makes, or finds, the worktree of an assignment."""
    state, card = hub.state, running.card
    project, asked = project_of(card), card.document.get("worktree")
    assert project is not None
    settings = asked if isinstance(asked, Mapping) else {}
    folder, hub_id = home(hub), state.hub_id
    named = [branch_of(state, id_) for id_ in assignment.texts("after")]
    author = (running.agent, card.text("email") or f"{running.agent}@{state.host}")
    # Its setup is part of the run: it is found by the same tag, and ends with it.
    around = environment(card, base, own={TAG: running.tag}).variables

    def make() -> Worktree:
        after = branches(folder, hub_id, named)
        return prepare(project, folder, hub_id, assignment.id, settings, after, author, environment=around)

    return make


def spec_of(hub: Hub, running: Running, base: Mapping[str, str]) -> tuple[Spec, Command]:
    """Return what the wrapper of a run is told, and write the files that its client reads.

    Raises OSError, ValueError, and EngineError where no engine is found.
    """
    state, run, card, agent = hub.state, running.run, running.card, running.agent
    root, folder, settings = hub.layout.root, running.folder, state.settings
    worktree = running.worktree.path if running.worktree is not None else None
    cwd = worktree or project_of(card) or scratch(hub, agent)
    documents = [doc for id_ in run.texts("on") if (doc := state.get(id_)) is not None]
    prompt = _prompt(state, running, documents, root, cwd)
    prompt_file = folder / "prompt.md"
    _write(prompt_file, prompt)
    command = build(
        Context(
            agent=agent, run=run.id, root=root, folder=folder, cwd=cwd, prompt=prompt,
            prompt_file=prompt_file, card=card, session=running.session, resume=bool(running.session),
            tmp=environment(card, base).variables.get("TMPDIR", ""),
        )
    )  # fmt: skip
    for name, text in command.files.items():
        _write(folder / name, text)
    runtime = runtime_of(card)
    spec = Spec(
        run=run.id, tag=running.tag, argv=command.argv, cwd=str(cwd), folder=folder,
        env=environment(card, base, command.env, _own(running, documents, root)).variables,
        stdin=command.stdin, typed=command.typed, runtime=runtime,
        timeout=parse_duration(card.text("timeout")) or settings.seconds("run_timeout"),
        grace=settings.seconds("grace"), signal=command.signal, cap=settings.number("output_mib") * _MIB,
        container=_box(running),
        engine=str(find_socket(settings.word("engine"), base)) if runtime == "container" else "",
    )  # fmt: skip
    return spec, command


def _box(running: Running) -> dict[str, Value]:
    """Return what the card says of its container. A worktree needs the git dir of its project, to read it.

    Not to write: whoever writes there runs programs as its owner. The hub commits what the agent has made.
    """
    asked = running.card.document.get("container")
    box = dict(asked) if isinstance(asked, Mapping) else {}
    record = load(running.worktree.record) if running.worktree is not None else None
    if record is not None:
        named = box.get("mounts", ())
        mounts = (named,) if isinstance(named, str) else named
        box["mounts"] = (*(mounts if isinstance(mounts, tuple) else ()), f"{record.common}:{record.common}")
    return box


def _prompt(state: State, running: Running, documents: Sequence[Doc], root: Path, cwd: Path) -> str:
    worktree = running.worktree
    return render_prompt(
        TEMPLATE.read_text("utf-8"), state, running.run, running.card, documents, str(root),
        str(cwd), worktree.branch if worktree is not None else "",
    )  # fmt: skip


def _own(running: Running, documents: Sequence[Doc], root: Path) -> dict[str, str]:
    """Return the hub's own words to the agent."""
    folder = root / "agents" / running.agent
    own = {
        "HUB_MAILBOX": str(root), "HUB_AGENT": running.agent, "HUB_RUN": running.id, TAG: running.tag,
        "HUB_INBOX": str(folder / "inbox"), "HUB_OUTBOX": str(folder / "outbox"),
    }  # fmt: skip
    assignment = next((d for d in documents if d.kind is Kind.ASSIGNMENT), None)
    if assignment is not None:
        own |= {"HUB_ASSIGNMENT": assignment.id, "HUB_LEASE": assignment.text("lease")}
    return own


def _write(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
