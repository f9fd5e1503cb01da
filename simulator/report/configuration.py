"""Everything another person needs to run it again, and to know what not to believe."""

from __future__ import annotations

from collections.abc import Iterable

from .facts import ReportFacts
from .markup import Html, cut, escape, join, outside, tag
from .view import Section, View

_YAML = 50_000  # characters of a scenario; longer ones are whole in the manifest


def configuration(view: View) -> Section:
    """Dataset, what the data cannot know, versions, scenario."""
    facts = view.facts
    blocks = (
        tag("h3", "Dataset"),
        _pairs(_dataset(facts)),
        tag("h3", "What the data cannot know"),
        _unknown(facts.dataset.unknown),
        tag("h3", "Run"),
        _pairs([("name", facts.run), ("seed", str(facts.seed)), *_models(facts)]),
        tag("h3", "Versions"),
        _pairs(sorted(facts.versions.items())),
        tag("h3", "Scenario"),
        tag("pre", tag("code", cut(facts.scenario_yaml, _YAML)), tabindex="0"),
    )
    return Section("configuration", "Configuration", blocks)


def _dataset(facts: ReportFacts) -> list[tuple[str, str]]:
    data = facts.dataset
    pairs = [
        ("name", data.name),
        ("source", data.source),
        ("licence", data.licence),
        ("engagement", data.engaged),
    ]
    return [*pairs, ("rejection", data.rejected or "none in the data")]


def _unknown(names: tuple[str, ...]) -> Html:
    if not names:
        return tag("p", "Nothing was declared.")
    lead = "The log cannot identify the following. Where the users need them, they were assumed:"
    return join([tag("p", lead), tag("ul", join(tag("li", outside(name)) for name in names))])


def _models(facts: ReportFacts) -> Iterable[tuple[str, str]]:
    for audience, model in facts.models.items():
        state = "calibrated" if model.calibrated else "uncalibrated"
        note = f": {model.note}" if model.note else ""
        yield f"users of {audience}", f"{model.model}, {state}{note}"


def _pairs(pairs: Iterable[tuple[str, str]]) -> Html:
    entries = [join([tag("dt", outside(k)), tag("dd", outside(v))]) for k, v in pairs]
    return tag("dl", join(entries), class_="pairs") if entries else escape("")
