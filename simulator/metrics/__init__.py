"""What a run was worth: sessions in, estimates with intervals out. Pure functions.

`summary.summarise` puts everything together; `tables` prints it.
"""

from __future__ import annotations

from .exposures import Tables, flatten
from .metric import Better, Metric, Unit
from .registry import METRICS, metric_named

__all__ = ["METRICS", "Better", "Metric", "Tables", "Unit", "flatten", "metric_named"]
