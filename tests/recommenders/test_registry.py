"""Names and parameters to recommenders."""

from __future__ import annotations

import pytest

import focusgroup.recommenders as door
from focusgroup.recommenders import make_recommender
from focusgroup.simulator.errors import UserError


def test_the_door_is_pinned() -> None:
    assert door.__all__ == [
        "AlsConfig",
        "AlsRecommender",
        "BatchCallableRecommender",
        "BprConfig",
        "BprRecommender",
        "CallableRecommender",
        "ContentConfig",
        "ContentRecommender",
        "ItemIndex",
        "ItemKnnConfig",
        "ItemKnnRecommender",
        "PopularityConfig",
        "PopularityRecommender",
        "RandomConfig",
        "RandomRecommender",
        "check_recommender",
        "load_recommender",
        "make_recommender",
        "rank",
        "recommender_names",
        "recommender_problems",
    ]
    assert all(hasattr(door, name) for name in door.__all__)


def test_the_built_in_names() -> None:
    known = door.recommender_names()
    assert known[:6] == ("random", "popularity", "item_knn", "als", "bpr", "content")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("asl", {}, "unknown recommender 'asl'. Did you mean 'als'?"),
        ("xyzzy", {}, "Known: als, bpr, content, item_knn, popularity, random"),
        ("als", {"factor": 3}, "'als' has no parameter 'factor'. Did you mean 'factors'?"),
        ("popularity", {"n": 3}, "'popularity' has no parameter 'n'. It takes none."),
        ("als", {"factors": 0}, "'factors' is 0: input should be greater than or equal to 1"),
        ("als", {"factors": "many"}, "'factors' is 'many': input should be a valid integer"),
        ("als", {"alpha": float("nan")}, "'alpha' is nan"),
        ("bpr", {"factors": 2.5, "iterations": 0}, "'factors' is 2.5.*; parameter 'iterations'"),
        ("content", {"embedding": ""}, "'embedding' is ''"),
    ],
)
def test_a_slip_is_named(name, params, message) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        make_recommender(name, params)


def test_a_seed_is_derived_unless_given() -> None:
    als, bpr = (make_recommender(name, seed=1) for name in ("als", "bpr"))
    assert als.config.seed != bpr.config.seed
    assert als.config == make_recommender("als", seed=1).config
    assert als.config != make_recommender("als", seed=2).config
    assert make_recommender("als", {"seed": 7}, seed=1).config.seed == 7
