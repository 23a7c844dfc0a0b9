"""Fixtures of the integration tests: one running Airflow for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_site import Site, running_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running Airflow; use it in tests marked `airflow` and `postgres`."""
    with running_site(tmp_path_factory.mktemp("machine") / "var", Site) as made:
        yield made
