"""Which of several equal servers gets the next request: the one with least to do, and none that is resting.

A server that fails rests for a while, twice as long each time up to a few seconds. Before it gets a request again it is
asked whether it is well; then it gets one request, or a quarter of its usual ones where it said that it is well, and after
the first reply as many as before. A server that is full is given fewer requests at once, then slowly more; so is one
whose own count of waiting requests shows that it has more than it needs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ocr_ops.chat_server import ChatServer
from ocr_ops.errors import ModelBusy, ModelUnreachable, TerminalError, TransientError
from ocr_ops.model_faults import ServerBusy
from ocr_ops.server_load import ServerLoad

LONGEST_REST_S = 4.0
"""Short: asking after a server's health costs nothing, and a GPU that is back should not stand idle."""
LOOK_EVERY_S = 3.0
"""Between two looks at what a server says of its own load, while it has requests of ours."""
MOST_BLIND_LOOKS = 2
"""Looks without an answer after which a server is not asked for its load again."""


@dataclass(slots=True, eq=False)
class Member:
    """One server and how it fares. Times are the event loop's."""

    server: ChatServer
    in_flight: int
    room: float
    slow_from: float
    outstanding: int = 0
    failures: int = 0
    resting_until: float = 0.0
    last_fault: TransientError | None = None
    next_look: float = 0.0
    blind_looks: int = 0
    long_queues: int = 0
    look: asyncio.Task[None] | None = None

    def is_free(self, now: float) -> bool:
        """Whether it may get one more request."""
        return self.resting_until <= now and self.outstanding < int(self.room)

    def answered(self, now: float) -> None:
        """Note a reply: trust grows quickly up to where it last was full, slowly beyond.

        A reply that comes while the server rests was asked for before the fault and proves nothing.
        """
        if now < self.resting_until:
            return
        if isinstance(self.last_fault, ModelUnreachable):
            self.room = max(self.room, self.slow_from)
        self.failures, self.last_fault = 0, None
        step = 1.0 if self.room < self.slow_from else 1.0 / self.room
        self.room = min(float(self.in_flight), self.room + step)

    def failed(self, fault: TransientError, now: float, rest_s: float) -> None:
        """Note a fault; several faults of one moment count once."""
        if isinstance(fault, ModelBusy):
            self.slow_from = self.room = max(1.0, float(self.outstanding - 1))
        else:
            self.room = 1.0
        self.last_fault = fault
        if now < self.resting_until:
            return
        self.failures += 1
        asked_s = fault.retry_after_s if isinstance(fault, ServerBusy) else 0.0
        # jitter spreads callers, it guards nothing
        rest = random.uniform(0.5, 1.0) * min(rest_s * 2 ** (self.failures - 1), LONGEST_REST_S)  # noqa: S311
        self.resting_until = now + max(asked_s, rest)

    def sees(self, load: ServerLoad) -> None:
        """Note what the server says of its load: what waits there for long had better wait here, or go elsewhere.

        Pages that came together wait together for their pictures, so one long queue means nothing, and no look
        takes more than a quarter.
        """
        excess = load.too_many(self.outstanding)
        self.long_queues = self.long_queues + 1 if excess else 0
        if self.long_queues > 1:
            self.room = max(1.0, float(self.outstanding - min(excess, self.outstanding // 4)))


class Fleet:
    """Servers that serve the same model."""

    def __init__(
        self,
        servers: Sequence[ChatServer],
        *,
        in_flight: int,
        rest_s: float,
        give_up_after: int,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`in_flight` is per server; `rest_s` the first rest; `give_up_after` the failures in a row of every server.

        `look_every_s` is the time between two looks at a server's load; infinity: never look.
        """
        if not servers or in_flight < 1:
            raise ValueError("a fleet needs a server and room for a request")
        self._members = [Member(server, in_flight, float(in_flight), float(in_flight)) for server in servers]
        self._rest_s = rest_s
        self._give_up_after = give_up_after
        self._look_every_s = look_every_s
        self._waiting: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def server(self) -> AsyncIterator[ChatServer]:
        """Lend the least busy server, waiting until one is free; raises the last fault when all keep failing."""
        member = await self._sound_member()
        self._look_at(member)
        try:
            yield member.server
        except TransientError as fault:
            member.failed(fault, _now(), self._rest_s)
            raise
        except TerminalError:
            member.answered(_now())
            raise
        else:
            member.answered(_now())
        finally:
            self._release(member)

    async def close(self) -> None:
        """Close the connections of all servers."""
        for member in self._members:
            look, member.look = member.look, None
            if look is not None and look.get_loop() is asyncio.get_running_loop():
                look.cancel()
                await asyncio.wait([look])
            await member.server.close()

    async def _sound_member(self) -> Member:
        """Reserve a place at a server; one that was away is asked first, so that no page pays for its absence."""
        while True:
            member = await self._free_member()
            member.outstanding += 1
            if not isinstance(member.last_fault, ModelUnreachable):
                return member
            try:
                if await member.server.check_health():
                    member.room = max(member.room, member.in_flight / 4)
                return member
            except TransientError as fault:
                self._release(member)
                member.failed(fault, _now(), self._rest_s)
            except BaseException:
                self._release(member)
                raise

    def _release(self, member: Member) -> None:
        member.outstanding -= 1
        self._wake()

    def _look_at(self, member: Member) -> None:
        """Look at a server's load beside the work, now and then, and never at one that does not tell."""
        now, loop = _now(), asyncio.get_running_loop()
        if not member.next_look:
            # work that is done before the first look never pays for one
            member.next_look = now + self._look_every_s
        busy = member.look is not None and not member.look.done() and member.look.get_loop() is loop
        if member.blind_looks >= MOST_BLIND_LOOKS or now < member.next_look or busy:
            return
        member.next_look = now + self._look_every_s
        member.look = loop.create_task(self._look(member))

    async def _look(self, member: Member) -> None:
        try:
            load = await member.server.load()
        except (TransientError, TerminalError):
            load = None
        if load is None:
            member.blind_looks += 1
            return
        member.blind_looks = 0
        member.sees(load)

    async def _free_member(self) -> Member:
        while True:
            now = _now()
            free = [member for member in self._members if member.is_free(now)]
            if free:
                return min(free, key=lambda member: member.outstanding)
            self._give_up_when_hopeless(now)
            rests = [member.resting_until - now for member in self._members if member.resting_until > now]
            await self._wait(min(rests, default=None))

    def _give_up_when_hopeless(self, now: float) -> None:
        if all(m.resting_until > now and m.failures >= self._give_up_after for m in self._members):
            raise self._members[0].last_fault or ModelUnreachable("no model server answers")

    async def _wait(self, seconds: float | None) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(turn)

    def _wake(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
