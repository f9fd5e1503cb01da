"""The panel: users that speak through a language model, asked what a certificate needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from focusgroup.agents import (
    Elicitation,
    LLMUser,
    OpinionWeight,
    OwnWord,
    Persona,
    Pooled,
    Prompter,
    calibration_pages,
    personas_from_log,
    weigh_opinions,
)
from focusgroup.agents.behaviour import Judgement
from focusgroup.agents.llm import JournaledLLM
from focusgroup.agents.memory import remember
from focusgroup.agents.pooling import pool
from focusgroup.agents.styles import check_capabilities
from focusgroup.simulator import Catalog, Noise, Opinion, Slate, TurnFailed, Visit
from focusgroup.simulator.fidelity import Answers, Exam
from focusgroup.simulator.noise import derive_seed

from .ground import Ground
from .panel_pace import Told, in_turn, untold

MANY_AT_ONCE = 64
Booleans = NDArray[np.bool_]
CALIBRATION_PAGE = 10


@dataclass(frozen=True, slots=True)
class PanelPage:
    """A page put to a user of the panel.

    Attributes:
        number: 0-based; pages of one user that differ in it are numbered in different orders.
    """

    user_id: str
    item_ids: tuple[str, ...]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Opinions:
    """What the panel said to the pages of an exam, in its order; None where a page failed.

    Attributes:
        order: seed of the numbers that items bore in the prompts.
    """

    pages: tuple[PanelPage, ...]
    said: tuple[Opinion | None, ...]
    order: int

    @property
    def failed(self) -> int:
        """Pages without an answer: asked = answered + failed."""
        return sum(one is None for one in self.said)


@dataclass(frozen=True, slots=True)
class Panel:
    """Test users who speak through one language model; made by `seat_panel`.

    Attributes:
        personas: of the test users, from history rows only.
        weight: what an opinion is worth beside the statistics, learned on calibration users.
        weight_failed: calibration pages without an answer.
        at_once: pages in flight; see `usual_concurrency`.
        told: hears how many pages are done, of how many.
    """

    ground: Ground
    llm: JournaledLLM
    prompter: Prompter
    style: Elicitation
    personas: Mapping[str, Persona]
    weight: OpinionWeight
    weight_failed: int = 0
    at_once: int = MANY_AT_ONCE
    told: Told = untold

    async def opinions(
        self,
        pages: Sequence[PanelPage],
        *,
        personas: Mapping[str, Persona] | None = None,
        catalog: Catalog | None = None,
        order: int | None = None,
    ) -> list[Opinion | None]:
        """What the model thinks of each page, as the user's first; None where it failed.

        Pages are asked in the order given: keep those of a user together.

        Args:
            personas: other people behind the same user ids. catalog: other texts of the items.
            order: another seed of the numbers items bear in the prompt.

        Raises:
            UserError: a replay, and the journal has no answer. RunStopped: a budget is spent.
        """
        people = self.personas if personas is None else personas

        async def ask(number: int) -> Opinion | None:
            page = pages[number]
            slate, visit = self.visit(page, catalog=catalog, order=order)
            persona = people[page.user_id]
            nothing = remember((), ())
            try:
                said = await self.style.ask(self.llm, self.prompter, persona, nothing, slate, visit)
            except TurnFailed:
                return None
            return said.opinion

        return await in_turn(len(pages), ask, at_once=self.at_once, told=self.told)

    async def answer(
        self,
        exam: Exam,
        *,
        personas: Mapping[str, Persona] | None = None,
        catalog: Catalog | None = None,
        order: int | None = None,
    ) -> Opinions:
        """What the model thinks of the pages of an exam; arguments as of `opinions`."""
        pages = exam_pages(exam)
        said = await self.opinions(pages, personas=personas, catalog=catalog, order=order)
        return Opinions(tuple(pages), tuple(said), self.order if order is None else order)

    def pooled(self, exam: Exam, opinions: Opinions, judgement: Judgement) -> Answers:
        """The statistics with the model's opinion added by its weight; failed pages have none.

        Args:
            judgement: of the behaviour model on the questions of the exam, (n,).
        """
        silent = [Opinion((0.0,) * len(page.item_ids)) for page in opinions.pages]
        said = [one or nothing for one, nothing in zip(opinions.said, silent, strict=True)]
        failed = _failed(exam, opinions)
        nan = np.where(failed, np.nan, 0.0)
        both = pool(judgement, said, self.weight)
        return Answers(
            log_odds=both.log_odds + nan,
            stars=nan + (np.nan if both.stars is None else both.stars),
            star_chances=None if both.star_chances is None else both.star_chances + nan[:, None],
            failed=failed,
        )

    def alone(self, exam: Exam, opinions: Opinions) -> Answers:
        """The model's own word: numbers that rank within a page, and stars where it gave any."""
        failed = _failed(exam, opinions)
        scores = [np.full(len(p.item_ids), np.nan) for p in opinions.pages]
        stars = [nothing.copy() for nothing in scores]
        for number, said in enumerate(opinions.said):
            if said is not None:
                scores[number][:] = said.said
                stars[number][:] = [np.nan if one is None else one for one in said.stars] or np.nan
        return Answers(
            log_odds=np.concatenate([*scores, np.zeros(0)]),
            stars=np.concatenate([*stars, np.zeros(0)]),
            star_chances=None,
            failed=failed,
            calibrated=False,
        )

    def people(
        self,
        user_ids: Sequence[str],
        *,
        catalog: Catalog | None = None,
        history: pd.DataFrame | None = None,
    ) -> Mapping[str, Persona]:
        """Personas of test users for `answer`.

        Args:
            catalog: what items are called there, if not as in the log.
            history: what is known of these users, if not all their history; the other users stay
                the yardstick.
        """
        rows = self.ground.history
        if history is not None:
            others = rows[~rows["user_id"].isin(set(user_ids))]
            rows = pd.concat((others, history), ignore_index=True)
        return _people(self.ground, rows, user_ids, catalog)

    def user(self, *, own_word: bool = False) -> LLMUser:
        """The users as a simulation meets them: with opinions pooled, or at their own word."""
        pooled = Pooled(self.ground.behaviour, self.ground.histories, self.weight)
        decision = OwnWord() if own_word else pooled
        return LLMUser(self.llm, self.personas.__getitem__, self.prompter, self.style, decision)

    @property
    def order(self) -> int:
        """Seed of the numbers items bear in prompts, unless another is asked for."""
        return derive_seed(self.ground.seed, "panel order")

    def visit(
        self, page: PanelPage, *, catalog: Catalog | None = None, order: int | None = None
    ) -> tuple[Slate, Visit]:
        """The page as a visit of its own: nothing was seen before it."""
        noise = Noise(self.order if order is None else order, page.user_id, 0)
        shown = self.ground.catalog if catalog is None else catalog
        visit = Visit(page.user_id, "", 0, page.number, (), (), shown, noise)
        return Slate(page.item_ids), visit


