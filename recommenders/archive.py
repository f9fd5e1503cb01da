"""A fitted recommender in a folder: `recommender.json` (what it is) and `arrays.npz` (numbers).

Nothing is pickled, so a folder from elsewhere can be read without running what it holds.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from focusgroup.simulator.errors import UserError

from .config import AlgorithmConfig
from .item_index import ItemIndex

# Any: the dtypes of stored arrays differ.
Array = NDArray[Any]
_Config = TypeVar("_Config", bound=AlgorithmConfig)
_FORMAT = 1


def write(
    folder: Path,
    name: str,
    config: AlgorithmConfig,
    index: ItemIndex,
    arrays: Mapping[str, Array],
) -> None:
    """Writes the folder, making it if need be; what was there under the same names is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", allow_pickle=False, ids=np.array(index.ids, np.str_), **arrays)
    about = {"format": _FORMAT, "recommender": name, "config": config.model_dump()}
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (folder / "recommender.json").write_text(text, encoding="utf-8")


def read(
    folder: Path, name: str, config: type[_Config], needs: Sequence[str] = ()
) -> tuple[_Config, ItemIndex, dict[str, Array]]:
    """What `write` wrote.

    Args:
        needs: names of the arrays that must be there.

    Raises:
        UserError: the folder is no saved recommender of this name, or is damaged.
    """
    try:
        about = json.loads((folder / "recommender.json").read_text(encoding="utf-8"))
        found = (about["format"], about["recommender"])
        if found != (_FORMAT, name):
            raise UserError(
                f"{folder} holds recommender {found[1]!r} in format {found[0]!r}; "
                f"expected {name!r} in format {_FORMAT}."
            )
        # Opened here: np.load leaves a file open when it turns out to be damaged.
        with (
            (folder / "arrays.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as stored,
        ):
            arrays = {key: stored[key] for key in stored.files}
        missing = [key for key in ("ids", *needs) if key not in arrays]
        if missing:
            raise UserError(f"{folder / 'arrays.npz'} lacks {', '.join(missing)}; save it anew.")
        ids = tuple(str(item_id) for item_id in arrays.pop("ids"))
        return config.model_validate(about["config"]), ItemIndex(ids), arrays
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, ValidationError) as error:
        raise UserError(
            f"{folder} is not a readable saved {name!r} recommender: {error}. Fit and save it anew."
        ) from error


SPARSE = ("data", "indices", "indptr", "shape")


def sparse_arrays(matrix: csr_matrix) -> dict[str, Array]:
    """A sparse matrix as plain arrays, for `write`."""
    shape = np.array(matrix.shape, np.int64)
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    return {**parts, "shape": shape}


def sparse_matrix(arrays: Mapping[str, Array]) -> csr_matrix:
    """The inverse of `sparse_arrays`."""
    shape = (int(arrays["shape"][0]), int(arrays["shape"][1]))
    return csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
