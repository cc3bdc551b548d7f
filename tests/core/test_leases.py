"""Leases on any key and on path globs; pausing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubd.core import place
from hubd.core.decide.overlap import overlap
from tests.core.play import Table, accepted, nothing, refused


def acquire(table: Table, actor: str, key: str, *lines: str) -> str:
    """Lease a key, and return the lease's number."""
    return table.doc(accepted(table.request(actor, "lease", key, *lines))).text("lease")


def test_a_key_is_leased_once() -> None:
    table = Table()
    number = acquire(table, "backend", "branch:main", "worker: w1", "note: rebasing")
    assert "w1" in table.tree[place.lease("branch:main")].decode()
    assert refused(table.request("tester", "lease", "branch:main")) == "lease-taken"
    assert refused(table.request("backend", "lease", "branch:main")) == "lease-taken"
    assert refused(table.request("tester", "unlease", "branch:main", f"lease: {number}")) == "not-yours"
    accepted(table.request("backend", "unlease", "branch:main", f"lease: {number}"))
    later = acquire(table, "tester", "branch:main")
    assert int(later) > int(number)


def test_a_holder_names_its_lease() -> None:
    table = Table()
    number = acquire(table, "backend", "db")
    for do in ("renew", "unlease"):
        assert refused(table.request("backend", do, "db")) == "stale-lease"
        assert refused(table.request("backend", do, "db", "lease: 3")) == "stale-lease"
    accepted(table.request("backend", "renew", f"l-{number}", f"lease: {number}", "ttl: 5h"))
    assert table.doc(f"l-{number}").text("ttl") == str(5 * 3600)
    accepted(table.request("backend", "unlease", f"l-{number}", f"lease: {number}"))
    for do in ("renew", "unlease"):
        assert refused(table.request("backend", do, "db", f"lease: {number}")) == "unknown-id"
        assert refused(table.request("backend", do, f"l-{number}", f"lease: {number}")) in (
            "wrong-state",
            "unknown-id",
        )


def test_a_lease_runs_out_on_the_boots_clock() -> None:
    table = Table()
    acquire(table, "backend", "db.main", "ttl: 10m")
    table.later(599)
    assert refused(table.request("tester", "lease", "db.main")) == "lease-taken"
    table.later(2)
    acquire(table, "tester", "db.main")


def test_a_lease_is_renewed_before_it_runs_out() -> None:
    table = Table()
    number = acquire(table, "backend", "db", "ttl: 10m")
    table.later(500)
    accepted(table.request("backend", "renew", "db", f"lease: {number}"))
    table.later(500)
    assert table.state_of(f"l-{number}") == "held"
    table.reboot()
    table.later(500)
    assert table.state_of(f"l-{number}") == "held"
    table.later(101)
    assert table.state_of(f"l-{number}") == "expired"


def test_a_person_takes_a_lease_away() -> None:
    table = Table()
    acquire(table, "backend", "db")
    accepted(table.request("anna", "unlease", "db"))
    acquire(table, "tester", "db")


def test_the_holder_died() -> None:
    table = Table()
    number = acquire(table, "backend", "db")
    assert "has not run out" in nothing(table.hub("expire", f"l-{number}")).why
    accepted(table.hub("expire", f"l-{number}", "the worker ended"))
    assert table.doc(f"l-{number}").text("note") == "the worker ended"


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("pause:backend", ()),
        ("fix-login-7f3k.r1.a1", ()),
        ("db", ("ttl: 0s",)),
        ("db", ("ttl: soon",)),
        ("db", ("ttl: 99999999d",)),
        ("db", ("path: /etc/*",)),
        ("db", ("path: ../other/*",)),
        ("db", ("path: []",)),
        ("db", (f"path: [{', '.join(f'a{n}' for n in range(51))}]",)),
    ],
)
def test_a_lease_that_makes_no_sense_is_refused(key: str, lines: tuple[str, ...]) -> None:
    assert refused(Table().request("backend", "lease", key, *lines)) == "bad-value"


def test_an_assignment_is_leased_by_claiming_it_alone() -> None:
    table = Table()
    task, round_ = table.dispatched("backend: Fix it")
    a1 = f"{round_}.a1"
    assert refused(table.request("backend", "lease", a1)) == "bad-value"
    assert refused(table.request("tester", "lease", f"{task}.r2.a1")) == "bad-value"
    assert refused(table.request("backend", "lease", task)) == "bad-value"
    lease = table.claim(a1)
    assert refused(table.request("backend", "unlease", a1, f"lease: {lease}")) == "wrong-state"
    assert refused(table.request("backend", "renew", a1, f"lease: {lease}", "ttl: 100h")) == "bad-value"
    accepted(table.request("backend", "renew", a1, f"lease: {lease}"))


