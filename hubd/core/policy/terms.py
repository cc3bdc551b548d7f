"""The words of policy: what is observed of a run, what is to be done, and why somebody is not started.

Rule: values without behaviour. The shell makes `Observed`; of the rest it proposes what a `Plan` says.
"""

from __future__ import annotations

from dataclasses import dataclass

PAUSE = "pause:"
"""How the key of a lease begins that says that somebody is not to be started."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is seen of a run that goes on."""

    run: str
    up: bool
    """Its process has begun."""
    quiet: float
    """Seconds since it last gave a sign of life."""
    alone: bool
    """It cannot be told of anything more: it was given its documents, and ends when it is done with them."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start an agent for these documents; for none in particular, where it is only to be there."""

    agent: str
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a run, and why."""

    run: str
    why: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a run that goes on of documents that came since."""

    run: str
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renew:
    """Begin the term of a lease anew, by its id: the run that holds it is at work."""

    lease: str


@dataclass(frozen=True, slots=True)
class Held:
    """Why nobody is started for these documents. `lasting`: it needs a person, or hours, to pass."""

    agent: str
    on: tuple[str, ...]
    code: str
    message: str
    hint: str
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now. `again_in`: the seconds after which time alone could change something here."""

    starts: tuple[Start, ...] = ()
    stops: tuple[Stop, ...] = ()
    tells: tuple[Tell, ...] = ()
    renews: tuple[Renew, ...] = ()
    held: tuple[Held, ...] = ()
    again_in: float | None = None
