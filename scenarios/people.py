"""Who is in an audience: its users, their personas, what they did before and what came next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from focusgroup.agents import Persona, load_personas, personas_from_log, sample_population
from focusgroup.simulator import Catalog, UserError
from focusgroup.simulator.noise import derive_seed

from .datasets import Dataset, UserSplit
from .histories import Histories, liked_items
from .scenario import AudienceSpec, Scenario


@dataclass(frozen=True, slots=True)
class People:
    """Users of an audience before anything answers for them.

    Attributes:
        held_out: user -> items liked in the held-out part of the log; empty for invented users.
    """

    user_ids: tuple[str, ...]
    personas: Mapping[str, Persona]
    histories: Histories
    held_out: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Invitation:
    """Invites the users that a scenario's audiences ask for.

    Attributes:
        history, held_out: the two parts of the log (`datasets.split_history`).
        folder: where relative paths are looked for.
    """

    scenario: Scenario
    dataset: Dataset
    catalog: Catalog
    split: UserSplit
    history: pd.DataFrame
    held_out: pd.DataFrame
    folder: Path

    def invite(self, name: str, spec: AudienceSpec) -> People:
        """The people of the audience of that name.

        Raises:
            UserError: more are asked for than there are, or a file of personas or members is bad.
        """
        if spec.personas not in ("log", "sampled"):
            written = load_personas(self.folder / spec.personas)
            ids = tuple(written)[: spec.users]
            return People(ids, written, Histories.of(self.history.iloc[:0], ()), {})
        history, users = self.history, self.dataset.users
        if spec.personas == "sampled":
            sources = history[history["user_id"].isin(set(self.split.audience))]
            sampled, users = sample_population(
                sources, users, self.catalog, n=spec.users,
                seed=derive_seed(self.scenario.seed, "audience", name),
            )  # fmt: skip
            ids = tuple(sorted(set(sampled["user_id"])))
            held_out: Mapping[str, frozenset[str]] = {}
            rows = pd.concat([self.calibration_rows(), sampled], ignore_index=True)
        else:
            ids = self._chosen(name, spec)
            kept = self.held_out[self.held_out["user_id"].isin(set(ids))]
            held_out = liked_items(kept[kept["item_id"].isin(self.catalog)])
            # All audience users are the yardstick, so that a persona does not depend on how many
            # of them are invited: another --users finds the same prompts in the journal.
            rows = self._rows_of({*self.split.calibration, *self.split.audience})
        personas = personas_from_log(rows, self.catalog, user_ids=ids, users=users)
        return People(ids, personas, Histories.of(rows, ids), held_out)

    def calibration_rows(self) -> pd.DataFrame:
        """The history of the calibration users."""
        return self._rows_of(set(self.split.calibration))

    def _rows_of(self, users: set[str]) -> pd.DataFrame:
        return self.history[self.history["user_id"].isin(users)]

    def _chosen(self, name: str, spec: AudienceSpec) -> tuple[str, ...]:
        """The first n audience users by a hash: a smaller audience is part of a larger one."""
        available, n, among = self.split.audience, spec.users, ""
        if spec.members is not None:
            path = self.folder / spec.members
            invited = _read_members(path)
            available = tuple(user for user in available if user in invited)
            among = f" of the {len(invited)} members in {path}"
        if n > len(available):
            raise UserError(
                f"audiences.{name}.users: {n} asked for, but the split leaves {len(available)}"
                f"{among} in the audience. Ask for fewer, enlarge data.split.audience, lower"
                " data.min_history, or invent users with `personas: sampled`."
            )
        seed = self.scenario.seed
        return tuple(sorted(available, key=lambda u: derive_seed(seed, "audience", u))[:n])


def _read_members(path: Path) -> frozenset[str]:
    if not path.is_file():
        raise UserError(f"members: no such file {path}. Expected a file of user ids, one a line.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"members: {path} cannot be read: {error}. Expected a file of user ids, one a line."
        ) from error
    return frozenset(line.strip() for line in lines if line.strip())
