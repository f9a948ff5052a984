"""What an operator may set, and change."""

from __future__ import annotations

from typing import Final

from rules_lost.mutant import Mutant

ATTACKS: Final = "unit/test_fold_attacks.py"
INTAKE: Final = "unit/test_fold_intake.py"
KINDS: Final = "unit/test_fold_kinds.py"
NETWORK: Final = "unit/test_fold_network.py"
PARTS: Final = "unit/test_fold_parts.py"
VOTES: Final = "unit/test_fold_votes.py"
_CAMPAIGNS: Final = "protocol/rules/campaigns.py"
_CHAIN: Final = "protocol/rules/chain.py"
_CLOSE: Final = "protocol/rules/close.py"
_INTAKE: Final = "protocol/rules/intake.py"
_NETWORK: Final = "protocol/rules/network.py"
_PEOPLE: Final = "protocol/rules/people.py"
_STRICT: Final = "protocol/log/strict.py"

MUTANTS: Final = (
    Mutant(
        "an item of exactly the largest size is refused",
        _INTAKE,
        "0 < part.size <= terms.bytes_max",
        "0 < part.size < terms.bytes_max",
        INTAKE,
    ),
    Mutant(
        "parts may be out of order",
        _INTAKE,
        "require(some == in_order,",
        "require(True,",
        PARTS,
    ),
    Mutant(
        "an open campaign needs no consent to redistribution",
        _INTAKE,
        "require(item.consent.redistribute,",
        "require(True,",
        INTAKE,
    ),
    Mutant(
        "a required proposal may be missing",
        _INTAKE,
        "elif campaign.proposal == pb.PROPOSAL_REQUIRED or size:",
        "elif size:",
        KINDS,
    ),
    Mutant(
        "a leaf of exactly the largest size is refused",
        "protocol/transition.py",
        "len(leaf) <= LEAF_BYTES_MAX",
        "len(leaf) < LEAF_BYTES_MAX",
        PARTS,
    ),
    Mutant(
        "a round may be too large for everybody's memory",
        _CAMPAIGNS,
        "most = min(ROUND_CELLS_MAX // cells, BUNDLE_BYTES_MAX // verdict_bytes)",
        "most = BUNDLE_BYTES_MAX // verdict_bytes",
        ATTACKS,
    ),
    Mutant(
        "a round may be too large for its verdict",
        _CAMPAIGNS,
        "most = min(ROUND_CELLS_MAX // cells, BUNDLE_BYTES_MAX // verdict_bytes)",
        "most = ROUND_CELLS_MAX // cells",
        ATTACKS,
    ),
    Mutant(
        "a policy may accept at one half, or at certainty",
        _NETWORK,
        "PPM // 2 < policy.accept_ppm < PPM",
        "PPM // 2 <= policy.accept_ppm <= PPM",
        NETWORK,
    ),
    Mutant(
        "a policy takes effect at once",
        _NETWORK,
        "    state.policy_to_come = _policy_row(record.body.policy)\n",
        "    state.policy = _policy_row(record.body.policy)\n",
        NETWORK,
    ),
    Mutant(
        "the operator sets the policy for ever",
        _NETWORK,
        "    return any(epoch > contracts.start for epoch, contracts in settled)\n",
        "    return False\n",
        VOTES,
    ),
    Mutant(
        "nobody may set a policy before there are shares",
        _NETWORK,
        "    return any(epoch > contracts.start for epoch, contracts in settled)\n",
        "    return True\n",
        VOTES,
    ),
    Mutant(
        "any policy is as good as the one that was decided",
        _NETWORK,
        "    block = state.decided.get(what)\n",
        "    block = max((each for _, each in state.decided.scan()), default=None)\n",
        VOTES,
    ),
    Mutant(
        "an old decision undoes a newer one",
        _NETWORK,
        "block > state.policy_block",
        "block > 0",
        VOTES,
    ),
    Mutant(
        "a decision that a reorganisation took away stands before later ones",
        _CHAIN,
        "    state.policy_block = min(state.policy_block, record.body.first - 1)\n",
        "",
        VOTES,
    ),
    Mutant(
        "the operator changes the rules without a vote",
        _NETWORK,
        '        _require_said(state, rules_hash(body.version), "on new rules", "rules")\n',
        "        pass\n",
        VOTES,
    ),
    Mutant(
        "rules change in the epoch before",
        _CLOSE,
        "state.upgrade[1] <= state.epoch",
        "state.upgrade[1] <= state.epoch + 1",
        NETWORK,
    ),
    Mutant(
        "rules may change in the present epoch",
        _NETWORK,
        "body.epoch > state.epoch",
        "body.epoch >= state.epoch",
        NETWORK,
    ),
    Mutant(
        "a consent to follow holds in both roles",
        _NETWORK,
        "network + bytes([role]) + key",
        "network + key",
        NETWORK,
    ),
    Mutant(
        "a log's key is followed without handing over",
        _NETWORK,
        "            _is_signed(log_key, message, body.handover),\n",
        "            True,\n",
        NETWORK,
    ),
    Mutant(
        "the log's first key hands over for ever",
        _NETWORK,
        "check_succession(state.network, body, state.log_key)",
        "check_succession(state.network, body, state.log_keys[0])",
        NETWORK,
    ),
    Mutant(
        "an old registration may be played again",
        _PEOPLE,
        "body.serial > member.serial",
        "body.serial >= member.serial",
        "unit/test_fold.py",
    ),
    Mutant(
        "a key in another use signs records",
        _PEOPLE,
        "    require_use(state, key, Use.RECORDS)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a key that signs records is somebody's root key",
        _PEOPLE,
        "    require_use(state, body.delegation.root_key, Use.ROOT)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a root key follows the operator's key",
        _NETWORK,
        "        require_use(state, body.key, Use.RECORDS)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a key that signs records follows the log's",
        _NETWORK,
        "        require_use(state, body.key, Use.LOG)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a network is founded with one key for all",
        _NETWORK,
        "    require(len(keys) == 3,",
        "    require(len(keys) > 0,",
        NETWORK,
    ),
    Mutant(
        "two ids may look alike",
        "protocol/rules/record.py",
        "if known is None:",
        "if known != id_:",
        NETWORK,
    ),
    Mutant(
        "an item derives from the same item twice",
        _INTAKE,
        "len(set(item.derived_from)) == len(item.derived_from)",
        "True",
        INTAKE,
    ),
    Mutant(
        "a person has one key more",
        _PEOPLE,
        "state.keys_of.count(person) < KEYS_PER_PERSON_MAX",
        "state.keys_of.count(person) <= KEYS_PER_PERSON_MAX",
        NETWORK,
    ),
    Mutant(
        "a key may sign for two persons",
        _PEOPLE,
        'require(state.keys.get(key, person) == person, "this key',
        'require(True, "this key',
        NETWORK,
    ),
    Mutant(
        "a message inside that is empty may be there or not",
        _STRICT,
        "                message.ClearField(name)\n",
        "                pass\n",
        "unit/test_strict.py",
    ),
    Mutant(
        "fields that nobody knows pass",
        _STRICT,
        "    message.DiscardUnknownFields()",
        "    message.ByteSize()",
        NETWORK,
    ),
)
