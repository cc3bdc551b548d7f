"""The document under arbitrary bytes, texts and edits."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hubd.core import grammar
from hubd.core.document import Document, Flaw, Value, document, dump_line, parse, parse_settings, quote

HUB_KEYS = ("id", "rev", "created", "lease", "from")

# Few examples in the suite's default run: the time limit of the house is for all tests together.
FEW = settings(max_examples=150, deadline=None)

texts = st.text(st.characters(codec="utf-8"), max_size=40)
nasty = st.text(alphabet="ab: #-[]{},&*!|>'\"%@`?\\\t\n\r~=<. 1", max_size=16)
words = st.one_of(
    nasty, texts, st.sampled_from(["no", "1.10", "<!-- hub -->", "a <!-- /hub -->", "---", "é"])
)
keys = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
inner_keys = st.one_of(keys, st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True))
values: st.SearchStrategy[Value] = st.recursive(
    words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.dictionaries(inner_keys, inner, max_size=3)
    ),
    max_leaves=6,
).filter(lambda value: depth(value) < grammar.DEPTH_LIMIT)

# Lines as authors write them, each a whole entry.
AUTHORED = [
    "k{}: plain text",
    "k{}:",
    "k{}: 'it''s'",
    'k{}: "a # b: c"',
    "k{}: [a, b, {{c: d}}]",
    "k{}: {{A: b}}",
    "k{}:\n  - to: a\n    goal: b\n\n  # between\n  - c",
    "k{}:\n- a\n- b",
    "k{}: [\n  a,\n  # inside\n  b\n]",
    "k{}: |\n  one\n\n    two # no comment\n",
    "k{}: |+\n  kept\n\n",
    "k{}: >-\n  folded\n  text",
    "# a comment\nk{}: x",
    "\n\nk{}: y",
    "  # an indented comment\nk{}: z",
    "k{} :   spaced   ",
]
bodies = st.one_of(st.just(""), texts, st.sampled_from(["a\r\nb\n", "\n\n", "text", "---\n", "a\n\n\n"]))


def depth(value: Value) -> int:
    if isinstance(value, str):
        return 0
    parts = value.values() if isinstance(value, Mapping) else value
    return 1 + max((depth(part) for part in parts), default=0)


@contextmanager
def loader(parser: Any) -> Iterator[None]:
    before = grammar._Parser
    grammar._Parser = parser
    try:
        yield
    finally:
        grammar._Parser = before


def clean(text: str) -> str:
    """A body as it can be: no controls, no lone carriage return, no marker."""
    text = "".join(char for char in text if char >= " " or char in "\n\r\t")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("<!-- hub -->", "").replace("<!-- /hub -->", "")


@st.composite
def authored(draw: st.DrawFn) -> bytes:
    shapes = draw(st.lists(st.sampled_from(AUTHORED), min_size=1, max_size=6))
    header = "\n".join(shape.format(number) for number, shape in enumerate(shapes))
    tail = draw(st.sampled_from(["", "# tail\n", "# a\n\n# b\n"]))
    body = clean(draw(bodies))
    text = f"---\n{header}\n{tail}---\n{body}"
    if draw(st.booleans()):
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    if not body and draw(st.booleans()):
        text = text.rstrip("\r\n")
    return (("\ufeff" if draw(st.booleans()) else "") + text).encode()


def read(data: bytes) -> Document:
    result = parse(data)
    assert isinstance(result, Document), result
    return result


@given(authored())
@FEW
def test_what_is_accepted_is_written_back_byte_for_byte(data: bytes) -> None:
    assert read(data).render() == data


@given(authored())
@FEW
def test_what_is_accepted_means_the_same_to_a_reader_who_takes_all_scalars_as_text(data: bytes) -> None:
    result = read(data)
    header = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n---", 1)[0][4:] + "\n"
    theirs = yaml.load(header, Loader=yaml.BaseLoader)
    assert _lists(result.header) == theirs


def _lists(value: Value | dict[str, Value]) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value]


@given(st.binary(max_size=200))
@example(b"---\n\x00")
@FEW
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for given_ in (data, b"---\n" + data + b"\n---\n", b"---\ntitle: x\n---\n<!-- hub -->\n" + data):
        result = parse(given_)
        assert isinstance(result, Flaw) or result.render() == given_
    parse_settings(data)


@given(authored(), st.data())
@FEW
def test_a_damaged_document_is_read_exactly_or_refused_with_a_line_of_it(
    data: bytes, more: st.DataObject
) -> None:
    at = more.draw(st.integers(0, len(data)))
    length = more.draw(st.integers(0, 3))
    damaged = data[:at] + more.draw(nasty).encode() + data[at + length :]
    result = parse(damaged)
    if isinstance(result, Flaw):
        assert 1 <= result.line <= damaged.count(b"\n") + 1
        assert result.message
    else:
        assert result.render() == damaged


@given(authored())
@FEW
def test_every_prefix_is_read_or_refused(data: bytes) -> None:
    header_ends = len(data) - len(read(data).body.encode()) - 2
    for end in range(len(data)):
        result = parse(data[:end])
        assert isinstance(result, Flaw) or result.render() == data[:end]
        if end < header_ends - 3:
            assert isinstance(result, Flaw), data[:end]  # a header that is cut is never a shorter one


@given(st.dictionaries(keys, values, min_size=1, max_size=5), texts, st.none() | words)
@FEW
def test_what_is_written_is_read_back(fields: dict[str, Value], body: str, block: str | None) -> None:
    written = document(fields, body, block)
    assert read(written.render()) == written
    assert written.header == fields


@given(
    authored(),
    st.dictionaries(st.sampled_from(["k0", "k1", "k2", "new", "id"]), st.none() | values, max_size=4),
)
@FEW
def test_changed_fields_are_read_back_and_all_others_keep_their_bytes(
    data: bytes, changes: dict[str, Value | None]
) -> None:
    before = read(data)
    after = before.with_fields(changes, first=("id",))
    assume(after.entries)
    assert read(after.render()) == after
    assert after.header == {
        key: value for key, value in {**before.header, **changes}.items() if value is not None
    }
    kept = {entry.key: entry.text for entry in after.entries}
    if None not in changes.values():
        assert {e.key: e.text for e in before.entries if e.key not in changes}.items() <= kept.items()


@given(
    authored(), st.dictionaries(st.sampled_from(HUB_KEYS), values, max_size=5), st.none() | words, st.data()
)
@FEW
def test_the_hubs_lines_and_block_go_and_leave_the_authors_bytes(
    data: bytes, lines: dict[str, Value], block: str | None, more: st.DataObject
) -> None:
    first = more.draw(st.lists(st.sampled_from([*HUB_KEYS, "k0", "k1"]), unique=True))
    before = read(data)
    with_hub = read(before.with_fields(lines, first=first).with_block(block).render())
    assert with_hub.author_bytes(HUB_KEYS) == data
    assert with_hub.same_author(before, HUB_KEYS)
    assert (with_hub.block is None) == (block is None)


@given(words)
@FEW
def test_a_quoted_text_is_the_same_text_to_every_reader(text: str) -> None:
    for line in (f"k: {quote(text)}", dump_line("k", (text, text)), dump_line("k", {"a": text})):
        for strings in (yaml.CBaseLoader, yaml.BaseLoader):
            value = yaml.load(line, Loader=strings)["k"]
            assert value == text or list(value) == [text, text] or value == {"a": text}
        assert "\n" not in line
        assert line.isprintable() or not line.isascii()


@given(st.text(alphabet="ab:- \n#[]{},'\"|>&*!%?\t\\<1", max_size=30))
@example("a: b\t")
@example("a:\tb")
@example("- a: b\n  c")
@settings(max_examples=400, deadline=None)
def test_the_two_yaml_parsers_never_lead_to_two_readings(text: str) -> None:
    data = f"---\nk: v\nl: {text}\n---\n".encode()
    ours = parse(data)
    with loader(yaml.SafeLoader):
        pure = parse(data)
    # Each of them refuses a few forms that the other takes (`{a:}`, `[a?]`).
    assert isinstance(ours, Flaw) or isinstance(pure, Flaw) or ours == pure


@given(st.text(alphabet=string.printable, max_size=30))
@FEW
def test_a_value_on_one_line_is_read_whole_or_refused(text: str) -> None:
    line = f"title: {text}"
    result = parse(f"---\n{line}\n---\n".encode())
    if isinstance(result, Document) and result.header.keys() == {"title"}:
        value = result.header["title"]
        if isinstance(value, str) and text.strip()[:1] not in ("'", '"', "|", ">"):
            lines = [part for part in text.split("\n") if part.strip() and not part.strip().startswith("#")]
            assert value == (lines[0].strip(" ") if lines and lines[0] == text.split("\n")[0] else "")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_block_of_lines_never_takes_in_what_followed_a_removed_key(newline: str) -> None:
    text = newline.join(["---", "a: |+", "  text", "id: x", "", "  # note", "", "# other", "b: y", "---", ""])
    before = read(text.encode())
    after = before.without(["id"])
    assert read(after.render()).header == {"a": "text\n", "b": "y"}
    assert "# note" in after.render().decode()
