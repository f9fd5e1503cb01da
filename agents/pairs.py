"""Pairs to learn choices from: what calibration users went on to take, and what they did not.

Few of the items that a user did not take are looked at, and not at random: within each stratum of
how much history the user has and how popular the item is, as many as were taken, times a factor. So
taste is learned where it is needed, among items that are equally popular; the rate at which a
stratum was kept goes with each pair, for the choice model to undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator.types import Catalog

NEGATIVES_PER_POSITIVE = 4
MAX_TAKEN = 40_000  # of all folds together; of more a share is kept, of what is not taken as well
ALL_OF = 50_000  # (user, item) cells, up to which nothing is left out
BINS = 15
FIFTHS = 5
REPEATS_FROM = 0.01  # share of held-out pairs already in a history, from which repeats are normal

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seen:
    """Held-out events of known users, one a (user, item): arrays (n,).

    Attributes:
        users: rows into the known users. items: positions. positive: whether liked.
        stars: NaN where there are none. repeated: whether the user had it before.
        had: cells (user x items + item) of histories, sorted, each once.
        repeats: whether having an item before is normal, so that it may be taken again.
    """

    users: Integers
    items: Integers
    positive: Booleans
    stars: Floats
    repeated: Booleans
    had: Integers
    n_items: int
    repeats: bool

    @classmethod
    def of(
        cls,
        history: pd.DataFrame,
        held_out: pd.DataFrame,
        known: Sequence[str],
        catalog: Catalog,
    ) -> Seen:
        position = {item_id: n for n, item_id in enumerate(catalog)}
        row_of = {user: n for n, user in enumerate(known)}
        rows = held_out[held_out["user_id"].isin(row_of)]
        seen = (
            rows.assign(stars=rows["value"].where(rows["event"] == "rate"))
            .groupby(["user_id", "item_id"], as_index=False)
            .agg(positive=("positive", "any"), stars=("stars", "last"))
        )
        users = np.asarray(seen["user_id"].map(row_of), dtype=np.int64)
        items = np.asarray(seen["item_id"].map(position), dtype=np.int64)
        past = history[history["user_id"].isin(row_of)]
        cells = past["user_id"].map(row_of) * len(position) + past["item_id"].map(position)
        had = np.unique(cells.to_numpy(dtype=np.int64))
        repeated = np.isin(users * len(position) + items, had)
        return cls(
            users=users,
            items=items,
            positive=seen["positive"].to_numpy(dtype=bool),
            stars=seen["stars"].to_numpy(dtype=np.float64),
            repeated=repeated,
            had=had,
            n_items=len(position),
            repeats=bool(repeated.mean() > REPEATS_FROM) if len(repeated) else False,
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """(user, item) pairs: arrays (n,).

    Attributes:
        engaged: what is to be told. kept: rate at which negatives of the stratum were kept.
        stars: NaN where the pair was not rated. owned: whether the user had the item before.
    """

    users: Integers
    items: Integers
    engaged: Booleans
    kept: Floats
    stars: Floats
    owned: Booleans

    @classmethod
    def shown(cls, seen: Seen, members: Booleans) -> Pairs:
        """Of a log that holds all that was shown: the held-out events of `members`, (users,)."""
        mine = members[seen.users]
        return cls(
            users=seen.users[mine],
            items=seen.items[mine],
            engaged=seen.positive[mine],
            kept=np.ones(int(mine.sum())),
            stars=seen.stars[mine],
            owned=seen.repeated[mine],
        )

    @classmethod
    def drawn(cls, seen: Seen, members: Booleans, popularity: Floats, seed: int) -> Pairs:
        """Of a log of what was taken: the held-out events of `members`, and some of the rest.

        Args:
            members: (users,), whose pairs are wanted.
            popularity: (items,), as the features see it.
        """
        rng = np.random.default_rng(seed)
        share = min(1.0, MAX_TAKEN / max(1, len(seen.users)))
        mine = members[seen.users] & (rng.random(len(seen.users)) < share)
        if not seen.repeats:
            mine &= ~seen.repeated
        users, items, owned = seen.users[mine], seen.items[mine], seen.repeated[mine]
        fifth = _fifths(np.bincount(seen.had // seen.n_items, minlength=len(members)), members)
        kept = np.ones(len(users))
        # Strata of a handful would hide what popularity does; where there are few cells take all.
        small = len(members) * seen.n_items <= ALL_OF
        found, rates = [np.zeros(0, np.int64)], [np.zeros(0)]
        for group, again in product(range(FIFTHS), (False, True)):
            taken = np.flatnonzero((fifth[users] == group) & (owned == again))
            people = np.flatnonzero(members & (fifth == group))
            of_item = _bins(popularity, items[taken])
            for number in np.unique(of_item[items[taken]]):
                ours = taken[of_item[items[taken]] == number]
                cells = _Cells.of(seen, people, np.flatnonzero(of_item == number), again)
                wanted = NEGATIVES_PER_POSITIVE * len(ours) / (share * cells.n)
                rate = 1.0 if small else min(1.0, wanted)
                kept[ours] = rate
                found.append(cells.some(rate * share, rng))
                rates.append(np.full(len(found[-1]), rate))
        cells_drawn = np.concatenate(found)
        open_ = ~_in(cells_drawn, np.sort(seen.users * seen.n_items + seen.items))
        drawn, more = cells_drawn[open_], np.concatenate(rates)[open_]
        before = _in(drawn, seen.had)
        return cls(
            users=np.concatenate((users, drawn // seen.n_items)),
            items=np.concatenate((items, drawn % seen.n_items)),
            engaged=np.arange(len(users) + len(drawn)) < len(users),
            kept=np.concatenate((kept, more)),
            stars=np.concatenate((seen.stars[mine], np.full(len(drawn), np.nan))),
            owned=np.concatenate((owned, before)),
        )


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells (user x items + item) of a stratum, listed only where that is cheap.

    Attributes:
        listed: the cells themselves, of items that users had before; else None: all of
            `people` x `members` that nobody had before.
        n: how many there are, those that will be thrown away included.
    """

    seen: Seen
    people: Integers
    members: Integers
    listed: Integers | None
    n: int

    @classmethod
    def of(cls, seen: Seen, people: Integers, members: Integers, owned: bool) -> _Cells:
        if not owned:
            return cls(seen, people, members, None, len(people) * len(members))
        users, items = seen.had // seen.n_items, seen.had % seen.n_items
        listed = seen.had[np.isin(users, people) & np.isin(items, members)]
        return cls(seen, people, members, listed, len(listed))

    def some(self, rate: float, rng: np.random.Generator) -> Integers:
        """Each cell with probability `rate`."""
        size = int(rng.binomial(self.n, rate))
        place = rng.choice(self.n, size, replace=False, shuffle=False)
        if self.listed is not None:
            return self.listed[place]
        users = self.people[place // len(self.members)]
        cells = users * self.seen.n_items + self.members[place % len(self.members)]
        return cells[~_in(cells, self.seen.had)]


def joined(parts: Sequence[Pairs]) -> Pairs:
    """All pairs, in the order of the parts."""
    return Pairs(
        users=np.concatenate([part.users for part in parts]),
        items=np.concatenate([part.items for part in parts]),
        engaged=np.concatenate([part.engaged for part in parts]),
        kept=np.concatenate([part.kept for part in parts]),
        stars=np.concatenate([part.stars for part in parts]),
        owned=np.concatenate([part.owned for part in parts]),
    )


def _in(cells: Integers, of: Integers) -> Booleans:
    """Whether each cell is in a sorted array."""
    if not len(of):
        return np.zeros(len(cells), dtype=bool)
    place = np.minimum(np.searchsorted(of, cells), len(of) - 1)
    return np.asarray(of[place] == cells)


def _bins(popularity: Floats, taken: Integers) -> Integers:
    """Each item's bin of popularity, (items,); the bins hold as many of the taken items each."""
    if not len(taken):
        return np.zeros(len(popularity), dtype=np.int64)
    edges = np.unique(np.quantile(popularity[taken], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, popularity, side="right"), dtype=np.int64)


def _fifths(activity: Integers, members: Booleans) -> Integers:
    """Each user's fifth by number of items had, among the members, (users,)."""
    edges = np.quantile(activity[members], np.linspace(0, 1, FIFTHS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, activity, side="right"), dtype=np.int64)
