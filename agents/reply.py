"""What came back from the model, checked: a reply follows the schema or it is no reply."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from focusgroup.simulator.errors import FailureCause

from .llm.protocol import Completion, JsonSchema

REASON_LIMIT = 80
MAX_PICKS = 5
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


class ReplyError(Exception):
    """A reply that cannot be used, and why."""

    def __init__(self, cause: FailureCause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


class Pick(BaseModel):
    """One picked item by its number on the page, from 1."""

    model_config = ConfigDict(extra="forbid", strict=True)
    n: int = Field(ge=1)
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
            "picks": {"type": "array", "maxItems": min(k, MAX_PICKS), "items": pick},
            "why": {"type": "string", "maxLength": REASON_LIMIT},
            "mood": {"type": "integer", "minimum": 1, "maximum": 5},
            "stay": {"type": "boolean"},
        }
    )


def answer_token_limit(k: int) -> int:
    """Generated tokens that surely hold the longest valid reply, some white space included."""
    return 48 + 24 * min(k, MAX_PICKS) + REASON_LIMIT


def _object(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_answer(completion: Completion, k: int, *, stars: bool) -> AnswerReply:
    """The reply of a page of k items. Raises ReplyError."""
    text = reply_text(completion)
    try:
        raw = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ReplyError(FailureCause.NOT_JSON, f"{error}: {text[:120]!r}") from error
    try:
        reply = AnswerReply.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"{where}: {first['msg']}") from error
    numbers = [pick.n for pick in reply.picks]
    if any(n > k for n in numbers):
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"item number {max(numbers)} of {k}")
    if len(set(numbers)) < len(numbers):
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"an item picked twice: {numbers}")
    if stars and any(pick.stars is None for pick in reply.picks):
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, "a pick without stars")
    return reply


def reply_text(completion: Completion) -> str:
    """The text after any complete <think> block. Raises ReplyError if it is cut or empty."""
    text = _THOUGHT.sub("", completion.text, count=1).strip()
    if text.startswith("<think>"):
        raise ReplyError(FailureCause.TRUNCATED, "thinking never ended")
    if not text:
        thought = " but a <think> block" if completion.text.strip() else ""
        raise ReplyError(FailureCause.EMPTY, f"nothing{thought}")
    if completion.finish_reason == "length":
        raise ReplyError(FailureCause.TRUNCATED, f"cut by the token limit: {text[-60:]!r}")
    return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
