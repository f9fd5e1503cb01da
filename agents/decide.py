"""From an opinion to actions. Here: the model's own word, uncalibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from focusgroup.simulator.protocols import Visit
from focusgroup.simulator.types import (
    Action,
    Click,
    Leave,
    LeaveReason,
    NextPage,
    Purchase,
    Rate,
    Response,
    Slate,
)

from .elicit import Elicited
from .memory import Memory

ASSUMED_PICK_RATE = 0.2  # of slots, where log-odds were asked and nothing was calibrated


class Decision(Protocol):
    """Turns what the model said into what the user does."""

    def decide(self, slate: Slate, visit: Visit, memory: Memory, said: Elicited) -> Response: ...


@dataclass(frozen=True, slots=True)
class OwnWord:
    """Takes the model at its word: its picks are clicks, its stars ratings, its `stay` the end.

    Style `score` says neither which items nor whether to stay: there a slot is picked with
    probability sigmoid(logit(ASSUMED_PICK_RATE) + standardised log-odds), and the user leaves when
    fatigue says so. Both are assumptions, and results from them are called uncalibrated.
    """

    def decide(self, slate: Slate, visit: Visit, memory: Memory, said: Elicited) -> Response:
        opinion = said.opinion
        if said.stays is None:
            picked = _draw_picks(slate, visit, memory, opinion.said)
        else:
            picked = [slot for slot, score in enumerate(opinion.said) if score > 0]
        actions: list[Action] = []
        for slot in picked:
            item_id = slate.item_ids[slot]
            actions.append(Click(item_id))
            if slot in said.bought:
                actions.append(Purchase(item_id, visit.catalog[item_id].price or 0.0))
            if opinion.stars and (stars := opinion.stars[slot]) is not None:
                actions.append(Rate(item_id, stars))
        satisfaction = said.satisfaction
        if satisfaction is None:
            satisfaction = 1 - 0.5 ** len(picked)
        stays = said.stays
        if stays is None:
            stays = visit.noise.leave(visit.page) >= memory.fatigue
        actions.append(NextPage() if stays else Leave(leave_reason(satisfaction, memory.fatigue)))
        return Response(
            tuple(actions), satisfaction, opinion=opinion, completion_keys=said.completion_keys
        )


def leave_reason(satisfaction: float, fatigue: float) -> LeaveReason:
    """Why someone who leaves does: pleased with the page, else tired, else bored."""
    if satisfaction >= 0.5:
        return LeaveReason.SATISFIED
    return LeaveReason.TIRED if fatigue > 0.5 else LeaveReason.BORED


def _draw_picks(slate: Slate, visit: Visit, memory: Memory, scores: Sequence[float]) -> list[int]:
    spread = float(np.std(scores))
    if spread < 1e-9:
        spread = 1.0  # all alike, but for rounding
    base = math.log(ASSUMED_PICK_RATE / (1 - ASSUMED_PICK_RATE))
    chance = 1 / (1 + np.exp(-(base + np.asarray(scores) / spread)))
    nth = [memory.shown[item_id] for item_id in slate.item_ids]
    draws = visit.noise.items(slate.item_ids, "click", nth)
    return [int(slot) for slot in np.flatnonzero(draws < chance)]
