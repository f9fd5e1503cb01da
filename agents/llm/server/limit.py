"""A limit of calls at once that follows the server: it climbs while that pays, and gives way.

The server's throughput at a limit L is L / latency (Little's law). After each step up, the latency
of the calls sent since is held against the latency before: where throughput did not grow by a
quarter of what the step could bring, the server was busy already and the calls only queued there,
so the step is taken back. At first steps double, and a clear gain is taken at once; later ones are
smaller and tried now and then. Latencies have a heavy tail, hence geometric means of many.

More refusals than usual halve the limit, at first a single one. That is an experiment: where the
share of refusals does not fall with the limit, giving way brings nothing, and it goes back to where
it was. A small step up that is refused is only taken back, and the next one is half as great.

Halving: Chiu and Jain (1989), "Analysis of the increase and decrease algorithms for congestion
avoidance in computer networks". The gain test is hill climbing on throughput.
"""

from __future__ import annotations

import math

from .refusals import Retreat, Tally, Watch

START = 8
_FIRST_STEP = 2.0
_STEP = 1.5  # halved towards one by a refused step, doubled by one that paid
_WORTH = 0.25  # share of the possible gain that makes a step worth it
_CLEAR = 0.5  # share of it that is worth it at first, after few calls
_GIVE_WAY = 0.5
_SLOWER = 2.0  # latency at one and the same limit, beside the best there: the server is busier
_EASE = 0.75
_WINDOW = 64  # latencies are compared over at least so many calls, and two for each place
_WINDOW_AT_FIRST = 16  # and one for each place
_HOLD_TOLD = 4  # windows after the server itself said it was too much
_HOLD_LEAST, _HOLD_MOST = 1, 32  # windows before the next step is tried


