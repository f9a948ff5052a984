"""A witness's hand: what one key has to log so that the coin is dealt and tossed.

All of it follows from the state and the key. So a restart makes the same records again, nothing is kept, and
a witness that comes late reads in the log what it was dealt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message
from nacl.signing import SigningKey

from protocol.coin.dealing import Deal, make_complaint, make_deal, open_value
from protocol.coin.group import ORDER, Point, secret_of
from protocol.coin.toss import make_share
from protocol.coin.witnesses import Coin, Proposal, place_in
from protocol.identity import KeyId
from protocol.lifecycle import DealingPhase
from protocol.log.commitments import deal_place
from protocol.state import State
from protos.gen import records_pb2 as pb

_SEED_DOMAIN: Final = b"commonhold/v1/deal-seed\0"


class Hand:
    """What the key of `seed` owes as a witness."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._secret = seed, secret_of(seed)
        self.key = KeyId(bytes(SigningKey(seed).verify_key))
        self._shares: dict[int, int | None] = {}  # of the secret, by the nonce of the coin
        self._tosses: dict[bytes, pb.Toss] = {}  # that the log still wants, by the round's place

    def due(self, state: State) -> Iterator[tuple[str, Message]]:
        """The records that the log wants of this key now, with their kinds. The same until it has them."""
        if state.proposal is not None and place_in(state.proposal.keys, self.key):
            yield from self._for(state, state.proposal)
        yield from self._due_tosses(state)

    # -- dealing

    def _for(self, state: State, proposal: Proposal) -> Iterator[tuple[str, Message]]:
        dealt = (proposal.nonce, self.key) in state.deals
        if proposal.phase is DealingPhase.DEALING and not dealt:
            yield "deal", self._deal(state, proposal)
        elif proposal.phase is DealingPhase.CHECKING and self.key not in proposal.confirmed:
            complaints = list(self._complaints(state, proposal))
            yield from (("complain", each) for each in complaints)
            if not complaints:
                yield "confirm", pb.Confirm(network=state.network, proposal=proposal.id)

    def _deal(self, state: State, proposal: Proposal) -> pb.Deal:
        place = deal_place(state.network, proposal.id, self.key)
        seed = hashlib.sha256(_SEED_DOMAIN + self._seed + place).digest()
        deal = make_deal(seed, place, [Point(key) for key in proposal.keys])
        return pb.Deal(
            network=state.network,
            proposal=proposal.id,
            commitments=deal.commitments,
            ephemeral=deal.ephemeral,
            values=deal.values,
            knowledge=deal.knowledge,
        )

    def _complaints(self, state: State, proposal: Proposal) -> Iterator[pb.Complain]:
        for (_, dealer), deal in state.deals.scan(proposal.nonce):
            place = deal_place(state.network, proposal.id, dealer)
            if self._value(deal, place, proposal.keys) is None:
                complaint = make_complaint(deal, place, Point(self.key), self._secret)
                yield pb.Complain(
                    network=state.network,
                    proposal=proposal.id,
                    dealer=dealer,
                    shared=complaint.shared,
                    proof=complaint.proof,
                )

    def _value(self, deal: Deal, place: bytes, keys: tuple[KeyId, ...]) -> int | None:
        at = keys.index(self.key) + 1
        return open_value(deal, place, at, Point(self.key), self._secret)

    # -- tossing

    def _due_tosses(self, state: State) -> Iterator[tuple[str, Message]]:
        wanted: dict[bytes, pb.Toss] = {}
        for nonce, coin in state.coins.scan():
            if (at := coin.place_of(self.key)) is None:
                continue
            for (_, campaign_id), _ in state.awaited.scan(nonce):
                place = state.rounds[campaign_id].place
                if (campaign_id, self.key) in state.tosses:
                    continue
                toss = self._tosses.get(place) or self._toss(state, coin, at, campaign_id)
                if toss is not None:
                    wanted[place] = toss
        self._tosses = wanted
        yield from (("toss", toss) for toss in wanted.values())

    def _toss(self, state: State, coin: Coin, at: int, campaign_id: str) -> pb.Toss | None:
        share = self._share(state, coin)
        if share is None:
            return None
        round_ = state.rounds[campaign_id]
        tossed = make_share(round_.place, coin.public[at - 1], share)
        return pb.Toss(
            network=state.network,
            campaign_id=campaign_id,
            round=round_.number,
            point=tossed.point,
            proof=tossed.proof,
        )

    def _share(self, state: State, coin: Coin) -> int | None:
        """Our share of the coin's secret; None if a deal to us was wrong, and we were away when it could be
        complained about."""
        if coin.nonce not in self._shares:
            self._shares = {n: s for n, s in self._shares.items() if n in state.coins}
            self._shares[coin.nonce] = self._open(state, coin)
        return self._shares[coin.nonce]

    def _open(self, state: State, coin: Coin) -> int | None:
        if not coin.is_dealt:
            return self._secret
        total = 0
        for (_, dealer), deal in state.deals.scan(coin.nonce):
            value = self._value(deal, deal_place(state.network, coin.proposal, dealer), coin.keys)
            if value is None:
                return None
            total += value
        return total % ORDER
