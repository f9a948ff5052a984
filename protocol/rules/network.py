"""How the network is founded, and what about it may change: policy, rules, keys."""

from __future__ import annotations

from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.coin.group import check_point
from protocol.errors import Reject
from protocol.identity import KeyId
from protocol.limits import (
    AMOUNT_MICRO_MAX,
    KEY_BYTES,
    MODEL_GRACE_EPOCHS_MAX,
    NAME_CHARS_MAX,
    PPM,
    SILENCE_PPM_MAX,
    SILENCE_TOSSES_MIN,
)
from protocol.log.commitments import network_id
from protocol.log.strict import parse_amount
from protocol.money.ballot import policy_hash, rules_hash
from protocol.policy import Policy
from protocol.rows import row_of
from protocol.rules.admission import TAKES_BONDS, TAKES_INVITATIONS
from protocol.rules.people import Use, add_key, check_delegation, require_room, require_use
from protocol.rules.record import Record, require, require_hash, require_next
from protocol.rules.witnesses import follow_operator, found_coin
from protocol.state import State
from protocol.text import check_name
from protos.gen import records_pb2 as pb

SUCCESSOR_DOMAIN: Final = b"commonhold/v1/successor\0"
_PARTS: Final = {
    "rejection_penalty_ppm": "the penalty for a rejected item",
    "reputation_decay_ppm": "what an epoch leaves of a reputation",
    "revenue_treasury_ppm": "the treasury's part of the revenue",
    "royalty_ppm": "the authors' part of a licence's revenue",
}


def validate_genesis(state: State, record: Record[pb.Genesis]) -> None:
    """The first entry, and no other."""
    body = record.body
    require_hash(body.network, "the network id")
    require(len(body.log_key) == KEY_BYTES, "the genesis names the key that signs the log")
    require(body.network == network_id(body.log_key), "the network's id is not that of its log")
    check_name(body.name, "the network's name", NAME_CHARS_MAX)
    check_policy(body.policy)
    check_delegation(body.network, body.delegation, record.key)
    check_point(record.key, "the operator's key")
    keys = {record.key, body.log_key, body.delegation.root_key}
    require(len(keys) == 3, "the operator's key, its root key and the log's key are three keys")


def check_policy(policy: pb.Policy) -> None:
    """Raises Reject unless a policy can be kept: parts of a whole, something to mint, a sureness to reach."""
    split = policy.contributors_ppm + policy.reviewers_ppm + policy.trainers_ppm
    require(
        split <= PPM,
        f"contributors, reviewers and trainers get {_percent(split)} of the emission together",
        "give them 100 % at most; what is left is the treasury's",
    )
    require(
        0 < policy.epoch_emission_micro <= AMOUNT_MICRO_MAX,
        f"an epoch mints {policy.epoch_emission_micro} millionths of a share",
        f"let it mint 1 to {AMOUNT_MICRO_MAX}",
    )
    require(
        PPM // 2 < policy.accept_ppm < PPM,
        f"an item is decided at a certainty of {_percent(policy.accept_ppm)}",
        "let it be above 50 % and below 100 %: at a half both answers hold, and nothing is certain",
    )
    for name, words in _PARTS.items():
        require(
            getattr(policy, name) <= PPM,
            f"{words} is {_percent(getattr(policy, name))}",
            "let it be 100 % at most",
        )
    require(
        policy.admission in (pb.ADMISSION_OPEN, *TAKES_INVITATIONS, *TAKES_BONDS),
        "the policy does not say how one joins",
        "let it be by invitation, by a bond, by one or both of them, or open to everybody",
    )
    require(
        least_bond(policy) > 0 or policy.admission not in TAKES_BONDS,
        "one joins by a bond of nothing",
        "say how much it takes",
    )
    _check_silence(policy)
    require(
        policy.model_grace_epochs <= MODEL_GRACE_EPOCHS_MAX,
        f"models are licensed for {policy.model_grace_epochs} epochs after a withdrawal",
        f"let it be {MODEL_GRACE_EPOCHS_MAX} at most: a withdrawal has to reach them",
    )
    require(
        policy.newcomer_items > 0,
        "a newcomer may submit no items",
        "let it be one or more in an epoch: otherwise nobody could ever show anything",
    )


def _check_silence(policy: pb.Policy) -> None:
    require(
        policy.silence_tosses == 0 or policy.silence_tosses >= SILENCE_TOSSES_MIN,
        f"a witness pays for {policy.silence_tosses} missed tosses",
        f"let it be {SILENCE_TOSSES_MIN} in a row at least, or 0: silence costs nothing",
    )
    require(
        policy.silence_ppm <= SILENCE_PPM_MAX,
        f"silence costs {_percent(policy.silence_ppm)} of a bond",
        f"let it be {_percent(SILENCE_PPM_MAX)} at most",
    )


def least_bond(policy: pb.Policy) -> int:
    """How much of a bond joining by one takes; 0: a policy without. Raises Reject."""
    amount = parse_amount(policy.bond, "the bond") if policy.bond else 0
    require(amount > 0 or not policy.bond, "a bond is more than nothing")
    return amount


