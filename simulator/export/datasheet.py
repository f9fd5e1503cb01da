"""What an export is, in a page that travels with it (Gebru et al. 2021, datasheets)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .tables import Export
from .text import one_line

_COLUMNS = {
    "user_id": "the simulated user",
    "item_id": "the item shown",
    "event": "click, purchase or rate",
    "value": "stars of a rating (1 to 5), 1 for a click or a purchase",
    "rating": "stars, 1 to 5",
    "clicked, purchased": "whether the user did so on this page",
    "price": "in exposures: paid, empty if not bought; of an item: what it costs",
    "stars": "of the rating given on this page, empty if none",
    "round": "0-based; recommenders may learn between rounds",
    "page": "0-based page of the visit",
    "slot": "1-based position on the page",
    "audience": "which set of simulated users answered",
    "arm": "which recommender chose the page",
    "propensity": "probability with which the recommender showed the item, empty if unknown",
    "p_click": "probability of a click under the behaviour model, empty if unknown",
}


def datasheet(
    export: Export,
    name: str,
    files: Mapping[str, str],
    answered_by: Mapping[str, str],
    notes: str = "",
) -> bytes:
    """The datasheet as Markdown, without times.

    Args:
        files: what each file holds, by file name.
        answered_by: who answered, in words, by audience.
        notes: what else a reader of this format must know.
    """
    shown = export.exposures
    audiences = sorted(set(shown["audience"])) if export.audience is None else [export.audience]
    arms = sorted(set(shown["arm"])) if export.arm is None else [export.arm]
    counts = export.events["event"].value_counts()
    lines = [
        f"# {name}",
        "",
        "**Synthetic data.** Every event here was simulated: no person clicked, bought or rated. "
        "It shows what simulated users did with recommendations, and is as good as they are: read "
        "the run's fidelity before you conclude anything about people.",
        "",
        "## Who answered",
        *(f"- {_text(a)}: {_text(answered_by.get(a, 'not stated'))}" for a in audiences),
        "",
        "## What was shown",
        f"- recommenders (arms): {', '.join(map(_text, arms))}",
        "- every user meets every arm: a user's rows in two arms are two alternatives, not one "
        "history. Train or evaluate on one arm at a time.",
        "",
        "## Counts",
        f"- users {len(export.users)}, items {len(export.items)}, visits {export.visits}",
        f"- exposures {len(shown)} on answered pages; {export.unanswered} pages went unanswered "
        "and are left out, since nobody declined what they showed",
        "- events " + ", ".join(f"{e} {int(counts.get(e, 0))}" for e in _EVENTS),
        "",
        "## Files",
        *(f"- `{file}`: {what}" for file, what in files.items()),
        "",
        "## Columns",
        *(f"- {column}: {what}" for column, what in _COLUMNS.items()),
        "- rows are sorted by audience, arm, user, round, page, slot; there are no clock times",
        *(["", notes] if notes else []),
    ]
    return ("\n".join(lines) + "\n").encode()


_UNSEEN = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_MARKUP = re.compile(r"[\\`*\[\]|&]")
_EVENTS = ("click", "purchase", "rate")


def _text(text: str) -> str:
    """Text from outside as Markdown that shows it: no link, image, markup or unseen character."""
    seen = _UNSEEN.sub(lambda found: f"U+{ord(found[0]):04X}", one_line(text))
    return _MARKUP.sub(r"\\\g<0>", seen).replace("<", "&lt;")
