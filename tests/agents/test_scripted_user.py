"""Users without a model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from focusgroup.agents import PopularityUser, RandomUser, RecordedUser, SlotBiasedUser
from focusgroup.simulator.protocols import BatchUserAgent, Visit
from focusgroup.simulator.types import (
    Catalog,
    Click,
    Event,
    Interaction,
    Item,
    NextPage,
    Purchase,
    Rate,
    Response,
    Slate,
    Turn,
)

CATALOG = Catalog({f"i{n}": Item(f"i{n}", f"Item {n}", price=2.5) for n in range(6)})
SLATE = Slate(tuple(CATALOG))
Visits = Callable[..., Visit]


def click_rates(users: BatchUserAgent, visit: Visits, n: int = 2000) -> list[float]:
    """The share of visits in which each slot was clicked."""
    visits = [visit(CATALOG, f"u{k}") for k in range(n)]
    responses = users.respond_many([SLATE] * n, visits)
    clicked = [Click(i) for i in SLATE.item_ids]
    return [float(np.mean([click in r.actions for r in responses])) for click in clicked]


def test_random_clicks_at_its_rate_in_every_slot(visit: Visits) -> None:
    assert click_rates(RandomUser(0.3), visit) == pytest.approx([0.3] * 6, abs=0.04)
    assert click_rates(RandomUser(0.0), visit, 50) == [0] * 6
    assert click_rates(RandomUser(1.0), visit, 50) == [1] * 6


def test_slot_bias_decays_down_the_page(visit: Visits) -> None:
    expected = [0.8 * 0.5**slot for slot in range(6)]
    assert click_rates(SlotBiasedUser(0.8, 0.5), visit) == pytest.approx(expected, abs=0.04)


def test_popularity_is_all_a_popularity_user_sees(visit: Visits) -> None:
    users = PopularityUser({"i0": 0.1, "i1": 0.2, "i2": 0.9}, strength=2.0)
    assert click_rates(users, visit) == pytest.approx([0.2, 0.4, 1, 0, 0, 0], abs=0.04)


def test_expectations_are_stored_beside_the_draws(visit: Visits) -> None:
    (response,) = SlotBiasedUser(0.8, 0.5).respond_many([SLATE], [visit(CATALOG)])
    assert response.odds is not None
    assert [o.click for o in response.odds] == [0.8 * 0.5**slot for slot in range(6)]
    clicks = sum(isinstance(a, Click) for a in response.actions)
    assert response.satisfaction == clicks / 6


def test_the_same_item_shown_again_is_a_new_draw(visit: Visits) -> None:
    turn = Turn(0, SLATE, Response((NextPage(),), 0.5))
    first, again = (
        RandomUser(0.5).respond_many([SLATE], [visit(CATALOG, turns=turns, page=0)])[0]
        for turns in ((), (turn,))
    )
    assert first.actions != again.actions


def test_a_recorded_user_answers_as_in_the_log(visit: Visits) -> None:
    users = RecordedUser(
        {
            "ann": (
                Interaction("i1", Event.CLICK),
                Interaction("i3", Event.RATE, 2.0, positive=False),
                Interaction("i4", Event.CLICK),
                Interaction("i4", Event.PURCHASE, 3.0),
                Interaction("i4", Event.RATE, 5.0),
                Interaction("gone", Event.CLICK),
            )
        }
    )
    ann, other = users.respond_many([SLATE, SLATE], [visit(CATALOG, "ann"), visit(CATALOG, "bob")])
    assert ann.actions == (
        Click("i1"),
        Click("i3"),
        Rate("i3", 2.0),
        Click("i4"),
        Purchase("i4", 2.5),
        Rate("i4", 5.0),
        NextPage(),
    )
    assert ann.satisfaction == pytest.approx(2 / 6)
    assert other.actions == (NextPage(),)
    assert other.satisfaction == 0
