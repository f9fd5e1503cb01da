"""Which pairs the choice model learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from focusgroup.agents import pairs as module
from focusgroup.agents.pairs import Pairs, Seen
from focusgroup.agents.past import Past


def drawn(world: Any, history: pd.DataFrame, held_out: pd.DataFrame) -> tuple[Seen, Pairs, Any]:
    known = sorted(set(history["user_id"]) & set(held_out["user_id"]))
    seen = Seen.of(history, held_out, known, world.catalog)
    counts = np.bincount(seen.had % seen.n_items, minlength=seen.n_items)
    popularity = np.log((counts + 0.5) / (len(known) + 1))
    return seen, Pairs.drawn(seen, np.ones(len(known), bool), popularity, seed=4), popularity


def test_of_a_small_log_nothing_is_left_out(films: Any) -> None:
    seen, pairs, _ = drawn(films, films.history, films.held_out)
    assert (pairs.kept == 1).all()
    assert len(pairs.users) == len(np.unique(seen.users)) * seen.n_items - len(seen.had)


def test_what_was_not_taken_is_as_popular_as_what_was(
    films: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALL_OF", 0)
    _, pairs, popularity = drawn(films, films.history, films.held_out)
    shown = popularity[pairs.items]
    assert shown[pairs.engaged].mean() == pytest.approx(shown[~pairs.engaged].mean(), abs=0.05)
    assert shown[~pairs.engaged].mean() > popularity.mean() + 0.05


def test_nothing_taken_or_owned_counts_as_not_taken(films: Any) -> None:
    seen, pairs, _ = drawn(films, films.history, films.held_out)
    cells = pairs.users * seen.n_items + pairs.items
    later = set((seen.users * seen.n_items + seen.items).tolist())
    assert set(cells[pairs.engaged].tolist()) == later
    left = cells[~pairs.engaged].tolist()
    assert len(set(left)) == len(left)
    assert not set(left) & (later | set(seen.had.tolist()))
    assert not pairs.owned.any()


def test_rates_weigh_the_pairs_back_to_the_whole_table(
    films: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALL_OF", 0)
    seen, pairs, _ = drawn(films, films.history, films.held_out)
    whole = len(np.unique(seen.users)) * seen.n_items - len(seen.had) - len(seen.users)
    assert (1 / pairs.kept[~pairs.engaged]).sum() == pytest.approx(whole, rel=0.1)
    assert ((pairs.kept > 0) & (pairs.kept <= 1)).all()


def test_a_large_log_is_thinned_on_both_sides(films: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, everything, _ = drawn(films, films.history, films.held_out)
    monkeypatch.setattr(module, "MAX_TAKEN", int(everything.engaged.sum() * 0.4))
    _, some, _ = drawn(films, films.history, films.held_out)
    for kind in (some.engaged, ~some.engaged):
        both = everything.engaged if kind is some.engaged else ~everything.engaged
        assert kind.sum() == pytest.approx(0.4 * both.sum(), rel=0.2)
    assert some.engaged.mean() == pytest.approx(everything.engaged.mean(), abs=0.05)


def test_where_repeats_are_normal_what_was_had_before_is_asked_about(shop: Any) -> None:
    again = shop.history.groupby("user_id").head(4)
    seen, pairs, _ = drawn(shop, shop.history, pd.concat([shop.held_out, again]))
    assert seen.repeats
    cells = pairs.users * seen.n_items + pairs.items
    assert (np.isin(cells, seen.had) == pairs.owned).all()
    assert (pairs.owned & pairs.engaged).any()
    assert (pairs.owned & ~pairs.engaged).any()


def test_the_past_counts_what_how_often_and_how_lately() -> None:
    history = [("a", 2.0), ("b", 1.0), ("gone", 1.0), *[("a", 1.0)] * 3, ("c", 0.0)]
    past = Past.of({"a": 0, "b": 1, "c": 2, "d": 3}, [[], history])
    assert past.had.toarray().tolist() == [[0] * 4, [1, 1, 1, 0]]
    assert past.times.toarray()[1] == pytest.approx([np.log(6), np.log(2), 0, 0])
    lately = past.lately.toarray()[1]
    assert lately[0] == lately[2] == 1.0  # at most 1, however often
    assert 0 < lately[1] < 1
