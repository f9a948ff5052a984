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

from node.reviewers.command import CommandReviewer
from node.reviewers.constant import ConstantReviewer, RefusingReviewer
from node.reviewers.digits import DigitsReviewer
from node.reviewers.interface import Reviewer
from protocol.errors import CommonholdError, ConfigError

ENTRY_POINT_GROUP = "commonhold.reviewers"

BUILT_IN: Mapping[str, Callable[[str], Reviewer]] = MappingProxyType(
    {
        "command": CommandReviewer,
        "constant": ConstantReviewer,
        "digits": DigitsReviewer,
        "refuse": RefusingReviewer,
    }
)


def reviewer_names() -> list[str]:
    """Every name that `load_reviewer` knows, sorted."""
    return sorted({*BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names})


def load_reviewer(spec: str) -> Reviewer:
    """Make and prepare the reviewer of `name:argument`, such as `digits:/path/to/private`.

    Raises ConfigError with advice for an unknown name, a bad argument or a plug-in that fails.
    """
    name, _, argument = spec.partition(":")
    factory = BUILT_IN.get(name) or _plug_in(name)
    try:
        reviewer = factory(argument)
        if not isinstance(reviewer, Reviewer):
            raise ConfigError(f"plug-in {name} does not implement Reviewer", "Update the plug-in.")
        reviewer.prepare()
    except CommonholdError:
        raise
    except Exception as error:  # foreign code: say which plug-in, whatever it raised
        raise ConfigError(
            f"reviewer {name} cannot start: {error!r}", "Check its argument, or update it."
        ) from error
    return reviewer


def load_reviewers(by_campaign: Mapping[str, str]) -> dict[str, Reviewer | None]:
    """The reviewers of node.toml, by campaign id or ANY_CAMPAIGN; one specification is loaded once.

    None where it is empty: there a person answers. Raises ConfigError that names the campaign.
    """
    loaded: dict[str, Reviewer | None] = {"": None}
    for campaign_id, spec in by_campaign.items():
        if spec in loaded:
            continue
        try:
            loaded[spec] = load_reviewer(spec)
        except ConfigError as error:
            raise ConfigError(f"reviewers.{campaign_id}: {error}", error.advice) from error
    return {campaign_id: loaded[spec] for campaign_id, spec in by_campaign.items()}


def _plug_in(name: str) -> Callable[[str], Reviewer]:
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    if not found:
        raise ConfigError(
            f"no reviewer is called {name!r}", f"Known are: {', '.join(reviewer_names())}."
        )
    entry: EntryPoint = next(iter(found))
    try:
        factory: Callable[[str], Reviewer] = entry.load()
    except Exception as error:  # foreign code, imported for the first time
        raise ConfigError(
            f"plug-in {name} cannot be imported: {error!r}", "Reinstall or remove it."
        ) from error
    return factory
