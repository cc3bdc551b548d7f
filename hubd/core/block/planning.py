"""The blocks of tasks, rounds and proposed cards: what is planned, approved and reviewed."""

from __future__ import annotations

import difflib

from hubd.core.block.handed import evidence, merging
from hubd.core.block.quoting import Page, after, can, plan_items, plan_lines, request, sample, table
from hubd.core.block.starting import starts
from hubd.core.effect import Doc
from hubd.core.model import KINDS, Kind

_APPROVAL = "- [ ] approve\n- [ ] reject (say why below)\n\nNote:"
_REVIEW = "- [ ] approved\n- [ ] changes_requested (say what below)\n\nNote:"


def boxes(doc: Doc) -> str:
    """Return the boxes of what waits for a decision, or nothing."""
    if doc.state in ("awaiting_approval", "proposed"):
        return f"Tick one box and save.\n\n{_APPROVAL}"
    return f"Tick one box and save.\n\n{_REVIEW}" if doc.state == "awaiting_review" else ""


# tasks


def task(page: Page, doc: Doc) -> str:
    """Return what the owner of a task needs to plan it, or where it stands."""
    view = page.view
    owner = view.owner(doc)
    rounds = view.children(doc.id, Kind.ROUND)
    if doc.state != "draft":
        where = f" Round `{rounds[-1].id}` is {rounds[-1].state}." if rounds else ""
        return f"Task `{doc.id}` is {doc.state}.{where}\n\n{can(doc)}"
    parts = [f"Task `{doc.id}` is yours to plan: {page.line(doc.text('title'))}"]
    if rounds:
        parts.append(came_before(page, rounds[-1]))
    names = sorted(n for n in view.state.cards if n != owner and not view.state.is_person(n))
    if names:
        cards = view.state.cards
        rows = [(n, ", ".join(cards[n].texts("capabilities")) or "-", str(view.state.load(n))) for n in names]
        parts.append("Who could do it:\n\n" + table(("agent", "capabilities", "has now"), rows))
    left = view.settings.number("max_rounds") - doc.number("rounds")
    if left > 0:
        plan = sample(
            f"agents/{owner}/outbox/plan-{doc.id}.md",
            "kind: round", f"task: {doc.id}", "assignments:", f"  - to: {names[0] if names else owner}",
            "    goal: What is to be done", "  - to: any:review", "    goal: Review it", "    after: [1]",
            body="Why this split, what to watch for.",
        )  # fmt: skip
        parts.append(f"**What you can do now.** Plan a round: {plan}")
    else:
        parts.append("**What you can do now.** It has had all its rounds (`max_rounds` in hub.yaml).")
    parts.append(f"Or close it: {request(owner, 'close', doc.id, 'note: Why')}")
    return "\n\n".join(parts)


def came_before(page: Page, round_: Doc) -> str:
    """Return how the last round ended, what was said, and what was handed off."""
    parts = [f"Round `{round_.id}` ended as {round_.state}."]
    if round_.text("note"):
        parts.append("The note that came with it:\n\n" + page.quote(round_.text("note")))
    done = outcomes(page, round_)
    if done:
        parts.append("What was handed off:\n\n" + done)
    return "\n\n".join(parts)


def outcomes(page: Page, round_: Doc) -> str:
    """Return a round's assignments with how they ended."""
    rows = []
    for assignment in page.view.children(round_.id, Kind.ASSIGNMENT):
        handoffs = page.view.children(assignment.id, Kind.HANDOFF)
        last = handoffs[-1] if handoffs else None
        said = page.line(last.text("summary") if last else assignment.text("note")) or "-"
        where = " ".join(x for x in (last.text("branch"), last.text("commit")) if x) if last else ""
        rows.append((assignment.id, assignment.text("to"), assignment.state, said, page.line(where) or "-"))
    return table(("assignment", "who", "state", "summary", "branch, commit"), rows) if rows else ""


# rounds


def round_(page: Page, doc: Doc) -> str:
    """Return a plan for those who approve it, its results for who reviews them, or where it stands."""
    task = page.view.need_task(doc)
    if doc.state == "awaiting_review":
        return _review(page, doc, task)
    if doc.state == "dispatched":
        given = [
            (a.id, a.text("to"), page.line(a.text("goal")))
            for a in page.view.children(doc.id, Kind.ASSIGNMENT)
        ]
        shown = table(("assignment", "who", "goal"), given)
        return f"Round `{doc.id}` of task `{task.id}` is under way.\n\n{shown}\n\n{can(doc)}"
    return _approval(page, doc, task)


