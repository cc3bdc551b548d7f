"""What a card says becomes a command line, and nothing it says becomes more than one word of it."""

from __future__ import annotations

import fnmatch
import json
import re
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.core.document import Value, document
from hubd.core.effect import Doc
from hubd.core.model import PRESETS as WORDS
from hubd.core.model import Kind
from hubd.core.place import is_name
from hubd.launch.context import Context
from hubd.launch.granting import other_names
from hubd.launch.presets import PLAIN, PRESETS, Command, build, keys, preset_of, program

ROOT = Path("/home/you/mail")
SESSION = "0b0e2c1e-46a8-4c5f-9a53-4a3dcb4cbb0c"
PROMPT = "# You are `ada`\n\nDo it.\n"


def card(command: Value, **fields: Value) -> Doc:
    return Doc(
        "card.ada", Kind.AGENT, "active", document({"kind": "agent", "command": command, **fields}), ()
    )


def context(card_: Doc, **rest: Any) -> Context:
    given_ = {
        "agent": "ada", "run": "run-1", "root": ROOT, "folder": Path("/runs/run-1"),
        "cwd": Path("/home/you/trees/a1"), "prompt": PROMPT,
        "prompt_file": Path("/runs/run-1/prompt.md"), "card": card_,
    }  # fmt: skip
    return Context(**{**given_, **rest})


def built(command: Value, /, *, more: dict[str, Any] | None = None, **fields: Value) -> Command:
    return build(context(card(command, **fields), **(more or {})))


def option(command: Command, name: str) -> str:
    """Return what stands behind `--name=`."""
    (found,) = (word.partition("=")[2] for word in command.argv if word.startswith(f"{name}="))
    return found


def configured(command: Command) -> dict[str, Any]:
    """Return what codex is told with -c, as it reads it."""
    words = command.argv
    lines = [words[n + 1] for n, word in enumerate(words) if word == "-c"]
    return tomllib.loads("\n".join(lines))


def test_there_is_a_preset_for_every_word_that_a_card_may_say() -> None:
    assert tuple(PRESETS) == WORDS
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.argv[0] == preset.terminal[0] == preset.program
        assert set(preset.mute) <= set(preset.modes)
        assert not preset.mode or preset.mode in preset.modes
        assert preset.measured


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("runtime", ["process", "pty", "container"])
def test_every_name_in_a_command_line_is_filled_in(name: str, runtime: str) -> None:
    for rest in ({}, {"session": SESSION}, {"session": SESSION, "resume": True}):
        command = built(name, runtime=runtime, more=rest)
        assert not [word for word in command.argv if re.search(r"\{[a-z_]+\}", word)]
        assert "" not in command.argv
        assert command.long_lived == (runtime == "pty")


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode"])
def test_the_prompt_is_on_standard_input_and_in_no_argument(name: str) -> None:
    command = built(name)
    assert command.stdin == PROMPT
    assert not command.typed
    assert not [word for word in command.argv if "Do it." in word]


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode"])
def test_in_a_terminal_the_prompt_is_one_word_that_cannot_be_a_flag(name: str) -> None:
    command = built(name, runtime="pty", more={"prompt": "--help"})
    assert not command.stdin
    (place,) = (n for n, word in enumerate(command.argv) if word.endswith("--help"))
    assert command.argv[place - 1] == "--" or command.argv[place].startswith("--prompt")
    assert place == len(command.argv) - 1


def test_a_prompt_that_is_too_long_for_a_word_is_read_from_its_file() -> None:
    command = built("claude", runtime="pty", more={"prompt": "x" * 100_001})
    assert command.argv[-1] == "Read the file /runs/run-1/prompt.md and do what it says."
    assert len(built("claude", runtime="pty", more={"prompt": "é" * 50_000}).argv[-1]) == 50_000


def test_claude_is_started_so_that_its_output_flows_and_tells_the_cost() -> None:
    command = built(
        "claude", model="sonnet", permission_mode="dontAsk", budget_usd="1.5", more={"session": SESSION}
    )
    assert command.argv[:4] == ("claude", "-p", "--output-format=stream-json", "--verbose")
    assert option(command, "--model") == "sonnet"
    assert option(command, "--permission-mode") == "dontAsk"
    assert option(command, "--max-budget-usd") == "1.5"
    assert option(command, "--session-id") == SESSION
    assert command.signal == signal.SIGINT
    assert command.env["DISABLE_AUTOUPDATER"] == "1"
    assert command.env["HUB_PROMPT"] == "/runs/run-1/prompt.md"


