"""The ground a certificate stands on: disjoint users, their known history, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from focusgroup.agents import BehaviourModel, fit_behaviour
from focusgroup.scenarios.datasets import Dataset, UserSplit, split_history, split_users
from focusgroup.scenarios.histories import Histories
from focusgroup.simulator import Catalog, UserError
from focusgroup.simulator.noise import derive_seed, key_of

FINAL_SHARE = 2 / 7  # of the test users, read only by the final certificate
FINAL_SEED = 0  # whose test users they are of: another seed must not let anybody see them before
CALIBRATION = 0.25  # as scenarios do by default
CALIBRATION_AROUND = 0.45  # of those who did not see everything, where those who did are the test
HELD_OUT, HELD_OUT_COMPLETE = 0.2, 0.7
FEWEST_COMPLETE = 20  # users who saw everything; a handful of them is no public to be judged by


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything rows are computed from.

    Attributes:
        training: all events of the users that recommenders are fitted on.
        history, held_out: events of calibration and test users, before and after the split.
        test: the users who are simulated and judged by; disjoint from both others.
        fully_observed: whether the log holds what each test user thinks of every item.
        histories: what is known of a test user, as the loop wants it.
        held_out_share: of each user's events. calibration_share: of the users there were to divide.
    """

    dataset: Dataset
    catalog: Catalog
    training: pd.DataFrame
    training_ids: tuple[str, ...]
    calibration: tuple[str, ...]
    test: tuple[str, ...]
    history: pd.DataFrame
    held_out: pd.DataFrame
    fully_observed: bool
    histories: Histories
    behaviour: BehaviourModel
    seed: int
    final: bool
    held_out_share: float
    calibration_share: float


def lay_ground(
    dataset: Dataset, *, seed: int, final: bool = False, held_out: float | None = None
) -> Ground:
    """Divide the users and fit the behaviour model on those for calibration.

    Users who saw all there is (20 or more) are the test users, where the log holds what they did
    not take: their reaction to any slate is known. Of the test users (of seed `FINAL_SEED`) a share
    chosen by a hash of the id is kept for `final` and read for nothing else, under any seed.

    Args:
        held_out: share of each user's events that is to be predicted; by default .2, or .7 where
            test users are fully observed.

    Raises:
        UserError: too few users.
    """
    complete = _complete_users(dataset)
    fully_observed = len(complete) > 0
    share = held_out or (HELD_OUT_COMPLETE if fully_observed else HELD_OUT)
    history, later = split_history(dataset, held_out=share, seed=seed)
    if fully_observed:
        split, everyone = _around(dataset, complete, seed, share), complete
        kept_back = _kept_back(complete)
    else:
        kept_back = _kept_back(split_users(dataset, seed=FINAL_SEED, held_out=share).audience)
        split = _without(split_users(dataset, seed=seed, held_out=share), set(kept_back))
        everyone = split.audience
    test = kept_back if final else tuple(user for user in everyone if user not in set(kept_back))
    if len(test) < 2:
        raise UserError(
            f"dataset {dataset.domain.name!r}: {len(test)} test users; a certificate needs at least"
            " 2. Bring a log with more users."
        )
    catalog = dataset.catalog()
    known = history[history["user_id"].isin({*split.calibration, *test})]
    truth = later[later["user_id"].isin({*split.calibration, *test})]
    training = dataset.interactions
    return Ground(
        dataset=dataset,
        catalog=catalog,
        training=training[training["user_id"].isin(set(split.training))].reset_index(drop=True),
        training_ids=split.training,
        calibration=split.calibration,
        test=test,
        history=known.reset_index(drop=True),
        held_out=truth.reset_index(drop=True),
        fully_observed=fully_observed,
        histories=Histories.of(known, test),
        behaviour=fit_behaviour(
            known, truth, split.calibration, catalog, dataset.domain,
            seed=derive_seed(seed, "behaviour"),
        ),
        seed=seed,
        final=final,
        held_out_share=share,
        calibration_share=CALIBRATION_AROUND if fully_observed else CALIBRATION,
    )  # fmt: skip


def _complete_users(dataset: Dataset) -> tuple[str, ...]:
    """Users whose reaction to every item is in the log, sorted; () where they are few."""
    if not dataset.domain.has_negatives:
        return ()
    seen = dataset.interactions.groupby("user_id")["item_id"].nunique()
    found = tuple(sorted(str(u) for u in seen.index[seen >= len(dataset.items)]))
    return found if len(found) >= FEWEST_COMPLETE else ()


def _around(dataset: Dataset, complete: tuple[str, ...], seed: int, held_out: float) -> UserSplit:
    """The others train recommenders and calibrate users."""
    others = ~dataset.interactions["user_id"].isin(set(complete))
    rest = Dataset(
        domain=dataset.domain,
        interactions=dataset.interactions[others].reset_index(drop=True),
        items=dataset.items,
        users=dataset.users,
        fingerprint=dataset.fingerprint,
    )
    return split_users(
        rest, seed=seed, training=1 - CALIBRATION_AROUND, calibration=CALIBRATION_AROUND,
        audience=0.0, held_out=held_out,
    )  # fmt: skip


def _kept_back(users: tuple[str, ...]) -> tuple[str, ...]:
    ranked = sorted(users, key=lambda user: (key_of(f"final\x1f{user}"), user))
    return tuple(sorted(ranked[: round(FINAL_SHARE * len(users))]))


def _without(split: UserSplit, users: set[str]) -> UserSplit:
    training, calibration, audience = (
        tuple(user for user in group if user not in users)
        for group in (split.training, split.calibration, split.audience)
    )
    return UserSplit(training, calibration, audience)
