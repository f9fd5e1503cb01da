"""Offline accuracy, as a team without simulated users measures it today."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from focusgroup.scenarios.histories import Histories
from focusgroup.simulator import Recommender, RecRequest
from focusgroup.simulator.noise import derive_seed

from .ground import Ground

Floats = NDArray[np.float64]
K = 10

Wanted = dict[str, frozenset[str]]


def ndcg(recommender: Recommender, requests: Sequence[RecRequest], found: Wanted) -> Floats:
    """nDCG at the length of the page for each request (Järvelin and Kekäläinen 2002, binary gain);
    NaN for a user with nothing to be found."""
    slates = recommender.recommend(requests)
    values = np.full(len(requests), np.nan)
    for n, (request, slate) in enumerate(zip(requests, slates, strict=True)):
        relevant = found.get(request.user_id, frozenset())
        if relevant:
            gains = 1 / np.log2(np.arange(2, request.k + 2))
            hits = np.array([item in relevant for item in slate.item_ids[: request.k]])
            values[n] = gains[: len(hits)][hits].sum() / gains[: len(relevant)].sum()
    return values


def offline_questions(ground: Ground, user_ids: Sequence[str]) -> tuple[list[RecRequest], Wanted]:
    """Requests for the users' next page, and what of it they are known to have liked later.

    New items only. Where the log holds what was shown, only that can be shown again: of the rest
    nobody knows what the user thinks.
    """
    histories = Histories.of(ground.history, user_ids)
    rows = ground.held_out[ground.held_out["user_id"].isin(set(user_ids))]
    later = {str(u): list(i) for u, i in rows.groupby("user_id")["item_id"]}
    liked = {str(u): set(i) for u, i in rows[rows["positive"]].groupby("user_id")["item_id"]}
    requests, wanted = [], {}
    for user in user_ids:
        history = histories(user)
        known = frozenset(i.item_id for i in history)
        candidates = None
        if ground.dataset.domain.has_negatives:
            candidates = sorted(set(later.get(user, [])) - known)
        requests.append(
            RecRequest(
                user, K, history, exclude=known, candidates=candidates,
                seed=derive_seed(ground.seed, "offline", user),
            )
        )  # fmt: skip
        wanted[user] = frozenset(liked.get(user, set()) - known)
    return requests, wanted
