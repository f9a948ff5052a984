"""Which rules a record kind has, by version of the rules: the one table that says so.

A version is never changed once a network runs under it: a change of a rule is a new version, a copy of the
table with other lines in it, and an `upgrade` record takes a network there at the end of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from protocol.errors import Outdated
from protocol.rules import (
    answering,
    attesting,
    campaigns,
    chain,
    close,
    contesting,
    dataset,
    drawing,
    faults,
    intake,
    licences,
    life,
    moving,
    network,
    opening,
    people,
    retiring,
    sealing,
    settling,
    takedown,
    training,
    training_rounds,
    verdict,
    withdrawal,
    witnesses,
)
from protocol.rules.record import Record
from protocol.state import State
from protos.gen import records_pb2 as pb

AnyRecord = Record[Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of record is treated.

    batch: the field whose leaves travel beside the record, and `leaves` their types. erasable: a replay may
    find only their hashes. opens: what its author opens to the coordinator beside it, sealed until the
    verdict. erases: it takes leaves or openings away. heavy: its rules go through a whole round or epoch.
    """

    message: type[Message]
    validate: Callable[[State, AnyRecord], None]
    process: Callable[[State, AnyRecord], None]
    by_operator: bool = False
    batch: str | None = None
    leaves: tuple[type[Message], ...] = ()
    erasable: bool = False
    opens: str | None = None
    erases: bool = False
    heavy: bool = False


