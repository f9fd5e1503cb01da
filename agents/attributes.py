"""Interaction rows, one per attribute of their item."""

from __future__ import annotations

import pandas as pd

from focusgroup.simulator.types import Catalog


def explode_attributes(rows: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """The rows with a column `attribute`: each row once per attribute of its item."""
    attributes = {item_id: item.attributes for item_id, item in catalog.items()}
    carried = rows["item_id"].map(attributes)
    return rows.assign(attribute=carried).explode("attribute").dropna(subset=["attribute"])
