"""A model server on loopback, for tests with the real clients: it speaks their protocols and thinks nothing.

Guarantee: what it answers is a function of a script and of the request alone; it keeps no conversation.
Rule 1: standard library only, loopback only. Rule 2: what is unknown is answered with an error, never with a
guess, so that a client that changed its protocol fails loudly.

    with serving(works()) as served:
        subprocess.run(command, env={**env, **served.claude(tmp_path / "claude")})
        assert served.asked[-1].results
"""

from __future__ import annotations

from tests.models.acts import Act, Fail, Hang, Read, Say, Script, Seen, Shell, Tool, Write, in_turn
from tests.models.server import Served, serving
from tests.models.working import asks, told, trespasses, works

__all__ = [
    "Act", "Fail", "Hang", "Read", "Say", "Script", "Seen", "Served", "Shell", "Tool", "Write",
    "asks", "in_turn", "serving", "told", "trespasses", "works",
]  # fmt: skip
