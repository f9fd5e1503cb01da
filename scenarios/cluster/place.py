"""Where a run is shared out to: `--ray [ADDRESS] --actors N`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

AUTO, LOCAL = "auto", "local"


@dataclass(frozen=True, slots=True)
class Place:
    """A Ray cluster, and how much of it to use.

    Attributes:
        address: `host:port` or `ray://host:port`; `auto` finds the cluster this machine belongs to,
            or starts one of this machine alone, as `local` always does.
        actors: processes that simulate; None for as many as the cluster has processors.
    """

    address: str = AUTO
    actors: int | None = None


def with_address(arguments: Sequence[str]) -> list[str]:
    """Command line arguments in which a bare `--ray` has become `--ray auto`."""
    written: list[str] = []
    for number, argument in enumerate(arguments):
        written.append(argument)
        if argument == "--ray":
            following = arguments[number + 1 : number + 2]
            if not following or not _is_address(following[0]):
                written.append(AUTO)
    return written


def _is_address(word: str) -> bool:
    return word in (AUTO, LOCAL) or ":" in word
