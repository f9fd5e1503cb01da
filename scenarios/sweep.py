"""Does the winner depend on what is assumed? One setting at a time, the same seed, one sentence.

Each assumed parameter is halved and doubled (leaving, a log-odds, moves by one), the others as the
scenario has them. The winner under a setting is held against the winner under the scenario's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from focusgroup.simulator import UserError
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.metrics.metric import Better, Metric
from focusgroup.simulator.metrics.results import Estimate, Results
from focusgroup.simulator.metrics.tables import aligned

from .scenario import AssumedSpec, AudienceSpec, Scenario

DEFAULT = "default"
STEP = 1.0  # of log-odds, for parameters that are one and may lie on either side of 0
_SHIFTED = ("leave",)


class SweepOf(StrEnum):
    """What can be swept."""

    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Setting:
    """The assumed parameters of one run; `parameter` is the one that was changed, "" for none."""

    name: str
    parameter: str
    assumed: AssumedSpec

    def in_words(self) -> str:
        """``slot 0.3``, or ``as in the scenario``."""
        if not self.parameter:
            return "as in the scenario"
        return f"{self.parameter.replace('_', ' ')} {getattr(self.assumed, self.parameter):g}"


class Standing(StrEnum):
    """How a setting's winner stands to that of the scenario's own parameters."""

    SAME = "same"
    CLOSE = "close"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SweepRow:
    """Who wins under a setting, for one audience.

    Attributes:
        setting: its name; parameter: what it changes; told: in words.
        against: the arm that is closest behind, or, where the winner is another than under the
            scenario's own parameters, that one.
        difference: winner - against on the metric that decides, paired, with its 95 % interval.
        standing: CLOSE if another arm leads and the interval holds 0, OTHER if it does not.
    """

    setting: str
    parameter: str
    told: str
    audience: str
    winner: str
    against: str
    difference: Estimate
    standing: Standing

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


def swept_audiences(scenario: Scenario) -> tuple[dict[str, AudienceSpec], dict[str, str]]:
    """(audiences whose behaviour is drawn from assumed parameters, why each other is left out)."""
    swept: dict[str, AudienceSpec] = {}
    left_out: dict[str, str] = {}
    for name, spec in scenario.audiences.items():
        if spec.agent == "behaviour" or spec.decision == "pooled":
            swept[name] = spec
        elif spec.agent == "llm":
            left_out[name] = "takes the language model's own word, which nothing assumed changes"
        else:
            left_out[name] = f"{spec.agent.replace('_', ' ')} users assume none of it"
    return swept, left_out


def settings_of(scenario: Scenario, domain: Domain) -> tuple[tuple[Setting, ...], dict[str, str]]:
    """(settings, the default first; parameter -> why it changes nothing in this scenario)."""
    assumed, idle = scenario.assumed, _idle(scenario, domain)
    settings = [Setting(DEFAULT, "", assumed)]
    for parameter, value in assumed.model_dump().items():
        if parameter not in idle:
            settings += [
                Setting(f"{parameter}-{step}", parameter, _changed(assumed, parameter, changed))
                for step, changed in _steps(parameter, value)
            ]
    return tuple(settings), idle


def _idle(scenario: Scenario, domain: Domain) -> dict[str, str]:
    found = {"elasticity": "prices do not change in this scenario"}
    if not domain.has_prices:
        found["conversion"] = f"{domain.name} has no purchases"
    if scenario.rounds == 1 and scenario.page.exclude_shown:
        found["repeat_shown"] = "nothing is shown twice in this scenario"
    return found


def _steps(parameter: str, value: float) -> tuple[tuple[str, float], ...]:
    if parameter in _SHIFTED:
        return (("less", value - STEP), ("more", value + STEP))
    if value == 0:  # half of nothing and twice nothing are nothing
        return (("usual", float(AssumedSpec.model_fields[parameter].default)),)
    doubled = min(1.0, 2 * value) if parameter == "conversion" else 2 * value
    return (("half", value / 2), ("double", doubled))


def _changed(assumed: AssumedSpec, parameter: str, value: float) -> AssumedSpec:
    return assumed.model_copy(update={parameter: value})


def leader(results: Results, audience: str, metric: Metric) -> str:
    """The arm ahead on the metric that decides, whether clearly or not.

    Raises:
        UserError: fewer than two arms were answered.
    """
    baseline, above = _against_baseline(results, audience, metric)
    best = max(above, key=lambda arm: _good(above[arm], metric))
    return best if _good(above[best], metric) > 0 else baseline


def row_of(
    setting: Setting, audience: str, results: Results, winner: str, metric: Metric
) -> SweepRow:
    """Where a setting puts `winner`, the winner under the scenario's own parameters.

    Args:
        results: compared with `winner` as the baseline.
    """
    baseline, above = _against_baseline(results, audience, metric)
    now = leader(results, audience, metric)
    if now != baseline:
        against, difference = baseline, above[now]
    else:
        against = max(above, key=lambda arm: _good(above[arm], metric))
        d = above[against]
        difference = Estimate(-d.mean, -d.high, -d.low, d.n)
    standing = Standing.SAME
    if now != winner:
        certain = difference.low > 0 or difference.high < 0
        standing = Standing.OTHER if certain else Standing.CLOSE
    return SweepRow(
        setting.name, setting.parameter, setting.in_words(), audience, now, against, difference,
        standing,
    )  # fmt: skip


def _against_baseline(
    results: Results, audience: str, metric: Metric
) -> tuple[str, Mapping[str, Estimate]]:
    pairs = [
        pair
        for pair in results.comparison.pairs
        if pair.audience == audience and pair.metric == metric.name
        and pair.difference.mean == pair.difference.mean
    ]  # fmt: skip
    if not pairs:
        raise UserError(
            f"--sweep: audience {audience!r} answered fewer than two recommenders, so that none of"
            " them wins; give the scenario another one, or look at why visits failed"
        )
    return pairs[0].baseline, {pair.arm: pair.difference for pair in pairs}


def _good(difference: Estimate, metric: Metric) -> float:
    return -difference.mean if metric.better is Better.LOWER else difference.mean


def table(rows: Sequence[SweepRow], metric: Metric) -> str:
    """All settings as aligned text; an audience has a block of its own."""
    blocks = []
    for audience in dict.fromkeys(row.audience for row in rows):
        lines = [["assumed", "winner", metric.label, "95 % interval", "against", "winner changes"]]
        lines += [
            [
                row.told,
                row.winner,
                metric.difference_text(row.difference.mean + 0.0),
                " to ".join(
                    metric.difference_text(end + 0.0, unit=False)
                    for end in (row.difference.low, row.difference.high)
                ),
                row.against,
                _CHANGES[row.standing],
            ]
            for row in rows
            if row.audience == audience
        ]
        blocks.append(f"Audience {audience}: winner - the other, paired\n{aligned(lines)}")
    return "\n\n".join(blocks)


_CHANGES = {Standing.SAME: "no", Standing.CLOSE: "within its interval", Standing.OTHER: "YES"}


def conclusion(rows: Sequence[SweepRow], audience: str) -> str:
    """A plain sentence or two for an audience: on what the winner depends, if on anything."""
    mine = [row for row in rows if row.audience == audience]
    first = next(row for row in mine if row.setting == DEFAULT)
    other = [row for row in mine if row.standing is Standing.OTHER]
    close = [row for row in mine if row.standing is Standing.CLOSE]
    told = ""
    if not first.clear:
        told = (
            f" Nobody wins clearly to begin with: {first.winner} is ahead of {first.against} within"
            " the interval."
        )
    if other:
        listed = "; ".join(f"with {row.told} {row.winner} wins" for row in other)
        return f"{audience}: the winner depends on: {_parameters(other)} ({listed}).{told}"
    if close:
        return (
            f"{audience}: the winner may depend on: {_parameters(close)}, where another arm is"
            f" ahead of {first.winner}, though within the interval.{told}"
        )
    faint = [row for row in mine if first.clear and not row.clear]
    if faint:
        told = f" The lead is within its interval with: {', '.join(row.told for row in faint)}."
    return f"{audience}: the winner does not depend on the assumed parameters.{told}"


def _parameters(rows: Sequence[SweepRow]) -> str:
    return ", ".join(dict.fromkeys(row.parameter.replace("_", " ") for row in rows))
