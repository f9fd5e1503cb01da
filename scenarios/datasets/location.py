"""Where the folder of a dataset lies that no package brings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from focusgroup.simulator.errors import UserError

VARIABLE = "FOCUSGROUP_DATA"


def find_folder(name: str, holds: Sequence[str], data_dir: Path | None) -> Path:
    """The first folder with one of the files `holds` (glob patterns) of: `data_dir` (or
    `data_dir`/NAME), $FOCUSGROUP_DATA/NAME, ./data/NAME. Only `data_dir` is tried if given.

    Raises:
        UserError: none of them has such a file; names the places that were tried.
    """
    root = os.environ.get(VARIABLE)
    if data_dir is not None:
        places = [data_dir, data_dir / name]
    else:
        places = [Path(root) / name] if root else []
        places.append(Path("data") / name)
    for place in places:
        if any(any(place.glob(pattern)) for pattern in holds):
            return place
    tried = ", ".join(str(place) for place in places)
    raise UserError(
        f"dataset {name!r}: no folder with {' or '.join(holds)} (looked in {tried}). Give it with "
        f"--data-dir DIR, or put it at ${VARIABLE}/{name}, or at ./data/{name}"
    )
