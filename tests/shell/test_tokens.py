"""Tokens: shown once, kept as a hash in a file of one's own, useless when revoked."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from hubd.layout import Layout
from hubd.tokens import TokenError, Tokens
from tests.shell.commands import Box, make


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make(tmp_path / "m")


@pytest.fixture
def tokens(box: Box) -> Tokens:
    return Tokens(Layout(box.root))


def file_of(box: Box) -> Path:
    return box.root / ".git/hub/tokens.json"


def test_a_token_is_shown_once_and_kept_as_a_hash_that_only_its_user_may_read(box: Box) -> None:
    token = box.ok("token", "new", "lead").strip()
    assert len(token) > 40
    assert token not in file_of(box).read_text()
    assert stat.S_IMODE(file_of(box).stat().st_mode) == 0o600
    assert token not in box.ok("token", "list")
    assert box.json("token", "list")["tokens"][0]["agent"] == "lead"


def test_a_token_says_whose_it_is(tokens: Tokens) -> None:
    lead, backend = tokens.new("lead"), tokens.new("backend")
    assert [tokens.agent_of(t) for t in (lead, backend)] == ["lead", "backend"]
    for wrong in ("", "hub_", lead[:-1], lead + "x", lead.upper(), lead * 20, "\ud800", "ä"):
        assert tokens.agent_of(wrong) == ""


def test_a_new_token_replaces_the_one_before(box: Box, tokens: Tokens) -> None:
    first = tokens.new("lead")
    second = box.ok("token", "new", "lead").strip()
    assert (tokens.agent_of(first), tokens.agent_of(second)) == ("", "lead")


def test_a_revoked_token_is_nobodys_at_once(box: Box, tokens: Tokens) -> None:
    token = tokens.new("lead")
    assert tokens.agent_of(token) == "lead"
    box.ok("token", "revoke", "lead")
    assert tokens.agent_of(token) == ""
    assert box.json("token", "revoke", "lead", code=1)["code"] == "unknown-token"


def test_who_has_no_card_has_no_token(box: Box, tokens: Tokens) -> None:
    assert box.json("token", "new", "nobody", code=1)["code"] == "unknown-agent"
    token = tokens.new("lead")
    (box.root / "cards/lead.md").unlink()
    assert tokens.agent_of(token) == ""


def test_tokens_made_at_once_are_all_kept(box: Box) -> None:
    names = [f"a{n}" for n in range(12)]
    layout = Layout(box.root)
    threads = [threading.Thread(target=Tokens(layout).new, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [k.agent for k in Tokens(layout).all()] == sorted(names)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"tokens": [{"agent": "../x", "sha256": "", "created": ""}]}', '{"tokens": 1}']
)
def test_a_broken_file_lets_nobody_in_and_says_so(box: Box, tokens: Tokens, text: str) -> None:
    token = tokens.new("lead")
    file_of(box).write_text(text)
    with pytest.raises(TokenError, match="cannot be read"):
        tokens.agent_of(token)
    assert box.json("token", "list", code=1)["code"] == "bad-tokens"


def test_a_file_that_others_may_read_is_not_used(box: Box, tokens: Tokens) -> None:
    tokens.new("lead")
    file_of(box).chmod(0o644)
    with pytest.raises(TokenError, match="others may read"):
        Tokens(Layout(box.root)).all()


def test_a_run_makes_no_tokens(box: Box) -> None:
    done = box("--json", "token", "new", "lead", HUB_RUN="run-1", HUB_AGENT="lead")
    assert json.loads(done.stdout)["code"] == "not-yours"
