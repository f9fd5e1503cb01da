"""Sessions as Arrow tables and back: one row per turn, everything a session holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from .errors import FailureCause
from .types import (
    Action,
    Click,
    Failure,
    Leave,
    LeaveReason,
    NextPage,
    Opinion,
    Purchase,
    Rate,
    Remark,
    Response,
    Review,
    Session,
    SessionEnd,
    SessionKey,
    Slate,
    SlotOdds,
    Turn,
)

_ACTION = pa.struct(
    [
        ("kind", pa.string()),
        ("item_id", pa.string()),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("grounded", pa.bool_()),
    ]
)
_ODDS = pa.struct([("click", pa.float64()), ("purchase", pa.float64()), ("stars", pa.float64())])
_OPINION = pa.struct(
    [
        ("scores", pa.list_(pa.float64())),
        ("stars", pa.list_(pa.float64())),
        ("reason", pa.string()),
        ("numbers", pa.list_(pa.int32())),
        ("prior", pa.list_(pa.float64())),
    ]
)
SCHEMA = pa.schema(
    [
        ("audience", pa.string()),
        ("arm", pa.string()),
        ("user_id", pa.string()),
        ("round", pa.int32()),
        ("attempt", pa.int32()),
        ("end", pa.string()),
        ("page", pa.int32()),
        ("item_ids", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
        ("propensities", pa.list_(pa.float64())),
        ("failure_cause", pa.string()),
        ("failure_detail", pa.string()),
        ("satisfaction", pa.float64()),
        ("p_leave", pa.float64()),
        ("odds", pa.list_(_ODDS)),
        ("actions", pa.list_(_ACTION)),
        ("opinion", _OPINION),
        ("completion_keys", pa.list_(pa.string())),
    ]
)

Row = Mapping[str, Any]


def to_table(sessions: Iterable[Session]) -> pa.Table:
    """Sessions as a table of `SCHEMA`, in the given order."""
    return pa.Table.from_pylist(
        [_row(session, turn) for session in sessions for turn in session.turns], schema=SCHEMA
    )


def from_table(table: pa.Table) -> list[Session]:
    """The sessions of a table written by `to_table`, in its order."""
    rows = table.to_pylist()

    def identity(row: Row) -> tuple[str, str, str, int, int]:
        return row["audience"], row["arm"], row["user_id"], row["round"], row["attempt"]

    sessions = []
    for (audience, arm, user_id, round_, attempt), group in groupby(rows, identity):
        turns = list(group)
        sessions.append(
            Session(
                SessionKey(audience, arm, user_id, round_),
                tuple(_turn(row) for row in turns),
                SessionEnd(turns[0]["end"]),
                attempt,
            )
        )
    return sessions


def _row(session: Session, turn: Turn) -> dict[str, object]:
    key, slate, outcome = session.key, turn.slate, turn.outcome
    row: dict[str, object] = {
        "audience": key.audience,
        "arm": key.arm,
        "user_id": key.user_id,
        "round": key.round,
        "attempt": session.attempt,
        "end": session.end.value,
        "page": turn.page,
        "completion_keys": outcome.completion_keys,
    }
    if slate is not None:
        row["item_ids"] = slate.item_ids
        row["scores"] = slate.scores
        row["propensities"] = slate.propensities
    if isinstance(outcome, Failure):
        row["failure_cause"] = outcome.cause.value
        row["failure_detail"] = outcome.detail
        return row
    row["satisfaction"] = outcome.satisfaction
    row["p_leave"] = outcome.p_leave
    row["actions"] = [_action_row(action) for action in outcome.actions]
    if outcome.odds is not None:
        row["odds"] = [
            {"click": o.click, "purchase": o.purchase, "stars": o.stars} for o in outcome.odds
        ]
    if (opinion := outcome.opinion) is not None:
        row["opinion"] = {
            "scores": opinion.scores,
            "stars": opinion.stars,
            "reason": opinion.reason,
            "numbers": opinion.numbers,
            "prior": opinion.prior,
        }
    return row


def _action_row(action: Action) -> dict[str, object]:
    match action:
        case Click(item_id):
            return {"kind": "click", "item_id": item_id}
        case Purchase(item_id, price):
            return {"kind": "purchase", "item_id": item_id, "value": price}
        case Rate(item_id, stars):
            return {"kind": "rate", "item_id": item_id, "value": stars}
        case Review(item_id, text, grounded):
            return {"kind": "review", "item_id": item_id, "text": text, "grounded": grounded}
        case NextPage():
            return {"kind": "next_page"}
        case Remark(text):
            return {"kind": "remark", "text": text}
        case Leave(reason):
            return {"kind": "leave", "text": reason.value}


def _turn(row: Row) -> Turn:
    slate = None
    if row["item_ids"] is not None:
        slate = Slate(
            tuple(row["item_ids"]), _optional(row["scores"]), _optional(row["propensities"])
        )
    keys = tuple(row["completion_keys"] or ())
    if row["failure_cause"] is not None:
        failure = Failure(FailureCause(row["failure_cause"]), row["failure_detail"], keys)
        return Turn(row["page"], slate, failure)
    odds, opinion = row["odds"], row["opinion"]
    response = Response(
        actions=tuple(_action(action) for action in row["actions"]),
        satisfaction=row["satisfaction"],
        odds=None
        if odds is None
        else tuple(SlotOdds(o["click"], o["purchase"], o["stars"]) for o in odds),
        p_leave=row["p_leave"],
        opinion=None if opinion is None else _opinion(opinion),
        completion_keys=keys,
    )
    return Turn(row["page"], slate, response)


def _opinion(row: Row) -> Opinion:
    return Opinion(
        tuple(row["scores"]),
        tuple(row["stars"]),
        row["reason"],
        # Sessions stored before numbers and priors were kept have no such columns.
        tuple(row.get("numbers") or ()),
        tuple(row.get("prior") or ()),
    )


def _optional(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)


def _action(row: Row) -> Action:
    match row["kind"]:
        case "click":
            return Click(row["item_id"])
        case "purchase":
            return Purchase(row["item_id"], row["value"])
        case "rate":
            return Rate(row["item_id"], row["value"])
        case "review":
            return Review(row["item_id"], row["text"], row["grounded"])
        case "next_page":
            return NextPage()
        case "remark":
            return Remark(row["text"])
        case "leave":
            return Leave(LeaveReason(row["text"]))
        case kind:
            raise ValueError(f"unknown action kind {kind!r} in a stored session")
