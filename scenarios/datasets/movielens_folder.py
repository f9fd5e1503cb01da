"""MovieLens as GroupLens packs it: ml-100k (u.data), ml-1m (ratings.dat), ml-latest (.csv)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from .columns import InteractionColumns, ItemColumns, TimeColumn, UserColumns
from .dataset import Dataset
from .delimited import Delimited
from .interpret import interpret
from .movies import FILM, FILM_NOTES, GROUPLENS_LICENCE, STARS, film_title, genre_list
from .problems import Problems
from .raw_table import RawTable
from .table_file import read_table

_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
_AGES_1M = {
    "1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55",
    "56": "56 or older",
}  # fmt: skip
_WORK_1M = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student",
    "customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker",
    "K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist",
    "self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer",
)  # fmt: skip
_SEXES = {"M": "male", "F": "female"}


@dataclass(frozen=True, slots=True)
class _Edition:
    """One way GroupLens packs MovieLens."""

    ratings: str
    ratings_written: Delimited | None
    films: str
    films_written: Delimited | None
    readable_films: Callable[[pd.DataFrame], pd.DataFrame]
    users: str = ""
    users_written: Delimited | None = None
    readable_users: Callable[[pd.DataFrame], pd.DataFrame] = pd.DataFrame.copy


def _films_100k(raw: pd.DataFrame) -> pd.DataFrame:
    flags = [raw[genre] == "1" for genre in _GENRES_100K[1:]]
    genres = [
        "|".join(name for name, here in zip(_GENRES_100K[1:], row, strict=True) if here)
        for row in zip(*flags, strict=True)
    ]
    return pd.DataFrame({"movieId": raw["movieId"], "title": raw["title"], "genres": genres})


def _users_1m(raw: pd.DataFrame) -> pd.DataFrame:
    work = {str(code): name for code, name in enumerate(_WORK_1M)}
    return pd.DataFrame(
        {
            "userId": raw["userId"],
            "gender": raw["gender"].map(_SEXES).fillna(""),
            "age": raw["age"].map(_AGES_1M).fillna(""),
            "occupation": raw["occupation"].map(work).fillna(""),
        }
    )


def _users_100k(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.drop(columns="zip").assign(gender=raw["gender"].map(_SEXES).fillna(""))


_RATING_COLUMNS = ("userId", "movieId", "rating", "timestamp")
_DAT = Delimited("::", _RATING_COLUMNS, quotes=False)
_EDITIONS = (
    _Edition(
        "u.data",
        Delimited("\t", _RATING_COLUMNS, quotes=False),
        "u.item",
        Delimited(
            "|", ("movieId", "title", "released", "video", "imdb", *_GENRES_100K),
            quotes=False, encoding="latin-1",
        ),
        _films_100k,
        "u.user",
        Delimited("|", ("userId", "age", "gender", "occupation", "zip"), quotes=False),
        _users_100k,
    ),
    _Edition(
        "ratings.dat",
        _DAT,
        "movies.dat",
        Delimited("::", ("movieId", "title", "genres"), quotes=False, encoding="latin-1"),
        pd.DataFrame.copy,
        "users.dat",
        Delimited("::", ("userId", "gender", "age", "occupation", "zip"), quotes=False),
        _users_1m,
    ),
    _Edition("ratings.csv", None, "movies.csv", None, pd.DataFrame.copy),
)  # fmt: skip


def is_movielens(folder: Path) -> bool:
    """Whether `folder` holds the ratings and films of one of the editions."""
    return any(
        (folder / edition.ratings).is_file() and (folder / edition.films).is_file()
        for edition in _EDITIONS
    )


def read_movielens(folder: Path) -> Dataset:
    """The dataset of a MovieLens folder; ratings of 0.5-5 stars (0.5 counts as 1).

    Raises:
        BadDataset: what is wrong in the files.
    """
    edition = next(
        edition
        for edition in _EDITIONS
        if (folder / edition.ratings).is_file() and (folder / edition.films).is_file()
    )
    problems = Problems()
    log = read_table(folder / edition.ratings, problems, edition.ratings_written)
    films = read_table(folder / edition.films, problems, edition.films_written)
    users = None
    if edition.users and (folder / edition.users).is_file():
        users = read_table(folder / edition.users, problems, edition.users_written)
    if log is None or films is None:
        problems.stop_if_any()
    assert log is not None and films is not None  # noqa: S101 - else a problem was left
    return interpret(
        problems,
        replace(FILM, name=folder.resolve().name),
        log=(
            log,
            InteractionColumns(
                user="userId", item="movieId", rating=STARS, time=TimeColumn(column="timestamp")
            ),
        ),
        items=(
            _readable(films, edition.readable_films),
            ItemColumns(item="movieId", title="title", attributes=("genres",)),
        ),
        users=(
            (
                RawTable(users.name, edition.readable_users(users.frame), users.places),
                UserColumns(user="userId"),
            )
            if users is not None
            else None
        ),
        source=f"MovieLens, GroupLens; from {folder}",
        licence=f"{GROUPLENS_LICENCE}; not for redistribution without permission",
        notes=FILM_NOTES,
    )


def _readable(films: RawTable, reshape: Callable[[pd.DataFrame], pd.DataFrame]) -> RawTable:
    frame = reshape(films.frame)
    if {"movieId", "title", "genres"} <= set(frame.columns):
        frame["title"] = [
            film_title(str(title), "", str(film))
            for title, film in zip(frame["title"], frame["movieId"], strict=True)
        ]
        frame["genres"] = [genre_list(str(genres)) for genres in frame["genres"]]
    return RawTable(films.name, frame, films.places)
