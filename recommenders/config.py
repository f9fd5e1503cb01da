"""How an algorithm is configured: one strict model each, so that a typo is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AlgorithmConfig(BaseModel):
    """Parameters of one algorithm: immutable, no unknown names, no silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )
