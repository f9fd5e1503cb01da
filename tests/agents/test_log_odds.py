"""Log-odds of yes against no, out of the alternatives of one token."""

from __future__ import annotations

import math

import pytest

from focusgroup.agents import load_language
from focusgroup.agents.llm.protocol import Completion
from focusgroup.agents.reply import ReplyError
from focusgroup.agents.score import log_odds
from focusgroup.simulator.errors import FailureCause

YES, NO = ("yes",), ("no",)


def odds_of(*logprobs: tuple[str, float]) -> float:
    return log_odds(Completion("", logprobs=logprobs), YES, NO)


def test_spellings_of_one_word_are_added_up() -> None:
    both = odds_of(("Yes", math.log(0.3)), (" yes", math.log(0.3)), ("\u2581NO.", math.log(0.2)))
    assert both == pytest.approx(math.log(0.6 / 0.2))


@pytest.mark.parametrize("masked", [-9999.0, -math.inf, math.nan])
def test_a_masked_word_counts_as_one_that_is_missing(masked: float) -> None:
    seen = (("yes", math.log(0.7)), ("maybe", math.log(0.2)))
    assert odds_of(*seen, ("no", masked)) == odds_of(*seen) == pytest.approx(math.log(0.7 / 0.1))
    swapped = odds_of(("no", math.log(0.7)), ("yes", masked), ("maybe", math.log(0.2)))
    assert swapped == pytest.approx(math.log(0.1 / 0.7))


def test_a_missing_side_is_bounded_by_what_is_left() -> None:
    assert odds_of(("yes", 0.0)) == pytest.approx(-math.log(1e-6))
    assert odds_of(("no", -1e-12)) == pytest.approx(math.log(1e-6))
    assert odds_of(("yes", -0.01), ("x", -18.0)) == pytest.approx(17.99)


@pytest.mark.parametrize("logprobs", [None, ()])
def test_no_log_probabilities_is_a_cause_of_its_own(logprobs: tuple[()] | None) -> None:
    with pytest.raises(ReplyError) as caught:
        log_odds(Completion("yes", logprobs=logprobs), YES, NO)
    assert caught.value.cause is FailureCause.NO_LOGPROBS


@pytest.mark.parametrize("logprobs", [(("maybe", -0.1), ("yesterday", -3.0)), (("yes", -9999.0),)])
def test_neither_yes_nor_no_is_no_answer(logprobs: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(ReplyError, match="neither yes nor no") as caught:
        log_odds(Completion("", logprobs=logprobs), YES, NO)
    assert caught.value.cause is FailureCause.OUT_OF_SCHEMA


def test_chinese_models_answer_in_chinese() -> None:
    words = load_language("zh")
    said = Completion("是", logprobs=(("是", math.log(0.8)), ("否", math.log(0.1))))
    odds = log_odds(said, words.words("yes_words"), words.words("no_words"))
    assert odds == pytest.approx(math.log(8))
