"""What must hold of every state, and of every step."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubd.core import place
from hubd.core.codes import CODES, SHELL
from hubd.core.document import Document, parse
from hubd.core.effect import Doc, Drop, Proposal, Put, Step
from hubd.core.model import KINDS, Kind
from hubd.core.state import HELD, State, build, is_fixed, parent_of, read_back
from hubd.core.time import Now
from hubd.core.transition import ROWS, is_final
from hubd.core.work import Facts, Work


def snapshot(state: State) -> dict[str, object]:
    """Return all that a state holds, for comparing."""
    known = {k: dict(v) if isinstance(v, dict) else v for k, v in vars(state).items() if k != "changed"}
    for key in ("_load", "_held"):
        known[key] = {k: v for k, v in vars(state)[key].items() if v}
    for key in ("_children", "_sources", "_bounces", "_open_questions", "_places", "_runs"):
        known[key] = {k: frozenset(v) for k, v in vars(state)[key].items()}
    known["_globbed"] = frozenset(state.globbed_ids())
    return known


def check_state(state: State, tree: Mapping[str, bytes], now: Now) -> None:
    """Look at a state and at the tree it stands for."""
    work = Work(state, Facts(), now, Proposal("hub", "hub", "hub/look", None))
    for doc in state.docs.values():
        assert doc.state in KINDS[doc.kind].states, doc
        assert doc.text("state") == doc.state, doc.id
        for path in doc.paths:
            assert tree[path] == doc.document.render(), path
        assert doc.paths == work.places(doc), doc.id
        if not is_final(doc.kind, doc.state):
            _check_live(state, doc)
            _check_run(state, tree, doc)
    live = {p for p in tree if p.startswith(("agents/", "leases/"))}
    assert live == {p for d in state.live() for p in d.paths}
    rebuilt, kept = snapshot(rebuild(state, tree)), snapshot(state)
    assert {k: v for k, v in rebuilt.items() if kept[k] != v} == {}, "building the state gives another one"


def _check_live(state: State, doc: Doc) -> None:
    parent = parent_of(doc)
    if parent:
        above = state.get(parent)
        assert above is not None, doc.id
        assert not is_final(above.kind, above.state) or doc.kind is Kind.HANDOFF, (
            f"{doc.id} outlives {parent}"
        )
        round_ = state.get(".".join(doc.id.split(".")[:2]))
        assert round_ is not None, doc.id
        assert not is_final(round_.kind, round_.state), f"{doc.id} outlives its round"
    if doc.kind is Kind.ASSIGNMENT:
        lease = state.lease(doc.id)
        assert (lease is not None) == (doc.state in (*HELD, "input_required")), doc.id
        if lease is not None:
            assert (lease.text("lease"), lease.text("from")) == (doc.text("lease"), doc.text("to"))
            assert bool(lease.text("left")) == (doc.state == "input_required"), doc.id
            assert len(state.questions(doc.id)) == (doc.state == "input_required"), doc.id
    if doc.kind is Kind.TASK and doc.state != "draft":
        last = state.children(doc.id, Kind.ROUND)[-1]
        assert last.state == doc.state, f"{doc.id} is {doc.state}, and {last.id} is {last.state}"
    if doc.kind is Kind.ROUND and doc.state == "dispatched":
        ended = [is_final(a.kind, a.state) for a in state.children(doc.id, Kind.ASSIGNMENT)]
        assert not all(ended), doc.id


def _check_run(state: State, tree: Mapping[str, bytes], doc: Doc) -> None:
    """What a run was started for, what it holds, and in which run something was written."""
    for key in ("shown", "run"):
        if doc.text(key):
            assert _is_run(state, tree, doc.text(key)), (doc.id, key)
    if doc.kind is Kind.ASSIGNMENT and doc.text("worker").startswith("run-"):
        run = state.get(doc.text("worker"))
        assert doc.state in (*HELD, "input_required"), doc.id
        assert _is_run(state, tree, doc.text("worker")), doc.id
        if run is None:  # it asked and ended, and was answered since
            assert doc.state != "claimed", doc.id
        else:
            assert (run.text("agent"), doc.id in run.texts("on")) == (doc.text("to"), True)
            held = state.lease(doc.id)
            assert held is not None
            assert held.text("worker") == run.id
            assert run.text("lease") in ("", held.text("lease")) or run.texts("on")[0] != doc.id
    if doc.kind is Kind.RUN:
        assert state.card(doc.text("agent")) is not None, doc.id
        assert doc in state.runs(doc.text("agent")), doc.id
        assert doc.number("depth") > 0, doc.id


def _is_run(state: State, tree: Mapping[str, bytes], id_: str) -> bool:
    run = state.get(id_)
    return place.archive(id_) in tree if run is None else run.kind is Kind.RUN


def rebuild(state: State, tree: Mapping[str, bytes]) -> State:
    """Build a state from a tree as a hub does at its start: live folders, cards, families of live tasks."""
    docs: dict[str, Doc] = {}
    for path, data in tree.items():
        if path.startswith(("agents/", "leases/")):
            doc = _read(path, data)
            known = docs.get(doc.id)
            paths = tuple(sorted((*(known.paths if known else ()), path)))
            docs[doc.id] = Doc(doc.id, doc.kind, doc.state, doc.document, paths)
        elif path.startswith("cards/"):
            parsed = parse(data)
            assert isinstance(parsed, Document)
            id_ = f"card.{place.stem(path.rpartition('/')[2])}"
            docs[id_] = Doc(id_, Kind.AGENT, "active", parsed, (path,))
    for task in [d.id for d in docs.values() if d.kind is Kind.TASK]:
        for path in [p for p in tree if p.startswith(f"{place.archive_folder(task)}/")]:
            doc = _read(path, tree[path])
            docs[doc.id] = doc
    fixed = {p: d for p, d in tree.items() if is_fixed(p)}
    return build(state.hub_id, state.host, state.settings, state.seq, docs.values(), fixed, state.environment)


def _read(path: str, data: bytes) -> Doc:
    parsed = read_back(data)
    assert isinstance(parsed, Document), (path, parsed)
    assert parsed.render() == data, path
    return Doc(parsed.text("id"), Kind(parsed.text("kind")), parsed.text("state"), parsed, (path,))


def check_step(state: State, step: Step) -> None:
    """Look at a step before it is applied."""
    assert step.seq == state.seq + 1
    for number, taken in enumerate((step.transition, *step.consequences)):
        row = ROWS[taken.kind, taken.before, taken.after, taken.do]
        follows = f"{step.transition.kind}.{step.transition.do}"
        assert row.by if number == 0 else follows in row.follows, taken
    puts = [c.path for c in step.changes if isinstance(c, Put)]
    drops = [c.path for c in step.changes if isinstance(c, Drop)]
    assert len(set(puts)) == len(puts)
    assert not set(puts) & set(drops)
    for lease in (d for d in step.documents if d.kind is Kind.LEASE):
        known = state.get(lease.id)
        if known is None:
            numbers = [d.number("lease") for d in state.leases()]
            assert all(lease.number("lease") > n for n in numbers), "the number of a lease must grow"
    if step.transition.kind is Kind.RUN and step.transition.do == "start":
        check_start(state, step)
    if step.refusal is not None:
        check_refusal(step)


def check_start(state: State, step: Step) -> None:
    """Look at a run that begins: no limit is passed."""
    (run,) = (doc for doc in step.documents if doc.kind is Kind.RUN)
    card = state.card(run.text("agent"))
    assert card is not None
    assert len(state.runs(run.text("agent"))) < card.number("replicas", 1)
    assert len(state.runs()) < state.settings.number("max_concurrency")
    assert 1 <= run.number("depth") <= state.settings.number("max_depth")
    assert not {"pause:hub", f"pause:{run.text('agent')}"} & {d.text("key") for d in state.leases()}
    assert len([i for i in run.texts("on") if ".a" in i]) <= 1


def check_refusal(step: Step) -> None:
    """Look at how a refusal is worded, and where it is kept."""
    refusal = step.refusal
    assert refusal is not None
    assert refusal.code in CODES, refusal
    assert refusal.code not in SHELL, refusal
    assert re.match(r"[^A-Z\s]", refusal.message), refusal.message
    assert not refusal.message.endswith((".", " ", ":")), refusal.message
    assert refusal.message.isprintable(), refusal.message
    assert refusal.hint, refusal
    assert not refusal.hint.endswith("."), refusal.hint
    assert not refusal.hint[0].isupper(), refusal.hint
    assert refusal.line >= 0
    assert step.bounce == step.transition.document
    assert step.transition.kind is Kind.BOUNCE
