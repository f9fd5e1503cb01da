"""Long texts made short for a prompt: both ends are kept, because a point often comes last."""

from __future__ import annotations

from focusgroup.simulator.types import Item

NAME_LIMIT = 160
ELLIPSIS = "\u2026"
CUT = f" {ELLIPSIS} "


def excerpt(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else its beginning and its end."""
    text = text.strip()
    if len(text) <= limit:
        return text
    tail = (limit - len(CUT)) // 2
    head = limit - len(CUT) - tail
    return f"{text[:head].rstrip()}{CUT}{text[-tail:].lstrip()}"


def is_beginning(item: Item) -> bool:
    """Whether the title is no name, but how the description begins: cut short, or all of it."""
    if not item.description:
        return False
    said, title = item.description.strip(), item.title.strip()
    cut = title.endswith(ELLIPSIS) and said.startswith(title.removesuffix(ELLIPSIS).rstrip())
    return bool(said) and (cut or said == title)


def known_as(item: Item) -> str:
    """The item in one line, as somebody who had it would recall it.

    Its title and attributes; where the title is only how its text begins, both ends of the text.
    """
    return excerpt(item.description, NAME_LIMIT) if is_beginning(item) else item.text
