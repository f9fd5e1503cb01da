"""Style `duel`: two pages for the same person in one prompt, called A and B, one to be chosen.

Published replications of A/B tests get the direction right far more often when the variants are
compared in one prompt than when each is judged alone. A page shown first has an advantage, so both
orders are asked and the advantage is fitted (`simulator/fidelity/duels.py`). Who made a page is
never told. Items that stand on both pages are left out of both: they cannot tell the pages apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from focusgroup.simulator.errors import FailureCause, UserError
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Catalog

from .elicit import ask_twice
from .fence import fence
from .llm.protocol import LLM, Capabilities, Completion, CompletionRequest, JsonSchema, Message
from .persona import Persona
from .prompt import Prompter
from .reply import REASON_LIMIT, ReplyError, reply_text
from .score import TOP_LOGPROBS, log_odds

FIRST, SECOND = "A", "B"
# Log-odds of a choice said to be close, clear, beyond doubt: chances of .62, .82 and .95. Assumed.
STRENGTH_LOG_ODDS = {1: 0.5, 2: 1.5, 3: 3.0}
CHOICE_TOKENS = 40 + REASON_LIMIT


@dataclass(frozen=True, slots=True)
class Bout:
    """Two pages for one user, item ids best first, without what stands on both."""

    user_id: str
    first: tuple[str, ...]
    second: tuple[str, ...]

    @classmethod
    def of(cls, user_id: str, first: Sequence[str], second: Sequence[str]) -> Bout:
        """From whole pages; see `same`."""
        on_first, on_second = set(first), set(second)
        return cls(
            user_id,
            tuple(i for i in first if i not in on_second),
            tuple(i for i in second if i not in on_first),
        )

    @property
    def same(self) -> bool:
        """Whether the pages hold the same items: nobody needs to be asked."""
        return not self.first and not self.second

    def turned(self) -> Bout:
        """The same pages in the other order."""
        return Bout(self.user_id, self.second, self.first)


@dataclass(frozen=True, slots=True)
class Preference:
    """What came of a bout.

    Attributes:
        log_odds: natural log-odds that the page shown first is preferred, finite.
        why: the model's own words, untrusted, or "".
        completion_keys: journal keys of all completions asked, failed attempts included.
    """

    log_odds: float
    why: str = ""
    completion_keys: tuple[str, ...] = ()


@runtime_checkable
class DuelJudge(Protocol):
    """Prefers one of two pages; may have to wait for a model."""

    async def prefer(self, bout: Bout) -> Preference:
        """Raises TurnFailed if there is no usable answer."""
        ...


@runtime_checkable
class BatchDuelJudge(Protocol):
    """Prefers by arithmetic: many bouts at once, each as if it were alone."""

    def prefer_many(self, bouts: Sequence[Bout]) -> Sequence[Preference]: ...


class DuelReply(StrEnum):
    """How a model says which page: a choice with its strength, or the log-odds of one letter."""

    CHOICE = "choice"
    ODDS = "odds"

    @classmethod
    def possible(cls, found: Capabilities, model: str) -> DuelReply:
        """The log-odds where the model gives them, else the choice. Raises UserError if neither."""
        if found.logprobs:
            return cls.ODDS
        if found.json_schema:
            return cls.CHOICE
        raise UserError(
            f"style duel needs log-probabilities or replies constrained to a JSON schema, and"
            f" {model} gives neither. Use a server that does (vLLM, llama.cpp)."
        )


@dataclass(frozen=True, slots=True)
class Duel:
    """The style: how two pages are asked about."""

    reply: DuelReply = DuelReply.ODDS

    def messages(
        self, prompter: Prompter, persona: Persona, bout: Bout, catalog: Catalog
    ) -> tuple[Message, ...]:
        """The prompt: the person, the task, page A, page B; items in the order of their page."""
        words, domain = prompter.language, prompter.domain
        noun = words.translate("nouns", domain.item_noun)
        task = words.templates["duel"].format(
            items=words.plural(noun),
            item=noun,
            click=words.translate("verbs", domain.click_verb),
            reply_rule=words.phrase("duel", self.reply.value),
        )
        lines = []
        for letter, page in ((FIRST, bout.first), (SECOND, bout.second)):
            shown = (f"- {prompter.item(catalog[item_id])}" for item_id in page)
            lines += [words.phrase("page").format(letter), "<<<", *shown, ">>>"]
        return (
            Message("system", words.templates["person"] + prompter.persona(persona)),
            Message("user", task + "\n".join([*lines, words.phrase("ask")])),
        )

    def request(
        self, prompter: Prompter, persona: Persona, bout: Bout, catalog: Catalog
    ) -> CompletionRequest:
        """The one call of a bout."""
        messages = self.messages(prompter, persona, bout, catalog)
        if self.reply is DuelReply.ODDS:
            return CompletionRequest(messages, max_tokens=1, top_logprobs=TOP_LOGPROBS)
        return CompletionRequest(messages, schema=choice_schema(), max_tokens=CHOICE_TOKENS)

    def read(self, completion: Completion) -> Preference:
        """Raises ReplyError if the reply cannot be used."""
        if self.reply is DuelReply.ODDS:
            return Preference(log_odds(completion, (FIRST.lower(),), (SECOND.lower(),)))
        said = _parsed(completion)
        size = STRENGTH_LOG_ODDS[said.strength]
        return Preference(size if said.choice == FIRST else -size, fence(said.why, REASON_LIMIT))


@dataclass(frozen=True, slots=True)
class SpokenDuels:
    """Users who duel through a language model (a `DuelJudge`).

    Attributes:
        persona: user id -> persona.
    """

    llm: LLM
    persona: Callable[[str], Persona]
    prompter: Prompter
    catalog: Catalog
    duel: Duel = Duel()

    async def prefer(self, bout: Bout) -> Preference:
        """Raises TurnFailed if no usable answer came after a fresh attempt."""
        persona = self.persona(bout.user_id)
        request = self.duel.request(self.prompter, persona, bout, self.catalog)
        visit = Visit(
            bout.user_id, "", 0, 0, (), (), self.catalog, Noise(0, bout.user_id, 0)
        )  # nothing is drawn: a duel has no behaviour
        said, keys = await ask_twice(self.llm, request, visit, self.duel.read)
        return Preference(said.log_odds, said.why, keys)


class _Choice(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    choice: Literal["A", "B"]
    strength: int = Field(ge=min(STRENGTH_LOG_ODDS), le=max(STRENGTH_LOG_ODDS))
    why: str


def choice_schema() -> JsonSchema:
    """The JSON schema of a choice with its strength; every string is bounded."""
    properties: dict[str, object] = {
        "choice": {"type": "string", "enum": [FIRST, SECOND]},
        "strength": {
            "type": "integer",
            "minimum": min(STRENGTH_LOG_ODDS),
            "maximum": max(STRENGTH_LOG_ODDS),
        },
        "why": {"type": "string", "maxLength": REASON_LIMIT},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _parsed(completion: Completion) -> _Choice:
    text = reply_text(completion)
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReplyError(FailureCause.NOT_JSON, f"{error}: {text[:120]!r}") from error
    try:
        return _Choice.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = fence(".".join(str(part) for part in first["loc"]), 80) or "reply"
        raise ReplyError(FailureCause.OUT_OF_SCHEMA, f"{where}: {first['msg']}") from error
