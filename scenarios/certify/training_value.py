"""What a synthetic log is worth: a recommender trained on it, tested on real people.

Half of the test users (by a hash of the id) make logs, the other half are recommended to. The
makers browse: they are shown a long list, and what they take of it is drawn from a simulator's
chances. The real log of the same makers gives as many interactions of each, drawn at random. ALS
is trained on the one and on the other, folds in the histories of the second half, and is measured
on what these went on to like. Rows are those of `interaction_frame`, from which arms retrain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.recommenders import make_recommender
from focusgroup.simulator import Recommender, RecRequest
from focusgroup.simulator.fidelity import Row
from focusgroup.simulator.fidelity.draws import Draws
from focusgroup.simulator.fidelity.training import RANDOM_TAKES, tstr_ratio
from focusgroup.simulator.noise import derive_seed, key_of
from focusgroup.simulator.protocols import Trainable
from focusgroup.simulator.types import Event

from .contest import page_requests
from .ground import Ground
from .offline import Wanted, ndcg, offline_questions

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SHOWN = 1000  # items a maker browses, where the log does not say what was shown
BROWSED = ("popularity", "item_knn")
SEEDS = 3


@dataclass(frozen=True, slots=True)
class Browsing:
    """What makers are shown, each item once a maker.

    Attributes:
        user_ids: the makers. item_ids: what positions stand for.
        users: rows of `user_ids`, (n,), rising. items: positions, (n,).
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: Integers
    items: Integers


def browse(ground: Ground) -> Browsing:
    """What the makers are shown: their held-out items where those are all that was shown, else
    the lists of popularity and item_knn in turn, of items that are new to them."""
    makers = tuple(user for user in ground.test if key_of(f"maker\x1f{user}") % 2)
    requests = page_requests(ground, makers, SHOWN)
    if ground.fully_observed:
        lists = [list(request.candidates or ()) for request in requests]
    else:
        ranked = [
            _trained(name, ground.training, ground, ground.seed).recommend(requests)
            for name in BROWSED
        ]
        lists = [
            _in_turn([slate.item_ids for slate in slates])[:SHOWN]
            for slates in zip(*ranked, strict=True)
        ]
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    return Browsing(
        makers,
        tuple(position),
        np.repeat(np.arange(len(makers)), [len(found) for found in lists]),
        np.array([position[item] for found in lists for item in found], np.int64),
    )


def training_value(
    ground: Ground,
    browsing: Browsing,
    chances: Floats,
    star_chances: Floats | None,
    *,
    seed: int,
) -> Row:
    """Row `tstr_ratio` of a simulator: nDCG@10 of ALS trained on its log, per that on real log.

    Baselines, per the same: ALS trained on makers who take at random of what they are shown (what
    the lists give away by themselves), popularity trained on the real log, random items. All are
    means over three seeds of draws. A log without a like teaches nothing and finds nothing.

    Args:
        chances: of engagement for each pair of `browsing`, (n,).
        star_chances: of 1 ... 5 stars, (n, 5), where people rate what they take; else None.
    """
    makers = set(browsing.user_ids)
    requests, wanted = offline_questions(ground, [u for u in ground.test if u not in makers])
    found: dict[str, list[Floats]] = {}
    sizes = []
    for nth in range(SEEDS):
        logs = _logs(ground, browsing, chances, star_chances, derive_seed(seed, "log", nth))
        sizes.append(len(logs["synthetic"]))
        for arm, algorithm, log in (
            ("synthetic", "als", logs["synthetic"]),
            ("real", "als", logs["real"]),
            (RANDOM_TAKES, "als", logs[RANDOM_TAKES]),
            ("popularity", "popularity", logs["real"]),
            ("random", "random", logs["real"]),
        ):
            values = _accuracy(algorithm, log, ground, requests, wanted, seed=nth)
            found.setdefault(arm, []).append(values)
    means = {arm: np.asarray(np.mean(values, axis=0)) for arm, values in found.items()}
    note = (
        f"{int(np.mean(sizes))} interactions of {len(makers)} makers in each log;"
        f" nDCG@10 after the real log {_mean(means['real']):.3f}"
    )
    others = {name: means[name] for name in (RANDOM_TAKES, "popularity", "random")}
    return tstr_ratio(means["synthetic"], means["real"], others, derive_seed(seed, "users"), note)


