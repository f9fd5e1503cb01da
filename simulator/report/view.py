"""A run as the sections of a report look at it: who is in it, in what order, under which mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from focusgroup.simulator.metrics.results import Estimate, Results

from .charts import Chart
from .facts import MetricFacts, ReportFacts
from .markup import Html, join, outside, tag
from .palette import Mark, marks
from .seen import Seen
from .values import capital, difference_text, interval_text, value_text


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report: `blocks` are markup and charts in reading order."""

    anchor: str
    title: str
    blocks: tuple[Html | Chart, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Results, visits and facts with what every section asks of them.

    Attributes:
        audiences: those that took part, in the order of the facts.
        arms: those that took part, in the order of the facts.
    """

    results: Results
    seen: Seen
    facts: ReportFacts
    audiences: tuple[str, ...]
    arms: tuple[str, ...]
    marks: Mapping[str, Mark]

    @classmethod
    def of(cls, results: Results, seen: Seen, facts: ReportFacts) -> View:
        """Raises ValueError: the results hold an audience or arm of which the facts say nothing."""
        places = {(row.audience, row.arm) for row in results.metrics}
        places |= {(row.audience, row.arm) for row in results.accounting}
        places |= set(seen.chosen)
        for pair in results.comparison.pairs:
            places |= {(pair.audience, pair.arm), (pair.audience, pair.baseline)}
        audiences, arms = {audience for audience, _ in places}, {arm for _, arm in places}
        for kind, there, told in (
            ("audience", audiences, tuple(facts.models)),
            ("arm", arms, facts.arms),
        ):
            if untold := sorted(there.difference(told)):
                raise ValueError(f"the report facts do not mention {kind} {untold[0]!r}: {told!r}")
        return cls(
            results,
            seen,
            facts,
            tuple(a for a in facts.models if a in audiences),
            tuple(a for a in facts.arms if a in arms),
            marks(facts.arms),
        )

    def metric(self, name: str) -> MetricFacts:
        """How the metric is written; an unnamed one under its own name."""
        facts = self.facts.metrics.get(name) or MetricFacts(name)
        return replace(facts, label=capital(facts.label))

    def metric_order(self, seen: Iterable[str]) -> tuple[str, ...]:
        """The metrics seen: the primary one first, then the order of the facts, then the rest."""
        names = dict.fromkeys(seen)
        known = [self.results.comparison.primary, *self.facts.metrics, *names]
        return tuple(dict.fromkeys(name for name in known if name in names))

    def arm_name(self, arm: str) -> Html:
        """The arm's name beside its mark."""
        return tag("span", self.marks[arm].swatch(), outside(arm, 60), class_="arm")

    def audience_heading(self, audience: str) -> Html:
        """The audience's name, and again who answered for it."""
        model = self.facts.models[audience]
        state = "calibrated" if model.calibrated else "uncalibrated"
        who = tag("small", outside(model.model, 80), f", {state}")
        return tag("h3", tag("span", outside(audience)), " ", who)

    def arm_key(self) -> Html:
        """The legend of all arms."""
        return tag("p", join(map(self.arm_name, self.arms)), class_="key")

    def estimate(self, estimate: Estimate, metric: MetricFacts, *, signed: bool = False) -> Html:
        """A mean with its interval below, for a table cell."""
        write = difference_text if signed else value_text
        mean = write(estimate.mean, metric, self.facts.dataset.currency)
        return join([tag("b", mean), tag("small", interval_text(estimate, metric))])


def table(head: Sequence[str], rows: Iterable[Html], caption: str) -> Html:
    """A table that scrolls sideways where it does not fit."""
    columns = tag("tr", join(tag("th", cell, scope="col") for cell in head))
    parts = (tag("caption", caption), tag("thead", columns), tag("tbody", join(rows)))
    return tag(
        "div", tag("table", *parts), class_="scroll", tabindex="0", role="group", aria_label=caption
    )
