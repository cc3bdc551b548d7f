"""The blocks of assignments, handoffs, questions and messages: what is to be done, asked and told."""

from __future__ import annotations

from hubd.core.block.handed import evidence, found
from hubd.core.block.planning import came_before
from hubd.core.block.quoting import Page, fence, inline, request, sample
from hubd.core.document import quote
from hubd.core.effect import Doc
from hubd.core.model import Kind

_NOW = "**What you can do now.** "


def assignment(page: Page, doc: Doc) -> str:
    """Return an assignment that stands alone: all that its assignee needs, who may remember nothing."""
    view = page.view
    task, round_ = view.need_task(doc), view.get(doc.text("round"))
    goal = page.line(doc.text("goal"))
    parts = [f"Assignment `{doc.id}` for {doc.text('to')}, attempt {doc.text('attempt')}: {goal}"]
    parts.append(f"It is part of task `{task.id}`: {page.line(task.text('title'))}")
    if task.document.body.strip():
        parts.append("The task says:\n\n" + page.quote(task.document.body))
    if round_ is not None and round_.document.body.strip():
        parts.append("The plan says:\n\n" + page.quote(round_.document.body))
    if doc.text("deadline"):
        parts.append(f"It times out at {doc.text('deadline')}.")
    parts.extend(_after(page, doc))
    earlier = [r for r in view.children(task.id, Kind.ROUND) if r.id != doc.text("round")]
    if earlier:
        parts.append(came_before(page, earlier[-1]))
    parts.extend(_tried(page, doc))
    parts.extend(_answers(page, doc))
    parts.append(_now(doc))
    return "\n\n".join(parts)


def _after(page: Page, doc: Doc) -> list[str]:
    """What it comes after, with what was handed off there."""
    parts = []
    for id_ in doc.texts("after"):
        known, handoffs = page.view.get(id_), page.view.children(id_, Kind.HANDOFF)
        if known is None:
            continue
        if handoffs:
            said = evidence(page, handoffs[-1])
            parts.append(f"It comes after `{id_}` ({known.text('to')}), which handed off:\n\n{said}")
        else:
            parts.append(f"It comes after `{id_}` ({known.text('to')}), which is {known.state}.")
    return parts


def _tried(page: Page, doc: Doc) -> list[str]:
    """What earlier attempts left."""
    parts = []
    if doc.text("note"):
        parts.append("What was noted last:\n\n" + page.quote(doc.text("note")))
    handoffs = page.view.children(doc.id, Kind.HANDOFF)
    if handoffs:
        parts.append("An earlier attempt handed off:\n\n" + evidence(page, handoffs[-1]))
    return parts


def _answers(page: Page, doc: Doc) -> list[str]:
    """The questions that were asked about it, with their answers."""
    parts = []
    for asked in page.view.children(doc.id, Kind.QUESTION):
        title = page.line(asked.text("title"))
        if asked.state == "open":
            parts.append(f"It waits for the answer to `{asked.id}`: {title}")
        else:
            answer = page.quote(asked.text("answer") or "no answer")
            parts.append(f"Your question `{asked.id}` ({title}) was {asked.state}:\n\n{answer}")
    return parts


def _now(doc: Doc) -> str:
    to = doc.text("to")
    if doc.state == "waiting":
        return f"{_NOW}Nothing yet: it comes to your inbox when what it comes after is completed."
    if doc.state == "input_required":
        back = request(to, "cancel", doc.text("question"))
        return (
            f"{_NOW}Nothing yet: its clock stands still until the question is answered. Or cancel it: {back}"
        )
    if doc.state == "pending":
        stopped = ""
        if doc.text("shown"):
            stopped = f"`{doc.text('shown')}`, which was started for it, was stopped: nobody is started for "
            stopped += "it again until a person asks for that (`do: start`). "
        return (
            f"{_NOW}{stopped}Claim it: in `agents/{to}/inbox/{doc.id}.md` change `state: pending` to `state: "
            "claimed`, add a line `worker:` with a word of your own, and save. Then read the file again: the "
            "work is yours only when it shows your own worker beside a `lease:` number.\n\n"
            f"Or decline it: {request(to, 'fail', doc.id, 'note: Why')}"
        )
    lease = f"lease: {doc.text('lease')}"
    handoff = sample(
        f"agents/{to}/outbox/handoff-{doc.id}.md",
        "kind: handoff", f"assignment: {doc.id}", lease, "outcome: done",
        "summary: One line that says what was done", "branch: the-branch", "commit: 0123abc",
        "changed_files: [a.py, b.py]", 'tests_run: ["pytest: 3 passed"]', "risks: none known",
        "next_steps: none", body="Longer notes.",
    )  # fmt: skip
    ask = sample(
        f"agents/{to}/outbox/question-{doc.id}.md",
        "kind: question", "title: What must I know?", f"assignment: {doc.id}", lease, "choices: [one, other]",
        body="What I know, why I ask.",
    )  # fmt: skip
    report = request(to, "progress", doc.id, lease, "note: How far it is")
    held = f"It is held by worker {inline(doc.text('worker') or '-')} under lease {doc.text('lease')}."
    return "\n\n".join(
        (
            f"{_NOW}{held} Hand off (outcome: done, partial or blocked; leave out what you do not have): "
            f"{handoff}",
            f"Say how far it is, which also renews the lease: {report}",
            f"Ask, which stops the clock: {ask}",
            "Give it back, or give up: a request like the second one with `do: release` or `do: fail`.",
        )
    )


def handoff(page: Page, doc: Doc) -> str:
    """Return what a handoff is, and what the hub found of it."""
    where = doc.id.rpartition(".a")[0]
    said = f"Handoff `{doc.id}`. The review of round `{where}` settles it; nothing is to be done to it alone."
    return "\n\n".join((said, *found(page, doc)))


def question(page: Page, doc: Doc) -> str:
    """Return a question for the one who is asked."""
    parts = [f"{doc.text('from')} asks: {page.line(doc.text('title'))}"]
    waits = page.view.get(doc.text("assignment")) if doc.text("assignment") else None
    if waits is not None:
        parts.append(f"`{waits.id}` waits for the answer: {page.line(waits.text('goal'))}")
    if doc.text("until"):
        default = f" The answer is then: {page.line(doc.text('default'))}" if doc.text("default") else ""
        parts.append(f"It expires at {doc.text('until')}.{default}")
    choices = "\n".join(f"- [ ] {inline(c)}" for c in doc.texts("choices"))
    parts.append(
        "Tick one answer and save, or write under Answer." if choices else "Write the answer below and save."
    )
    if choices:
        parts.append(choices)
    return "\n\n".join((*parts, "Answer:"))


def message(doc: Doc) -> str:
    """Return how a message is read and replied to."""
    sender = doc.text("from")
    read = "When you have read it, delete this file, or change `state: unread` to `state: read`."
    if sender == "hub":
        return f"From the hub. {read}"
    subject = f"subject: {quote(('Re: ' + doc.text('subject'))[:400])}"
    lines = "\n".join(
        ("---", "kind: message", f"to: {sender}", subject, f"reply_to: {doc.id}", "---", "Text")
    )
    return f"From {sender}. {read} To reply, save in your outbox:\n\n{fence(lines, 'markdown')}"
