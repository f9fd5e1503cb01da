"""Saved recommenders come back the same, and damaged ones are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from focusgroup.recommenders import AlsRecommender, PopularityRecommender, check_recommender
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest

NAMES = ("random", "popularity", "item_knn", "als", "bpr", "content")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_loaded_answers_like_what_was_saved(name, trained, world, likes, tmp_path) -> None:
    original = trained(name)
    original.save(tmp_path / "kept")
    loaded = type(original).load(tmp_path / "kept")
    assert loaded.config == original.config
    requests = [RecRequest("u", 10, likes("cat01", "train03"), seed=n) for n in range(5)]
    requests.append(RecRequest("v", 52))
    assert loaded.recommend(requests) == original.recommend(requests)
    check_recommender(loaded, world.ids)


def test_what_is_loaded_learns_on(trained, world, tmp_path) -> None:
    trained("popularity").save(tmp_path)
    loaded = PopularityRecommender.load(tmp_path).partial_fit(world.interactions)
    twice = PopularityRecommender().fit(world.interactions, items=world.items)
    twice.partial_fit(world.interactions)
    assert loaded.recommend([RecRequest("u", 52)]) == twice.recommend([RecRequest("u", 52)])


def test_what_is_no_saved_recommender_is_refused(trained, tmp_path) -> None:
    with pytest.raises(UserError, match="not a readable saved 'als'"):
        AlsRecommender.load(tmp_path / "nowhere")
    trained("popularity").save(tmp_path)
    with pytest.raises(UserError, match=r"holds recommender 'popularity'.*expected 'als'"):
        AlsRecommender.load(tmp_path)


def test_a_damaged_folder_is_refused(trained, tmp_path) -> None:
    trained("als").save(tmp_path)
    about = tmp_path / "recommender.json"
    text = about.read_text()
    about.write_text(json.dumps({**json.loads(text), "config": {"factors": "x"}}))
    with pytest.raises(UserError, match="not a readable saved 'als'"):
        AlsRecommender.load(tmp_path)
    about.write_text(text)
    arrays = tmp_path / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:100])
    with pytest.raises(UserError, match="not a readable saved 'als'"):
        AlsRecommender.load(tmp_path)
    np.savez(arrays, ids=np.array(["a"]))
    with pytest.raises(UserError, match="lacks prior, vectors, bias"):
        AlsRecommender.load(tmp_path)


def test_pickled_data_is_never_loaded(trained, tmp_path) -> None:
    trained("als").save(tmp_path)
    np.savez(tmp_path / "arrays.npz", ids=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="not a readable saved 'als'"):
        AlsRecommender.load(tmp_path)
