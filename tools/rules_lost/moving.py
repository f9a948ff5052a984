"""A network that moves to another chain."""

from __future__ import annotations

from typing import Final

from rules_lost.mutant import Mutant

MOVING: Final = "unit/test_fold_moving.py"
_ADMISSION: Final = "protocol/rules/admission.py"
_CLOSE: Final = "protocol/rules/close.py"
_NETWORK: Final = "protocol/rules/network.py"
_ASKS: Final = "protocol/rules/asks.py"
_ATTESTING: Final = "protocol/rules/attesting.py"
_MOVING: Final = "protocol/rules/moving.py"
_CARRIED: Final = "protocol/money/moving.py"
_RETIRING: Final = "protocol/rules/retiring.py"

MUTANTS: Final = (
    Mutant(
        "fewer than a quorum move the network",
        _ATTESTING,
        "state.attestations.count(digest) >= quorum:",
        "state.attestations.count(digest) >= 2:",
        MOVING,
    ),
    Mutant(
        "a move is signed of which the log has gone on",
        _ATTESTING,
        'if kind == "move" and is_moot(state, kind, ask):',
        "if False:",
        MOVING,
    ),
    Mutant(
        "what was asked of the witnesses before outlives what the log says",
        _ASKS,
        "or not move_stands(state, ask.move)",
        "",
        MOVING,
    ),
    Mutant(
        "a move can be decided for ever",
        _ASKS,
        "return ask.deadline_s <= view.time_s or",
        "return",
        MOVING,
    ),
    Mutant(
        "a close leaves a move standing",
        _CLOSE,
        "    drop_moot(state)\n",
        "",
        MOVING,
    ),
    Mutant(
        "holders of shares lose their say by a move",
        _NETWORK,
        "settled = ((state.settled_epoch, state.deployment), *past)",
        "settled = ((state.settled_epoch, state.deployment),)",
        MOVING,
    ),
    Mutant(
        "a move gives a say to holders that there are not yet",
        _NETWORK,
        "return any(epoch > contracts.start for epoch",
        "return any(epoch > 0 for epoch",
        MOVING,
    ),
    Mutant(
        "who signs now speaks for who signed then",
        _ASKS,
        'return state.past[ask.number].view.witnesses if kind == "retire" else state',
        "return state",
        MOVING,
    ),
    Mutant(
        "the present chain answers for the one that was left",
        _ASKS,
        'return kind != "retire"',
        "return True",
        MOVING,
    ),
    Mutant(
        "any set of then is asked",
        _RETIRING,
        "require(body.witness_nonce == view.nonce,",
        "require(True,",
        MOVING,
    ),
    Mutant(
        "any change of then is asked for",
        _RETIRING,
        "require(body.proposal == view.proposals + 1,",
        "require(True,",
        MOVING,
    ),
    Mutant(
        "what has passed on the chain of then is asked for",
        _RETIRING,
        "require(body.deadline > view.time_s,",
        "require(True,",
        MOVING,
    ),
    Mutant(
        "nobody is asked to retire",
        _RETIRING,
        "require(bool(view.witnesses),",
        "require(True,",
        MOVING,
    ),
    Mutant(
        "a network moves back",
        _MOVING,
        "used.chain_id != move.to.chain_id or not used.contracts.keys() & move.to.contracts,",
        "True,",
        MOVING,
    ),
    Mutant(
        "only where it settles now is closed to a network that moves",
        _MOVING,
        "*(each.deployment for _, each in state.past.scan())",
        "",
        MOVING,
    ),
    Mutant(
        "a chain is taken for another one with the same addresses",
        _MOVING,
        "used.chain_id != move.to.chain_id or ",
        "",
        MOVING,
    ),
    Mutant(
        "a move carries any number of shares",
        _MOVING,
        "require(move.to.carried == carried,",
        "require(True,",
        MOVING,
    ),
    Mutant(
        "a move begins with any epoch",
        _MOVING,
        "require(move.to.start == state.closed_epoch,",
        "require(True,",
        MOVING,
    ),
    Mutant(
        "a move keeps quiet about what it leaves",
        _MOVING,
        "        move.left == left_behind(state),\n",
        "        True,\n",
        MOVING,
    ),
    Mutant(
        "a move is to any addresses",
        _MOVING,
        "    check_contracts(body)\n",
        "",
        MOVING,
    ),
    Mutant(
        "ether is owed on the new chain, too",
        _MOVING,
        "            state.earned.remove((who, asset))",
        "            pass",
        MOVING,
    ),
    Mutant(
        "shares are not minted again",
        _MOVING,
        "            state.owed.put((move.to.start, who, SHARES), amount)",
        "            pass",
        MOVING,
    ),
    Mutant(
        "old bonds count no more at once",
        _MOVING,
        "        state.old_bonds.put(who, amount)\n",
        "        pass\n",
        MOVING,
    ),
    Mutant(
        "old bonds count for ever",
        _ADMISSION,
        "or state.settled_epoch > deployment.start:",
        "or False:",
        MOVING,
    ),
    Mutant(
        "shares are carried for whom no root can pay",
        _CARRIED,
        " and who in state.members",
        "",
        MOVING,
    ),
)