_FIRST: Final[dict[str, Rule]] = {
    "genesis": Rule(
        pb.Genesis, network.validate_genesis, network.process_genesis, by_operator=True
    ),
    "policy": Rule(
        pb.PolicyChange, network.validate_policy, network.process_policy, by_operator=True
    ),
    "upgrade": Rule(
        pb.Upgrade, network.validate_upgrade, network.process_upgrade, by_operator=True
    ),
    "successor": Rule(
        pb.Successor, network.validate_successor, network.process_successor, by_operator=True
    ),
    "register": Rule(pb.Register, people.validate_register, people.process_register),
    "delegate": Rule(pb.Delegate, people.validate_delegate, people.process_delegate),
    "witnesses": Rule(
        pb.Witnesses,
        witnesses.validate_witnesses,
        witnesses.process_witnesses,
        by_operator=True,
    ),
    "assent": Rule(pb.Assent, witnesses.validate_assent, witnesses.process_assent),
    "deal": Rule(pb.Deal, witnesses.validate_deal, witnesses.process_deal),
    "dealt": Rule(pb.Dealt, witnesses.validate_dealt, witnesses.process_dealt, by_operator=True),
    "complain": Rule(pb.Complain, witnesses.validate_complain, witnesses.process_complain),
    "confirm": Rule(pb.Confirm, witnesses.validate_confirm, witnesses.process_confirm),
    "coin": Rule(
        pb.Coin, witnesses.validate_coin, witnesses.process_coin, by_operator=True, heavy=True
    ),
    "campaign": Rule(
        pb.Campaign, campaigns.validate_campaign, campaigns.process_campaign, by_operator=True
    ),
    "pause": Rule(pb.Pause, life.validate_pause, life.process_pause, by_operator=True),
    "change": Rule(pb.Change, life.validate_change, life.process_change, by_operator=True),
    "close-campaign": Rule(
        pb.CloseCampaign,
        life.validate_close_campaign,
        life.process_close_campaign,
        by_operator=True,
        erases=True,
        heavy=True,
    ),
    "submission": Rule(
        pb.Submission,
        intake.validate_submission,
        intake.process_submission,
        batch="items",
        leaves=(pb.Item, pb.Part),
        erasable=True,
        opens="proposals",
    ),
    "withdraw": Rule(
        pb.Withdraw,
        withdrawal.validate_withdraw,
        withdrawal.process_withdraw,
        erases=True,
        heavy=True,
    ),
    "contest": Rule(pb.Contest, contesting.validate_contest, contesting.process_contest),
    "takedown": Rule(
        pb.Takedown,
        takedown.validate_takedown,
        takedown.process_takedown,
        by_operator=True,
        erases=True,
    ),
    "standby": Rule(pb.Standby, drawing.validate_standby, drawing.process_standby),
    "seal": Rule(
        pb.Seal,
        sealing.validate_seal,
        sealing.process_seal,
        by_operator=True,
        batch="found",
        leaves=(pb.Duplicate, pb.Resemblance, pb.GoldHash),
        opens="gold",
        heavy=True,
    ),
    "toss": Rule(pb.Toss, drawing.validate_toss, drawing.process_toss),
    "draw": Rule(
        pb.Draw,
        drawing.validate_draw,
        drawing.process_draw,
        by_operator=True,
        batch="assignments",
        leaves=(pb.Assignment,),
        heavy=True,
    ),
    "commit": Rule(pb.Commit, answering.validate_commit, answering.process_commit),
    "end-commits": Rule(
        pb.EndCommits,
        answering.validate_end_commits,
        answering.process_end_commits,
        by_operator=True,
        heavy=True,
    ),
    "reveal": Rule(
        pb.Reveal,
        answering.validate_reveal,
        answering.process_reveal,
        batch="answers",
        leaves=(pb.Answer,),
    ),
    "verdict": Rule(
        pb.Verdict,
        verdict.validate_verdict,
        verdict.process_verdict,
        by_operator=True,
        batch="verdicts",
        leaves=(pb.ItemVerdict,),
        erases=True,
        heavy=True,
    ),
    "close": Rule(
        pb.Close,
        close.validate_close,
        close.process_close,
        by_operator=True,
        batch="lines",
        leaves=(pb.RewardLine,),
        heavy=True,
    ),
    "deployment": Rule(
        pb.Deployment, chain.validate_deployment, chain.process_deployment, by_operator=True
    ),
    "move": Rule(pb.Move, moving.validate_move, moving.process_move, by_operator=True),
    "retire": Rule(pb.Retire, retiring.validate_retire, retiring.process_retire, by_operator=True),
    "chain": Rule(
        pb.Chain,
        chain.validate_chain,
        chain.process_chain,
        by_operator=True,
        batch="logs",
        leaves=(pb.ChainLog,),
        heavy=True,
    ),
    "rewind": Rule(pb.Rewind, chain.validate_rewind, chain.process_rewind, by_operator=True),
    "settlement": Rule(
        pb.Settlement,
        settling.validate_settlement,
        settling.process_settlement,
        by_operator=True,
        heavy=True,
    ),
    "uphold": Rule(pb.Uphold, settling.validate_uphold, settling.process_uphold, by_operator=True),
    "witness-change": Rule(
        pb.WitnessChange,
        settling.validate_witness_change,
        settling.process_witness_change,
        by_operator=True,
    ),
    "slash": Rule(pb.Slash, faults.validate_slash, faults.process_slash, by_operator=True),
    "attest": Rule(pb.Attest, attesting.validate_attest, attesting.process_attest),
    "snapshot": Rule(
        pb.Snapshot,
        dataset.validate_snapshot,
        dataset.process_snapshot,
        by_operator=True,
        batch="items",
        leaves=(pb.SnapshotItem,),
        heavy=True,
    ),
    "licence": Rule(
        pb.Licence, licences.validate_licence, licences.process_licence, by_operator=True
    ),
    "job": Rule(pb.Job, training.validate_job, training.process_job, by_operator=True),
    "enrol": Rule(pb.Enrol, training.validate_enrol, training.process_enrol),
    "training-start": Rule(
        pb.TrainingStart,
        training_rounds.validate_start,
        training_rounds.process_start,
        by_operator=True,
    ),
    "update": Rule(pb.Update, training_rounds.validate_update, training_rounds.process_update),
    "training-set": Rule(
        pb.TrainingSet, training_rounds.validate_set, training_rounds.process_set, by_operator=True
    ),
    "opening": Rule(pb.SumOpening, opening.validate_opening, opening.process_opening),
    "complaint": Rule(pb.Complaint, opening.validate_complaint, opening.process_complaint),
    "disclosure": Rule(pb.Disclosure, opening.validate_disclosure, opening.process_disclosure),
    "training-round": Rule(
        pb.TrainingRound,
        training_rounds.validate_round,
        training_rounds.process_round,
        by_operator=True,
    ),
    "failed-round": Rule(
        pb.FailedRound,
        training_rounds.validate_failed,
        training_rounds.process_failed,
        by_operator=True,
    ),
    "model": Rule(pb.Model, training.validate_model, training.process_model, by_operator=True),
}

Rules = Mapping[str, Rule]

RULES: Final[dict[int, Rules]] = {1: _FIRST}
"""By version; a genesis names the first one of its network."""

LATEST: Final = max(RULES)


def rules_of(version: int) -> Rules:
    """The rules of a version; raises Outdated when this software does not know them."""
    if version not in RULES:
        raise Outdated(
            f"this network goes by version {version} of the rules, and this software knows"
            f" {', '.join(map(str, RULES))}",
            "install a newer version of commonhold",
        )
    return RULES[version]
