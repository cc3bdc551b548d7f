"""What of the hub's own environment an agent gets: what is listed here, and what its card asks for by name.

Guarantee: no variable of the hub's reaches an agent unless its name is on the list or in the card's
`pass_env`; none that begins with HUB_ ever does. Rule: values are handed on and never shown; the names of
those that are missing are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hubd.core.effect import Doc

__all__ = ["Environment", "environment"]

_HANDED_ON = re.compile(r"(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|TERM|TZ|TMPDIR|LC_[A-Z_]+|XDG_[A-Z_]+)\Z")
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Environment:
    """An agent's variables; their values may be secrets, so they are not part of what it looks like."""

    variables: Mapping[str, str] = field(repr=False)
    missing: tuple[str, ...] = ()
    """The names of `pass_env` that the hub's environment does not have."""


def environment(
    card: Doc, base: Mapping[str, str], preset: Mapping[str, str] = _NONE, own: Mapping[str, str] = _NONE
) -> Environment:
    """Put an agent's environment together. What comes later counts.

    `base`: the hub's own. `preset`: what its client needs. Then the card's `env`, and its `pass_env`.
    `own`: the hub's own words to the agent, the only ones that may begin with HUB_.
    """
    variables = {name: value for name, value in base.items() if _HANDED_ON.match(name)}
    variables |= preset
    variables |= {name: value for name, value in _given(card).items() if not _is_hubs(name)}
    asked = [name for name in card.texts("pass_env") if not _is_hubs(name)]
    variables |= {name: base[name] for name in asked if name in base}
    return Environment({**variables, **own}, tuple(name for name in asked if name not in base))


def _given(card: Doc) -> dict[str, str]:
    env = card.document.get("env")
    if not isinstance(env, Mapping):
        return {}
    return {name: value for name, value in env.items() if isinstance(value, str)}


def _is_hubs(name: str) -> bool:
    return name.upper().startswith("HUB_")
