"""A planted world: users whose tastes are known, so that what is learned can be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from focusgroup.agents import BehaviourModel, fit_behaviour
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Catalog, Event, Interaction, Item, Session, Turn

GENRES = ("drama", "comedy", "horror", "western")
FILMS = Domain("planted films", "film", "watch", has_ratings=True)
SHOP = Domain("planted shop", "product", "look at", has_prices=True, currency="$")


@dataclass(frozen=True)
class World:
    """A log with known tastes: each user loves one genre and shuns the next one.

    Attributes:
        loves: user id -> genre.
        calibration, audience: user ids, disjoint.
        popularity: item id -> share of calibration users who had it.
    """

    domain: Domain
    catalog: Catalog
    history: pd.DataFrame
    held_out: pd.DataFrame
    loves: Mapping[str, str]
    calibration: tuple[str, ...]
    audience: tuple[str, ...]

    def interactions(self, user_id: str) -> tuple[Interaction, ...]:
        """A user's history, () for a stranger."""
        rows = self.history[self.history["user_id"] == user_id]
        return tuple(
            Interaction(item, Event(event), value, positive)
            for item, event, value, positive in zip(
                rows["item_id"], rows["event"], rows["value"], rows["positive"], strict=True
            )
        )

    def fit(self, **options: object) -> BehaviourModel:
        return fit_behaviour(
            self.history,
            self.held_out,
            self.calibration,
            self.catalog,
            self.domain,
            seed=7,
            **options,  # type: ignore[arg-type]
        )


def plant(domain: Domain, *, users: int = 300, items: int = 120, seed: int = 1) -> World:
    rng = np.random.default_rng(seed)
    ids = [f"i{n:03d}" for n in range(items)]
    genre = np.arange(items) % len(GENRES)
    quality = rng.normal(0, 0.7, items)
    prices = np.exp(rng.normal(1.0, 0.6, items))
    catalog = Catalog(
        {
            i: Item(
                i,
                f"{GENRES[genre[n]].title()} {n}",
                (GENRES[genre[n]],),
                price=round(float(prices[n]), 2) if domain.has_prices else None,
            )
            for n, i in enumerate(ids)
        }
    )
    rows: list[tuple[str, str, str, float, bool, float, bool]] = []
    loves = {}
    for number in range(users):
        user = f"u{number:03d}"
        love = int(rng.integers(len(GENRES)))
        loves[user] = GENRES[love]
        fit = 2.0 * (genre == love) - 1.5 * (genre == (love + 1) % len(GENRES))
        chance = 1 / (1 + np.exp(-(-1.9 + fit + quality)))
        generous = rng.normal(0, 0.6)
        had = np.flatnonzero(rng.random(items) < chance)
        for when, n in enumerate(rng.permutation(had)):
            if domain.has_ratings:
                latent = 3.1 + 0.8 * fit[n] / 2 + 0.8 * quality[n] + generous + rng.normal(0, 0.9)
                event, value = "rate", float(np.clip(np.round(latent), 1, 5))
            else:
                event, value = "purchase", float(rng.integers(1, 4))
            positive = value >= 3.5 or event != "rate"
            rows.append((user, ids[n], event, value, positive, float(when), when >= 0.7 * len(had)))
    columns = ["user_id", "item_id", "event", "value", "positive", "timestamp", "late"]
    log = pd.DataFrame(rows, columns=columns)
    late = log.pop("late")
    everyone = sorted(loves)
    return World(
        domain,
        catalog,
        log[~late].reset_index(drop=True),
        log[late].reset_index(drop=True),
        loves,
        tuple(everyone[: users // 2]),
        tuple(everyone[users // 2 :]),
    )


@pytest.fixture(scope="session")
def films() -> World:
    """Films that are rated, without prices."""
    return plant(FILMS)


@pytest.fixture(scope="session")
def shop() -> World:
    """Products that are bought at a price, without ratings."""
    return plant(SHOP, seed=2)


@pytest.fixture(scope="session")
def film_model(films: World) -> BehaviourModel:
    return films.fit()


@pytest.fixture(scope="session")
def shop_model(shop: World) -> BehaviourModel:
    return shop.fit()


@pytest.fixture(scope="session")
def visit() -> Callable[..., Visit]:
    """A visit at its first page, or wherever it is told to be."""

    def make(
        catalog: Catalog,
        user_id: str = "u000",
        *,
        arm: str = "a",
        round: int = 0,
        page: int | None = None,
        past: Sequence[Session] = (),
        turns: Sequence[Turn] = (),
        seed: int = 3,
        attempt: int = 0,
    ) -> Visit:
        page = len(turns) if page is None else page
        noise = Noise(seed, user_id, round)
        return Visit(user_id, arm, round, page, tuple(past), tuple(turns), catalog, noise, attempt)

    return make
