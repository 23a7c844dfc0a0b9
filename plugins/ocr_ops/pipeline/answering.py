"""Whether any model server, or the warehouse, answers at all: asked before a task waits for one, and when it comes back.

In: addresses and a key. Out: yes or no, within a few seconds. It asks for no work and says nothing about load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from psycopg.pq import PGconn, Ping
from sqlalchemy import make_url

from ocr_ops.chat_server import ChatServer
from ocr_ops.errors import TerminalError, TransientError

_WAIT_S = 5


def somebody_answers(urls: Sequence[str], api_key: str = "") -> bool:
    """Whether at least one server says that it is well, or has no page that says so; False without any URL."""
    return asyncio.run(_any_well(urls, api_key))


def warehouse_answers(url: str) -> bool:
    """Whether Postgres at this URL takes connections, be it not ours; False while it starts, recovers or stops."""
    address = make_url(url).set(drivername="postgresql").update_query_dict({"connect_timeout": str(_WAIT_S)})
    return PGconn.ping(address.render_as_string(hide_password=False).encode()) == Ping.OK


async def _any_well(urls: Sequence[str], api_key: str) -> bool:
    return any(await asyncio.gather(*(_is_well(url, api_key) for url in urls)))


async def _is_well(url: str, api_key: str) -> bool:
    server = ChatServer(url, api_key=api_key, connections=1)
    try:
        await server.check_health()
    except TransientError:
        return False
    except TerminalError:
        return True  # it refuses us, so it is there: the work itself will say what is wrong
    finally:
        await server.close()
    return True
