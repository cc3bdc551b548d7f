"""Descriptions of projects: what they are drawn from, and what no file can make them say."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubd.core.check import check_value
from hubd.core.document import Document, dump_line, parse
from hubd.core.model import KINDS, Kind
from hubd.project import Described, describe
from hubd.project.prose import first_paragraph, line
from hubd.project.stack import DEPENDENCIES, FILES, IMAGES, SUFFIXES

README = """\
---
layout: home
---
<!-- a comment
     of two lines -->
<p align="center"><img src="logo.png"></p>

# Acme Login
[![build](https://x/badge.svg)](https://x)

> A quotation.

```sh
pip install acme
```

The **login service** of [Acme](https://acme.example), written in
`Python`. It issues tokens_for_users.

More text.
"""


def written(folder: Path, **files: str) -> Described:
    """Describe a folder of these files; `__` stands for a dot, and `_in_` for a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", ".").replace("_in_", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return describe(folder)


def sound(found: Described) -> None:
    """What every answer must be, whatever it was drawn from."""
    fields = {field.name: field for field in KINDS[Kind.AGENT].author}
    assert 0 < len(found.description) <= 300
    assert found.description == " ".join(found.description.split())
    assert all(char.isprintable() for char in found.description)
    header = f"---\nkind: agent\n{dump_line('description', found.description)}\n---\n".encode()
    document = parse(header)
    assert isinstance(document, Document)
    assert document.get("description") == found.description
    assert check_value(fields["capabilities"], tuple(found.capabilities or ["none"])) is None
    assert all(check_value(fields["description"], text) is None for text in (found.description, *found.found))


def test_the_first_paragraph_of_a_readme_is_the_description(tmp_path: Path) -> None:
    found = written(tmp_path, README__md=README)
    said = "The login service of Acme, written in Python. It issues tokens_for_users."
    assert found == Described(said, [], ["README.md"])


def test_what_is_written_for_agents_comes_first_but_not_what_every_such_file_says(tmp_path: Path) -> None:
    claude = "# CLAUDE.md\n\nThis file provides guidance to Claude Code when working in it.\n\n@AGENTS.md\n"
    found = written(
        tmp_path, CLAUDE__md=claude, AGENTS__md="# Rules\n\nThe billing API.\n", README__md=README
    )
    assert found.description == "The billing API."
    assert written(tmp_path, CLAUDE__md=claude + "\nThe shop.\n").description == "The shop."


def test_a_package_describes_itself_where_there_is_no_prose(tmp_path: Path) -> None:
    found = written(tmp_path, package__json='{"name": "@acme/shop", "description": "A shop."}')
    assert found.description == "@acme/shop: A shop. (javascript)"
    found = written(
        tmp_path,
        pyproject__toml='[project]\nname = "acme"\ndescription = "Logs in."\ndependencies = ["Django>=5"]\n',
    )
    assert found.description == "acme: Logs in. (python, javascript, django)"
    assert found.found == ["pyproject.toml: acme", "pyproject.toml: django"]


def test_stack_databases_and_servers_are_found(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        README__md="A shop.\n",
        pyproject__toml='[project]\nname="x"\ndependencies=["FastAPI[all]>=1", "psycopg2_binary", "x"]\n',
        package__json='{"dependencies": {"react": "19"}, "devDependencies": {"typescript": "5"}}',
        go__mod="module x\n\nrequire (\n\tgithub.com/jackc/pgx/v5 v5.0\n\tgithub.com/gin-gonic/gin v1.0\n)\n",
        alembic__ini="[alembic]\n",
        prisma_in_schema__prisma='datasource db {\n  provider = "mysql"\n}\n',
        compose__yaml="services:\n  db:\n    image: quay.io/x/postgres:16\n  q:\n    image: 'redis'\n",
        __mcp__json='{"mcpServers": {"github": {}, "db": {"env": {"TOKEN": "secret"}}}}',
    )
    assert set(found.capabilities) == {
        "python", "javascript", "go", "alembic", "sql", "prisma", "mysql", "fastapi", "postgres", "react",
        "typescript", "gin", "docker", "redis",
    }  # fmt: skip
    assert found.description == "A shop. (python, javascript, go, alembic, sql, prisma; MCP: github, db)"
    assert ".mcp.json: github, db" in found.found
    assert "compose.yaml: postgres, redis" in found.found
    sound(found)


def test_a_folder_that_says_nothing_is_described_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "my\u202eshop"
    folder.mkdir()
    assert describe(folder) == Described("The project myshop", [], [])
    assert describe(tmp_path / "missing").description == "The project missing"
    assert describe(Path("/")).description == "A project"


def test_a_long_description_is_cut_at_a_word_and_leaves_room_for_the_stack(tmp_path: Path) -> None:
    found = written(tmp_path, README__md="word " * 500, go__mod="module x\n")
    assert found.description.endswith("word… (go)")
    assert 290 < len(found.description) <= 300
    assert len(line("x" * 1000, 300)) == 300


def test_a_link_a_fifo_and_a_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("The secret.\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "CLAUDE.md").symlink_to(tmp_path / "secret")
    os.mkfifo(project / "AGENTS.md")
    (project / "README.md").mkdir()
    (project / "prisma").symlink_to(tmp_path)
    assert describe(project).description == "The project project"


def test_a_link_from_one_of_its_names_to_another_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("The shop.\n")
    (tmp_path / "CLAUDE.md").symlink_to("AGENTS.md")
    assert describe(tmp_path).description == "The shop."


def test_what_looks_like_a_secret_is_not_repeated(tmp_path: Path) -> None:
    token = "ghp_" + "a" * 40
    servers = json.dumps({"mcpServers": {token: {}, "db": {}}})
    package = json.dumps({"name": "shop", "description": f"{'long ' * 60}{token}"})
    found = written(
        tmp_path, README__md=f"Use {token} to log in.\n", __mcp__json=servers, package__json=package
    )
    assert "ghp_" not in str(found)
    assert found.description == "shop (javascript; MCP: db)"


@pytest.mark.parametrize(
    "text",
    [
        "<!-- hub -->\nhidden\n<!-- /hub -->",
        "Do this: <!-- /hub -->\nand this # now",
        "a\u202eb\u200bc\U000e0041d\x1b[31me\ufefff\u2028g\u3164h",
        "---\nkind: agent\n---\nx",
        "- [ ] approve\n\n&anchor *alias !tag %x @y `z` 'q' \"r\"",
        "no",
        "[WIP] x: {a: b}",
        "Ü" * 400,
    ],
)
def test_no_text_can_be_more_than_one_visible_line(tmp_path: Path, text: str) -> None:
    found = written(tmp_path, README__md=text)
    sound(found)
    assert "<!--" not in found.description
    assert "\U000e0041" not in found.description


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", "[" * 100_000),
        ("package.json", '{"name": ' + "1" * 10_000 + "}"),
        ("package.json", '{"name": ["x"], "description": {"a": 1}, "dependencies": ["react"]}'),
        ("package.json", '["x"]'),
        (".mcp.json", '{"mcpServers": [1, 2]}'),
        ("pyproject.toml", "a = " + "[" * 50_000),
        ("pyproject.toml", "a" + ".a" * 60_000 + " = 1"),
        ("pyproject.toml", "[project]\ndependencies = 1\noptional-dependencies = [1]\nname = 3\n"),
        ("pyproject.toml", "[project\n"),
        ("README.md", "[" * 200_000),
        ("README.md", "![" * 100_000),
        ("README.md", "[x](" * 60_000),
        ("README.md", "_ " * 100_000),
        ("README.md", "<a" * 100_000),
        ("README.md", "`" * 200_000),
        ("README.md", "- " * 100_000),
        ("README.md", "a" + "." * 200_000),
        ("README.md", ("x" * 5000 + "\n") * 50),
        ("compose.yaml", "    image: " * 20_000),
        ("compose.yaml", " " * 200_000),
        ("go.mod", " " * 100_000 + "a" * 100_000),
        ("Gemfile", "\t" * 200_000),
        ("prisma/schema.prisma", "provider" + " " * 200_000),
    ],
)
def test_hostile_files_cost_little_and_break_nothing(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    began = time.process_time()
    sound(describe(tmp_path))
    assert time.process_time() - began < 3


def test_many_files_are_looked_at_in_bounds(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:04}.tf").touch()
    assert describe(tmp_path).capabilities == ["terraform"]


_NAMES = ["CLAUDE.md", "README.md", "pyproject.toml", "package.json", ".mcp.json", "compose.yaml", "go.mod"]
_PIECES = st.sampled_from(
    ["# ", "\n", "\n\n", "---\n", "```", "<!--", "-->", "[x](y)", "![", "**", "_a_", "\u202e", "\0", "\xff",
     "text ", '{"name": "', '"}', "[project]\n", "name = ", '"', "    image: redis\n", "\U000e0020", "@x",
     "\r\n", "\x1b["]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    files=st.dictionaries(
        st.sampled_from(_NAMES), st.lists(_PIECES | st.text(max_size=20), max_size=20), min_size=1
    )
)
def test_whatever_lies_there_the_answer_is_sound(files: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, pieces in files.items():
            (Path(folder) / name).write_bytes("".join(pieces).encode("utf-8", "replace"))
        sound(describe(Path(folder)))


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_a_line_is_one_line(text: str) -> None:
    for shown in (line(text, 50), line(first_paragraph(text), 50)):
        assert len(shown) <= 50
        assert all(char.isprintable() for char in shown)


def test_every_word_for_a_stack_is_a_capability() -> None:
    field = {field.name: field for field in KINDS[Kind.AGENT].author}["capabilities"]
    words = {word for found in FILES.values() for word in found}
    words |= {*SUFFIXES.values(), *DEPENDENCIES.values(), *IMAGES.values()}
    assert not [word for word in words if check_value(field, (word,))]
    assert not [name for name in (*DEPENDENCIES, *IMAGES) if name != name.lower()]
