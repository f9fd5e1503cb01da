"""Setting the exam: what each user went on to take, among equally popular items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.fidelity import Exam
from focusgroup.simulator.noise import derive_seed

from .ground import Ground

PAGE = 10
BINS = 20
FIFTHS = 5
NOT_TAKEN_PER_TAKEN = 3

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def set_exam(ground: Ground, user_ids: Sequence[str], *, seed: int) -> Exam:
    """One question for each (user, held-out item) of test or calibration users.

    Where the log holds what was shown, all of a user's held-out items are asked about. Elsewhere
    `taken` are held-out items new to the user, and the others are items the user never had, each
    kept at a rate that depends only on how much history the user has (fifths of the users) and how
    popular the item is: within each of 20 bins of popularity there are three of them to one taken,
    so that popularity alone hardly helps. The rate is undone by `Exam.offset`. Questions are
    shuffled within the user, in pages of ten.
    """
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    row_of = {user_id: n for n, user_id in enumerate(user_ids)}
    popularity = item_popularity(ground)
    rows = ground.held_out[ground.held_out["user_id"].isin(row_of)]
    later = (
        rows.assign(stars=rows["value"].where(rows["event"] == "rate"))
        .groupby(["user_id", "item_id"], as_index=False)
        .agg(taken=("positive", "any"), stars=("stars", "last"))
    )
    users = places(later["user_id"], row_of)
    items = places(later["item_id"], position)
    stars = later["stars"].to_numpy(dtype=np.float64)
    taken = later["taken"].to_numpy(dtype=bool)
    offset = np.zeros(len(users))
    if not ground.dataset.domain.has_negatives:
        had = _cells(ground.history, row_of, position)
        cells = users * len(position) + items
        new = ~np.isin(cells, had)
        users, items, stars = users[new], items[new], stars[new]
        fifth = _fifths(np.bincount(had // len(position), minlength=len(row_of)))
        rng = np.random.default_rng(derive_seed(seed, "not taken"))
        drawn, rate = _not_taken(users, items, popularity, fifth, rng)
        drawn = drawn[~np.isin(drawn, np.concatenate((had, cells)))]
        taken = np.concatenate((np.ones(len(users), bool), np.zeros(len(drawn), bool)))
        stars = np.concatenate((stars, np.full(len(drawn), np.nan)))
        users = np.concatenate((users, drawn // len(position)))
        items = np.concatenate((items, drawn % len(position)))
        offset = -np.log(rate[fifth[users], items])
    shuffle = np.random.default_rng(derive_seed(seed, "questions")).random(len(users))
    order = np.lexsort((shuffle, users))
    users = users[order]
    starts = np.searchsorted(users, users)
    place = np.arange(len(users)) - starts
    new_page = (place % PAGE == 0).astype(np.int64)
    return Exam(
        user_ids=tuple(user_ids),
        item_ids=tuple(position),
        users=users,
        items=items[order],
        pages=np.cumsum(new_page) - 1,
        taken=taken[order],
        stars=stars[order],
        popularity=popularity[items[order]],
        slots=np.full(len(users), np.nan),
        offset=offset[order],
    )


def item_popularity(ground: Ground) -> Floats:
    """Log of the share of training and calibration users who had each item (half a user more).

    Where the log holds what was shown, of those who were shown it: how often it is shown is the
    doing of a system, not of people.
    """
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    known = ground.history[ground.history["user_id"].isin(set(ground.calibration))]
    columns = ["user_id", "item_id", "positive"]
    both = pd.concat((ground.training[columns], known[columns]))
    shown = both.drop_duplicates(["user_id", "item_id"])
    asked = np.bincount(places(shown["item_id"], position), minlength=len(position))
    if not ground.dataset.domain.has_negatives:
        return np.asarray(np.log((asked + 0.5) / (shown["user_id"].nunique() + 1)))
    liked = both[both["positive"]].drop_duplicates(["user_id", "item_id"])
    likes = np.bincount(places(liked["item_id"], position), minlength=len(position))
    return np.asarray(np.log((likes + 0.5) / (asked + 1)))


def _cells(rows: pd.DataFrame, row_of: dict[str, int], position: dict[str, int]) -> Integers:
    """(user, item) pairs as one number each: their cell in a table that is never built."""
    known = rows[rows["user_id"].isin(row_of)]
    users, items = places(known["user_id"], row_of), places(known["item_id"], position)
    return np.asarray(users * len(position) + items)


def places(ids: pd.Series, position: Mapping[str, int]) -> Integers:
    """Positions of ids that are all known, (n,)."""
    return np.asarray(ids.map(position), dtype=np.int64)


def _fifths(history: Integers) -> Integers:
    """Each user's fifth by number of items had, 0 for the fewest, (users,)."""
    edges = np.quantile(history, np.linspace(0, 1, FIFTHS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, history, side="right"), dtype=np.int64)


def _not_taken(
    users: Integers, items: Integers, popularity: Floats, fifth: Integers, rng: np.random.Generator
) -> tuple[Integers, Floats]:
    """Cells of items not taken, and the rate at which cells were kept, (fifths, items)."""
    rate = np.zeros((FIFTHS, len(popularity)))
    found = [np.zeros(0, np.int64)]
    for group in np.unique(fifth[users]):
        people = np.flatnonzero(fifth == group)
        taken = items[fifth[users] == group]
        edges = np.unique(np.quantile(popularity[taken], np.linspace(0, 1, BINS + 1)[1:-1]))
        of_item = np.searchsorted(edges, popularity, side="right")
        for number in np.unique(of_item[taken]):
            members = np.flatnonzero(of_item == number)
            size = len(people) * len(members)
            wanted = NOT_TAKEN_PER_TAKEN * np.count_nonzero(of_item[taken] == number)
            rate[group, members] = kept = min(1.0, wanted / size)
            cells = rng.choice(size, int(rng.binomial(size, kept)), replace=False, shuffle=False)
            rows, columns = people[cells // len(members)], members[cells % len(members)]
            found.append(rows * len(popularity) + columns)
    return np.sort(np.concatenate(found)), rate
