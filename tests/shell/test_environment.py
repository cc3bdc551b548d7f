"""An agent gets of the hub's environment what is listed, and what its card names."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.core.document import Value, document
from hubd.core.effect import Doc
from hubd.core.model import Kind
from hubd.launch.environment import environment

LISTED = {
    "PATH": "/bin", "HOME": "/home/you", "USER": "you", "LOGNAME": "you", "SHELL": "/bin/sh",
    "LANG": "C.UTF-8", "LC_ALL": "C", "LC_CTYPE": "C.UTF-8", "TERM": "xterm", "TZ": "UTC", "TMPDIR": "/tmp",
    "XDG_RUNTIME_DIR": "/run/user/1000",
}  # fmt: skip
NAMES = st.from_regex(r"[A-Z][A-Z_]{0,11}", fullmatch=True)


def card(**fields: Value) -> Doc:
    return Doc("card.ada", Kind.AGENT, "active", document({"kind": "agent", **fields}), ())


def variables(card_: Doc, base: Mapping[str, str], **rest: Mapping[str, str]) -> Mapping[str, str]:
    return environment(card_, base, **rest).variables


def test_what_is_listed_is_handed_on_and_nothing_else() -> None:
    base = {
        **LISTED,
        "API_KEY": "k",
        "SSH_AUTH_SOCK": "s",
        "PATHS": "x",
        "MY_HOME": "x",
        "LC": "x",
        "lang": "x",
    }
    assert variables(card(), base) == LISTED


def test_the_card_names_what_is_handed_on_besides() -> None:
    found = environment(card(pass_env=("API_KEY", "TOKEN")), {"API_KEY": "k", "OTHER": "o"})
    assert found.variables == {"API_KEY": "k"}
    assert found.missing == ("TOKEN",)


def test_one_name_may_stand_without_a_list() -> None:
    assert variables(card(pass_env="API_KEY"), {"API_KEY": "k"}) == {"API_KEY": "k"}


def test_an_empty_variable_is_not_missing() -> None:
    assert environment(card(pass_env=("API_KEY",)), {"API_KEY": ""}).missing == ()


def test_what_comes_later_counts() -> None:
    base = {"PATH": "hub", "TERM": "hub", "LANG": "hub", "KEY": "hub"}
    got = environment(
        card(env={"LANG": "card", "TERM": "card", "KEY": "card"}, pass_env=("KEY",)),
        base,
        {"TERM": "preset", "QUIET": "preset", "LANG": "preset"},
        {"HUB_AGENT": "ada", "QUIET": "own"},
    )
    assert got.variables == {
        "PATH": "hub", "TERM": "card", "LANG": "card", "KEY": "hub", "QUIET": "own", "HUB_AGENT": "ada",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["HUB_MAILBOX", "HUB_AGENT", "hub_agent", "HUB_"])
def test_what_is_the_hubs_own_reaches_no_agent(name: str) -> None:
    asked = card(pass_env=(name,), env={name: "of the card"})
    got = environment(asked, {name: "of the hub"})
    assert got.variables == {}
    assert got.missing == ()


def test_its_looks_tell_no_value() -> None:
    got = environment(card(pass_env=("API_KEY",)), {"API_KEY": "hidden-word"})
    assert "hidden-word" not in f"{got!r} {got}"


@given(base=st.dictionaries(NAMES, st.text(max_size=5)), asked=st.lists(NAMES, max_size=4))
def test_no_variable_gets_through_unasked(base: dict[str, str], asked: list[str]) -> None:
    got = environment(card(pass_env=tuple(asked)), base)
    for name, value in got.variables.items():
        assert base[name] == value
        assert name in asked or name in LISTED or name.startswith(("LC_", "XDG_"))
        assert not name.startswith("HUB_")
    assert {name for name in got.missing if not name.startswith("HUB_")} == {
        name for name in asked if name not in base and not name.startswith("HUB_")
    }
