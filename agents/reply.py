"""What came back from the model, checked: a reply follows the schema or it is no reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from focusgroup.simulator.errors import FailureCause

from .fence import fence
from .llm.protocol import Completion, JsonSchema

REASON_LIMIT = 48
MAX_PICKS = 5  # and at most half the page, rounded up: nobody takes everything


class ReplyError(Exception):
    """A reply that cannot be used, and why."""

    def __init__(self, cause: FailureCause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Pick:
    """One picked item: its number on the page from 1, stars from 1 to 5, whether it is bought."""

    n: int
    stars: int | None = None
    buy: bool = False


@dataclass(frozen=True, slots=True)
class AnswerReply:
    """A whole page answered; mood runs from 1 to 5."""

    picks: tuple[Pick, ...]
    why: str
    mood: int
    stay: bool


class _Written(BaseModel):
    """A reply as JSON has it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    picks: list[int]
    stars: list[int] = Field(default_factory=list)
    buy: list[int] = Field(default_factory=list)
    why: str
    mood: int = Field(ge=1, le=5)
    stay: bool


@lru_cache
def answer_schema(k: int, *, stars: bool, buy: bool) -> JsonSchema:
    """The JSON schema of a reply to a page of k items; every string and list is bounded.

    Lists of numbers side by side: an object for each pick takes twice the tokens. A schema cannot
    say that lists are of one length or that no number comes twice; `parse_answer` does.
    """
    lists = {"picks": k} | ({"stars": 5} if stars else {}) | ({"buy": k} if buy else {})
    properties: dict[str, object] = {
        name: {
            "type": "array",
            "maxItems": most_picks(k),
            "items": {"type": "integer", "minimum": 1, "maximum": most},
        }
        for name, most in lists.items()
    }
    properties |= {
        "why": {"type": "string", "maxLength": REASON_LIMIT},
        "mood": {"type": "integer", "minimum": 1, "maximum": 5},
        "stay": {"type": "boolean"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def answer_token_limit(k: int) -> int:
    """Generated tokens that hold the longest valid reply at a token per character of its reason."""
    return 48 + 12 * most_picks(k) + REASON_LIMIT


def most_picks(k: int) -> int:
    """The most picks a reply may hold on a page of k items."""
    return min(MAX_PICKS, (k + 1) // 2)


def write_answer(reply: AnswerReply, *, stars: bool, buy: bool = False) -> str:
    """The reply as a model would write it where `stars` and `buy` are asked for."""
    said: dict[str, object] = {"picks": [pick.n for pick in reply.picks]}
    if stars:
        said["stars"] = [pick.stars for pick in reply.picks]
    if buy:
        said["buy"] = [pick.n for pick in reply.picks if pick.buy]
    said |= {"why": reply.why, "mood": reply.mood, "stay": reply.stay}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def parse_answer(completion: Completion, k: int, *, stars: bool, buy: bool = False) -> AnswerReply:
    """The reply of a page of k items.

    Args:
        stars, buy: whether they were asked for, as in `answer_schema`: a reply holds them if and
            only if they were.

    Raises:
        ReplyError: why it cannot be used.
    """
    text = reply_text(completion)
    try:
        raw = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ReplyError(FailureCause.NOT_JSON, f"{error}: {text[:120]!r}") from error
    try:
        reply = _Written.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = fence(".".join(str(part) for part in first["loc"]), 80) or "reply"
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"{where}: {first['msg']}") from error
    _check_lists(reply, k, stars=stars, buy=buy)
    given = reply.stars if stars else [None] * len(reply.picks)
    picks = tuple(Pick(n, of, n in reply.buy) for n, of in zip(reply.picks, given, strict=True))
    return AnswerReply(picks, reply.why, reply.mood, reply.stay)


def _check_lists(reply: _Written, k: int, *, stars: bool, buy: bool) -> None:
    """Raises ReplyError where picks, stars and what is bought do not belong together."""
    told = reply.model_fields_set
    for name, asked in (("stars", stars), ("buy", buy)):
        if (name in told) is not asked:
            problem = f"no {name!r}" if asked else f"{name!r} was not asked for"
            raise ReplyError(FailureCause.OUT_OF_SCHEMA, problem)
    for name, numbers in (("picks", reply.picks), ("buy", reply.buy)):
        if wrong := [n for n in numbers if not 1 <= n <= k]:
            raise ReplyError(FailureCause.WRONG_ITEM, f"{name}: item number {wrong[0]} of {k}")
        if len(set(numbers)) < len(numbers):
            problem = f"{name}: an item named twice: {numbers[:20]}"
            raise ReplyError(FailureCause.DUPLICATE_ITEM, problem)
    if stars and len(reply.stars) != len(reply.picks):
        problem = f"{len(reply.picks)} picks, but {len(reply.stars)} stars"
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, problem)
    if wrong := [one for one in reply.stars if not 1 <= one <= 5]:
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"{wrong[0]} stars of 1 to 5")
    if unpicked := sorted(set(reply.buy) - set(reply.picks)):
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"item {unpicked[0]} is bought, not picked")


def reply_text(completion: Completion) -> str:
    """The whole text after any thinking. Raises ReplyError if it is cut or empty."""
    text = spoken_text(completion)
    if completion.finish_reason == "length":
        raise ReplyError(FailureCause.TRUNCATED, f"cut by the token limit: {text[-60:]!r}")
    return text


def spoken_text(completion: Completion) -> str:
    """What was said after any <think> block, cut or not. Raises ReplyError if that is nothing."""
    text = completion.text.strip()
    # Where the chat template itself opens the block, a reply holds only its end.
    thought, end, after = text.partition("</think>")
    if end and not thought.startswith("{"):
        text = after.strip()
    if text.startswith("<think>"):
        raise ReplyError(FailureCause.TRUNCATED, "thinking never ended")
    if not text and completion.finish_reason == "tool_calls":
        raise ReplyError(FailureCause.TOOL_CALL, "a tool was called, and there is none")
    if not text and completion.finish_reason == "length":
        raise ReplyError(FailureCause.TRUNCATED, "the token limit came before any answer")
    if not text:
        raise ReplyError(FailureCause.EMPTY, "nothing but a <think> block" if end else "nothing")
    return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
