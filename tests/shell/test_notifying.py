"""Who is told what, and when: decided by `decide` alone."""

from __future__ import annotations

import pytest

from hubd.core.settings import Settings, read_settings
from hubd.notifying import TRY_AGAIN, Told, Wait, decide, filled

ROUND = Wait("anna", "fix.r1", "awaiting_approval")
MAIL = Wait("ben", "m-1", "unread")
HOUR = 3600.0


def test_what_begins_to_wait_is_told_once() -> None:
    first = decide((ROUND, MAIL), {}, 0.0, 4 * HOUR)
    assert first.tell == ((ROUND, False), (MAIL, False))
    told = {ROUND.key: Told(0.0), MAIL.key: Told(0.0)}
    later = decide((ROUND, MAIL), told, HOUR, 4 * HOUR)
    assert (later.tell, later.told, later.again_in) == ((), told, 3 * HOUR)


def test_it_is_told_again_while_it_waits_and_never_where_that_is_off() -> None:
    told = {ROUND.key: Told(0.0)}
    assert decide((ROUND,), told, 4 * HOUR, 4 * HOUR).tell == ((ROUND, True),)
    never = decide((ROUND,), told, 400 * HOUR, 0.0)
    assert (never.tell, never.again_in) == ((), float("inf"))


def test_what_does_not_wait_any_more_is_forgotten_and_is_news_when_it_comes_back() -> None:
    gone = decide((MAIL,), {ROUND.key: Told(0.0), MAIL.key: Told(0.0)}, 1.0, HOUR)
    assert set(gone.told) == {MAIL.key}
    assert decide((ROUND, MAIL), gone.told, 2.0, HOUR).tell == ((ROUND, False),)


def test_another_state_is_news() -> None:
    review = Wait("anna", "fix.r1", "awaiting_review")
    assert decide((review,), {ROUND.key: Told(0.0)}, 1.0, HOUR).tell == ((review, False),)


def test_what_could_not_be_told_is_tried_again_soon_and_is_still_the_first_time() -> None:
    told = {ROUND.key: Told(0.0, well=False)}
    assert decide((ROUND,), told, TRY_AGAIN - 1, 4 * HOUR).again_in == 1
    assert decide((ROUND,), told, TRY_AGAIN, 0.0).tell == ((ROUND, False),)


def test_a_clock_that_was_set_back_puts_nothing_off() -> None:
    back = decide((ROUND,), {ROUND.key: Told(1000 * HOUR)}, 0.0, HOUR)
    assert back.told == {ROUND.key: Told(0.0)}
    assert back.again_in == HOUR


def test_words_are_filled_in_and_other_braces_stay() -> None:
    given = {"line": "anna: round fix.r1", "for": "anna", "kind": "round", "id": "fix.r1", "state": "s"}
    words = ("notify-send", "hubd: {for}", "{line}", '{"text": "{title}"}', "{id}{kind}")
    assert filled(words, given) == [
        "notify-send", "hubd: anna", "anna: round fix.r1", '{"text": "{title}"}', "fix.r1round",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [(), ("notify-send", "{line}", ""), "beep"])
def test_a_command_is_a_list_of_words(value: str | tuple[str, ...]) -> None:
    assert isinstance(read_settings({"notify": value}), Settings)


@pytest.mark.parametrize("value", ["", ("",), ("", "x"), ("a", ("b",)), {"a": "b"}, ("x",) * 51])
def test_what_is_no_command_is_refused(value: str) -> None:
    refused = read_settings({"notify": value})
    assert not isinstance(refused, Settings)
    assert refused.code == "bad-value"