def _percent(ppm: int) -> str:
    """To the last millionth: 100.0001 % is more than all."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d}".rstrip("0").rstrip(".") + " %"


def process_genesis(state: State, record: Record[pb.Genesis]) -> None:
    """Whoever signed the first entry operates the network."""
    body = record.body
    state.network, state.name = body.network, body.name
    state.rules = body.rules
    state.log_keys = (body.log_key,)
    state.operator, state.operator_key = record.author, record.key
    found_coin(state, record.key)
    add_key(state, record.author, record.key, record.index)
    state.policy = _policy_row(body.policy)


# ---- what the holders of shares decide ----


def holders_decide(state: State) -> bool:
    """Whether a vote is needed: from the first root in force on, wherever that was, others than the operator
    hold shares."""
    if state.deployment is None:
        return False
    past = ((each.view.epoch, each.deployment) for _, each in state.past.scan())
    settled = ((state.settled_epoch, state.deployment), *past)
    return any(epoch > contracts.start for epoch, contracts in settled)


def require_decision(state: State, policy: pb.Policy) -> None:
    """Raises Reject unless a policy needs no vote, or the board has said it since the last one that the log
    followed: an older decision does not undo a newer one."""
    if not holders_decide(state):
        return
    block = _require_said(state, policy_hash(policy), "on this policy", "policy")
    require(
        block > state.policy_block,
        "the log has followed this decision, or a later one",
        "who wants that policy back proposes it again: `commonhold node propose policy`",
    )


def _require_said(state: State, what: bytes, words: str, command: str) -> int:
    """In which block the board said it."""
    block = state.decided.get(what)
    if block is None:
        raise Reject(
            f"the holders of shares decide {words}, and the log holds no such decision",
            f"propose it: `commonhold node propose {command}`; after the vote, `commonhold node enact`",
        )
    return block


def validate_policy(state: State, record: Record[pb.PolicyChange]) -> None:
    """The present epoch keeps the policy that it began with."""
    require(record.body.epoch == state.epoch, f"this is epoch {state.epoch}")
    require_next(record.body.serial, state.policies, "the operator")
    check_policy(record.body.policy)
    ceiling = state.onchain.emission_micro
    require(
        not state.onchain.witnesses or record.body.policy.epoch_emission_micro <= ceiling,
        f"the contracts mint {ceiling} millionths of a share in an epoch at most",
        "a vote of the holders of shares raises it (Settlement.setEmission)",
    )
    require_decision(state, record.body.policy)


def process_policy(state: State, record: Record[pb.PolicyChange]) -> None:
    """Waits for the close; a later change replaces it."""
    state.policy_to_come = _policy_row(record.body.policy)
    state.policy_block = state.decided.get(policy_hash(record.body.policy), state.policy_block)
    state.policies += 1


def _policy_row(policy: pb.Policy) -> Policy:
    return row_of(Policy, policy, bond=least_bond(policy))


def validate_upgrade(state: State, record: Record[pb.Upgrade]) -> None:
    """The next version, from an epoch that has not begun."""
    body = record.body
    require_next(body.serial, state.upgrades, "the operator")
    require(
        body.version == state.rules + 1, f"the rules are version {state.rules}; the next follows"
    )
    require(
        body.epoch > state.epoch,
        f"epoch {state.epoch} keeps the rules that it began with",
        f"name epoch {state.epoch + 1}, or a later one",
    )
    if holders_decide(state):
        _require_said(state, rules_hash(body.version), "on new rules", "rules")


def process_upgrade(state: State, record: Record[pb.Upgrade]) -> None:
    """Waits for its epoch; a later record may move it."""
    state.upgrade = (record.body.version, record.body.epoch)
    state.upgrades += 1


def successor_message(network: bytes, role: int, key: bytes) -> bytes:
    """What the key that follows signs, so that nobody is made a successor who does not hold it; and what a
    log's key signs that is followed."""
    return SUCCESSOR_DOMAIN + network + bytes([role]) + key


def check_succession(network: bytes, body: pb.Successor, log_key: bytes) -> None:
    """Raises Reject unless the key that follows agrees, and the log's present key hands over to its own.

    Whoever knows only the first key of a log follows these signatures to the present one. Without them
    anybody could show a log that begins with this network's genesis, and name its next key.
    """
    message = successor_message(network, body.role, body.key)
    require(
        _is_signed(body.key, message, body.signature),
        "the key that follows did not sign its consent",
    )
    if body.role == pb.KEY_ROLE_LOG:
        require(
            _is_signed(log_key, message, body.handover),
            "the log's key did not hand over to the one that is to follow",
        )
    else:
        require(not body.handover, "the operator's key hands over by signing the record")


def _is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def validate_successor(state: State, record: Record[pb.Successor]) -> None:
    """A key that agrees to follow. An earlier one of the operator's may serve again; one of the log's may
    not, or a log could be shown that ends where it was replaced."""
    body = record.body
    require(len(body.key) == KEY_BYTES, "a key has 32 bytes")
    if body.role == pb.KEY_ROLE_OPERATOR:
        require(
            state.keys.get(KeyId(body.key), state.operator) == state.operator,
            "the key is somebody else's",
        )
        require(body.key != state.operator_key, "the key is the operator's already")
        require_use(state, body.key, Use.RECORDS)
        check_point(body.key, "the operator's key")
        require_room(state, state.operator, KeyId(body.key))
    elif body.role == pb.KEY_ROLE_LOG:
        require(body.key not in state.log_keys, "the key has signed this log before")
        require_use(state, body.key, Use.LOG)
    else:
        raise Reject("a successor follows the operator's key or the log's")
    check_succession(state.network, body, state.log_key)


def process_successor(state: State, record: Record[pb.Successor]) -> None:
    """From the next entry on."""
    key = record.body.key
    if record.body.role == pb.KEY_ROLE_LOG:
        state.log_keys = (*state.log_keys, key)
    else:
        before, state.operator_key = state.operator_key, KeyId(key)
        follow_operator(state, before, state.operator_key)
        add_key(state, state.operator, state.operator_key, record.index)
