"""Check the history of a mailbox: `verify(path)`, or `python -m hubd.verify PATH [REV [ANCHOR]]`.

Guarantee: independent. Nothing of hubd is imported; what is legal comes from the history's own contract, from
hub.yaml and the cards, each in force from the commit after its own; every object read is hashed again.
Rule 1: git only lists and reads, deaf to hooks, filters, replacements, grafts and configuration. Rule 2: what
cannot be read is not legal; only what lives is remembered. Not proved: see "Verification" in SPEC.md.
"""

# fmt: off
from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

NONE, NULL, HELD = "0" * 40, "/dev/null", ("claimed", "in_progress", "input_required")
HUB_ID, TABLE, SETTINGS = ".hub/id", "contract/schema/transitions.json", "hub.yaml"
DOCUMENT = re.compile(  # opening fence, header, closing fence, (the hub's block,) everything after
    rb"((?:\xef\xbb\xbf)?---\r?\n)(.*?)(^---(?=\r?\n|\Z))"
    rb"(?:\r?\n<!-- hub -->\r?\n.*?^<!-- /hub -->(?=\r?\n|\Z))?(.*)", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(rb"""(?m)^["']?([a-z][\w-]*)["']? *:([^\n]*\n(?:[ -][^\n]*\n|\r?\n(?=(?:\r?\n)* ))*)""")
PLACE = re.compile(r"(agents/[a-z0-9-]+/(?:inbox|waiting)|cards|leases|archive/../../[^/]+)/([^/]+)\.md")
TICK, NAME = re.compile(rb"(?m)^\s*[-*+]\s+\[[xX]\]\s+([^\s(:.,]+)"), re.compile("[a-z0-9][a-z0-9-]*")
GIT = {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_NOSYSTEM": "1", "GIT_NO_REPLACE_OBJECTS": "1",
       "GIT_CONFIG_GLOBAL": NULL, "GIT_GRAFT_FILE": NULL, "HOME": NULL, "GIT_ALLOW_PROTOCOL": "none"}
OPTIONS = ("--git-dir=.", "-c", "core.commitGraph=false", "-c", "core.quotePath=false")
LOG = ("log", "--first-parent", "--diff-merges=first-parent", "--reverse", "--root", "--raw", "-r", "-t",
       "--no-renames", "--no-abbrev", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--format=%H")
Changes: TypeAlias = "dict[str, tuple[Fields, Fields]]"  # before (empty if new) and after, by id
Progress = Callable[[int], None]  # is told how many commits are in order

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
    """A document's fields as text; of its bytes @text and @hash (of its author's), @blob; @paths; @task."""

    def __missing__(self, key: str) -> str:
        return ""

def need(holds: object, reason: str) -> None:
    if not holds:
        raise Illegal(reason)

def split(data: bytes, hub_keys: Iterable[str] = ()) -> tuple[Fields, bytes]:
    """Return a document's fields (of a list, all behind the colon), and the bytes that are its author's."""
    found = DOCUMENT.fullmatch(data)
    need(found, "what should be a document is none")
    opening, lines, fence, rest = found.groups() if found else ()
    own = ENTRY.sub(lambda line: b"" if line[1].decode() in hub_keys else line[0], lines)
    pairs = ENTRY.findall(re.sub(rb"(?m)^ *#.*\n", b"", lines))
    values = {key.decode(): text.decode(errors="replace").strip().strip("\"'")[:2000] for key, text in pairs}
    return Fields(values), opening + own + fence + rest

def digest(*texts: bytes) -> str:
    return hashlib.sha256(b"".join(b"%d:%s" % (len(text), text) for text in texts)).hexdigest()[:16]

class Git:
    """One process that lists commits, and one that hands out objects; deaf to what anybody configured."""

    def __init__(self, path: Path) -> None:
        self.dir = next((folder for folder in (path / ".git", path) if (folder / "HEAD").is_file()), None)
        if self.dir is None:
            raise NoLedger(f"no git repository in {path}")
        self.batch = self.start("cat-file", "--batch")

    def start(self, *ask: str) -> Popen[bytes]:
        return Popen(["git", *OPTIONS, *ask], cwd=self.dir, env=GIT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)

    def commit(self, name: str) -> str:
        ask = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return self.start(*ask).communicate()[0].decode().strip().rpartition("\n")[2]

    def log(self, tip: str) -> Iterator[tuple[str, list[list[str]]]]:
        """Yield (commit, [old mode, mode, old object, object, path] of what changed), the oldest first."""
        head, rows = "", list[list[str]]()
        with self.start(*LOG, tip, "--") as git:
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
        batch, found, wanted = cast(Any, self.batch), dict[str, bytes](), [*{*ids}]
        for start in range(0, len(wanted), 200):
            batch.stdin.write("".join(f"{oid}\n" for oid in wanted[start : start + 200]).encode())
            batch.stdin.flush()
            for oid in wanted[start : start + 200]:
                head = batch.stdout.readline().split()
                need(len(head) == 3, f"bytes are gone: object {oid}")
                found[oid] = batch.stdout.read(int(head[2]) + 1)[:-1]
                name = hashlib.sha1(b"%s %s\0" % (head[1], head[2]) + found[oid]).hexdigest()
                need(name == oid, f"altered: object {oid} holds other bytes than its name says")
        return found

class History:
    """What is true after the commits checked so far. `check` takes one more, or raises Illegal."""

    def __init__(self, git: Git) -> None:
        self.git, self.seq, self.transitions, self.wall = git, 0, 0, 0
        self.tip = self.host = self.proposal = ""
        self.docs, self.at = dict[str, Fields](), dict[str, str]()  # live, or of a live family
        self.families, self.runs = defaultdict[str, set[str]](set), dict[str, Fields]()

    def check(self, oid: str, rows: list[list[str]]) -> None:
        data = self.git.objects((oid, *(row[3] for row in rows if row[3] != NONE)))
        files = {path: (old, new) for was, mode, old, new, path in rows if "040000" not in (was, mode)}
        need({row[1] for row in rows} <= {"000000", "040000", "100644"}, "it holds what is no plain file")
        if not self.tip:
            self.law = json.loads(data[files[TABLE][1]])
            self.settings, self.host = self.law["defaults"], data[files[HUB_ID][1]].decode().split()[-1]
        said = self.read(data[oid].decode(), files)
        changed, fixed = self.changes(files, data)
        self.judge(said, *changed.get(said["Document"], (Fields(), Fields())), fixed)
        if SETTINGS in fixed:  # where documents lie follows the new settings at once
            self.settings = self.law["defaults"] | split(b"---\n" + data[files[SETTINGS][1]] + b"\n---\n")[0]
        for id_ in changed:
            self.document(said, id_, changed)
        for path in [path for before, _ in changed.values() for path in before["@paths"].split()]:
            del self.at[path]
        for id_, (_, after) in changed.items():
            self.docs[id_], family = after, after["kind"] in ("task", "round", "assignment", "handoff")
            if family:
                self.families[after["@task"]].add(id_)
            elif after["@paths"].startswith("archive/"):
                del self.docs[id_]
            self.at |= dict.fromkeys(after["@paths"].split() if id_ in self.docs else (), id_)
        live = (self.docs.get(id_, Fields()) for id_ in self.runs.keys() | changed.keys())
        self.runs = {doc["id"]: doc for doc in live if doc["kind"] == "run"}
        for name in {after["@task"] for _, after in changed.values()} & self.families.keys():
            self.family(name)
        if TABLE in fixed:
            self.law = json.loads(data[files[TABLE][1]])
        self.seq, self.tip, self.transitions = self.seq + 1, oid, self.transitions + max(1, len(changed))

    def read(self, text: str, files: dict[str, tuple[str, str]]) -> Fields:
        """Return what the commit says of itself; it must be, line by line, what a hub would have written."""
        said = Fields(re.findall(r"(?m)^Hub-(\w+): (.*)$", text))
        said["do"], said["from"], said["to"] = re.split(": | -> ", said["Transition"])
        said["wall"], said["boot"], said["mono"] = re.split(" boot=| mono=", said["Now"])
        self.wall = max(self.wall, int(datetime.fromisoformat(said["wall"]).timestamp()))
        self.proposal = files.get(".hub/proposal", ("", self.proposal))[1]
        sure = {"Seq": str(self.seq + 1), "Host": self.host, "Cause": self.proposal}
        name = {"hub": "hubd"}.get(said["Actor"], said["Actor"])
        keys = [key for n, key in enumerate(self.law["trailers"]) if n < 10 or key in said]
        wanted = [text[:45], *(f"parent {parent}" for parent in (self.tip, said["Foreign"]) if parent),
                  f"author {name} <{text.partition('<')[2].partition('>')[0]}> {self.wall} +0000",
                  f"committer hubd <hubd@{self.host}> {self.wall} +0000", "",
                  f"{said['Document']}: {said['from']} -> {said['to']}", "",
                  *(f"Hub-{key}: {sure.get(key, said[key])}" for key in keys), ""]
        for line, must in zip_longest(text.split("\n"), wanted, fillvalue="nothing"):
            need(line == must, f"it says `{line}` where a hub writes `{must}`")
        self.cause = self.git.objects((self.proposal, text[5:45]))[self.proposal]
        self.asked = split(self.cause)[0] if DOCUMENT.fullmatch(self.cause) else Fields()
        return said

    def changes(self, files: dict[str, tuple[str, str]], data: dict[str, bytes]) -> tuple[Changes, set[str]]:
        """Return (before, after) of every document that changed, and the paths that are no document's."""
        gone, put, fixed = defaultdict[str, set[str]](set), defaultdict[str, list[Fields]](list), set[str]()
        for path, (old, new) in files.items():
            if (place := PLACE.fullmatch(path)) is None:
                fixed |= {path} - {".hub/proposal"}
                continue
            if old != NONE:
                need(path in self.at, f"{path} changes, and what is finished never does")
                gone[self.at[path]].add(path)
            if new != NONE:
                doc, (top, stem) = split(data[new])[0], place.groups()
                card = {"cards": (f"card.{stem}", "active")}.get(top, (stem.rpartition(".")[0], "retired"))
                if card[0].startswith("card."):  # people's ground: no line of the hub stands there
                    doc["id"], doc["state"] = card
                text = split(data[new], self.law["kinds"][doc["kind"]]["hub_keys"])[1]
                doc |= {"@text": digest(text), "@hash": digest(doc["id"].encode(), text)}
                about = (doc["key"] or doc["assignment"] or doc["id"]).partition(".")[0]
                doc |= {"@blob": new, "@paths": path, "@task": about}
                put[doc["id"]].append(doc)
        changed = {}
        for id_ in sorted(gone.keys() | put.keys()):
            before, paths = self.docs.get(id_, Fields()), {doc["@paths"] for doc in put[id_]}
            need(paths, f"{id_} is gone, and has not ended")
            stale = {*before["@paths"].split()} - gone[id_] - paths
            need(not stale and len({doc["@blob"] for doc in put[id_]}) == 1, f"{id_} lies in two versions")
            changed[id_] = (before, Fields(put[id_][0] | {"@paths": " ".join(sorted(paths))}))
        return changed, fixed

    def row(self, said: Fields, id_: str, old: Fields, new: Fields) -> dict[str, Any]:
        """Return the row of the table by which a document went from its old to its new state."""
        do, cause = said["do"] if id_ == said["Document"] else "", f"{said['Kind']}.{said['do']}"
        step = new["kind"], old["state"] or "new", new["state"]
        rows = [row for row in self.law["transitions"] if step == (row["kind"], row["from"], row["to"])]
        rows = [row for row in rows if (row["do"] == do and row["by"] if do else cause in row["follows"])]
        need(rows, f"{id_}: {step[1]} -> {step[2]} is no step that the table has for {cause}")
        return dict(rows[0])

    def judge(self, said: Fields, old: Fields, new: Fields, fixed: set[str]) -> None:
        """Check the commit's own step: it is in the table, somebody who may asked for it, where they save."""
        kind, do, actor, asked, words = said["Kind"], said["do"], said["Actor"], self.asked, self.law["words"]
        if config := kind == "config":
            old, new = Fields(state=said["from"].replace("new", "")), Fields(kind=kind, state=said["to"])
        row, path = self.row(said, said["Document"], old, new), unquote(said["Source"])
        claims = kind, said["from"], said["to"], said["Class"], "Refused" in said, self.seq == 0
        truth = row["kind"], row["from"], row["to"], "upkeep" * row["upkeep"], do == "refuse", do == "init"
        need(claims == truth, f"the commit says {claims}, its documents and the table {truth}")
        stray = {path for path in fixed if (path == SETTINGS) == (actor == "hub") or path == HUB_ID}
        need(not fixed if not config else do == "init" or not stray, f"no step explains {sorted(fixed)}")
        top, name, folder = f"{path}//".split("/")[:3]
        own = {"agents": name, "hub": "hub"}.get(top, actor)
        if path == "hub/self_approval" and self.settings["self_approval"] == "allow":
            own = self.docs[old["@task"]]["from"]
        known = (said["Identity"] == "hub") == (actor == "hub")
        need(actor == own and known, f"{actor} did not save {path}, or is not known so")
        need(do == "refuse" or self.roles(actor, old, new) & {*row["by"]}, f"{actor} is none of {row['by']}")
        live, free = folder in ("inbox", "waiting"), do == "refuse" or config or top == "cards"
        need(free or live or asked["kind"] in ("request", kind), f"the proposal is no {kind}")
        if free or not (live or asked["kind"] == "request"):
            return
        about = {self.at.get(path, "")} if live else {asked["on"], self.docs.get(asked["on"], new)["key"]}
        on = {new["id"], new["key"], new["key"].removeprefix("pause:"), new["agent"], new["task"]}
        need((on | {actor * (do == "present")}) - {""} & about, f"the proposal is not about {new['id']}")
        ticks = [tick.decode() for tick in TICK.findall(self.cause) if live]
        told = (asked[key] for key in ("do", "state", "decision", "verdict"))
        verbs = {words.get(word, word) for word in (*ticks, *told, "")}
        also = self.law["asked_as"]
        need(verbs & {*(also.get(f"{do} {new['state']}") or [do, *also.get(do, ())])}, f"nobody asked {do}")

    def people(self, doc: Fields) -> dict[str, set[str]]:
        """Return who has which role towards a document, as far as documents say."""
        task, kind, settings = self.docs.get(doc["@task"], doc), doc["kind"], self.settings
        owner = task["owner"].partition("@")[0]
        owner = {"": task["from"], "owner": task["from"], "operator": settings["operator"]}.get(owner, owner)
        writer = task["from"] if doc["from"] == "hub" else doc["from"]
        barred = {writer} if kind == "round" and settings["not_author"] == "true" else set()
        named = {*NAME.findall(settings["approvers"])} - barred
        approvers = {name for name in named if self.docs.get(f"card.{name}", Fields())["human"] == "true"}
        found = {"author": doc["from"], "owner": owner, "assignee": doc["to"], "agent": doc["agent"]}
        return {"approver": approvers, **{role: {name} for role, name in found.items()}}

    def roles(self, actor: str, old: Fields, new: Fields) -> set[str]:
        doc, card = old if old["id"] else new, self.docs.get(f"card.{actor}", Fields())
        held = self.docs[doc["assignment"]] if doc["kind"] == "handoff" else doc
        mine = actor == held["from" if doc["kind"] == "lease" else "to"]
        other = {"anyone": card["id"], "person": card["human"] == "true",
                 "holder": mine and self.asked["lease"].lstrip("0") == held["lease"],
                 "recipient": f"agents/{actor}/inbox/" in old["@paths"]}
        found = {role for role, who in self.people(doc).items() if actor in who}
        return {"hub"} if actor == "hub" else found | {role for role, has in other.items() if has}

    def place(self, doc: Fields, old: Fields, seq: str) -> set[str]:
        id_, there, root = doc["id"], {*(old["@paths"] or doc["@paths"]).split()}, doc["id"].partition(".")[0]
        folder, _, who = self.law["kinds"][doc["kind"]]["lies"][doc["state"]].partition(" ")
        if folder == "archive":
            one, two, *_ = hashlib.sha256(root.encode()).digest()
            name = f"{id_}.{seq}" if doc["state"] == "retired" else id_
            return {f"archive/{one % 64:02x}/{two % 64:02x}/{root}/{name}.md"}
        if not who:
            return there if folder == "leases" else {f"cards/{id_[5:]}.md"}
        people = self.people(doc).get(who, {path.split("/")[1] for path in there})
        left = people - {*NAME.findall(doc["approved_by"])} or {self.settings["operator"]}
        return {f"agents/{name}/{folder}/{id_}.md" for name in (left if who == "approver" else people)}

    def document(self, said: Fields, id_: str, changed: Changes) -> None:
        """Check what became of a document: its place, the hub's lines, and that all else is its author's."""
        (old, new), actor, do = changed[id_], said["Actor"], said["do"] if id_ == said["Document"] else ""
        row, place, saved = self.row(said, id_, old, new), self.place(new, old, said["Seq"]), new["@text"]
        need({*new["@paths"].split()} == place, f"{id_} lies in {new['@paths']}, and belongs in {place}")
        keys, card = self.law["kinds"][new["kind"]]["hub_keys"], id_.startswith("card.")
        if card and not do and self.seq:
            saved = changed[said["Document"]][1]["@text"]
        elif (old["id"] or new["from"] != "hub") and self.asked:
            saved = digest(split(self.cause, keys)[1])
        given = [*(NAME.findall(old["approved_by"]) if new["plan"] == old["plan"] else ()), actor]
        musts = {"id": id_, "commit": said["Seq"], "hash": new["@hash"], "actor": actor, "saved": saved,
            "sender": "hub" if new["from"] == "hub" else actor, "given": f"[{', '.join(given)}]",
            "read": saved if self.asked["kind"] == new["kind"] else old["@text"], "run": said["Document"],
            "now": said["wall"][:19] + "Z"}
        for key in ("@text",) if card else (*keys, "@text"):
            how = row["writes"].get(key, "same")
            must = {"any": new[key], "live": new[key], "same": old[key]}.get(how) or musts.get(how, "")
            need(new[key] == must, f"{id_}: `{key}` is `{new[key]}`, and must be `{must}`")
        by = [self.docs[one] for one in self.families.get(new["@task"], ()) if new["from"] == "hub"]
        by += [Fields(run, run=run["id"]) for run in self.runs.values() if run["agent"] == new["from"]]
        written = (new["run"], new["depth"]) in [(doc["run"], doc["depth"]) for doc in by or [Fields()]]
        need(old["id"] or "run" not in keys or written, f"{id_} was not written in run `{new['run']}`")
        if not do and row["do"] in ("claim", "show", "unshow", "give-back", "give-up"):
            run, mine = changed[said["Document"]][1], new if row["do"] in ("claim", "show") else old
            there = f"agents/{run['agent']}/inbox/" in mine["@paths"] or row["do"] == "unshow"
            own = run["id"] in (mine["worker"], mine["shown"]) and new["shown"] in ("", run["id"])
            need(there and own, f"{id_} is not what {run['id']} is for")
        if row["do"] == "present":
            hit = b"\\" in self.cause or id_ in re.split(r"[^\w.-]+", self.cause.decode())
            hit = hit and f"agents/{actor}/inbox/" in old["@paths"] and self.asked["on"] == actor
            need(hit and not old["presented"], f"{id_} was not presented to {actor}, or before")
        above, work = id_.rpartition(".")[0], self.docs.get(new["assignment"], Fields())
        fits = [work["id"], work["lease"], work["to"]] == [above, new["lease"].lstrip("0"), actor]
        need(old["id"] or not new["assignment"] or (fits and above in changed), f"{id_} does not fit {above}")
        if row["do"] == "create":
            text = self.git.objects((changed[said["Document"]][1]["@blob"],)).popitem()[1]
            plan, goal = re.sub(rb"[\s\"']", b"", text), re.sub(r"[\s\\\"']", "", new["goal"]).encode()
            need(goal in plan or b"\\" in plan, f"{id_}: its goal is not in the plan")
        if do == "approve":
            read = self.asked["kind"] == new["kind"] or self.asked["plan"] in ("", new["plan"])
            need(read, f"{actor} has read another plan of {id_}")
            need(actor != "hub" or said["Observed"] == "auto_approve", "it is not by auto_approve")
            enough = new["kind"] == "agent" or actor == "hub" or len(given) >= int(self.settings["approvals"])
            need(enough == (new["state"] != old["state"]), f"{id_} is {new['state']}, approved by {given}")
        if do == "expire":
            lease = self.docs[self.at.get(f"leases/{id_}.md", id_)]
            until = (old["until"] or old["deadline"] * (new["state"] == "timed_out")).rstrip("Z")
            out = lease["boot"] == said["boot"] and float(lease["deadline"] or "inf") <= float(said["mono"])
            need(until <= said["wall"] if until else out or said["Observed"], f"{id_}: its time had not come")

    def family(self, name: str) -> None:
        """Check that a task, its rounds and their assignments agree; forget them when the task has ended."""
        order = sorted(self.families[name], key=lambda id_: [*map(int, re.findall(r"\.[a-z](\d+)", id_))])
        docs, keys = {id_: self.docs[id_] for id_ in order}, self.law["kinds"]["handoff"]["hub_keys"]
        live = {id_ for id_ in order if not docs[id_]["@paths"].startswith("archive/")}
        below = {id_: [child for child in order if child.rpartition(".")[0] == id_] for id_ in order}
        state, rounds = docs[name]["state"], [docs[id_]["state"] for id_ in below[name] if id_ in live]
        need(rounds == [state] * (state != "draft" and name in live), f"{name} is {state}, not {rounds}")
        for id_, doc in docs.items():
            state, kind = doc["state"], doc["kind"]
            if kind == "round":
                hands = [hand for work in below[id_] for hand in below[work]]
                need((state == "dispatched") == bool(live & {*below[id_]}), f"{id_} is {state}, its work not")
                need(id_ in live or not live & {*hands}, f"{id_} has ended, and {hands} are not settled")
            if kind == "round" and state == "awaiting_review":
                blobs, bound = self.git.objects(docs[hand]["@blob"] for hand in hands), list[bytes]()
                for work in below[id_]:
                    bound += [work.encode(), docs[work]["state"].encode()]
                    for hand in below[work]:
                        bound += [hand.encode(), split(blobs[docs[hand]["@blob"]], keys)[1]]
                need(doc["handoffs"] == digest(*bound), f"{id_}: `handoffs` is not their hash")
            if kind == "assignment":
                lease, asks = self.docs.get(self.at.get(f"leases/{id_}.md", ""), Fields()), doc["question"]
                held = (doc["to"], doc["lease"]) if state in HELD else ("", "")
                need((lease["from"], lease["lease"]) == held, f"{id_} is {state}, its lease is not")
                need((asks in self.docs) == (state == "input_required"), f"{id_} is {state}, not {asks}")
                need(state != "completed" or below[id_], f"{id_} is completed without a handoff")
        for id_ in self.families.pop(name) if name not in live else ():
            del self.at[self.docs.pop(id_)["@paths"]]

def verify(
    path: str | Path, rev: str | None = None, anchor: str | None = None, progress: Progress | None = None
) -> Result:
    """Check the commits of a branch (refs/hub/main, else HEAD) until one is not in order. Raises NoLedger."""
    git, oid, bad = Git(Path(path)), "", ""
    history, anchors = History(git), {git.commit(anchor) or anchor} if anchor else set()
    try:
        tip = git.commit(rev) if rev else git.commit("refs/hub/main") or git.commit("HEAD")
        if not tip:
            raise NoLedger(f"{path} has no {rev or 'history'}")
        for oid, rows in git.log(tip):
            history.check(oid, rows)
            anchors -= {oid}
            (progress or int)(history.seq)
        need(not anchors, f"the anchor {anchor} is not in this history")
    except (Illegal, LookupError, ValueError, TypeError, AttributeError, OSError) as error:
        bad = str(error) if isinstance(error, Illegal) else f"it cannot be read: {error!r}"
    finally:
        git.batch.communicate()
    first = {"seq": history.seq + 1, "commit": oid if oid != history.tip else "", "reason": bad}
    return Result(not bad, history.seq, history.transitions, first if bad else None)

if __name__ == "__main__":
    sys.stdout.write(json.dumps((result := verify(*sys.argv[1:4])).as_json()) + "\n")  # type: ignore[arg-type]
    sys.exit(not result.ok)
