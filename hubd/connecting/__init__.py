"""Connect the clients that people use to a mailbox: what they read in a project is put in, and taken out.

    spans.py     where the parts of a JSON text stand    members.py   entries of JSON, put in and taken out
    blocks.py    marked lines in text of any kind        clients.py   what each client reads: one table
    editing.py   one file: bytes in, bytes out           plan.py      a project: survey, then all or nothing
    files.py     the disk                                ignoring.py  what git knows
    editors.py   a mailbox opened in VS Code or Obsidian

Guarantee: what stood in a file stays byte for byte, and taking a connection out leaves each file as it was.
Rule: a file is edited where something is to stand, never parsed and written anew.
"""

from __future__ import annotations

from hubd.connecting.clients import CLIENTS, Member
from hubd.connecting.plan import Change, Survey, carry_out, diff, survey
from hubd.connecting.spans import Unfit

__all__ = ["CLIENTS", "Change", "Member", "Survey", "Unfit", "carry_out", "diff", "survey"]
