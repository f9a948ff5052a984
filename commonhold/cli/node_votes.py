"""Proposing, voting and carrying out what was decided, with a node's payout address."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonground.counting import plural
from commonhold.cli.addresses import parse_address
from commonhold.cli.node_chain import open_chain
from commonhold.cli.output import Printed, emit, micro, moment, say, table
from commonhold.cli.policy_words import policy_changes
from commonhold.cli.proposal_words import WHY, WHY_CHARS_MAX, reason, said
from contracts.client import ContractRefused
from contracts.governor import Act, Governor, Proposal, Tally
from coordinator.policies import changed_policy
from protocol.errors import ConfigError, StateError
from protocol.money.ballot import policy_hash, policy_text, rules_hash
from protocol.rules.network import check_policy
from protocol.rules.table import LATEST
from protocol.state import State

POLL_S: Final = 0.5
# Before anything can change it is looked at less often: each look takes five calls.
_PAUSE_MOST_S: Final = 3.0
# A block of any chain comes in this time; shares that were delegated in one vote from the next one on.
BLOCK_S: Final = 30.0
# A person reads what is proposed, and types a command.
BY_HAND_S: Final = 60
# The latest are shown: each costs a few calls.
SHOWN_MAX: Final = 30
_STEPS: Final = {"succeeded": "enact", "queued": "enact", "active": "vote", "pending": "vote"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose node it is, and how to answer."""

    directory: Path | None
    passphrase_path: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where a holder votes."""

    state: State
    governor: Governor


# ---- proposing ----


def propose_policy(terms: dict[str, int | str], why: str, asked: Asked) -> None:
    """Another policy, and where it mints more than the contracts do, that they may."""
    desk = _open(asked)
    state = desk.state
    policy = changed_policy(state, terms)
    check_policy(policy)
    changes = policy_changes(state.policy_to_come or state.policy, policy)
    if not changes:
        raise ConfigError("nothing would change", "the policy is so already")
    acts = [Act("board", "decide", (policy_hash(policy),))]
    if policy.epoch_emission_micro > state.onchain.emission_micro:
        most = desk.governor.emission_max()
        if policy.epoch_emission_micro > most:
            raise ConfigError(
                f"the contracts mint {micro(most)} shares in an epoch at the very most",
                "no vote raises that: lower --emission",
            )
        acts.insert(0, Act("settlement", "setEmission", (policy.epoch_emission_micro,)))
    _propose(desk, acts, [*changes, policy_text(policy)], why, asked.as_json)


def propose_rules(why: str, asked: Asked) -> None:
    """The next version of the rules. Raises StateError where this software would have to stop there."""
    desk = _open(asked)
    version = desk.state.rules + 1
    if version > LATEST:
        raise StateError(
            f"this network goes by version {desk.state.rules} of the rules, and this software knows none"
            " that follows: it would stop where the next one begins",
            "install a newer version of commonhold first, and propose it then",
        )
    acts = [Act("board", "decide", (rules_hash(version),))]
    _propose(desk, acts, [f"rules: version {version}"], why, asked.as_json)


def propose_asset(function: str, asset: str, why: str, asked: Asked) -> None:
    """That the vault takes a token, or no longer."""
    propose(Act("vault", function, (parse_address(asset),)), why, asked)


def propose(act: Act, why: str, asked: Asked) -> None:
    """One call of one of the network's contracts."""
    desk = _open(asked)
    _propose(desk, [act], [], why, asked.as_json)


def _propose(
    desk: _Desk, acts: Sequence[Act], lines: Sequence[str], why: str, as_json: bool
) -> None:
    if len(why) > WHY_CHARS_MAX or not why.isprintable():
        raise ConfigError(
            "--why is too long, or is no line", f"write one of at most {WHY_CHARS_MAX} characters"
        )
    governor = desk.governor
    delegated = _delegate(governor)
    # The time makes it another proposal than one of the same acts that was decided on before.
    words = "\n".join(filter(None, [why and WHY + why, *lines, f"proposed: {moment(time.time())}"]))
    proposal = _sent_proposal(governor, acts, words, BLOCK_S if delegated else 0)
    tally = governor.tally(proposal)
    text = said(desk.state, governor, proposal)
    emit(
        _data(desk.state, governor, proposal, tally),
        as_json,
        lambda: [
            f"proposed {name_of(proposal)}:",
            *(f"  {line}" for line in text),
            f"votes are cast from {moment(proposal.starts_s)} to {moment(tally.ends_s)}, with the shares"
            " that are delegated by then:",
            f"  commonhold node vote {name_of(proposal)} yes",
            *warn_of_haste(tally.ends_s - proposal.starts_s),
        ],
    )