class Limit:
    """The limit, told of every call. No clock, no waiting: numbers in, a number out.

    Args:
        most: never exceeded; the start is 8, or this if it is less.

    Attributes:
        value: calls at once, in [1, most].
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"a limit of {most} calls at once lets none out")
        self._most = most
        self.value = min(START, most)
        self._epoch = 0
        self._at_first = True  # until a step brought nothing twice
        self._doubted = False
        self._hold, self._held = _HOLD_LEAST, 0
        self._trying: tuple[int, float] | None = None  # the limit before a step, its latency
        self._best = math.inf
        self._step = _STEP
        self._watch = Watch()
        self._watch.begin(self.value)
        self._retreat: Retreat | None = None
        self._settling, self._count, self._fullest, self._sum_of_logs = self.value, 0, 0, 0.0
        self._due = max(_WINDOW_AT_FIRST, self.value)

    def sent(self, in_flight: int) -> int:
        """A call goes out, `in_flight` with it; returns what to hand in with its outcome."""
        self._fullest = max(self._fullest, in_flight)
        # Let in before the limit fell, it is one of those that it fell for.
        return self._epoch - (in_flight > self.value)

    def answered(self, ticket: int, latency: float) -> None:
        """It was answered after so many seconds."""
        if not self._tells(ticket, refused=False):
            return
        if self._settling > 0:
            self._settling -= 1
            return
        self._count += 1
        self._sum_of_logs += math.log(max(latency, 1e-6))
        if self._count >= self._due:
            self._judge(math.exp(self._sum_of_logs / self._count))

    def overloaded(self, ticket: int) -> None:
        """It was refused as one too many (429, 503), or no answer came in time."""
        self._tells(ticket, refused=True)

    def queued(self, waiting: int) -> None:
        """So many requests wait in the server's own queue: they were sent too early."""
        if waiting > max(1, self.value // 10):
            self._give_way(max(_GIVE_WAY, 1 - waiting / self.value))

    def _tells(self, ticket: int, *, refused: bool) -> bool:
        """Whether the call tells how fast the server is at the limit; acts on refusals."""
        retreat = self._retreat
        if retreat is not None and ticket == retreat.epoch:
            retreat.before.add(refused)
        if ticket != self._epoch:
            return False  # sent under another limit: it tells nothing of this one
        if self._watch.too_many(refused, 0.0 if retreat is None else retreat.borne):
            self._retire()
            return False
        if retreat is None:
            return True
        helped = retreat.helped(refused)
        if helped is not None:
            self._end_retreat(retreat, helped)
        return False

    def _retire(self) -> None:
        if self._trying is not None and not self._at_first:
            self._step = 1 + (self._step - 1) / 2
            self._hold, self._held = max(self._hold, _HOLD_TOLD), 0
            self._change(self._trying[0])
            self._trying = None
            return
        if self._retreat is None:
            # The last refusal is why one looks at all: counted, it would make any share a high one.
            streak = self._watch.streak
            before = Tally(streak.calls - 1, streak.refused - 1)
            self._retreat = Retreat(self.value, self._epoch, self._trying, before)
            self._trying = None
        self._change(max(1, int(self.value * _GIVE_WAY)))
        self._retreat.begin(self.value)

    def _end_retreat(self, retreat: Retreat, helped: bool) -> None:
        if helped:
            self._give_way(1.0)
        else:
            self._retreat = None
            self._watch.usual = retreat.left()
            self._trying = retreat.trying
            self._change(retreat.limit)

    def _judge(self, latency: float) -> None:
        demanded = self._fullest >= self.value
        if self._trying is not None and not demanded:
            self._change(self._trying[0])  # the room was not needed
            self._trying = None
        elif self._trying is not None:
            self._weigh_step(latency, *self._trying)
        elif latency > _SLOWER * self._best:
            self._give_way(_EASE)
        elif not demanded or self.value >= self._most:
            self._best = min(self._best, latency)
            self._restart(settle=False)
        elif self._at_first or self._held >= self._hold:
            self._best = min(self._best, latency)
            self._try_more(latency)
        else:
            self._best = min(self._best, latency)
            self._held += 1
            self._restart(settle=False)

    def _weigh_step(self, latency: float, before: int, latency_before: float) -> None:
        possible = self.value / before
        gain = possible * latency_before / latency
        few = self._count < self._enough()
        if few and gain < 1 + _CLEAR * (possible - 1):
            self._due = self._enough()
            return
        self._trying = None
        if gain >= 1 + _WORTH * (possible - 1):
            self._best, self._hold, self._held = latency, _HOLD_LEAST, 0
            self._step = min(_STEP, 1 + 2 * (self._step - 1))
            if self.value < self._most:
                self._try_more(latency)
            else:
                self._at_first = False
                self._restart(settle=False)
        elif self._at_first and not self._doubted:
            # Few calls were seen before the step: they may have been the quick ones.
            self._doubted = True
            self._change(before)
        else:
            self._at_first = False
            self._hold, self._held = min(_HOLD_MOST, 2 * self._hold), 0
            self._change(before)

    def _try_more(self, latency: float) -> None:
        self._trying = self.value, latency
        step = _FIRST_STEP if self._at_first else self._step
        self._change(min(self._most, max(self.value + 1, int(self.value * step))))

    def _give_way(self, factor: float) -> None:
        self._trying = self._retreat = None
        self._at_first = False
        self._hold, self._held = max(self._hold, _HOLD_TOLD), 0
        self._best = math.inf
        self._change(max(1, int(self.value * factor)))

    def _change(self, value: int) -> None:
        self.value = value
        self._epoch += 1
        self._watch.begin(value)
        self._restart()

    def _restart(self, *, settle: bool = True) -> None:
        # The first calls under a new limit meet a server that has not settled to it.
        places = self.value // 2 if self._at_first else self.value
        self._settling = places if settle else 0
        self._count, self._sum_of_logs, self._fullest = 0, 0.0, 0
        hasty = self._at_first and not self._doubted
        self._due = max(_WINDOW_AT_FIRST, self.value) if hasty else self._enough()

    def _enough(self) -> int:
        return max(_WINDOW, 2 * self.value)
