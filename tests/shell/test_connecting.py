"""What stands in a file stays byte for byte, and what was put in comes out again: on random files."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubd.connecting.blocks import Block, put, take
from hubd.connecting.clients import CLIENTS, Entries, File, Member, Whole, blank
from hubd.connecting.editing import MOST, connected, disconnected
from hubd.connecting.spans import Unfit, scan
from tests.house.sources import ROOT

TEXT = (ROOT / "templates" / "agent-block.md").read_text(encoding="utf-8")
BACKEND = Member("backend", "/home/you/mail", ("/usr/bin/hubctl",), TEXT)
LEAD = Member("lead", "/srv/other mail", ("/opt/python", "-m", "hubd.cli"), TEXT)
FILES = {
    f"{name} {file.path}{' shared' * shared}": file
    for name, client in CLIENTS.items()
    for shared in (False, True)
    for file in client.files(BACKEND, shared)
}
JSON = {name: file for name, file in FILES.items() if isinstance(file.parts[0], Entries)}
TOML = {name: file for name, file in FILES.items() if file.path.endswith(".toml")}
PROSE = {name: file for name, file in FILES.items() if file.path in ("CLAUDE.md", "AGENTS.md", "GEMINI.md")}

KEYS = st.sampled_from(
    [
        "mcpServers",
        "mcp",
        "hooks",
        "Stop",
        "SessionStart",
        "enabledMcpjsonServers",
        "instructions",
        "hub",
        "a",
        "é",
    ]
)
SPACE = st.sampled_from(
    ["", "", " ", "\n", "\n  ", "\t", "\r\n    ", " // why\n", "/* { */", "\n// a, b\n  "]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=6),
    st.sampled_from(["hub", ".opencode/hubd.md", "{", ","]),
).map(json.dumps)


@st.composite
def container(draw: st.DrawFn, inner: st.SearchStrategy[str], opening: str) -> str:
    """An object or an array, with space and comments wherever they may be, and perhaps a comma at the end."""
    parts = draw(st.lists(inner, max_size=3))
    if opening == "{":
        keys = draw(st.lists(KEYS, min_size=len(parts), max_size=len(parts), unique=True))
        parts = [f"{json.dumps(k)}{draw(SPACE)}:{draw(SPACE)}{v}" for k, v in zip(keys, parts, strict=True)]
    spaced = [f"{draw(SPACE)}{part}{draw(SPACE)}" for part in parts]
    trailing = "," + draw(SPACE) if parts and draw(st.booleans()) else "" if parts else draw(SPACE)
    return opening + ",".join(spaced) + trailing + ("}" if opening == "{" else "]")


VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(container(inner, "{"), container(inner, "[")), max_leaves=12
)
WHOLE = st.builds("{}{}{}".format, SPACE, container(VALUES, "{"), SPACE)


def plain(text: str) -> Any:
    """Read JSON with comments without the code under test; there is no `//` in the strings of these tests."""
    text = re.sub(r"//[^\r\n]*|/\*.*?\*/", "", text)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))


def keeps(file: File, data: bytes) -> bytes | None:
    """Connect and disconnect, as two people in turn; None where the file is refused."""
    try:
        made = connected(file, data)
    except Unfit:
        return None
    assert disconnected(file, made) == data
    assert connected(file, made) == made, "a second time changes nothing"
    return made


@pytest.mark.parametrize("name", JSON)
@settings(max_examples=60, deadline=None)
@given(text=WHOLE)
@example(text="{}")
@example(text='{\n  "mcpServers": {\n  },\n  "hooks": { }\n}\n')
@example(text='{"hooks": {"Stop": []}, "instructions": [], "mcp": {}}')
def test_a_json_file_keeps_every_byte(name: str, text: str) -> None:
    data = keeps(JSON[name], text.encode())
    if data is None:
        return
    assert isinstance(JSON[name].parts[0], Entries)
    before, after = plain(text), plain(data.decode())
    for entry in JSON[name].parts[0].entries:
        there = after
        for step in entry.path:
            there = there[step]
        if entry.key:
            assert there.pop(entry.key) == entry.value
        else:
            assert there.pop() == entry.value
    made = {key: value for key, value in after.items() if key not in before}
    assert not any(any(value.values()) if isinstance(value, dict) else value for value in made.values())
    for key, value in before.items():
        assert after[key] == value or set(after[key]) >= set(value)


@pytest.mark.parametrize("name", JSON)
def test_a_json_file_that_fits_is_not_refused(name: str) -> None:
    for text in ("{}", "{\n}\n", '{"a": 1}', '{\n\t"a": {"b": [1, 2]} // why\n}', '{\r\n  "a": 1,\r\n}'):
        assert keeps(JSON[name], text.encode()), text


@pytest.mark.parametrize("name", PROSE)
@settings(max_examples=50, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab#-<>!\r\n\t é`"), max_size=60))
@example(text="")
@example(text="\n")
@example(text="no end")
@example(text="with\r\nand\n\r")
def test_a_text_keeps_every_byte(name: str, text: str) -> None:
    made = keeps(PROSE[name], text.encode())
    assert made is not None
    assert text.encode() in made


@pytest.mark.parametrize("name", TOML)
@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.sampled_from(["# why", "", "[a]", "x = 1", "[[b]]", 'y = "é"', "[mcp_servers.o]", 'command = "c"'])
    ),
    newline=st.sampled_from(["\n", "\r\n"]), end=st.booleans(),
)  # fmt: skip
@example(rows=[], newline="\n", end=False)
def test_a_toml_file_keeps_every_byte(name: str, rows: list[str], newline: str, end: bool) -> None:
    text = newline.join(rows) + (newline if end else "")
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert keeps(TOML[name], text.encode()) is None
        return
    made = keeps(TOML[name], text.encode())
    assert made is not None
    after = tomllib.loads(made.decode())
    server = after["mcp_servers"].pop("hub")
    assert server == {
        "command": "/usr/bin/hubctl",
        "args": ["-C", "/home/you/mail", "--as", "backend", "mcp"],
    }
    after.pop("developer_instructions", None)
    after = {key: value for key, value in after.items() if value != {} or key in before}
    assert after == before


@settings(max_examples=200, deadline=None)
@given(
    start=st.none() | st.lists(st.sampled_from(["a", "#", "\n", "\r\n"]), max_size=8).map("".join),
    order=st.permutations(list(CLIENTS)), leaving=st.permutations(list(CLIENTS)),
)  # fmt: skip
def test_blocks_of_several_clients_leave_in_any_order(
    start: str | None, order: list[str], leaving: list[str]
) -> None:
    first = None if start is None else start.encode()
    data = first
    for client in order:
        data = put(data, Block(client, (f"/{client}",), "hash"))
    for client in leaving:
        assert data is not None
        data = take(data, Block(client, (), "hash"))
    assert data == first


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_made_is_gone_again(name: str) -> None:
    made = connected(FILES[name], None)
    assert connected(FILES[name], made) == made
    assert disconnected(FILES[name], made) is None


@pytest.mark.parametrize("name", FILES)
def test_another_name_takes_the_place_of_the_first(name: str) -> None:
    client, path, *shared = name.split()
    other = next(f for f in CLIENTS[client].files(LEAD, bool(shared)) if f.path == path)
    made = connected(other, connected(FILES[name], None))
    assert made == connected(other, None)
    nobody = next(f for f in CLIENTS[client].files(blank(), bool(shared)) if f.path == path)
    assert disconnected(nobody, made) is None, "whoever it was for, it can be taken out"


@pytest.mark.parametrize("client", CLIENTS)
def test_the_block_tells_all_in_under_40_lines(client: str) -> None:
    told = BACKEND.block(CLIENTS[client].title)
    assert len(told) < 40
    text = "\n".join(told)
    for needed in (
        "backend",
        "/home/you/mail",
        "inbox/",
        "outbox/",
        "refused/",
        "claim",
        "complete",
        "lease",
        "ask",
    ):
        assert needed in text
    assert "{" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "holds nothing"),
        (b"[]", "no object"),
        (b'{"mcpServers": 1}', "no object"),
        (b'{"mcpServers": {"hub": {"command": "other"}}}', "there already"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{\n"a": 1\n"b": 2}', "line 3: a comma"),
        (b'{"a": 1} x', "after its end"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": 1}\0', "zero byte"),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "too deeply"),
        (b" " * (MOST + 1), "larger"),
        (b"{'a': 1}", "key in quotes"),
    ],
)
def test_a_broken_json_file_is_refused_with_a_word_why(text: bytes, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        connected(JSON["cursor .cursor/mcp.json"], text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a = \n", "no TOML"),
        (b'mcp_servers = {a = {command = "x"}}\n', "no room"),
        (b'[mcp_servers.hub]\ncommand = "x"\n', "no room"),
        (b'developer_instructions = "Be brief."\n', "no room"),
    ],
)
def test_a_toml_file_without_room_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        connected(TOML["codex .codex/config.toml"], text)


def test_marks_that_do_not_pair_are_refused() -> None:
    made = connected(PROSE["codex AGENTS.md shared"], b"# Rules\n")
    for broken in (made + made, made.replace(b"<!-- end of", b"<!-- and of"), made[60:]):
        with pytest.raises(Unfit, match="pair"):
            connected(PROSE["codex AGENTS.md shared"], broken)


def test_what_a_person_added_later_stays() -> None:
    file = JSON["claude .claude/settings.local.json"]
    made = connected(file, b'{\n  "model": "opus"\n}\n')
    mine = made.decode().replace('"Stop": [', '"Stop": [\n      {"hooks": []},', 1)
    left = disconnected(file, mine.encode())
    assert left is not None
    assert plain(left.decode()) == {"model": "opus", "hooks": {"Stop": [{"hooks": []}]}}


@pytest.mark.parametrize("name", FILES)
def test_what_a_person_wrote_below_it_does_not_make_it_outdated(name: str) -> None:
    """Where it is the file's first part, and something follows."""
    made = connected(FILES[name], None)
    if FILES[name].path.endswith(".json"):
        more = re.sub(rb"\n}\n$", b',\n  "more": 1\n}\n', made)
    else:
        more = made + b"\n# More\n"
    if isinstance(FILES[name].parts[0], Whole):
        return
    assert connected(FILES[name], more) == more
    other = next(
        f for f in CLIENTS[name.split()[0]].files(LEAD, "shared" in name) if f.path == FILES[name].path
    )
    turned = connected(other, more)
    assert turned != more
    assert connected(FILES[name], turned) == more, "it is written anew in its place"


def test_a_scan_knows_where_everything_stands() -> None:
    text = '{ "a" : [1, {"b": "}"}] , /* c */ "d": null }'
    node = scan(text)
    assert [text[item.start : item.node.end] for item in node.items] == ['"a" : [1, {"b": "}"}]', '"d": null']
    assert [item.comma and text[item.comma] for item in node.items] == [",", None]
