"""Automatic reviewers: plug-ins that answer for their owner when a draw names this node.

interface.py is what a plug-in implements, registry.py finds and loads one by its specification,
and the rest are the built-in ones: `chat` for a model behind HTTP, `command`, `digits`, and `constant`
for tests and demos.
"""

from __future__ import annotations

from node.reviewers.interface import (
    MEANINGS,
    Case,
    Refusal,
    Relation,
    Reviewer,
    ShownPart,
    ask,
    ask_relation,
    hindrance,
    program_of,
    read_refusal,
    read_relation,
)
from node.reviewers.registry import (
    check_reviewer,
    load_reviewer,
    load_reviewers,
    reviewer_names,
)

__all__ = [
    "MEANINGS",
    "Case",
    "Refusal",
    "Relation",
    "Reviewer",
    "ShownPart",
    "ask",
    "ask_relation",
    "check_reviewer",
    "hindrance",
    "load_reviewer",
    "load_reviewers",
    "program_of",
    "read_refusal",
    "read_relation",
    "reviewer_names",
]
