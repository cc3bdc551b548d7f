"""The tools: what there is to know about a mailbox, in small answers.

Guarantee: a tool reads. Rows about what the caller may act on hold `path` and `next`: for each step the file
to edit or to drop, and its bytes. Texts that others wrote are passed on as data, in fields of their own.
Rule: a tool asks the read model, and shapes what it is told; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubd.mcp_server.asking import Asking, Failed
from hubd.mcp_server.shapes import checked, given, gives, rows
from hubd.mcp_server.sizes import Row, cut, page, read_cursor, size, write_cursor
from hubd.mcp_server.steps import needs_header, steps

__all__ = ["TOOLS", "Desk", "Tool", "call"]

LIMIT = 20
_TEXT = 30_000
_ABOUT = 4_000
_RUNS = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """Who asks, and where."""

    asking: Asking
    who: str

    def ask(self, what: str, **args: Any) -> dict[str, Any]:
        return self.asking.ask(what, self.who, **args)

    def row(self, row: Row, steps_too: bool = True) -> Row:
        """A row of the read model with the steps that the caller may take, and short texts."""
        found = {**cut(row), "path": str(row["path"])}
        header = None
        if steps_too and needs_header(row):
            header = self.ask("show", id=row["id"])["header"]
        found["next"] = steps(row, self.who, header) if steps_too else []
        return {key: value for key, value in found.items() if value not in ("", None)}


def _created(row: Row) -> tuple[str, str]:
    return str(row["created"]), str(row["id"])


def _limit(args: Mapping[str, Any]) -> int:
    return int(args.get("limit", LIMIT))


def hub_status(desk: Desk, _args: Mapping[str, Any]) -> Row:
    told = desk.ask("status")
    inbox = desk.ask("inbox", agent=desk.who)["documents"] if _known(told, desk.who) else []
    waits = [{**cut(w), "path": f"agents/{w['agent']}/inbox/{w['id']}.md"} for w in told["waits"]]
    kept = ("mailbox", "host", "operator", "daemon", "trouble", "paused", "counts")
    return {
        "you": desk.who,
        **{key: told[key] for key in kept},
        "last_commit": cut(told["last_commit"]),
        "agents": len(told["agents"]),
        "leases": len(told["leases"]),
        "yours": page(inbox, 5, "", _created, desk.row)[0],
        "waits": waits,
        "held": cut(told["held"][:LIMIT]),
    }


def _known(status: Row, name: str) -> bool:
    return any(agent["name"] == name for agent in status["agents"])


_AGENT = "name human capabilities description state launch inbox waiting assignments paused path"


def agent_list(desk: Desk, args: Mapping[str, Any]) -> Row:
    told = desk.ask("agents", capability=args.get("capability", ""))

    def shown(row: Row) -> Row:
        return {key: cut(row[key]) for key in _AGENT.split()}

    found, cursor = page(
        told["agents"], _limit(args), args.get("cursor", ""), lambda r: (str(r["name"]), ""), shown
    )
    return {"agents": found, "cursor": cursor}


def inbox_list(desk: Desk, args: Mapping[str, Any]) -> Row:
    name = args.get("agent") or desk.who
    told = desk.ask("inbox", agent=name, waiting=args.get("waiting", False))
    found, cursor = page(
        told["documents"], _limit(args), args.get("cursor", ""), _created,
        lambda row: desk.row(row, name == desk.who),
    )  # fmt: skip
    return {"agent": name, "documents": found, "more": int(told["more"]), "cursor": cursor}


def document_get(desk: Desk, args: Mapping[str, Any]) -> Row:
    told = desk.ask("show", id=args["id"])
    head, text = told["header"], _text_of(told)
    rev, at = str(head.get("rev", "")), 0
    if args.get("cursor"):
        id_, then, at = read_cursor(args["cursor"], str, str, int)
        if (id_, then) != (told["id"], rev):
            raise Failed(
                "bad-cursor", f"{told['id']} has changed since", "leave out `cursor`, to begin again"
            )
    part = text[max(at, 0) : max(at, 0) + _TEXT].encode("utf-8", "replace")[:_TEXT].decode("utf-8", "ignore")
    end = max(at, 0) + len(part)
    small = size(head) <= 8_000
    return {
        **{key: cut(told[key]) for key in ("id", "kind", "state", "title")},
        "path": told["path"],
        "next": steps(told, desk.who, head)[:12],
        "header": head if small else {key: cut(value, 120) for key, value in list(head.items())[:40]},
        "text": part,
        "cursor": write_cursor(told["id"], rev, end) if end < len(text) and part else "",
    }


def _text_of(told: Row) -> str:
    """What lies below a document's header, as its file has it."""
    block = f"<!-- hub -->\n{told['block']}<!-- /hub -->\n" if told["block"] else ""
    return f"{block}{told['body']}"


