"""The schema of a scenario: strict YAML, with a default for all that can have one."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.school import Retrain

from .datasets.strict_yaml import read_yaml, validated


def _one_line(text: str) -> str:
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in text):
        raise ValueError("expected one line of visible characters")
    return text


# Names and titles go into tables, terminals, files and reports.
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[^\s/\\][^/\\]*$", max_length=60),
    AfterValidator(_one_line),
]
Title = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_one_line)]
AgentKind = Literal["llm", "behaviour", "random", "slot_biased", "popularity", "recorded"]
_LLM_ONLY = ("llm", "style", "language", "decision", "calibration_users", "reviews", "interview",
             "temperature", "personas")  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SplitSpec(_Strict):
    """Shares of the users, disjoint; what is left over is unused."""

    training: float = Field(default=0.35, gt=0, lt=1)
    calibration: float = Field(default=0.25, gt=0, lt=1)
    audience: float = Field(default=0.40, gt=0, lt=1)


class DataSpec(_Strict):
    """Which interaction log, and how it is divided.

    `name`: a built-in dataset, a mapping file or a folder. `held_out`: share of each user's events
    kept back as truth. `min_history`: events an audience user must have before the held-out ones.
    """

    name: str
    dir: str | None = None
    held_out: float = Field(default=0.2, gt=0, lt=1)
    min_history: int = Field(default=10, ge=0)
    split: SplitSpec = SplitSpec()


class PageSpec(_Strict):
    """A page has `k` items, a visit at most `pages` pages."""

    k: int = Field(default=10, ge=1)
    pages: int = Field(default=5, ge=1)
    exclude_history: bool = True
    exclude_shown: bool = True


class RecommenderSpec(_Strict):
    """`use`: a built-in name, an entry point or `module:Class`; by default the arm's own name."""

    use: str | None = None
    params: dict[str, object] = {}


class AudienceSpec(_Strict):
    """Who visits. Everything below `users` is for `agent: llm`.

    `decision`: `own_word` (uncalibrated: the model's picks are clicks) or `pooled` (its opinion is
    weighed into the calibrated behaviour model; the weight is learned on `calibration_users`).
    `reviews`: probability that an item bought or rated is reviewed. `personas`: `log`, `sampled`,
    or a YAML file of hand-written ones. `members`, for every agent: a text file of user ids, one a
    line; of the users that the split leaves in the audience only these are invited.
    """

    agent: AgentKind = "llm"
    users: int = Field(default=50, ge=1)
    llm: str = "embedded"
    style: Literal["answer", "score"] = "answer"
    language: str = "en"
    decision: Literal["own_word", "pooled"] = "own_word"
    calibration_users: int = Field(default=30, ge=1)
    reviews: float = Field(default=0.0, ge=0, le=1)
    interview: bool = False
    temperature: float = Field(default=0.0, ge=0, le=2)
    personas: str = "log"
    members: str | None = None

    @field_validator("style", mode="before")
    @classmethod
    def _walks_a_visit(cls, style: object) -> object:
        if style == "duel":
            raise ValueError(
                "a duel compares two recommenders' pages and cannot walk through a visit; use"
                " `focusgroup duel SCENARIO`"
            )
        return style

    @model_validator(mode="after")
    def _fits_the_agent(self) -> AudienceSpec:
        defaults = type(self).model_fields
        misplaced = [n for n in _LLM_ONLY if getattr(self, n) != defaults[n].default]
        if self.agent != "llm" and misplaced:
            raise ValueError(f"{misplaced[0]!r} is for agent: llm, this one is {self.agent}")
        if self.members is not None and self.personas != "log":
            raise ValueError("'members' names users of the log, so it needs personas: log")
        return self


class AssumedSpec(_Strict):
    """Assumed parameters of the behaviour; see `focusgroup.agents.Assumed` for their units."""

    slot: float = 0.15
    fatigue: float = 0.5
    conversion: float = Field(default=0.35, gt=0, le=1)
    elasticity: float = 1.5
    leave: float = -1.2
    leave_fatigue: float = 2.0
    leave_dissatisfaction: float = 0.8
    repeat_shown: float = 1.0

    def in_words(self) -> str:
        """Name and value of each: ``slot 0.15, fatigue 0.5, ...``."""
        values = self.model_dump().items()
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in values)


class PriceSpec(_Strict):
    """What a million tokens cost, for estimates and budgets."""

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)


class Scenario(_Strict):
    """An experiment: who meets which recommenders on what data, and what decides.

    `primary`: the metric that decides. `baseline`: the arm others are compared with, by default
    one named popularity, else the first. `retrain`: what arms do between rounds. `calibration`: a
    file of `focusgroup calibrate`, from where the scenario lies; without it users are calibrated in
    the run.
    """

    title: Title
    seed: int = 0
    data: DataSpec
    page: PageSpec = PageSpec()
    rounds: int = Field(default=1, ge=1)
    retrain: Retrain = Retrain.FIT
    recommenders: dict[Name, RecommenderSpec] = Field(min_length=1)
    audiences: dict[Name, AudienceSpec] = Field(min_length=1)
    primary: str = "click_rate"
    baseline: str | None = None
    calibration: str | None = None
    assumed: AssumedSpec = AssumedSpec()
    prices: PriceSpec = PriceSpec()

    @model_validator(mode="before")
    @classmethod
    def _allow_bare_names(cls, raw: object) -> object:
        """`als:` alone means `als: {}`, `mine: my.py:Mine` means `mine: {use: my.py:Mine}`; a list
        may hold names and such entries."""
        if isinstance(raw, dict):
            for key in ("recommenders", "audiences"):
                value = raw.get(key)
                if isinstance(value, list):
                    entries = [e if isinstance(e, dict) else {str(e): None} for e in value]
                    value = {name: spec for entry in entries for name, spec in entry.items()}
                if isinstance(value, dict):
                    raw = {**raw, key: {str(n): _spelled_out(v) for n, v in value.items()}}
        return raw


def _spelled_out(spec: object) -> object:
    if spec is None:
        return {}
    return {"use": spec} if isinstance(spec, str) else spec


def read_scenario(path: Path) -> Scenario:
    """A scenario from a YAML file. Raises UserError naming file, line and key."""
    if not path.exists():
        raise UserError(
            f"{path}: no such scenario file. `focusgroup scenarios list` names those that come"
            " with focusgroup; `focusgroup scenarios new FILE` writes one to start from."
        )
    return read_yaml(path, Scenario)


def scenario_from(content: object, where: str = "scenario") -> Scenario:
    """A scenario from plain data. Raises UserError."""
    return validated(content, Scenario, where)


def scenario_text(scenario: Scenario) -> str:
    """The resolved scenario as YAML, every default written out."""
    return yaml.safe_dump(
        scenario.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
    )
