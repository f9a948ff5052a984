"""Flower's log lines, which hold what partners sent: they go the way of ours, which escapes them."""

from __future__ import annotations

import logging

from flwr.common import logger


def log_as_we_do() -> None:
    """Takes from Flower the handler that writes to the terminal by itself; its chatter is no news."""
    logger.FLOWER_LOGGER.handlers.clear()
    say_less()


def say_less() -> None:
    """Of a server of ours, too: a line for each request was a twelfth of what it takes of the processor."""
    logger.FLOWER_LOGGER.setLevel(logging.WARNING)
