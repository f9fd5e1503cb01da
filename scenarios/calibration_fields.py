"""Fitted values as plain data and back: arrays over features become a table by feature name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar, get_origin, get_type_hints

import numpy as np
from pydantic import JsonValue

from focusgroup.simulator.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Fitted = TypeVar("Fitted", bound=DataclassInstance)

FEATURES = "features"
# One number for each feature; any other array is a plain list.
_BY_FEATURE = {"weights": "weight", "centre": "centre", "scale": "scale"}

Plain = dict[str, JsonValue]


def to_plain(fitted: DataclassInstance, names: Sequence[str] = ()) -> Plain:
    """The fields of a dataclass of numbers and arrays.

    Args:
        names: of the features, in the order of the arrays; they become the table `features`.
    """
    plain: Plain = {}
    table: dict[str, dict[str, JsonValue]] = {name: {} for name in names}
    for each in fields(fitted):
        value = getattr(fitted, each.name)
        if isinstance(value, np.ndarray) and each.name in _BY_FEATURE and names:
            for name, number in zip(names, value.tolist(), strict=True):
                table[name][_BY_FEATURE[each.name]] = number
        else:
            plain[each.name] = _plain(value)
    return {**plain, FEATURES: {**table}} if names else plain


def _plain(value: object) -> JsonValue:
    match value:
        case np.ndarray():
            listed: JsonValue = value.tolist()
            return listed
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case np.generic():
            return _plain(value.item())
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(
    kind: type[Fitted], plain: Mapping[str, JsonValue], where: str, names: Sequence[str] = ()
) -> Fitted:
    """The dataclass back from `to_plain`.

    Raises:
        UserError: a field or a feature this version does not have, or has beside those given; a
            value that is no number.
    """
    known = {each.name for each in fields(kind)}
    by_feature = known & _BY_FEATURE.keys() if names else set()
    expected = known - by_feature | ({FEATURES} if names else set())
    _same_names(set(plain), expected, f"{where}: key")
    hints = get_type_hints(kind)
    found: dict[str, object] = {
        name: _typed(plain[name], hints[name], f"{where}.{name}") for name in known - by_feature
    }
    if names:
        rows = _mapping(plain[FEATURES], f"{where}.{FEATURES}")
        _same_names(set(rows), set(names), f"{where}: feature")
        for name in names:
            row = _mapping(rows[name], f"{where}.{FEATURES}.{name}")
            _same_names(set(row), {_BY_FEATURE[f] for f in by_feature}, f"{where}, {name}: key")
        for field_name in by_feature:
            column = [_mapping(rows[name], where)[_BY_FEATURE[field_name]] for name in names]
            found[field_name] = _typed(column, np.ndarray, f"{where}.{FEATURES}")
    return kind(**found)


def _same_names(given: set[str], expected: set[str], what: str) -> None:
    for name in sorted(given - expected):
        raise UserError(
            f"{what} {name!r} is unknown to this version.{did_you_mean(name, expected - given)}"
            " Calibrate again with `focusgroup calibrate`."
        )
    for name in sorted(expected - given):
        raise UserError(
            f"{what} {name!r} is missing; this version needs it. Calibrate again with"
            " `focusgroup calibrate`."
        )


def _mapping(value: JsonValue, where: str) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a table of names, found {value!r}")
    return value


def _typed(value: JsonValue, hint: object, where: str) -> object:
    if isinstance(value, list):
        array = _array(value, where)
        return tuple(array.tolist()) if get_origin(hint) is tuple else array
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise UserError(f"{where}: expected a number, found {value!r}")


def _array(value: list[JsonValue], where: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if any(isinstance(inner, str | bool) or inner is None for inner in value):
        raise UserError(f"{where}: expected numbers, found {value!r}")
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: expected numbers, found {value!r}") from error
