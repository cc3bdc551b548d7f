"""What an agent is to act on, in which order, and who it comes from.

Rule: first come, first served, by the `rev` at which a document came to be as it stands. A run is for one
assignment, or for other documents together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.place import parent_id
from hubd.core.state import HELD, State

TOGETHER = 20
"""Documents other than assignments that one run is for, at most."""
RUN = "run-"
_OPEN = {Kind.TASK: "draft", Kind.ROUND: "awaiting_review", Kind.QUESTION: "open", Kind.MESSAGE: "unread"}


def is_live_run(state: State, id_: str) -> bool:
    """Return whether this is the id of a run that goes on."""
    run = state.get(id_)
    return run is not None and run.kind is Kind.RUN


def is_left(state: State, assignment: Doc) -> bool:
    """Return whether an assignment is held by a run that has ended: it asked, and is answered by now."""
    worker = assignment.text("worker")
    return assignment.state in HELD and worker.startswith(RUN) and not is_live_run(state, worker)


def works_on(state: State, run: Doc, id_: str) -> bool:
    """Return whether a run works on an assignment now: one claimed for it, or one that its agent took."""
    doc = state.get(id_)
    if doc is None or doc.kind is not Kind.ASSIGNMENT or doc.state not in HELD:
        return False
    worker = doc.text("worker")
    others = worker.startswith(RUN) and worker != run.id and is_live_run(state, worker)
    return doc.text("to") == run.text("agent") and not others


def asks(state: State, doc: Doc) -> bool:
    """Return whether a document in an inbox asks its owner to act."""
    if doc.kind is Kind.ASSIGNMENT:
        return doc.state == "pending" or is_left(state, doc)
    if doc.kind is Kind.MESSAGE and doc.text("from") == "hub":
        return False  # it tells; else one failed run would be the cause of the next
    return _OPEN.get(doc.kind) == doc.state


def waiting(state: State, agent: str, again: bool = False) -> list[Doc]:
    """Return what asks an agent to act and was shown to no run as it stands, the oldest first.

    `again`: also what was shown to a run that has ended.
    """
    found = [
        doc
        for doc in state.inbox(agent)
        if asks(state, doc)
        and (not (shown := doc.text("shown")) or (again and not is_live_run(state, shown)))
    ]
    return sorted(found, key=lambda d: d.number("rev"))  # of one age: by id, as they lie in the inbox


def needs_claim(doc: Doc) -> bool:
    """Return whether a run for this document begins with a claim."""
    return doc.kind is Kind.ASSIGNMENT and doc.state == "pending"


def choose(docs: Sequence[Doc], full: bool) -> tuple[Doc, ...]:
    """Return what one run would be for, of what waits. `full`: its agent can claim nothing more.

    Where nothing else waits it is what cannot be claimed, so that somebody can say why.
    """
    free = [d for d in docs if not (full and needs_claim(d))] or docs[:1]
    if not free or free[0].kind is Kind.ASSIGNMENT:
        return tuple(free[:1])
    return tuple(d for d in free if d.kind is not Kind.ASSIGNMENT)[:TOGETHER]


def is_full(state: State, agent: str, more: int = 0) -> bool:
    """Return whether an agent holds as many assignments as it may, with so many more."""
    return state.held_by(agent) + more >= state.settings.number("max_simultaneous_assignments")


def work_for(state: State, agent: str, again: bool = False) -> tuple[str, ...]:
    """Return the documents that one run of an agent would be for now.

    `again`: a person asks for it, and means also what was shown to a run that has ended, or lies too deep.
    """
    docs = waiting(state, agent, again)
    return tuple(d.id for d in choose(docs if again else parted(state, docs)[0], is_full(state, agent)))


def parted(state: State, docs: Iterable[Doc], enough: int = 0) -> tuple[list[Doc], list[Doc]]:
    """Part documents into those that a run may be for, and those that too many runs have led to.

    `enough`: no more of the first are looked for.
    """
    most = state.settings.number("max_depth")
    near: list[Doc] = []
    deep: list[Doc] = []
    for doc in docs:
        (deep if lineage(state, (doc.id,))[0] > most else near).append(doc)
        if enough and len(near) == enough:
            break
    return near, deep


def lineage(state: State, ids: Iterable[str]) -> tuple[int, str]:
    """Return the depth and the parent of a run for these documents: the deepest decides, then the first.

    Depth counts the runs that led to it, itself included, since a person acted. Without a document that a
    run wrote it is 1, and nobody's child.
    """
    best = (1, "")
    for id_ in ids:
        doc = state.get(id_)
        if doc is None:
            continue
        depth, parent = _led_to(state, doc)
        if depth > best[0] or (depth == best[0] and not best[1]):
            best = (depth, parent)
    return best


def _led_to(state: State, doc: Doc) -> tuple[int, str]:
    match doc.kind:
        case Kind.ASSIGNMENT:
            round_ = state.get(parent_id(doc.id))
            if round_ is None:
                return 1, ""
            by_person = any(name != "hub" for name in round_.texts("approved_by"))
            depth, run = _written(round_)
            return (1 if by_person else depth + 1), run
        case Kind.ROUND:
            # Who reviews goes on with what its own plan began: that is no step further.
            depth, run = _written(doc)
            return max(1, depth), run if is_live_run(state, run) else ""
        case _:
            depth, run = _written(doc)
            return depth + 1, run


def _written(doc: Doc) -> tuple[int, str]:
    """Return the depth of the run in which a document was written, and that run; 0 outside of any."""
    run = doc.text("run")
    return (max(1, doc.number("depth")), run) if run else (0, "")
