"""Building an audience: which users, who they are, and what answers for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from focusgroup.agents import (
    BehaviourModel,
    Elicitation,
    LLMUser,
    OpinionWeight,
    OwnWord,
    Persona,
    Pooled,
    PopularityUser,
    Prompter,
    RandomUser,
    RecordedUser,
    SlotBiasedUser,
    StatisticalUser,
    Voice,
    calibration_pages,
    load_language,
    load_personas,
    personas_from_log,
    sample_population,
    weigh_opinions,
)
from focusgroup.agents.llm import BudgetedLLM, JournaledLLM, JournalMode, open_llm, parse_llm
from focusgroup.agents.memory import remember
from focusgroup.agents.styles import elicitation as style_of
from focusgroup.simulator import (
    Audience,
    BatchUserAgent,
    Catalog,
    Interaction,
    Noise,
    Opinion,
    TurnFailed,
    UserAgent,
    UserError,
    Visit,
)
from focusgroup.simulator.noise import derive_seed

from .calibration import Calibration
from .calibration_match import calibrated_weight
from .datasets import Dataset, UserSplit
from .experiment import Room, Speaker
from .histories import Histories, liked_items
from .scenario import AudienceSpec, Scenario

if TYPE_CHECKING:
    from .build import Means

EMBEDDED_CONCURRENCY = 4
SERVER_CONCURRENCY = 64


@dataclass(frozen=True, slots=True)
class _People:
    """Users of an audience before anything answers for them."""

    user_ids: tuple[str, ...]
    personas: Mapping[str, Persona]
    histories: Histories
    held_out: Mapping[str, frozenset[str]]


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
        people = self._people(name, spec)
        if spec.agent != "llm":
            agent = self._silent(spec, people)
            audience = Audience(name, agent, people.user_ids, people.histories)
            return Room(spec, audience, people.personas, people.held_out)
        speaker, user = await self._speaking(name, spec, people)
        concurrency = (
            EMBEDDED_CONCURRENCY if spec.llm.startswith("embedded") else (SERVER_CONCURRENCY)
        )
        audience = Audience(name, user, people.user_ids, people.histories, concurrency)
        return Room(spec, audience, people.personas, people.held_out, speaker)

    def _people(self, name: str, spec: AudienceSpec) -> _People:
        if spec.personas not in ("log", "sampled"):
            personas = load_personas(self.means.folder / spec.personas)
            ids = tuple(personas)[: spec.users]
            return _People(ids, personas, Histories.of(self.history.iloc[:0], ()), {})
        history, users = self.history, self.dataset.users
        if spec.personas == "sampled":
            sources = history[history["user_id"].isin(set(self.split.audience))]
            sampled, users = sample_population(
                sources, users, self.catalog, n=spec.users,
                seed=derive_seed(self.scenario.seed, "audience", name),
            )  # fmt: skip
            ids = tuple(sorted(set(sampled["user_id"])))
            held_out: Mapping[str, frozenset[str]] = {}
            rows = pd.concat([self._calibration_rows(), sampled], ignore_index=True)
        else:
            ids = self._chosen(name, spec)
            kept = self.held_out[self.held_out["user_id"].isin(set(ids))]
            held_out = liked_items(kept[kept["item_id"].isin(self.catalog)])
            # All audience users are the yardstick, so that a persona does not depend on how many
            # of them are invited: another --users finds the same prompts in the journal.
            rows = self._rows_of({*self.split.calibration, *self.split.audience})
        personas = personas_from_log(rows, self.catalog, user_ids=ids, users=users)
        return _People(ids, personas, Histories.of(rows, ids), held_out)

    def _calibration_rows(self) -> pd.DataFrame:
        return self._rows_of(set(self.split.calibration))

    def _rows_of(self, users: set[str]) -> pd.DataFrame:
        return self.history[self.history["user_id"].isin(users)]

    def _chosen(self, name: str, spec: AudienceSpec) -> tuple[str, ...]:
        """The first n audience users by a hash: a smaller audience is part of a larger one."""
        available, n, among = self.split.audience, spec.users, ""
        if spec.members is not None:
            path = self.means.folder / spec.members
            invited = _read_members(path)
            available = tuple(user for user in available if user in invited)
            among = f" of the {len(invited)} members in {path}"
        if n > len(available):
            raise UserError(
                f"audiences.{name}.users: {n} asked for, but the split leaves {len(available)}"
                f"{among} in the audience. Ask for fewer, enlarge data.split.audience, lower"
                " data.min_history, or invent users with `personas: sampled`."
            )
        seed = self.scenario.seed
        return tuple(sorted(available, key=lambda u: derive_seed(seed, "audience", u))[:n])

    def _silent(self, spec: AudienceSpec, people: _People) -> UserAgent | BatchUserAgent:
        match spec.agent:
            case "random":
                return RandomUser()
            case "slot_biased":
                return SlotBiasedUser()
            case "popularity":
                rows = self._calibration_rows()
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
        self, name: str, spec: AudienceSpec, people: _People
    ) -> tuple[Speaker, LLMUser]:
        llm = self._open(name, spec)
        elicitation = style_of(
            spec.style, pooled=spec.decision == "pooled", temperature=spec.temperature
        )
        if self.means.recorded is None:
            await _check_capabilities(llm, elicitation, spec)
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
            return JournaledLLM(None, means.journal, JournalMode.REPLAY, fingerprint=recorded)
        if spec.llm not in self.opened:
            model = BudgetedLLM(open_llm(llm_spec, means.options), means.budget, clock=means.clock)
            self.opened[spec.llm] = JournaledLLM(model, means.journal, means.mode)
        return self.opened[spec.llm]

    async def aclose(self) -> None:
        """Close every model that was opened."""
        for llm in self.opened.values():
            await llm.aclose()

    def _known_weight(self, name: str, spec: AudienceSpec) -> OpinionWeight | None:
        if name in self.means.weights:
            return self.means.weights[name]
        return calibrated_weight(self.calibration, name, spec) if self.calibration else None

    async def _weight(
        self, spec: AudienceSpec, llm: JournaledLLM, prompter: Prompter, style: Elicitation
    ) -> OpinionWeight:
        """Ask the model about pages whose truth is known; what it cannot answer is left out."""
        seed = derive_seed(self.scenario.seed, "opinions")
        users = self.split.calibration[: spec.calibration_users]
        pages = calibration_pages(
            self._model(), self.history, self.held_out, users, k=self.scenario.page.k, seed=seed
        )
        personas = personas_from_log(
            self._calibration_rows(), self.catalog, user_ids=[p.user_id for p in pages],
            users=self.dataset.users,
        )  # fmt: skip

        asked = 0

        async def opinion(number: int) -> Opinion | None:
            nonlocal asked
            page = pages[number]
            noise = Noise(seed, page.user_id, 0)
            visit = Visit(page.user_id, "", 0, 0, (), (), self.catalog, noise)
            try:
                said = await style.ask(
                    llm, prompter, personas[page.user_id], remember((), ()), page.slate, visit
                )
            except TurnFailed:
                return None
            finally:
                asked += 1
                if self.means.on_opinion is not None:
                    self.means.on_opinion(asked, len(pages))
            return said.opinion

        opinions = await asyncio.gather(*(opinion(n) for n in range(len(pages))))
        answered = [(p, o) for p, o in zip(pages, opinions, strict=True) if o is not None]
        return weigh_opinions([p for p, _ in answered], [o for _, o in answered], seed=seed)


async def _check_capabilities(
    llm: JournaledLLM, elicitation: Elicitation, spec: AudienceSpec
) -> None:
    found = await llm.capabilities()
    if elicitation.needs_logprobs and not found.logprobs:
        raise UserError(
            f"style score needs log-probabilities, and {spec.llm} returns none."
            " Use --style answer, or a server that returns top_logprobs (vLLM, llama.cpp)."
        )
    if not elicitation.needs_logprobs and not found.json_schema:
        raise UserError(
            f"style answer needs replies constrained to a JSON schema, and {spec.llm} ignores"
            " response_format json_schema. Use --style score, or a server that keeps it (vLLM,"
            " llama.cpp)."
        )


def _read_members(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"members: {path} cannot be read: {error}. Expected a file of user ids, one a line."
        ) from error
    return frozenset(line.strip() for line in lines if line.strip())


def _log(rows: pd.DataFrame, user_ids: Sequence[str]) -> dict[str, tuple[Interaction, ...]]:
    histories = Histories.of(rows, user_ids)
    return {user: histories(user) for user in user_ids}
