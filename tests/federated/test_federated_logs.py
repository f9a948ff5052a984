"""What partners send forges no line on the terminal of who leads or joins a job."""

from __future__ import annotations

import io
import logging

import pytest

from commonground.escaping import LogFormatter
from federated.flower.logs import log_as_we_do


def test_flowers_lines_go_the_way_of_ours(capfd: pytest.CaptureFixture[str]) -> None:
    flower, root, lines = logging.getLogger("flwr"), logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    root.addHandler(handler)
    try:
        assert flower.handlers, "Flower writes to the terminal by itself"
        log_as_we_do()
        import federated.flower.supernode  # noqa: F401  # which uses the most of Flower

        flower.warning("bad\nERROR all is lost\x1b[2J")
        flower.info("chatter")
    finally:
        root.removeHandler(handler)
    assert lines.getvalue() == "WARNING bad<U+000A>ERROR all is lost<U+001B>[2J\n"
    assert "\x1b[2J" not in capfd.readouterr().err
