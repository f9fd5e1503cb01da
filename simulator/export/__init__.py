"""Exports of a run: synthetic interactions with exposures and propensities, in known formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd

from focusgroup.simulator.errors import UserError, did_you_mean
from focusgroup.simulator.types import Catalog, Session

from . import movielens, parquet, recbole
from .writing import file_name


class Writer(Protocol):
    """Writes a run in one format and returns the paths, the datasheet last."""

    def __call__(
        self,
        sessions: Iterable[Session],
        catalog: Catalog,
        users: pd.DataFrame,
        folder: Path,
        name: str,
        *,
        arm: str | None = None,
        audience: str | None = None,
        answered_by: Mapping[str, str] | None = None,
    ) -> list[Path]: ...


FORMATS: Mapping[str, Writer] = {
    "parquet": parquet.write,
    "recbole": recbole.write,
    "movielens": movielens.write,
}


def writer_for(format: str) -> Writer:
    """The writer of a format.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if format not in FORMATS:
        raise UserError(f"unknown export format {format!r}.{did_you_mean(format, FORMATS)}")
    return FORMATS[format]


__all__ = ["FORMATS", "Writer", "file_name", "writer_for"]