def test_globs_conflict_when_they_overlap() -> None:
    table = Table()
    acquire(table, "backend", "the-api", "path: [src/api/**, docs/*.md]")
    assert refused(table.request("tester", "lease", "x", "path: src/api/login.py")) == "lease-taken"
    assert refused(table.request("tester", "lease", "x", "path: [lib/**, docs/a*]")) == "lease-taken"
    acquire(table, "tester", "x", "path: [src/web/**, other:src/api/**]")
    acquire(table, "critic", "without-globs")


def test_pausing_is_for_persons() -> None:
    table = Table()
    assert refused(table.request("lead", "pause", "backend")) == "not-yours"
    accepted(table.request("operator", "pause", "backend", "note: too expensive"))
    assert refused(table.request("anna", "pause", "backend")) == "wrong-state"
    assert (
        refused(table.request("operator", "renew", "pause:backend", f"lease: {table.state.seq}"))
        == "stale-lease"
    )
    number = table.doc(table.state.leases()[0].id).text("lease")
    assert refused(table.request("operator", "renew", "pause:backend", f"lease: {number}")) == "wrong-state"
    assert table.later(10**7) == []
    table.reboot()
    assert refused(table.request("lead", "resume", "backend")) == "not-yours"
    accepted(table.request("anna", "resume", "backend"))
    assert refused(table.request("anna", "resume", "backend")) == "wrong-state"
    accepted(table.request("anna", "pause", "hub"))
    assert refused(table.request("anna", "pause", "nobody")) == "unknown-recipient"


# overlap


SEGMENT = st.text("ab*?", min_size=1, max_size=4).filter(lambda s: s != "**")
GLOB = st.lists(SEGMENT | st.just("**"), min_size=1, max_size=3).map("/".join)
NAMES = [
    "",
    *"ab",
    *(x + y for x in "ab" for y in "ab"),
    *(x + y + z for x in "ab" for y in "ab" for z in "ab"),
]
PATHS = [
    *NAMES[1:],
    *(f"{x}/{y}" for x in NAMES[1:] for y in NAMES[1:]),
    *(f"{x}/{y}/{z}" for x in NAMES[1:7] for y in NAMES[1:7] for z in NAMES[1:]),
]


def pattern(glob: str) -> re.Pattern[str]:
    """Return the paths that a glob names, by the plain reading of the contract."""
    out, parts = "", glob.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            out += "(?:[^/]+(?:/[^/]+)*)?" if last else "(?:[^/]+/)*"
        else:
            out += "".join({"*": "[^/]*", "?": "[^/]"}.get(c, re.escape(c)) for c in part) + (
                "" if last else "/"
            )
    return re.compile(out.replace("/(?:[^/]+(?:/[^/]+)*)?", "(?:/[^/]+(?:/[^/]+)*)?") + r"\Z")


@given(GLOB, GLOB)
@settings(max_examples=400, deadline=None)
def test_two_globs_overlap_if_some_path_is_named_by_both(one: str, other: str) -> None:
    first, second = pattern(one), pattern(other)
    common = next((p for p in PATHS if first.match(p) and second.match(p)), None)
    assert overlap(one, other) == overlap(other, one)
    if common is not None:
        assert overlap(one, other), common
    elif "**" not in one + other and all(len(p) <= 3 for g in (one, other) for p in g.split("/")):
        shorter = max(len(p.replace("*", "")) for g in (one, other) for p in g.split("/")) <= 1
        assert not overlap(one, other) or not shorter, "all short paths were tried, and none is common"


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("src/", "src/a/b.py", True),
        ("src", "src/**", True),
        ("src/**", "srcs/x", False),
        ("./a/b", "a/b", True),
        ("**/x.py", "a/b/*.py", True),
        ("**", "anything/at/all", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/*/z", "a/b/c/z", False),
        ("one:a/*", "two:a/*", False),
        ("one:a/*", "one:a/b", True),
        ("[ab]x", "bx", True),
        ("*.py", "*.md", False),
        ("a*", "*b", True),
        ("*", "a/b", False),
    ],
)
def test_overlaps(one: str, other: str, meet: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is meet


def test_a_hostile_glob_costs_little() -> None:
    one, other = "*a" * 149 + "*", "*b" * 149 + "*"
    assert overlap(one, other)
    assert overlap("**/a/" * 59 + "**", "**/b/" * 59 + "**")


def test_a_keys_file_name_is_always_a_file_name() -> None:
    names = [
        place.escape(k) for k in ("branch:main", "a/b", "é", ".hidden", "x" * 200, "y" * 200, "A", "a", "%41")
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9%_-][A-Za-z0-9%._-]{0,90}", n) for n in names)