def _approval(page: Page, doc: Doc, task: Doc) -> str:
    title = page.line(task.text("title"))
    parts = [f"Round `{doc.id}` waits for approval. It is a plan for task `{task.id}`: {title}"]
    if task.document.body.strip():
        parts.append("The task says:\n\n" + page.quote(task.document.body))
    rows = [
        (
            str(n),
            page.line(str(i.get("to", ""))),
            page.line(str(i.get("goal", ""))),
            ", ".join(after(i)) or "-",
        )
        for n, i in enumerate(plan_items(doc), 1)
    ]
    parts.append("The plan:\n\n" + table(("#", "to", "goal", "after"), rows))
    parts.append("What will be started, with which rights:\n\n" + _rights(page, doc))
    changed = _changed(page, task, doc)
    if changed:
        parts.append("What changed since the last plan:\n\n" + page.quote(changed))
    needed = page.view.settings.number("approvals")
    if needed > 1:
        given = ", ".join(doc.texts("approved_by")) or "nobody"
        parts.append(f"{needed} approvals are needed; given by: {given}.")
    parts.append(
        f"The approval binds plan {doc.text('plan')}: these assignments, and the text below this block."
    )
    parts.append(boxes(doc))
    return "\n\n".join(parts)


def _rights(page: Page, doc: Doc) -> str:
    state = page.view.state
    who: list[tuple[str, Doc | None]] = []
    for to in dict.fromkeys(str(i.get("to", "")) for i in plan_items(doc)):
        able = state.with_capability(to[4:]) if to.startswith("any:") else [to.partition("@")[0]]
        shown = f"{to} (now {able[0]})" if to.startswith("any:") and able else to
        who.append((shown, state.card(able[0]) if able else None))
    return starts(page, who)


def _changed(page: Page, task: Doc, doc: Doc) -> str:
    earlier = [r for r in page.view.children(task.id, Kind.ROUND) if r.id != doc.id]
    if not earlier:
        return ""
    before, now = plan_lines(earlier[-1]), plan_lines(doc)
    lines = difflib.unified_diff(before, now, earlier[-1].id, doc.id, lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _review(page: Page, doc: Doc, task: Doc) -> str:
    title = page.line(task.text("title"))
    parts = [f"Round `{doc.id}` of task `{task.id}` waits for your review: {title}"]
    if task.document.body.strip():
        parts.append("The task says:\n\n" + page.quote(task.document.body))
    for one in page.view.children(doc.id, Kind.ASSIGNMENT):
        handoffs = page.view.children(one.id, Kind.HANDOFF)
        parts.append(f"`{one.id}` ({one.text('to')}, {one.state}): {page.line(one.text('goal'))}")
        if handoffs:
            parts.append(evidence(page, handoffs[-1]))
        if one.state != "completed" and one.text("note"):
            parts.append(page.quote(one.text("note")))
    merge = merging(page, doc)
    if merge:
        parts.append(merge)
    parts.append(f"The verdict binds handoffs {doc.text('handoffs')}.")
    if any(one.state != "completed" for one in page.view.children(doc.id, Kind.ASSIGNMENT)):
        parts.append(
            "What did not complete can be tried again in this round: a request with `do: retry`, or with "
            "`do: reassign` and `to:`, `on:` the assignment."
        )
    parts.append(boxes(doc))
    return "\n\n".join(parts)


def card(page: Page, doc: Doc) -> str:
    """Return a proposed card for those who approve it: what would be started, and what would change."""
    name = doc.text("name") or doc.text("from")
    known = page.view.state.card(name)
    parts = [
        f"{doc.text('from')} proposes this card for `{name}`. It takes effect when an approver ticks it.",
        "What would be started, with which rights:\n\n" + starts(page, [(name, doc)]),
    ]
    if known is None:
        parts.append(f"There is no card of `{name}` yet.")
    else:
        parts.append("What is started now:\n\n" + starts(page, [(name, known)]))
        parts.append(f"What would change in the card of `{name}`:\n\n{_difference(page, known, doc)}")
    parts.append(f"The approval binds plan {doc.text('plan')}: the header and the text below this block.")
    return "\n\n".join((*parts, boxes(doc)))


def _difference(page: Page, known: Doc, doc: Doc) -> str:
    keys = KINDS[Kind.AGENT].hub_keys
    before = known.document.render().decode().splitlines()
    after_ = doc.document.author_bytes(keys).decode().splitlines()
    path = known.paths[0]
    lines = difflib.unified_diff(before, after_, path, f"{path} (proposed)", lineterm="", n=2)
    return page.quote("\n".join(line for line in lines if not line.startswith("@@")) or "nothing")
