"""Check the history of a mailbox: `verify(path)`, or `python -m hubd.verify PATH [REV [ANCHOR]]`.

Guarantee: independent. Nothing of hubd is imported; what is legal comes from the history's own contract, hub.yaml
and cards, each in force from the commit after the one that changed it; every object read is hashed again.
Rule 1: git lists and reads, without hooks, filters, replacements, grafts or a user's configuration.
Rule 2: one commit after the other, oldest first; only live documents and live families are remembered.
Rule 3: what cannot be read is not legal. What is not proved at all: see "Verification" in SPEC.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

NONE = "0" * 40
HUB_ID, TABLE, SETTINGS = ".hub/id", "contract/schema/transitions.json", "hub.yaml"
HELD = ("claimed", "in_progress", "input_required")
DOCUMENT = re.compile(  # opening fence, header, closing fence, the hub's block, everything after
    rb"((?:\xef\xbb\xbf)?---\r?\n)(.*?)(^---(?=\r?\n|\Z))"
    rb"(?:\r?\n<!-- hub -->\r?\n.*?^<!-- /hub -->(?=\r?\n|\Z))?(.*)", re.DOTALL | re.MULTILINE)  # fmt: skip
ENTRY = re.compile(rb"""(?m)^["']?([a-z][a-z0-9_-]*)["']? *:([^\n]*\n(?:[ -][^\n]*\n|\r?\n(?=(?:\r?\n)* ))*)""")
PLACE = re.compile(r"(agents/[a-z0-9-]+/(?:inbox|waiting)|cards|leases|archive/../../[^/]+)/([^/]+)\.md")
TICK = re.compile(rb"(?m)^\s*[-*+]\s+\[[xX]\]\s+([^\s(:]+)")
Changes: TypeAlias = "dict[str, tuple[Fields, Fields]]"  # before (empty if new) and after, by id


class Illegal(Exception):
    """Why a commit is not one that a hub may have written."""


class NoLedger(Exception):
    """There is nothing to check. `hint` is the reader's next step."""

    hint = "name a mailbox or a clone of one, and a branch or a commit in it"


@dataclass(frozen=True)
class Result:
    """How many commits, with how many steps of documents, are in order, and what is the first that is not."""

    ok: bool
    commits: int
    transitions: int
    first_bad: dict[str, Any] | None  # seq, commit, reason

    def as_json(self) -> dict[str, Any]:
        return {"schema": 1, **asdict(self)}


class Fields(dict[str, str]):
    """A document's fields as text, and of its bytes: @text and @hash (of what its author wrote), @blob, @paths."""

    def __missing__(self, key: str) -> str:
        return ""

    @property
    def root(self) -> str:
        return (self["key"] or self["assignment"] or self["id"]).partition(".")[0]


def need(holds: object, reason: str) -> None:
    if not holds:
        raise Illegal(reason)


def split(data: bytes, hub_keys: Iterable[str] = ()) -> tuple[Fields, bytes]:
    """Return a document's fields (of a list, what stands behind the colon), and the bytes that are its author's."""
    found = DOCUMENT.fullmatch(data)
    need(found, "what should be a document is none")
    opening, lines, fence, rest = found.groups() if found else ()
    own = ENTRY.sub(lambda line: b"" if line[1].decode() in hub_keys else line[0], lines)
    pairs = ((line[1].decode(), line[2].decode(errors="replace")) for line in ENTRY.finditer(lines))
    return Fields({key: text.strip().strip("\"'")[:2000] for key, text in pairs}), opening + own + fence + rest


def names(text: str) -> list[str]:
    """Return the words of a list, however it is written."""
    return re.findall(r"[a-z0-9][a-z0-9.-]*", re.sub(r"(?m)^\s*#.*$", "", text))


def digest(*given: bytes | str) -> str:
    texts = [part.encode() if isinstance(part, str) else part for part in given]
    return hashlib.sha256(b"".join(b"%d:%s" % (len(text), text) for text in texts)).hexdigest()[:16]


class Git:
    """Two processes: one lists commits, one hands out objects. They see the object store and no configuration."""

    def __init__(self, path: Path) -> None:
        self.dir = next((folder for folder in (path / ".git", path) if (folder / "HEAD").is_file()), None)
        if self.dir is None:
            raise NoLedger(f"no git repository in {path}")
        self.batch = self.start("cat-file", "--batch")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        on = ("GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM", "GIT_NO_REPLACE_OBJECTS", "GIT_NO_LAZY_FETCH")
        off = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_GRAFT_FILE", "HOME")
        given = {"PATH": os.environ.get("PATH", os.defpath), **dict.fromkeys(on, "1"), **dict.fromkeys(off, os.devnull)}
        settings = ("core.commitGraph=false", "core.fsmonitor=false", "core.quotePath=false", "protocol.allow=never")
        options = ["--git-dir=.", "--no-pager", *(word for setting in settings for word in ("-c", setting))]
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        return subprocess.Popen(["git", *options, *arguments], cwd=self.dir, env=given, stdin=pipe, stdout=pipe, stderr=null)

    def commit(self, name: str) -> str:
        ask = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return self.start(*ask).communicate()[0].decode().strip().rpartition("\n")[2]

    def log(self, tip: str) -> Iterator[tuple[str, list[list[str]]]]:
        """Yield (commit, [mode before, mode, object before, object, path] of what changed), the oldest first."""
        head, rows = "", list[list[str]]()
        with self.start("log", "--first-parent", "--diff-merges=first-parent", "--reverse", "--root", "--raw", "-r",
                        "-t", "--no-renames", "--no-abbrev", "--no-ext-diff", "--no-textconv", "--format=%H",
                        "--no-show-signature", "--ignore-submodules=none", tip, "--") as git:  # fmt: skip
            for line in git.stdout or ():
                text = line.decode(errors="surrogateescape").rstrip("\n")
                if text.startswith(":"):
                    rows.append([*text[1:].split(" ")[:4], text.partition("\t")[2]])
                elif text:
                    yield from [(head, rows)] if head else []
                    head, rows = text, []
            yield from [(head, rows)] if head else []
            need(git.wait() == 0 and head, "git cannot read on: objects are missing or damaged")

    def objects(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return objects by their ids. Few are asked for at once, or both pipes would fill."""
        asked, answers, found, wanted = self.batch.stdin, self.batch.stdout, dict[str, bytes](), sorted(set(ids))
        assert asked is not None and answers is not None  # noqa: PT018
        for start in range(0, len(wanted), 200):
            asked.write("".join(f"{oid}\n" for oid in wanted[start : start + 200]).encode())
            asked.flush()
            for oid in wanted[start : start + 200]:
                head = answers.readline().split()
                need(len(head) == 3, f"bytes are gone: object {oid}")
                found[oid] = answers.read(int(head[2]) + 1)[:-1]
                name = hashlib.sha1(b"%s %s\0" % (head[1], head[2]) + found[oid]).hexdigest()
                need(name == oid, f"altered: object {oid} holds other bytes than its name says")
        return found


class History:
    """What is true after the commits checked so far. `check` takes one more, or raises Illegal."""

    def __init__(self, git: Git) -> None:
        self.git, self.seq, self.transitions, self.wall = git, 0, 0, 0
        self.tip = self.host = self.proposal = ""
        self.docs: dict[str, Fields] = {}  # what is live, and what is finished in families that are
        self.at: dict[str, str] = {}
        self.families: dict[str, set[str]] = defaultdict(set)

    def check(self, oid: str, rows: list[list[str]]) -> None:
        data = self.git.objects((oid, *(row[3] for row in rows if row[3] != NONE)))
        odd = [path for _, mode, _, _, path in rows if mode not in ("000000", "040000", "100644")]
        need(not odd, f"{odd} is no plain file")
        files = {path: (old, new) for was, mode, old, new, path in rows if "040000" not in (was, mode)}
        if not self.tip:
            need(TABLE in files and HUB_ID in files, "the first commit holds no contract, or no .hub/id")
            self.adopt(data[files[TABLE][1]])
            self.settings, self.host = self.law["defaults"], data[files[HUB_ID][1]].decode().split()[-1]
        said = self.read(data[oid].decode(), files)
        changed, fixed = self.changes(files, data)
        self.judge(said, changed, fixed)
        if SETTINGS in fixed:  # where documents lie follows the new settings at once
            self.settings = self.law["defaults"] | split(b"---\n" + data[files[SETTINGS][1]] + b"\n---\n")[0]
        for id_ in changed:
            self.document(said, id_, changed)
        for id_, (before, after) in changed.items():
            self.take(id_, before, after)
        for name in {after.root for _, after in changed.values()} & self.families.keys():
            self.family(name)
        if TABLE in fixed:
            self.adopt(data[files[TABLE][1]])
        self.seq, self.tip, self.transitions = self.seq + 1, oid, self.transitions + max(1, len(changed))

    def adopt(self, contract: bytes) -> None:
        self.law, self.rows = json.loads(contract), defaultdict[tuple[str, ...], list[dict[str, Any]]](list)
        for row in self.law["transitions"]:
            self.rows[row["kind"], row["from"], row["to"]].append(row)

    def read(self, text: str, files: dict[str, tuple[str, str]]) -> Fields:
        """Return what the commit says of itself; it must be, line by line, what a hub would have written."""
        said = Fields(re.findall(r"(?m)^Hub-(\w+): (.*)$", text))
        need(said.keys() >= set(self.law["trailers"][:10]), "it lacks trailers")
        said["do"], said["from"], said["to"] = re.split(": | -> ", said["Transition"])
        said["wall"], said["boot"], said["mono"] = re.split(" boot=| mono=", said["Now"])
        self.wall = max(self.wall, int(datetime.fromisoformat(said["wall"]).timestamp()))
        self.proposal = files.get(".hub/proposal", ("", self.proposal))[1]
        sure = {"Seq": str(self.seq + 1), "Host": self.host, "Cause": self.proposal}
        name, email = said["Actor"].replace("hub", "hubd"), text.partition("<")[2].partition(">")[0]
        wanted = [text[:45], *(f"parent {parent}" for parent in (self.tip, said["Foreign"]) if parent),
                  f"author {name} <{email}> {self.wall} +0000",
                  f"committer hubd <hubd@{self.host}> {self.wall} +0000", "",
                  f"{said['Document']}: {said['from']} -> {said['to']}", "",
                  *(f"Hub-{key}: {sure.get(key, said[key])}" for key in self.law["trailers"] if key in said), ""]  # fmt: skip
        for line, must in zip_longest(text.split("\n"), wanted, fillvalue="nothing"):
            need(line == must, f"it says `{line}` where a hub writes `{must}`")
        self.cause = self.git.objects((self.proposal, text[5:45]))[self.proposal]
        self.asked = split(self.cause)[0] if DOCUMENT.fullmatch(self.cause) else Fields()
        return said

    def changes(self, files: dict[str, tuple[str, str]], data: dict[str, bytes]) -> tuple[Changes, set[str]]:
        """Return (before, after) of every document that changed, and the paths that are no document's."""
        gone, put, fixed = defaultdict[str, set[str]](set), defaultdict[str, list[Fields]](list), set[str]()
        for path, (old, new) in files.items():
            place = PLACE.fullmatch(path)
            if place is None:
                fixed |= {path} - {".hub/proposal"}
                continue
            if old != NONE:
                need(path in self.at, f"{path} changes, and what is finished never does")
                gone[self.at[path]].add(path)
            if new != NONE:
                doc = split(data[new])[0]
                if place[1] == "cards" or place[2].startswith("card."):  # people's ground: no line of the hub's
                    doc["id"] = f"card.{place[2]}" if place[1] == "cards" else place[2].rpartition(".")[0]
                    doc["state"] = "active" if place[1] == "cards" else "retired"
                text = split(data[new], self.law["kinds"][doc["kind"]]["hub_keys"])[1]
                doc |= {"@text": digest(text), "@hash": digest(doc["id"], text), "@blob": new, "@paths": path}
                put[doc["id"]].append(doc)
        changed = {}
        for id_ in sorted(gone.keys() | put.keys()):
            before, paths = self.docs.get(id_, Fields()), {doc["@paths"] for doc in put[id_]}
            need(paths, f"{id_} is gone, and has not ended")
            stale = set(before["@paths"].split()) - gone[id_] - paths
            need(not stale and len({doc["@blob"] for doc in put[id_]}) == 1, f"{id_} lies in two versions")
            changed[id_] = (before, Fields(put[id_][0] | {"@paths": " ".join(sorted(paths))}))
        return changed, fixed

    def row(self, said: Fields, id_: str, old: Fields, new: Fields) -> dict[str, Any]:
        """Return the row of the table by which a document went from its old to its new state."""
        own, cause = id_ == said["Document"], f"{said['Kind']}.{said['do']}"
        step = new["kind"], old["state"] or "new", new["state"]
        for row in self.rows[step]:
            if (row["by"] and row["do"] == said["do"]) if own else cause in row["follows"]:
                return row
        raise Illegal(f"{id_}: {step[1]} -> {step[2]} is no step of the table that {cause} takes, or that follows it")

    def judge(self, said: Fields, changed: Changes, fixed: set[str]) -> None:
        """Check that the step is in the table, and that somebody who may asked for it."""
        kind, id_, do, actor = said["Kind"], said["Document"], said["do"], said["Actor"]
        before, after = changed.get(id_, (Fields(), Fields()))
        if kind == "config":
            before, after = Fields(state=said["from"]), Fields(kind=kind, state=said["to"])
        row = self.row(said, id_, before, after)
        told = (kind, said["from"], said["to"], "upkeep" * row["upkeep"])
        need(told == (row["kind"], row["from"], row["to"], said["Class"]), f"{id_} does not take the step that is told")
        need(("Refused" in said) == (do == "refuse") and (do == "init") == (self.seq == 0), f"{do} cannot stand here")
        free = {name for name in fixed if do == "init" or (name == SETTINGS) == (actor != "hub") and name != HUB_ID}
        need(not fixed or kind == "config" and fixed == free, f"no step explains {sorted(fixed)}")
        self.asks(said, before, after)
        roles = self.roles(actor, before, after)
        need(roles & set(row["by"]) or do == "refuse", f"{do} is for {', '.join(row['by'])}, and {actor} is {roles}")

    def asks(self, said: Fields, before: Fields, after: Fields) -> None:
        """Check that the proposal was saved where its actor saves, and that it asks for this step."""
        path, do, words, asked = unquote(said["Source"]), said["do"], self.law["words"], self.asked
        top, name, folder = f"{path}//".split("/")[:3]
        own = {"agents": name, "hub": "hub"}.get(top, said["Actor"])
        if path == "hub/self_approval" and self.settings["self_approval"] == "allow":
            own = self.docs[before.root]["from"]
        need(said["Actor"] == own, f"{said['Actor']} cannot have saved {path}")
        need((said["Identity"] == "hub") == (own == "hub"), "Hub-Identity is not how the actor is known")
        live, about = folder in ("inbox", "waiting"), {asked["on"], self.docs.get(asked["on"], after)["key"]}
        if do == "refuse" or said["Kind"] == "config" or top == "cards":
            return
        if not live and asked["kind"] != "request":
            need(asked["kind"] == said["Kind"], f"the proposal is no {said['Kind']}")
            return
        about = {self.at.get(path, "")} if live else about
        on = {after["id"], after["key"], after["key"].removeprefix("pause:"), after["agent"], after["task"]} - {""}
        need(on & about, f"the proposal is not about {after['id']}")
        ticks = [tick.decode() for tick in TICK.findall(self.cause) if live]
        verbs = {words.get(word, word) for word in (*map(asked.get, ("do", "state", "decision", "verdict")), *ticks, "")}
        need(verbs & {do, *self.law["asked_as"].get(do, ())}, f"the proposal does not ask for {do}")
        need(do != "review" or ("approve" in verbs) == (after["state"] == "completed"), "the verdict is another one")

    def owner(self, doc: Fields) -> str:
        task = self.docs.get(doc.root, doc)
        owner = task["owner"].partition("@")[0]
        return {"": task["from"], "owner": task["from"], "operator": self.settings["operator"]}.get(owner, owner)

    def approvers(self, doc: Fields) -> list[str]:
        """Return who may approve: persons, and under not_author not who wrote the round."""
        writer = self.docs[doc.root]["from"] if doc["kind"] == "round" and doc["from"] == "hub" else doc["from"]
        barred = writer if doc["kind"] == "round" and self.settings["not_author"] == "true" else ""
        named = [name for name in names(self.settings["approvers"]) if name != barred]
        return [name for name in named if self.docs.get(f"card.{name}", Fields())["human"] == "true"]

    def roles(self, actor: str, before: Fields, after: Fields) -> set[str]:
        doc, card = before if before["id"] else after, self.docs.get(f"card.{actor}", Fields())
        work = self.docs[doc["assignment"]] if doc["kind"] == "handoff" else doc
        mine = work["from" if doc["kind"] == "lease" else "to"] == actor
        found = {
            "anyone": card["id"], "person": card["human"] == "true", "author": doc["from"] == actor,
            "owner": self.owner(doc) == actor, "approver": actor in self.approvers(doc), "assignee": mine,
            "holder": mine and self.asked["lease"].lstrip("0") == work["lease"],
            "recipient": f"agents/{actor}/inbox/" in before["@paths"],
        }  # fmt: skip
        return {"hub"} if actor == "hub" else {role for role, has in found.items() if has}

    def places(self, doc: Fields, before: Fields, seq: str) -> set[str]:
        """Return where a document lies in its state."""
        id_, there = doc["id"], (before["@paths"] or doc["@paths"]).split()
        folder, _, who = self.law["kinds"][doc["kind"]]["lies"][doc["state"]].partition(" ")
        left = [name for name in self.approvers(doc) if name not in names(doc["approved_by"])]
        if folder == "archive":
            one, two, *_ = hashlib.sha256(id_.partition(".")[0].encode()).digest()
            name = f"{id_}.{seq}" if doc["state"] == "retired" else id_
            return {f"archive/{one % 64:02x}/{two % 64:02x}/{id_.partition('.')[0]}/{name}.md"}
        people = {"owner": [self.owner(doc)], "approvers": left or [self.settings["operator"]], "to": [doc["to"]],
                  "agent": [doc["agent"]], "recipient": [there[0].split("/")[1]]}.get(who, [])  # fmt: skip
        return {f"agents/{name}/{folder}/{id_}.md" for name in people} or {f"cards/{id_[5:]}.md", *there} & {*there}

    def document(self, said: Fields, id_: str, changed: Changes) -> None:
        """Check what became of a document: its place, the hub's lines, and that all else is its author's."""
        (old, new), actor, do = changed[id_], said["Actor"], said["do"] if id_ == said["Document"] else ""
        row, places, saved = self.row(said, id_, old, new), self.places(new, old, said["Seq"]), new["@text"]
        need({*new["@paths"].split()} == places, f"{id_} lies in {new['@paths']}, and belongs in {' '.join(places)}")
        keys, card = self.law["kinds"][new["kind"]]["hub_keys"], id_.startswith("card.")
        if (old["id"] or new["from"] != "hub") and self.asked and self.seq:
            saved = changed[said["Document"]][1]["@text"] if card and not do else digest(split(self.cause, keys)[1])
        given = [*(names(old["approved_by"]) if new["plan"] == old["plan"] else ()), actor]
        musts = {
            "any": new, "same": old, "none": Fields(), "id": id_, "commit": said["Seq"], "hash": new["@hash"],
            "actor": actor, "sender": "hub" if new["from"] == "hub" else actor, "given": f"[{', '.join(given)}]",
            "saved": saved, "read": old["@text"] if old["@text"] == new["@text"] else saved,
        }  # fmt: skip
        for key in ("@text",) if card else (*keys, "@text"):
            must = musts[row["writes"].get(key, "same")]
            must = must if isinstance(must, str) else must[key]
            need(new[key] == must, f"{id_}: `{key}` is `{new[key]}`, and must be `{must}`")
        if do == "approve":
            seen = ("", new["plan"], old["plan"] if self.asked["kind"] == new["kind"] else "")
            need(self.asked["plan"] in seen, f"{actor} has read another plan of {id_}")
            need(actor != "hub" or self.settings["auto_approve"] == "true", "the hub approves without auto_approve")
            enough = new["kind"] != "round" or actor == "hub" or len(given) >= int(self.settings["approvals"])
            need(enough == (new["state"] != old["state"]), f"{id_} is {new['state']}, approved by {given}")
        if do == "expire":
            lease = self.docs[self.at.get(f"leases/{id_}.md", id_)]
            until = (old["until"] or old["deadline"] * (new["state"] == "timed_out")).rstrip("Z")
            out = lease["boot"] == said["boot"] and float(lease["deadline"] or "inf") <= float(said["mono"])
            need(until <= said["wall"] if until else out or said["Observed"], f"{id_}: its time had not come")

    def take(self, id_: str, before: Fields, after: Fields) -> None:
        """Remember a document; a finished one only as long as its family lives."""
        for path in before["@paths"].split():
            del self.at[path]
        family = after["kind"] in ("task", "round", "assignment", "handoff")
        if not family and self.law["kinds"][after["kind"]]["lies"][after["state"]] == "archive":
            del self.docs[id_]
            return
        self.docs[id_] = after
        self.at |= dict.fromkeys(after["@paths"].split(), id_)
        if family:
            self.families[after.root].add(id_)

    def family(self, name: str) -> None:
        """Check that a task, its rounds and their assignments agree; forget them when the task has ended."""
        order = sorted(self.families[name], key=lambda id_: [int(n) for n in re.findall(r"\.[a-z](\d+)", id_)])
        docs = {id_: self.docs[id_] for id_ in order}
        live = {id_ for id_ in order if not docs[id_]["@paths"].startswith("archive/")}
        below = {id_: [child for child in order if child.rpartition(".")[0] == id_] for id_ in order}
        task, rounds = docs[name]["state"], [docs[id_]["state"] for id_ in below[name] if id_ in live]
        need(rounds == [task] * (task != "draft" and name in live), f"{name} is {task}, its live rounds are {rounds}")
        for id_, doc in docs.items():
            if doc["kind"] == "round":
                busy, hands = live & {*below[id_]}, [hand for work in below[id_] for hand in below[work]]
                need((doc["state"] == "dispatched") == bool(busy), f"{id_} is {doc['state']}, and {busy or 'nothing'} goes on")
                need(id_ in live or not live & {*hands}, f"{id_} has ended, and {live & {*hands}} is not settled")
                if doc["state"] == "awaiting_review":
                    need(doc["handoffs"] == self.bound(below, id_), f"{id_}: `handoffs` is not their hash")
            if doc["kind"] == "assignment":
                lease = self.docs.get(self.at.get(f"leases/{id_}.md", ""), Fields())
                held = (doc["to"], doc["lease"]) if doc["state"] in HELD else ("", "")
                need((lease["from"], lease["lease"]) == held, f"{id_} is {doc['state']}, its lease {lease['lease'] or 'none'}")
        for id_ in self.families.pop(name) if name not in live else ():
            del self.at[self.docs.pop(id_)["@paths"]]

    def bound(self, below: dict[str, list[str]], id_: str) -> str:
        """Return the hash of how each assignment of a round ended, and of what was handed off."""
        given, keys = list[bytes | str](), self.law["kinds"]["handoff"]["hub_keys"]
        for work in below[id_]:
            given += [work, self.docs[work]["state"]]
            for hand in below[work]:
                blob = self.docs[hand]["@blob"]
                given += [hand, split(self.git.objects((blob,))[blob], keys)[1]]
        return digest(*given)


def verify(
    path: str | Path, rev: str | None = None, anchor: str | None = None, progress: Callable[[int], None] | None = None
) -> Result:
    """Check every commit of a branch (refs/hub/main, else HEAD) until one is not in order. Raises NoLedger."""
    git = Git(Path(path))
    tip, oid, history = git.commit(rev) if rev else git.commit("refs/hub/main") or git.commit("HEAD"), "", History(git)
    missing = git.commit(anchor) or anchor if anchor else None
    try:
        if not tip:
            raise NoLedger(f"{path} has no {rev or 'history'}")
        for oid, rows in git.log(tip):
            history.check(oid, rows)
            missing = missing if missing != oid else None
            if progress:
                progress(history.seq)
        need(missing is None, f"the anchor {anchor} is not in this history")
    except (Illegal, LookupError, ValueError, TypeError) as bad:
        reason = str(bad) if isinstance(bad, Illegal) else f"it cannot be read: {bad!r}"
        first = {"seq": history.seq + 1, "commit": oid if oid != history.tip else "", "reason": reason}
        return Result(False, history.seq, history.transitions, first)
    finally:
        git.batch.communicate()
    return Result(True, history.seq, history.transitions, None)


if __name__ == "__main__":
    result = verify(sys.argv[1], *sys.argv[2:4])
    sys.stdout.write(json.dumps(result.as_json()) + "\n")
    sys.exit(not result.ok)
