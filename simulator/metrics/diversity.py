"""What was shown: how much of the catalogue, how evenly, how new, how mixed.

Pages that went unanswered count too: they were shown.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .cells import Cells, Ints, Sums, codes, ints, names
from .exposures import Floats
from .metric import Better, Counts, Metric, Needs, OverCatalogue, Ratio, Unit


def coverage(counts: Counts, n_items: int) -> Floats:
    """Share of the catalogue shown to anyone; counts of shape (rows, items), one figure a row."""
    return np.asarray(np.count_nonzero(counts, axis=1) / max(n_items, 1))


def gini(counts: Counts, n_items: int) -> Floats:
    """Gini coefficient of exposure over the whole catalogue, items never shown included.

    With counts x in ascending order, sum_i (2 i - n - 1) x_i / (n sum_i x_i), from 0 (all alike) to
    1 (one item has all); counts of shape (rows, items). Gini 1912; for recommenders Fleder and
    Hosanagar 2009.
    """
    ordered = np.sort(counts, axis=1).astype(np.float64)
    shown = ordered.shape[1]
    n = max(n_items, shown, 1)
    # The n - shown items without a column hold the lowest ranks and add nothing.
    rank = np.arange(n - shown + 1, n + 1)
    total = ordered.sum(axis=1)
    with np.errstate(invalid="ignore"):
        result: Floats = ordered @ (2.0 * rank - n - 1) / (n * total)
    return result


def _novelty(cells: Cells) -> Sums:
    """Mean -log2 p(item); p is the item's share of the log's events, add-one smoothed so that an
    item nobody met is finite. Zhou et al. 2010; Vargas and Castells 2011."""
    popularity, n_items = cells.context.popularity, len(cells.context.catalog)
    total = sum(popularity.values()) + max(n_items, 1)
    items = names(cells.exposures, "item_id")
    bits = np.array([-np.log2((popularity.get(i, 0) + 1) / total) for i in items])
    cell = ints(cells.exposures, "cell")
    of_row = bits[codes(cells.exposures, "item_id")] if len(cell) else np.zeros(0)
    return Sums(cells.sum(cell, of_row), cells.sum(cell))


def _intra_list(cells: Cells) -> Sums:
    """Mean Jaccard distance of attributes over the pairs of a page, then mean over pages. A pair
    of items without attributes says nothing and is left out. Ziegler et al. 2005."""
    shown = cells.exposures
    item, turn, cell = codes(shown, "item_id"), ints(shown, "turn"), ints(shown, "cell")
    starts = np.flatnonzero(np.r_[True, turn[1:] != turn[:-1]]) if len(turn) else turn
    widths = np.diff(np.r_[starts, len(turn)])
    first, second, page = [], [], []
    for width in np.unique(widths[widths > 1]).tolist():
        pages = np.flatnonzero(widths == width)
        slate = item[starts[pages][:, None] + np.arange(width)]
        left, right = np.triu_indices(width, 1)
        first.append(slate[:, left].ravel())
        second.append(slate[:, right].ravel())
        page.append(np.repeat(pages, len(left)))
    if not page:
        zero = np.zeros(cells.shape)
        return Sums(zero, zero)
    distance = _jaccard(cells, np.concatenate(first), np.concatenate(second))
    pages, known = np.concatenate(page), ~np.isnan(distance)
    pairs = np.bincount(pages[known], minlength=len(starts))
    total = np.bincount(pages[known], distance[known], minlength=len(starts))
    mixed = pairs > 0
    at = cell[starts][mixed]
    return Sums(cells.sum(at, total[mixed] / pairs[mixed]), cells.sum(at))


def _jaccard(cells: Cells, first: Ints, second: Ints) -> Floats:
    """1 - |a & b| / |a | b| for each pair of item codes; NaN where neither has attributes."""
    items = names(cells.exposures, "item_id")
    catalog = cells.context.catalog
    of_item = [sorted(set(catalog[i].attributes)) if i in catalog else [] for i in items]
    column = {a: n for n, a in enumerate(sorted({a for found in of_item for a in found}))}
    sizes = np.array([len(found) for found in of_item], np.int64)
    has = sparse.csr_array(
        (
            np.ones(sizes.sum()),
            np.array([column[a] for found in of_item for a in found], np.int64),
            np.r_[0, np.cumsum(sizes)],
        ),
        shape=(len(items), max(len(column), 1)),
    )
    pair = np.minimum(first, second) * len(items) + np.maximum(first, second)
    distinct, inverse = np.unique(pair, return_inverse=True)
    a, b = distinct // len(items), distinct % len(items)
    common = np.asarray(has[a].multiply(has[b]).sum(axis=1)).ravel()
    union = sizes[a] + sizes[b] - common
    with np.errstate(invalid="ignore"):
        distance: Floats = (1.0 - common / union)[inverse]
    return distance


DIVERSITY = (
    Metric(
        "coverage",
        "catalogue coverage",
        "Share of the catalogue that was shown to anyone.",
        Better.HIGHER,
        Unit.SHARE,
        OverCatalogue(coverage),
        bounds=(0.0, 1.0),
    ),
    Metric(
        "gini",
        "Gini of exposure",
        "How unevenly exposure falls on the catalogue: 0 all alike, 1 one item has all.",
        Better.LOWER,
        Unit.SCORE,
        OverCatalogue(gini),
        bounds=(0.0, 1.0),
    ),
    Metric(
        "novelty",
        "novelty",
        "Mean self-information of the items shown, -log2 of their popularity in the log.",
        Better.NONE,
        Unit.BITS,
        Ratio(_novelty),
        Needs.POPULARITY,
    ),
    Metric(
        "intra_list_diversity",
        "intra-list diversity",
        "Mean Jaccard distance of attributes between two items of a page.",
        Better.NONE,
        Unit.SCORE,
        Ratio(_intra_list),
        Needs.ATTRIBUTES,
        bounds=(0.0, 1.0),
    ),
)
