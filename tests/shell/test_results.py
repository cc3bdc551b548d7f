"""What clients say of their runs is read as it was said. The outputs were recorded from the real clients.

In `outputs/` paths and ports are replaced, and Claude Code's first line is shortened; the rest is theirs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.launch.presets import PLAIN, PRESETS
from hubd.launch.results import Result, cost_of_run, read_result, share

OUTPUTS = Path(__file__).parent / "outputs"
NAMES = sorted({path.stem for path in OUTPUTS.iterdir()})


def read(name: str, code: int | None = 0, signal: int | None = None) -> Result:
    """Read a recorded output; the exit code is not in it, and must not matter."""
    out, err = (OUTPUTS / f"{name}.stdout"), (OUTPUTS / f"{name}.stderr")
    preset = PRESETS[name.partition("-")[0]]
    return read_result(preset, out.read_bytes(), err.read_bytes() if err.exists() else b"", code, signal)


def test_every_client_with_a_record_was_recorded() -> None:
    assert {name.partition("-")[0] for name in NAMES} == {"claude", "codex", "gemini", "opencode"}
    assert "claude-2.1.197-resumed" in {path.name.removesuffix(".stdout") for path in OUTPUTS.iterdir()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "claude-done",
            Result(cost_total_usd=0.018, turns=3, input_tokens=3000, output_tokens=300, status="done"),
        ),
        ("codex-done", Result(turns=3, input_tokens=3000, output_tokens=300, status="done")),
        ("gemini-done", Result(turns=4, input_tokens=4000, output_tokens=400, status="done")),
        (
            "opencode-done",
            Result(cost_total_usd=0.0036, turns=3, input_tokens=3000, output_tokens=300, status="done"),
        ),
    ],
)
def test_a_run_that_went_well(name: str, expected: Result) -> None:
    said = read(name)
    assert said.cost_total_usd == pytest.approx(expected.cost_total_usd)
    assert said.turns == expected.turns
    assert (said.input_tokens, said.output_tokens) == (expected.input_tokens, expected.output_tokens)
    assert said.status == "done"
    assert said.text.startswith("I did it.")
    assert len(said.session) > 20
    assert not said.is_error
    assert not said.error
    assert said.client == name.partition("-")[0]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("claude-401", "401 the script says 401"),
        ("claude-529", "529"),
        ("claude-budget", "Reached maximum budget"),
        ("claude-no-session", "No conversation found with session ID"),
        ("claude-bad-mode", "argument 'foo' is invalid"),
        ("claude-interrupted", "error_during_execution|ede_diagnostic"),
        ("claude-terminated", "ended before it said"),
        ("codex-401", "401"),
        ("codex-no-session", "no rollout found"),
        ("codex-terminated", "ended before"),
        ("gemini-401", "401"),
        ("opencode-401", "the script says 401"),
        ("opencode-rejected", "permission requested: external_directory"),
    ],
)
@pytest.mark.parametrize("code", [0, 1, None])
def test_a_run_that_failed_says_so_whatever_its_exit_code(name: str, part: str, code: int | None) -> None:
    said = read(name, code, None if code is not None else 15)
    assert said.is_error
    assert any(each in said.error for each in part.split("|")), said.error
    assert said.status == ""


@pytest.mark.parametrize("name", ["claude-done", "codex-done", "gemini-done", "opencode-done"])
@pytest.mark.parametrize("code", [0, 1, 143, None])
def test_a_run_that_went_well_did_so_whatever_its_exit_code(name: str, code: int | None) -> None:
    assert not read(name, code).is_error


@pytest.mark.parametrize(
    ("name", "denied"),
    [
        ("claude-denied", ("Write /home/you/mail/agents/bob/outbox/h.md", "Bash")),
        ("codex-denied", ("a command outside of the sandbox",)),
        ("gemini-done", ("write_file", "run_shell_command")),
        ("opencode-done", ("write",)),
        ("opencode-rejected", ("write",)),
    ],
)
def test_what_was_denied_is_told_once_each_without_its_command(name: str, denied: tuple[str, ...]) -> None:
    assert read(name).denied == denied


def test_over_its_budget_is_told_apart() -> None:
    assert read("claude-budget").over_budget
    assert not any(read(name).over_budget for name in NAMES if name != "claude-budget")


def test_a_stopped_claude_still_tells_what_it_has_cost() -> None:
    said = read("claude-interrupted")
    assert said.cost_total_usd == pytest.approx(0.006)
    assert said.session


def test_a_killed_claude_tells_what_was_seen_of_it() -> None:
    said = read("claude-terminated", None, 15)
    assert (said.turns, said.input_tokens, said.cost_total_usd) == (1, 1000, None)
    assert said.session


def test_a_status_is_read_through_marks_of_emphasis() -> None:
    assert read("claude-resumed").status == "blocked no key"


# what is this run's own


def test_a_cumulative_cost_is_told_apart_from_the_runs_own() -> None:
    first = share(read("claude-done"), Result())
    second = share(read("claude-resumed"), first)
    assert first.cost_usd == pytest.approx(0.018)
    assert second.cost_total_usd == pytest.approx(0.030)
    assert second.cost_usd == pytest.approx(0.012)
    assert second.input_tokens == 2000


def test_an_older_claude_tells_the_cost_of_the_run_alone() -> None:
    first = share(read("claude-2.1.197-done"), Result())
    second = share(read("claude-2.1.197-resumed"), first)
    assert first.version == "2.1.197"
    assert first.cost_usd == second.cost_usd == pytest.approx(0.015)


def test_the_tokens_of_codex_are_of_the_whole_thread() -> None:
    first = share(read("codex-done"), Result())
    second = share(read("codex-resumed"), first)
    assert (first.input_tokens, first.output_tokens) == (3000, 300)
    assert (second.input_tokens, second.output_tokens) == (1000, 100)
    assert second.cost_usd is None


@pytest.mark.parametrize(
    ("version", "of_session", "own"),
    [
        ("2.1.197", True, 0.5),
        ("2.0.99", True, 0.5),
        ("2.1.329", False, 0.2),
        ("3.0.0 (Claude Code)", False, 0.2),
        ("2.1.250", True, 0.2),
        ("2.1.250", False, 0.5),
        ("", True, 0.2),
        ("", False, 0.5),
    ],
)
def test_the_version_says_whether_a_cost_is_cumulative_and_where_it_is_not_known_the_record(
    version: str, of_session: bool, own: float
) -> None:
    said = Result(client="claude", cost_total_usd=0.5, of_session=of_session)
    assert cost_of_run(said, 0.3, version) == pytest.approx(own)


def test_a_total_below_what_was_spent_before_is_the_runs_own() -> None:
    assert cost_of_run(Result(client="claude", cost_total_usd=0.1, version="2.1.400"), 0.3) == 0.1


def test_other_clients_tell_the_cost_of_a_run() -> None:
    assert cost_of_run(read("opencode-done"), 0.3) == pytest.approx(0.0036)
    assert cost_of_run(read("gemini-done"), 0.3) is None


# programs without a record


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("STATUS: done", "done"),
        ("STATUS: DONE", "done"),
        ("all right\n\nSTATUS: Blocked by a missing key\n", "blocked by a missing key"),
        ("STATUS: done\nSTATUS: waiting for anna\n", "waiting for anna"),
        ("**STATUS: done**", "done"),
        ("`STATUS: waiting for review`", "waiting for review"),
        ("> STATUS: done", "done"),
        ("\x1b[32mSTATUS: done\x1b[0m\r\n", "done"),
        ("STATUS: quite fine", "quite fine"),
        ("- `STATUS: done` when it is done", ""),
        ("the STATUS: done", ""),
        ("STATUS:", ""),
        ("", ""),
    ],
)
def test_the_last_status_line_counts(said: str, status: str) -> None:
    assert read_result(PLAIN, said.encode(), b"", 0, None).status == status


def test_a_plain_program_has_only_its_exit_code() -> None:
    assert not read_result(PLAIN, b"fine", b"warning", 0, None).is_error
    failed = read_result(PLAIN, b"", b"Traceback\nValueError: no\n", 1, None)
    assert failed.is_error
    assert failed.error.endswith("ValueError: no")
    assert read_result(PLAIN, b"", b"", None, 9).is_error


def test_a_terminal_shows_the_prompt_too_so_its_status_lines_do_not_count() -> None:
    name = "0b0e2c1e-46a8-4c5f-9a53-4a3dcb4cbb0c"
    shown = f"\x1b[2JSTATUS: done\r\nResume this session with:\r\nclaude --resume {name}\r\n"
    said = read_result(PRESETS["claude"], shown.encode(), b"", 0, None, terminal=True)
    assert (said.status, said.is_error, said.session) == ("", False, name)


# whatever comes


@given(
    name=st.sampled_from([name for name in NAMES if (OUTPUTS / f"{name}.stdout").stat().st_size]),
    start=st.integers(0, 8000),
    end=st.integers(0, 8000),
)
def test_a_cut_output_is_read_without_an_error_of_ours(name: str, start: int, end: int) -> None:
    data = (OUTPUTS / f"{name}.stdout").read_bytes()
    cut = data[:start] + b"\n[hubd: bytes 5 to 9 of the output are missing]\n" + data[end:]
    said = read_result(PRESETS[name.partition("-")[0]], cut, b"", 0, None)
    assert isinstance(said.is_error, bool)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([
    "type", "subtype", "message", "result", "usage", "modelUsage", "item", "error", "part", "content",
    "errors", "permission_denials", "session_id", "thread_id", "total_cost_usd", "num_turns", "stats",
    "response", "is_error",
])  # fmt: skip
TYPES = st.sampled_from([
    "system", "assistant", "result", "item.completed", "turn.completed", "turn.failed", "error", "tool_use",
    "step_finish", "text", "thread.started",
])  # fmt: skip


@given(
    client=st.sampled_from(sorted(PRESETS)),
    events=st.lists(st.tuples(TYPES, st.dictionaries(KEYS, VALUES, max_size=6)), max_size=5),
)
def test_a_record_of_any_shape_is_read(client: str, events: list[tuple[str, dict[str, object]]]) -> None:
    lines = [json.dumps({**event, "type": kind}) for kind, event in events]
    said = read_result(PRESETS[client], "\n".join(lines).encode(), b"", 0, None)
    assert said.client == client
    assert said.cost_total_usd is None or said.cost_total_usd >= 0


@given(
    out=st.binary(max_size=300), err=st.binary(max_size=100), client=st.sampled_from(["", *sorted(PRESETS)])
)
def test_no_control_character_is_handed_on(out: bytes, err: bytes, client: str) -> None:
    preset = PRESETS.get(client, PLAIN)
    for said in (
        read_result(preset, out, err, 1, None),
        read_result(preset, out, err, 1, None, terminal=True),
    ):
        for text in (said.text, said.error, said.status, said.session, *said.denied):
            assert all(char in "\t\n" or ord(char) >= 32 for char in text)


def test_a_record_says_no_more_than_its_lines_have_room_for() -> None:
    denials = [{"tool_name": f"Tool{n} " + "x" * 900} for n in range(50)]
    final = {"type": "result", "is_error": False, "permission_denials": denials, "result": "x" * 90_000}
    said = read_result(PRESETS["claude"], json.dumps(final).encode(), b"", 0, None)
    assert len(said.denied) == 20
    assert max(map(len, said.denied)) == 500
    assert len(said.text) == 20_000