def task_list(desk: Desk, args: Mapping[str, Any]) -> Row:
    found, cursor = page(desk.ask("tasks")["tasks"], _limit(args), args.get("cursor", ""), _created, desk.row)
    return {"tasks": found, "cursor": cursor}


def task_get(desk: Desk, args: Mapping[str, Any]) -> Row:
    told = desk.ask("family", id=args["id"])
    if told["kind"] != "task":
        raise Failed("wrong-kind", f"{told['id']} is a {told['kind']}, not a task", "use document_get")
    parts, cursor = page(told["documents"], _limit(args), args.get("cursor", ""), _created, desk.row)
    runs = [] if args.get("cursor") else desk.ask("runs", task=told["id"], limit=LIMIT)["runs"]
    kinds = {"rounds": "round", "assignments": "assignment", "handoffs": "handoff"}
    known = set(kinds.values())
    return {
        **{key: cut(told[key]) for key in ("id", "state", "title")},
        "path": told["path"],
        "next": steps(told, desk.who, told["header"]),
        "text": "" if args.get("cursor") else cut(told["body"], _ABOUT),
        **{name: [p for p in parts if p["kind"] == kind] for name, kind in kinds.items()},
        "others": [p for p in parts if p["kind"] not in known],
        "runs": _fitting([_run(r) for r in runs], 6_000),
        "cursor": cursor,
    }


def _run(row: Row) -> Row:
    return {key: cut(value, 200) for key, value in row.items() if value not in ("", None, [])}


def _fitting(found: Sequence[Row], most: int) -> list[Row]:
    kept: list[Row] = []
    for row in found:
        most -= size(row)
        if most < 0:
            break
        kept.append(row)
    return kept


def run_list(desk: Desk, args: Mapping[str, Any]) -> Row:
    asked = {key: args[key] for key in ("agent", "task") if args.get(key)}
    told = desk.ask("runs", limit=_RUNS, **asked)
    found, cursor = page(told["runs"], _limit(args), args.get("cursor", ""), _created, _run, newest=True)
    nodes: dict[str, Row] = {row["id"]: {**row, "children": []} for row in found}
    top: list[Row] = []
    for node in nodes.values():
        above = nodes.get(node.get("parent", ""))
        (top if above is None else above["children"]).append(node)
    return {"runs": top, "cursor": cursor}


def lease_list(desk: Desk, args: Mapping[str, Any]) -> Row:
    def shown(row: Row) -> Row:
        mine = row["holder"] == desk.who
        verbs = desk.ask("show", id=row["id"])["next"] if mine else []
        known = {"id": row["id"], "kind": "lease", "title": row["key"], "path": row["path"], "next": verbs}
        return {**cut(row), "path": row["path"], "next": steps(known, desk.who, row)}

    found, cursor = page(desk.ask("leases")["leases"], _limit(args), args.get("cursor", ""), _created, shown)
    return {"leases": found, "cursor": cursor}


