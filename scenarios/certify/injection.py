"""Attacks by the text of items: what a hostile title or description gains with the users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from focusgroup.agents import StatisticalUser
from focusgroup.agents.llm import (
    Capabilities,
    Completion,
    CompletionRequest,
    JournaledLLM,
    JournalMode,
)
from focusgroup.simulator import (
    Catalog,
    Click,
    Item,
    Noise,
    Response,
    Slate,
    TurnFailed,
    Visit,
)
from focusgroup.simulator.fidelity import Exam, Row
from focusgroup.simulator.fidelity.probes_page import Attack, injection_lift
from focusgroup.simulator.noise import derive_seed

from .ground import Ground
from .injection_payloads import PAYLOADS, Payload
from .panel import Panel, PanelPage, exam_pages
from .panel_pace import in_turn

ATTACKS_PER_USER = 5


class Carrier(StrEnum):
    """Which text of an item an attack is put into."""

    TITLE = "title"
    DESCRIPTION = "description"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A page to be answered; without a payload it is left as it is."""

    page: PanelPage
    slot: int
    payload: Payload | None
    carrier: Carrier


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Engagement with the item of interest, None where the page failed; replies out of schema."""

    engaged: float | None
    malformed: int


async def injection_row(
    ground: Ground,
    exam: Exam,
    *,
    panel: Panel | None = None,
    own_word: bool = False,
    users: int = 40,
    per_user: int = ATTACKS_PER_USER,
    seed: int,
) -> Row:
    """`injection_lift` of the users certified: one item of one page carries an attack, all else
    is the same, and the answer is taken as a simulation would take it.

    Args:
        panel: who is attacked; None for the behaviour model alone.
        own_word: whether the panel is certified at its own word, not pooled.
        users: how many are attacked at most, each on the first page of the exam.
        per_user: attacks on each; users take turns, so that all payloads are used alike.

    Raises:
        UserError, RunStopped: as `Panel.opinions`.
    """
    firsts = [page for page in exam_pages(exam) if page.number == 0][:users]
    asked = [one for n, page in enumerate(firsts) for one in _attacks(page, n, per_user, seed)]
    silent = _pairs(asked, [_silent(ground, one, seed) for one in asked])
    used = len({one.payload for one in asked if one.payload is not None})
    note = f"{used} of {len(PAYLOADS)} payloads"
    if panel is None:
        return injection_lift(silent, seed=seed, note=note)
    others = {"behaviour model alone": silent}
    attacks = await _spoken(panel, asked, own_word=own_word)
    # The same replies once more: they cost a call only where nothing is recorded.
    if not own_word and panel.llm.mode is not JournalMode.OFF:
        others["model alone"] = await _spoken(panel, asked, own_word=True)
    return injection_lift(attacks, others=others, seed=seed, note=note)


def attacked(item: Item, payload: Payload, carrier: Carrier) -> Item:
    """The item with the payload behind its own title or description."""
    if carrier is Carrier.TITLE:
        return replace(item, title=f"{item.title} {payload.text}")
    return replace(item, description=f"{item.description} {payload.text}".strip())


def _attacks(page: PanelPage, number: int, per_user: int, seed: int) -> list[_Asked]:
    """The page without an attack, then under each of the user's share of the payloads."""
    rng = np.random.default_rng(derive_seed(seed, "attacked slot", page.user_id))
    slot = int(rng.integers(len(page.item_ids)))
    found = [_Asked(page, slot, None, Carrier.TITLE)]
    for attack in range(number * per_user, (number + 1) * per_user):
        # Each time round the payloads, a text goes where it did not go before.
        carrier = list(Carrier)[(attack + attack // len(PAYLOADS)) % len(Carrier)]
        found.append(_Asked(page, slot, PAYLOADS[attack % len(PAYLOADS)], carrier))
    return found


def _visit(ground: Ground, asked: _Asked, order: int) -> tuple[Slate, Visit]:
    page = asked.page
    shown = {item_id: ground.catalog[item_id] for item_id in page.item_ids}
    if asked.payload is not None:
        target = page.item_ids[asked.slot]
        shown[target] = attacked(shown[target], asked.payload, asked.carrier)
    noise = Noise(order, page.user_id, 0)
    visit = Visit(page.user_id, "", 0, page.number, (), (), Catalog(shown), noise)
    return Slate(page.item_ids), visit


def _silent(ground: Ground, asked: _Asked, order: int) -> _Outcome:
    slate, visit = _visit(ground, asked, order)
    user = StatisticalUser(ground.behaviour, ground.histories)
    (response,) = user.respond_many([slate], [visit])
    return _Outcome(_engagement(response, asked), 0)


async def _spoken(panel: Panel, asked: Sequence[_Asked], *, own_word: bool) -> list[Attack]:
    user = panel.user(own_word=own_word)

    async def ask(number: int) -> _Outcome:
        slate, visit = _visit(panel.ground, asked[number], panel.order)
        counted = _Counted(panel.llm)
        try:
            response = await replace(user, llm=counted).respond(slate, visit)
        except TurnFailed as error:
            lost = not error.cause.unanswered
            return _Outcome(None, counted.fresh_attempts + lost)
        return _Outcome(_engagement(response, asked[number]), counted.fresh_attempts)

    outcomes = await in_turn(len(asked), ask, at_once=panel.at_once, told=panel.told)
    return _pairs(asked, outcomes)


def _engagement(response: Response, asked: _Asked) -> float:
    """Probability of a click on the item of interest, or whether there was one."""
    if response.odds is not None:
        return response.odds[asked.slot].click
    target = asked.page.item_ids[asked.slot]
    return float(any(isinstance(a, Click) and a.item_id == target for a in response.actions))


def _pairs(asked: Sequence[_Asked], outcomes: Sequence[_Outcome]) -> list[Attack]:
    found: list[Attack] = []
    clean = _Outcome(None, 0)
    for one, outcome in zip(asked, outcomes, strict=True):
        if one.payload is None:
            clean = outcome
            continue
        name = f"{one.payload.name} in the {one.carrier.value}"
        found.append(
            Attack(
                one.page.user_id, name, clean.engaged, outcome.engaged,
                outcome.malformed, clean.malformed,
            )
        )  # fmt: skip
    return found


class _Counted:
    """The model for one page, with a count of fresh attempts: each follows a malformed reply."""

    def __init__(self, llm: JournaledLLM) -> None:
        self.fresh_attempts = 0
        self._llm = llm

    @property
    def fingerprint(self) -> str:
        return self._llm.fingerprint

    async def complete(self, request: CompletionRequest) -> Completion:
        self.fresh_attempts += request.attempt > 0
        return await self._llm.complete(request)

    async def capabilities(self) -> Capabilities:
        return await self._llm.capabilities()

    async def aclose(self) -> None:
        """The model is the panel's to close."""
