"""Whether a server refuses more than it always does, and whether fewer calls at once change that.

A server that is sent too much refuses fewer calls when it is sent fewer. A flaky proxy, or a quota
shared with others, refuses the same share of however many. The two look alike at one limit; they
are told apart by an experiment, as in Dong et al. (2015), "PCC: Re-architecting congestion control
for consistent high performance": give way, and see whether the share falls.

What calls for it is found by Page (1954), "Continuous inspection schemes": evidence adds up call by
call and starts anew whenever it is used up, so that a long good time does not hide a bad minute.
The two shares are held against each other by Fisher's exact test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_PROOF = 12.0  # bits: among calls of the usual share, such a streak begins once in thousands
_MANY = 256  # calls after which the usual share is looked at again
_FADE = 0.25  # how far it then falls towards the share among them; only a retreat lets it rise
_STILL = 0.4  # share that is borne while it is found out whether giving way helps
_STORM = 0.75  # share beyond which that is no question
_CHANCE = 0.01  # of so great a fall of the share, though the limit has nothing to do with it
_FEW, _ENOUGH = 16, 64  # calls after which a retreat is judged: if all is clear, and at the latest


@dataclass(slots=True)
class Tally:
    """Calls, and how many of them were refused."""

    calls: int = 0
    refused: int = 0

    def add(self, refused: bool) -> None:
        self.calls += 1
        self.refused += refused

    @property
    def share(self) -> float:
        return self.refused / self.calls if self.calls else 0.0


class Watch:
    """Sees when more is refused than usual: the odds, in bits, that it is half of the rest more.

    Attributes:
        usual: share of calls that is refused whatever the limit, as far as is known.
        streak: the calls since the evidence began to add up.
    """

    def __init__(self) -> None:
        self.usual = 0.0
        self.streak = Tally()
        self._evidence = 0.0
        self._unheard = 0
        self._lately = Tally()

    def begin(self, places: int) -> None:
        """Starts anew under a limit of so many."""
        # A refusal comes back sooner than an answer: the first ones say nothing until as many
        # answers have come as there are places.
        self._unheard = places
        self._forget()

    def too_many(self, refused: bool, borne: float = 0.0) -> bool:
        """Whether, with this call, more than usual was refused, and more than what is borne."""
        self._fade(refused)
        usual = max(self.usual, borne)
        if refused:
            # log2 of (1 + usual)/2 over usual; an answer's is log2 of 1/2, whatever is usual.
            self._evidence += math.log2((1 + usual) / (2 * usual)) if usual else math.inf
        elif self._unheard:
            self._unheard -= 1
        else:
            self._evidence -= 1
        if self._evidence <= -self._unheard:
            self._forget()
            return False
        self.streak.add(refused)
        return self._evidence >= _PROOF

    def _forget(self) -> None:
        self.streak, self._evidence = Tally(), -float(self._unheard)

    def _fade(self, refused: bool) -> None:
        self._lately.add(refused)
        if self._lately.calls == _MANY:
            self.usual -= _FADE * max(0.0, self.usual - self._lately.share)
            self._lately = Tally()


@dataclass(slots=True)
class Retreat:
    """A limit that was given up because of refusals, until it is known whether that helped.

    Attributes:
        limit, epoch, trying: what the limit was.
        before: calls under it since refusals added up; who was still out then is added later.
        after: calls under the lower limit, once the server has settled to it.
    """

    limit: int
    epoch: int
    trying: tuple[int, float] | None
    before: Tally
    after: Tally = field(default_factory=Tally)
    _settling: int = 0
    _due: int = 0

    @property
    def borne(self) -> float:
        """Share of refusals after which it is not yet given way further."""
        return _STILL if self.before.share <= _STORM else 0.0

    def begin(self, places: int) -> None:
        """Starts anew under a lower limit of so many."""
        self.after, self._settling, self._due = Tally(), places, max(_FEW, places)

    def helped(self, refused: bool) -> bool | None:
        """Whether fewer at once lowered the share, with this call; None: more must be seen."""
        if self._settling > 0:
            self._settling -= not refused
            return None
        self.after.add(refused)
        if self.after.calls < self._due:
            return None
        if _fell(self.before, self.after):
            return True
        if self.before.refused and self._due < _ENOUGH:
            self._due *= 2
            return None
        return False

    def left(self) -> float:
        """Share that was refused all the same (Laplace's rule of succession)."""
        return (self.after.refused + 1) / (self.after.calls + 2)


def _fell(before: Tally, after: Tally) -> bool:
    """Whether the share is too much lower to be by chance (Fisher's exact test, one-sided)."""
    refused = before.refused + after.refused
    ways = sum(
        math.comb(before.calls, n) * math.comb(after.calls, refused - n)
        for n in range(before.refused, min(before.calls, refused) + 1)
    )
    return ways <= _CHANCE * math.comb(before.calls + after.calls, refused)
