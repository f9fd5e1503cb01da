"""The contest: what each recommender shows each test user, and what it was really worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.simulator import Recommender, RecRequest, UserError
from focusgroup.simulator.fidelity.doses import DOSES
from focusgroup.simulator.fidelity.draws import Draws
from focusgroup.simulator.noise import derive_seed

from .contestants import line_up
from .ground import Ground

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PAGE = 10


@dataclass(frozen=True, slots=True)
class Contest:
    """Pages that a simulator has to value.

    Attributes:
        names: of the recommenders, (R,). user_ids: (U,). item_ids: what positions stand for.
        top: positions of the items each recommender shows each user, best first, (U, R, k).
        real: what each page was really worth to each user, (U, R): the mean over its items of
            `reality`.
        asked_users, asked_items: every (user row, item position) on some page once, (n,), in
            order of user and item. place: where each item of `top` stands among them, (U, R, k).
    """

    names: tuple[str, ...]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    top: Integers
    real: Floats
    asked_users: Integers
    asked_items: Integers
    place: Integers

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        top: Integers,
        real: Callable[[Integers, Integers], Floats],
    ) -> Contest:
        """From pages, (U, R, k); `real` gives the worth of pairs (user rows, item positions)."""
        rows = np.broadcast_to(np.arange(len(user_ids))[:, None, None], top.shape)
        cells, place = np.unique((rows * len(item_ids) + top).ravel(), return_inverse=True)
        users, items = cells // len(item_ids), cells % len(item_ids)
        place = place.reshape(top.shape)
        worth = real(users, items)[place].mean(axis=2)
        ids = tuple(names), tuple(user_ids), tuple(item_ids)
        return cls(*ids, top, np.asarray(worth), users, items, place)

    def pairs(self) -> tuple[Integers, Integers]:
        """User rows and item positions a simulator is asked about, each pair once, (n,)."""
        return self.asked_users, self.asked_items

    def value(self, per_pair: Floats) -> Floats:
        """What the pages are worth, (U, R), by what each of `pairs()` is worth, (n,)."""
        return np.asarray(per_pair[self.place].mean(axis=2))

    def draws(self) -> Draws:
        """Outcomes of `pairs()`, drawn as a session would."""
        return Draws.of(self.user_ids, self.item_ids, *self.pairs())

    def drawn_values(self, chances: Floats, seed: int) -> Floats:
        """What the pages are worth by outcomes drawn with a seed, (U, R).

        Args:
            chances: of engagement, (n,), or of 1 ... 5 stars, (n, 5), for each of `pairs()`.
        """
        return self.value(self.draws().outcomes(chances, seed))

    def best(self) -> int:
        """Position of the recommender that real users valued most."""
        return int(self.real.mean(axis=0).argmax())

    def clicks(self, recommender: int, chances: Floats) -> Callable[[int], Floats]:
        """One recommender met in a run: run seed -> how many of its items each user takes, (U,).

        Args:
            chances: of engagement for each of `pairs()`, (n,).
        """
        place = self.place[:, recommender]
        flat = place.ravel()
        keys = self.draws()
        shown = Draws(self.user_ids, self.asked_users[flat], keys.items[flat])

        def met(seed: int) -> Floats:
            return np.asarray(shown.outcomes(chances[flat], seed).reshape(place.shape).sum(axis=1))

        return met


def held_contest(
    ground: Ground,
    field: Mapping[str, Recommender] | None = None,
    user_ids: Sequence[str] | None = None,
    k: int = PAGE,
) -> Contest:
    """The top k of each recommender for each test user.

    They choose among a user's held-out items where those are all the user was not known to think
    of (fully observed logs), else among all items the user has no history with.

    Args:
        field: recommenders by name; by default `line_up(ground)`.
        user_ids: some of the test users; by default all.
        k: items a recommender shows; as many as can be chosen among, where these are fewer.

    Raises:
        UserError: a recommender shows too few items.
    """
    field = line_up(ground) if field is None else field
    users = ground.test if user_ids is None else tuple(user_ids)
    requests = page_requests(ground, users, k)
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    k = min([k, len(position), *(len(r.candidates) for r in requests if r.candidates)])
    top = np.zeros((len(users), len(field), k), np.int64)
    for column, (name, recommender) in enumerate(field.items()):
        slates = recommender.recommend(requests)
        for row, slate in enumerate(slates):
            if len(slate.item_ids) < k:
                raise UserError(
                    f"recommender {name!r} shows user {users[row]!r} {len(slate.item_ids)} items"
                    f" where {k} are needed; it must fill a page while items are left."
                )
            top[row, column] = [position[item] for item in slate.item_ids[:k]]
    return Contest.of(tuple(field), users, tuple(position), top, _real_of(ground, users))


def page_requests(ground: Ground, user_ids: Sequence[str], k: int = PAGE) -> list[RecRequest]:
    """What recommenders are asked for each test user: k items that are new to the user."""
    later: dict[str, list[str]] = {}
    if ground.fully_observed:
        rows = ground.held_out[ground.held_out["user_id"].isin(set(user_ids))]
        later = {str(u): sorted(set(i)) for u, i in rows.groupby("user_id")["item_id"]}
    requests = []
    for user in user_ids:
        history = ground.histories(user)
        requests.append(
            RecRequest(
                user_id=user,
                k=k,
                history=history,
                exclude=frozenset(i.item_id for i in history),
                candidates=later.get(user),
                seed=derive_seed(ground.seed, "contest", user),
            )
        )
    return requests


def dosed(ground: Ground, contest: Contest, recommender: int | None = None) -> Contest:
    """One recommender's page with 0, 25, 50, 75 and 100 % of random items, as a contest.

    A share d of k slots is d x k in the mean over users; who has one more is drawn. Slots are
    replaced in an order drawn for each user, by items drawn from what the user may be shown, so
    that the page of each dose holds the random items of the doses below.

    Args:
        recommender: by default the one that real users valued most.
    """
    page = contest.top[:, contest.best() if recommender is None else recommender]
    k = page.shape[1]
    top = np.repeat(page[:, None, :], len(DOSES), axis=1)
    position = {item_id: n for n, item_id in enumerate(contest.item_ids)}
    for row, request in enumerate(page_requests(ground, contest.user_ids)):
        rng = np.random.default_rng(derive_seed(ground.seed, "dose", request.user_id))
        allowed = (
            np.arange(len(position))
            if request.candidates is None
            else np.array([position[i] for i in request.candidates])
        )
        known = [position[i] for i in request.exclude if i in position]
        others = np.setdiff1d(allowed, np.concatenate((page[row], np.array(known, np.int64))))
        fill = rng.permutation(others)[:k]
        slots = rng.permutation(k)[: len(fill)]
        extra = rng.random()
        for column, dose in enumerate(DOSES):
            n = min(int(dose * k + extra), len(fill))
            top[row, column, slots[:n]] = fill[:n]
    names = [f"{dose:.0%} random" for dose in DOSES]
    real = _real_of(ground, contest.user_ids)
    return Contest.of(names, contest.user_ids, contest.item_ids, top, real)


def reality(ground: Ground, user_ids: Sequence[str], users: Integers, items: Integers) -> Floats:
    """What items were really worth to users, (n,).

    Fully observed: the stars the user gave later, or without ratings whether it counts as
    engagement. Else 1 if the user took the item later, 0 if not, or if it was rejected.

    Args:
        users: rows of `user_ids`. items: positions in the catalogue.
    """
    position = {item_id: n for n, item_id in enumerate(ground.catalog)}
    row_of = {user: n for n, user in enumerate(user_ids)}
    later = ground.held_out[ground.held_out["user_id"].isin(row_of)]
    if not ground.dataset.domain.has_negatives:
        worth = pd.Series(1.0, index=later.index)
    elif ground.fully_observed and ground.dataset.domain.has_ratings:
        worth = later["value"]
    else:
        worth = later["positive"].astype(np.float64)
    cells = later["user_id"].map(row_of) * len(position) + later["item_id"].map(position)
    by_cell = pd.Series(worth.to_numpy(np.float64), index=cells.to_numpy(np.int64))
    by_cell = by_cell[~by_cell.index.duplicated(keep="last")]
    asked = by_cell.reindex(users * len(position) + items, fill_value=0.0)
    return np.asarray(asked.to_numpy(np.float64))


def _real_of(ground: Ground, user_ids: Sequence[str]) -> Callable[[Integers, Integers], Floats]:
    return lambda users, items: reality(ground, user_ids, users, items)
