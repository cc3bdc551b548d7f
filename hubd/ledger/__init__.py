"""Git's one home: the ledger, and the values that are said to it.

Rule: nothing outside this package starts git or knows GitPython; only `verify`, which shares no code,
starts its own.
"""

from hubd.ledger.ledger import Ledger
from hubd.ledger.terms import Commit, Drop, Foreign, LedgerError, Logged, Put, RolledUp, blob_id

__all__ = ["Commit", "Drop", "Foreign", "Ledger", "LedgerError", "Logged", "Put", "RolledUp", "blob_id"]
