"""Does a recommender keep the contract? For authors of recommenders; run on every one of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.noise import derive_seed
from focusgroup.simulator.protocols import Recommender
from focusgroup.simulator.types import Event, Interaction, RecRequest, Slate

_UNKNOWN = "\N{WHITE QUESTION MARK ORNAMENT}unknown"


def check_recommender(
    recommender: Recommender, catalog_item_ids: Sequence[str], *, k: int = 10, seed: int = 0
) -> None:
    """Ask a trained recommender awkward questions.

    Unknown users; empty, unknown and disliked histories; `exclude`, `candidates` and both; fewer
    allowed items than k; the same requests again, one by one, and in another order; no request at
    all. Slates must hold distinct allowed items of the catalogue, exactly k of them unless fewer
    are allowed; equal requests must get equal slates, scores included; requests must stay as given.

    Args:
        catalog_item_ids: all items it may show.
        k: page size, from 1 to the size of the catalogue.
        seed: varies the questions.

    Raises:
        UserError: it breaks the contract, with every problem found.
    """
    problems = recommender_problems(recommender, catalog_item_ids, k=k, seed=seed)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise UserError(
            f"{type(recommender).__name__} breaks the contract of recommenders:{listed}"
        )


def recommender_problems(
    recommender: Recommender, catalog_item_ids: Sequence[str], *, k: int = 10, seed: int = 0
) -> tuple[str, ...]:
    """What `check_recommender` finds, one sentence each; empty if all is well.

    Raises:
        UserError: k is not between 1 and the size of the catalogue.
    """
    catalog = sorted(set(catalog_item_ids))
    if not 1 <= k <= len(catalog):
        raise UserError(f"k is {k}, but the catalogue has {len(catalog)} items; 1 <= k <= items.")
    cases = _cases(catalog, k, seed)
    requests = list(cases.values())
    found = _Findings()
    together = _answers(recommender, requests, found, "a batch of all requests")
    if together is not None:
        for name, request, slate in zip(cases, requests, together, strict=True):
            for problem in _slate_problems(slate, request, frozenset(catalog)):
                found.add(problem, name)
        again = _answers(recommender, requests, found, "the same batch again")
        if again is not None and not _differ(together, again, cases, found, "asked twice"):
            _ask_otherwise(recommender, cases, together, found, seed)
    else:
        for name, request in cases.items():
            _answers(recommender, [request], found, name)
    _answers(recommender, [], found, "an empty batch")
    if requests != list(_cases(catalog, k, seed).values()):
        found.add("it changes the requests it is given (history, candidates or context)")
    return found.sentences()


class _Findings:
    """Problems in order of discovery, each with the cases that show it."""

    def __init__(self) -> None:
        self._cases: dict[str, list[str]] = {}

    def add(self, problem: str, case: str = "") -> None:
        known = self._cases.setdefault(problem, [])
        if case and case not in known:
            known.append(case)

    def sentences(self) -> tuple[str, ...]:
        return tuple(
            f"{problem} [{', '.join(cases)}]" if cases else problem
            for problem, cases in self._cases.items()
        )


def _cases(catalog: Sequence[str], k: int, seed: int) -> dict[str, RecRequest]:
    """Requests by what is special about them. Histories and candidates are fresh lists."""
    rng = np.random.default_rng(derive_seed("check_recommender", seed))

    def some(n: int) -> list[str]:
        return [catalog[i] for i in rng.permutation(len(catalog))[:n].tolist()]

    def liked(n: int) -> list[Interaction]:
        return [Interaction(i, Event.CLICK) for i in some(n)]

    short = max(1, k // 2)
    bought = [Interaction(i, Event.PURCHASE, 3.0) for i in some(2)]
    disliked = [Interaction(i, Event.RATE, 1.0, positive=False) for i in some(2)]
    unknown = [Interaction(_UNKNOWN, Event.CLICK)]
    halves = some(len(catalog))
    half, other = halves[: len(halves) // 2], halves[len(halves) // 2 :]
    asked: dict[str, RecRequest] = {
        "empty history": RecRequest("", k, []),
        "one item liked": RecRequest("", k, liked(1)),
        "five items liked": RecRequest("", k, liked(5)),
        "long history": RecRequest("", k, liked(200)),
        "purchases": RecRequest("", k, bought + liked(2)),
        "an item liked three times": RecRequest("", k, liked(1) * 3),
        "only dislikes": RecRequest("", k, disliked),
        "unknown item in history": RecRequest("", k, unknown + liked(2)),
        "only unknown items in history": RecRequest("", k, unknown),
        "one slot": RecRequest("", 1, liked(3)),
        "exclude": RecRequest("", k, liked(3), exclude=frozenset(half)),
        "exclude unknown items": RecRequest("", k, liked(3), exclude=frozenset({_UNKNOWN})),
        "exclude all but a few": RecRequest("", k, liked(3), exclude=frozenset(halves[short:])),
        "exclude everything": RecRequest("", k, liked(3), exclude=frozenset(catalog)),
        "candidates": RecRequest("", k, liked(3), candidates=other),
        "few candidates": RecRequest("", k, [], candidates=some(short)),
        "a candidate named twice": RecRequest("", k, liked(3), candidates=other + other[:1]),
        "no candidates": RecRequest("", k, liked(3), candidates=[]),
        "candidates and exclude": RecRequest(
            "", k, liked(3), exclude=frozenset(halves[::2]), candidates=other
        ),
    }
    return {
        name: RecRequest(
            f"{_UNKNOWN} user {n}",
            request.k,
            request.history,
            request.exclude,
            request.candidates,
            {"round": "0"},
            derive_seed("check_recommender", seed, n),
        )
        for n, (name, request) in enumerate(asked.items())
    }


def _answers(
    recommender: Recommender, requests: Sequence[RecRequest], found: _Findings, what: str
) -> list[Slate] | None:
    try:
        slates = recommender.recommend(requests)
        answers = list(slates)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        found.add(f"it raises {type(error).__name__}: {error}", what)
        return None
    if len(answers) != len(requests):
        found.add(f"{len(answers)} slates for {len(requests)} requests", what)
        return None
    for answer in answers:
        if not isinstance(answer, Slate):
            found.add(f"an answer is a {type(answer).__name__}, not a Slate", what)
            return None
    return answers


def _slate_problems(slate: Slate, request: RecRequest, catalog: frozenset[str]) -> list[str]:
    ids = slate.item_ids
    shown = set(ids)
    known = shown & catalog
    allowed = catalog if request.candidates is None else catalog & set(request.candidates)
    wanted = min(request.k, len(allowed - request.exclude))
    problems: list[str] = []
    if len(shown) < len(ids):
        problems.append("an item is shown twice in one slate")
    if shown - catalog:
        problems.append("an item is shown that is not in the catalogue")
    if shown & request.exclude:
        problems.append("an item is shown that `exclude` forbids")
    if known - allowed:
        problems.append("an item is shown that is not among the `candidates`")
    if len(ids) > request.k:
        problems.append("a slate holds more than k items")
    elif len(ids) < wanted:
        problems.append("a slate holds fewer than k items although more are allowed")
    for name, values in (("scores", slate.scores), ("propensities", slate.propensities)):
        if values is not None and len(values) != len(ids):
            problems.append(f"the number of {name} differs from the number of items")
    if not all(math.isfinite(score) for score in slate.scores or ()):
        problems.append("a score is not a finite number")
    if not all(0.0 < p <= 1.0 for p in slate.propensities or ()):
        problems.append("a propensity is not in (0, 1]")
    return problems


def _ask_otherwise(
    recommender: Recommender,
    cases: dict[str, RecRequest],
    together: Sequence[Slate],
    found: _Findings,
    seed: int,
) -> None:
    names = list(cases)
    for name, slate in zip(names, together, strict=True):
        alone = _answers(recommender, [cases[name]], found, f"{name}, alone")
        if alone is not None:
            _differ([slate], alone, [name], found, "asked alone instead of in a batch")
    order = np.random.default_rng(derive_seed("check_order", seed)).permutation(len(names)).tolist()
    permuted = _answers(
        recommender, [cases[names[i]] for i in order], found, "the batch in another order"
    )
    if permuted is not None:
        expected = [together[i] for i in order]
        shuffled = [names[i] for i in order]
        _differ(expected, permuted, shuffled, found, "asked in another order")


def _differ(
    first: Sequence[Slate],
    second: Sequence[Slate],
    names: Sequence[str] | dict[str, RecRequest],
    found: _Findings,
    how: str,
) -> bool:
    """Records what differs. True if something did."""
    different = False
    for name, one, other in zip(names, first, second, strict=True):
        if one.item_ids != other.item_ids:
            found.add(f"the items of a slate differ when {how} (the only randomness is seed)", name)
        elif one != other:
            found.add(f"scores or propensities differ when {how} (round them)", name)
        different |= one != other
    return different
