"""The document: what is read, what is refused, and what a change leaves alone."""

from __future__ import annotations

import time
from dataclasses import replace

import frontmatter
import pytest

from hubd.core.document import (
    BLOCK_LIMIT,
    DOCUMENT_LIMIT,
    FRONT_MATTER,
    HEADER_LIMIT,
    Document,
    Entry,
    Flaw,
    Value,
    document,
    dump_line,
    parse,
    parse_settings,
    quote,
)

TASK = b"""---
# what it is
kind: task
title: "Fix: the login"

# who
owner: lead
to: [a, b]
plan:
  - to: backend
    goal: Fix it
# the end
---
After login the user lands on /404.
"""


def read(data: bytes, room: int = 0) -> Document:
    result = parse(data, room)
    assert isinstance(result, Document), result
    return result


def refused(data: bytes, room: int = 0) -> Flaw:
    result = parse(data, room)
    assert isinstance(result, Flaw), result
    return result


def header(text: str) -> dict[str, Value]:
    return read(f"---\n{text}\n---\n".encode()).header


# Reading


def test_a_document_is_its_entries_with_their_exact_lines() -> None:
    task = read(TASK)
    assert task.entries == (
        Entry("kind", "task", "# what it is\nkind: task\n", 3),
        Entry("title", "Fix: the login", 'title: "Fix: the login"\n', 4),
        Entry("owner", "lead", "\n# who\nowner: lead\n", 7),
        Entry("to", ("a", "b"), "to: [a, b]\n", 8),
        Entry(
            "plan", ({"to": "backend", "goal": "Fix it"},), "plan:\n  - to: backend\n    goal: Fix it\n", 9
        ),
    )
    assert task.tail == "# the end\n"
    assert task.body == "After login the user lands on /404.\n"
    assert task.block is None
    assert task.render() == TASK


def test_fields_are_found_by_key() -> None:
    task = read(TASK)
    assert task.keys == ("kind", "title", "owner", "to", "plan")
    assert task.get("to") == ("a", "b")
    assert task.get("id") is None
    assert task.text("title") == "Fix: the login"
    assert task.text("to", "none") == "none"
    assert task.text("id") == ""
    owner = task.entry("owner")
    assert owner is not None
    assert owner.line == 7
    assert task.entry("id") is None
    assert list(task.header) == list(task.keys)


@pytest.mark.parametrize(
    "text", ["no", "1.10", "0123", "12:30:00", "2026-11-21", "~", "null", "0x1F", "1e3", ".inf", "9" * 5000]
)
def test_every_scalar_stays_text(text: str) -> None:
    assert header(f"a: {text}\nb: [{text if ':' not in text else 1}]")["a"] == text


def test_a_document_may_be_one_mebibyte_and_not_a_byte_more() -> None:
    start = b"---\ntitle: x\n---\n"
    full = start + b"x" * (DOCUMENT_LIMIT - len(start))
    assert read(full).render() == full
    assert refused(full + b"x").code == "too-large"


