"""Every recommender keeps the contract, and answers alike whatever the batch."""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focusgroup.recommenders import check_recommender, recommender_names
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.protocols import Persistable, Recommender, Trainable, Updatable
from focusgroup.simulator.types import Event, Interaction, RecRequest

NAMES = ("random", "popularity", "item_knn", "als", "bpr", "content")
IDS = [f"{kind}{i:02d}" for kind in ("cat", "train") for i in range(25)] + ["cold-cat", "nowhere"]


def test_all_names_are_covered() -> None:
    assert set(NAMES) <= set(recommender_names())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("k", "seed"), [(1, 0), (10, 1), (52, 2)])
def test_keeps_the_contract(name, k, seed, trained, world) -> None:
    check_recommender(trained(name), world.ids, k=k, seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_is_trainable_and_can_be_kept(name, trained) -> None:
    recommender = trained(name)
    assert isinstance(recommender, Recommender)
    assert isinstance(recommender, Trainable)
    assert isinstance(recommender, Persistable)
    assert isinstance(recommender, Updatable) == (name == "popularity")


events = st.builds(
    Interaction,
    item_id=st.sampled_from(IDS),
    event=st.sampled_from(Event),
    value=st.floats(0, 50),
    positive=st.booleans(),
)
requests = st.builds(
    RecRequest,
    user_id=st.text(max_size=5),
    k=st.integers(1, 12),
    history=st.lists(events, max_size=20),
    exclude=st.frozensets(st.sampled_from(IDS), max_size=20),
    candidates=st.none() | st.lists(st.sampled_from(IDS), max_size=30),
    seed=st.integers(0, 2**62),
)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_answer_does_not_depend_on_the_batch(name, trained, data) -> None:
    recommender = trained(name)
    batch = data.draw(st.lists(requests, min_size=1, max_size=12))
    cut = data.draw(st.integers(0, len(batch)))
    whole = recommender.recommend(batch)
    assert whole == recommender.recommend(batch[:cut]) + recommender.recommend(batch[cut:])
    assert whole[::-1] == recommender.recommend(batch[::-1])
    assert whole[:1] == recommender.recommend(batch[:1])


@pytest.mark.parametrize("name", NAMES)
def test_a_full_batch_answers_like_single_requests(name, trained, likes, world) -> None:
    batch = [
        RecRequest(f"u{n}", 10, likes(*world.ids[n % 40 : n % 40 + 1 + n % 7]), seed=n)
        for n in range(256)
    ]
    assert trained(name).recommend(batch) == [trained(name).recommend([r])[0] for r in batch]


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_teaches_nothing(name, fresh, trained, world, likes) -> None:
    shuffled = world.interactions.sample(frac=1.0, random_state=2)
    other = fresh(name).fit(shuffled, items=world.items.sample(frac=1.0, random_state=3))
    batch = [RecRequest("u", 10, likes("cat01", "cat07"), seed=9), RecRequest("v", 10, seed=4)]
    assert other.recommend(batch) == trained(name).recommend(batch)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_answers_alike_and_learns_apart(name, trained, world, likes) -> None:
    batch = [RecRequest("u", 10, likes("cat01", "cat07"), seed=9)]
    before = trained(name).recommend(batch)
    clone = copy.deepcopy(trained(name))
    assert clone.recommend(batch) == before
    clone.fit(world.interactions.iloc[: len(world.interactions) // 2], items=world.items)
    assert trained(name).recommend(batch) == before


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_recommender_says_so(name, fresh) -> None:
    with pytest.raises(UserError, match=r"call fit\(\.\.\.\) first"):
        fresh(name).recommend([RecRequest("u", 3)])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_no_items_is_refused(name, trained) -> None:
    with pytest.raises(UserError, match="k=0"):
        trained(name).recommend([RecRequest("u", 0)])
