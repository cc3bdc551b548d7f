"""Build the state from the ledger: the live folders, and the finished parts of live families.

Guarantee: a function of the tip alone; nothing on disk outside .git is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hubd.core import place
from hubd.core.document import Document
from hubd.core.effect import Doc
from hubd.core.model import KINDS, Kind
from hubd.core.settings import Settings
from hubd.core.state import State, build, is_fixed, load_settings, read_back
from hubd.core.transition import is_final
from hubd.ledger import Ledger, LedgerError

IDENTITY = ".hub/id"
_CHUNK = 500


def load_state(ledger: Ledger, environment: Mapping[str, str]) -> State:
    """Return the state at the tip."""
    hub_id, host = identity(ledger)
    fixed: dict[str, bytes] = {}
    cards: list[Doc] = []
    places: dict[str, tuple[list[str], bytes]] = {}
    for path, data in ledger.load(["agents", "leases", "cards", "contract", place.SETTINGS, "README.md"]):
        if is_fixed(path):
            fixed[path] = data
        elif path.startswith("cards/"):
            cards.append(_card(path, data))
        else:
            # A document may lie in several inboxes; an assignment's lease has its file's name, elsewhere.
            name = path if path.startswith("leases/") else path.rpartition("/")[2]
            places.setdefault(name, ([], data))[0].append(path)
    docs = [_live(paths, data) for paths, data in places.values()]
    tasks = [d.id for d in docs if d.kind is Kind.TASK]
    docs += _families(ledger, tasks)
    settings = load_settings(fixed.get(place.SETTINGS, b""), environment)
    if not isinstance(settings, Settings):
        raise LedgerError(
            f"the settings in force are not valid: {settings.message}", settings.hint or "correct them"
        )
    last = ledger.commit(ledger.tip())
    seq = last.seq if last is not None and last.seq is not None else 0
    return build(hub_id, host, settings, seq, [*cards, *docs], fixed, environment)


def identity(ledger: Ledger) -> tuple[str, str]:
    """Return (hub id, host) as the first commit wrote them."""
    lines = (ledger.read(IDENTITY) or b"").decode().splitlines()
    known = dict(line.split(": ", 1) for line in lines if ": " in line)
    if "hub" not in known or "host" not in known:
        raise LedgerError("the ledger does not say which hub it is", "restore .hub/id from an older commit")
    return known["hub"], known["host"]


def archived(ledger: Ledger, id_: str) -> Doc | None:
    """Return a finished document by its id; no index is needed."""
    path = place.archive(id_)
    data = ledger.read(path)
    return read_document(path, data) if data is not None else None


def read_document(path: str, data: bytes) -> Doc | None:
    """Return the document that the ledger holds at a path; None for what is not one."""
    parsed = read_back(data)
    kind = parsed.text("kind") if isinstance(parsed, Document) else ""
    if not isinstance(parsed, Document) or kind not in KINDS:
        return None
    return Doc(parsed.text("id"), Kind(kind), parsed.text("state"), parsed, (path,))


def _live(paths: list[str], data: bytes) -> Doc:
    doc = read_document(paths[0], data)
    if doc is None:
        raise LedgerError(
            f"the ledger holds something that is no document at {paths[0]}", "run `hubctl verify`"
        )
    return Doc(doc.id, doc.kind, doc.state, doc.document, tuple(sorted(paths)))


def _card(path: str, data: bytes) -> Doc:
    doc = read_document(path, data)
    if doc is None:
        raise LedgerError(f"the ledger holds something that is no card at {path}", "run `hubctl verify`")
    return Doc(f"card.{place.stem(path.rpartition('/')[2])}", Kind.AGENT, "active", doc.document, (path,))


def _families(ledger: Ledger, tasks: list[str]) -> Iterator[Doc]:
    for start in range(0, len(tasks), _CHUNK):
        folders = [place.archive_folder(t) for t in tasks[start : start + _CHUNK]]
        for path, data in _load(ledger, folders):
            doc = read_document(path, data)
            if doc is not None and is_final(doc.kind, doc.state):
                yield doc


def _load(ledger: Ledger, folders: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    return ledger.load(list(folders))
