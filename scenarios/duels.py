"""Duels to be held between recommenders' pages, and what comes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from focusgroup.agents.duel import BatchDuelJudge, Bout, DuelJudge, Preference
from focusgroup.simulator import FailureCause, TurnFailed
from focusgroup.simulator.fidelity.duels import DuelOutcome

from .certify.panel_pace import in_turn

# user -> arm -> the items of its page, best first; None where the arm showed none.
Pages = Mapping[str, Mapping[str, tuple[str, ...] | None]]
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Planned:
    """One duel to be held: two arms in the order shown, and their pages (None: one is missing)."""

    first: str
    second: str
    user_id: str
    bout: Bout | None

    @property
    def asks(self) -> bool:
        """Whether somebody has to be asked: the pages are there, and differ."""
        return self.bout is not None and not self.bout.same


@dataclass(frozen=True, slots=True)
class Held:
    """A duel and what came of it.

    Attributes:
        why: the model's own words, untrusted, or what went wrong, or "".
        completion_keys: journal keys of all completions asked, failed attempts included.
    """

    outcome: DuelOutcome
    why: str = ""
    completion_keys: tuple[str, ...] = ()


def plan_duels(pages: Pages, baseline: str | None = None) -> list[Planned]:
    """Every pair of arms, in both orders, user by user.

    Args:
        baseline: if given, only pairs with this arm.
    """
    planned = []
    for user_id, shown in pages.items():
        for first, second in permutations(shown, 2):
            if baseline is not None and baseline not in (first, second):
                continue
            one, other = shown[first], shown[second]
            missing = one is None or other is None
            bout = None if missing else Bout.of(user_id, one or (), other or ())
            planned.append(Planned(first, second, user_id, bout))
    return planned


async def hold_duels(
    planned: Sequence[Planned],
    judge: DuelJudge | BatchDuelJudge,
    *,
    at_once: int = 64,
    told: Callable[[Held], None] | None = None,
) -> list[Held]:
    """What came of every duel, in the order planned. A duel that fails is data.

    Args:
        at_once: duels waiting for a model at the same time.
        told: called with each duel that was asked.

    Raises:
        UserError, RunStopped: the model cannot be asked, or no more.
    """
    asked = [duel for duel in planned if duel.asks]
    hear = told or _ignore
    if isinstance(judge, BatchDuelJudge):
        answers = _counted(asked, judge, hear)
    else:
        answers = await _spoken(asked, judge, at_once, hear)
    following = iter(answers)
    return [next(following) if duel.asks else _unasked(duel) for duel in planned]


async def duel_outcomes(
    judge: DuelJudge | BatchDuelJudge,
    arms: Sequence[str],
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    top: NDArray[np.int64],
    *,
    at_once: int = 64,
    told: Callable[[Held], None] | None = None,
) -> list[DuelOutcome]:
    """Duels of a contest's pages, all pairs in both orders.

    Args:
        top: (users, arms, k) positions in `item_ids`, best first.
    """
    pages = {
        user_id: {
            arm: tuple(item_ids[position] for position in top[row, column])
            for column, arm in enumerate(arms)
        }
        for row, user_id in enumerate(user_ids)
    }
    held = await hold_duels(plan_duels(pages), judge, at_once=at_once, told=told)
    return [one.outcome for one in held]


async def _spoken(
    asked: Sequence[Planned], judge: DuelJudge, at_once: int, told: Callable[[Held], None]
) -> list[Held]:
    async def ask(number: int) -> Held:
        duel = asked[number]
        try:
            held = _answered(duel, await judge.prefer(_bout(duel)))
        except TurnFailed as error:
            held = Held(_lost(duel, error.cause), error.detail, error.completion_keys)
        told(held)
        return held

    return await in_turn(len(asked), ask, at_once=at_once)


def _counted(
    asked: Sequence[Planned], judge: BatchDuelJudge, told: Callable[[Held], None]
) -> list[Held]:
    answers: list[Held] = []
    for start in range(0, len(asked), _BATCH):
        part = asked[start : start + _BATCH]
        said = judge.prefer_many([_bout(duel) for duel in part])
        for duel, preference in zip(part, said, strict=True):
            answers.append(_answered(duel, preference))
            told(answers[-1])
    return answers


def _answered(duel: Planned, said: Preference) -> Held:
    outcome = DuelOutcome(duel.user_id, duel.first, duel.second, said.log_odds)
    return Held(outcome, said.why, said.completion_keys)


def _unasked(duel: Planned) -> Held:
    if duel.bout is None:
        return Held(_lost(duel, FailureCause.RECOMMENDER), "a recommender showed no page")
    return Held(DuelOutcome(duel.user_id, duel.first, duel.second, 0.0, same=True))


def _lost(duel: Planned, cause: FailureCause) -> DuelOutcome:
    return DuelOutcome(duel.user_id, duel.first, duel.second, math.nan, cause)


def _bout(duel: Planned) -> Bout:
    if duel.bout is None:
        raise ValueError(f"{duel.first} against {duel.second}: a page is missing")
    return duel.bout


def _ignore(_: Held) -> None:
    return None
