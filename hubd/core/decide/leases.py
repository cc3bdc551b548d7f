"""Leases: who may work on what, until when, under a number that only grows.

A lease's number is the sequence number of the commit that granted it, so it grows without a counter. Its
deadline counts on the clock of one boot; a new boot grants one full term. Between cooperating workers this
is a guard, not a proof: whoever ignores the number can still write to the project.
"""

from __future__ import annotations

from datetime import timedelta

from hubd.core import place
from hubd.core.decide.overlap import overlap
from hubd.core.decide.people import unknown_agent
from hubd.core.decide.request import Request
from hubd.core.document import Value
from hubd.core.effect import Doc, Nothing, Refusal
from hubd.core.model import Kind
from hubd.core.time import Now, format_wall, parse_duration
from hubd.core.work import Work, wrong_state

PAUSE = "pause:"
LEAST = 60.0
"""Seconds that are left at least when a stopped clock goes on: an answer must not come with an expiry."""


def of(work: Work, key: str) -> Doc:
    """Return the lease held on a key that is known to be held."""
    lease = work.state.lease(key)
    assert lease is not None, key
    return work.need(lease.id)


def run_out(lease: Doc, now: Now) -> bool:
    """Return whether a lease's own clock has run out. Another boot, a stopped clock or no end: it has not."""
    deadline = lease.text("deadline")
    return bool(deadline) and lease.text("boot") == now.boot and float(deadline) <= now.mono


def _term(work: Work, seconds: float) -> dict[str, Value | None]:
    return {
        "boot": work.now.boot,
        "deadline": f"{work.now.mono + seconds:.3f}",
        "expires": format_wall(work.now.wall + timedelta(seconds=seconds)),
        "left": None,
    }


def grant(
    work: Work,
    key: str,
    holder: str,
    worker: str,
    ttl: int,
    do: str,
    paths: tuple[str, ...] = (),
    note: str = "",
) -> Doc:
    """Write a new lease. Its number is this commit's."""
    lines: dict[str, Value] = {"from": holder, "key": key, "lease": str(work.seq), "ttl": str(ttl)}
    if worker:
        lines["worker"] = worker
    if paths:
        lines["path"] = paths
    if ttl:
        lines.update({k: v for k, v in _term(work, ttl).items() if v is not None})
    if note:
        lines["note"] = note
    return work.create(Kind.LEASE, f"l-{work.seq}", "held", do, lines)


def free(work: Work, key: str, after: str = "released", do: str = "free") -> None:
    """End the lease on a key, if there is one, as a consequence."""
    lease = work.state.lease(key)
    if lease is not None and work.need(lease.id).state == "held":
        work.move(work.need(lease.id), after, do)


def stop_clock(work: Work, key: str) -> None:
    """Stop a lease's clock: a question is open."""
    lease = of(work, key)
    left = float(lease.number("ttl"))
    if lease.text("boot") == work.now.boot and lease.text("deadline"):
        left = float(lease.text("deadline")) - work.now.mono
    work.move(lease, "held", "stop-clock", left=f"{max(left, LEAST):.3f}", deadline=None, expires=None)


def start_clock(work: Work, key: str) -> None:
    """Start it again, with what was left, and never less than a minute."""
    lease = of(work, key)
    work.move(lease, "held", "start-clock", **_term(work, float(lease.text("left") or LEAST)))


def acquire(work: Work, request: Request) -> Refusal | None:
    """Lease any key, and path globs if given."""
    key, paths = request.on, request.texts("path")
    if key.startswith(PAUSE):
        said = "keys that begin with `pause:` are the hub's"
        return Refusal("bad-value", said, "drop `do: pause` instead", request.line)
    if work.get(key) is not None or place.MEMBER.match(key):
        said = f"`{key}` is, or could be, the id of a document"
        return Refusal("bad-value", said, "an assignment is leased by claiming it: `do: claim`", request.line)
    held = work.state.lease(key)
    if held is not None:
        return taken(held, f"`{key}`", request.line)
    for other in work.state.globbed():
        for theirs in other.texts("path"):
            mine = next((p for p in paths if overlap(p, theirs)), None)
            if mine is not None:
                return taken(other, f"`{mine}` overlaps `{theirs}`, which", request.at("path"))
    ttl = request.text("ttl")
    seconds = parse_duration(ttl) if ttl else work.settings.number("lease_minutes") * 60
    if not seconds:
        return Refusal("bad-value", "`ttl` must be a second at least", "write `ttl: 90m`", request.at("ttl"))
    grant(work, key, request.actor, request.text("worker"), seconds, "lease", paths, request.text("note"))
    return None


def taken(lease: Doc, what: str, line: int = 0) -> Refusal:
    """Refuse what somebody else holds."""
    who = lease.text("from") + (f" (worker {lease.text('worker')})" if lease.text("worker") else "")
    until = f" until {lease.text('expires')}" if lease.text("expires") else ""
    said = f"{what} is leased to {who}{until}, as `{lease.text('key')}`"
    return Refusal(
        "lease-taken", said, f"wait, or ask {lease.text('from')} to release it", line, document=lease.id
    )


def find(work: Work, on: str) -> Doc | None:
    """Return the lease that an id or a key names."""
    doc = work.get(on)
    if doc is not None and doc.kind is Kind.LEASE:
        return doc
    return work.state.lease(on)


def _fence(lease: Doc, request: Request) -> Refusal | None:
    given, held = request.lease(), lease.text("lease")
    if request.actor == "hub" or lease.text("from") != request.actor or given == held:
        return None
    said = f"`{lease.text('key')}` is held under lease {held}, not {given or 'none'}"
    hint = f"write `lease: {held}` if it is yours"
    return Refusal("stale-lease", said, hint, request.at("lease"), document=lease.id)


def renew(work: Work, lease: Doc, request: Request) -> Refusal | None:
    """Give a lease another term, at its holder's wish or after another boot."""
    if lease.state != "held":
        return wrong_state(lease, "renew")
    flaw = _fence(lease, request) or work.check(lease, "renew", "held", request.actor, request.lease())
    if flaw:
        return flaw
    if lease.text("left"):
        said = f"the clock of {lease.id} stands still while a question is open"
        return Refusal("wrong-state", said, "wait for the answer", request.line, document=lease.id)
    if not lease.number("ttl"):
        said = f"{lease.id} has no end that could be put off"
        return Refusal("wrong-state", said, "leave it as it is", request.line, document=lease.id)
    ttl = parse_duration(request.text("ttl")) if request.text("ttl") else None
    if ttl and work.state.get(lease.text("key")) is not None:
        said = "an assignment's lease has the term that hub.yaml gives it"
        return Refusal("bad-value", said, "leave out `ttl:`", request.at("ttl"), document=lease.id)
    prolong(work, lease, request.actor, ttl or 0)
    return None


def prolong(work: Work, lease: Doc, actor: str, ttl: int = 0) -> None:
    """Begin a lease's term anew; `ttl` is another term, if not 0."""
    seconds = ttl or lease.number("ttl")
    work.move(lease, "held", "renew", actor, None, ttl=str(seconds), **_term(work, seconds))


def unlease(work: Work, lease: Doc, request: Request) -> Refusal | None:
    """Give a lease back."""
    key = lease.text("key")
    if work.state.get(key) is not None:
        said = f"{lease.id} belongs to {key}"
        return Refusal("wrong-state", said, f"release {key} instead", request.line, document=lease.id)
    flaw = _fence(lease, request) or work.check(lease, "unlease", "released", request.actor, request.lease())
    if flaw:
        return flaw
    work.move(lease, "released", "unlease", request.actor)
    return None


def expire(work: Work, lease: Doc) -> Refusal | Nothing | None:
    """The hub's own proposal: a lease's clock has run out, or its holder died."""
    if lease.state != "held" or not (run_out(lease, work.now) or work.proposal.observed):
        return Nothing(f"{lease.id} has not run out", lease.id)
    work.move(lease, "expired", "expire", "hub", note=work.proposal.observed or lease.text("note") or None)
    return None


def pause(work: Work, request: Request) -> Refusal | None:
    """Say that an agent (or `hub`, all of them) is not to be started, or may be again."""
    name = request.on
    if name != "hub" and work.state.card(name) is None:
        flaw = unknown_agent(work, name)
        return Refusal(flaw.code, flaw.message, flaw.hint, request.line)
    if not work.state.is_person(request.actor):
        said = f"{request.actor} is no person, and cannot {request.do} anybody"
        return Refusal("not-yours", said, f"ask {work.settings.word('operator')}", request.line)
    held = work.state.lease(PAUSE + name)
    if request.do == "pause":
        if held is not None:
            said = f"{name} is paused already"
            return Refusal("wrong-state", said, "resume it, or leave it", request.line, document=held.id)
        grant(work, PAUSE + name, request.actor, "", 0, "pause", (), request.text("note"))
        return None
    if held is None:
        return Refusal("wrong-state", f"{name} is not paused", "pause it, or leave it", request.line)
    work.move(held, "released", "resume", request.actor)
    return None


__all__ = [
    "acquire",
    "expire",
    "find",
    "free",
    "grant",
    "overlap",
    "pause",
    "prolong",
    "renew",
    "run_out",
    "unlease",
]
