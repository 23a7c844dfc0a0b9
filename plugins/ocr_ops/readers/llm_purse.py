"""What a run may spend on a language model, in tokens and money. Nothing here waits, asks or knows prices by itself.

A request is paid for before it is sent, at the most it can cost, and settled when its reply says what it took; a run
that could pass its budget stops before the request. No tokenizer makes more tokens than a text has bytes, so a prompt's
bytes bound its tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from ocr_ops.errors import TerminalError

MILLION = Decimal(1_000_000)
PICTURE_TOKENS = 6_000
"""More than any known model takes for one picture of the size we send."""


class BudgetSpent(TerminalError):
    """Raise when the next request could pass the budget; what was done before is kept."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Most tokens and money of one run, 0 for no bound; prices are for a million tokens, in any one currency."""

    tokens: int = 0
    cost: Decimal = Decimal(0)
    price_in: Decimal = Decimal(0)
    price_out: Decimal = Decimal(0)

    def price_of(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """What so many tokens cost."""
        return (self.price_in * prompt_tokens + self.price_out * completion_tokens) / MILLION

    def share(self, part: int, of: int) -> Budget:
        """The part of the budget that belongs to `part` of `of` documents; bounds stay bounds."""
        if part >= of:
            return self
        tokens = max(1, self.tokens * part // of) if self.tokens else 0
        return Budget(tokens, self.cost * part / of, self.price_in, self.price_out)


@dataclass(slots=True)
class Spent:
    """What one request took, filled in when its reply came."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class Purse:
    """What is left of a budget; one for all that spends from it, in one thread."""

    budget: Budget = field(default_factory=Budget)
    tokens: int = 0
    cost: Decimal = Decimal(0)

    @contextmanager
    def paying(self, prompt_bytes: int, max_tokens: int, pictures: int = 0) -> Iterator[Spent]:
        """Set the most a request can cost aside, raise BudgetSpent if that is too much; settle at what is noted in it.

        A request of which nobody says what it took counts in full.
        """
        most_in = prompt_bytes + pictures * PICTURE_TOKENS
        held = self.budget.price_of(most_in, max_tokens)
        self._refuse_beyond(most_in + max_tokens, held)
        self.tokens += most_in + max_tokens
        self.cost += held
        spent = Spent(most_in, max_tokens)
        try:
            yield spent
        finally:
            self.tokens += spent.prompt_tokens + spent.completion_tokens - most_in - max_tokens
            self.cost += self.budget.price_of(spent.prompt_tokens, spent.completion_tokens) - held

    def _refuse_beyond(self, tokens: int, cost: Decimal) -> None:
        bounds = self.budget
        if bounds.tokens and self.tokens + tokens > bounds.tokens:
            raise BudgetSpent(
                f"the run's budget of {bounds.tokens} tokens for the language model leaves too little for another "
                f"request ({self.tokens} are spent or set aside); raise OCR_OPS_LLM_TOKEN_BUDGET and run again: "
                "what was done is kept"
            )
        if bounds.cost and self.cost + cost > bounds.cost:
            raise BudgetSpent(
                f"the run's budget of {bounds.cost} for the language model leaves too little for another request "
                f"({self.cost:.4f} is spent or set aside); raise OCR_OPS_LLM_COST_BUDGET and run again: what was done is kept"
            )
