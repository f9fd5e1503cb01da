"""Past A/B tests as a file: what the arms were, and what was observed.

The prediction is blind: `questions_of` hands out the tests without their outcomes, and nothing that
predicts is given anything else. `observed_of` is read afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.metrics import metric_named

from .datasets.strict_yaml import read_yaml
from .scenario import AssumedSpec, AudienceSpec, DataSpec, Name, PageSpec, PriceSpec

SIDES = ("A", "B")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ArmSpec(_Strict):
    """`use` and `params` as in a scenario, or `slates`: a file of what was shown."""

    use: str | None = None
    params: dict[str, object] = {}
    slates: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ArmSpec:
        if (self.use is None) == (self.slates is None):
            raise ValueError("give `use` (a recommender) or `slates` (a file), one of the two")
        if self.slates is not None and self.params:
            raise ValueError("`params` are for `use`; slates take none")
        return self


class ArmsSpec(_Strict):
    """The control and the treatment; a bare name means `use`."""

    A: ArmSpec
    B: ArmSpec

    @field_validator("A", "B", mode="before")
    @classmethod
    def _spelled_out(cls, value: object) -> object:
        return {"use": value} if isinstance(value, str) else value


class ObservedSpec(_Strict):
    """What came out: B - A (or B / A - 1) with its 95 % interval."""

    difference: float
    low: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> ObservedSpec:
        if not self.low <= self.difference <= self.high:
            raise ValueError(f"expected low <= difference <= high, got {self.low} <= "
                             f"{self.difference} <= {self.high}")  # fmt: skip
        return self


class PastTest(_Strict):
    """One test. `relative`: outcomes are B / A - 1, e.g. 0.03 for three per cent more.
    `same_figure`: the observed metric is the same quantity as `metric`; where it is only a relative
    of it (orders for clicks), say false, and nothing but direction and rank is judged."""

    name: Name
    arms: ArmsSpec
    metric: str = "click_rate"
    relative: bool = False
    same_figure: bool = True
    observed: ObservedSpec

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return metric_named(value).name
        except UserError as error:
            raise ValueError(str(error)) from error


class BacktestSpec(_Strict):
    """Past tests, and who answers for the users: `audience` as in a scenario, by default the
    calibrated behaviour model."""

    title: str = "Past A/B tests"
    seed: int = 0
    data: DataSpec
    page: PageSpec = PageSpec()
    audience: AudienceSpec = AudienceSpec(agent="behaviour", users=200)
    calibration: str | None = None
    assumed: AssumedSpec = AssumedSpec()
    prices: PriceSpec = PriceSpec()
    tests: tuple[PastTest, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_apart(self) -> BacktestSpec:
        names = [test.name for test in self.tests]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two tests are named {name!r}; give each its own name")
        return self


@dataclass(frozen=True, slots=True)
class Question:
    """A test without its outcome: by how much does B differ from A?"""

    name: str
    a: ArmSpec
    b: ArmSpec
    metric: str
    relative: bool
    same_figure: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """An outcome, with its 95 % interval."""

    difference: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def read_backtest(path: Path) -> BacktestSpec:
    """Past tests from a YAML file. Raises UserError naming file, line and key."""
    if not path.exists():
        raise UserError(
            f"{path}: no such file. Expected past A/B tests as YAML: data, and a list of tests with"
            " name, arms, metric and observed."
        )
    return read_yaml(path, BacktestSpec)


def questions_of(spec: BacktestSpec) -> tuple[Question, ...]:
    """The tests without their outcomes."""
    return tuple(
        Question(t.name, t.arms.A, t.arms.B, t.metric, t.relative, t.same_figure)
        for t in spec.tests
    )


def observed_of(spec: BacktestSpec) -> Mapping[str, Observed]:
    """Outcomes by the name of the test."""
    return {
        t.name: Observed(t.observed.difference, t.observed.low, t.observed.high) for t in spec.tests
    }
