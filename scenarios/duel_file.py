"""What came of duels, and the file it is written to: the same duels give the same bytes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from focusgroup.agents.duel import DuelReply
from focusgroup.agents.llm import Usage
from focusgroup.simulator.fidelity.duels import DuelResults
from focusgroup.simulator.report import ModelFacts

from .duel_setting import DuelSetting
from .duels import Held
from .outcome import Spent

RESULT = "duel.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class RoomDuels:
    """One audience's duels.

    Attributes:
        facts: who answered, and whether that is calibrated.
        reply: how the language model said which, or None where none was asked.
        model: its fingerprint, or "".
        calls: completions behind the answers; tokens: theirs, whenever they were paid.
    """

    name: str
    facts: ModelFacts
    reply: DuelReply | None
    model: str
    held: tuple[Held, ...]
    results: DuelResults
    calls: int
    tokens: Usage


@dataclass(frozen=True, slots=True)
class FinishedDuels:
    """All duels of a setting. `spent`: what was asked of models now."""

    setting: DuelSetting
    pairs: str
    rooms: tuple[RoomDuels, ...]
    spent: Spent


def duels_json(finished: FinishedDuels) -> str:
    """Everything that came of the duels: keys sorted, NaN as null, no times."""
    source, experiment = finished.setting.source, finished.setting.experiment
    content = {
        "format": FORMAT,
        "title": source.scenario.title,
        "scenario": source.scenario.model_dump(mode="json"),
        "data": {
            "name": experiment.dataset.domain.name,
            "fingerprint": experiment.dataset.fingerprint,
        },
        "pairs": finished.pairs,
        "left_out": dict(finished.setting.left_out),
        "audiences": [_room_json(room) for room in finished.rooms],
    }
    return json.dumps(
        _plain(content), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False
    )


def write_duels(finished: FinishedDuels, folder: Path) -> None:
    """Write `duel.json`, whole or not at all."""
    torn = folder / f"{RESULT}.tmp"
    with torn.open("w", encoding="utf-8") as file:
        file.write(duels_json(finished) + "\n")
        file.flush()
        os.fsync(file.fileno())
    torn.rename(folder / RESULT)


def _room_json(room: RoomDuels) -> dict[str, object]:
    facts = room.facts
    return {
        "name": room.name,
        "answered_by": facts.model,
        "calibrated": facts.calibrated,
        "note": facts.note,
        "warning": facts.warning,
        "reply": None if room.reply is None else room.reply.value,
        "model": room.model,
        "calls": room.calls,
        "tokens": asdict(room.tokens),
        "results": asdict(room.results),
        "duels": [
            {
                "user": one.outcome.user_id,
                "first": one.outcome.first,
                "second": one.outcome.second,
                "log_odds": one.outcome.log_odds,
                "failed": None if one.outcome.cause is None else one.outcome.cause.value,
                "same": one.outcome.same,
                "why": one.why,
            }
            for one in room.held
        ],
    }


def _plain(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    return value
