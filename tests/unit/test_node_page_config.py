"""The page's one setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from node.config import NodeConfig, NodeDirectory, load_config, write_config
from protocol.errors import ConfigError
from tests.simulated_log import LINK


@pytest.fixture
def home(tmp_path: Path) -> NodeDirectory:
    made = NodeDirectory(tmp_path)
    write_config(made, NodeConfig(LINK))
    return made


def test_any_free_port_is_the_default(home: NodeDirectory) -> None:
    assert load_config(home).page_port == 0


def test_a_port_survives_writing(home: NodeDirectory) -> None:
    write_config(home, replace(NodeConfig(LINK), page_port=8765))
    assert load_config(home).page_port == 8765


@pytest.mark.parametrize("value", ["-1", "65536", "true", '"8765"', "1.5"])
def test_what_is_no_port_is_refused(home: NodeDirectory, value: str) -> None:
    text = home.config.read_text()
    home.config.write_text(text.replace("page_port = 0", f"page_port = {value}"))
    with pytest.raises(ConfigError, match="page_port is "):
        load_config(home)
