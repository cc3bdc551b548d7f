"""What is asked of the core, and what it is given: who proposes, the facts it needs, what came out.

Guarantee: a defect of ours in judging one file is an answer too: it stops nobody else and loses no bytes.
Rule: the ledger is only read here, and nothing is decided.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping

from hubd.core import place
from hubd.core.decide import Examined, Facts, decide, examine
from hubd.core.decide.bounces import refuse
from hubd.core.document import Document
from hubd.core.effect import Nothing, Proposal, Refusal, Step
from hubd.core.naming import shown
from hubd.core.state import State, read_back
from hubd.core.time import Now
from hubd.ledger import Ledger, LedgerError
from hubd.loading import archived
from hubd.outcome import Outcome
from hubd.spool import Bytes, NotAFile

__all__ = ["judge", "outcome", "proposal_at"]


def proposal_at(state: State, path: str, read: Bytes | NotAFile | None) -> Proposal | None:
    """Return what a file at a path proposes, and who; None where nobody proposes anything there.

    The sender is the place: the folder's owner, or the operator on people's ground.
    """
    spot = place.spot(path)
    data = read.data if isinstance(read, Bytes) else None
    unreadable = read.code if isinstance(read, NotAFile) else ""
    operator = state.settings.word("operator")
    if spot is not None and spot.agent:
        if spot.folder == "outbox":
            return Proposal(spot.agent, "outbox", path, data, unreadable=unreadable)
        if spot.folder in ("inbox", "waiting"):
            return Proposal(spot.agent, "live", path, data, unreadable=unreadable)
        return None
    if path == place.SETTINGS:
        return Proposal(operator, "settings", path, data, unreadable=unreadable)
    if spot is not None and spot.folder == "cards":
        return Proposal(operator, "cards", path, data, unreadable=unreadable)
    if path == "README.md" or path.startswith(("leases/", "contract/", "archive/")):
        return Proposal(operator, "fixed", path, data, unreadable=unreadable)
    return None


def judge(
    state: State, ledger: Ledger, proposal: Proposal, now: Now, say: Callable[[str, str], None]
) -> Step | Nothing:
    """Decide one proposal."""
    facts = Facts()
    try:
        examined = examine(state, proposal)
        facts = _facts(ledger, examined)
        return decide(state, examined, facts, now)
    except LedgerError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect must not stop everybody else, nor lose these bytes
        say("error", f"a defect: {shown(proposal.path)}: {error!r}\n{traceback.format_exc()}")
        name = type(error).__name__
        what = Refusal("hub-defect", f"hubd failed on this: {name}", "report it; nothing was changed")
        return refuse(state, facts, now, proposal, what)


def _facts(ledger: Ledger, examined: Examined) -> Facts:
    """Look up what the decision needs: finished documents by id, and the version that was edited."""
    found = {}
    for id_ in examined.ids:
        doc = archived(ledger, id_)
        if doc is not None:
            found[id_] = doc
    base = None
    if examined.base is not None:
        path, rev = examined.base
        data = ledger.version_at(path, rev)
        parsed = read_back(data) if data is not None else None
        base = parsed if isinstance(parsed, Document) else None
    return Facts(found, base)


def outcome(state: State, result: Step | Nothing, commits: Mapping[int, str]) -> Outcome:
    """Return what the front ends are told. `commits`: the commit of each step, by its number."""
    if isinstance(result, Nothing):
        doc = state.get(result.document)
        if doc is None:
            return Outcome(True, result.document, message=result.why)
        path = doc.paths[0] if doc.paths else ""
        return Outcome(True, doc.id, doc.kind.value, doc.state, path, message=result.why)
    if result.refusal is not None:
        r = result.refusal
        return Outcome(
            False, r.document, commit=commits[result.seq], seq=result.seq,
            code=r.code, message=r.message, hint=r.hint, bounce=result.bounce,
        )  # fmt: skip
    t = result.transition
    doc = next((d for d in result.documents if d.id == t.document), None)
    path = doc.paths[0] if doc is not None and doc.paths else ""
    return Outcome(True, t.document, t.kind.value, t.after, path, commits[result.seq], result.seq)
