"""The answer in a sentence, and who gave it."""

from __future__ import annotations

from .facts import Better
from .markup import Html, escape, join, outside, tag
from .values import capital, counted
from .view import Section, View


def answer(view: View) -> Section:
    """One verdict an audience: in words, with the model behind it in plain sight."""
    primary = view.metric(view.results.comparison.primary)
    aim = {
        Better.HIGHER: " Higher is better.",
        Better.LOWER: " Lower is better.",
        Better.NONE: "",
    }[primary.better]
    described = f" {capital(primary.description).rstrip('.')}." if primary.description else ""
    measure = tag(
        "p",
        "Decided by ",
        tag("b", outside(primary.label)),
        ", the primary metric of the scenario.",
        described,
        aim,
        " Intervals are 95\u00a0% bootstrap intervals over users; audiences are never pooled.",
        class_="lead",
    )
    cards = (_card(view, audience) for audience in view.audiences)
    return Section("answer", "The answer", (measure, join(cards)))


def _card(view: View, audience: str) -> Html:
    model = view.facts.models[audience]
    verdict = view.results.comparison.verdicts.get(audience, "No verdict: nothing was compared.")
    state = "calibrated" if model.calibrated else "uncalibrated"
    return tag(
        "article",
        tag("h3", outside(audience)),
        tag("p", outside(verdict), class_="verdict"),
        tag(
            "p",
            "Answered by ",
            tag("b", outside(model.model)),
            " ",
            tag("span", state, class_=f"state {state}"),
            " ",
            outside(capital(model.note)),
            class_="model",
        ),
        tag("p", _size(view, audience), class_="size"),
        tag("p", outside(model.warning), class_="warning", role="note")
        if model.warning
        else escape(""),
        class_="card",
    )


def _size(view: View, audience: str) -> str:
    accounts = [a for a in view.results.accounting if a.audience == audience]
    visited = {arm for name, arm in view.seen.chosen if name == audience}
    arms = visited | {account.arm for account in accounts}
    visits, pages = sum(a.sessions for a in accounts), sum(a.pages for a in accounts)
    failed = sum(a.failed_sessions for a in accounts)
    failures = f"{counted(failed, 'visit')} failed" if failed else "no visit failed"
    users = counted(view.seen.users.get(audience, 0), "user")
    parts = (users, counted(len(arms), "arm"), counted(visits, "visit"))
    return " · ".join((*parts, counted(pages, "page") + " shown", failures))
