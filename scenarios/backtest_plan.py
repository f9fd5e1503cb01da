"""From past tests to runs: which recommenders which users have to meet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from focusgroup.recommenders import load_recommender, make_recommender
from focusgroup.simulator import UserError

from .backtest import ArmSpec, BacktestSpec, Question
from .datasets import Dataset, split_users
from .logged_slates import read_slates
from .scenario import Scenario, scenario_from

AUDIENCE, RECOMMENDERS = "users", "recommenders"
_REPLAY = "focusgroup.scenarios.logged_slates:LoggedSlates"


@dataclass(frozen=True, slots=True)
class Part:
    """One run: arms that the same users meet.

    Attributes:
        members: who may be invited, where slates name their users; () where all of the split may.
        members_file: where they are written before the run, None where there are none.
    """

    name: str
    scenario: Scenario
    members: tuple[str, ...] = ()
    members_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that has to be run to answer the questions.

    Attributes:
        arms: test -> the arms A and B, by their names in the runs.
    """

    parts: tuple[Part, ...]
    arms: Mapping[str, tuple[str, str]]


def plan_backtest(
    spec: BacktestSpec, questions: Sequence[Question], path: Path, dataset: Dataset, out: Path
) -> Plan:
    """Distinct arms, gathered into as few runs as their users allow.

    Recommenders meet the same users in one run. Logged slates are met by the users they were shown
    to, as far as the split leaves those in the audience; each file is a run of its own, and what
    was shown is shown again even if the log knows that the user had it.

    Args:
        path: of the file of tests, for errors and for relative paths.
        out: the folder in which the runs will lie.

    Raises:
        UserError: an arm names nothing, or slates of unknown items, or of nobody in the audience.
    """
    named: dict[str, str] = {}
    specs: dict[str, tuple[ArmSpec, str]] = {}
    for question in questions:
        for side, arm in (("A", question.a), ("B", question.b)):
            key = _key(arm)
            if key not in named:
                where = f"{path}: test {question.name!r}, arm {side}"
                named[key] = _name(arm, specs)
                specs[named[key]] = (arm, where)
    played = {name: arm for name, (arm, _) in specs.items() if arm.slates is None}
    parts = []
    if played:
        for name, arm in played.items():
            _check(arm, specs[name][1], spec.seed, path.parent)
        recommenders = {n: {"use": a.use, "params": a.params} for n, a in played.items()}
        parts.append(Part(RECOMMENDERS, _scenario(spec, questions, recommenders)))
    for name, (arm, where) in specs.items():
        if arm.slates is not None:
            file = (path.parent / arm.slates).resolve()
            parts.append(_slates(spec, questions, name, file, where, dataset, out))
    return Plan(tuple(parts), {q.name: (named[_key(q.a)], named[_key(q.b)]) for q in questions})


def _key(arm: ArmSpec) -> str:
    return json.dumps(arm.model_dump(mode="json"), sort_keys=True)


def _name(arm: ArmSpec, taken: Mapping[str, object]) -> str:
    """Short, visible and not yet taken."""
    text = Path(arm.slates).stem if arm.slates is not None else (arm.use or "").rsplit(":", 1)[-1]
    short = text.replace("/", "-").replace("\\", "-").strip()[:50] or "arm"
    name, number = short, 1
    while name in taken or name == RECOMMENDERS:
        number += 1
        name = f"{short} {number}"
    return name


def _check(arm: ArmSpec, where: str, seed: int, folder: Path) -> None:
    """Raises UserError, saying which test is meant, before anything is run."""
    use = arm.use or ""
    try:
        if ":" in use:
            load_recommender(use, arm.params, seed=seed, folder=folder)
        else:
            make_recommender(use, arm.params, seed=seed)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _slates(
    spec: BacktestSpec,
    questions: Sequence[Question],
    name: str,
    file: Path,
    where: str,
    dataset: Dataset,
    out: Path,
) -> Part:
    try:
        slates = read_slates(file)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    known = set(dataset.items["item_id"])
    for user_id, items in slates.items():
        strange = [item for item in items if item not in known]
        if strange:
            raise UserError(
                f"{where}: {file}: item {strange[0]!r} in the slate of user {user_id!r} is not in"
                f" the catalogue of {dataset.domain.name!r}"
            )
    data = spec.data
    split = split_users(
        dataset,
        seed=spec.seed,
        training=data.split.training,
        calibration=data.split.calibration,
        audience=data.split.audience,
        min_history=data.min_history,
        held_out=data.held_out,
    )
    members = tuple(user for user in split.audience if user in slates)
    if not members:
        raise UserError(
            f"{where}: {file}: of the {len(slates)} users with a slate the split leaves none in the"
            f" audience of {len(split.audience)}. Enlarge data.split.audience, lower"
            " data.min_history, or check that user ids are those of the log."
        )
    members_file = out / f"members of {name}.txt"
    audience = {
        "members": str(members_file.resolve()),
        "users": min(spec.audience.users, len(members)),
    }
    scenario = _scenario(
        spec,
        questions,
        {name: {"use": _REPLAY, "params": {"file": str(file)}}},
        audience,
        {"exclude_history": False},
    )
    return Part(name, scenario, members, members_file)


def _scenario(
    spec: BacktestSpec,
    questions: Sequence[Question],
    recommenders: Mapping[str, object],
    audience: Mapping[str, object] | None = None,
    page: Mapping[str, object] | None = None,
) -> Scenario:
    asked = spec.model_dump(mode="json", exclude={"tests", "audience", "page", "title"})
    return scenario_from(
        {
            **asked,
            "title": f"{spec.title}: {', '.join(recommenders)}",
            "page": {**spec.page.model_dump(mode="json"), **(page or {})},
            "recommenders": dict(recommenders),
            "audiences": {
                AUDIENCE: {**spec.audience.model_dump(mode="json"), **(audience or {})},
            },
            "primary": questions[0].metric,
        },
        "backtest",
    )
