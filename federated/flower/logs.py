"""Flower's log lines, which hold what partners sent: they go the way of ours, which escapes them."""

from __future__ import annotations

import logging

from flwr.common import logger


def log_as_we_do() -> None:
    """Takes from Flower the handler that writes to the terminal by itself; its chatter is no news."""
    logger.FLOWER_LOGGER.handlers.clear()
    logger.FLOWER_LOGGER.setLevel(logging.WARNING)
