"""Reviews and exit interviews: free text in the persona's voice, written after the draw."""

from __future__ import annotations

import re

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Item, LeaveReason, Remark, Review

from .elicit import ask_twice
from .fence import fence
from .llm.protocol import LLM, Completion, CompletionRequest
from .memory import Memory
from .persona import Persona
from .prompt import Prompter
from .reply import ReplyError, reply_text

REVIEW_LIMIT = 280
_TOKENS = 64
_WORD = re.compile(r"\w+")
_CHINESE = re.compile(r"[\u3400-\u9fff]")


async def write_review(
    llm: LLM, prompter: Prompter, persona: Persona, item: Item, stars: float | None, visit: Visit
) -> tuple[Review, tuple[str, ...]]:
    """A review and its journal keys. Raises TurnFailed if the model wrote nothing, twice."""
    request = CompletionRequest(prompter.review(persona, item, stars), max_tokens=_TOKENS)
    text, keys = await ask_twice(llm, request, visit, _prose)
    return Review(item.item_id, text, is_grounded(text, item)), keys


async def hold_interview(
    llm: LLM,
    prompter: Prompter,
    persona: Persona,
    memory: Memory,
    reason: LeaveReason,
    visit: Visit,
) -> tuple[Remark, tuple[str, ...]]:
    """What the user says at the exit, and journal keys. Raises TurnFailed as `write_review`."""
    request = CompletionRequest(
        prompter.interview(persona, memory, reason, visit.catalog), max_tokens=_TOKENS
    )
    text, keys = await ask_twice(llm, request, visit, _prose)
    return Remark(text), keys


def _prose(completion: Completion) -> str:
    # Free text has no end it must reach: where the token limit cut it, the ellipsis says so.
    try:
        return fence(reply_text(completion), REVIEW_LIMIT)
    except ReplyError:
        if completion.finish_reason != "length" or not completion.text.strip():
            raise
        if completion.text.lstrip().startswith("<think>"):
            raise
        return fence(completion.text.strip() + "\u2026", REVIEW_LIMIT)


def is_grounded(text: str, item: Item) -> bool:
    """Whether a text names an attribute of the item (or, where it has none, a word of its title).

    Words are compared without case; an attribute of several words counts if one of three letters
    or more is named. Chinese text is cut into words by jieba.

    Raises:
        UserError: the text is Chinese and jieba is not installed.
    """
    names = item.attributes or (item.title,)
    wanted = {w for name in names for w in _words(name) if len(w) >= 3 or _CHINESE.search(w)}
    return bool(wanted & set(_words(text)))


def _words(text: str) -> list[str]:
    if not _CHINESE.search(text):
        return [w.lower() for w in _WORD.findall(text)]
    try:
        import jieba
    except ImportError as error:
        raise UserError(
            "Chinese text needs jieba to be cut into words: pip install 'focusgroup[text]'"
        ) from error
    return [w.lower() for w in jieba.lcut(text) if _WORD.match(w)]
