"""Names to datasets: built in, installed by a package, or lying in a file or folder."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from focusgroup.simulator.errors import UserError, did_you_mean

from .dataset import Dataset
from .groceries import read_groceries
from .jester import JOKES, read_jester
from .mapping import read_mapping
from .movielens_folder import is_movielens, read_movielens
from .movies import read_movies
from .recbole import is_recbole, read_recbole
from .redial import DIALOGUES, read_redial

GROUP = "focusgroup.datasets"
_BUILT_IN: dict[str, Callable[[Path | None], Dataset]] = {
    "groceries": read_groceries,
    "jester": read_jester,
    "movies": read_movies,
    "redial": read_redial,
}
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".gz")


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def list_datasets() -> tuple[str, ...]:
    """The names `load_dataset` knows, sorted: built in, and the entry points of GROUP."""
    return tuple(sorted({*_BUILT_IN, *_installed()}))


def load_dataset(name_or_path: str | Path, data_dir: str | Path | None = None) -> Dataset:
    """The dataset of that name or at that path.

    Args:
        name_or_path: a name of `list_datasets`; a mapping file (.yaml); a folder with RecBole,
            MovieLens, Jester or ReDial files; a .inter file; or "module:function", a function
            without arguments that returns a Dataset.
        data_dir: the folder of `jester` or `redial`.

    Raises:
        UserError: unknown name, nothing readable at the path, a missing package.
        BadDataset: the files hold what cannot be used (a UserError that names the first places).
    """
    name = str(name_or_path)
    folder = None if data_dir is None else Path(data_dir)
    if name in _BUILT_IN:
        return _BUILT_IN[name](folder)
    installed = _installed()
    path = Path(name_or_path)
    if name not in installed and not path.exists() and ":" not in name:
        if path.suffix or len(path.parts) > 1:
            raise UserError(
                f"dataset {name!r}: no such file or folder, and no dataset of that name"
            )
        raise UserError(f"unknown dataset {name!r}.{did_you_mean(name, list_datasets())}")
    if folder is not None:
        raise UserError(f"dataset {name!r} reads no data folder; leave --data-dir out")
    if name in installed:
        return _called(name, installed[name].load)
    if path.exists():
        return _at(path)
    return _called(name, lambda: _function(name))


def _at(path: Path) -> Dataset:
    if path.suffix in (".yaml", ".yml"):
        return read_mapping(path)
    if is_recbole(path):
        return read_recbole(path)
    if is_movielens(path):
        return read_movielens(path)
    if (path / JOKES).is_file():
        return read_jester(path)
    if path.is_dir() and any(path.glob(DIALOGUES)):
        return read_redial(path)
    if path.suffix in _TABLES:
        raise UserError(
            f"{path}: a table does not say what its columns mean; write a mapping file (.yaml with "
            "`interactions: {file: ..., user: ..., item: ...}`) and give that, or use from_csv"
        )
    raise UserError(
        f"{path}: not a dataset; expected a mapping file (.yaml), or a folder with RecBole (.inter)"
        " or MovieLens files (u.data, ratings.dat, or ratings.csv and movies.csv)"
    )


def _function(name: str) -> object:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"dataset {name!r}: expected MODULE:FUNCTION that can be imported: {error}"
        ) from error


def _called(name: str, load: Callable[[], object]) -> Dataset:
    function = load()
    made = function() if callable(function) else function
    if not isinstance(made, Dataset):
        raise UserError(
            f"dataset {name!r}: expected a function that returns a Dataset (see from_frames), "
            f"got {type(made).__name__}"
        )
    return made
