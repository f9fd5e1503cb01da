"""What could rank recommenders without simulating anybody: the figures to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from focusgroup.simulator import Recommender
from focusgroup.simulator.fidelity.ranking import ITEM_MEANS

from .contest import Contest
from .ground import Ground
from .offline import ndcg, offline_questions

Floats = NDArray[np.float64]

CONTENT, OFFLINE = "content", "offline_ndcg"


def yardsticks(
    ground: Ground, contest: Contest, field: Mapping[str, Recommender]
) -> Mapping[str, Floats]:
    """Other ways to value the pages of a contest, by name, (users, recommenders) each.

    `ITEM_MEANS`: mean stars, or share of people who took the item, among calibration users.
    `CONTENT`: cosine of the item's text with that of the user's history.
    `OFFLINE`: nDCG@10 on held-out likes of calibration users, one number a recommender.
    """
    _, items = contest.pairs()
    offline = offline_accuracy(ground, field)
    return {
        ITEM_MEANS: contest.value(item_means(ground)[items]),
        CONTENT: contest.value(text_match(ground, contest)),
        OFFLINE: np.tile(offline, (len(contest.user_ids), 1)),
    }


def item_means(ground: Ground) -> Floats:
    """Mean stars of each item where everybody rated everything, else the share of people who had
    it, or liked it where the log holds rejections too; by calibration users, (items,)."""
    wanted = set(ground.calibration)
    log = pd.concat(
        [part[part["user_id"].isin(wanted)] for part in (ground.history, ground.held_out)]
    )
    ids = list(ground.catalog)
    if ground.fully_observed and ground.dataset.domain.has_ratings:
        overall = float(log["value"].mean())
        means = log.groupby("item_id")["value"].mean().reindex(ids).fillna(overall)
        return means.to_numpy(np.float64)
    if ground.dataset.domain.has_negatives:
        log = log[log["positive"]]
    pairs = log[["user_id", "item_id"]].drop_duplicates()
    counts = pairs["item_id"].value_counts().reindex(ids).fillna(0.0)
    return np.asarray(counts.to_numpy(np.float64) / len(wanted))


def text_match(ground: Ground, contest: Contest) -> Floats:
    """Cosine of each pair's item with the user's history by title, attributes and description,
    (pairs,); what was rated below the user's mean counts against, where all shown is rated."""
    texts = [
        f"{item.title} {' '.join(item.attributes)} {item.description}"
        for item in ground.catalog.values()
    ]
    if not any(text.strip() for text in texts):
        return np.zeros(len(contest.asked_users))
    vectors = csr_matrix(TfidfVectorizer(sublinear_tf=True).fit_transform(texts))
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    rows, columns, weights = [], [], []
    by_stars = ground.fully_observed and ground.dataset.domain.has_ratings
    for row, user in enumerate(contest.user_ids):
        history = [i for i in ground.histories(user) if i.item_id in position]
        habit = float(np.mean([i.value for i in history])) if history else 0.0
        for event in history:
            weight = event.value - habit if by_stars else float(event.positive)
            rows.append(row)
            columns.append(position[event.item_id])
            weights.append(weight)
    shape = (len(contest.user_ids), len(position))
    profiles = csr_matrix(normalize(csr_matrix((weights, (rows, columns)), shape) @ vectors))
    users, items = contest.pairs()
    match = profiles[users].multiply(vectors[items]).sum(axis=1)
    return np.asarray(match, np.float64).ravel()


def offline_accuracy(ground: Ground, field: Mapping[str, Recommender]) -> Floats:
    """Mean nDCG@10 of each recommender on the held-out likes of calibration users, (R,)."""
    requests, wanted = offline_questions(ground, ground.calibration)
    return np.array(
        [float(np.nanmean(ndcg(recommender, requests, wanted))) for recommender in field.values()]
    )
