"""How characters and replies turn into tokens: as the model's tokenizer says, or as it counted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import mean

from focusgroup.agents.llm import CompletionRequest, TokenCounter

from .rehearsal import Kind, StandIn, kind_of, length

CHARACTERS_PER_TOKEN = 3.0  # of titles and JSON, where nobody could be asked
ANSWER_TOKENS = 60.0  # likewise; a score is one token
_MEASURED = 64  # prompts of a kind that a tokenizer is given


@dataclass(frozen=True, slots=True)
class Scale:
    """How characters and replies of each kind turn into tokens."""

    characters_per_token: defaultdict[Kind, float]
    answer_tokens: defaultdict[Kind, float]

    @classmethod
    def of(cls, stand_in: StandIn) -> Scale:
        """From the model's tokenizer where it has one, else from what it counted itself."""
        if isinstance(stand_in.model, TokenCounter):
            counter = stand_in.model
            prompts = [
                (asked, counter.prompt_tokens(asked.messages))
                for listed in stand_in.prompts.values()
                for asked in listed[:_MEASURED]
            ]
        else:
            prompts = [(asked, said.usage.prompt) for asked, said in stand_in.asked]
        measured = [(asked, tokens) for asked, tokens in prompts if tokens]
        overall = _ratio(measured, CHARACTERS_PER_TOKEN)
        characters = defaultdict(lambda: overall)
        answers = defaultdict(lambda: ANSWER_TOKENS, {Kind.SCORE: 1.0})
        for kind in Kind:
            characters[kind] = _ratio([p for p in measured if kind_of(p[0]) is kind], overall)
            said = [s.usage.completion for asked, s in stand_in.asked if kind_of(asked) is kind]
            if any(said):
                answers[kind] = mean(said)
        return cls(characters, answers)


def _ratio(measured: list[tuple[CompletionRequest, int]], otherwise: float) -> float:
    tokens = sum(tokens for _, tokens in measured)
    return sum(length(asked) for asked, _ in measured) / tokens if tokens else otherwise
