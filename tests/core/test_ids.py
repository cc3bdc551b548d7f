"""Ids and places: never the same twice, short, and always a safe path."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from hubd.core import ids, place


@given(st.sets(st.integers(0, 2**40), min_size=2, max_size=50), st.text(max_size=8))
def test_two_numbers_never_have_the_same_letters(numbers: set[int], hub_id: str) -> None:
    assert len({ids.number(hub_id, n) for n in numbers}) == len(numbers)


def test_the_first_million_have_four_letters_and_neighbours_differ() -> None:
    first = [ids.number("hub0", n) for n in range(20_000)]
    assert len(set(first)) == len(first)
    assert {len(i) for i in first} == {4}
    assert len(ids.number("hub0", 2**20)) == 5
    assert len({i[0] for i in first[:32]}) > 8


@given(st.text(max_size=600))
def test_a_slug_is_short_and_typable(title: str) -> None:
    word = ids.slug(title)
    assert re.fullmatch(r"[a-z0-9-]{0,24}", word)
    assert place.ID.match(f"{word or 'task'}-7f3k.r10.a10.h1")


@given(st.text(min_size=1, max_size=200))
def test_a_key_is_one_file_of_one_folder(key: str) -> None:
    path = place.lease(key.encode("utf-8", "replace").decode())
    assert re.fullmatch(r"leases/[A-Za-z0-9%_-][A-Za-z0-9%._-]*\.md", path)
    assert len(path) < 120


def test_a_family_lies_in_one_folder_of_the_archive() -> None:
    folder = place.archive_folder("fix-login-7f3k")
    for id_ in ("fix-login-7f3k", "fix-login-7f3k.r1", "fix-login-7f3k.r1.a1.h1", "fix-login-7f3k.r1.a1.q2"):
        assert place.archive(id_) == f"{folder}/{id_}.md"
    assert re.fullmatch(r"archive/[0-3][0-9a-f]/[0-3][0-9a-f]/fix-login-7f3k", folder)


def test_only_members_of_a_family_have_parents() -> None:
    assert place.parent_id("fix-login-7f3k.r1.a1.q2") == "fix-login-7f3k.r1.a1"
    assert place.parent_id("fix-login-7f3k.r1") == "fix-login-7f3k"
    for id_ in ("fix-login-7f3k", "m-7f3k.1", "card.lead", "hub.yaml", "q-7f3k"):
        assert place.parent_id(id_) == ""
