"""Work beside the one thread that decides: in order by key, handed over in the thread that asks for it."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator

import pytest

from hubd.jobs import Jobs

DEADLINE = 10.0


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()


def settle(jobs: Jobs, key: str) -> None:
    """Take what is done until nothing of a key is left."""
    while jobs.busy(key):
        assert select.select([jobs], [], [], DEADLINE)[0], "a job does not end"
        jobs.take()


def test_what_a_job_answers_is_handed_over_in_the_thread_that_takes_it(jobs: Jobs) -> None:
    told: list[object] = []
    jobs.ask("a", threading.get_ident, lambda answer: told.append((answer, threading.get_ident())))
    settle(jobs, "a")
    ((worked, taken),) = told
    assert taken == threading.get_ident() != worked


def test_jobs_of_one_key_are_done_in_the_order_in_which_they_were_asked(jobs: Jobs) -> None:
    gate, order = threading.Event(), list[str]()
    jobs.ask("a", lambda: (gate.wait(DEADLINE), order.append("first")), lambda _: None)
    jobs.ask("a", lambda: order.append("second"), lambda _: None)
    gate.set()
    settle(jobs, "a")
    assert order == ["first", "second"]


def test_a_job_of_another_key_does_not_wait(jobs: Jobs) -> None:
    gate, told = threading.Event(), list[str]()
    jobs.ask("slow", lambda: gate.wait(DEADLINE), lambda _: told.append("slow"))
    jobs.ask("quick", lambda: None, lambda _: told.append("quick"))
    settle(jobs, "quick")
    assert told == ["quick"]
    assert jobs.busy("slow")
    gate.set()
    settle(jobs, "slow")
    assert told == ["quick", "slow"]


def test_a_job_that_fails_tells_its_error_and_what_comes_after_it_is_done(jobs: Jobs) -> None:
    told: list[object] = []

    def fail() -> None:
        raise OSError("the disk is gone")

    jobs.ask("a", fail, told.append)
    jobs.ask("a", lambda: "done", told.append)
    settle(jobs, "a")
    assert [type(told[0]), told[1]] == [OSError, "done"]


def test_what_ends_after_the_close_is_handed_to_nobody() -> None:
    jobs, gate, told = Jobs(), threading.Event(), list[object]()
    jobs.ask("a", lambda: gate.wait(DEADLINE), told.append)
    (worker,) = [thread for thread in threading.enumerate() if thread.name == "job a"]
    jobs.close()
    gate.set()
    worker.join(DEADLINE)
    assert not worker.is_alive()
    assert not told