def test_a_session_is_resumed_in_each_clients_words() -> None:
    more = {"session": SESSION, "resume": True}
    assert option(built("claude", more=more), "--resume") == SESSION
    assert built("codex", more=more).argv[-3:] == ("resume", SESSION, "-")
    assert option(built("gemini", more=more), "--resume") == SESSION
    assert option(built("opencode", more=more), "--session") == SESSION
    assert not [word for word in built("claude").argv if SESSION in word or "resume" in word]


@pytest.mark.parametrize(
    "session", ["--dangerously-skip-permissions", "a b", "", "x" * 101, "$(id)", "a/../b"]
)
def test_what_is_no_name_of_a_session_is_not_handed_on(session: str) -> None:
    for name in WORDS:
        assert built(name, more={"session": session, "resume": True}).argv == built(name).argv


def test_claude_is_told_which_folders_are_its_own() -> None:
    command = built("claude", allowed_tools=("Read", "Bash(git *)"), disallowed_tools=("WebFetch",))
    settings = json.loads(option(command, "--settings"))
    rules = settings["permissions"]
    assert "Read(//home/you/mail/**)" in rules["allow"]
    assert [rule for rule in rules["allow"] if rule.startswith("Edit")] == [
        f"Edit(//home/you/mail/agents/ada/{own}/**)" for own in ("inbox", "outbox", "drafts")
    ]
    assert rules["allow"][-2:] == ["Read", "Bash(git *)"]
    assert rules["deny"][-1] == "WebFetch"
    for path in ("cards/**", "hub.yaml", ".git/**", "agents/ada/waiting/**", "agents/ada?*/**"):
        assert f"Edit(//home/you/mail/{path})" in rules["deny"]
    assert settings["sandbox"]["enabled"]
    assert not settings["sandbox"]["allowUnsandboxedCommands"]
    assert settings["sandbox"]["filesystem"]["allowWrite"] == [
        f"{ROOT}/agents/ada/{own}" for own in ("inbox", "outbox", "drafts")
    ]


@pytest.mark.parametrize(
    ("fields", "sandboxed", "any_command"),
    [
        ({}, True, True),
        ({"allowed_tools": ("Bash",)}, True, False),
        ({"permission_mode": "bypassPermissions"}, False, True),
    ],
)
def test_commands_of_claude_run_in_its_sandbox_unless_the_card_says_otherwise(
    fields: dict[str, Value], sandboxed: bool, any_command: bool
) -> None:
    sandbox = json.loads(option(built("claude", **fields), "--settings"))["sandbox"]
    assert (sandbox["enabled"], sandbox["autoAllowBashIfSandboxed"]) == (sandboxed, any_command)


def test_signs_of_a_path_are_no_signs_of_a_rule() -> None:
    settings = json.loads(option(built("claude", more={"root": Path("/a (b) [c]*")}), "--settings"))
    assert "Read(//a \\(b\\) \\[c\\]\\*/**)" in settings["permissions"]["allow"]
    assert settings["sandbox"]["filesystem"]["allowWrite"][0] == "/a (b) [c]*/agents/ada/inbox"


def test_the_git_folder_that_a_worktree_shares_is_shut(tmp_path: Path) -> None:
    def shut() -> list[str]:
        settings = json.loads(option(built("claude", more={"cwd": tmp_path / "tree"}), "--settings"))
        return list(settings["sandbox"]["filesystem"]["denyWrite"])

    (tmp_path / "tree").mkdir()
    assert shut() == []
    private = tmp_path / "project" / ".git" / "worktrees" / "tree"
    private.mkdir(parents=True)
    (private / "commondir").write_text("../..\n")
    (tmp_path / "tree" / ".git").write_text(f"gitdir: {private}\n")
    assert shut() == [str(tmp_path / "project" / ".git")]


def test_a_mailbox_behind_a_link_is_named_both_ways(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    settings = json.loads(option(built("claude", more={"root": tmp_path / "link"}), "--settings"))
    for root in ("link", "real"):
        assert f"Edit(/{tmp_path}/{root}/hub.yaml)" in settings["permissions"]["deny"]


NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True).filter(is_name)


