"""What comes back, taken or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.agents.llm.protocol import Completion
from focusgroup.agents.reply import (
    REASON_LIMIT,
    AnswerReply,
    Pick,
    ReplyError,
    answer_schema,
    answer_token_limit,
    most_picks,
    parse_answer,
    write_answer,
)
from focusgroup.simulator.errors import FailureCause

GOOD = '{"picks": [2], "stars": [4], "why": "war", "mood": 4, "stay": true}'


def reply(
    picks: str = "[]",
    why: str = '"w"',
    mood: str = "3",
    stay: str = "true",
    lists: str = '"stars": []',
) -> str:
    return f'{{"picks": {picks}, {lists}, "why": {why}, "mood": {mood}, "stay": {stay}}}'


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
        (reply('["2"]', lists='"stars": [4]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply("[true]", lists='"stars": [4]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply("[2.5]", lists='"stars": [4]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply("[2]", lists='"stars": [null]'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply("2", lists='"stars": 4'), "stop", FailureCause.OUT_OF_SCHEMA),
        (reply('[{"n": 2, "stars": 3}]'), "stop", FailureCause.OUT_OF_SCHEMA),
    ],
)
def test_why_a_reply_is_refused(text: str, finish: str, expected: FailureCause) -> None:
    assert cause(text, finish) is expected


@pytest.mark.parametrize(
    ("picks", "lists", "told"),
    [
        ("[0]", '"stars": [3], "buy": []', "picks: item number 0 of 5"),
        ("[2, 6]", '"stars": [3, 3], "buy": []', "picks: item number 6 of 5"),
        ("[-1]", '"stars": [3], "buy": []', "picks: item number -1 of 5"),
        ("[2, 4, 2]", '"stars": [3, 3, 3], "buy": []', r"named twice: \[2, 4, 2\]"),
        ("[2, 2]", '"stars": [3, 4], "buy": []', r"picks: an item named twice: \[2, 2\]"),
        ("[2]", '"stars": [], "buy": []', "1 picks, but 0 stars"),
        ("[2]", '"stars": [3, 4], "buy": []', "1 picks, but 2 stars"),
        ("[2]", '"stars": [0], "buy": []', "0 stars of 1 to 5"),
        ("[2]", '"stars": [6], "buy": []', "6 stars of 1 to 5"),
        ("[2]", '"buy": []', "no 'stars'"),
        ("[2]", '"stars": [3]', "no 'buy'"),
        ("[2]", '"stars": [3], "buy": [3]', "item 3 is bought, not picked"),
        ("[2]", '"stars": [3], "buy": [9]', "buy: item number 9 of 5"),
        ("[2]", '"stars": [3], "buy": [2, 2]', r"buy: an item named twice: \[2, 2\]"),
        (f"{[7] * 3000}", '"stars": [3], "buy": []', "item number 7 of 5"),
        (f"{[1] * 3000}", '"stars": [3], "buy": []', "named twice"),
    ],
)
def test_what_is_wrong_with_the_picks_is_told(picks: str, lists: str, told: str) -> None:
    with pytest.raises(ReplyError, match=told) as caught:
        parse_answer(Completion(reply(picks, lists=lists)), 5, stars=True, buy=True)
    expected = FailureCause.OUT_OF_SCHEMA
    if "item number" in told:
        expected = FailureCause.WRONG_ITEM
    if "named twice" in told:
        expected = FailureCause.DUPLICATE_ITEM
    assert caught.value.cause is expected
    assert len(caught.value.detail) < 400


def test_buying_is_answered_where_it_is_asked() -> None:
    text = reply("[2, 4]", lists='"stars": [3, 5], "buy": [4]')
    both = parse_answer(Completion(text), 5, stars=True, buy=True)
    assert both.picks == (Pick(2, 3), Pick(4, 5, buy=True))
    text = reply("[2, 3]", lists='"buy": [2]')
    shop = parse_answer(Completion(text), 5, stars=False, buy=True)
    assert shop.picks == (Pick(2, buy=True), Pick(3))
    with pytest.raises(ReplyError, match="'buy' was not asked for"):
        parse_answer(Completion(text), 5, stars=False)
    with pytest.raises(ReplyError, match="'stars' was not asked for"):
        parse_answer(Completion(reply("[1]", lists='"stars": [3]')), 5, stars=False)


@st.composite
def valid(draw: st.DrawFn) -> tuple[str, int, bool, bool]:
    """A text valid under `answer_schema`, read off the schema itself, its lists made to agree."""
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
    answer["picks"] = list(dict.fromkeys(answer["picks"]))
    if stars:
        answer["stars"] = draw(st.lists(st.integers(1, 5), min_size=5, max_size=5))
        answer["stars"] = answer["stars"][: len(answer["picks"])]
    if buy:
        answer["buy"] = [n for n in answer["picks"] if n % 2]
    ascii_only, indent = draw(st.booleans()), draw(st.sampled_from([None, 1]))
    return json.dumps(answer, ensure_ascii=ascii_only, indent=indent), k, stars, buy


@given(valid())
def test_whatever_the_schema_allows_is_taken(case: tuple[str, int, bool, bool]) -> None:
    text, k, stars, buy = case
    answer = parse_answer(Completion(text), k, stars=stars, buy=buy)
    given = json.loads(text)
    assert [pick.n for pick in answer.picks] == given["picks"]
    assert [pick.n for pick in answer.picks if pick.buy] == given.get("buy", [])
    assert [pick.stars for pick in answer.picks if stars] == given.get("stars", [])
    assert (answer.why, answer.mood, answer.stay) == (given["why"], given["mood"], given["stay"])


@given(valid())
def test_what_is_written_is_read(case: tuple[str, int, bool, bool]) -> None:
    text, k, stars, buy = case
    answer = parse_answer(Completion(text), k, stars=stars, buy=buy)
    written = Completion(write_answer(answer, stars=stars, buy=buy))
    assert parse_answer(written, k, stars=stars, buy=buy) == answer


@pytest.mark.parametrize("stars", [False, True])
@pytest.mark.parametrize("buy", [False, True])
def test_every_server_can_enforce_the_schema(stars: bool, buy: bool) -> None:
    """Only what OpenAI's strict mode, xgrammar and llama.cpp all take: see their lists."""
    allowed = {"type", "properties", "required", "additionalProperties", "items"}
    allowed |= {"maxItems", "maxLength", "minimum", "maximum"}

    def check(node: dict[str, object]) -> None:
        assert set(node) <= allowed
        for child in (*node.get("properties", {}).values(), node.get("items")):  # type: ignore[attr-defined]
            if child is not None:
                check(child)

    check(dict(answer_schema(10, stars=stars, buy=buy)))


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_the_longest_valid_reply_fits_the_token_limit(k: int) -> None:
    picks = tuple(Pick(k, 5, buy=True) for _ in range(most_picks(k)))
    reply = AnswerReply(picks, "", 5, False)
    longest = json.dumps(json.loads(write_answer(reply, stars=True, buy=True)), indent=1)
    assert answer_token_limit(k) >= len(longest) / 3 + REASON_LIMIT
