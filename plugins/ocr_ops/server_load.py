"""What a vLLM server says of its own work in `/metrics`. Pure.

In: the text of a Prometheus exposition. Out: how many requests run and wait in the engine, or None where the text does
not say. Pictures still being prepared by the API process are in neither number, so a low one proves little; a high
number of waiting requests proves that the server has enough.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MOST_CHARS = 4_000_000
"""No more of an answer is looked at."""

_GAUGE = re.compile(
    r"^vllm:num_requests_(?P<which>running|waiting)(?:\{[^\n]{0,2000}?\})?[ \t]+(?P<value>[0-9.eE+]{1,30})",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """Requests in a server's engine, whoever sent them."""

    running: int
    waiting: int

    def too_many(self, ours: int) -> int:
        """How many of `ours` requests under way wait longer than keeps the server busy; 0 where all is well."""
        spare = max(4, self.running // 4)
        excess = self.waiting - spare
        if excess <= 0 or ours <= 0:
            return 0
        return min(ours, math.ceil(excess * min(1.0, ours / (self.running + self.waiting))))


def parse_load(text: str) -> ServerLoad | None:
    """Read both gauges, summed over the engines of a server; None when either is missing."""
    sums: dict[str, float] = {}
    for found in _GAUGE.finditer(text[:MOST_CHARS]):
        try:
            value = float(found["value"])
        except ValueError:
            return None
        sums[found["which"]] = sums.get(found["which"], 0.0) + value
    if set(sums) != {"running", "waiting"} or not all(math.isfinite(value) for value in sums.values()):
        return None
    return ServerLoad(round(sums["running"]), round(sums["waiting"]))
