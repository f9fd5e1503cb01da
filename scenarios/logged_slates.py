"""Slates that were once shown, from a file: a recommender that shows them again.

Two forms: CSV (or any text table) with the columns `user_id` and `item_id`, a row an item in the
order it was shown; or JSON lines, each ``{"user_id": ..., "item_ids": [...]}``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from focusgroup.simulator import RecRequest, Slate, UserError

_COLUMNS = ("user_id", "item_id")


class LoggedSlates:
    """Shows each user what the file says, page after page; nothing to a user it does not name."""

    def __init__(self, file: str) -> None:
        self.slates = read_slates(Path(file))

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        """The first k items of each user's list that may be shown; fewer at its end."""
        return [Slate(tuple(self._shown(request)[: request.k])) for request in requests]

    def _shown(self, request: RecRequest) -> list[str]:
        allowed = None if request.candidates is None else set(request.candidates)
        return [
            item_id
            for item_id in self.slates.get(request.user_id, ())
            if item_id not in request.exclude and (allowed is None or item_id in allowed)
        ]


def read_slates(path: Path) -> Mapping[str, tuple[str, ...]]:
    """User -> item ids in the order they were shown.

    Raises:
        UserError: the file cannot be read, or a line of it is no slate; an item twice in a slate.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    rows = _json_lines(path, text) if path.suffix in (".jsonl", ".ndjson") else _table(path, text)
    slates: dict[str, list[str]] = {}
    for line, user_id, item_ids in rows:
        slate = slates.setdefault(user_id, [])
        for item_id in item_ids:
            if item_id in slate:
                raise UserError(
                    f"{path}, line {line}: item {item_id!r} stands twice in the slate of user"
                    f" {user_id!r}; keep the first"
                )
            slate.append(item_id)
    if not slates:
        raise UserError(f"{path}: no slates; expected rows of user_id and item_id")
    return {user_id: tuple(items) for user_id, items in slates.items()}


Row = tuple[int, str, list[str]]


def _table(path: Path, text: str) -> list[Row]:
    reader = csv.DictReader(text.splitlines(), restkey="", restval="")
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(
            f"{path}, line 1: no column {missing[0]!r}; expected user_id and item_id, a row an item"
            " in the order it was shown"
        )
    rows: list[Row] = []
    for found in reader:
        user_id, item_id = (found[name].strip() for name in _COLUMNS)
        if not user_id or not item_id:
            name = _COLUMNS[bool(user_id)]
            raise UserError(f"{path}, line {reader.line_num}: {name} is empty")
        rows.append((reader.line_num, user_id, [item_id]))
    return rows


def _json_lines(path: Path, text: str) -> list[Row]:
    rows: list[Row] = []
    for line, written in enumerate(text.splitlines(), start=1):
        if not written.strip():
            continue
        try:
            found = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {line}: not JSON: {error}") from error
        user_id = found.get("user_id") if isinstance(found, dict) else None
        items = found.get("item_ids") if isinstance(found, dict) else None
        if not isinstance(user_id, str | int) or not isinstance(items, list) or not items:
            raise UserError(
                f'{path}, line {line}: expected {{"user_id": ..., "item_ids": [...]}}, got'
                f" {written[:60]!r}"
            )
        rows.append((line, str(user_id), [str(item) for item in items]))
    return rows
