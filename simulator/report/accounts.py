"""Where every visit and page went: nothing may be lost without a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from focusgroup.simulator.metrics.results import Accounting

from .markup import Html, join, outside, tag
from .values import count, counted
from .view import Section, View, table

_HEAD = (
    "Arm",
    "Visits",
    "= left",
    "+ limit",
    "+ failed",
    "Pages",
    "= answered",
    "+ failed",
    "Reviews",
    "Ungrounded",
)


def accounts(view: View) -> Section:
    """Visits = left + limit + failed; pages = answered + failed; causes and reasons by name."""
    blocks = [
        tag(
            "p",
            "A page that went unanswered is data: it ends its visit as failed, is counted here and "
            "is never replaced by a guess.",
        )
    ]
    for audience in view.audiences:
        rows = [row for row in view.results.accounting if row.audience == audience]
        rows.sort(key=lambda row: view.arms.index(row.arm))
        blocks += [view.audience_heading(audience), _table(view, audience, rows)]
        for title, named in (
            ("Why pages failed", [row.causes for row in rows]),
            ("Why users left", [row.leave_reasons for row in rows]),
        ):
            blocks.append(_causes(view, title, rows, named))
    tokens = (
        f"Language models read {counted(view.facts.prompt_tokens, 'token')} and wrote "
        f"{counted(view.facts.completion_tokens, 'token')}."
    )
    blocks.append(tag("p", tokens))
    return Section("accounting", "Accounting", tuple(blocks))


def _table(view: View, audience: str, rows: Sequence[Accounting]) -> Html:
    lines = (
        tag(
            "tr",
            tag("th", view.arm_name(row.arm), scope="row"),
            join(tag("td", count(n), class_="number") for n in _counts(row)),
        )
        for row in rows
    )
    return table(_HEAD, lines, f"Visits and pages of {audience}")


def _counts(row: Accounting) -> tuple[int, ...]:
    return (
        row.sessions,
        row.left,
        row.limit,
        row.failed_sessions,
        row.pages,
        row.answered,
        row.failed_pages,
        row.reviews,
        row.ungrounded_reviews,
    )


def _causes(
    view: View, title: str, rows: Sequence[Accounting], named: Sequence[Mapping[str, int]]
) -> Html:
    causes = sorted({cause for counts in named for cause, n in counts.items() if n})
    if not causes:
        return tag("p", f"{title}: none did.", class_="note")
    lines = (
        tag(
            "tr",
            tag("th", view.arm_name(row.arm), scope="row"),
            join(tag("td", count(counts.get(cause, 0)), class_="number") for cause in causes),
        )
        for row, counts in zip(rows, named, strict=True)
    )
    head = ("Arm", *(outside(cause.replace("_", " ")) for cause in causes))
    return table(head, lines, title)
