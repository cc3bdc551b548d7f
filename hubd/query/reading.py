"""The read model without a hub: the ledger opened for reading, beside whoever may be writing.

Guarantee: nothing is locked, judged or written. What is seen is the ledger's tip at the time of opening.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hubd.core.state import State
from hubd.layout import Layout
from hubd.ledger import Ledger
from hubd.loading import load_state

__all__ = ["Reading", "reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A view of one mailbox."""

    layout: Layout
    ledger: Ledger
    state: State


@contextmanager
def reading(layout: Layout) -> Iterator[Reading]:
    """Open a mailbox for reading. Raises LedgerError."""
    ledger = Ledger.open(layout.root, readonly=True)
    try:
        yield Reading(layout, ledger, load_state(ledger, os.environ))
    finally:
        ledger.close()
