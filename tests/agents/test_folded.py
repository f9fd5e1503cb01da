"""A user folded in before answers as one folded in now."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focusgroup.agents import BehaviourModel, StatisticalUser
from focusgroup.agents.folded import FoldedUsers, fold
from focusgroup.agents.user_side import UserSide
from focusgroup.simulator.noise import Noise
from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import Slate


def same(one: UserSide, other: UserSide) -> bool:
    return all(
        (getattr(one, f.name) != getattr(other, f.name)).nnz == 0
        if f.name == "owned"
        else np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=True)
        for f in fields(UserSide)
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True), max_size=8))
@pytest.mark.parametrize("world", ["films", "shop"])
def test_what_is_kept_equals_what_is_folded_in_alone(
    request: pytest.FixtureRequest, world: str, asked: list[list[int]]
) -> None:
    data: Any = request.getfixturevalue(world)
    model: BehaviourModel = request.getfixturevalue(
        {"films": "film_model", "shop": "shop_model"}[world]
    )
    people = (*data.audience[:9], "stranger")
    users = FoldedUsers(model.space, data.interactions, capacity=5)
    for numbers in asked:
        ids = [people[n] for n in numbers]
        alone = [fold(model.space, [data.interactions(user)]) for user in ids]
        kept = users.of(ids)
        for row, side in enumerate(alone):
            own = {f.name: getattr(kept, f.name)[[row]] for f in fields(UserSide)}
            assert same(UserSide(**own), side)


def test_a_history_is_asked_once_as_long_as_the_user_is_kept(
    films: Any, film_model: BehaviourModel
) -> None:
    asked: list[str] = []

    def history(user: str) -> Any:
        asked.append(user)
        return films.interactions(user)

    ann, bob, eve = films.audience[:3]
    users = FoldedUsers(film_model.space, history, capacity=2)
    for ids in ([ann], [ann, bob], [bob], [ann], [eve], [ann], [bob]):
        users.of(ids)
    assert asked == [ann, bob, eve, bob]  # eve came when bob had not been met for longest


def test_a_kept_user_answers_as_a_stranger_would(films: Any, film_model: BehaviourModel) -> None:
    slate = Slate(tuple(films.catalog)[:10])
    user = films.audience[0]
    visit = Visit(user, "a", 0, 0, (), (), films.catalog, Noise(3, user, 0))
    one = StatisticalUser(film_model, films.interactions)
    first, again = (one.respond_many([slate], [visit])[0] for _ in range(2))
    fresh = StatisticalUser(film_model, films.interactions).respond_many([slate], [visit])[0]
    assert repr(first) == repr(again) == repr(fresh)