def history(desk: Desk, args: Mapping[str, Any]) -> Row:
    (before,) = read_cursor(args["cursor"], int) if args.get("cursor") else (0,)
    asked = {key: args[key] for key in ("id", "agent", "kind") if args.get(key)}
    told = desk.ask("history", limit=_limit(args), before=before, **asked)
    found = [{k: v for k, v in cut(row).items() if v not in ("", None)} for row in told["transitions"]]
    return {"transitions": found, "cursor": write_cursor(told["next"]) if told["next"] else ""}


def search(desk: Desk, args: Mapping[str, Any]) -> Row:
    (after,) = read_cursor(args["cursor"], str) if args.get("cursor") else ("",)
    asked = {key: args[key] for key in ("text", "kind", "live") if args.get(key)}
    told = desk.ask("search", limit=_limit(args), after=after, **asked)
    found = [desk.row(row) for row in told["documents"]]
    while size(found) > 44_000:  # many steps on each: their files say them too
        found = [{**row, "next": []} for row in found]
    return {"documents": found, "cursor": write_cursor(told["next"]) if told["next"] else ""}


Give = Callable[[Desk, Mapping[str, Any]], Row]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool, as clients are told of it."""

    give: Give
    about: str
    takes: dict[str, Any]
    gives: dict[str, Any]


_FLAG = {"type": "boolean"}
_ROW = "id kind state title from path created next[]"

TOOLS: Mapping[str, Tool] = {
    "hub_status": Tool(
        hub_status, "The mailbox at a glance; `yours`: what you must act on first.", given(),
        gives("you mailbox host operator trouble paused? counts{} agents# leases# held[]",
              yours=rows(_ROW), waits=rows("agent id kind state title path created")),
    ),
    "agent_list": Tool(
        agent_list, "Who there is, what they can do, how busy they are.", given(paged=True, capability=""),
        gives("cursor", agents=rows("name human? capabilities[] state inbox# assignments# paused? path")),
    ),
    "inbox_list": Tool(
        inbox_list, "What an agent (you) must act on, oldest first, with the steps to take.",
        given(paged=True, agent="", waiting={**_FLAG, "description": "What waits for others instead."}),
        gives("agent more# cursor", documents=rows(_ROW)),
    ),
    "document_get": Tool(
        document_get, "One document in full, and what you may do with it.",
        given("id", id="Or its beginning.", cursor=""),
        gives("id kind state title path next[] header{} text cursor"),
    ),
    "task_list": Tool(
        task_list, "Tasks that go on.", given(paged=True),
        gives("cursor", tasks=rows(_ROW + " owner priority round assignments{}")),
    ),
    "task_get": Tool(
        task_get, "A task with its rounds, assignments, handoffs and runs.", given("id", True, id=""),
        gives("id state title path next[] text rounds[] assignments[] handoffs[] others[] runs[] cursor"),
    ),
    "run_list": Tool(
        run_list, "Runs of agents, newest first, each below the one that led to it.",
        given(paged=True, agent="", task=""),
        gives("cursor", runs=rows("id agent state on[] created outcome children[]")),
    ),
    "lease_list": Tool(
        lease_list, "Who holds which lease until when.", given(paged=True),
        gives("cursor", leases=rows("id key lease# holder worker globs[] expires path next[]")),
    ),
    "history": Tool(
        history, "The log, newest first: of a document and what belongs to it, of an agent, of a kind.",
        given(paged=True, id="", agent="", kind=""),
        gives("cursor", transitions=rows("seq# commit time actor document kind from to do refused")),
    ),
    "search": Tool(
        search, "Documents that hold all these words, live ones first. Go on while there is a cursor.",
        given("text", True, text="", kind="", live={**_FLAG, "description": "Leave out what has ended."}),
        gives("cursor", documents=rows(_ROW + " text")),
    ),
}  # fmt: skip


def call(desk: Desk, name: str, arguments: Mapping[str, Any]) -> Row:
    """Answer a call. Raises Failed."""
    tool = TOOLS.get(name)
    if tool is None:
        raise Failed("bad-request", "there is no such tool", f"tools: {', '.join(TOOLS)}")
    return tool.give(desk, checked(tool.takes, arguments))
