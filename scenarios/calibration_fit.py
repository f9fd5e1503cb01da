"""Learning a calibration: the behaviour model, and what a language model's opinion is worth."""

from __future__ import annotations

import math
from importlib.metadata import version

from focusgroup.agents import BehaviourModel

from .build import Means, build
from .calibration import (
    FORMAT,
    Accuracy,
    Calibration,
    CalibrationUsers,
    DataSource,
    Opinion,
    plain_choice,
    plain_stars,
    prompts_fingerprint,
)
from .calibration_fields import to_plain
from .experiment import Experiment, Room
from .scenario import Scenario, scenario_from

AUDIENCE = "calibration"


def calibration_scenario(
    data: str,
    *,
    data_dir: str | None = None,
    seed: int = 0,
    llm: str | None = None,
    style: str | None = None,
    users: int | None = None,
) -> Scenario:
    """The scenario a calibration is learned in: one audience, of which nobody visits anything.

    Args:
        llm: the language model whose opinion is weighed, or None.
        users: calibration users it is asked about.

    Raises:
        UserError: a value that no scenario takes.
    """
    audience: dict[str, object] = {"agent": "behaviour", "users": 1}
    if llm is not None:
        given = {"style": style, "calibration_users": users}
        audience = {"agent": "llm", "users": 1, "decision": "pooled", "llm": llm}
        audience |= {key: value for key, value in given.items() if value is not None}
    raw = {
        "title": f"Calibration on {data}",
        "seed": seed,
        "data": {"name": data, "dir": data_dir},
        "recommenders": ["random"],
        "audiences": {AUDIENCE: audience},
    }
    return scenario_from(raw, "calibrate")


async def calibrate(scenario: Scenario, means: Means) -> Calibration:
    """Learn what a calibration holds, in a scenario of `calibration_scenario`.

    Raises:
        UserError: too few users or events, a model out of reach.
        RunStopped: a budget is spent; what was answered is in the journal.
    """
    experiment = await build(scenario, means)
    try:
        if experiment.behaviour is None:
            raise ValueError("a calibration scenario has an audience that needs a behaviour model")
        return _collected(experiment, experiment.behaviour, experiment.rooms[0])
    finally:
        await experiment.aclose()


def _collected(experiment: Experiment, model: BehaviourModel, room: Room) -> Calibration:
    scenario, data = experiment.scenario, experiment.scenario.data
    return Calibration(
        format=FORMAT,
        focusgroup=version("focusgroup"),
        data=DataSource(
            name=experiment.dataset.domain.name, fingerprint=experiment.dataset.fingerprint
        ),
        users=CalibrationUsers(
            n=model.calibration_users,
            seed=scenario.seed,
            split=data.split,
            held_out=data.held_out,
            min_history=data.min_history,
        ),
        choice=plain_choice(model.choice),
        stars=plain_stars(model.stars),
        auc=Accuracy(model=_known(model.auc), popularity=_known(model.popularity_auc)),
        opinion=_opinion(experiment, room),
        assumed=scenario.assumed,
    )


def _opinion(experiment: Experiment, room: Room) -> Opinion | None:
    speaker, spec = room.speaker, room.spec
    if speaker is None or speaker.weight is None:
        return None
    return Opinion(
        model=speaker.llm.fingerprint,
        style=spec.style,
        language=spec.language,
        prompts=prompts_fingerprint(spec.language, spec.style),
        temperature=spec.temperature,
        k=experiment.scenario.page.k,
        users=spec.calibration_users,
        weight=to_plain(speaker.weight),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
