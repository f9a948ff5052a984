"""Snapshots: which items a dataset has. The operator chooses campaign and scope, the rule the items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from commonground.counting import plural
from commonground.dataset.layout import SCOPE, scope_names
from coordinator.campaigns import require_campaign
from coordinator.operator import Operator
from protocol.errors import ConfigError, StateError
from protocol.limits import OPERATOR_LEAVES_MAX
from protocol.log.batch import batch_root
from protocol.log.strict import encode_leaf
from protocol.rows import Consent, ItemId, Snapshot
from protocol.rules.dataset import compute_snapshot, snapshot_leaves
from protocol.state import State
from protos.gen import records_pb2 as pb

# 48 bits: two snapshots of one operator share them once in ten million snapshots.
NAME_DIGITS: Final = 12


def scope_of(names: Sequence[str]) -> Consent:
    """The consent that a dataset needs of each item, from names in layout.SCOPE."""
    return Consent(**{name: name in names for name in SCOPE})


def folder_name(digest: bytes) -> str:
    """The dataset's folder: the first hexadecimal digits of its snapshot's digest."""
    return digest.hex()[:NAME_DIGITS]


def find_snapshot(state: State, prefix: str) -> tuple[bytes, Snapshot]:
    """The one snapshot whose digest begins with `prefix` (hexadecimal); raises ConfigError."""
    wanted = prefix.lower()
    found = [each for each in state.snapshots.scan() if each[0].hex().startswith(wanted)]
    if not wanted or not found:
        raise ConfigError(
            f"no snapshot's digest begins with {prefix!r}",
            "`commonhold coordinator export` makes one and prints it",
        )
    if len(found) > 1:
        raise ConfigError(f"{len(found)} snapshots begin with {prefix!r}", "give more digits")
    return found[0]


def log_snapshot(operator: Operator, campaign_id: str, scope: Consent) -> tuple[bytes, Snapshot]:
    """The snapshot of now, with its digest: the one that the log has already, or a new one.

    Raises:
        ConfigError: there is no such campaign.
        StateError: no item fits, too many do, or the campaign's content is not to be published.
    """
    state = operator.state
    items = _select(state, campaign_id, scope)
    leaves = [encode_leaf(leaf) for leaf in snapshot_leaves(state, items)]
    root = batch_root(leaves)
    known = _logged(state, campaign_id, scope, root)
    if known is None:
        body = pb.Snapshot(
            network=state.network,
            campaign_id=campaign_id,
            scope=scope.record(),
            items=pb.Batch(root=root, count=len(leaves)),
        )
        operator.append("snapshot", body, leaves)
        known = _logged(operator.state, campaign_id, scope, root)
    if known is None:
        raise StateError("the log's snapshot is not the one that was sent", "run it again")
    return known


def _select(state: State, campaign_id: str, scope: Consent) -> list[ItemId]:
    campaign = require_campaign(state, campaign_id)
    if not campaign.is_open:
        raise StateError(
            f"the content of campaign {campaign_id!r} goes to its reviewers only",
            "only an open campaign can be exported; train on it where it is",
        )
    items = compute_snapshot(state, campaign_id, scope)
    if len(items) > OPERATOR_LEAVES_MAX:
        raise StateError(
            f"{len(items):,} items fit; a snapshot holds at most {OPERATOR_LEAVES_MAX:,}",
            "split the campaign: see docs/dataset.md on size",
        )
    if not items:
        accepted = state.accepted.count(campaign_id)
        if accepted == 0:
            raise StateError(
                f"campaign {campaign_id!r} has no accepted item", "wait for a round's verdict"
            )
        raise StateError(
            f"none of {plural(accepted, 'accepted item')} comes with consent to "
            + ", ".join(scope_names(scope)),
            _what_fits(state, campaign_id),
        )
    return items


def _what_fits(state: State, campaign_id: str) -> str:
    """What most accepted items come with consent to, of what their authors said."""
    given: Counter[Consent] = Counter()
    for _, item_id in state.accepted.scan(campaign_id):
        described = state.items[item_id].description
        if described is not None:
            given[described.consent] += 1
    for consent, count in given.most_common(1):
        if names := scope_names(consent):
            scope = " ".join(f"--scope {name}" for name in names)
            return f"{plural(count, 'item comes', 'items come')} with consent to less: add {scope}"
    return "ask contributors for consent: `commonhold node submit --consent`"


def _logged(
    state: State, campaign_id: str, scope: Consent, root: bytes
) -> tuple[bytes, Snapshot] | None:
    """With the parts that the items have now, worth what they are now: nothing was withdrawn from it since,
    and no contest has changed it."""
    wanted = (campaign_id, scope, root, 0)
    return next(
        (
            (digest, each)
            for digest, each in state.snapshots.scan()
            if (each.campaign_id, each.scope, each.root, each.withdrawn) == wanted
        ),
        None,
    )
