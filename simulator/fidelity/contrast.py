"""Of two equally popular items, does it prefer the one that suits the person, as people do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from focusgroup.simulator.metrics.results import Estimate

from .exam import Answers, Exam, Floats, Integers
from .row import Row, judged, not_known
from .samples import ratio_over_users
from .sitting import NOBODY, ONLY_RANKS, in_words, sentence

PAIRS = 10
STRONG = 0.5
NO_DIFFERENCES: Mapping[str, Floats] = {}


@dataclass(frozen=True, slots=True)
class ContrastPairs:
    """Pairs of questions of one user each, arrays (pairs,).

    Attributes:
        users: row of the user in `Exam.user_ids`.
        suits, other: the question whose item suits the person better, and the other one.
    """

    users: Integers
    suits: Integers
    other: Integers

    def __len__(self) -> int:
        return len(self.users)


def contrast_pairs(
    exam: Exam, signal: Floats, *, alike: Floats | None = None, per_user: int = PAIRS
) -> ContrastPairs:
    """Disjoint pairs of a user's questions whose items are neighbours in popularity.

    A user's questions are ordered by popularity, first and second make a pair, third and fourth,
    and so on. Pairs in which the signal ties are dropped; of the others those are kept where it
    is clearest. The signal must come from the user's history alone, never from the exam.

    Args:
        signal: (n,), how well each question's item suits the person.
        alike: (n,), what both items of a pair are to agree in; by default popularity. Where a log
            holds all that was shown, everybody has had everything: there it is how well an item is
            liked (its mean), or else a simulator that knows only items would look personal.
    """
    level = exam.popularity if alike is None else alike
    order = np.lexsort((exam.items, level, exam.users))
    users = exam.users[order]
    place = np.arange(len(order)) - np.searchsorted(users, users)
    first = np.flatnonzero((place[:-1] % 2 == 0) & (users[:-1] == users[1:]))
    one, two = order[first], order[first + 1]
    gap = signal[one] - signal[two]
    clear = gap != 0
    one, two, gap = one[clear], two[clear], gap[clear]
    suits, other = np.where(gap > 0, one, two), np.where(gap > 0, two, one)
    clearest = np.lexsort((-np.abs(gap), exam.users[suits]))
    owners = exam.users[suits][clearest]
    kept = clearest[np.arange(len(owners)) - np.searchsorted(owners, owners) < per_user]
    return ContrastPairs(exam.users[suits[kept]], suits[kept], other[kept])


def persona_contrast(
    exam: Exam,
    answers: Answers,
    pairs: ContrastPairs,
    baselines: Mapping[str, Answers] = NOBODY,
    *,
    seed: int,
) -> Row:
    """Share of the real difference between the two items of a pair that the simulator shows.

    In expected stars where all questions have real stars, else in probability of engagement. 1 is
    the real difference, 0 is blind to the person. Passes where the interval lies above 0, strong
    at .5.
    """
    if np.isnan(exam.stars).any() and not answers.calibrated:
        return not_known("persona_contrast", ONLY_RANKS)
    real = real_differences(exam, pairs)
    return contrast_of_differences(
        pairs.users,
        real,
        simulated_differences(exam, answers, pairs),
        {
            name: simulated_differences(exam, other, pairs)
            for name, other in baselines.items()
            if other.calibrated or not np.isnan(exam.stars).any()
        },
        seed=seed,
    )


def real_differences(exam: Exam, pairs: ContrastPairs) -> Floats:
    """What the better suited item of each pair got more, (pairs,): stars, else engagement."""
    values = exam.taken.astype(np.float64) if np.isnan(exam.stars).any() else exam.stars
    return np.asarray(values[pairs.suits] - values[pairs.other])


def simulated_differences(exam: Exam, answers: Answers, pairs: ContrastPairs) -> Floats:
    """The same from expected stars, else in-exam probabilities; NaN where there is no answer."""
    values = answers.chance(exam) if np.isnan(exam.stars).any() else answers.stars
    values = np.where(answers.failed, np.nan, values)
    return np.asarray(values[pairs.suits] - values[pairs.other])


def contrast_of_differences(
    users: Integers,
    real: Floats,
    simulated: Floats,
    baselines: Mapping[str, Floats] = NO_DIFFERENCES,
    *,
    seed: int,
) -> Row:
    """The row from differences of pairs: sum simulated / sum real, interval over users.

    Args:
        users: whose pair it is, (pairs,). real, simulated: differences, (pairs,), in one unit; NaN
            in `simulated` where a pair was not answered. baselines: the same for others.
    """
    known = ~np.isnan(simulated)
    if not known.any():
        return not_known("persona_contrast", "no pair of items was answered")
    truth = _mean(users[known], real[known], seed)
    shown = _mean(users[known], simulated[known], seed)
    if not truth.low > 0:
        return not_known(
            "persona_contrast",
            f"the real difference, {in_words(truth)}, cannot be told from 0 on {truth.n} users"
            f" (simulated: {in_words(shown)})",
        )
    found = _share(users[known], real[known], simulated[known], seed)
    beside = {}
    for name, theirs in baselines.items():
        both = known & ~np.isnan(theirs)
        if both.any():
            beside[name] = _share(users[both], real[both], theirs[both], seed)
    left_out = int(np.count_nonzero(~known))
    return judged(
        "persona_contrast",
        found,
        passes=found.low > 0,
        strong=found.mean >= STRONG,
        baselines=beside,
        note=sentence(
            f"difference {in_words(shown)} simulated, {in_words(truth)} real,"
            f" {np.count_nonzero(known)} pairs",
            f"{left_out} pairs left out: unanswered" if left_out else "",
        ),
    )


def _share(users: Integers, real: Floats, simulated: Floats, seed: int) -> Estimate:
    rows = np.unique(users, return_inverse=True)[1]
    sums = np.bincount(rows, simulated).astype(np.float64)
    return ratio_over_users(sums, np.bincount(rows, real).astype(np.float64), seed)


def _mean(users: Integers, values: Floats, seed: int) -> Estimate:
    rows = np.unique(users, return_inverse=True)[1]
    sums = np.bincount(rows, values).astype(np.float64)
    return ratio_over_users(sums, np.bincount(rows).astype(np.float64), seed)
