"""Find a reviewer by its specification, `name:argument`.

Built-in names cannot be shadowed. Others come from installed packages that declare an entry point
in the group `commonhold.reviewers`: a callable that takes the argument string and returns a
Reviewer. For example, in a plug-in's own pyproject.toml:

    [project.entry-points."commonhold.reviewers"]
    xray = "xray_reviewer:XrayReviewer"

Only the named plug-in is imported, and only when asked for: installing one runs none of its code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TypeAlias

from node.chat_terms import ChatTerms
from node.reviewers.command import CommandReviewer
from node.reviewers.constant import ConstantReviewer, RefusingReviewer
from node.reviewers.digits import DigitsReviewer
from node.reviewers.interface import Reviewer, program_of
from protocol.errors import CommonholdError, ConfigError, Reject
from protocol.text import quoted

ENTRY_POINT_GROUP = "commonhold.reviewers"

Factory: TypeAlias = Callable[[str], Reviewer]
CHAT = "chat"


def _chat(terms: ChatTerms) -> Factory:
    from node.reviewers.chat import ChatReviewer  # with an HTTP client, which few nodes need

    return lambda argument: ChatReviewer(argument, terms)


# Beside CHAT, which alone has terms of its owner's.
BUILT_IN: Mapping[str, Factory] = MappingProxyType(
    {
        "command": CommandReviewer,
        "constant": ConstantReviewer,
        "digits": DigitsReviewer,
        "refuse": RefusingReviewer,
    }
)


def reviewer_names() -> list[str]:
    """Every name that `load_reviewer` knows, sorted."""
    return sorted({CHAT, *BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names})


def check_reviewer(spec: str, chat: ChatTerms) -> None:
    """Whether there is such a reviewer, and of a built-in one whether its argument makes sense. Of a plug-in,
    nothing is imported yet.

    Raises ConfigError that lists the names.
    """
    name, _, argument = spec.partition(":")
    factory = _built_in(name, chat)
    if factory is not None:
        factory(argument)
    else:
        _entry_point(name)


def load_reviewer(spec: str, chat: ChatTerms | None = None) -> Reviewer:
    """Make and prepare the reviewer of `name:argument`, such as `digits:/path/to/private`.

    Raises ConfigError with advice for an unknown name, a bad argument or a plug-in that fails.
    """
    name, _, argument = spec.partition(":")
    factory = _built_in(name, chat or ChatTerms()) or _plug_in(name)
    try:
        reviewer = factory(argument)
        if not isinstance(reviewer, Reviewer):
            raise ConfigError(f"plug-in {name} does not implement Reviewer", "Update the plug-in.")
        _check_program(name, reviewer)
        reviewer.prepare()
    except CommonholdError:
        raise
    except Exception as error:  # foreign code: say which plug-in, whatever it raised
        raise ConfigError(
            f"reviewer {name} cannot start: {error!r}", "Check its argument, or update it."
        ) from error
    return reviewer


def _check_program(name: str, reviewer: Reviewer) -> None:
    try:
        program_of(reviewer)
    except Reject as error:
        raise ConfigError(f"reviewer {name}: {error}", error.advice) from error


def load_reviewers(
    by_campaign: Mapping[str, str], chat: ChatTerms | None = None
) -> dict[str, Reviewer | None]:
    """The reviewers of node.toml, by campaign id or ANY_CAMPAIGN; one specification is loaded once.

    None where it is empty: there a person answers. Raises ConfigError that names the campaign.
    """
    loaded: dict[str, Reviewer | None] = {"": None}
    for campaign_id, spec in by_campaign.items():
        if spec in loaded:
            continue
        try:
            loaded[spec] = load_reviewer(spec, chat)
        except ConfigError as error:
            raise ConfigError(f"reviewers.{campaign_id}: {error}", error.advice) from error
    return {campaign_id: loaded[spec] for campaign_id, spec in by_campaign.items()}


def _built_in(name: str, chat: ChatTerms) -> Factory | None:
    return _chat(chat) if name == CHAT else BUILT_IN.get(name)


def _entry_point(name: str) -> EntryPoint:
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        raise ConfigError(
            f"no reviewer is called {quoted(name)}", f"Known are: {', '.join(reviewer_names())}."
        )
    return next(iter(found))


def _plug_in(name: str) -> Factory:
    entry = _entry_point(name)
    try:
        factory: Factory = entry.load()
    except Exception as error:  # foreign code, imported for the first time
        raise ConfigError(
            f"plug-in {name} cannot be imported: {error!r}", "Reinstall or remove it."
        ) from error
    return factory
