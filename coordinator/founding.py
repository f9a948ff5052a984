"""Founds a network: keys, an empty ledger, and the first entry of the log. Done once, offline."""

from __future__ import annotations

from typing import Final

from coordinator.config import Config, Home
from coordinator.keys import Keys, create_keys, load_keys
from coordinator.ledger import Ledger, Staged
from protocol.errors import ConfigError, Reject
from protocol.log.envelope import seal
from protocol.log.merkle import hash_leaf
from protocol.log.strict import canonical
from protocol.rules.network import check_policy
from protocol.rules.table import LATEST
from protocol.state import State
from protocol.text import check_name
from protocol.transition import apply
from protos.gen import records_pb2 as pb

# The split of a newcomer's network: most to those who bring data, a part to those who judge it, a part
# kept for training, and five per cent for the treasury. Of what a licence brings, half goes to the authors
# of what was licensed and half to all who hold shares: without reviewers there would be nothing to sell.
DEFAULT_POLICY: Final = pb.Policy(
    epoch_emission_micro=1_000_000_000,  # a thousand shares
    contributors_ppm=600_000,
    reviewers_ppm=250_000,
    trainers_ppm=100_000,
    rejection_penalty_ppm=1_000_000,  # a rejected item takes back what an accepted one earns
    accept_ppm=900_000,
    reputation_decay_ppm=900_000,
    revenue_treasury_ppm=50_000,
    royalty_ppm=500_000,
    # Names must cost something. The operator's budget is a day's work of inviting; a member with twenty more
    # right than wrong has something to lose, and answers for three.
    admission=pb.ADMISSION_INVITATION,
    operator_invitations=1_000,
    member_invitations=3,
    invite_standing=20,
    # An afternoon's photos; after a hundred accepted items, twelve hundred at a time.
    newcomer_items=200,
    items_per_standing=10,
    # A witness that is silent for a working day of rounds leaves a twentieth of its bond.
    silence_tosses=20,
    silence_ppm=50_000,
    # To export a snapshot without what was withdrawn, and train on it again.
    model_grace_epochs=2,
)


def found(home: Home, config: Config, policy: pb.Policy, chain_secret: bytes | None = None) -> Keys:
    """Makes the data directory with all that `serve` needs; `chain_secret` is a funded account's.

    A crash half-way leaves a directory that `serve` refuses: delete it and found the network again;
    nobody has its link yet.

    Raises:
        ConfigError: there is a coordinator already; or the name or the policy breaks a rule, and nothing
            was made.
    """
    _check(config, policy)
    home.create(config)
    create_keys(home, config, chain_secret)
    keys = load_keys(home)
    genesis = pb.Genesis(
        network=keys.network,
        name=config.name,
        policy=policy,
        rules=LATEST,
        delegation=keys.delegation,
        log_key=keys.log_verifier.public_key,
    )
    raw = seal("genesis", canonical(genesis), keys.record_key, keys.sign_record)
    apply(State(), raw, [])
    checkpoint = keys.sign_checkpoint(1, hash_leaf(raw), (genesis.log_key,))
    with Ledger.create(home.ledger_url(config), keys.log_verifier.name) as ledger:
        ledger.commit([Staged(raw)], checkpoint, 0)
    return keys


def _check(config: Config, policy: pb.Policy) -> None:
    """What the rules say of a genesis, before there is anything that would have to be deleted."""
    try:
        check_name(config.name, "the network's name")
        check_policy(policy)
    except Reject as error:
        raise ConfigError(str(error), error.advice) from error
