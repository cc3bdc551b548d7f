"""Recognise text that looks like a secret, so that refused bytes with one stay out of the ledger.

Not promised: that every secret is recognised. Accepted documents are not searched: what is accepted is
permanent.
"""

from __future__ import annotations

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
