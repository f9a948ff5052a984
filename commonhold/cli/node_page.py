"""`commonhold node page`: where the running node's page is; and the budgets that the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from commonhold.cli.node_home import is_running, open_home
from node.config import NodeDirectory
from node.page.sources import ReadSpending, Spending
from protocol.errors import StateError, StoreError

# A loopback address with two secrets has some 150 characters; a file beyond this is not ours.
_URL_CHARS_MAX: Final = 1_024
_BUDGET: Final = "budget.db"


def address(directory: Path | None) -> str:
    """The address of the running node's page."""
    home, _ = open_home(directory)
    if not is_running(home):
        raise StateError(
            "your node is not running, so it has no page", "run `commonhold node start`"
        )
    return _read(home)


def _read(home: NodeDirectory) -> str:
    try:
        with home.page.open(encoding="ascii") as file:
            return file.read(_URL_CHARS_MAX).strip()
    except FileNotFoundError:
        raise StateError("your node is still starting", "try again in a moment") from None
    except OSError as error:
        raise StoreError(f"cannot read {home.page}: {error.strerror}") from error


def spending_of(home: NodeDirectory) -> ReadSpending:
    """Reads what training has spent of this machine's budgets; nothing where nobody ever trained."""
    path = home.root / _BUDGET

    def read() -> Sequence[Spending]:
        from federated.budget import read_spending

        return read_spending(path)

    return read
