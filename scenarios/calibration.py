"""A calibration as a file: what was learned of users, from whom, and what is assumed.

JSON, small and readable. Item statistics and taste factors are not in it: they are refitted from
the log of the run, on that run's own calibration users.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from focusgroup.agents import BehaviourModel, OpinionWeight, load_language
from focusgroup.agents.choice import Choice
from focusgroup.agents.features import CHOICE, RATING
from focusgroup.agents.stars import Stars
from focusgroup.simulator.errors import UserError

from .calibration_fields import Plain, from_plain, to_plain
from .datasets.strict_yaml import validated
from .scenario import AssumedSpec, SplitSpec

FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSource(_Part):
    """The log it was learned from."""

    name: str
    fingerprint: str


class CalibrationUsers(_Part):
    """Who it was learned from: `n` users, chosen from the log by seed and shares."""

    n: int = Field(ge=0)
    seed: int
    split: SplitSpec
    held_out: float
    min_history: int


class Accuracy(_Part):
    """Mean within-user AUC on the calibration users, cross-fitted; null where it is not known."""

    model: float | None
    popularity: float | None


class Opinion(_Part):
    """What a language model's opinion weighs, and how it was asked.

    Attributes:
        model: fingerprint. prompts: fingerprint of the words it was asked with.
        k: items on a page. users: calibration users that were asked about.
        weight: fields of `focusgroup.agents.OpinionWeight`.
    """

    model: str
    style: Literal["answer", "score"]
    language: str
    prompts: str
    temperature: float
    k: int
    users: int
    weight: dict[str, JsonValue]


class Calibration(_Part):
    """What `focusgroup calibrate` writes and `calibration:` in a scenario reads.

    Attributes:
        focusgroup: the version that wrote it.
        choice, stars: what was fitted, by feature name; `stars` is null without ratings.
        opinion: null where no language model was asked.
        assumed: what no log tells; here for the reader, a scenario's own `assumed:` counts.
    """

    format: int
    focusgroup: str
    data: DataSource
    users: CalibrationUsers
    choice: dict[str, JsonValue]
    stars: dict[str, JsonValue] | None
    auc: Accuracy
    opinion: Opinion | None
    assumed: AssumedSpec

    @property
    def fingerprint(self) -> str:
        """A hash of all it says."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def fitted_choice(self) -> Choice:
        """Raises UserError if this version has other features."""
        return from_plain(Choice, self.choice, "calibration: choice", CHOICE)

    def fitted_stars(self) -> Stars | None:
        """Raises UserError if this version has other features."""
        if self.stars is None:
            return None
        return from_plain(Stars, self.stars, "calibration: stars", RATING)

    def opinion_weight(self) -> OpinionWeight | None:
        """Raises UserError if this version weighs opinions in another way."""
        if self.opinion is None:
            return None
        return from_plain(OpinionWeight, self.opinion.weight, "calibration: opinion.weight")

    def apply(self, model: BehaviourModel) -> BehaviourModel:
        """`model` with what was learned in place of its own fit; its item statistics stay.

        Without thresholds here, or without ratings there, `model` keeps what it has.
        """
        stars = self.fitted_stars()
        return replace(
            model,
            choice=self.fitted_choice(),
            stars=model.stars if stars is None or model.stars is None else stars,
            calibration_users=self.users.n,
            auc=float("nan") if self.auc.model is None else self.auc.model,
            popularity_auc=float("nan") if self.auc.popularity is None else self.auc.popularity,
        )

    def write(self, path: Path) -> None:
        """Write it: whole or not at all. Raises UserError if the place is not writable."""
        torn = path.with_name(f"{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with torn.open("w", encoding="utf-8") as file:
                json.dump(self.model_dump(mode="json"), file, indent=2, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            torn.rename(path)
        except OSError as error:
            torn.unlink(missing_ok=True)
            raise UserError(f"--out {path}: cannot be written: {error.strerror}") from error


def read_calibration(path: Path) -> Calibration:
    """A calibration from its file.

    Raises:
        UserError: no such file, not a calibration, of another format, or of other features.
    """
    if not path.exists():
        raise UserError(
            f"calibration: {path}: no such file. `focusgroup calibrate --data NAME --out {path}`"
            " writes one."
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a calibration: {error}") from error
    return calibration_from(raw, str(path))


def calibration_from(raw: object, where: str) -> Calibration:
    """A calibration from plain data. Raises UserError as `read_calibration`."""
    if not isinstance(raw, dict) or "format" not in raw:
        raise UserError(f"{where}: not a calibration (no key 'format'); see `focusgroup calibrate`")
    if raw["format"] != FORMAT:
        raise UserError(
            f"{where}: written in format {raw['format']!r}, this version reads {FORMAT}. Calibrate"
            " again with `focusgroup calibrate`."
        )
    found = validated(raw, Calibration, where)
    try:
        found.fitted_choice()
        found.fitted_stars()
        found.opinion_weight()
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return found


def plain_choice(choice: Choice) -> Plain:
    """The choice model by feature name."""
    return to_plain(choice, CHOICE)


def plain_stars(stars: Stars | None) -> Plain | None:
    """Rating weights by feature name, and thresholds."""
    return None if stars is None else to_plain(stars, RATING)


def prompts_fingerprint(language: str, style: str) -> str:
    """A hash of the words a language model is asked with. Raises UserError: unknown language."""
    words = load_language(language)
    templates = [words.templates.get(name, "") for name in ("person", style)]
    text = json.dumps([templates, words.phrases], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
