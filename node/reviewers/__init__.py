"""Automatic reviewers: plug-ins that answer for their owner when a draw names this node.

interface.py is what a plug-in implements, registry.py finds and loads one by its specification,
and the rest are the built-in ones: `digits`, `command`, and `constant` for tests and demos.
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
    read_refusal,
    read_relation,
)
from node.reviewers.registry import load_reviewer, load_reviewers, reviewer_names

__all__ = [
    "MEANINGS",
    "Case",
    "Refusal",
    "Relation",
    "Reviewer",
    "ShownPart",
    "ask",
    "ask_relation",
    "load_reviewer",
    "load_reviewers",
    "read_refusal",
    "read_relation",
    "reviewer_names",
]
