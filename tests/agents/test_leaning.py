"""Which kinds of items a user leans to."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from focusgroup.agents.leaning import Leaning, year_kinds
from focusgroup.simulator.types import Catalog, Item


def films(*titles: str) -> Catalog:
    return Catalog({f"f{n}": Item(f"f{n}", title) for n, title in enumerate(titles)})


def leaning_of(catalog: Catalog, histories: list[list[int]]) -> np.ndarray:
    """(users, items): leanings of users who had these items, everybody having had each once."""
    leaning = Leaning.fit(*year_kinds(catalog), np.full(len(catalog), 3.0))
    rows = [row for row, own in enumerate(histories) for _ in own]
    matrix = sp.csr_matrix(
        (np.ones(len(rows)), (rows, [i for own in histories for i in own])),
        shape=(len(histories), len(catalog)),
    )
    users = leaning.users(matrix)
    every = np.arange(len(catalog))
    return np.array([leaning.of(users, np.full_like(every, u), every) for u in range(len(users))])


def test_who_watches_old_films_leans_to_old_films() -> None:
    catalog = films(
        "Rebecca (1940)",
        "Laura (1944)",
        "Casablanca (1942)",
        "Heat (1995)",
        "Fargo (1996)",
        "Nameless",
    )
    old, new, nobody = leaning_of(catalog, [[0, 1], [3], []])
    assert old[2] > 0 > old[4]
    assert new[4] > 0 > new[2]
    assert (nobody == 0).all()
    assert old[5] == new[5] == 0


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("2001: A Space Odyssey (1968)", 1968),
        ("Blade Runner 2049", 2049),
        ("300", None),
        ("Chips 12000 g", None),
        ("Se7en", None),
    ],
)
def test_the_last_year_of_a_title_counts(title: str, year: int | None) -> None:
    kinds, counted = year_kinds(films(title, "Metropolis (1927)", "Far future (2090)"))
    assert counted.getnnz(axis=1)[1] > 1
    if year is None:
        assert kinds[0].nnz == counted[0].nnz == 0
    else:
        assert kinds[0].indices.tolist() == [year - 1927]


def test_titles_without_years_say_nothing() -> None:
    kinds, counted = year_kinds(films("Apples", "Pears"))
    assert kinds.nnz == counted.nnz == 0
    assert (leaning_of(films("Apples", "Pears"), [[0]]) == 0).all()
