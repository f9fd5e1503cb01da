"""Rows that come of the contest: rankings of recommenders, copies, doses, duels, training value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from focusgroup.agents.duel import Duel, DuelReply, SpokenDuels
from focusgroup.agents.duel_expected import ExpectedDuels
from focusgroup.scenarios.duels import duel_outcomes
from focusgroup.simulator import Recommender
from focusgroup.simulator.fidelity import Answers, Row, not_known
from focusgroup.simulator.fidelity.doses import dose_response
from focusgroup.simulator.fidelity.duel_truth import duel_row
from focusgroup.simulator.fidelity.ranking import model_swap_tau, ranking_direction, ranking_tau
from focusgroup.simulator.fidelity.repeats import aa_false_positives
from focusgroup.simulator.metrics.results import Estimate
from focusgroup.simulator.noise import derive_seed

from .candidate import Candidate, contest_paper, in_pairs
from .contest import Contest, dosed, held_contest
from .contestants import line_up
from .ground import Ground
from .panel import Opinions
from .training_value import browse, training_value
from .witnesses import ALWAYS_YES, RANDOM
from .yardsticks import yardsticks

Floats = NDArray[np.float64]
SEEDS = 3
FEWEST_DUELLING = 2
COPIED = 30  # items of the recommender that is compared with itself
DRAWN, STATISTICS, SESSIONS = "drawn actions", "behaviour model", "sessions"


@dataclass(frozen=True, slots=True)
class Held:
    """A contest that was held.

    Attributes:
        answers: to each of the contest's pairs.
        statistics: those of the behaviour model alone.
        opinions: of the language model on the contest's paper, None without one.
    """

    contest: Contest
    field: Mapping[str, Recommender]
    answers: Answers
    statistics: Answers
    opinions: Opinions | None


async def hold(candidate: Candidate, user_ids: tuple[str, ...], *, seed: int) -> Held:
    """What the candidate says to the pages that recommenders show these test users.

    Raises:
        UserError, RunStopped: as `Panel.opinions`.
    """
    field = line_up(candidate.ground)
    contest = held_contest(candidate.ground, field, user_ids)
    answers, opinions = await _asked(candidate, contest, seed)
    return Held(contest, field, answers, _silent(candidate, contest, seed), opinions)


async def contest_rows(
    candidate: Candidate, held: Held, *, sample: int, seed: int, swap: Candidate | None = None
) -> list[Row]:
    """All rows on one contest.

    A page is worth its items' expected stars where the log holds everybody's stars, else their
    chance of engagement: expectations, as `focusgroup compare` decides by them. Beside them, what
    drawn actions say: three seeds.

    Args:
        sample: number of users the ranking is stated for.
        swap: the same users speaking through another language model.
    """
    ground, contest = candidate.ground, held.contest
    worth = contest.value(_worth(ground, held.answers))
    beside = {**_trivial(contest, seed), **yardsticks(ground, contest, held.field)}
    if candidate.panel is not None:
        beside[STATISTICS] = contest.value(_worth(ground, held.statistics))
    ranking = _ranking(held, worth, _drawn(ground, held, seed), beside, sample, seed)
    tau = Estimate(ranking[0].value, ranking[0].low, ranking[0].high, ranking[0].n)
    return [
        *ranking,
        _copies(candidate, held, sample, seed),
        await _dose_row(candidate, held, seed),
        await _swap_row(ground, held, swap, seed),
        _training_row(candidate, seed),
        await _duel_row(candidate, held, {SESSIONS: tau}, seed),
    ]


def _ranking(
    held: Held,
    worth: Floats,
    drawn: list[Floats],
    beside: Mapping[str, Floats],
    sample: int,
    seed: int,
) -> list[Row]:
    """`ranking_tau` and `ranking_direction` by expectations, by drawn actions beside them."""
    rows = []
    for make in (ranking_tau, ranking_direction):
        row = make([worth], held.contest.real, sample, beside, seed)
        if drawn and row.passes is not None:
            by_draws = make(drawn, held.contest.real, sample, {}, seed)
            found = Estimate(by_draws.value, by_draws.low, by_draws.high, by_draws.n)
            row = replace(row, baselines={DRAWN: found, **row.baselines})
        rows.append(row)
    return rows


def _drawn(ground: Ground, held: Held, seed: int) -> list[Floats]:
    """What pages are worth by drawn actions, (users, recommenders) for each seed; NaN where a
    question failed. Nothing where nothing is drawn."""
    if not held.answers.calibrated:
        return []
    known = held.contest.value(np.where(held.answers.failed, np.nan, 0.0))
    chances = _chances(ground, held.answers)
    return [
        known + held.contest.drawn_values(chances, derive_seed(seed, "drawn", nth))
        for nth in range(SEEDS)
    ]


def _trivial(contest: Contest, seed: int) -> dict[str, Floats]:
    """What pages are worth to users who say yes to everything, and to users who toss a coin."""
    pairs, _ = contest.pairs()
    rng = np.random.default_rng(derive_seed(seed, "coins"))
    return {
        ALWAYS_YES: contest.value(np.ones(len(pairs))),
        RANDOM: contest.value(rng.integers(2, size=len(pairs)).astype(np.float64)),
    }


def _copies(candidate: Candidate, held: Held, sample: int, seed: int) -> Row:
    """Two copies of the recommender that real users valued most, met by users who answered all.

    Without a language model on three pages, as a handful of clicks makes the test coarse, and the
    second copy is fitted anew: with one seed, its users must do what the first's do.
    """
    if not held.answers.calibrated:
        return not_known("aa_false_positives", "at their own word these users draw nothing")
    contest, copied = held.contest, held.contest.best()
    both = [(contest, _chance(held.answers))] * 2
    if candidate.panel is None:
        name, copied = contest.names[copied], 0
        contests = [
            held_contest(candidate.ground, {name: field[name]}, contest.user_ids, k=COPIED)
            for field in (held.field, line_up(candidate.ground))
        ]
        both = [(one, _chance(_silent(candidate, one, seed))) for one in contests]
    answered = ~np.isnan(both[0][0].value(both[0][1])).any(axis=1)
    if not answered.any():
        return not_known("aa_false_positives", "no user answered everything")
    first, second = (met.clicks(copied, np.nan_to_num(chance)) for met, chance in both)
    return aa_false_positives(
        lambda run_seed: first(run_seed)[answered],
        lambda run_seed: second(run_seed)[answered],
        np.full(int(answered.sum()), float(both[0][0].top.shape[2])),
        sample=sample,
        seed=seed,
    )


def _silent(candidate: Candidate, contest: Contest, seed: int) -> Answers:
    paper, place = contest_paper(contest, seed=seed)
    return in_pairs(candidate.statistics(paper), place)


async def _asked(
    candidate: Candidate, contest: Contest, seed: int
) -> tuple[Answers, Opinions | None]:
    paper, place = contest_paper(contest, seed=seed)
    answers, opinions = await candidate.answers(paper)
    return in_pairs(answers, place), opinions


async def _dose_row(candidate: Candidate, held: Held, seed: int) -> Row:
    mixed = dosed(candidate.ground, held.contest)
    answers, _ = await _asked(candidate, mixed, seed)
    return dose_response(mixed.value(_worth(candidate.ground, answers)), mixed.real, seed)


async def _swap_row(ground: Ground, held: Held, swap: Candidate | None, seed: int) -> Row:
    if held.opinions is None:
        return not_known("model_swap_tau", "no language model takes part")
    if swap is None:
        return not_known("model_swap_tau", "one language model was given; --swap-llm names another")
    theirs, _ = await _asked(swap, held.contest, seed)
    first, second = (held.contest.value(_worth(ground, a)) for a in (held.answers, theirs))
    return model_swap_tau(first, second, seed)


def _training_row(candidate: Candidate, seed: int) -> Row:
    ground = candidate.ground
    if candidate.panel is not None:
        return not_known(
            "tstr_ratio",
            "a log to train on takes a thousand questions a user to the model; see the certificate"
            " of the behaviour model alone",
        )
    browsing = browse(ground)
    judged = ground.behaviour.judge(
        [ground.histories(user_id) for user_id in browsing.user_ids], browsing.users, browsing.items
    )
    chances = 1 / (1 + np.exp(-judged.log_odds))
    return training_value(ground, browsing, chances, judged.star_chances, seed=seed)


async def _duel_row(
    candidate: Candidate, held: Held, beside: Mapping[str, Estimate], seed: int
) -> Row:
    """Every pair of recommenders in both orders, with a fifth of a panel's users, at least two:
    ten recommenders make ninety calls a user."""
    panel, contest, ground = candidate.panel, held.contest, candidate.ground
    users = len(contest.user_ids)
    if panel is not None:
        users = min(users, max(FEWEST_DUELLING, users // 5))
    if panel is None:
        judge: SpokenDuels | ExpectedDuels = ExpectedDuels(ground.behaviour, ground.histories)
    else:
        reply = DuelReply.possible(await panel.llm.capabilities(), panel.llm.fingerprint)
        persona, prompter = panel.personas.__getitem__, panel.prompter
        judge = SpokenDuels(panel.llm, persona, prompter, ground.catalog, Duel(reply))
    held_so_far = count(1)
    total = users * len(contest.names) * (len(contest.names) - 1)
    outcomes = await duel_outcomes(
        judge, contest.names, contest.user_ids[:users], contest.item_ids, contest.top[:users],
        at_once=1 if panel is None else panel.at_once,
        told=None if panel is None else lambda _: panel.told(next(held_so_far), total),
    )  # fmt: skip
    return duel_row(outcomes, contest.names, contest.real, seed=seed, baselines=beside)


def _worth(ground: Ground, answers: Answers) -> Floats:
    """What each pair is worth to the user, (n,); NaN where the question failed."""
    if ground.fully_observed and not np.isnan(answers.stars[~answers.failed]).any():
        return answers.stars
    return answers.log_odds if not answers.calibrated else _chance(answers)


def _chances(ground: Ground, answers: Answers) -> Floats:
    """What is drawn from: chances of stars, (n, 5), or of engagement, (n,)."""
    if ground.fully_observed and answers.star_chances is not None:
        return answers.star_chances
    return _chance(answers)


def _chance(answers: Answers) -> Floats:
    """Chance of engagement, (n,); NaN where the question failed."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * answers.log_odds)))
