"""What the witnesses on chain answer to what the log asks of them: a signature that the contracts check; of a
move, the log itself.
"""

from __future__ import annotations

from protocol.errors import Ignore
from protocol.money import payout
from protocol.money.onchain import Ask
from protocol.money.payload import quorum_of
from protocol.money.settlement import address
from protocol.rules.asks import is_moot, signers_of
from protocol.rules.moving import carry_out
from protocol.rules.record import Record, require, require_member
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_attest(state: State, record: Record[pb.Attest]) -> None:
    """A witness signs with the payout key, so that the contracts can check it."""
    require_member(state, record.author)
    digest = record.body.digest
    kind, ask = _asked(state, digest)
    signer = address(state.members[record.author].payout)
    require(signer in signers_of(state, kind, ask), "only the witnesses on chain attest")
    if (digest, signer) in state.attestations:
        raise Ignore("this witness has attested already")
    if kind == "move" and is_moot(state, kind, ask):
        raise Ignore("the log has gone on since the move was asked for: it would be another one")
    payout.verify_attestation(digest, signer, record.body.signature)


def process_attest(state: State, record: Record[pb.Attest]) -> None:
    """Counts towards the quorum. With the word of one, the network moves."""
    digest = record.body.digest
    signer = address(state.members[record.author].payout)
    state.attestations.put((digest, signer), record.body.signature)
    _, ask = _asked(state, digest)
    quorum = quorum_of(len(state.onchain.witnesses))
    if ask.move is not None and state.attestations.count(digest) >= quorum:
        carry_out(state, ask.move, record.index)


def _asked(state: State, digest: bytes) -> tuple[str, Ask]:
    for kind, ask in state.asks.scan():
        if ask.digest == digest:
            return kind, ask
    raise Ignore("the witnesses are not asked for this now")
