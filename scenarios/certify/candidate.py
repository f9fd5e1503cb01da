"""Whose certificate it is: the behaviour model alone, or a language model's panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from focusgroup.agents import Persona
from focusgroup.simulator import Interaction
from focusgroup.simulator.fidelity import Answers, Exam
from focusgroup.simulator.noise import derive_seed

from .contest import Contest
from .ground import Ground
from .panel import Opinions, Panel
from .paper import PAGE
from .witnesses import statistical

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """The users certified.

    Attributes:
        panel: None for the behaviour model alone.
        own_word: whether the panel is certified at its own word, not pooled with the statistics.
    """

    ground: Ground
    panel: Panel | None = None
    own_word: bool = False

    async def answers(
        self,
        exam: Exam,
        *,
        histories: Mapping[str, Sequence[Interaction]] | None = None,
        personas: Mapping[str, Persona] | None = None,
    ) -> tuple[Answers, Opinions | None]:
        """What they say to an exam, and the opinions behind it.

        Args:
            histories, personas: other people behind the same user ids.

        Raises:
            UserError, RunStopped: as `Panel.opinions`.
        """
        panel = self.panel
        if panel is None:
            return self.statistics(exam, histories), None
        opinions = await panel.answer(exam, personas=personas)
        return self.heard(exam, opinions, histories), opinions

    def heard(
        self,
        exam: Exam,
        opinions: Opinions,
        histories: Mapping[str, Sequence[Interaction]] | None = None,
    ) -> Answers:
        """What follows from opinions that are known; ValueError without a panel."""
        if self.panel is None:
            raise ValueError("no panel has opinions here")
        if self.own_word:
            return self.panel.alone(exam, opinions)
        judged = self.ground.behaviour.judge(
            self._histories(exam, histories), exam.users, exam.items
        )
        return self.panel.pooled(exam, opinions, judged)

    def statistics(
        self, exam: Exam, histories: Mapping[str, Sequence[Interaction]] | None = None
    ) -> Answers:
        """What the behaviour model alone says."""
        return statistical(self.ground.behaviour, self._histories(exam, histories), exam)

    def _histories(
        self, exam: Exam, instead: Mapping[str, Sequence[Interaction]] | None
    ) -> list[Sequence[Interaction]]:
        known = self.ground.histories if instead is None else instead.__getitem__
        return [known(user_id) for user_id in exam.user_ids]


def contest_paper(contest: Contest, *, seed: int) -> tuple[Exam, NDArray[np.int64]]:
    """A contest's pairs as pages to be asked, and where each pair stands among the questions.

    What users did is not part of it: `taken` is false and `stars` unknown throughout.
    """
    users, items = contest.pairs()
    shuffle = np.random.default_rng(derive_seed(seed, "contest paper")).random(len(users))
    order = np.lexsort((shuffle, users))
    place = np.arange(len(users)) - np.searchsorted(users[order], users[order])
    unknown = np.full(len(users), np.nan)
    exam = Exam(
        user_ids=contest.user_ids,
        item_ids=contest.item_ids,
        users=users[order],
        items=items[order],
        pages=np.cumsum(place % PAGE == 0) - 1,
        taken=np.zeros(len(users), dtype=bool),
        stars=unknown,
        popularity=np.zeros(len(users)),
        slots=unknown,
        offset=np.zeros(len(users)),
    )
    return exam, np.argsort(order)


def in_pairs(answers: Answers, place: NDArray[np.int64]) -> Answers:
    """Answers to a contest's paper in the order of its pairs."""
    return replace(
        answers,
        log_odds=answers.log_odds[place],
        stars=answers.stars[place],
        star_chances=None if answers.star_chances is None else answers.star_chances[place],
        failed=answers.failed[place],
    )
