"""Styles of asking by name, as a scenario and a certificate name them."""

from __future__ import annotations

from typing import Literal

from focusgroup.simulator.errors import UserError

from .answer import Answer
from .elicit import Elicitation
from .llm import Capabilities
from .score import Score

Style = Literal["answer", "score"]


def elicitation(style: Style, *, pooled: bool, temperature: float = 0.0) -> Elicitation:
    """The style, with what its opinions are for.

    Where they are pooled with statistics, `score` takes off what the model says of an item for
    nobody in particular; `answer` does not: hardly two users see one page, so it would cost as much
    as the answers, and appeal and position are fitted with the opinion's weight anyway.
    """
    return Answer(temperature) if style == "answer" else Score(less_prior=pooled)


def check_capabilities(style: Elicitation, found: Capabilities, model: str) -> None:
    """Raises UserError where the model named `model` cannot do what the style needs."""
    if style.needs_logprobs and not found.logprobs:
        raise UserError(
            f"style score needs log-probabilities, and {model} returns none."
            " Use --style answer, or a server that returns top_logprobs (vLLM, llama.cpp)."
        )
    if not style.needs_logprobs and not found.json_schema:
        raise UserError(
            f"style answer needs replies constrained to a JSON schema, and {model} ignores"
            " response_format json_schema. Use --style score, or a server that keeps it (vLLM,"
            " llama.cpp)."
        )
