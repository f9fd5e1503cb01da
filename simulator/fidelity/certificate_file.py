"""`certificate.json`: a certificate as a file that people and programs read."""

from __future__ import annotations

import json
import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from focusgroup.simulator.errors import UserError
from focusgroup.simulator.metrics.results import Estimate

from .certificate import (
    Certificate,
    Fingerprints,
    Questions,
    ShareLine,
    Users,
)
from .row import ROWS, Row

FORMAT = 1
Figure = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
_Known = float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Users(_Part):
    test: int
    calibration: int
    training: int


class _Fingerprints(_Part):
    data: str
    model: str
    configuration: str


class _Questions(_Part):
    shown: int
    answered: int
    failed: int


class _Interval(_Part):
    low: Figure
    high: Figure
    n: int


class _Row(_Part):
    name: str
    value: Figure
    low: Figure
    high: Figure
    n: int
    passes: bool | None = Field(alias="pass")
    strong: bool | None
    verdict: str
    baselines: dict[str, Figure]
    baseline_intervals: dict[str, _Interval]
    decides: bool
    meaning: str
    bars: dict[str, str]
    note: str
    reason: str

    def row(self) -> Row:
        ends = self.baseline_intervals
        return Row(
            self.name, self.value, self.low, self.high, self.n, self.passes, self.strong,
            self.reason,
            {
                name: Estimate(value, ends[name].low, ends[name].high, ends[name].n)
                for name, value in self.baselines.items()
            },
            self.note,
        )  # fmt: skip


class _ShareLine(_Part):
    name: str
    slice: str
    value: Figure
    low: Figure
    high: Figure
    n: int
    verdict: str


class _File(_Part):
    format: int
    dataset: str
    source: str
    licence: str
    model: str
    verdict: str
    users: _Users
    final: bool
    sample: int
    fingerprints: _Fingerprints
    configuration: dict[str, str]
    versions: dict[str, str]
    seed: int
    questions: _Questions
    rows: list[_Row]
    share: list[_ShareLine]
    notes: list[str]
    command: str


def to_json(certificate: Certificate) -> str:
    """The certificate as JSON: the same bytes for the same certificate; no figure is null.

    Keys are sorted; rows stand in the order of `Certificate.in_order`. `baselines` maps a name to
    its figure; its interval stands under the same name in `baseline_intervals`.
    """
    c = certificate
    content = {
        "format": FORMAT,
        "dataset": c.dataset,
        "source": c.source,
        "licence": c.licence,
        "model": c.model,
        "verdict": c.verdict,
        "users": {
            "test": c.users.test,
            "calibration": c.users.calibration,
            "training": c.users.training,
        },
        "final": c.final,
        "sample": c.sample,
        "fingerprints": {
            "data": c.fingerprints.data,
            "model": c.fingerprints.model,
            "configuration": c.fingerprints.configuration,
        },
        "configuration": dict(c.configuration),
        "versions": dict(c.versions),
        "seed": c.seed,
        "questions": {
            "shown": c.questions.shown,
            "answered": c.questions.answered,
            "failed": c.questions.failed,
        },
        "rows": [_row(row) for row in c.in_order()],
        "share": [
            {
                "name": line.name,
                "slice": line.slice,
                "value": _plain(line.value),
                "low": _plain(line.low),
                "high": _plain(line.high),
                "n": line.n,
                "verdict": line.verdict,
            }
            for line in c.share
        ],
        "notes": list(c.notes),
        "command": c.command,
    }
    text = json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def _row(row: Row) -> dict[str, object]:
    rule = ROWS[row.name]
    return {
        "name": row.name,
        "value": _plain(row.value),
        "low": _plain(row.low),
        "high": _plain(row.high),
        "n": row.n,
        "pass": row.passes,
        "strong": row.strong,
        "verdict": row.verdict,
        "baselines": {name: _plain(e.mean) for name, e in row.baselines.items()},
        "baseline_intervals": {
            name: {"low": _plain(e.low), "high": _plain(e.high), "n": e.n}
            for name, e in row.baselines.items()
        },
        "decides": rule.decides,
        "meaning": rule.meaning,
        "bars": {"pass": rule.passes, "strong": rule.strong},
        "note": row.note,
        "reason": row.reason,
    }


def _plain(value: float) -> _Known:
    """Ten significant digits: what lies below depends on how many threads a library adds with."""
    return float(f"{value:.10g}") + 0.0 if math.isfinite(value) else None


def from_json(text: str, where: str = "certificate") -> Certificate:
    """The certificate in a text that `to_json` wrote.

    Args:
        where: names the text in errors, e.g. the file.

    Raises:
        UserError: it is no certificate, or one whose rows this version does not know.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {error}") from error
    written = content.get("format") if isinstance(content, dict) else None
    if written != FORMAT:
        raise UserError(
            f"{where}: not a certificate in format {FORMAT} (its key 'format' holds {written!r});"
            " make one with `focusgroup certify`"
        )
    try:
        file = _File.model_validate(content)
        questions = Questions(**file.questions.model_dump())
        rows = tuple(row.row() for row in file.rows)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{where}: not a certificate: key {key!r}: {first['msg']}") from error
    except KeyError as error:
        raise UserError(f"{where}: baseline {error} has no entry in baseline_intervals") from error
    except ValueError as error:
        raise UserError(f"{where}: not a certificate: {error}") from error
    for row in rows:
        if row.name not in ROWS:
            raise UserError(
                f"{where}: row {row.name!r} is unknown to this version of focusgroup; make the"
                " certificate again with `focusgroup certify`"
            )
    return Certificate(
        dataset=file.dataset,
        source=file.source,
        licence=file.licence,
        model=file.model,
        users=Users(**file.users.model_dump()),
        final=file.final,
        sample=file.sample,
        fingerprints=Fingerprints(**file.fingerprints.model_dump()),
        configuration=file.configuration,
        versions=file.versions,
        seed=file.seed,
        rows=rows,
        questions=questions,
        notes=tuple(file.notes),
        share=tuple(ShareLine(**line.model_dump()) for line in file.share),
        command=file.command,
    )
