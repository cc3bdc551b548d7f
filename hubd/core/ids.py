"""How ids are made: from the hub, the sequence number and a slug; never from a clock or chance.

Guarantee: one hub never makes the same id twice, and finds that out without looking anything up: the letters
at the end of an id stand for the sequence number of the commit that made it, and no two numbers for the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SHORTEST = 4
_FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9  # odd: multiplying by them loses nothing


def slug(title: str, most: int = 24) -> str:
    """Return a title as a short, typable word: `Fix the login redirect` is `fix-the-login-redirect`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = [w for w in re.split(r"[^a-z0-9]+", plain) if w]
    out = ""
    for word in words:
        longer = f"{out}-{word}" if out else word
        if len(longer) > most:
            break
        out = longer
    return out or (words[0][:most] if words else "")


def token(*parts: str) -> str:
    """Return 32 letters and digits drawn from the parts."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:32]


def number(hub_id: str, seq: int) -> str:
    """Return a sequence number as letters: four for the first million, one more for each 32 times that.

    Numbers of one length are shuffled among each other (by steps that can be undone), so that neighbours look
    nothing like each other; the hub's id says how.
    """
    length = SHORTEST
    while seq >= 32**length:
        length += 1
    bits = 5 * length
    mask, half = (1 << bits) - 1, bits // 2
    value = (seq + int.from_bytes(hashlib.sha256(hub_id.encode()).digest()[:8])) & mask
    value = value * _FIRST & mask
    value ^= value >> half
    value = value * _SECOND & mask
    value ^= value >> half
    return "".join(ALPHABET[value >> 5 * n & 31] for n in reversed(range(length)))


def candidates(prefix: str, *parts: str) -> tuple[str, ...]:
    """(being replaced by `number`)"""
    drawn = token(*parts)
    return tuple(f"{prefix}-{drawn[:n]}" if prefix else drawn[:n] for n in (4, 8, 16, 32))


def mint(names: tuple[str, ...], taken: Callable[[str], bool]) -> str:
    """(being replaced by `number`)"""
    return next((n for n in names if not taken(n)), names[-1] + "-x")
