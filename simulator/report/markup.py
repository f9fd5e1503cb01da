"""HTML that cannot be broken into: whatever is not markup already is escaped when it is placed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable

LIMIT = 2000  # characters of a text from outside, where a place asks for no other
_STACK = 8
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31\u0e34-\u0e3a"
    "\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\U000e0100-\U000e01ef"
)
# Control characters, direction marks and overrides, interlinear marks, byte order mark, line and
# paragraph separators, noncharacters and lone surrogates: a reader must see that they are there.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
# More marks on one letter than any script needs: they would be drawn across the lines around it.
_STACKED = re.compile(f"([{_MARKS}]{{{_STACK}}})[{_MARKS}]+")
_VOID = frozenset({"br", "col", "hr", "img", "meta"})


class Html(str):
    """Text that is markup already. Made by the functions of this file only."""

    __slots__ = ()


def clean(text: str) -> str:
    """The text with every unseen character spelled out, such as ``[U+202E]``, and marks that pile
    up on one letter counted."""
    lines = _STACKED.sub(
        lambda found: f"{found[1]}[{len(found[0]) - _STACK} marks]", text.replace("\r\n", "\n")
    )
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", lines)


def escape(text: str) -> Html:
    """The text as markup, safe between tags and inside a quoted attribute."""
    return text if isinstance(text, Html) else Html(html.escape(clean(text), quote=True))


def join(parts: Iterable[str], between: str = "") -> Html:
    """Pieces in a row, each escaped unless it is markup already."""
    return Html(escape(between).join(escape(part) for part in parts))


def tag(name: str, *children: str, **attributes: str | None) -> Html:
    """One element. Attribute names lose a trailing underscore (``class_``), inner ones become
    hyphens (``aria_label``); None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(clean(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def outside(text: str, limit: int = LIMIT) -> Html:
    """Text from outside, kept apart from the direction of what surrounds it and cut at `limit`
    characters."""
    return tag("bdi", cut(text, limit))


def cut(text: str, limit: int) -> str:
    """The text with at most `limit` characters; an ellipsis shows that there was more."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def script_json(value: object) -> Html:
    """The value as JSON for a script element; no text in it can close that element.

    Raises:
        ValueError: the value holds NaN or an infinity.
    """
    written = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Html(written)


def plot_text(text: str, limit: int = 200) -> str:
    """Text for a plot label, where plotly would otherwise obey tags such as ``<a>``."""
    return html.escape(cut(clean(text), limit), quote=False)
