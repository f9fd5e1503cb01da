"""Fixtures every test may use: a small world with three real recommenders' worth of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Item,
    Leave,
    LeaveReason,
    NextPage,
    RecRequest,
    Response,
    Slate,
)


@pytest.fixture
def catalog() -> Catalog:
    """Thirty items, i00 ... i29, in three genres."""
    genres = ("drama", "comedy", "horror")
    return Catalog(
        {f"i{n:02d}": Item(f"i{n:02d}", f"Film {n}", (genres[n % 3],)) for n in range(30)}
    )


class InOrder:
    """Shows the catalogue in order, starting at `first`, skipping what is excluded."""

    def __init__(self, catalog: Catalog, first: int = 0) -> None:
        ids = list(catalog)
        self.ids = ids[first:] + ids[:first]
        self.batches: list[int] = []

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        self.batches.append(len(requests))
        return [Slate(tuple([i for i in self.ids if i not in r.exclude][: r.k])) for r in requests]


class CoinFlip:
    """Clicks where its noise is below p; leaves when the leave noise is below .3. Both doors."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def answer(self, slate: Slate, visit: Visit) -> Response:
        nth = [0] * len(slate.item_ids)
        draws = visit.noise.items(slate.item_ids, "click", nth)
        clicks = [Click(i) for i, u in zip(slate.item_ids, draws, strict=True) if u < self.p]
        left = visit.noise.leave(visit.page) < 0.3
        last = Leave(LeaveReason.BORED) if left else NextPage()
        return Response((*clicks, last), satisfaction=len(clicks) / len(slate.item_ids))

    def respond_many(self, slates: Sequence[Slate], visits: Sequence[Visit]) -> list[Response]:
        return [self.answer(s, v) for s, v in zip(slates, visits, strict=True)]


class WaitingCoinFlip:
    """CoinFlip behind the waiting door."""

    def __init__(self, p: float = 0.5) -> None:
        self._coin = CoinFlip(p)

    async def respond(self, slate: Slate, visit: Visit) -> Response:
        return self._coin.answer(slate, visit)


@pytest.fixture
def in_order() -> Callable[..., InOrder]:
    return InOrder


@pytest.fixture
def coin_flip() -> Callable[..., CoinFlip]:
    return CoinFlip


@pytest.fixture
def waiting_coin_flip() -> Callable[..., WaitingCoinFlip]:
    return WaitingCoinFlip
