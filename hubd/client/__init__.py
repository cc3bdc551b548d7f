"""Reach the hub of a mailbox: over its socket where a daemon answers, else by being the hub for one step.

Guarantee: what is sent was saved in the sender's outbox first, whole and under a name of its own; whatever
happens afterwards, it is judged once, by whoever is the hub.
Rule 1: nothing is sent over the socket but where to look; the bytes lie in the outbox. A sandbox that lets
its agent write there and nowhere else is enough: then the outbox is watched until the file is gone.
Rule 2: what only a hub needs (git, locks, YAML) is imported only by a process that must become one.

Not promised: that a file which nobody judged in time is withdrawn. It stays where it is and is judged later.

    wire.py    a document's bytes, the outbox, the socket
    reach.py   questions and proposals, whoever the hub is
    fate.py    what became of a file that somebody else judged
    cards.py   cards, which are saved beside the outboxes
"""

from hubd.client.reach import WAIT, Client
from hubd.client.wire import Unreachable, compose, drop, tap

__all__ = ["WAIT", "Client", "Unreachable", "compose", "drop", "tap"]
