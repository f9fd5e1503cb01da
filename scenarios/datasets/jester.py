"""`jester`: ratings of 100 jokes, from a folder the user has."""

from __future__ import annotations

from pathlib import Path

from focusgroup.simulator.domain import Domain

from .columns import InteractionColumns, ItemColumns, RatingColumn
from .dataset import Dataset
from .interpret import interpret, refuse
from .location import find_folder
from .problems import Problem, ProblemKind, Problems
from .raw_table import RawTable, joined
from .table_file import read_table
from .values import clean_text

JOKES = "jokes.csv"
_PARTS = {"complete": "ratings_complete_users", "partial": "ratings_partial_users"}
_WORDS_IN_TITLE = 10


def _title(joke: str) -> str:
    words = joke.split()
    return joke if len(words) <= _WORDS_IN_TITLE else f"{' '.join(words[:_WORDS_IN_TITLE])}…"


def read_jester(data_dir: Path | None = None) -> Dataset:
    """Jokes with their full text (`description`; the title is how it begins), and
    ratings from -10 to 10 mapped linearly to 1-5 stars.

    Reads `jokes.csv` (item_id, text) and one or both of `ratings_complete_users.csv[.gz]` and
    `ratings_partial_users.csv[.gz]` (user_id, item_id, rating).

    Raises:
        UserError: no such folder. BadDataset: what is wrong with its files.
    """
    folder = find_folder("jester", [JOKES], data_dir)
    problems = Problems()
    jokes = read_table(folder / JOKES, problems)
    parts: dict[str, RawTable] = {}
    for part, stem in _PARTS.items():
        for path in (folder / f"{stem}.csv", folder / f"{stem}.csv.gz"):
            if path.is_file() and part not in parts:
                table = read_table(path, problems)
                if table is not None:
                    parts[part] = table
    if jokes is None or not parts:
        problems.stop_if_any()
    if jokes is None or not parts:
        expected = " or ".join(f"{stem}.csv.gz" for stem in _PARTS.values())
        refuse(Problem(ProblemKind.EMPTY, str(folder), 0, "", "", expected))
    items, titled = ItemColumns(item="item_id", title="title", description="text"), jokes
    if "text" in jokes.frame.columns:
        titles = [_title(clean_text(text)) for text in jokes.frame["text"]]
        titled = RawTable(jokes.name, jokes.frame.assign(title=titles), jokes.places)
    else:
        items = ItemColumns(item="item_id", title="text")
    return interpret(
        problems,
        Domain("jester", item_noun="joke", click_verb="read"),
        log=(
            joined(list(parts.values())),
            InteractionColumns(
                user="user_id",
                item="item_id",
                rating=RatingColumn(column="rating", scale=(-10.0, 10.0)),
                all_shown=True,
            ),
        ),
        items=(titled, items),
        source="Jester / Eigentaste (Goldberg, Roeder, Gupta, Perkins 2001)",
        licence="research use with acknowledgement; not for redistribution",
        notes=(
            "every joke shown was rated, so low ratings are real rejections",
            "some jokes are offensive",
        ),
    )