def test_a_header_may_be_64_kib_and_not_a_byte_more() -> None:
    line = b"title: " + "é".encode() * ((HEADER_LIMIT - 8) // 2)
    assert len(line) + 1 == HEADER_LIMIT
    assert isinstance(parse(b"---\n" + line + b"\n---\n"), Document)
    assert refused(b"---\n" + line + b"x\n---\n").code == "header-too-large"


def test_the_hubs_own_lines_and_block_do_not_make_a_document_too_large() -> None:
    start = b"---\ntitle: x\n---\n"
    full = read(start + b"x" * (DOCUMENT_LIMIT - len(start)))
    with_block = full.with_block("y\n" * 1000)
    assert refused(with_block.render()).code == "too-large"  # by its marker lines
    assert read(with_block.render(), room=4096).same_author(full, ())
    with_lines = with_block.with_fields({"id": "i" * 100})
    assert read(with_lines.render(), room=4096).same_author(full, ("id",))
    huge = replace(full, block="z" * (BLOCK_LIMIT + 8192))
    assert refused(huge.render(), room=4096).code == "too-large"


def test_brackets_beyond_number_end_in_a_flaw_and_at_once() -> None:
    began = time.perf_counter()
    for opening in (b"[", b"{", b"- ", b"? ", b"[{a: "):
        assert isinstance(
            parse(b"---\na: " + opening * (HEADER_LIMIT // len(opening) - 9) + b"\n---\n"), Flaw
        )
        assert isinstance(parse(b"---\n" + opening * (HEADER_LIMIT // len(opening) - 9) + b"\n---\n"), Flaw)
    assert time.perf_counter() - began < 5


def test_a_flaw_shows_at_most_200_characters_of_its_line() -> None:
    flaw = refused(b"---\ntitle: [" + b"x" * 300 + b"] y\n---\n")
    assert flaw.written == "title: [" + "x" * 192
    assert flaw.correct == 'title: "[' + "x" * 300 + '] y"'


def test_a_line_too_long_to_show_whole_is_not_offered() -> None:
    assert refused(b"---\ntitle: [" + b"x" * 5000 + b"] y\n---\n").correct == ""


def test_lines_are_counted_in_the_file() -> None:
    flaw = refused(b"\xef\xbb\xbf---\r\na: b\r\n# c\r\n\r\nd: x #y\r\n---\r\n")
    assert (flaw.code, flaw.line, flaw.written, flaw.correct) == ("inline-comment", 5, "d: x #y", 'd: "x #y"')


@pytest.mark.parametrize(
    ("line", "correct"),
    [
        ('k: "a" or "b"', r'k: "\"a\" or \"b\""'),
        ("k: 'a' or 'b'", "k: \"'a' or 'b'\""),
        ("k: [a: b, [c]]", 'k: "[a: b, [c]]"'),
        ("k: [a, @b, 'c']", "k: [a, \"@b\", 'c']"),
        ('k: "x" # y', 'k: "x"'),
        ("k: {a: b} # y", "k: {a: b}"),
        ("k: x  # y", 'k: "x  # y"'),
        ("k: &a [x]", ""),
        ("k: !!map {a: b}", ""),
        ("k:x y", "k: x y"),
        ("k: *", 'k: "*"'),
        ("k: -", 'k: "-"'),
        ("Next Steps: none", "next_steps: none"),
        ("k: [a] trailing:", 'k: "[a] trailing:"'),
    ],
)
def test_the_line_as_it_should_be(line: str, correct: str) -> None:
    flaw = refused(f"---\na: b\n{line}\nc: d\n---\n".encode())
    assert (flaw.line, flaw.correct) == (3, correct), flaw


def test_the_line_at_fault_is_found_even_where_yaml_stops_later() -> None:
    flaw = refused(b"---\na: |\n  [x\nb: 'it's'\nc: [\n  d\n]\ne: f\n---\n")
    assert (flaw.code, flaw.line, flaw.correct) == ("unquoted-value", 4, 'b: "it\'s"')


# The hub's block


def test_a_block_comes_first_in_the_body_or_not_at_all() -> None:
    shown = read(TASK).with_block("## What you can do now")
    assert shown.block == "## What you can do now\n"
    data = shown.render()
    assert b"---\n<!-- hub -->\n## What you can do now\n<!-- /hub -->\nAfter login" in data
    assert read(data) == shown
    assert shown.with_block(None).render() == TASK


@pytest.mark.parametrize("end", ["", "\n", "\nbody", "\nbody\n\n\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_what_the_hub_adds_goes_without_a_trace(bom: str, newline: str, end: str) -> None:
    data = (bom + f"---\n# c\ntitle: x\n---{end}".replace("\n", newline)).encode()
    added = read(data).with_fields({"id": "t-1", "rev": "3"}, first=("id",)).with_block("text\nmore\n")
    again = read(added.render())
    assert again == added
    assert again.block == f"text{newline}more{newline}"
    assert again.keys == ("id", "title", "rev")
    assert again.author_bytes({"id", "rev"}) == data


def test_text_that_the_hub_quotes_cannot_close_its_block() -> None:
    quoted = "log: <!-- /hub -->\n<!-- hub -->\n\x1b[31mred\x00\rover\udc80"
    shown = read(document({"kind": "bounce"}, quoted, quoted).render())
    expected = "log: &lt;!-- /hub --&gt;\n&lt;!-- hub --&gt;\n\ufffd[31mred\ufffd\ufffdover\ufffd"
    assert shown.block == expected + "\n"
    assert shown.body == expected


def test_a_value_that_holds_a_marker_is_written_so_that_it_can_be_read() -> None:
    written = document({"written": "<!-- hub --> and <!-- /hub -->"})
    assert read(written.render()) == written


# Changing


def test_a_replaced_key_keeps_its_place_and_the_comments_before_it() -> None:
    changed = read(TASK).with_fields({"owner": "ben", "plan": ()}).render()
    expected = TASK.replace(b"owner: lead", b"owner: ben")
    expected = expected.replace(b"plan:\n  - to: backend\n    goal: Fix it\n", b"plan: []\n")
    assert changed == expected


def test_a_key_that_is_set_to_what_it_says_keeps_its_bytes() -> None:
    task = read(TASK)
    assert task.with_fields(task.header).render() == TASK


def test_comments_before_a_removed_key_stay() -> None:
    gone = read(TASK).without({"owner", "plan"})
    assert gone.render() == TASK.replace(b"owner: lead\n", b"").replace(
        b"plan:\n  - to: backend\n    goal: Fix it\n", b""
    )
    assert read(gone.render()) == gone


def test_new_keys_go_behind_those_that_come_before_them_or_to_the_top_or_to_the_end() -> None:
    order = ("id", "kind", "state", "rev")
    added = read(TASK).with_fields({"rev": "1", "x-note": "y", "state": "draft", "id": "t"}, first=order)
    assert added.keys == ("id", "kind", "state", "rev", "title", "owner", "to", "plan", "x-note")
    assert added.render().startswith(b"---\nid: t\n# what it is\nkind: task\nstate: draft\nrev: 1\ntitle:")
    assert added.render().endswith(
        b"goal: Fix it\nx-note: y\n# the end\n---\nAfter login the user lands on /404.\n"
    )


def test_entries_know_their_lines_after_a_change() -> None:
    changed = read(TASK).with_fields({"id": "t", "owner": None}, first=("id",))
    assert changed.entries == read(changed.render()).entries


def test_two_documents_say_the_same_where_only_the_hubs_lines_differ() -> None:
    task = read(TASK)
    hub = task.with_fields({"id": "t", "rev": "2"}, first=("id",)).with_block("x")
    assert hub.same_author(task, ("id", "rev"))
    assert not hub.same_author(task, ("id",))
    assert not hub.same_author(replace(task, body="else"), ("id", "rev"))


# Writing


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain text", "k: plain text"),
        ("no", "k: no"),
        ("2026-11-21T10:00:00Z", "k: 2026-11-21T10:00:00Z"),
        ("-5", "k: -5"),
        ("it's", "k: it's"),
        ("a, b", "k: a, b"),
        ("issue#12", "k: issue#12"),
        ("", 'k: ""'),
        ("Fix issue #12", 'k: "Fix issue #12"'),
        ("Fix: it", 'k: "Fix: it"'),
        ("ends:", 'k: "ends:"'),
        (" x", 'k: " x"'),
        ("x ", 'k: "x "'),
        ("- x", 'k: "- x"'),
        ("--- x", 'k: "--- x"'),
        ("@x", 'k: "@x"'),
        ('say "x\\y"', 'k: say "x\\y"'),
        ('"x"', r'k: "\"x\""'),
        ("a\nb\tc\r\0", r'k: "a\nb\tc\r\0"'),
        ("\x1b\x7f\u2028\u202e\ufeff", r'k: "\x1B\x7F\u2028\u202E\uFEFF"'),
        ("\udc80", r'k: "\uFFFD"'),
        ("é修🔧", "k: é修🔧"),
    ],
)
def test_a_text_is_quoted_only_where_it_must_be(text: str, line: str) -> None:
    assert dump_line("k", text) == line
    assert quote(text) == line[3:]


def test_collections_are_written_on_one_line() -> None:
    value: Value = ("a, b", "c:d", "e?", "[f]", "", ("g", ()), {"A": "h", "b": {}})
    line = dump_line("k", value)
    assert line == 'k: ["a, b", "c:d", "e?", "[f]", "", [g, []], {A: h, b: {}}]'
    assert header(line) == {"k": value}


def test_what_is_no_key_is_not_written() -> None:
    for key in ("", "A", "a b", "1a", "a" * 65, "a\n"):
        with pytest.raises(ValueError, match="not a key"):
            dump_line(key, "x")
    with pytest.raises(ValueError, match="not a key"):
        dump_line("a", {"b c": "x"})


def test_a_new_document_is_one_line_a_key() -> None:
    new = document({"kind": "task", "to": ("a",)}, "Text.\n", "Block.")
    assert new.render() == b"---\nkind: task\nto: [a]\n---\n<!-- hub -->\nBlock.\n<!-- /hub -->\nText.\n"
    assert read(new.render()) == new


# Settings, and front matter for others


def test_settings_are_a_header_without_fences() -> None:
    data = b"# limits\nmax_rounds: 3\nlimits: {rate: 600}\narchive:\n  # kept\n  checkout: 14d\n"
    assert parse_settings(data) == {
        "max_rounds": "3",
        "limits": {"rate": "600"},
        "archive": {"checkout": "14d"},
    }
    assert parse_settings(data.replace(b"\n", b"\r\n")) == parse_settings(data)
    assert parse_settings(b"\xef\xbb\xbfa: b") == {"a": "b"}
    assert parse_settings(b"") == {}
    assert parse_settings(b"# nothing\n") == {}


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"a: b # c\n", "inline-comment", 1),
        (b"\na: b\na: c\n", "duplicate-key", 3),
        (b"---\na: b\n---\n", "yaml-feature", 1),
        (b"- a\n", "not-a-mapping", 1),
        (b"a: b\r\nc: d\n", "mixed-newlines", 2),
        (b"a: \xff\n", "not-utf8", 1),
        (b"#" * (HEADER_LIMIT + 1), "header-too-large", 1),
    ],
)
def test_settings_are_refused_as_a_header_is(data: bytes, code: str, line: int) -> None:
    flaw = parse_settings(data)
    assert isinstance(flaw, Flaw)
    assert (flaw.code, flaw.line) == (code, line)


def test_python_frontmatter_reads_and_writes_through_the_same_grammar() -> None:
    post = frontmatter.loads(TASK.decode(), handler=FRONT_MATTER)
    assert post.metadata == read(TASK).header
    again = frontmatter.dumps(post)
    assert read(again.encode()).header == read(TASK).header
