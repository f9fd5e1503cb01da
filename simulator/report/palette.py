"""One colour and one shape per arm, the same everywhere in the report.

Colours after Okabe and Ito (2008), "Color universal design", which colour-blind readers can tell
apart, the blue lightened to show on near-black too; shapes say the same without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .markup import Html, tag

_COLOURS = ("#2580c3", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
_SHAPES = (
    ("circle", "M6 1a5 5 0 1 0 .01 0z"),
    ("square", "M1.5 1.5h9v9h-9z"),
    ("diamond", "M6 .3 11.7 6 6 11.7 .3 6z"),
    ("cross", "M4 1h4v3h3v4H8v3H4V8H1V4h3z"),
    ("triangle-up", "M6 .8 11.5 10.6H.5z"),
)
LOG_COLOUR = "#8c8c8c"
SIMULATED_COLOUR = "#2580c3"


@dataclass(frozen=True, slots=True)
class Mark:
    """How an arm looks: `colour` as ``#rrggbb``, `symbol` in plotly's words."""

    colour: str
    symbol: str
    outline: str

    def swatch(self) -> Html:
        """The mark as a small drawing beside a name."""
        path = tag("path", d=self.outline, fill=self.colour)
        return tag("svg", path, class_="mark", viewBox="0 0 12 12", aria_hidden="true")


def marks(arms: Sequence[str]) -> dict[str, Mark]:
    """A mark for each arm by its place; all differ for the first 35."""
    return {
        arm: Mark(_COLOURS[place % len(_COLOURS)], *_SHAPES[place % len(_SHAPES)])
        for place, arm in enumerate(arms)
    }