def _accuracy(
    algorithm: str,
    log: pd.DataFrame,
    ground: Ground,
    requests: Sequence[RecRequest],
    wanted: Wanted,
    seed: int,
) -> Floats:
    if not log["positive"].any():
        return np.array([0.0 if wanted[r.user_id] else np.nan for r in requests])
    return ndcg(_trained(algorithm, log, ground, seed), requests, wanted)


def _logs(
    ground: Ground,
    browsing: Browsing,
    chances: Floats,
    star_chances: Floats | None,
    seed: int,
) -> Mapping[str, pd.DataFrame]:
    """Logs of as many interactions of each maker: synthetic, real, and taken at random."""
    rng = np.random.default_rng(derive_seed(seed, "as many"))
    draws = Draws.of(browsing.user_ids, browsing.item_ids, browsing.users, browsing.items)
    taken = np.flatnonzero(draws.outcomes(chances, seed))
    real = _real(ground, browsing)
    makers = real["user_id"].map({u: n for n, u in enumerate(browsing.user_ids)})
    real_users: Integers = np.asarray(makers, dtype=np.int64)
    size = len(browsing.user_ids)
    both = (browsing.users[taken], real_users)
    wanted = np.min([np.bincount(users, minlength=size) for users in both], axis=0)
    stars = None if star_chances is None else draws.outcomes(star_chances, seed)

    def rows(pairs: Integers) -> pd.DataFrame:
        return _rows(ground, browsing, pairs, None if stars is None else stars[pairs])

    return {
        "synthetic": rows(taken[_some(browsing.users[taken], wanted, rng)]),
        "real": real.iloc[_some(real_users, wanted, rng)],
        RANDOM_TAKES: rows(_some(browsing.users, wanted, rng)),
    }


def _rows(
    ground: Ground, browsing: Browsing, pairs: Integers, stars: Floats | None
) -> pd.DataFrame:
    domain = ground.dataset.domain
    event = Event.PURCHASE if domain.has_prices else Event.CLICK
    # Where rejections are in the log, to take something is to like it.
    rated = stars is not None and not domain.has_negatives
    value = stars if rated and stars is not None else np.ones(len(pairs))
    return pd.DataFrame(
        {
            "user_id": np.array(browsing.user_ids, object)[browsing.users[pairs]],
            "item_id": np.array(browsing.item_ids, object)[browsing.items[pairs]],
            "event": (Event.RATE if rated else event).value,
            "value": value,
            "positive": value >= domain.like_stars if rated else np.ones(len(pairs), bool),
            "timestamp": np.arange(len(pairs), dtype=np.float64),
        }
    )


def _real(ground: Ground, browsing: Browsing) -> pd.DataFrame:
    """Everything the makers took, before and after the split, each item once."""
    wanted = set(browsing.user_ids)
    log = pd.concat(
        [part[part["user_id"].isin(wanted)] for part in (ground.history, ground.held_out)]
    )
    if ground.dataset.domain.has_negatives:
        log = log[log["positive"]]
    kept = log.drop_duplicates(["user_id", "item_id"], keep="last")
    return kept.sort_values(["user_id", "item_id"]).reset_index(drop=True)


def _some(users: Integers, wanted: Integers, rng: np.random.Generator) -> Integers:
    """Rows drawn at random, `wanted[u]` of each user, rising."""
    order = np.lexsort((rng.random(len(users)), users))
    sorted_users = users[order]
    nth = np.arange(len(users)) - np.searchsorted(sorted_users, sorted_users)
    return np.sort(order[nth < wanted[sorted_users]])


def _trained(name: str, log: pd.DataFrame, ground: Ground, seed: int) -> Recommender:
    made = make_recommender(name, seed=seed)
    if isinstance(made, Trainable):
        made.fit(log, items=ground.dataset.items)
    return made


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each list, then the second of each, every item once."""
    turns = chain.from_iterable(zip_longest(*lists))
    return list(dict.fromkeys(item for item in turns if item is not None))


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