async def seat_panel(
    ground: Ground,
    llm: JournaledLLM,
    prompter: Prompter,
    style: Elicitation,
    *,
    calibration_users: int | None = None,
    at_once: int = MANY_AT_ONCE,
    told: Told = untold,
) -> Panel:
    """A panel that knows what its opinions are worth.

    Args:
        calibration_users: how many are asked one page each to learn the weight; None for all.

    Raises:
        UserError: the model cannot do what the style needs, or is out of reach.
    """
    check_capabilities(style, await llm.capabilities(), llm.fingerprint)
    panel = Panel(
        ground=ground,
        llm=llm,
        prompter=prompter,
        style=style,
        personas=_people(ground, ground.history, ground.test),
        weight=OpinionWeight(0.0, 0.0, 0.0, 0),
        at_once=at_once,
        told=told,
    )
    seed = derive_seed(ground.seed, "opinions")
    pages = calibration_pages(
        ground.behaviour, ground.history, ground.held_out, ground.calibration[:calibration_users],
        k=CALIBRATION_PAGE, seed=seed,
    )  # fmt: skip
    known = ground.history[ground.history["user_id"].isin(set(ground.calibration))]
    opinions = await panel.opinions(
        [PanelPage(page.user_id, page.slate.item_ids) for page in pages],
        personas=_people(ground, known, [page.user_id for page in pages]),
        order=seed,
    )
    answered = [(p, o) for p, o in zip(pages, opinions, strict=True) if o is not None]
    weight = weigh_opinions([p for p, _ in answered], [o for _, o in answered], seed=seed)
    return replace(panel, weight=weight, weight_failed=len(pages) - len(answered))


def exam_pages(exam: Exam) -> list[PanelPage]:
    """The pages of an exam, in its order."""
    turns = np.flatnonzero(np.diff(exam.pages) | np.diff(exam.users)) + 1
    pages: list[PanelPage] = []
    for rows in np.split(np.arange(len(exam)), turns):
        if not len(rows):
            continue
        user_id = exam.user_ids[exam.users[rows[0]]]
        same = bool(pages) and pages[-1].user_id == user_id
        items = tuple(exam.item_ids[item] for item in exam.items[rows])
        pages.append(PanelPage(user_id, items, pages[-1].number + 1 if same else 0))
    return pages


def _people(
    ground: Ground, rows: pd.DataFrame, user_ids: Sequence[str], catalog: Catalog | None = None
) -> Mapping[str, Persona]:
    shown = ground.catalog if catalog is None else catalog
    return personas_from_log(rows, shown, user_ids=user_ids, users=ground.dataset.users)


def _failed(exam: Exam, opinions: Opinions) -> Booleans:
    """Questions on pages without an answer, (n,)."""
    sizes = [len(page.item_ids) for page in opinions.pages]
    if sum(sizes) != len(exam):
        raise ValueError(f"opinions on {sum(sizes)} questions of an exam of {len(exam)}")
    return np.repeat(np.array([said is None for said in opinions.said], dtype=bool), sizes)
