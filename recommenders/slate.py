"""From scores to slates: the one place where items are ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.types import RecRequest, Slate

from .item_index import ItemIndex

# Matrix products of different batch shapes differ in their last bits. Scores here are of order
# one, so six decimals are far above that noise and far below any difference that means something.
DECIMALS = 6
_BLOCK_CELLS = 4_000_000


def allowed_columns(request: RecRequest, index: ItemIndex) -> NDArray[np.intp]:
    """The ascending columns of the items this request may be shown.

    Raises:
        UserError: k is below 1.
    """
    if request.k < 1:
        raise UserError(
            f"the request of user {request.user_id!r} asks for k={request.k} items; "
            "k is at least 1."
        )
    if request.candidates is not None:
        return index.known(i for i in request.candidates if i not in request.exclude)
    allowed = np.ones(len(index), np.bool_)
    allowed[index.known(request.exclude)] = False
    return np.flatnonzero(allowed)


def rank(scores: NDArray[np.float64], request: RecRequest, index: ItemIndex) -> Slate:
    """The k best allowed items, best first; fewer if fewer are allowed.

    Args:
        scores: one per column of the index, of order one (they are rounded to 6 decimals), finite.

    Ties are broken by item id. Items of the user's history may be shown unless excluded.
    """
    allowed = allowed_columns(request, index)
    best = np.round(scores[allowed], DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
    k = min(request.k, len(allowed))
    if k == 0:
        return Slate((), ())
    threshold = np.partition(best, len(best) - k)[len(best) - k]
    contenders = np.flatnonzero(best >= threshold)
    top = contenders[np.argsort(-best[contenders], kind="stable")][:k]
    return Slate(
        tuple(index.ids[column] for column in allowed[top]),
        tuple(best[top].tolist()),
    )


def rank_all(
    requests: Sequence[RecRequest],
    index: ItemIndex,
    score: Callable[[Sequence[RecRequest]], NDArray[np.float64]],
) -> list[Slate]:
    """One slate per request, scored in blocks that bound memory.

    Args:
        score: from requests to scores of shape (n_requests, n_items).

    Raises:
        UserError: a score is not finite.
    """
    slates: list[Slate] = []
    rows = max(1, _BLOCK_CELLS // len(index))
    for start in range(0, len(requests), rows):
        block = requests[start : start + rows]
        scores = score(block)
        if not np.isfinite(scores).all():
            raise UserError("a recommender produced a score that is NaN or infinite.")
        slates.extend(rank(row, request, index) for row, request in zip(scores, block, strict=True))
    return slates
