"""The stub model server speaks the protocols that clients speak; here without a client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.models import Fail, Read, Say, Seen, Shell, Write, asks, in_turn, serving, told, trespasses, works

PROMPT = """\
- You work in `/trees/a1`, a git worktree.
File: `/mail/agents/ada/inbox/t.r1.a1.md`
## Handing off `t.r1.a1`
Save it as `/mail/agents/ada/outbox/handoff-t.r1.a1.md`, whole:

```markdown
---
kind: handoff
assignment: t.r1.a1
lease: 7
outcome: done
summary: One line
changed_files: [a.py]
tests_run: none
---
Notes.
```

Save a question
as `/mail/agents/ada/outbox/question-t.r1.a1.md`:

```markdown
---
kind: question
title: What?
---
```
"""
MESSAGES = {"model": "m", "messages": [{"role": "user", "content": "Go."}], "tools": [{"name": "Bash"}]}
RESPONSES = {"model": "m", "input": [{"role": "user", "content": "Go."}], "tools": [{"name": "exec_command"}]}
CHAT = {"model": "m", "messages": MESSAGES["messages"], "tools": [{"function": {"name": "bash"}}]}
SERVED = {"/v1/messages": MESSAGES, "/v1/responses": RESPONSES, "/v1/chat/completions": CHAT}


def post(url: str, body: dict[str, Any]) -> str:
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("path", SERVED)
def test_an_act_reaches_the_client_as_a_stream(path: str) -> None:
    with serving(in_turn(Shell("echo hi"))) as served:
        stream = post(served.url + path, {**SERVED[path], "stream": True})
        (seen,) = served.asked
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    assert len(events) > 2
    assert "echo hi" in stream
    assert (seen.prompt, seen.results, seen.model) == ("Go.", (), "m")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_an_answer_may_come_in_one_piece(path: str) -> None:
    with serving(in_turn(Say("Hello."))) as served:
        assert "Hello." in json.dumps(json.loads(post(served.url + path, SERVED[path])))


@pytest.mark.parametrize("path", SERVED)
def test_an_error_is_an_error_of_http(path: str) -> None:
    with serving(in_turn(Fail(529))) as served, pytest.raises(urllib.error.HTTPError, match="529") as raised:
        post(served.url + path, SERVED[path])
    raised.value.close()


def test_what_is_unknown_is_not_guessed_at() -> None:
    with serving(in_turn()) as served, pytest.raises(urllib.error.HTTPError, match="404") as raised:
        post(f"{served.url}/v2/messages", MESSAGES)
    raised.value.close()


def test_a_request_without_tools_is_not_the_agents() -> None:
    with serving(in_turn(Say("Hello."))) as served:
        assert "Hello." not in post(f"{served.url}/v1/messages", {**MESSAGES, "tools": []})
        assert not served.asked


def seen(*results: str) -> Seen:
    return Seen("claude", "m", "", PROMPT, results, frozenset({"Bash"}))


def test_a_scripted_agent_knows_what_its_prompt_says() -> None:
    it = told(PROMPT)
    assert (it.tree, it.document) == ("/trees/a1", "/mail/agents/ada/inbox/t.r1.a1.md")
    assert it.handoff_path == "/mail/agents/ada/outbox/handoff-t.r1.a1.md"
    assert it.question_path == "/mail/agents/ada/outbox/question-t.r1.a1.md"
    assert told("Hello.").handoff == ""


def test_it_works_step_by_step_and_hands_off_what_it_has_committed() -> None:
    script, commit = works(), "0123456789" * 4
    assert script(seen()) == Read("/mail/agents/ada/inbox/t.r1.a1.md")
    assert script(seen("")) == Write("/trees/a1/hello.txt", "Hello, world.\n")
    assert script(seen("", "")) == Shell("cd /trees/a1 && cat hello.txt")
    handed = script(seen("", "", "Hello, world.", commit))
    assert isinstance(handed, Write)
    assert f"lease: 7\noutcome: done\nsummary: It says hello\ncommit: {commit}\n" in handed.text
    said = script(seen("", "", "", commit, ""))
    assert isinstance(said, Say)
    assert said.text.endswith("STATUS: done")


def test_it_asks_and_it_trespasses() -> None:
    asked = asks("Which?")(seen())
    assert isinstance(asked, Write)
    assert "title: Which?\n" in asked.text
    script = trespasses("/mail/cards/ada.md")
    assert script(seen()) == Write("/mail/cards/ada.md", "trespassed\n")
    assert script(seen("no")) == Shell("echo trespassed > /mail/cards/ada.md")
    assert isinstance(script(seen("no", "no")), Say)