@given(name=NAMES, other=NAMES | st.sampled_from(["a", "ad", "ada", "ada-2", "adam", "b"]))
def test_the_patterns_for_others_fit_every_name_but_ones_own(name: str, other: str) -> None:
    fits = any(fnmatch.fnmatchcase(other, pattern) for pattern in other_names(name))
    assert fits == (other != name)


def test_codex_is_told_which_folders_are_its_own() -> None:
    told = configured(built("codex", model='o"3', permission_mode="read-only"))
    assert told["approval_policy"] == "never"
    assert told["sandbox_mode"] == "read-only"
    assert told["model"] == 'o"3'
    assert told["sandbox_workspace_write"] == {
        "writable_roots": [f"{ROOT}/agents/ada/{own}" for own in ("inbox", "outbox", "drafts")]
    }
    assert configured(built("codex"))["sandbox_mode"] == "workspace-write"
    assert "model" not in configured(built("codex"))


@pytest.mark.parametrize(
    ("root", "tmp", "shut"),
    [
        ("/home/you/mail", "", set()),
        ("/tmp/mail", "", {"exclude_slash_tmp", "exclude_tmpdir_env_var"}),
        ("/var/tmp/mail", "/var/tmp", {"exclude_tmpdir_env_var"}),
        ("/tmp/mail", "/home/you/tmp", {"exclude_slash_tmp"}),
    ],
)
def test_codex_does_not_open_a_temporary_folder_that_the_mailbox_lies_in(
    root: str, tmp: str, shut: set[str]
) -> None:
    told = configured(built("codex", more={"root": Path(root), "tmp": tmp}))["sandbox_workspace_write"]
    assert {name for name, value in told.items() if value is True} == shut


def test_gemini_has_its_folders_in_its_workspace_and_the_cards_tools_in_a_policy() -> None:
    command = built(
        "gemini", allowed_tools=("run_shell_command(git)", "web_fetch"), disallowed_tools=('a"b',)
    )
    folders = [word.partition("=")[2] for word in command.argv if word.startswith("--include-directories=")]
    assert folders == [f"{ROOT}/agents/ada/{own}" for own in ("inbox", "outbox", "drafts")]
    assert option(command, "--policy") == "/runs/run-1/gemini-policy.toml"
    assert tomllib.loads(command.files["gemini-policy.toml"])["rule"] == [
        {"toolName": "run_shell_command", "commandPrefix": "git", "decision": "allow", "priority": 500},
        {"toolName": "web_fetch", "decision": "allow", "priority": 500},
        {"toolName": 'a"b', "decision": "deny", "priority": 900},
    ]
    assert tomllib.loads(built("gemini").files["gemini-policy.toml"]) == {}


def test_opencode_reads_the_mailbox_and_edits_its_own_folders_the_last_rule_counting(tmp_path: Path) -> None:
    tree = tmp_path / "trees" / "a1"
    (tree / "sub").mkdir(parents=True)
    (tree / ".git").write_text("gitdir: elsewhere\n")
    more = {"cwd": tree / "sub", "root": tmp_path / "mail"}
    command = built("opencode", allowed_tools=("Edit",), disallowed_tools=("Bash(rm *)",), more=more)
    told = json.loads(command.env["OPENCODE_PERMISSION"])
    assert told["external_directory"] == {"*": "deny", f"{tmp_path}/mail/**": "allow"}
    assert told["bash"] == {"rm *": "deny"}
    edit = told["edit"]
    for base in (f"{tmp_path}/mail", "../../../mail", "../../mail"):
        assert edit[f"{base}/**"] == "deny"
        assert edit[f"{base}/agents/ada/outbox/**"] == "allow"
        order = list(edit)
        assert order.index("*") < order.index(f"{base}/**") < order.index(f"{base}/agents/ada/outbox/**")


def test_aider_leaves_its_notes_in_the_runs_folder_and_reads_the_projects_instructions(
    tmp_path: Path,
) -> None:
    command = built("aider", model="sonnet", more={"cwd": tmp_path})
    assert option(command, "--message-file") == "/runs/run-1/prompt.md"
    assert option(command, "--chat-history-file").startswith("/runs/run-1/")
    assert not command.stdin
    assert not [word for word in command.argv if word.startswith("--read=")]
    (tmp_path / "AGENTS.md").write_text("Be brief.\n")
    assert option(built("aider", more={"cwd": tmp_path}), "--read") == f"{tmp_path}/AGENTS.md"


