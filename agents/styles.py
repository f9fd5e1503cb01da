"""Styles of asking by name, as a scenario and a certificate name them."""

from __future__ import annotations

from typing import Literal

from .answer import Answer
from .elicit import Elicitation
from .score import Score

Style = Literal["answer", "score"]


def elicitation(style: Style, *, pooled: bool, temperature: float = 0.0) -> Elicitation:
    """The style, with what its opinions are for.

    Where they are pooled with statistics, `score` takes off what the model says of an item for
    nobody in particular; `answer` does not: hardly two users see one page, so it would cost as much
    as the answers, and appeal and position are fitted with the opinion's weight anyway.
    """
    return Answer(temperature) if style == "answer" else Score(less_prior=pooled)
