"""Ranking: what a slate holds, whatever the scores and the request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from focusgroup.recommenders import ItemIndex, rank
from focusgroup.recommenders.slate import rank_all
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest

IDS = [f"i{n:02d}" for n in range(30)]
INDEX = ItemIndex(tuple(IDS))
# Few distinct values, so that ties are common.
scores_ = hnp.arrays(np.float64, 30, elements=st.sampled_from([-1.0, -0.0, 0.0, 0.25, 0.5, 2.0]))
ids_ = st.sampled_from([*IDS, "unknown"])


@given(
    scores=scores_,
    k=st.integers(1, 40),
    exclude=st.frozensets(ids_, max_size=30),
    candidates=st.none() | st.lists(ids_, max_size=40),
)
def test_a_slate_is_the_best_of_what_is_allowed(scores, k, exclude, candidates) -> None:
    slate = rank(scores, RecRequest("u", k, (), exclude, candidates), INDEX)
    allowed = set(IDS if candidates is None else candidates) & set(IDS) - exclude
    value = dict(zip(IDS, scores.tolist(), strict=True))
    expected = sorted(allowed, key=lambda i: (-value[i], i))[:k]
    assert list(slate.item_ids) == expected
    assert slate.scores == tuple(value[i] for i in expected)
    assert "-0.0" not in repr(slate.scores)


@given(
    scores=scores_,
    noise=hnp.arrays(np.float64, 30, elements=st.floats(-1e-9, 1e-9)),
    k=st.integers(1, 30),
)
def test_noise_in_the_last_bits_changes_nothing(scores, noise, k) -> None:
    request = RecRequest("u", k)
    assert rank(scores + noise, request, INDEX) == rank(scores, request, INDEX)


@given(st.lists(st.text(max_size=4), max_size=20))
def test_an_index_is_sorted_and_finds_its_ids(ids) -> None:
    index = ItemIndex(tuple(ids))
    assert list(index.ids) == sorted(set(ids))
    assert all(index.ids[index.columns[i]] == i for i in ids)
    assert index.known([*ids, *ids]).tolist() == list(range(len(index)))


def test_many_requests_are_scored_in_bounded_blocks(monkeypatch) -> None:
    monkeypatch.setattr("focusgroup.recommenders.slate._BLOCK_CELLS", 100)
    asked: list[int] = []

    def score(block):
        asked.append(len(block))
        return np.array([np.roll(np.arange(30.0), int(r.user_id)) for r in block])

    slates = rank_all([RecRequest(str(n), 1) for n in range(8)], INDEX, score)
    assert asked == [3, 3, 2]
    assert [slate.item_ids[0] for slate in slates] == ["i29", *IDS[:7]]


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="NaN"):
        rank_all([RecRequest("u", 1)], INDEX, lambda block: np.full((len(block), 30), np.nan))
