"""Draws depend on what they are for, and on nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from focusgroup.simulator.noise import Noise, derive_seed


@given(st.text(max_size=9), st.integers(0, 99), st.lists(st.text(), max_size=6, unique=True))
def test_a_draw_ignores_the_company_it_is_drawn_in(user: str, round: int, ids: list[str]) -> None:
    noise = Noise(7, user, round)
    together = noise.items(ids, "click", [0] * len(ids))
    alone = [noise.items([i], "click", [0])[0] for i in ids]
    assert together.tolist() == alone


def test_draws_are_uniform_and_differ_by_every_part_of_their_name() -> None:
    draws = np.concatenate(
        [
            Noise(seed, f"u{user}", round_).items([f"i{n}" for n in range(50)], event, [nth] * 50)
            for seed in (0, 1)
            for user in range(20)
            for round_ in (0, 1)
            for event in ("click", "stars")
            for nth in (0, 1)
        ]
    )
    assert len(np.unique(draws)) == len(draws) == 16_000
    assert stats.kstest(draws, "uniform").pvalue > 0.001
    leaves = [Noise(0, f"u{user}", 0).leave(page) for user in range(500) for page in range(8)]
    assert stats.kstest(leaves, "uniform").pvalue > 0.001


def test_draws_are_the_same_in_another_process() -> None:
    code = (
        "from focusgroup.simulator.noise import Noise, derive_seed;"
        "n = Noise(3, 'u', 1); print(n.items(['a'], 'click', [2])[0], n.leave(4),"
        " n.permutation(0, 5), derive_seed(1, 'x'))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    noise = Noise(3, "u", 1)
    here = (
        f"{noise.items(['a'], 'click', [2])[0]} {noise.leave(4)}"
        f" {noise.permutation(0, 5)} {derive_seed(1, 'x')}"
    )
    assert out.stdout.strip() == here


def test_seed_parts_do_not_run_together() -> None:
    assert (
        len({derive_seed("a", "b"), derive_seed("ab"), derive_seed("a", 1), derive_seed("a", "1")})
        == 4
    )
