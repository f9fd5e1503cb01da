"""The calibrated users at their pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from focusgroup.agents import BehaviourModel, StatisticalUser
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import BatchUserAgent, Visit
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Interaction,
    Item,
    Leave,
    NextPage,
    Purchase,
    Rate,
    Response,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    Turn,
)


def histories(world: Any) -> dict[str, tuple[Interaction, ...]]:
    users = (*world.calibration[:5], *world.audience, "stranger")
    return {user: world.interactions(user) for user in users}


@pytest.fixture(scope="module")
def film_users(films: Any, film_model: BehaviourModel) -> StatisticalUser:
    known = histories(films)
    return StatisticalUser(film_model, lambda user: known.get(user, ()))


@pytest.fixture(scope="module")
def shop_users(shop: Any, shop_model: BehaviourModel) -> StatisticalUser:
    known = histories(shop)
    return StatisticalUser(shop_model, lambda user: known.get(user, ()))


def page_turn(world: Any, first: int) -> Turn:
    ids = tuple(world.catalog)[first : first + 6]
    return Turn(0, Slate(ids), Response((Click(ids[0]), NextPage()), 0.4))


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...], int, int, int]]:
    """(user, item numbers, round, pages before, earlier visits), of one to twelve visits."""
    one = st.tuples(
        st.sampled_from(["u000", "u001", "u200", "u250", "u299", "stranger", "nobody"]),
        st.lists(st.integers(0, 119), min_size=1, max_size=12, unique=True).map(tuple),
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(0, 2),
    )
    return draw(st.lists(one, min_size=1, max_size=12))


@pytest.mark.parametrize("name", ["film", "shop"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches())
def test_many_pages_at_once_are_answered_as_one_by_one(
    request: pytest.FixtureRequest,
    name: str,
    batch: list[tuple[str, tuple[int, ...], int, int, int]],
) -> None:
    world = request.getfixturevalue({"film": "films", "shop": "shop"}[name])
    users: BatchUserAgent = request.getfixturevalue(f"{name}_users")
    ids = tuple(world.catalog)
    slates = [Slate(tuple(ids[n] for n in items)) for _, items, *_ in batch]
    visits = []
    for user, _, round, pages, earlier in batch:
        turns = tuple(replace(page_turn(world, 4 * n), page=n) for n in range(pages))
        key = SessionKey("x", "a", user, 0)
        past = tuple(Session(key, (page_turn(world, n),), SessionEnd.LIMIT) for n in range(earlier))
        noise = Noise(5, user, round)
        visits.append(Visit(user, "a", round, pages, past, turns, world.catalog, noise))
    together = users.respond_many(slates, visits)
    alone = [users.respond_many([s], [v])[0] for s, v in zip(slates, visits, strict=True)]
    assert together == alone
    for slate, response in zip(slates, together, strict=True):
        assert response.odds is not None
        assert len(response.odds) == len(slate.item_ids)
        assert all(0 <= o.purchase <= o.click <= 1 for o in response.odds)
        assert all(o.stars is None or 1 <= o.stars <= 5 for o in response.odds)
        assert response.p_leave is not None
        assert 0 <= response.p_leave <= 1
        assert 0 <= response.satisfaction <= 1
        assert isinstance(response.actions[-1], NextPage | Leave)


def test_no_pages_no_answers(film_users: StatisticalUser) -> None:
    assert film_users.respond_many([], []) == []


def test_a_user_nobody_knows_gets_the_popular_view(films: Any, film_users: StatisticalUser) -> None:
    slate = Slate(tuple(films.catalog)[:10])
    visits = [
        Visit(user, "a", 0, 0, (), (), films.catalog, Noise(0, user, 0))
        for user in ("nobody", "stranger")
    ]
    nobody, stranger = film_users.respond_many([slate, slate], visits)
    assert nobody.odds == stranger.odds


def drawn(users: StatisticalUser, slate: Slate, world: Any, n: int = 1500) -> list[Response]:
    user = world.audience[0]
    visits = [
        Visit(user, "a", 0, 0, (), (), world.catalog, Noise(seed, user, 0)) for seed in range(n)
    ]
    return list(users.respond_many([slate] * n, visits))


def test_draws_happen_as_often_as_their_probabilities_say(
    shop: Any, shop_users: StatisticalUser
) -> None:
    slate = Slate(tuple(shop.catalog)[:5])
    responses = drawn(shop_users, slate, shop)
    odds, p_leave = responses[0].odds, responses[0].p_leave
    assert odds is not None
    for slot, item in enumerate(slate.item_ids):
        for kind, expected in ((Click, odds[slot].click), (Purchase, odds[slot].purchase)):
            times = sum(
                any(isinstance(a, kind) and a.item_id == item for a in r.actions) for r in responses
            )
            assert times / len(responses) == pytest.approx(expected, abs=0.04)
    leaving = [r.p_leave for r in responses]
    left = np.mean([isinstance(r.actions[-1], Leave) for r in responses])
    assert p_leave is not None
    assert left == pytest.approx(np.mean(np.array(leaving, dtype=float)), abs=0.04)


def test_purchases_follow_clicks_at_the_price_shown(shop: Any, shop_users: StatisticalUser) -> None:
    for response in drawn(shop_users, Slate(tuple(shop.catalog)[:30]), shop, 40):
        clicked = {a.item_id for a in response.actions if isinstance(a, Click)}
        for action in response.actions:
            assert not isinstance(action, Rate)
            if isinstance(action, Purchase):
                assert action.item_id in clicked
                assert action.price == shop.catalog[action.item_id].price


def test_ratings_use_the_whole_scale_and_keep_the_logs_mean(
    films: Any, film_model: BehaviourModel
) -> None:
    known = histories(films)
    users = StatisticalUser(film_model, lambda user: known.get(user, ()))
    rows = films.held_out[films.held_out["user_id"].isin(films.audience)]
    stars: list[float] = []
    expected: list[float] = []
    for user, own in rows.groupby("user_id"):
        slate = Slate(tuple(own["item_id"]))
        visit = Visit(str(user), "a", 0, 0, (), (), films.catalog, Noise(1, str(user), 0))
        response = users.respond_many([slate], [visit])[0]
        stars += [a.stars for a in response.actions if isinstance(a, Rate)]
        assert response.odds is not None
        expected += [o.stars for o in response.odds if o.stars is not None]
    assert set(stars) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert np.mean(expected) == pytest.approx(rows["value"].mean(), abs=0.12)
    assert np.corrcoef(expected, rows["value"])[0, 1] > 0.4


def test_every_click_on_a_film_is_rated(films: Any, film_users: StatisticalUser) -> None:
    for response in drawn(film_users, Slate(tuple(films.catalog)[:20]), films, 20):
        clicked = [a.item_id for a in response.actions if isinstance(a, Click)]
        assert clicked == [a.item_id for a in response.actions if isinstance(a, Rate)]


def chances(users: StatisticalUser, slate: Slate, catalog: Catalog, **at: Any) -> NDArray[Any]:
    turns = at.get("turns", ())
    visit = Visit(
        "u200", "a", 0, len(turns), at.get("past", ()), turns, catalog, Noise(0, "u200", 0)
    )
    odds = users.respond_many([slate], [visit])[0].odds
    assert odds is not None
    return np.array([(o.click, o.purchase) for o in odds])


def test_what_costs_more_is_bought_less(shop: Any, shop_users: StatisticalUser) -> None:
    slate = Slate(tuple(shop.catalog)[:20])
    costs = {
        f: Catalog({i: _priced(item, f) for i, item in shop.catalog.items()}) for f in (1, 2, 4)
    }
    once, twice, four = (chances(shop_users, slate, catalog)[:, 1] for catalog in costs.values())
    assert (twice < once).all()
    assert (four < twice).all()
    assert (chances(shop_users, slate, shop.catalog)[:, 1] == once).all()


def _priced(item: Item, factor: int) -> Item:
    assert item.price is not None
    return replace(item, price=item.price * factor)


def test_a_lower_slot_a_tired_user_and_a_repeated_item_cost_clicks(
    films: Any, film_users: StatisticalUser
) -> None:
    ids = tuple(films.catalog)
    forward = chances(film_users, Slate(ids[:10]), films.catalog)[:, 0]
    backward = chances(film_users, Slate(ids[:10][::-1]), films.catalog)[::-1, 0]
    assert forward[0] > backward[0]
    assert forward[9] < backward[9]
    elsewhere = Turn(0, Slate(ids[50:60]), Response((NextPage(),), 0.5))
    same = Turn(0, Slate(ids[:10]), Response((NextPage(),), 0.5))
    tired = chances(film_users, Slate(ids[:10]), films.catalog, turns=(elsewhere,))[:, 0]
    repeated = chances(film_users, Slate(ids[:10]), films.catalog, turns=(same,))[:, 0]
    assert (tired < forward).all()
    assert (repeated < tired).all()


def test_unhappy_users_leave_sooner(films: Any, film_users: StatisticalUser) -> None:
    ids = tuple(films.catalog)

    def leaving(satisfaction: float) -> float:
        turns = tuple(
            Turn(n, Slate(ids[:5]), Response((NextPage(),), satisfaction)) for n in range(3)
        )
        visit = Visit("u200", "a", 0, 3, (), turns, films.catalog, Noise(0, "u200", 0))
        p_leave = film_users.respond_many([Slate(ids[5:10])], [visit])[0].p_leave
        assert p_leave is not None
        return p_leave

    assert leaving(0.0) > leaving(1.0)
