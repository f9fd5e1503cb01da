"""What came back from the model, checked: a reply follows the schema or it is no reply."""

from __future__ import annotations

import json
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


class Pick(BaseModel):
    """One picked item by its number on the page, from 1."""

    model_config = ConfigDict(extra="forbid", strict=True)
    n: int
    stars: int | None = Field(default=None, ge=1, le=5)
    buy: bool = False


class AnswerReply(BaseModel):
    """A whole page answered; mood runs from 1 to 5."""

    model_config = ConfigDict(extra="forbid", strict=True)
    picks: list[Pick]
    why: str
    mood: int = Field(ge=1, le=5)
    stay: bool


def answer_schema(k: int, *, stars: bool, buy: bool) -> JsonSchema:
    """The JSON schema of `AnswerReply` for a page of k items; every string and list is bounded."""
    fields: dict[str, object] = {"n": {"type": "integer", "minimum": 1, "maximum": k}}
    if stars:
        fields["stars"] = {"type": "integer", "minimum": 1, "maximum": 5}
    if buy:
        fields["buy"] = {"type": "boolean"}
    pick = _object(fields)
    return _object(
        {
            "picks": {"type": "array", "maxItems": most_picks(k), "items": pick},
            "why": {"type": "string", "maxLength": REASON_LIMIT},
            "mood": {"type": "integer", "minimum": 1, "maximum": 5},
            "stay": {"type": "boolean"},
        }
    )


def answer_token_limit(k: int) -> int:
    """Generated tokens that hold the longest valid reply at a token per character of its reason."""
    return 48 + 24 * most_picks(k) + REASON_LIMIT


def most_picks(k: int) -> int:
    """The most picks a reply may hold on a page of k items."""
    return min(MAX_PICKS, (k + 1) // 2)


def _object(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_answer(completion: Completion, k: int, *, stars: bool, buy: bool = False) -> AnswerReply:
    """The reply of a page of k items.

    Args:
        stars, buy: whether they were asked for, as in `answer_schema`: a pick then has them, and
            otherwise has not.

    Raises:
        ReplyError: why it cannot be used.
    """
    text = reply_text(completion)
    try:
        raw = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ReplyError(FailureCause.NOT_JSON, f"{error}: {text[:120]!r}") from error
    try:
        reply = AnswerReply.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = fence(".".join(str(part) for part in first["loc"]), 80) or "reply"
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"{where}: {first['msg']}") from error
    numbers = [pick.n for pick in reply.picks]
    if wrong := [n for n in numbers if not 1 <= n <= k]:
        raise ReplyError(FailureCause.WRONG_ITEM, f"item number {wrong[0]} of {k}")
    if len(set(numbers)) < len(numbers):
        raise ReplyError(FailureCause.DUPLICATE_ITEM, f"an item picked twice: {numbers}")
    for field, asked in (("stars", stars), ("buy", buy)):
        if any((field in pick.model_fields_set) is not asked for pick in reply.picks):
            problem = f"a pick without {field!r}" if asked else f"{field!r} was not asked for"
            raise ReplyError(FailureCause.OUT_OF_SCHEMA, problem)
    if stars and any(pick.stars is None for pick in reply.picks):
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, "a pick without 'stars'")
    return reply


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
