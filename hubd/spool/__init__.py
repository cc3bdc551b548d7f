"""The mailbox's folders, read and written safely in the middle of other people's writing.

    reading.py     look at what lies there: a value for everything that an agent can do
    ground.py      folders by descriptor, atomic renames, errors with a hint
    aside.py       whole files in tmp, to be renamed into place
    placing.py     swap: where what was taken out of a folder waits until it is judged
    keeping.py     refused/ and the quarantine
    delivering.py  the verbs: deliver, take_away, consume, refuse

What may lie in .git/hub at any instant, and what it means at a start:

    tmp/<pid>-<n>          made aside, never shown to anybody: `clear` removes it
    swap/<n>-<path>        came out of <path>, or was on its way there: `leftovers` lists it to be judged
    quarantine/<sha256>    kept on purpose; removed by `purge` only
"""

from hubd.spool.delivering import Delivered, Refused, Spool, Taken, Versions, submit
from hubd.spool.ground import FolderBlocked, SpoolError
from hubd.spool.keeping import Quarantined
from hubd.spool.placing import Displaced
from hubd.spool.reading import LARGEST, Absent, Bytes, Moving, NotAFile, Read, Stamp

__all__ = [
    "LARGEST",
    "Absent",
    "Bytes",
    "Delivered",
    "Displaced",
    "FolderBlocked",
    "Moving",
    "NotAFile",
    "Quarantined",
    "Read",
    "Refused",
    "Spool",
    "SpoolError",
    "Stamp",
    "Taken",
    "Versions",
    "submit",
]
