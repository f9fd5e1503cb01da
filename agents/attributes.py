"""Interaction rows, one per attribute of their item."""

from __future__ import annotations

import pandas as pd

from focusgroup.simulator.types import Catalog


def explode_attributes(rows: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """The rows with a column `attribute`: each row once per attribute of its item."""
    attributes = pd.Series(
        [catalog[str(i)].attributes for i in rows["item_id"]], index=rows.index, dtype=object
    )
    return rows.assign(attribute=attributes).explode("attribute").dropna(subset=["attribute"])