def test_the_words_of_a_plain_command_are_the_cards_with_what_is_known_filled_in() -> None:
    words = (
        "./agent",
        "--box={mailbox}",
        "{inbox}:{outbox}",
        "{prompt_file}",
        "{cwd}",
        "{run}",
        "{x}",
        "{}",
        "a b",
    )
    command = built(words)
    assert command.argv == (
        "./agent", "--box=/home/you/mail", "/home/you/mail/agents/ada/inbox:/home/you/mail/agents/ada/outbox",
        "/runs/run-1/prompt.md", "/home/you/trees/a1", "run-1", "{x}", "{}", "a b",
    )  # fmt: skip
    assert command.stdin == PROMPT
    assert command.signal == signal.SIGTERM
    assert preset_of(card(words)) is PLAIN


def test_a_shell_in_a_terminal_is_not_given_the_prompt_to_obey() -> None:
    command = built(("bash",), runtime="pty")
    assert not command.stdin
    assert not command.typed
    assert command.env["HUB_PROMPT"] == "/runs/run-1/prompt.md"


def test_a_list_of_one_word_is_a_program_and_not_a_preset() -> None:
    assert preset_of(card(("claude",))) is PLAIN
    assert built(("claude",)).argv == ("claude",)


def test_a_card_without_a_command_starts_nothing() -> None:
    nothing = Doc("card.ada", Kind.AGENT, "active", document({"kind": "agent"}), ())
    assert program(nothing) == ""
    with pytest.raises(ValueError, match="names no command"):
        build(context(nothing))


@pytest.mark.parametrize(("command", "name"), [("codex", "codex"), (("/bin/x", "y"), "/bin/x")])
def test_the_program_of_a_card_is_known_without_building(command: Value, name: str) -> None:
    assert program(card(command)) == name


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20) | st.sampled_from(
    [
        "--dangerously-skip-permissions",
        "-c",
        "{prompt}",
        "x'; rm -rf /",
        '"',
        "\\",
        "a=b",
        "]",
        "{codex_roots}",
    ]
)


@given(name=st.sampled_from(WORDS), model=LINES, mode=LINES, tools=st.lists(LINES, max_size=3), budget=LINES)
def test_no_value_of_a_card_becomes_a_word_of_its_own(
    name: str, model: str, mode: str, tools: list[str], budget: str
) -> None:
    plain = built(name, model="m", permission_mode="p", budget_usd="1", allowed_tools=("Bash",))
    command = built(name, model=model, permission_mode=mode, budget_usd=budget, allowed_tools=tuple(tools))
    assert len(command.argv) == len(plain.argv)
    for word, harmless in zip(command.argv, plain.argv, strict=True):
        flag = re.match(r"--[a-z-]+=|[a-z_.]+=|", harmless)
        assert flag
        assert word.startswith(flag[0])
        assert flag[0] or word == harmless
    if name == "codex":
        assert configured(command)["sandbox_mode"] == mode
        assert configured(command)["model"] == model
    if name == "claude":
        assert json.loads(option(command, "--settings"))["permissions"]["allow"][4:] == tools
    if name == "gemini":
        assert len(tomllib.loads(command.files["gemini-policy.toml"]).get("rule", [])) == len(tools)


# what is typed


def test_a_text_is_pasted_in_one_piece() -> None:
    assert keys(card("claude"), "one\ntwo\r\nthree\n") == "\x1b[200~one\ntwo\nthree\x1b[201~\r"


def test_a_plain_program_is_told_in_one_line() -> None:
    assert keys(card(("cat",)), "one\ntwo\tthree") == "one two three\r"


@given(
    text=st.text(max_size=40) | st.just("x\x1b[201~\r/exit\r\x03"),
    command=st.sampled_from(["claude", ("cat",)]),
)
def test_nothing_that_is_told_is_a_key(text: str, command: Value) -> None:
    typed = keys(card(command), text)
    inner = typed.removeprefix("\x1b[200~").removesuffix("\r").removesuffix("\x1b[201~")
    assert all(char in "\t\n" or (ord(char) >= 32 and not 127 <= ord(char) < 160) for char in inner)
