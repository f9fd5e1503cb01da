"""Reviews and exit interviews: free text in the persona's voice, written after the draw."""

from __future__ import annotations

import logging
import re

from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Item, LeaveReason, Remark, Review

from .elicit import ask_twice
from .fence import fence
from .llm.protocol import LLM, Completion, CompletionRequest
from .memory import Memory
from .persona import Persona
from .prompt import Prompter
from .reply import ReplyError, spoken_text

REVIEW_LIMIT = 280
_TOKENS = 64
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\u3400-\u9fff]+")
_EVERYWHERE = frozenset({"and", "for", "from", "not", "other", "the", "with"})


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
    text = spoken_text(completion)
    if completion.finish_reason == "length":
        text += "\u2026"
    if not (line := fence(text, REVIEW_LIMIT)):
        raise ReplyError(FailureCause.EMPTY, "nothing that can be shown")
    return line


def is_grounded(text: str, item: Item) -> bool:
    """Whether a text names an attribute of the item (or, where it has none, a word of its title).

    Words are compared without case. A name of several words counts if one of them is named that
    has three letters or two Chinese characters at least. jieba cuts Chinese text into words.

    Raises:
        UserError: item and text are Chinese and jieba is not installed.
    """
    names = item.attributes or (item.title,)
    chinese = any(_CHINESE.search(name) for name in names) and bool(_CHINESE.search(text))
    wanted = {name.lower() for name in names}
    for name in names:
        wanted |= {w for w in _words(name, chinese) if len(w) >= (2 if _CHINESE.search(w) else 3)}
    return not wanted.isdisjoint(_words(text, chinese) - _EVERYWHERE)


def _words(text: str, chinese: bool) -> set[str]:
    """Lower-case words; those in Chinese characters only if asked for."""
    text = text.lower()
    words = set(_WORD.findall(text))
    if not chinese:
        return words
    try:
        import jieba
    except ImportError as error:
        raise UserError(
            "Chinese text needs jieba to be cut into words: pip install 'focusgroup[text]'"
        ) from error
    jieba.setLogLevel(logging.WARNING)
    return words | {w for w in jieba.cut_for_search(text) if _CHINESE.search(w)}
