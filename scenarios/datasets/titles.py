"""Names as a person would write them: articles in front, no shouting."""

from __future__ import annotations

import re

_ARTICLES = (
    "The|A|An|La|Le|Les|L'|L’|Il|Lo|I|Gli|El|Los|Las|Un|Une|Una|Uno|"
    "Der|Die|Das|Ein|Eine|Den|Det|De|Het"
)
# "Matrix, The" where a title, or the part of it inside brackets, ends.
_TRAILING = re.compile(
    r"(?P<lead>^|\()(?P<aka>a\.k\.a\. )?(?P<name>[^()]+?), "
    rf"(?P<article>{_ARTICLES})(?=\s*(?:\(|\)|$))"
)


def article_first(title: str) -> str:
    """ "Matrix, The (1999)" -> "The Matrix (1999)"; also in brackets and in other languages."""

    def moved(found: re.Match[str]) -> str:
        article = found["article"]
        space = "" if article[-1] in "'’" else " "
        return f"{found['lead']}{found['aka'] or ''}{article}{space}{found['name']}"

    return _TRAILING.sub(moved, title)
