"""What simulated takes are worth for training, in a planted world."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from focusgroup.scenarios.certify.contest import reality
from focusgroup.scenarios.certify.ground import Ground, lay_ground
from focusgroup.scenarios.certify.training_value import Browsing, browse, training_value
from focusgroup.scenarios.datasets import from_frames
from focusgroup.simulator import Domain
from focusgroup.simulator.fidelity.training import RANDOM_TAKES

KINDS, ITEMS, USERS = 4, 160, 260


@pytest.fixture(scope="module")
def tasteful() -> Ground:
    """Every user takes one of four kinds of item five times as often as the others."""
    rng = np.random.default_rng(6)
    rows = []
    for user in range(USERS):
        chance = np.where(np.arange(ITEMS) % KINDS == user % KINDS, 5.0, 1.0)
        taken = rng.choice(ITEMS, 30, replace=False, p=chance / chance.sum())
        rows += [(f"u{user:03d}", f"i{n:03d}", 1e9 + when) for when, n in enumerate(taken)]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return lay_ground(from_frames(log, domain=Domain("kinds")), seed=1)


@pytest.fixture(scope="module")
def browsing(tasteful: Ground) -> Browsing:
    return browse(tasteful)


def test_makers_are_half_of_the_test_users_and_see_what_is_new_to_them(
    tasteful: Ground, browsing: Browsing
) -> None:
    assert set(browsing.user_ids) < set(tasteful.test)
    assert 0.25 < len(browsing.user_ids) / len(tasteful.test) < 0.75
    for row, user in enumerate(browsing.user_ids):
        shown = [browsing.item_ids[n] for n in browsing.items[browsing.users == row]]
        had = {i.item_id for i in tasteful.histories(user)}
        assert len(set(shown)) == len(shown) and not had & set(shown)


def test_takes_by_taste_teach_more_than_takes_at_random(
    tasteful: Ground, browsing: Browsing
) -> None:
    """Users who take what is of their kind, against users who do not look."""
    kind = np.array([int(item[1:]) % KINDS for item in browsing.item_ids])
    person = np.array([int(user[1:]) % KINDS for user in browsing.user_ids])
    own = kind[browsing.items] == person[browsing.users]
    knowing = training_value(tasteful, browsing, np.where(own, 0.5, 0.1), None, seed=1)
    blind = training_value(tasteful, browsing, np.full(len(own), 0.2), None, seed=1)
    assert knowing.verdict == "pass"
    assert blind.verdict == "fail" and blind.value < 0.8
    assert knowing.low > knowing.baselines[RANDOM_TAKES].mean
    assert knowing == training_value(tasteful, browsing, np.where(own, 0.5, 0.1), None, seed=1)


def test_users_who_take_nothing_teach_nothing(tasteful: Ground, browsing: Browsing) -> None:
    row = training_value(tasteful, browsing, np.zeros(len(browsing.users)), None, seed=1)
    assert row.verdict != "pass"


def test_as_much_is_drawn_from_the_real_log(tasteful: Ground, browsing: Browsing) -> None:
    """Only as many interactions of each maker as both logs have."""
    truth = reality(tasteful, browsing.user_ids, browsing.users, browsing.items)
    row = training_value(tasteful, browsing, truth, None, seed=1)
    assert row.note.startswith(f"{int(truth.sum())} interactions of {len(browsing.user_ids)} ")
