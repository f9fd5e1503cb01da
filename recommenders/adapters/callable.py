"""A Python function as a recommender."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest, Slate

Answer = Slate | Sequence[str]
"""A slate, or only its item ids, best first."""


class CallableRecommender:
    """Asks a function once per request: `def answer(request: RecRequest) -> Slate | list[str]`.

    The function has to honour `k`, `exclude` and `candidates` itself; `check_recommender` tells
    whether it does.
    """

    def __init__(self, answer: Callable[[RecRequest], Answer]) -> None:
        self._answer = answer

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError if the function returns something else."""
        return [_slate(self._answer(r), r, _name(self._answer)) for r in requests]


class BatchCallableRecommender:
    """Asks a function once per batch: `def answer(requests) -> list of Slate | list[str]`.

    An answer may depend on its own request only, never on the others of the batch.
    """

    def __init__(self, answer: Callable[[Sequence[RecRequest]], Sequence[Answer]]) -> None:
        self._answer = answer

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """One slate per request. Raises UserError if the function returns something else."""
        name = _name(self._answer)
        answers = self._answer(requests)
        if len(answers) != len(requests):
            raise UserError(
                f"the recommender function {name!r} returned {len(answers)} answers to "
                f"{len(requests)} requests; expected one each, in order."
            )
        return [_slate(a, r, name) for a, r in zip(answers, requests, strict=True)]


def _slate(answer: Answer, request: RecRequest, name: str) -> Slate:
    if isinstance(answer, Slate):
        return answer
    where = f"the recommender function {name!r} answered user {request.user_id!r} with"
    if isinstance(answer, str) or not isinstance(answer, Sequence):
        raise UserError(
            f"{where} {answer!r} ({type(answer).__name__}); expected a Slate or a list of item ids."
        )
    for slot, item_id in enumerate(answer, start=1):
        if not isinstance(item_id, str):
            raise UserError(
                f"{where} {item_id!r} ({type(item_id).__name__}) in slot {slot}; "
                "item ids are strings."
            )
    return Slate(tuple(str(item_id) for item_id in answer))


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
