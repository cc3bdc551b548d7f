"""Histories of runs: everything that a run's start, its telling, its stop and its end lead to."""

from __future__ import annotations

from tests.core.play import Table, accepted


def staffed(*lines: str, **settings: str) -> Table:
    """A table whose lead, backend and tester can be started; `lines` stand in each of their cards."""
    table = Table(**settings)
    table.hire("lead", "backend", "tester", lines=lines)
    return table


def part(table: Table, to: str = "backend") -> str:
    """Return an assignment that is pending, of a round that a person approved."""
    _, round_ = table.dispatched(f"{to}: Do it")
    return f"{round_}.a1"


def mail(table: Table, to: str = "backend", actor: str = "operator") -> str:
    """Return a message in an inbox."""
    return accepted(table.send(actor, to))


def inbox(table: Table, agent: str = "lead") -> tuple[str, str, str, str]:
    """Return a task, a round to review, a question and a message, all in one inbox."""
    task = table.task("Another", owner=agent)
    round_ = table.plan(table.task(owner=agent), "tester: Look", actor=agent)
    accepted(table.approve(round_))
    table.do(f"{round_}.a1")
    question = accepted(table.ask("tester", f"to: {agent}"))
    return task, round_, question, mail(table, agent, "tester")


def launches() -> list[Table]:
    """Return tables on which every row has been taken that begins or ends with a run."""
    found = []

    def table(**settings: str) -> Table:
        found.append(staffed("launch: auto", **settings))
        return found[-1]

    for how in ("start", "show"):
        shown = table()
        if how == "start":
            run = accepted(shown.start("lead", *inbox(shown)))
        else:
            run = accepted(shown.start("lead", shown.task("First"), actor="operator"))
            accepted(shown.tell(run, *inbox(shown)))
        accepted(shown.end(run, "lost"))

    told = table()
    run = accepted(told.start("backend", mail(told)))
    _, round_ = told.dispatched("backend: Fix it", "tester: Look < 1")
    accepted(told.tell(run, f"{round_}.a1"))
    accepted(told.end(run, "failed", status="blocked: no access"))

    for most in ("1", "3"):
        for working in (True, False):
            tried = table(max_attempts=most)
            _, round_ = tried.dispatched("backend: Fix it", "tester: Look < 1")
            run = accepted(tried.start("backend", f"{round_}.a1"))
            if working:
                lease = tried.doc(f"{round_}.a1").text("lease")
                accepted(tried.request("backend", "progress", f"{round_}.a1", f"lease: {lease}"))
            accepted(tried.end(run, "timed_out"))

    asked = table()
    _, round_ = asked.dispatched("backend: Fix it")
    run = accepted(asked.start("backend", f"{round_}.a1"))
    lease = asked.doc(f"{round_}.a1").text("lease")
    question = accepted(asked.ask("backend", f"assignment: {round_}.a1", f"lease: {lease}"))
    accepted(asked.end(run))
    accepted(asked.request("operator", "answer", question, "answer: yes"))
    accepted(asked.start("backend", f"{round_}.a1"))

    taken = table()
    taken.watched = False  # a worker of that name is no run, and none has ended under it
    _, round_ = taken.dispatched("backend: Fix it")
    taken.claim(f"{round_}.a1", "run-that-never-was")
    accepted(taken.start("backend", f"{round_}.a1"))

    led = table()
    above = accepted(led.start("lead", mail(led, "lead")))
    below = accepted(led.start("backend", mail(led, actor="lead")))
    accepted(led.request("anna", "stop", above))
    accepted(led.end(below, "stopped"))
    accepted(led.end(above, "stopped"))

    looked = table()
    _, round_ = looked.dispatched("backend: Fix it")
    looked.do(f"{round_}.a1")
    accepted(looked.find(f"{round_}.a1.h1"))
    return found
