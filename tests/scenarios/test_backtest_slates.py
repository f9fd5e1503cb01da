"""Logged slates are shown again as they were, to those they were shown to."""

from __future__ import annotations

from pathlib import Path

import pytest

from focusgroup.scenarios.logged_slates import LoggedSlates, read_slates
from focusgroup.simulator import RecRequest, UserError


def test_slates_keep_their_order_in_both_forms(tmp_path: Path) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text("item_id,user_id,slot\nb,u1,1\nx,u2,1\na,u1,2\n", encoding="utf-8-sig")
    lines.write_text('{"user_id": "u1", "item_ids": ["b"]}\n\n{"user_id": "u2", "item_ids": ["x"]}'
                     '\n{"user_id": "u1", "item_ids": ["a"]}\n')  # fmt: skip
    assert read_slates(table) == read_slates(lines) == {"u1": ("b", "a"), "u2": ("x",)}


def test_pages_go_on_where_the_last_one_ended_and_strangers_get_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user_id,item_id\n" + "".join(f"u1,i{n}\n" for n in range(5)))
    replay = LoggedSlates(str(path))
    first, later, narrow, stranger = replay.recommend(
        [
            RecRequest("u1", 2),
            RecRequest("u1", 2, exclude=frozenset({"i0", "i1", "i2", "i3"})),
            RecRequest("u1", 3, candidates=("i4", "i2")),
            RecRequest("u2", 2),
        ]
    )
    assert first.item_ids == ("i0", "i1")
    assert later.item_ids == ("i4",)
    assert narrow.item_ids == ("i2", "i4")
    assert stranger.item_ids == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "user,item_id\nu1,a\n", "line 1: no column 'user_id'"),
        ("a.csv", "user_id,item_id\n", "no slates"),
        ("a.csv", "", "line 1: no column"),
        ("a.csv", "user_id,item_id\nu1,a\n,b\n", "line 3: user_id is empty"),
        ("a.csv", "user_id,item_id\nu1\n", "line 2: item_id is empty"),
        ("a.csv", "user_id,item_id\nu1,a\nu1,a\n", "line 3: item 'a' stands twice"),
        ("a.jsonl", '{"user_id": "u1", "item_ids": ["a"]}\n{\n', "line 2: not JSON"),
        ("a.jsonl", '["u1", "a"]\n', "line 1: expected"),
        ("a.jsonl", '{"user_id": "u1", "item_ids": []}\n', "line 1: expected"),
        ("a.jsonl", '{"user_id": "u1", "item_ids": ["a", "a"]}\n', "line 1: item 'a' stands twice"),
        ("a.jsonl", "", "no slates"),
    ],
)
def test_what_is_wrong_in_a_file_of_slates_is_said_with_its_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_slates(path)
    assert str(error.value).startswith(str(path)) and said in str(error.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"user_id,item_id\n\xff\xfe\n")
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        read_slates(path)
