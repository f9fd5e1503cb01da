"""Visits a person can read: what was shown, what was done, and what the model said."""

from __future__ import annotations

from collections.abc import Iterator

from focusgroup.simulator.types import (
    Click,
    Failure,
    Leave,
    Purchase,
    Rate,
    Remark,
    Response,
    Review,
    SessionEnd,
    Turn,
)

from .choice import RULE, Chosen, clicks
from .facts import MetricFacts, ValueKind
from .markup import Html, escape, join, outside, tag
from .values import counted, value_text
from .view import Section, View

OnItem = Click | Purchase | Rate | Review
_PAGES = 10
_ITEM, _REASON, _REVIEW, _PERSONA, _DETAIL = 240, 600, 1200, 3000, 500
_CHANCE = MetricFacts("", kind=ValueKind.PERCENT)
_PRICE = MetricFacts("", kind=ValueKind.MONEY)
_ENDS = {
    SessionEnd.LEFT: "left",
    SessionEnd.LIMIT: "reached the page limit",
    SessionEnd.FAILED: "failed",
}


def visits(view: View) -> Section:
    """A few visits of every audience and arm, page by page."""
    rule = tag("p", tag("b", "How these were chosen. "), RULE)
    blocks = [rule, *(_of_audience(view, audience) for audience in view.audiences)]
    return Section("visits", "Visits to read", tuple(blocks))


def _of_audience(view: View, audience: str) -> Html:
    chosen = [one for arm in view.arms for one in view.seen.chosen.get((audience, arm), ())]
    shown = [_visit(view, one, unfolded=one is chosen[0]) for one in chosen]
    return join([view.audience_heading(audience), *(shown or [tag("p", "No visit was made.")])])


def _visit(view: View, chosen: Chosen, *, unfolded: bool) -> Html:
    session, key = chosen.session, chosen.session.key
    why = join(tag("span", reason, class_="badge") for reason in chosen.reasons)
    told = [counted(len(session.turns), "page"), counted(clicks(session), "click")]
    if view.seen.rounds > 1:
        told.insert(0, f"round {key.round + 1}")
    summary = tag(
        "summary",
        view.arm_name(key.arm),
        tag("span", "user ", outside(key.user_id, 60), class_="who"),
        tag("span", " · ".join((*told, _ENDS[session.end])), class_="size"),
        why,
    )
    persona = view.facts.personas.get(key.user_id)
    events = view.facts.history_counts.get(key.user_id)
    pages = [_page(view, turn) for turn in session.turns[:_PAGES]]
    if unseen := len(session.turns) - len(pages):
        rest = f"… and {counted(unseen, 'more page')} not shown here."
        pages.append(tag("p", rest, class_="note"))
    known = f", drawn from {counted(events, 'event')} of the log" if events is not None else ""
    return tag(
        "details",
        summary,
        tag(
            "blockquote",
            tag("p", f"Persona{known}", class_="label"),
            tag("p", outside(persona, _PERSONA), class_="words"),
            class_="persona",
        )
        if persona
        else escape(""),
        join(pages),
        class_="visit",
        open="open" if unfolded else None,
    )


def _page(view: View, turn: Turn) -> Html:
    outcome = turn.outcome
    response = outcome if isinstance(outcome, Response) else None
    shown = turn.slate.item_ids if turn.slate else ()
    items = [_item(view, item_id, slot, response) for slot, item_id in enumerate(shown)]
    stray = dict.fromkeys(
        action.item_id
        for action in (response.actions if response else ())
        if isinstance(action, OnItem) and action.item_id not in shown
    )
    items += [_item(view, item_id, None, response) for item_id in stray]
    odds = tag("span", "P(click)", class_="chance") if response and response.odds else ""
    heading = tag("h4", f"Page {turn.page + 1}", odds)
    listed = tag("ol", join(items), class_="slate") if items else tag("p", "No items were shown.")
    after = _answer(outcome) if isinstance(outcome, Response) else _failure(outcome)
    return tag("section", heading, listed, after, class_="page")


def _item(view: View, item_id: str, slot: int | None, response: Response | None) -> Html:
    actions = [
        action
        for action in (response.actions if response else ())
        if isinstance(action, OnItem) and action.item_id == item_id
    ]
    text = view.facts.item_texts.get(item_id)
    name = outside(text, _ITEM) if text else tag("span", "item ", outside(item_id, 80))
    odds = response.odds if response else None
    chance = ""
    if odds is not None and slot is not None and slot < len(odds):
        chance = tag(
            "span",
            value_text(odds[slot].click, _CHANCE),
            class_="chance",
        )
    marks = [tag("span", "not on this page", class_="badge")] if slot is None else []
    marks += [mark for action in actions if (mark := _mark(view, action))]
    words = (_review(action) for action in actions if isinstance(action, Review))
    return tag(
        "li",
        tag("span", tag("span", name, class_="name"), join(marks), class_="what"),
        chance,
        join(words),
        class_="acted" if actions else None,
    )


def _mark(view: View, action: OnItem) -> Html | None:
    match action:
        case Click():
            return tag("span", "clicked", class_="did")
        case Purchase(price=price):
            paid = value_text(price, _PRICE, view.facts.dataset.currency)
            return tag("span", f"bought for {paid}" if price else "bought", class_="did")
        case Rate(stars=stars):
            full = max(0, min(5, round(stars)))
            drawn = tag("span", "★" * full + "☆" * (5 - full), aria_hidden="true", class_="stars")
            return tag("span", "rated ", drawn, f" {stars:g}", class_="did")
        case Review():
            return None


def _review(review: Review) -> Html:
    label = "" if review.grounded else tag("span", "ungrounded", class_="badge")
    return tag("blockquote", outside(review.text, _REVIEW), " ", label, class_="review")


def _answer(response: Response) -> Html:
    return join(_told(response))


def _told(response: Response) -> Iterator[Html]:
    if response.opinion and response.opinion.reason.strip():
        reason = outside(response.opinion.reason.strip(), _REASON)
        label = tag("span", "The model’s opinion ", class_="label")
        yield tag("p", label, reason, class_="opinion")
    for remark in (a for a in response.actions if isinstance(a, Remark)):
        label = tag("span", "Asked at the exit ", class_="label")
        yield tag("p", label, outside(remark.text.strip(), _REVIEW), class_="opinion")
    leave = next((a for a in response.actions if isinstance(a, Leave)), None)
    went = f"Left: {leave.reason.value}." if leave else "Turned the page."
    satisfied = f" Satisfaction with the page {value_text(response.satisfaction, _CHANCE)}."
    chance = ""
    if response.p_leave is not None:
        chance = f" Probability of leaving {value_text(response.p_leave, _CHANCE)}."
    yield tag("p", tag("b", went), satisfied, chance, class_="after")


def _failure(failure: Failure) -> Html:
    cause = failure.cause.value.replace("_", " ")
    return tag(
        "p",
        tag("b", f"Not answered: {cause}. "),
        outside(failure.detail, _DETAIL),
        class_="warning",
    )
