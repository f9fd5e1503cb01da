"""Slices of the language model's share: who is known how well, and what they are asked.

A slice is a ground whose test users have a history of a given length, or whose statistics have
never met the items asked about. The questions of a user are the same whatever the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.agents import fit_behaviour
from focusgroup.scenarios.certify.ground import Ground
from focusgroup.scenarios.certify.paper import set_exam
from focusgroup.scenarios.certify.signal import personal_signal
from focusgroup.scenarios.certify.yardsticks import item_means
from focusgroup.scenarios.histories import Histories
from focusgroup.simulator.fidelity import Exam
from focusgroup.simulator.fidelity.contrast import ContrastPairs, contrast_pairs, real_differences
from focusgroup.simulator.noise import derive_seed, key_of

COLD_ITEMS = 20  # taken out of what the statistics know, where every item is known to many
COLD_RATINGS = 1  # elsewhere: items that at most so many calibration users had

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Questions:
    """What the users of a slice are asked.

    Attributes:
        exam: a page of sampled questions for each user, then one of pairs of equally popular items
            of which one suits the person.
        sampled: which questions are of the first kind, (n,).
        pairs: rows of `exam`.
        real: what the better suited items really got more, with all test users: sums by user and
            number of pairs by user.
    """

    exam: Exam
    sampled: NDArray[np.bool_]
    pairs: ContrastPairs
    real: tuple[Floats, Integers]


def known_by(ground: Ground, events: int, seed: int) -> Ground:
    """The same test users, of each of whom only so many events are known.

    The latest, or where there is no time a sample that a longer history contains.
    """
    rows = ground.history
    of_test = rows["user_id"].isin(set(ground.test)).to_numpy()
    mine = rows[of_test].reset_index(drop=True)
    if ground.dataset.domain.has_time:
        rank = np.arange(len(mine))[::-1]
    else:
        names = zip(mine["user_id"], mine["item_id"], strict=True)
        keys = [key_of(f"{derive_seed(seed, 'known')}\x1f{u}\x1f{i}") for u, i in names]
        rank = np.argsort(np.argsort(keys, kind="stable"), kind="stable")
    place = pd.Series(rank).groupby(mine["user_id"]).rank(method="first").to_numpy()
    known = mine[place <= events]
    history = pd.concat([rows[~of_test], known], ignore_index=True)
    return replace(ground, history=history, histories=Histories.of(known, ground.test))


@dataclass(frozen=True, slots=True)
class Cold:
    """A ground whose statistics have met none of some items.

    Attributes:
        informed: where they have, but still know nothing of what test users think of them: what
            pairs of items are chosen by.
    """

    ground: Ground
    informed: Ground
    items: frozenset[str]


def cold(ground: Ground, seed: int) -> Cold:
    """Take some items out of what is known of calibration and test users."""
    calibration = set(ground.calibration)
    rows = ground.history[ground.history["user_id"].isin(calibration)]
    had = rows.groupby("item_id")["user_id"].nunique().to_dict()
    if ground.fully_observed:
        ranked = sorted(ground.catalog, key=lambda i: key_of(f"{seed}\x1fcold\x1f{i}"))
        items = frozenset(ranked[:COLD_ITEMS])
    else:
        items = frozenset(i for i in ground.catalog if had.get(i, 0) <= COLD_RATINGS)
    history, held_out = ground.history, ground.held_out
    of_calibration = held_out["user_id"].isin(calibration)
    kept = held_out[~(of_calibration & held_out["item_id"].isin(items))]
    about = history["item_id"].isin(items)
    if not ground.dataset.domain.has_time:  # what a user thought of them can be asked about instead
        moved = history[about & ~history["user_id"].isin(calibration)]
        kept = pd.concat([kept, moved], ignore_index=True)
    history = history[~about].reset_index(drop=True)
    behaviour = fit_behaviour(
        history, kept, ground.calibration, ground.catalog, ground.dataset.domain,
        seed=derive_seed(ground.seed, "behaviour"),
    )  # fmt: skip
    changed = replace(
        ground,
        history=history,
        held_out=kept,
        histories=Histories.of(history, ground.test),
        behaviour=behaviour,
    )
    known = pd.concat(
        [ground.history[ground.history["user_id"].isin(calibration)],
         history[~history["user_id"].isin(calibration)]],
        ignore_index=True,
    )  # fmt: skip
    return Cold(changed, replace(ground, history=known), items)


def questions(
    ground: Ground,
    informed: Ground,
    *,
    users: int,
    each: int,
    pairs: int,
    least_history: int,
    among: frozenset[str] | None,
    seed: int,
) -> Questions:
    """What to ask of `users` test users, chosen by a hash among those for whom there is enough.

    Args:
        informed: the ground that tells which items are equally popular (equally liked, where
            everybody had everything) and which of them suits a person.
        each: sampled questions a user, half of them about items taken if there are so many.
        pairs: pairs a user.
        least_history: events a user must have. among: items to ask about; None for all.
    """
    exam = set_exam(ground, ground.test, seed=derive_seed(seed, "exam"))
    if among is not None:
        asked = np.array([exam.item_ids[item] in among for item in exam.items], dtype=bool)
        exam = exam.only(asked)
    alike = item_means(informed)[exam.items] if ground.fully_observed else None
    found = contrast_pairs(exam, personal_signal(informed, exam), alike=alike, per_user=pairs)
    size = len(exam.user_ids)
    sums = np.bincount(found.users, real_differences(exam, found), size).astype(np.float64)
    real = (sums, np.bincount(found.users, minlength=size).astype(np.int64))
    events = ground.history.groupby("user_id").size().to_dict()
    ranked = sorted(range(len(exam.user_ids)), key=lambda u: key_of(f"{seed}{exam.user_ids[u]}"))
    rows: list[Integers] = []
    first: list[bool] = []
    paired: list[tuple[int, int, int]] = []
    chosen = 0
    for user in ranked:
        own = np.flatnonzero(exam.users == user)
        sample = _sample(exam, own, each)
        enough = events.get(exam.user_ids[user], 0) >= least_history
        if chosen == users or not enough or not len(sample):
            continue
        chosen += 1
        mine = np.flatnonzero(found.users == user)
        begin = sum(len(part) for part in rows) + len(sample)
        paired += [(user, begin + 2 * n, begin + 2 * n + 1) for n in range(len(mine))]
        both = np.column_stack((found.suits[mine], found.other[mine])).ravel()
        rows += [sample, both]
        first += [True] * len(sample) + [False] * len(both)
    taken_rows = np.concatenate([*rows, np.zeros(0, np.int64)]).astype(np.int64)
    page_of = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    table = np.array(paired, np.int64).reshape(-1, 3)
    # Pages of both kinds are shuffled by nobody: an item is asked about alone.
    return Questions(
        exam=replace(_rows(exam, taken_rows), pages=page_of),
        sampled=np.array(first, dtype=bool),
        pairs=ContrastPairs(table[:, 0], table[:, 1], table[:, 2]),
        real=real,
    )


def _sample(exam: Exam, own: Integers, each: int) -> Integers:
    """Of a user's questions (shuffled) up to `each`, half taken; none if one kind is missing."""
    taken, left = own[exam.taken[own]], own[~exam.taken[own]]
    few = min(len(taken), len(left))
    if few < min(2, each // 2):
        return own[:0]
    wins = taken[: max(each // 2, each - len(left))]
    return np.sort(np.concatenate((wins, left[: each - len(wins)])))


def _rows(exam: Exam, rows: Integers) -> Exam:
    return replace(
        exam,
        users=exam.users[rows],
        items=exam.items[rows],
        pages=exam.pages[rows],
        taken=exam.taken[rows],
        stars=exam.stars[rows],
        popularity=exam.popularity[rows],
        slots=exam.slots[rows],
        offset=exam.offset[rows],
    )


def user_folds(user_ids: Sequence[str], folds: int, seed: int) -> Integers:
    """A fold for each user, by a hash of the id."""
    ranked = sorted(range(len(user_ids)), key=lambda u: key_of(f"fold{seed}{user_ids[u]}"))
    found = np.zeros(len(user_ids), np.int64)
    found[ranked] = np.arange(len(user_ids)) % folds
    return found
