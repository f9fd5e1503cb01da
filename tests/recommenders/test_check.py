"""check_recommender finds each way to break the contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from focusgroup.recommenders import check_recommender, recommender_problems
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest, Slate

IDS = tuple(f"i{n:02d}" for n in range(30))


def honest(request: RecRequest) -> Slate:
    allowed = [i for i in IDS if request.candidates is None or i in request.candidates]
    shown = [i for i in allowed if i not in request.exclude][: request.k]
    return Slate(tuple(shown), tuple(1.0 for _ in shown), tuple(0.5 for _ in shown))


class Answering:
    """Answers each request by a function, except as a subclass says."""

    def __init__(self, answer: Callable[[RecRequest], Slate] = honest) -> None:
        self.answer = answer

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        return [self.answer(r) for r in requests]


def test_an_honest_recommender_passes() -> None:
    assert recommender_problems(Answering(), IDS) == ()
    check_recommender(Answering(), IDS, k=30)


def only_new(request: RecRequest) -> Slate:
    unseen = request.exclude | {i.item_id for i in request.history}
    return honest(dataclasses.replace(request, exclude=unseen))


def ids_only(change: Callable[[RecRequest, tuple[str, ...]], Sequence[str]]) -> object:
    return lambda request: Slate(tuple(change(request, honest(request).item_ids)))


def raises_for_unknown_items(request: RecRequest) -> Slate:
    for event in request.history:
        IDS.index(event.item_id)
    return honest(request)


def raises_for_empty_history(request: RecRequest) -> Slate:
    assert request.history, "who is this?"
    return honest(request)


def raises_for_unknown_users(request: RecRequest) -> Slate:
    return {"known": Slate(IDS[:10])}[request.user_id]


def forgets_exclude(request: RecRequest) -> Slate:
    return honest(dataclasses.replace(request, exclude=frozenset()))


def forgets_candidates(request: RecRequest) -> Slate:
    return honest(dataclasses.replace(request, candidates=None))


def clears_the_history(request: RecRequest) -> Slate:
    request.history.clear()  # type: ignore[attr-defined]
    return honest(request)


def sorts_the_candidates(request: RecRequest) -> Slate:
    if request.candidates is not None:
        request.candidates.sort()  # type: ignore[attr-defined]
    return honest(request)


def scored(values: float) -> object:
    return lambda r: Slate(s := honest(r).item_ids, tuple(values for _ in s))


def shown_with(propensity: float) -> object:
    return lambda r: Slate(s := honest(r).item_ids, None, tuple(propensity for _ in s))


@pytest.mark.parametrize(
    ("answer", "problem", "case"),
    [
        (ids_only(lambda r, ids: ids[:1] * len(ids)), "shown twice", "empty history"),
        (ids_only(lambda r, ids: ["zz", *ids[1:]]), "not in the catalogue", "empty history"),
        (ids_only(lambda r, ids: ids[:-1]), "fewer than k", "exclude all but a few"),
        (ids_only(lambda r, ids: (ids + IDS[-1:]) if ids else ids), "more than k", "one slot"),
        (only_new, "fewer than k", "long history"),
        (forgets_exclude, "`exclude` forbids", "exclude everything"),
        (forgets_candidates, "not among the `candidates`", "few candidates"),
        (raises_for_unknown_items, "ValueError", "only unknown items in history"),
        (raises_for_empty_history, "who is this?", "empty history"),
        (raises_for_unknown_users, "KeyError", "one slot"),
        (clears_the_history, "changes the requests", ""),
        (sorts_the_candidates, "changes the requests", ""),
        (lambda r: Slate(honest(r).item_ids, (1.0,) * 99), "number of scores differs", "one slot"),
        (scored(float("nan")), "not a finite number", "one slot"),
        (shown_with(0.0), "not in (0, 1]", "one slot"),
        (lambda r: list(honest(r).item_ids), "is a list, not a Slate", "a batch of all requests"),
    ],
)
def test_a_wrong_answer_is_named(answer, problem, case) -> None:
    problems = recommender_problems(Answering(answer), IDS, k=10)
    assert any(problem in p and case in p for p in problems), problems
    with pytest.raises(UserError, match="Answering breaks the contract"):
        check_recommender(Answering(answer), IDS, k=10)


class Streaming(Answering):
    """Draws from one stream instead of the request's seed."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def recommend(self, requests):
        return [self.answer(r) if r.exclude else self.shuffled(r) for r in requests]

    def shuffled(self, request: RecRequest) -> Slate:
        return Slate(tuple(self.rng.permutation(list(honest(request).item_ids)).tolist()))


class SeededByBatch(Answering):
    """One generator for the batch: right for the first request only."""

    def recommend(self, requests):
        rng = np.random.default_rng(requests[0].seed if requests else 0)
        return [Slate(tuple(rng.permutation(honest(r).item_ids).tolist())) for r in requests]


class ScoredByBatch(Answering):
    """Scores relative to the batch."""

    def recommend(self, requests):
        return [
            dataclasses.replace(s := honest(r), scores=(1.0 / len(requests),) * len(s.item_ids))
            for r in requests
        ]


class Diverse(Answering):
    """Shows no item to two users of a batch at the first slot, if it can: order matters."""

    def recommend(self, requests):
        taken: set[str] = set()
        slates = []
        for request in requests:
            ids = list(honest(request).item_ids)
            ids.sort(key=lambda i: (i in taken, i))
            taken.update(ids[:1])
            slates.append(Slate(tuple(ids)))
        return slates


class Swallowing(Answering):
    """Leaves out requests it does not like."""

    def recommend(self, requests):
        return [self.answer(r) for r in requests if r.history]


class NoEmptyBatch(Answering):
    """Takes the maximum of nothing."""

    def recommend(self, requests):
        max(r.k for r in requests)
        return super().recommend(requests)


@pytest.mark.parametrize(
    ("recommender", "problem"),
    [
        (Streaming(), "items of a slate differ when asked twice"),
        (SeededByBatch(), "items of a slate differ when asked alone"),
        (SeededByBatch(), "items of a slate differ when asked in another order"),
        (ScoredByBatch(), "scores or propensities differ when asked alone"),
        (Diverse(), "items of a slate differ when asked alone"),
        (Swallowing(), "slates for"),
        (NoEmptyBatch(), "[an empty batch]"),
    ],
)
def test_dependence_on_the_batch_is_named(recommender, problem) -> None:
    problems = recommender_problems(recommender, IDS, k=10)
    assert any(problem in p for p in problems), problems


def test_all_problems_come_in_one_message() -> None:
    def broken(request: RecRequest) -> Slate:
        request.history.clear()  # type: ignore[attr-defined]
        return forgets_exclude(request)

    with pytest.raises(UserError) as caught:
        check_recommender(Answering(broken), IDS)
    assert "`exclude` forbids" in str(caught.value)
    assert "changes the requests" in str(caught.value)


@pytest.mark.parametrize("k", [0, 31])
def test_k_must_fit_the_catalogue(k) -> None:
    with pytest.raises(UserError, match=f"k is {k}, but the catalogue has 30 items"):
        check_recommender(Answering(), IDS, k=k)


def test_a_catalogue_of_one_item_can_be_checked() -> None:
    def one(request: RecRequest) -> Slate:
        allowed = request.candidates is None or "i00" in request.candidates
        return Slate(("i00",) if allowed and "i00" not in request.exclude else ())

    check_recommender(Answering(one), ["i00"], k=1)
