"""Building an audience: its people, and what answers for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from focusgroup.agents import (
    BehaviourModel,
    Elicitation,
    LLMUser,
    OpinionWeight,
    OwnWord,
    Pooled,
    PopularityUser,
    Prompter,
    RandomUser,
    RecordedUser,
    SlotBiasedUser,
    StatisticalUser,
    Voice,
    load_language,
)
from focusgroup.agents.llm import JournaledLLM, JournalMode, parse_llm, sessions_in_flight
from focusgroup.agents.styles import check_capabilities
from focusgroup.agents.styles import elicitation as style_of
from focusgroup.simulator import (
    Audience,
    BatchUserAgent,
    Catalog,
    Interaction,
    UserAgent,
    UserError,
)

from .calibration import Calibration
from .calibration_match import calibrated_weight
from .datasets import Dataset, UserSplit
from .experiment import Room, Speaker
from .histories import Histories
from .opinions import Schooling
from .people import Invitation, People
from .scenario import AudienceSpec, Scenario

if TYPE_CHECKING:
    from .build import Means


@dataclass(frozen=True, slots=True)
class RoomBuilder:
    """Builds the audiences of one scenario."""

    scenario: Scenario
    means: Means
    dataset: Dataset
    catalog: Catalog
    split: UserSplit
    history: pd.DataFrame
    held_out: pd.DataFrame
    behaviour: BehaviourModel | None
    calibration: Calibration | None = None
    opened: dict[str, JournaledLLM] = field(default_factory=dict)

    async def build(self, name: str) -> Room:
        """The audience of that name; audiences of one model share it. Raises UserError."""
        spec = self.scenario.audiences[name]
        people = self._invitation().invite(name, spec)
        if spec.agent != "llm":
            agent = self._silent(spec, people)
            audience = Audience(name, agent, people.user_ids, people.histories)
            return Room(spec, audience, people.personas, people.held_out)
        speaker, user = await self._speaking(name, spec, people)
        concurrency = sessions_in_flight(spec.llm, self.means.line.options)
        audience = Audience(name, user, people.user_ids, people.histories, concurrency)
        return Room(spec, audience, people.personas, people.held_out, speaker)

    async def aclose(self) -> None:
        """Close every model that was opened."""
        for llm in self.opened.values():
            await llm.aclose()

    def _invitation(self) -> Invitation:
        return Invitation(
            self.scenario,
            self.dataset,
            self.catalog,
            self.split,
            self.history,
            self.held_out,
            self.means.folder,
        )

    def _silent(self, spec: AudienceSpec, people: People) -> UserAgent | BatchUserAgent:
        match spec.agent:
            case "random":
                return RandomUser()
            case "slot_biased":
                return SlotBiasedUser()
            case "popularity":
                rows = self._invitation().calibration_rows()
                users = rows.groupby("item_id")["user_id"].nunique()
                share = users / max(1, len(self.split.calibration))
                return PopularityUser({str(i): float(s) for i, s in share.items()})
            case "recorded":
                return RecordedUser(_log(self.held_out, people.user_ids))
            case _:
                return StatisticalUser(self._model(), people.histories)

    def _model(self) -> BehaviourModel:
        if self.behaviour is None:
            raise UserError("this audience needs a behaviour model, and none was calibrated")
        return self.behaviour

    async def _speaking(
        self, name: str, spec: AudienceSpec, people: People
    ) -> tuple[Speaker, LLMUser]:
        llm = self._open(name, spec)
        elicitation = style_of(
            spec.style, pooled=spec.decision == "pooled", temperature=spec.temperature
        )
        if self.means.recorded is None:
            check_capabilities(elicitation, await llm.capabilities(), spec.llm)
        prompter = Prompter(load_language(spec.language), self.dataset.domain)
        weight = None
        if spec.decision == "pooled":
            weight = self._known_weight(name, spec)
            weight = weight or await self._weight(spec, llm, prompter, elicitation)
        decision = OwnWord() if weight is None else Pooled(self._model(), people.histories, weight)
        user = LLMUser(
            llm=llm,
            persona=people.personas.__getitem__,
            prompter=prompter,
            elicitation=elicitation,
            decision=decision,
            voice=Voice(spec.reviews, spec.interview),
        )
        return Speaker(llm, prompter, weight), user

    def _open(self, name: str, spec: AudienceSpec) -> JournaledLLM:
        means = self.means
        llm_spec = parse_llm(spec.llm)
        if llm_spec is None:
            raise UserError(f"audiences.{name}: agent llm needs a model, and llm is none")
        if means.recorded is not None:
            recorded = means.recorded[name]
            return JournaledLLM(None, means.line.journal, JournalMode.REPLAY, fingerprint=recorded)
        if spec.llm not in self.opened:
            self.opened[spec.llm] = means.line.open(llm_spec)
        return self.opened[spec.llm]

    def _known_weight(self, name: str, spec: AudienceSpec) -> OpinionWeight | None:
        if name in self.means.weights:
            return self.means.weights[name]
        return calibrated_weight(self.calibration, name, spec) if self.calibration else None

    async def _weight(
        self, spec: AudienceSpec, llm: JournaledLLM, prompter: Prompter, style: Elicitation
    ) -> OpinionWeight:
        schooling = Schooling(
            self._model(),
            self.catalog,
            self.history,
            self.held_out,
            self._invitation().calibration_rows(),
            self.dataset.users,
            self.scenario.page.k,
            self.scenario.seed,
            self.means.on_opinion,
        )
        users = self.split.calibration[: spec.calibration_users]
        return await schooling.weigh(llm, prompter, style, users)


def _log(rows: pd.DataFrame, user_ids: Sequence[str]) -> dict[str, tuple[Interaction, ...]]:
    histories = Histories.of(rows, user_ids)
    return {user: histories(user) for user in user_ids}
