"""Make a new mailbox: folders, ledger, settings, contract, and a card for everybody named.

Guarantee: nothing that exists is overwritten. The first commit holds the hub's id and the operator's card;
every other card is a commit of its own, made by the operator.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from hubd.clock import Clock, SystemClock
from hubd.commits import commit_of
from hubd.core import place
from hubd.core.decide import Facts
from hubd.core.decide.cards import config, install
from hubd.core.document import Document, parse
from hubd.core.effect import Proposal, Put
from hubd.core.settings import Settings
from hubd.core.state import State
from hubd.core.time import Now
from hubd.core.work import Work
from hubd.hub import Hub
from hubd.layout import Layout
from hubd.ledger import Ledger
from hubd.loading import IDENTITY

_HERE = Path(__file__).parent


class FoundingError(Exception):
    """No mailbox can be made there."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def found(
    root: Path,
    agents: Sequence[str] = (),
    operator: str = "operator",
    host: str = "local",
    clock: Clock | None = None,
) -> Hub:
    """Make a mailbox and return its hub, open. `agents` are names, or `name:capability,capability`.

    Raises FoundingError for a folder that is in use and for names that cannot be.
    """
    root = Path(root).resolve()
    wanted = [_named(a) for a in agents]
    for name in (operator, host, *(n for n, _ in wanted)):
        if not place.is_name(name):
            raise FoundingError(
                f"`{name}` cannot be a name", "names are of a-z, 0-9 and -, at most 63 letters"
            )
    if Layout(root).exists:
        raise FoundingError(f"{root} is a mailbox already", "use it, or name another folder")
    if root.exists() and any(root.iterdir()):
        half = (root / ".git" / "hub").exists()
        again = "an earlier init did not finish: remove the folder, and repeat"
        hint = again if half else "name an empty or a new folder"
        raise FoundingError(f"{root} is not empty", hint)
    root.mkdir(parents=True, exist_ok=True)
    clock = clock or SystemClock()
    _first_commit(root, operator, host, clock.now())
    hub = Hub.open(root, clock=clock)
    for name, capabilities in wanted:
        if name != operator:
            hub.judge(Proposal(operator, "cards", place.card(name), _card(name, capabilities)))
    return hub


def _named(text: str) -> tuple[str, list[str]]:
    name, _, capabilities = text.partition(":")
    return name, [c for c in capabilities.split(",") if c]


def _card(name: str, capabilities: Sequence[str]) -> bytes:
    lines = ["---", "kind: agent"]
    if capabilities:
        lines.append(f"capabilities: [{', '.join(capabilities)}]")
    return "\n".join((*lines, "---", f"Standing instructions for {name}.", "")).encode()


def _person(name: str) -> bytes:
    return f"---\nkind: agent\nhuman: true\n---\n{name} is a person: approves, answers, decides.\n".encode()


def contract_files() -> dict[str, bytes]:
    """Return the copy of the contract that every mailbox carries, by path."""
    folder = _HERE / "contract"
    files = [folder / "SPEC.md", *sorted((folder / "schema").glob("*.json"))]
    return {f"contract/{f.relative_to(folder).as_posix()}": f.read_bytes() for f in files if f.is_file()}


def settings_file(operator: str, host: str) -> bytes:
    """Return a new mailbox's hub.yaml."""
    text = (_HERE / "templates" / "hub.yaml").read_text()
    for key, value in (("host", host), ("operator", operator), ("approvers", f"[{operator}]")):
        text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
    return text.encode()


def _first_commit(root: Path, operator: str, host: str, now: Now) -> None:
    files = {
        place.SETTINGS: settings_file(operator, host),
        "README.md": (_HERE / "templates" / "mailbox-README.md").read_bytes(),
        **contract_files(),
        IDENTITY: f"hub: {secrets.token_hex(16)}\nhost: {host}\n".encode(),
    }
    state = State("", host, Settings({"operator": operator, "host": host, "approvers": (operator,)}))
    proposal = Proposal("hub", "hub", "hub/init", b"", "hub")
    work = Work(state, Facts(), now, proposal)
    config(work, "init", "hub", tuple(Put(path, data) for path, data in files.items()), "hub")
    card = parse(_person(operator))
    assert isinstance(card, Document)
    install(work, operator, card, None, "hub", follows=True)
    ledger = Ledger.create(root, host=host)
    try:
        ledger.record([commit_of(work.step(), state, now)])
    finally:
        ledger.close()


def renew_contract(hub: Hub) -> bool:
    """Bring the mailbox's copy of the contract to this version of hubd; answers whether it changed.

    The change is a commit of its own: what came before is judged by the contract of its time.
    """
    files = contract_files()
    changed = {path: data for path, data in files.items() if hub.state.fixed.get(path) != data}
    if not changed:
        return False
    now = hub.now()
    work = Work(hub.state, Facts(), now, Proposal("hub", "hub", "hub/contract", b"", "hub"))
    config(work, "amend", "hub", tuple(Put(path, data) for path, data in changed.items()), "contract")
    step = work.step()
    hub.record_made(step, commit_of(step, hub.state, now))
    hub.settle(hub.acting.aside())
    return True
