"""Whether a calibration fits the run that uses it: what is refused, and what a reader is told."""

from __future__ import annotations

from dataclasses import dataclass

from focusgroup.agents import OpinionWeight
from focusgroup.simulator.errors import UserError

from .calibration import Calibration, Opinion, prompts_fingerprint
from .datasets import Dataset, UserSplit, split_users
from .scenario import AudienceSpec, Scenario


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What a calibration was made for, and this run is not.

    Attributes:
        voids: whether the users can no longer be called calibrated.
    """

    sentence: str
    voids: bool = False


def data_mismatches(
    calibration: Calibration, scenario: Scenario, dataset: Dataset, split: UserSplit
) -> tuple[Mismatch, ...]:
    """Where the log, or its division into users, is not the one that was learned from."""
    found: list[Mismatch] = []
    data = calibration.data
    if data.name != dataset.domain.name:
        found.append(
            Mismatch(
                f"The calibration is of {data.name}, this run is on {dataset.domain.name}: what"
                " drives a choice is carried over from one to the other, and nobody checked that"
                " it holds there.",
                voids=True,
            )
        )
    elif data.fingerprint != dataset.fingerprint:
        found.append(
            Mismatch(
                f"The calibration was made on another version of {data.name} (data"
                f" {data.fingerprint[:12]}, now {dataset.fingerprint[:12]})."
            )
        )
    elif shared := len(_calibration_users(calibration, dataset) & set(split.audience)):
        found.append(
            Mismatch(
                f"{shared} of the {len(split.audience)} users this run may invite were calibrated"
                f" on: the calibration has seed {calibration.users.seed} and its own shares, this"
                f" run has seed {scenario.seed}. Calibrate with the run's seed and `data:` keys."
            )
        )
    if calibration.stars is None and dataset.domain.has_ratings:
        found.append(
            Mismatch("The calibration has no star thresholds; they are fitted on this run's log.")
        )
    return tuple(found)


def _calibration_users(calibration: Calibration, dataset: Dataset) -> set[str]:
    users = calibration.users
    split = split_users(
        dataset,
        seed=users.seed,
        training=users.split.training,
        calibration=users.split.calibration,
        audience=users.split.audience,
        min_history=users.min_history,
        held_out=users.held_out,
    )
    return set(split.calibration)


def calibrated_weight(calibration: Calibration, name: str, spec: AudienceSpec) -> OpinionWeight:
    """The opinion weight for a pooled audience.

    Raises:
        UserError: the calibration asked no language model, or asked it in another style, whose
            opinions are numbers of another kind.
    """
    opinion, weight = calibration.opinion, calibration.opinion_weight()
    remedy = (
        f"Calibrate with `focusgroup calibrate --llm {spec.llm} --style {spec.style}`, or leave"
        " `calibration` out: the weight is then learned in the run."
    )
    if opinion is None or weight is None:
        raise UserError(
            f"audiences.{name}: its opinions are pooled, and the calibration knows no language"
            f" model. {remedy}"
        )
    if opinion.style != spec.style:
        raise UserError(
            f"audiences.{name}: style {spec.style}, and the calibration weighs opinions asked in"
            f" style {opinion.style}. {remedy}"
        )
    return weight


def opinion_mismatches(
    calibration: Calibration, spec: AudienceSpec, *, k: int, model: str
) -> tuple[Mismatch, ...]:
    """Where a pooled audience is asked another model, or otherwise than when it was weighed."""
    opinion = calibration.opinion
    if opinion is None:
        return ()
    found: list[Mismatch] = []
    if opinion.model != model:
        found.append(
            Mismatch(
                f"The opinion's weight was learned from {_short(opinion.model)}, and"
                f" {_short(model)} answers here: what the one is worth says nothing of the other.",
                voids=True,
            )
        )
    if changed := _asked_otherwise(opinion, spec, k):
        found.append(
            Mismatch(f"Opinions are not asked as when they were weighed: {', '.join(changed)}.")
        )
    return tuple(found)


def _asked_otherwise(opinion: Opinion, spec: AudienceSpec, k: int) -> list[str]:
    changed = [
        f"{what} was {before}, is {now}"
        for what, before, now in (
            ("the language", opinion.language, spec.language),
            ("the temperature", opinion.temperature, spec.temperature),
            ("the page's length", opinion.k, k),
        )
        if before != now
    ]
    if opinion.language == spec.language and opinion.prompts != prompts_fingerprint(
        spec.language, spec.style
    ):
        changed.append("the prompts have changed since")
    return changed


def _short(fingerprint: str) -> str:
    return fingerprint.split("@sha256", 1)[0]
