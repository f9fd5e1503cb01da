"""A user's own CSV, Parquet and JSONL: what is read, and what is said about bad files."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusgroup.scenarios.datasets import (
    BadDataset,
    Dataset,
    ProblemKind,
    check_dataset,
    from_csv,
    from_frames,
    load_dataset,
)
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError

LOG = """who,what,stars,when
bo,soup,5,2024-03-01
bo,cake,2,2024-03-03T10:00:00+02:00
al,soup,3.5,2024-01-05
al,12,1,2024-01-04
"""
DISHES = """id,name,cuisine,course,cost
soup,"Soup, hot",Thai|Vegan,Starter,4.50
cake,Cake,,Dessert,
12,"Name on
two lines",French,Main,12
"""
MAPPING = """name: kitchen
item_noun: dish
currency: "€"
interactions:
  file: log.csv
  user: who
  item: what
  rating: stars
  time: when
items:
  file: dishes.csv
  item: id
  title: name
  attributes: [cuisine, course]
  price: cost
"""


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "dishes.csv").write_text(DISHES)
    (tmp_path / "kitchen.yaml").write_text(MAPPING)
    return tmp_path / "kitchen.yaml"


def _bad(kitchen: Path, file: str, old: str, new: str) -> BadDataset:
    path = kitchen.parent / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(BadDataset) as caught:
        load_dataset(kitchen)
    return caught.value


def test_mapping_gives_typed_sorted_tables(kitchen: Path) -> None:
    data = load_dataset(kitchen)
    assert data.interactions[["user_id", "item_id"]].to_numpy().tolist() == [
        ["al", "12"],
        ["al", "soup"],
        ["bo", "soup"],
        ["bo", "cake"],
    ]
    assert data.interactions["positive"].tolist() == [False, True, True, False]
    assert data.interactions["event"].unique().tolist() == ["rate"]
    assert data.interactions["timestamp"].iloc[3] == pd.Timestamp("2024-03-03T08:00Z").timestamp()
    assert data.interactions["value"].dtype == "float64"
    assert data.interactions["positive"].dtype == "bool"
    catalog = data.catalog()
    assert list(catalog) == ["12", "cake", "soup"]
    assert catalog["soup"].text == "Soup, hot: thai, vegan, starter"
    assert catalog["12"].title == "Name on two lines"
    assert catalog["cake"].price is None and catalog["12"].price == 12.0
    assert data.users["user_id"].tolist() == ["al", "bo"]
    domain = data.domain
    assert (domain.name, domain.item_noun, domain.currency) == ("kitchen", "dish", "€")
    assert domain.engaged == "rated 3.5 stars or more" and domain.like_stars == 3.5
    assert domain.has_ratings and domain.has_time and domain.has_prices
    assert not domain.has_negatives  # a rated dish was chosen; nothing says what was passed over


def test_parquet_jsonl_and_gzip_give_the_same_dataset_as_csv(kitchen: Path) -> None:
    expected = load_dataset(kitchen).fingerprint
    folder = kitchen.parent
    log = pd.read_csv(folder / "log.csv", dtype={"what": str})
    log.to_parquet(folder / "log.parquet")
    with gzip.open(folder / "log.csv.gz", "wt") as file:
        file.write(LOG)
    (folder / "log.jsonl").write_text("\n".join(json.dumps(r) for r in log.to_dict("records")))
    for name in ("log.parquet", "log.csv.gz", "log.jsonl"):
        kitchen.write_text(MAPPING.replace("log.csv", name))
        assert load_dataset(kitchen).fingerprint == expected, name


def test_ten_lines_of_python(kitchen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kitchen.parent)
    data = from_csv(
        "log.csv", user="who", item="what", rating="stars", time="when",
        items="dishes.csv", item_id="id", title="name", attributes=["cuisine", "course"],
        price="cost",
    )  # fmt: skip
    assert data.fingerprint == load_dataset(kitchen).fingerprint
    with pytest.raises(UserError, match=r"from_csv: key 'interactions.always' holds 'buy'"):
        from_csv("log.csv", user="who", item="what", always="buy")


def test_numeric_ids_meet_across_files(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i\n7,9007199254740993\n7, 3 \n")
    items = pd.DataFrame({"i": [9007199254740993, 3], "title": ["big", "three"]})
    items.to_parquet(tmp_path / "items.parquet")
    data = from_csv(tmp_path / "log.csv", user="u", item="i", items=tmp_path / "items.parquet")
    assert sorted(data.interactions["item_id"]) == ["3", "9007199254740993"]
    assert data.domain.engaged == "clicked" and not data.domain.has_time


def test_other_scales_become_stars(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i,r\na,x,0\na,y,10\na,z,7\n")
    data = from_csv(
        tmp_path / "log.csv", user="u", item="i", rating="r", scale=(0, 10), engaged=7, rejected=4
    )
    rows = data.interactions.set_index("item_id")
    assert rows["value"].to_dict() == {"x": 1.0, "y": 5.0, "z": 3.8}
    assert rows["positive"].to_dict() == {"x": False, "y": True, "z": True}
    assert data.domain.engaged == "rated 7 or more on a scale of 0 to 10"
    assert data.domain.like_stars == 3.8


def test_events_and_quantities(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i,kind,n\na,x,View,\na,x,order,3\n")
    path = tmp_path / "log.csv"
    data = from_csv(
        path, user="u", item="i", event="kind", quantity="n",
        events={"view": "click", "order": "purchase"},
    )  # fmt: skip
    assert data.interactions[["event", "value"]].to_numpy().tolist() == [
        ["click", 1.0],
        ["purchase", 3.0],
    ]
    assert data.domain.engaged == "clicked or bought"
    with pytest.raises(BadDataset, match=r"row 2, column 'kind': 'View', expected one of click"):
        from_csv(path, user="u", item="i", event="kind")


@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "message"),
    [
        ("log.csv", "bo,cake,2", "bo,cake,two", ProblemKind.NUMBER,
         r"log.csv, row 3, column 'stars': 'two', expected a number from 1 to 5"),
        ("log.csv", "al,12,1", "al,12,11", ProblemKind.RANGE,
         r"row 5, column 'stars': '11', expected a rating from 1 to 5"),
        ("log.csv", "2024-01-05", "Friday", ProblemKind.TIME,
         r"row 4, column 'when': 'Friday', expected a time in ISO 8601"),
        ("log.csv", "al,soup", ",soup", ProblemKind.MISSING_ID,
         r"row 4, column 'who': '', expected an id"),
        ("log.csv", "bo,soup", "bo,soupe", ProblemKind.UNKNOWN_ITEM,
         r"row 2, column 'what': 'soupe', expected an item of the item table"),
        ("log.csv", "bo,soup,5,", "bo,soup,5", ProblemKind.RAGGED,
         r"log.csv, row 2: 3 fields, expected 4 fields separated by ','"),
        ("log.csv", "who,", "whom,", ProblemKind.MISSING_COLUMN,
         r"log.csv, row 1: expected a column 'who'. Did you mean 'whom'\?"),
        ("dishes.csv", "12,", "soup,", ProblemKind.DUPLICATE_ID,
         r"dishes.csv, row 4, column 'id': 'soup', expected every id once"),
        ("dishes.csv", "French,Main,12", "French,Main,free", ProblemKind.NUMBER,
         r"dishes.csv, row 4, column 'cost': 'free', expected a price"),
    ],
)  # fmt: skip
def test_bad_cell_is_named_with_its_place(
    kitchen: Path, file: str, old: str, new: str, kind: ProblemKind, message: str
) -> None:
    bad = _bad(kitchen, file, old, new)
    assert kind in bad.counts
    assert re.search(message, str(bad)), str(bad)


def test_rows_after_a_line_break_in_quotes_keep_their_line(kitchen: Path) -> None:
    dishes = kitchen.parent / "dishes.csv"
    dishes.write_text(DISHES + "pie,Pie,British,Main,dear\n")
    with pytest.raises(BadDataset, match=r"dishes.csv, row 6, column 'cost': 'dear'"):
        load_dataset(kitchen)


def test_check_collects_everything_and_counts_beyond_what_it_shows(kitchen: Path) -> None:
    lines = [f"u{n},soup,9,2024-01-01" for n in range(50)] + ["x,soup,1,never", "y,,1,2024-01-01"]
    (kitchen.parent / "log.csv").write_text("who,what,stars,when\n" + "\n".join(lines) + "\n")
    report = check_dataset(kitchen)
    assert not report.ok
    assert len(report.problems) == 20
    assert report.counts == {
        ProblemKind.RANGE: 50,
        ProblemKind.TIME: 1,
        ProblemKind.MISSING_ID: 1,
    }
    first = report.problems[0]
    assert (first.row, first.column, first.value) == (2, "stars", "'9'")
    assert "52 problems" in str(report) and "and 32 more" in str(report)
    assert sum(report.rows.values()) == 55
    with pytest.raises(UserError, match=r"and 49 more: `focusgroup datasets check`"):
        load_dataset(kitchen)


def test_check_of_a_good_dataset_describes_it(kitchen: Path) -> None:
    report = check_dataset(kitchen)
    assert report.ok and "no problems found" in str(report)
    assert "rated 3.5 stars or more: 50.0% of interactions" in str(report)


def test_text_that_is_not_utf8(kitchen: Path) -> None:
    path = kitchen.parent / "dishes.csv"
    path.write_bytes(DISHES.replace("Cake", "Gâteau").encode("latin-1"))
    with pytest.raises(BadDataset, match=r"dishes.csv, row 3: .*xe2.* expected text in UTF-8"):
        load_dataset(kitchen)
    kitchen.write_text(MAPPING.replace("file: dishes.csv", "file: dishes.csv\n  encoding: latin-1"))
    assert load_dataset(kitchen).catalog()["cake"].title == "Gâteau"


@pytest.mark.parametrize("content", ["", "who,what,stars,when\n", "who,what,stars,when\n\n\n"])
def test_empty_log(kitchen: Path, content: str) -> None:
    (kitchen.parent / "log.csv").write_text(content)
    report = check_dataset(kitchen)
    assert report.counts == {ProblemKind.EMPTY: 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  time:", "  tiem:", r"kitchen.yaml, line 9: unknown key 'interactions.tiem'. "
                               r"Did you mean 'time'\?"),
        ("item_noun: dish", "item_nuon: dish", r"line 2: unknown key 'item_nuon'. Did you mean"),
        ("  rating: stars", "  rating: {column: stars, sacle: [1, 5]}",
         r"line 8: unknown key 'interactions.rating.sacle'. Did you mean 'scale'\?"),
        ("  user: who\n", "", r"line 4: key 'interactions.user' is missing"),
        ("  user: who\n", "  user: who\n  user: what\n", r"line 7: key 'user' stands twice"),
        ("name: kitchen", "name: [", r"kitchen.yaml, line \d+: not valid YAML"),
        ("  rating: stars", "  rating: {column: stars, scale: [5, 1]}",
         r"line 8: .*scale must be \[lowest, highest\]"),
        ("file: log.csv", "file: lgo.csv", r"lgo.csv: no such file"),
        ("file: log.csv", "file: kitchen.yaml", r"unknown kind of file '.yaml'"),
    ],
)  # fmt: skip
def test_wrong_mapping_is_told_with_its_line(
    kitchen: Path, old: str, new: str, message: str
) -> None:
    assert old in MAPPING
    kitchen.write_text(MAPPING.replace(old, new))
    with pytest.raises(UserError, match=message):
        load_dataset(kitchen)
    assert not check_dataset(kitchen).ok


def test_milliseconds_must_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("u,i,t\na,x,1700000000000\n")
    with pytest.raises(BadDataset, match=r"expected seconds since 1970 .*`unit: ms`"):
        from_csv(path, user="u", item="i", time="t")
    data = from_csv(path, user="u", item="i", time="t", time_unit="ms")
    assert data.interactions["timestamp"].tolist() == [1.7e9]
    path.write_text("u,i,t\na,x,14.11.2023\n")
    data = from_csv(path, user="u", item="i", time="t", time_format="%d.%m.%Y")
    assert data.interactions["timestamp"].tolist() == [pd.Timestamp("2023-11-14").timestamp()]


def test_jsonl_lines_and_lists(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"u": 1, "i": "x", "ok": true}\n\n{"u": 2, "i": "y", "ok": false}\n')
    items = tmp_path / "items.jsonl"
    items.write_text(
        '{"i": "x", "title": "X\\u0007 one", "tags": ["Red", "red", "Big"]}\n'
        '{"i": "y", "title": null}\n'
    )
    asked = {"user": "u", "item": "i", "liked": "ok", "items": items, "attributes": ["tags"]}
    data = from_csv(log, **asked)  # type: ignore[arg-type]
    assert data.catalog()["x"].text == "X one: red, big"
    assert data.catalog()["y"].text == "y"
    assert data.interactions["positive"].tolist() == [True, False]
    assert data.domain.rejected == "marked no under 'ok'"
    log.write_text('{"u": 1, "i": ["x"], "ok": true}\n{"u": 2, "i": "y", "ok": 3}\n{"u": \n')
    with pytest.raises(BadDataset) as caught:
        from_csv(log, **asked)  # type: ignore[arg-type]
    assert [(p.row, p.column) for p in caught.value.problems] == [(1, "i"), (2, "ok"), (3, "")]


def test_frames() -> None:
    log = pd.DataFrame({"user_id": [1, 1, 2], "item_id": ["a", "b", "a"], "value": [5, 1, 3]})
    data = from_frames(log, domain=Domain("mine", item_noun="song"))
    assert data.domain.name == "mine" and data.domain.item_noun == "song"
    assert data.domain.has_ratings and not data.domain.has_time
    assert data.interactions["positive"].tolist() == [True, False, False]
    assert data.items["title"].tolist() == ["a", "b"]
    with pytest.raises(UserError, match=r"interactions: unknown column 'ratting'"):
        from_frames(log.rename(columns={"value": "ratting"}))
    with pytest.raises(BadDataset, match=r"interactions, row 2, column 'value': 9, expected"):
        from_frames(log.assign(value=[5, 9, 3]))
    with pytest.raises(BadDataset, match=r"interactions: expected at least one interaction"):
        from_frames(log.head(0))


def test_a_table_goes_in_and_out_unchanged(kitchen: Path) -> None:
    data = load_dataset(kitchen)
    again = from_frames(data.interactions, data.items, data.users)
    assert again.fingerprint == data.fingerprint


def _small(rows: list[tuple[int, int, int]]) -> Dataset:
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "value"])
    return from_frames(log.assign(timestamp=[10.0 * value for value in log["value"]]))


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_order_of_rows_does_not_matter_but_every_value_does(rows, random) -> None:  # type: ignore[no-untyped-def]
    data = _small(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert _small(shuffled).fingerprint == data.fingerprint
    user, item, stars = rows[0]
    changed = [(user, item, stars % 5 + 1), *rows[1:]]
    assert _small(changed).fingerprint != data.fingerprint


def test_fingerprint_is_the_same_for_every_pandas_and_machine() -> None:
    log = pd.DataFrame(
        {"user_id": ["ü", "a"], "item_id": ["1", "2"], "value": [1.5, 5], "timestamp": [1.0, 2.5]}
    )
    items = pd.DataFrame(
        {"item_id": ["1", "2"], "title": ["One", "Two"], "attributes": [["x", "y"], []]}
    )
    assert from_frames(log, items).fingerprint == "1ed4ec3bbc7db0f0f7338821959d3217133d2f3e"
