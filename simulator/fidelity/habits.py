"""What a history of choices looks like from outside: a row of numbers for each user."""

from __future__ import annotations

import numpy as np

from .exam import Booleans, Exam, Floats, Integers

ATTRIBUTES = 20  # the most frequent ones; more of them than users teach a classifier nothing


def habits(
    exam: Exam,
    taken: Booleans,
    stars: Floats,
    attributes: Floats | None = None,
    signal: Floats | None = None,
) -> Floats:
    """Habits of each user who was asked, (users, habits); NaN where a user has none.

    How much was taken and of what popularity; where on the page it stood; how the taken items
    spread over attributes; how the stars spread, and go with popularity; how choices and stars go
    with those of the other users of the same kind, and with what suits the person.

    Args:
        taken: (n,) choices to describe. stars: (n,), whole stars; NaN where none.
        attributes: (items, attributes), what items are; None where nothing is known.
        signal: (n,), how well each question's item suits the person, from the user's history.
    """
    users = np.unique(exam.users, return_inverse=True)[1]
    yes, everywhere = taken.astype(np.float64), np.ones(len(exam), bool)
    rated = ~np.isnan(stars)
    given = np.where(rated, stars, 0.0)
    columns = [
        np.log1p(np.bincount(users, yes)),
        _mean(users, yes, everywhere),
        _mean(users, exam.popularity, taken),
        _deviation(users, exam.popularity, taken),
        _correlation(users, yes, exam.popularity, everywhere),
        _correlation(users, yes, _place(exam), everywhere),
        _correlation(users, yes, _others(exam.items, yes, everywhere), everywhere),
    ]
    if signal is not None:
        columns.append(_correlation(users, yes, signal, everywhere))
    if rated.any():
        columns += [
            _mean(users, given, rated),
            _deviation(users, given, rated),
            _mean(users, given <= 2, rated),
            _mean(users, given == 3, rated),
            _mean(users, given == 5, rated),
            _correlation(users, given, exam.popularity, rated),
            _correlation(users, given, _others(exam.items, given, rated), rated),
        ]
        if signal is not None:
            columns.append(_correlation(users, given, signal, rated))
    if attributes is not None and attributes.shape[1]:
        columns += _shares(users, attributes[exam.items], taken)
    return np.column_stack(columns)


def _place(exam: Exam) -> Floats:
    """Where on its page each question stands, from 0, (n,)."""
    new = (np.diff(exam.pages, prepend=-1) != 0) | (np.diff(exam.users, prepend=-1) != 0)
    number = np.arange(len(new))
    return np.asarray(number - np.maximum.accumulate(np.where(new, number, 0)), dtype=np.float64)


def _others(items: Integers, values: Floats, where: Booleans) -> Floats:
    """Mean of an item's other values, (n,); the overall mean where there are none."""
    counted = where.astype(np.float64)
    totals = np.bincount(items, values * counted)[items] - values * counted
    counts = np.bincount(items, counted)[items] - counted
    overall = float((values * counted).sum() / max(counted.sum(), 1.0))
    return np.asarray(np.where(counts > 0, totals / np.maximum(counts, 1.0), overall))


def _shares(users: Integers, attributes: Floats, taken: Booleans) -> list[Floats]:
    """Shares of the attributes among the items taken, and how concentrated they are."""
    frequent = np.argsort(-attributes.sum(axis=0), kind="stable")[:ATTRIBUTES]
    sums = np.column_stack(
        [np.bincount(users, attributes[:, number] * taken) for number in frequent]
    )
    totals = sums.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(totals > 0, sums / totals, np.nan)
    return [*shares.T, (shares**2).sum(axis=1)]


def _mean(users: Integers, values: Floats | Booleans, where: Booleans) -> Floats:
    counts = np.bincount(users, where)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(counts > 0, np.bincount(users, values * where) / counts, np.nan))


def _deviation(users: Integers, values: Floats, where: Booleans) -> Floats:
    centred = values - _mean(users, values, where)[users]
    return np.sqrt(_mean(users, np.where(where, centred, 0.0) ** 2, where))


def _correlation(users: Integers, first: Floats, second: Floats, where: Booleans) -> Floats:
    """Within each user; NaN where one of them does not vary."""
    one = np.where(where, first - _mean(users, first, where)[users], 0.0)
    two = np.where(where, second - _mean(users, second, where)[users], 0.0)
    scale = np.sqrt(np.bincount(users, one**2) * np.bincount(users, two**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(scale > 1e-9, np.bincount(users, one * two) / scale, np.nan))
