"""What the ledger says of the runs of the last day, for a hub that has just started.

Guarantee: a function of the ledger, the same that a hub would know which had noted every step since.
Rule: one walk of history, from its end, as far as a day goes back and no further than `MOST` commits; nothing
is kept beside the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.core.policy import Account
from hubd.hub import Hub
from hubd.ledger import Logged
from hubd.loading import archived

__all__ = ["MOST", "account_of"]

MOST = 20_000
"""Commits that are looked at: with more than that in a day, what lies further back is not counted."""
DAY = timedelta(days=1)


def account_of(hub: Hub) -> Account:
    """Return the account of a hub's last day."""
    account = Account()
    if not any(card.document.get("command") for card in hub.state.cards.values()):
        return account  # nobody can be started: there is nothing to look for
    since = hub.now().wall - DAY
    found: list[Logged] = []
    for number, commit in enumerate(hub.ledger.log(), 1):
        # Hub time never goes back: behind the first commit that is too old all others are.
        if commit.when < since or number > MOST:
            break
        if commit.trailers.get("Hub-Kind") in ("run", "agent"):
            found.append(commit)
    for commit in reversed(found):
        for doc in _documents(hub, commit):
            account.note(doc)
    return account


def _documents(hub: Hub, commit: Logged) -> Iterator[Doc]:
    """Yield what a commit says of runs and cards, as far as an account wants it."""
    id_, do = commit.trailers.get("Hub-Document", ""), commit.trailers.get("Hub-Transition", "")
    if commit.trailers.get("Hub-Kind") == "agent":
        card = _card(hub, id_)
        if card is not None and do.endswith(("-> active", "-> accepted")):
            yield card
    elif do.startswith(("start:", "end:")):
        run = hub.state.get(id_) or archived(hub.ledger, id_)
        if run is not None and run.kind is Kind.RUN:
            # What is in the ledger now has ended; when it began nobody knew how it would.
            yield run if do.startswith("end:") else replace(run, state="started")


def _card(hub: Hub, id_: str) -> Doc | None:
    """Return the card that a commit put in place: its own, or that of an approved proposal."""
    if id_.startswith("card."):
        return hub.state.card(id_.removeprefix("card."))
    proposed = archived(hub.ledger, id_)
    return hub.state.card(proposed.text("name") or proposed.text("from")) if proposed is not None else None
