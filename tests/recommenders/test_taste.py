"""What is recommended to whom: the point of it all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from focusgroup.recommenders import make_recommender
from focusgroup.simulator.types import Event, Interaction, RecRequest

PERSONAL = ("item_knn", "als", "bpr", "content")


def own_share(recommender, world, likes) -> float:
    """Share of the top ten that is of the user's own taste, over 40 unknown users."""
    rng = np.random.default_rng(11)
    hits = []
    for n in range(40):
        own = world.cats if n % 2 else world.trains
        history = likes(*(str(i) for i in rng.choice(own, 3, replace=False)))
        seen = frozenset(i.item_id for i in history)
        (slate,) = recommender.recommend([RecRequest(f"new{n}", 10, history, seen, seed=n)])
        taste = own[0][:-2]  # "cat" of "cat00", which "cold-cat" shares
        hits += [taste in item_id for item_id in slate.item_ids]
    return float(np.mean(hits))


@pytest.mark.parametrize("name", PERSONAL)
def test_unknown_users_get_their_own_taste(name, trained, world, likes) -> None:
    assert own_share(trained(name), world, likes) > 0.95


@pytest.mark.parametrize("name", ["random", "popularity"])
def test_impersonal_recommenders_do_not(name, trained, world, likes) -> None:
    assert 0.35 < own_share(trained(name), world, likes) < 0.65


@pytest.mark.parametrize("name", PERSONAL)
def test_dislikes_do_not_count_as_taste(name, trained, likes) -> None:
    disliked = [Interaction("train01", Event.RATE, 1.0, positive=False)]
    with_dislike, without = trained(name).recommend(
        [RecRequest("u", 10, disliked + likes("cat03")), RecRequest("u", 10, likes("cat03"))]
    )
    assert with_dislike == without


@pytest.mark.parametrize("name", PERSONAL)
def test_no_known_history_is_answered_with_what_is_popular(name, trained, likes) -> None:
    (popular,) = trained("popularity").recommend([RecRequest("u", 12)])
    strangers = [RecRequest("u", 12), RecRequest("v", 12, likes("never heard of it"))]
    for slate in trained(name).recommend(strangers):
        assert slate.item_ids == popular.item_ids


@pytest.mark.parametrize("name", ["popularity", "item_knn", "als", "bpr"])
@pytest.mark.parametrize("history", [(), ("cat01", "cat02")])
def test_items_nobody_took_to_come_last_by_id(name, history, trained, world, likes) -> None:
    request = RecRequest("u", len(world.ids), likes(*history))
    (slate,) = trained(name).recommend([request])
    assert slate.item_ids[-2:] == world.cold


def test_content_finds_items_nobody_took_to(trained, likes, world) -> None:
    request = RecRequest("u", 26, likes("cat01", "cat02"))
    (slate,) = trained("content").recommend([request])
    assert "cold-cat" in slate.item_ids
    assert "cold-train" not in slate.item_ids


@pytest.mark.parametrize("name", ["item_knn", "als", "bpr"])
def test_history_items_may_be_shown_again_unless_excluded(name, trained, likes, world) -> None:
    everything, without = trained(name).recommend(
        [
            RecRequest("u", len(world.ids), likes("cat01")),
            RecRequest("u", len(world.ids), likes("cat01"), frozenset({"cat01"})),
        ]
    )
    assert "cat01" in everything.item_ids
    assert without.item_ids == tuple(i for i in everything.item_ids if i != "cat01")


def test_item_knn_is_cosine_similarity_by_hand() -> None:
    log = pd.DataFrame(
        [("u1", "a"), ("u1", "b"), ("u2", "a"), ("u2", "b"), ("u3", "b"), ("u3", "c")],
        columns=["user_id", "item_id"],
    ).assign(event="click", value=1.0, positive=True)
    knn = make_recommender("item_knn").fit(log)
    (slate,) = knn.recommend([RecRequest("u", 3, [Interaction("a", Event.CLICK)])])
    # cos(a, b) = 2 / sqrt(2 * 3); c shares no user with a, nor is a its own neighbour: they
    # follow by popularity, 2 and 1 rows against b's 3.
    assert slate.item_ids == ("b", "a", "c")
    assert slate.scores == pytest.approx((2 / 6**0.5, 2 / 3 - 1, 1 / 3 - 1), abs=1e-6)


def test_buying_more_says_more() -> None:
    pairs = [("u1", "tea"), ("u1", "cup"), ("u2", "ale"), ("u2", "mug")]
    log = pd.DataFrame(pairs, columns=["user_id", "item_id"])
    log = log.assign(event="purchase", value=1.0, positive=True)
    knn = make_recommender("item_knn").fit(log)

    def bought(**units: float) -> list[Interaction]:
        return [Interaction(i, Event.PURCHASE, n) for i, n in units.items()]

    kettle, pub = knn.recommend(
        [
            RecRequest("u", 1, bought(tea=9, ale=1), frozenset({"tea", "ale"})),
            RecRequest("u", 1, bought(tea=1, ale=9), frozenset({"tea", "ale"})),
        ]
    )
    assert (kettle.item_ids, pub.item_ids) == (("cup",), ("mug",))


def test_als_solves_for_the_user_in_closed_form(trained, likes) -> None:
    als = trained("als")
    vectors = als._factors.vectors.astype(float)
    columns = [als._factors.index.columns[i] for i in ("cat01", "cat05")]
    confidence = np.ones(len(vectors))
    confidence[columns] = als.config.alpha
    liked = np.zeros(len(vectors))
    liked[columns] = 1.0
    gram = vectors.T @ (vectors * confidence[:, None])
    gram += als.config.regularization * np.eye(vectors.shape[1])
    expected = vectors @ np.linalg.solve(gram, vectors.T @ (confidence * liked))
    (slate,) = als.recommend([RecRequest("u", 20, likes("cat01", "cat05"))])
    found = dict(zip(slate.item_ids, slate.scores, strict=True))
    for item_id, score in found.items():
        assert score == pytest.approx(expected[als._factors.index.columns[item_id]], abs=1e-4)


def test_random_shows_every_allowed_item_equally_often(trained, world) -> None:
    slates = trained("random").recommend(
        [RecRequest("u", 5, candidates=world.ids[:20], seed=n) for n in range(2000)]
    )
    assert {p for slate in slates for p in slate.propensities} == {5 / 20}
    shown = pd.Series([i for slate in slates for i in slate.item_ids]).value_counts()
    # 2,000 draws with probability 1/4: 500, standard deviation 19.4.
    assert len(shown) == 20
    assert shown.between(500 - 80, 500 + 80).all()


def test_seeds_matter_where_there_is_chance(world, likes) -> None:
    def answer(name: str, seed: int) -> object:
        made = make_recommender(name, {"iterations": 5} if name != "random" else {}, seed=seed)
        made.fit(world.interactions, items=world.items)
        return made.recommend([RecRequest("u", 10, likes("cat01"), seed=1)])

    for name in ("random", "als", "bpr"):
        assert answer(name, 1) == answer(name, 1)
        assert answer(name, 1) != answer(name, 2)
