"""Which refused bytes stay out of the ledger: what looks like a secret, and what is too large.

Not promised: that every secret is recognised. Accepted documents are not searched: what is accepted is
permanent.
"""

from __future__ import annotations

import hashlib
import re

_SECRETS = re.compile(
    rb"""
      -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{36,}
    | \bgithub_pat_[A-Za-z0-9_]{22,}
    | \bglpat-[A-Za-z0-9_-]{20,}
    | \bxox[abprs]-[A-Za-z0-9-]{10,}
    | \bsk-[A-Za-z0-9_-]{20,}
    | \bAIza[0-9A-Za-z_-]{35}
    | \bnpm_[A-Za-z0-9]{36}
    | \beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
    """,
    re.VERBOSE,
)


def has_secret(data: bytes) -> bool:
    """Return whether the bytes hold something shaped like a key or a token."""
    return _SECRETS.search(data) is not None


LEDGER_MOST = 64 * 1024
"""Bytes of a refused proposal that go into the ledger; larger ones are quarantined."""


def quarantined_as(data: bytes) -> str:
    """Return the SHA-256 under which refused bytes are quarantined; empty for what the ledger may hold."""
    if len(data) > LEDGER_MOST or has_secret(data):
        return hashlib.sha256(data).hexdigest()
    return ""
