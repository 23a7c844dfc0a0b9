"""What a run would do, how long it would take and what it would cost, as recent runs went. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from ocr_ops.pipeline.journey import Order
from ocr_ops.pipeline.planning import Forecast, forecast
from ocr_ops.pipeline.workshop import Workshop
from ocr_ops.settings import LlmProvider, Settings
from ocr_ops.source import Place
from ocr_ops.warehouse.connecting import connected

_MILLION = 1_000_000
_PACE = text("""
with recent as (
  select r.run_id, extract(epoch from r.finished_at - r.started_at) as seconds, sum(d.page_count) as pages
  from ingest.runs r
  join ingest.run_documents c on c.run_id = r.run_id and c.changed
  join ingest.documents d using (document_key)
  where r.finished_at is not null and r.changed > 0
  group by r.run_id
  order by r.started_at desc limit 10
)
select sum(seconds) / nullif(sum(pages), 0) from recent
""")
_TOKENS = text("""
with recent as (
  select document_key, sum(prompt_tokens) as sent, sum(completion_tokens) as answered
  from ingest.model_calls where stage = 'extract' and engine = 'llm'
  group by document_key order by max(noted_at) desc limit 200
)
select sum(r.sent) / nullif(sum(d.page_count), 0) as sent, sum(r.answered) / nullif(sum(d.page_count), 0) as answered
from recent r join ingest.documents d using (document_key)
""")


@dataclass(frozen=True, slots=True)
class Expectation:
    """A forecast with time and money; None where no earlier run tells. Money is in the currency of the prices."""

    forecast: Forecast
    seconds: float | None
    cost: Decimal | None

    def in_words(self) -> str:
        """The same in a few sentences for a person."""
        seen = self.forecast
        took = "an unknown time (no earlier run to go by)" if self.seconds is None else _span(self.seconds)
        cost = "unknown (no earlier run or no prices)" if self.cost is None else f"{self.cost:.2f}"
        return (
            f"Nothing was done. {seen.found} documents found: {seen.new} new, {seen.known} known already, "
            f"{seen.unreadable} that cannot be read. About {seen.pages} pages in {seen.batches} batches, {took}; "
            f"expected cost of the language model {cost}."
        )


def expect(shop: Workshop, folder: Place, order: Order) -> Expectation:
    """Look at a folder or a bucket as a run would, and judge from earlier runs what that run would take."""
    seen = forecast(shop, folder, order)
    with connected(shop.settings.database_url) as connection:
        pace = connection.scalar(_PACE)
        tokens = connection.execute(_TOKENS).one()
    seconds = None if pace is None else float(pace) * seen.pages
    return Expectation(seen, seconds, _cost(shop.settings, seen.pages, tokens.sent, tokens.answered))


def _cost(settings: Settings, pages: int, sent: Decimal | None, answered: Decimal | None) -> Decimal | None:
    if settings.llm_provider is LlmProvider.NONE:
        return Decimal(0)
    if sent is None or answered is None or not (settings.llm_price_in or settings.llm_price_out):
        return None
    return pages * (sent * settings.llm_price_in + answered * settings.llm_price_out) / _MILLION


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"about {minutes} min {rest} s" if minutes else f"about {rest} s"
