"""What comes back, taken or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm.protocol import Completion
from focusgroup.agents.reply import (
    REASON_LIMIT,
    ReplyError,
    answer_schema,
    answer_token_limit,
    most_picks,
    parse_answer,
)
from focusgroup.simulator.errors import FailureCause

GOOD = '{"picks": [{"n": 2, "stars": 4}], "why": "war", "mood": 4, "stay": true}'


def reply(picks: str = "[]", why: str = '"w"', mood: str = "3", stay: str = "true") -> str:
    return f'{{"picks": {picks}, "why": {why}, "mood": {mood}, "stay": {stay}}}'


def cause(text: str, finish: str = "stop", *, buy: bool = False) -> FailureCause:
    with pytest.raises(ReplyError) as caught:
        parse_answer(Completion(text, finish), 5, stars=True, buy=buy)
    caught.value.detail.encode()  # it is stored
    assert caught.value.detail
    assert len(caught.value.detail) < 400
    return caught.value.cause


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n  {GOOD}\n",
        f"<think>They like war {{}}.</think>{GOOD}",
        f"  <think>\nwar\n</think>\n\n{GOOD}",
        f"They like war.\n</think>\n{GOOD}",
        f"<think></think>{GOOD}",
    ],
)
def test_a_good_reply_is_taken(text: str) -> None:
    answer = parse_answer(Completion(text), 5, stars=True)
    assert [(pick.n, pick.stars, pick.buy) for pick in answer.picks] == [(2, 4, False)]
    assert (answer.why, answer.mood, answer.stay) == ("war", 4, True)


def test_a_reason_may_speak_of_anything() -> None:
    text = reply(why='"a </think> tag"')
    assert parse_answer(Completion(text), 5, stars=True).why == "a </think> tag"


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        ("", "stop", FailureCause.EMPTY),
        (" \n", "stop", FailureCause.EMPTY),
        ("<think>war</think>", "stop", FailureCause.EMPTY),
        ("<think>war</think> \n", "stop", FailureCause.EMPTY),
        ("", "length", FailureCause.TRUNCATED),
        ("<think>war", "stop", FailureCause.TRUNCATED),
        ("<think>war", "length", FailureCause.TRUNCATED),
        ("<think>war</think>", "length", FailureCause.TRUNCATED),
        (f"<think>{GOOD}", "stop", FailureCause.TRUNCATED),
        (GOOD[:-9], "length", FailureCause.TRUNCATED),
        (GOOD[:-9], "stop", FailureCause.NOT_JSON),
        (f"Sure! {GOOD}", "stop", FailureCause.NOT_JSON),
        (f"{GOOD} Enjoy!", "stop", FailureCause.NOT_JSON),
        (f"```json\n{GOOD}\n```", "stop", FailureCause.NOT_JSON),
        ("I like the second film.", "stop", FailureCause.NOT_JSON),
        ("[" * 5000, "stop", FailureCause.NOT_JSON),
        ("9" * 5000, "stop", FailureCause.NOT_JSON),
        (reply(mood="NaN"), "stop", FailureCause.NOT_JSON),
        (reply(mood="Infinity"), "stop", FailureCause.NOT_JSON),
        ("null", "stop", FailureCause.OUT_OF_SCHEMA),
        ("[]", "stop", FailureCause.OUT_OF_SCHEMA),
        ("{}", "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(mood="0"), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(mood="3.5"), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(mood='"3"'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(stay="1"), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(why="null"), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(why='"\\ud800"', mood="9"), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(stay='true, "extra": 1'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(stay='true, "\\ud800\\u202e": 1'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply(stay=f'true, "{"x" * 9000}": 1'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": 0, "stars": 3}]'), "stop", FailureCause.WRONG_ITEM),
        (reply('[{"n": 6, "stars": 3}]'), "stop", FailureCause.WRONG_ITEM),
        (reply('[{"n": "2", "stars": 3}]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": true, "stars": 3}]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": 2}]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": 2, "stars": null}]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": 2, "stars": 6}]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": 2, "stars": 3, "buy": true}]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (
            reply('[{"n": 2, "stars": 3}, {"n": 2, "stars": 4}]'),
            "stop",
            FailureCause.DUPLICATE_ITEM,
        ),
        ("", "tool_calls", FailureCause.TOOL_CALL),
    ],
)
def test_why_a_reply_is_refused(text: str, finish: str, expected: FailureCause) -> None:
    assert cause(text, finish) is expected


def test_buying_is_answered_where_it_is_asked() -> None:
    assert cause(reply('[{"n": 2, "stars": 3}]'), buy=True) is FailureCause.OUT_OF_SCHEMA
    text = reply('[{"n": 2, "buy": true}]')
    assert parse_answer(Completion(text), 5, stars=False, buy=True).picks[0].buy
    with pytest.raises(ReplyError, match="'stars' was not asked for"):
        parse_answer(Completion(reply('[{"n": 1, "stars": 3}]')), 5, stars=False)


@st.composite
def valid(draw: st.DrawFn) -> tuple[str, int, bool, bool]:
    """A text valid under `answer_schema`, read off the schema itself, with distinct items."""
    k, stars, buy = draw(st.integers(1, 20)), draw(st.booleans()), draw(st.booleans())
    schema = json.loads(json.dumps(answer_schema(k, stars=stars, buy=buy)))

    def value(node: dict[str, object]) -> object:
        match node["type"]:
            case "object":
                properties = node["properties"]
                assert isinstance(properties, dict)
                assert node["required"] == list(properties)
                assert node["additionalProperties"] is False
                return {key: value(child) for key, child in properties.items()}
            case "array":
                return draw(
                    st.lists(
                        st.builds(lambda: value(node["items"])),  # type: ignore[arg-type]
                        max_size=int(str(node["maxItems"])),
                    )
                )
            case "integer":
                low, high = int(str(node["minimum"])), int(str(node["maximum"]))
                return draw(st.integers(low, high))
            case "string":
                return draw(st.text(max_size=int(str(node["maxLength"]))))
            case "boolean":
                return draw(st.booleans())
        raise AssertionError(node)

    answer = value(schema)
    assert isinstance(answer, dict)
    answer["picks"] = list({pick["n"]: pick for pick in answer["picks"]}.values())
    ascii_only, indent = draw(st.booleans()), draw(st.sampled_from([None, 1]))
    return json.dumps(answer, ensure_ascii=ascii_only, indent=indent), k, stars, buy


@given(valid())
def test_whatever_the_schema_allows_is_taken(case: tuple[str, int, bool, bool]) -> None:
    text, k, stars, buy = case
    answer = parse_answer(Completion(text), k, stars=stars, buy=buy)
    given = json.loads(text)
    assert [pick.n for pick in answer.picks] == [pick["n"] for pick in given["picks"]]
    assert answer.mood == given["mood"]


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_the_longest_valid_reply_fits_the_token_limit(k: int) -> None:
    picks = [{"n": k, "stars": 5, "buy": False}] * most_picks(k)
    frame = json.dumps({"picks": picks, "why": "", "mood": 5, "stay": False}, indent=1)
    assert answer_token_limit(k) >= len(frame) / 3 + REASON_LIMIT
