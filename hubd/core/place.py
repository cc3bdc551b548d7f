"""Where a document lies in the tree: paths from ids and names, and back.

Guarantee: a path is made only of validated names; no text of a document becomes one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
FILE = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\.md\Z")
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,98}(\.[a-z0-9-]{1,62}){0,5}\Z")
KEY = re.compile(r"[^\s/\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,199}\Z")
MEMBER = re.compile(r"[a-z0-9-]+\.r[0-9]+(\.a[0-9]+(\.[hq][0-9]+)?)?\Z")
"""An id inside a task's family. Nobody may lease such a key by hand: it would be in the way of a claim."""
RESERVED = frozenset({"hub", "hubd", "all", "owner", "any", "none"})

SETTINGS = "hub.yaml"
PROPOSAL = ".hub/proposal"


def is_name(text: str) -> bool:
    """Return whether this can be an agent's name."""
    return bool(NAME.match(text)) and text not in RESERVED


def root_id(id_: str) -> str:
    """Return the first part of an id: the task of a round, an assignment or a handoff."""
    return id_.split(".", 1)[0]


def parent_id(id_: str) -> str:
    """Return the id of the document that a member of a family belongs to, or an empty string."""
    return id_.rpartition(".")[0] if MEMBER.match(id_) else ""


def inbox(agent: str, id_: str) -> str:
    return f"agents/{agent}/inbox/{id_}.md"


def waiting(agent: str, id_: str) -> str:
    return f"agents/{agent}/waiting/{id_}.md"


def outbox(agent: str, name: str) -> str:
    return f"agents/{agent}/outbox/{name}"


def refused(agent: str, name: str) -> str:
    return f"agents/{agent}/refused/{name}"


def card(agent: str) -> str:
    return f"cards/{agent}.md"


def archive_folder(id_: str) -> str:
    """Return the folder of an id's family: two levels of at most 64 entries, from a hash of the root id."""
    root = root_id(id_)
    digest = hashlib.sha256(root.encode()).digest()
    return f"archive/{digest[0] % 64:02x}/{digest[1] % 64:02x}/{root}"


def archive(id_: str) -> str:
    return f"{archive_folder(id_)}/{id_}.md"


def escape(key: str) -> str:
    """Return a key as a file name: every byte outside `[a-z0-9._-]`, and a leading dot, as %XX.

    Keys longer than 80 escaped characters are cut and end in a hash, so that any key has one file.
    """
    out = "".join(c if re.match(r"[a-z0-9._-]", c) else "".join(f"%{b:02X}" for b in c.encode()) for c in key)
    if out.startswith("."):
        out = "%2E" + out[1:]
    if len(out) > 80:
        out = f"{out[:60]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return out


def lease(key: str) -> str:
    return f"leases/{escape(key)}.md"


@dataclass(frozen=True, slots=True)
class Spot:
    """What a path of the mailbox is: whose folder, which one, which file."""

    agent: str
    folder: str
    name: str


def spot(path: str) -> Spot | None:
    """Return whose document a path is, or None where no document lies."""
    parts = path.split("/")
    if len(parts) == 4 and parts[0] == "agents":
        return Spot(parts[1], parts[2], parts[3])
    if len(parts) == 2 and parts[0] in ("cards", "leases", "contract"):
        return Spot("", parts[0], parts[1])
    if parts[0] == "archive":
        return Spot("", "archive", parts[-1])
    return None


def stem(name: str) -> str:
    """Return a file's name without `.md`."""
    return name[:-3] if name.endswith(".md") else name
