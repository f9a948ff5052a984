"""What contributors and reviewers can be asked: the kinds of tasks."""

from __future__ import annotations

from typing import Any, Final

from protocol.errors import Reject
from protocol.tasks.classify import Classify
from protocol.tasks.judge import Judge
from protocol.tasks.kind import Kind
from protocol.tasks.prefer import Prefer
from protocol.tasks.rate import Rate
from protocol.tasks.tags import Tags
from protocol.text import quoted

KINDS: Final[dict[str, Kind[Any]]] = {
    "classify": Classify(),
    "rate": Rate(),
    "prefer": Prefer(),
    "judge": Judge(),
    "tags": Tags(),
}


def kind_of(name: str) -> Kind[Any]:
    """The kind with this name; raises Reject that lists them."""
    if name not in KINDS:
        raise Reject(f"there is no kind of task {quoted(name)}", f"kinds are: {', '.join(KINDS)}")
    return KINDS[name]
