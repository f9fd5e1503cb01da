"""The user's own files: which column means what. Written as YAML, or as arguments of `from_csv`.

name: kitchen
item_noun: dish
interactions:
  file: log.csv
  user: who
  item: what
  rating: {column: stars, scale: [1, 10]}
  time: when
items:
  file: dishes.jsonl
  item: id
  title: name
  attributes: [cuisine, course]
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from focusgroup.simulator.domain import Domain

from .columns import InteractionColumns, ItemColumns, Strict, UserColumns
from .dataset import Dataset
from .delimited import Delimited
from .interpret import interpret
from .problems import Problems
from .raw_table import RawTable
from .strict_yaml import read_yaml
from .table_file import read_table


class TextFile(Strict):
    """Where a table stands and how it is written. Relative paths start at the mapping file."""

    file: Path
    separator: str | None = Field(default=None, min_length=1)
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError as error:
            raise ValueError("no such encoding; usual ones: utf-8, latin-1, cp1252") from error
        return name


class InteractionFile(TextFile, InteractionColumns):
    """The log: its file and its columns."""


class ItemFile(TextFile, ItemColumns):
    """The catalogue: its file and its columns."""


class UserFile(TextFile, UserColumns):
    """The users: their file and its columns."""


def _one_line(text: str) -> str:
    if not text.isprintable() or any(mark in text for mark in "<>[]|`"):
        raise ValueError("expected a few words on one line, without < > [ ] | and `")
    return text


# These words go into prompts as they are.
Word = Annotated[str, StringConstraints(max_length=60), AfterValidator(_one_line)]


class Mapping(Strict):
    """A dataset of the user's own."""

    interactions: InteractionFile
    items: ItemFile | None = None
    users: UserFile | None = None
    name: Word = ""
    item_noun: Word = "item"
    click_verb: Word = "open"
    currency: Word = ""
    source: str = ""
    licence: str = ""


def read_mapping(path: Path) -> Dataset:
    """The dataset a mapping file describes.

    Raises:
        UserError: the mapping is wrong (with its line), or a file it names is missing.
        BadDataset: the files hold rows that cannot be used.
    """
    mapping = read_yaml(path, Mapping)
    return read_mapped(mapping, path.parent, path.stem)


def read_mapped(mapping: Mapping, folder: Path, name: str) -> Dataset:
    """The dataset of a mapping whose relative paths start at `folder`."""
    problems = Problems()
    log = _read(mapping.interactions, folder, problems)
    items = _read(mapping.items, folder, problems) if mapping.items else None
    users = _read(mapping.users, folder, problems) if mapping.users else None
    if log is None or (items is None) != (mapping.items is None):
        problems.stop_if_any()
    assert log is not None  # noqa: S101 - a table that could not be read left a problem
    return interpret(
        problems,
        Domain(
            mapping.name or name,
            item_noun=mapping.item_noun,
            click_verb=mapping.click_verb,
            currency=mapping.currency,
        ),
        log=(log, mapping.interactions),
        items=(items, mapping.items) if items is not None and mapping.items else None,
        users=(users, mapping.users) if users is not None and mapping.users else None,
        source=mapping.source or str(mapping.interactions.file),
        licence=mapping.licence,
    )


def _read(file: TextFile, folder: Path, problems: Problems) -> RawTable | None:
    written = None
    if file.separator is not None or file.encoding != "utf-8":
        separator = file.separator or ("\t" if file.file.suffix in (".tsv", ".txt") else ",")
        written = Delimited(separator, quotes=len(separator) == 1, encoding=file.encoding)
    return read_table(folder / file.file, problems, written)