def warn_of_haste(seconds: int) -> list[str]:
    """Where a vote ends before a person has voted."""
    if seconds >= BY_HAND_S:
        return []
    return [
        f"WARNING: this vote is open for {plural(seconds, 'second')}, too short for a person. A network that"
        " was founded with --tryout is for trying out settlements; before its first settlement the operator"
        " may set voting_delay and voting_period in coordinator.toml, see docs/contributor.md on votes"
    ]


def _sent_proposal(
    governor: Governor, acts: Sequence[Act], words: str, patience_s: float
) -> Proposal:
    """Sends it; shares that were delegated just now count from the next block on."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return governor.propose(acts, words)[0]
        except ContractRefused as refused:
            if refused.error != "GovernorInsufficientProposerVotes":
                raise
            if time.monotonic() > end:
                raise StateError(
                    f"proposing takes {micro(governor.threshold())} shares that vote, and you have"
                    f" {micro(governor.present_votes())}",
                    "claim what you earned (`commonhold node claim`), or ask somebody who has more",
                ) from refused
            time.sleep(POLL_S)


# ---- voting ----


def proposals(asked: Asked) -> None:
    """The latest first."""
    desk = _open(asked)
    governor, state = desk.governor, desk.state
    every = governor.proposals()[::-1]
    rows = [_data(state, governor, each, governor.tally(each)) for each in every[:SHOWN_MAX]]
    emit(
        {"proposals": rows, "left_out": max(0, len(every) - SHOWN_MAX)},
        asked.as_json,
        lambda: _listed(rows) if rows else "nothing was ever proposed",
    )


def vote(prefix: str, choice: str, wait_s: float, asked: Asked) -> None:
    """Casts our votes, if the vote is open, or opens within `wait_s`."""
    desk = _open(asked)
    governor = desk.governor
    proposal = _find(governor, prefix)
    tally = governor.tally(proposal)
    _require_open(proposal, tally)
    delegated = _delegate(governor)
    opens_s = proposal.starts_s
    tally = _await(governor, proposal, lambda now: now.state != "pending", wait_s, opens_s)
    if tally.state == "pending":
        raise StateError(
            f"the vote on {name_of(proposal)} begins at {moment(proposal.starts_s)}",
            "run this again then, or with --wait SECONDS",
        )
    _require_open(proposal, tally)
    if governor.has_voted(proposal):
        raise StateError(f"you have voted on {name_of(proposal)}", "a vote is cast once")
    votes = governor.votes(proposal)
    if not votes:
        raise StateError(
            f"none of your shares can vote on {name_of(proposal)}: they were not claimed, or not"
            f" delegated to you, before {moment(proposal.starts_s)}",
            "they are now, and count in all votes that begin from now on"
            if delegated
            else "`commonhold node claim` brings what you earned; it votes in later votes",
        )
    sent = governor.vote(proposal, choice)
    tally = governor.tally(proposal)
    emit(
        _tally_data(tally) | {"choice": choice, "votes": str(votes), "tx_hash": sent.tx_hash},
        asked.as_json,
        lambda: (
            f"you voted {choice} with {micro(votes)} shares; so far {_counts(tally)};"
            f" the vote ends at {moment(tally.ends_s)}"
        ),
    )


def enact(prefix: str, wait_s: float, asked: Asked) -> None:
    """Queues what was decided, and executes it once it is due, as far as `wait_s` goes."""
    desk = _open(asked)
    governor = desk.governor
    proposal = _find(governor, prefix)
    end = time.monotonic() + wait_s
    ends_s, open_states = governor.tally(proposal).ends_s, ("pending", "active")
    tally = _await(governor, proposal, lambda now: now.state not in open_states, wait_s, ends_s)
    if tally.state in open_states:
        raise StateError(
            f"the vote on {name_of(proposal)} ends at {moment(tally.ends_s)}; so far {_counts(tally)}",
            "run this again then, or with --wait SECONDS",
        )
    if tally.state == "succeeded":
        governor.queue(proposal)
        tally = governor.tally(proposal)
    if tally.state != "queued":
        raise StateError(
            f"{name_of(proposal)} is {tally.state}: {_counts(tally)}",
            "only what was decided, and not yet carried out, is enacted",
        )
    while True:
        try:
            sent = governor.execute(proposal)
            break
        except ContractRefused as refused:
            if refused.error != "TimelockUnexpectedOperationState":
                raise
            if time.monotonic() > end:
                raise StateError(
                    f"{name_of(proposal)} is queued, and due at {moment(tally.due_s)}",
                    "run this again then, or with --wait SECONDS",
                ) from refused
            time.sleep(POLL_S)
    text = said(desk.state, governor, proposal)
    emit(
        {"id": name_of(proposal), "state": "executed", "tx_hash": sent.tx_hash, "does": text},
        asked.as_json,
        lambda: [
            "done:",
            *(f"  {line}" for line in text),
            "the log follows when its operator next runs `settle`",
        ],
    )


# ---- parts ----


def name_of(proposal: Proposal) -> str:
    """The first digits of its id: they tell it apart."""
    return f"0x{proposal.id:064x}"[:14]


def _open(asked: Asked) -> _Desk:
    mine = open_chain(asked.directory, asked.passphrase_path)
    return _Desk(mine.state, mine.chain.governor)


def _find(governor: Governor, prefix: str) -> Proposal:
    """The proposal whose id begins so."""
    digits = prefix.lower().removeprefix("0x")
    found = [
        each for each in governor.proposals() if digits and f"{each.id:064x}".startswith(digits)
    ]
    if len(found) != 1:
        what = "no proposal has" if not found else f"{len(found)} proposals have"
        raise ConfigError(
            f"{what} an id that begins with {prefix!r}", "`commonhold node proposals` lists them"
        )
    return found[0]


def _delegate(governor: Governor) -> bool:
    """Lets our shares vote, if they are delegated to nobody; whether it had to."""
    if any(governor.delegate()) or not governor.shares():
        return False
    governor.delegate_to_ourselves()
    say("your shares were delegated to nobody, and could not vote: they are delegated to you now")
    return True


def _await(
    governor: Governor,
    proposal: Proposal,
    holds: Callable[[Tally], bool],
    seconds: float,
    moment_s: float,
) -> Tally:
    """How it stands once something holds, or after a while; by the chain's clock, it cannot be before
    `moment_s`."""
    end = time.monotonic() + seconds
    while not holds(tally := governor.tally(proposal)) and time.monotonic() < end:
        time.sleep(min(_PAUSE_MOST_S, max(POLL_S, moment_s - time.time())))
    return tally


def _require_open(proposal: Proposal, tally: Tally) -> None:
    if tally.state not in ("pending", "active"):
        raise StateError(
            f"the vote on {name_of(proposal)} is over: it is {tally.state}, {_counts(tally)}",
            "`commonhold node enact` carries out what was decided"
            if _STEPS.get(tally.state) == "enact"
            else "see `commonhold node proposals`",
        )


def _data(state: State, governor: Governor, proposal: Proposal, tally: Tally) -> dict[str, Any]:
    return _tally_data(tally) | {
        "id": name_of(proposal),
        "proposer": "0x" + proposal.proposer.hex(),
        "does": said(state, governor, proposal),
        "why": reason(proposal),
        "starts": proposal.starts_s,
    }


def _told(row: dict[str, Any]) -> str:
    why = [f"its author says: {row['why']}"] if row["why"] else []
    return "; ".join([*row["does"], *why])


def _tally_data(tally: Tally) -> dict[str, Any]:
    return {
        "state": tally.state,
        "ends": tally.ends_s,
        "due": tally.due_s,
        "yes": str(tally.yes),
        "no": str(tally.no),
        "abstain": str(tally.abstain),
        "quorum": None if tally.quorum is None else str(tally.quorum),
    }


def _counts(tally: Tally) -> str:
    counted = ", ".join(
        f"{word} {micro(votes)}"
        for word, votes in (("yes", tally.yes), ("no", tally.no), ("abstain", tally.abstain))
    )
    return counted if tally.quorum is None else f"{counted}, quorum {micro(tally.quorum)}"


def _listed(rows: Collection[dict[str, Any]]) -> Printed:
    columns = ["id", "what it does", "state", "yes", "no", "quorum", "vote ends"]
    return table(
        "Proposals",
        columns,
        [
            [
                *(row["id"], _told(row), row["state"]),
                *(micro(int(row["yes"])), micro(int(row["no"]))),
                *("" if row["quorum"] is None else micro(int(row["quorum"])), moment(row["ends"])),
            ]
            for row in rows
        ],
    )
