"""Raw values to typed ones, column by column. What cannot be read becomes "" or NaN, for the
caller to report; nothing is guessed.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TIME_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_JOINERS = "\u200c\u200d"  # needed to write Persian, and to join emoji
_HALVES = re.compile("[\ud800-\udfff]")
_YES = frozenset(("1", "true", "yes", "y", "t"))
_NO = frozenset(("0", "false", "no", "n", "f"))


def clean_text(value: object) -> str:
    """One line of printable text, spaces collapsed; "" for a missing value."""
    if not isinstance(value, str):
        if is_missing(value):
            return ""
        value = _number_text(value) if isinstance(value, numbers.Real) else str(value)
    text = " ".join(value.split())
    if text.isprintable():
        return text
    return "".join(letter for letter in text if letter.isprintable() or letter in _JOINERS)


def is_missing(value: object) -> bool:
    """Whether a raw value is absent: None, NaN, NaT, NA."""
    if isinstance(value, numbers.Real):
        return bool(np.isnan(float(value)))
    return value is None or value is pd.NaT or value is pd.NA


def _number_text(value: numbers.Real) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return _whole(value) or str(value)


def _whole(value: numbers.Real) -> str:
    # Never through a float: an id of 19 digits would come out as another one.
    if isinstance(value, numbers.Integral):
        return str(int(value))
    number = float(value)
    return str(int(number)) if number.is_integer() else ""


def _id_text(value: object) -> str:
    if isinstance(value, str):
        # Half a character, as JSON can hold it, has no bytes to be stored in.
        return "" if _HALVES.search(value) else value.strip()
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        return ""
    return _whole(value)


def _mapped(raw: pd.Series, convert: Callable[[object], str]) -> pd.Series:
    # Few distinct values stand in many rows: convert each once, share the result.
    try:
        codes, distinct = pd.factorize(raw, use_na_sentinel=True)
    except TypeError:  # lists and objects in a JSON column cannot be hashed
        return pd.Series([convert(value) for value in raw], dtype=str)
    texts = np.array([convert(value) for value in distinct] + [""], dtype=object)
    return pd.Series(texts[codes], dtype=str)


def id_texts(raw: pd.Series) -> pd.Series:
    """Ids as strings: 12, 12.0 and " 12" are all "12"; "" where there is no id."""
    return _mapped(raw, _id_text)


def texts(raw: pd.Series) -> pd.Series:
    """Text for a reader, see `clean_text`."""
    return _mapped(raw, clean_text)


def floats(raw: pd.Series) -> NDArray[np.float64]:
    """Numbers; NaN where there is none (also for infinities)."""
    if raw.dtype == object:
        raw = pd.Series(
            [value if isinstance(value, str | numbers.Real) else None for value in raw],
            dtype=object,
        )
    found = pd.to_numeric(raw, errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
    found[~np.isfinite(found)] = np.nan
    return found


def seconds(raw: pd.Series, unit: str | None, layout: str | None) -> NDArray[np.float64]:
    """Times as seconds since 1970 (UTC where no zone is given); NaN where there is none.

    Args:
        unit: of numbers: "s", "ms", "us", "ns"; None takes numbers for seconds.
        layout: strptime pattern of texts; None takes ISO 8601.
    """
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return _since_1970(pd.to_datetime(raw, utc=True))
    if layout is None:
        found = floats(raw) / TIME_UNITS[unit or "s"]
        if unit is not None or not np.isnan(found).any():
            return found
    else:
        found = np.full(len(raw), np.nan)
    left = np.isnan(found)
    words = raw[left].map(_time_text).astype(object)
    parsed = pd.to_datetime(words, utc=True, errors="coerce", format=layout or "ISO8601")
    found[left] = _since_1970(parsed)
    return found


def _time_text(value: object) -> str | None:
    # pandas reads "now" and "today" as the time of reading; a time in a file has a digit.
    text = "" if is_missing(value) else str(value)
    return text if any(letter.isdigit() for letter in text) else None


def _since_1970(times: pd.Series) -> NDArray[np.float64]:
    elapsed = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(elapsed.to_numpy(np.float64, na_value=np.nan), np.float64)


def flags(raw: pd.Series) -> NDArray[np.float64]:
    """1 for yes/true/1, 0 for no/false/0 (any case), NaN for anything else."""

    def flag(text: str) -> float:
        word = text.casefold()
        return 1.0 if word in _YES else 0.0 if word in _NO else math.nan

    return np.fromiter((flag(text) for text in texts(raw)), np.float64, len(raw))


def attribute_lists(columns: Sequence[pd.Series], separator: str) -> list[tuple[str, ...]]:
    """One tuple of attributes a row: each once, lower-case, in the order of the columns.

    Cells are texts split at `separator`, or lists (Parquet, JSON).
    """
    parts = [[_cell(value, separator) for value in column] for column in columns]
    return [
        tuple(dict.fromkeys(word for cell in row for word in cell))
        for row in zip(*parts, strict=True)
    ]


def _cell(value: object, separator: str) -> list[str]:
    words: Iterable[object]
    if isinstance(value, str):
        words = value.split(separator) if separator else [value]
    elif isinstance(value, list | tuple | np.ndarray):
        words = list(value)
    else:
        words = [value]
    return [text for text in (clean_text(word).lower() for word in words) if text]
