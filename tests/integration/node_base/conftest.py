"""A coordinator that tests script, over real TLS, and what a node has of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from commonground.client import CoordinatorClient
from coordinator.keys import Keys
from node.keys import NodeKeys, generate_keys
from node.store import Store
from protocol.log.link import NetworkLink
from tests.scripted_coordinator import ScriptedCoordinator, make_keys, serving


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def keys() -> NodeKeys:
    return generate_keys()


@pytest.fixture
async def coordinator(operator: Keys) -> ScriptedCoordinator:
    return ScriptedCoordinator(operator)


@pytest.fixture
async def link(coordinator: ScriptedCoordinator) -> AsyncIterator[NetworkLink]:
    async with serving(coordinator) as where:
        yield where


@pytest.fixture
async def client(link: NetworkLink) -> AsyncIterator[CoordinatorClient]:
    async with CoordinatorClient(link) as connected:
        yield connected


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        yield opened
