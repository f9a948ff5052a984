"""The operator at the command line: reads his own ledger, and asks the running server to write.

The server holds the only right to write. The state is read from the same disk, read-only, so that
`status` works while the server is down.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from commonground.addresses import now_ms
from commonground.backoff import persistent
from commonground.status import error_of
from coordinator.config import Config, Home
from coordinator.database import is_being_written
from coordinator.heads import KeptHead, missing_entries
from coordinator.keys import TLS_NAME, Keys, delegation_of, load_keys
from coordinator.ledger import Ledger
from coordinator.recovery import entries_beyond, fold, leaves_of
from coordinator.sealed import Opening, known_of
from coordinator.tally import Tally
from protocol.errors import Unreachable
from protocol.identity import KeyId
from protocol.limits import MESSAGE_BYTES_MAX
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.log.envelope import seal
from protocol.log.strict import canonical, parse_leaf
from protocol.money.payout import binding_digest
from protocol.rows import ItemId
from protocol.state import State
from protocol.transition import AnyRecord, Changes
from protos.gen import api_pb2, api_pb2_grpc
from protos.gen import records_pb2 as pb

# Longer than the server itself takes before it answers that it is busy.
CALL_SECONDS_MAX: Final = 90.0
# Eight seconds in all: a coordinator that starts again is back by then.
ATTEMPTS_MAX: Final = 7
# A log of some hundred thousand entries is replayed in that time; who has more starts with --background.
START_SECONDS_MAX: Final = 60
_POLL_SECONDS: Final = 0.1
# With the longest answers that a kind has, so many still fit one envelope.
GOLD_ANSWERS_MAX: Final = 512
_OPTIONS: Final = (
    ("grpc.ssl_target_name_override", TLS_NAME),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", BUNDLE_BYTES_MAX + MESSAGE_BYTES_MAX),
    ("grpc.enable_http_proxy", 0),  # it is this machine's own server
)
_RETRIED: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_START_SERVER: Final = "start it with `commonhold coordinator serve`"

_log = logging.getLogger(__name__)

T = TypeVar("T")

OnRecord = Callable[[AnyRecord, Changes], None]


def _ignore(_record: AnyRecord, _changes: Changes) -> None:
    """Of whoever needs no more than state and tally."""


class Operator:
    """Use it as a context manager. `state` and `tally` are of what the log had at the last `refresh`."""

    def __init__(self, home: Home, on_record: OnRecord = _ignore) -> None:
        """Replays the ledger. `on_record` sees every record that is applied, now and at each refresh.

        Raises:
            ConfigError, StoreError: there is no coordinator here, or it is damaged.
        """
        self.home = home
        self._on_record = on_record
        self.config: Config = home.load()
        self.keys: Keys = load_keys(home)
        self.state = State()
        self._ledger = Ledger.open(home.ledger_url(self.config), readonly=True)
        self._channel: grpc.Channel | None = None
        self.tally = Tally()
        self._last_close: tuple[int, Sequence[pb.RewardLine]] = (0, ())
        self.refresh()

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_: object) -> None:
        if self._channel is not None:
            self._channel.close()
        self._ledger.close()

    def missing(self) -> str:
        """What the ledger lacks of what was shown, in words; empty when it has all. Raises StoreError."""
        kept = KeptHead(self.home.head_path)
        return missing_entries(kept, self._ledger, self.keys.log_verifier)

    def refresh(self) -> None:
        """Folds what was logged since, and signs from then on with the key that it names."""
        for entry in entries_beyond(self.state, self._ledger):
            fold(self.state, entry, self._apply)
        if self.keys.record_key != self.state.operator_key:
            keys = load_keys(self.home)
            self.keys = keys.signing_as(self.state.operator_key, self.state.log_key)

    def _apply(self, state: State, kind: str, record: AnyRecord) -> Changes:
        changes = self.tally.process(state, kind, record)
        self._on_record(record, changes)
        if changes.closed is not None:
            self._last_close = (changes.closed, changes.lines)
        return changes

    def reward_lines(self, epoch: int) -> list[pb.RewardLine]:
        """The lines of a closed epoch; raises StateError while it is not closed."""
        index = self.tally.close_of(epoch).index
        closed, lines = self._last_close
        if closed == epoch:
            return list(lines)
        # Those of a close are never erased.
        return [parse_leaf(pb.RewardLine, leaf) for leaf in self.leaves(index)]

    def leaves(self, index: int) -> list[bytes]:
        """The leaves beside a log entry, but for erased ones."""
        [entry] = self._ledger.entries(index, index + 1)
        return [leaf for leaf in leaves_of(entry) if isinstance(leaf, bytes)]

    def known(self, item_ids: Iterable[ItemId]) -> dict[ItemId, bytes]:
        """The answers that were imported for some items that wait."""
        return known_of(self._ledger, item_ids)

    @property
    def link(self) -> str:
        """The network link, if the server runs."""
        return str(self._address()["link"])

    @property
    def http_url(self) -> str:
        """Where the dashboard and the log are on this machine, if the server runs."""
        return f"http://{_bracketed(_near(self.config.http_listen))}:{self._address()['http_port']}"

    @property
    def local_host(self) -> str:
        """Where the server is reached on this machine, whatever name others know it by."""
        return _near(self.config.listen)

    # -- Asking the server

    def append(
        self,
        kind: str,
        body: Message,
        leaves: Sequence[bytes] = (),
        openings: Sequence[Opening] = (),
    ) -> api_pb2.Receipt:
        """Signs a record and has it logged; afterwards `state` holds it.

        Raises:
            Ignore, Reject: a rule; Unreachable: the server is down or stays busy.
        """
        request = api_pb2.AppendRequest(
            envelope=self._seal(kind, body),
            leaves=leaves,
            openings=[
                api_pb2.Opening(item_id=o.item_id, salt=o.salt, answer=o.answer) for o in openings
            ],
        )
        stub = self._stub()
        receipt: api_pb2.Receipt = _retried(lambda: stub.Append(request, timeout=CALL_SECONDS_MAX))
        self.refresh()
        return receipt

    def join(self) -> None:
        """Makes the operator a member who is paid at the operator's account, if that is not in the log
        yet."""
        keys, account = self.keys, self.keys.account
        member = self.state.members.get(keys.operator)
        if member is None or member.payout != account:
            body = pb.Register(
                network=self.state.network,
                delegation=delegation_of(self.home, keys),
                payout_address=account,
                payout_signature=keys.sign_payout(
                    binding_digest(self.state.network, keys.operator)
                ),
                serial=1 if member is None else member.serial + 1,
            )
            self.append("register", body)

    def propose_witnesses(self, keys: Sequence[KeyId]) -> None:
        """Proposes who is to toss the coin; the present witnesses have to assent. Raises as `append`."""
        body = pb.Witnesses(
            network=self.state.network,
            nonce=self.state.coin_nonce + 1,
            keys=keys,
            time_ms=now_ms(),
            serial=self.state.proposals,
        )
        self.append("witnesses", body)

    def close_epoch(self, epoch: int) -> int:
        """Closes an epoch, unless it is closed; gives the log index of its close."""
        body = api_pb2.CloseEpoch(network=self.state.network, epoch=epoch)
        request = api_pb2.CloseEpochRequest(envelope=self._seal("close-epoch", body))
        stub = self._stub()
        response = _retried(lambda: stub.CloseEpoch(request, timeout=CALL_SECONDS_MAX))
        self.refresh()
        index: int = response.index
        return index

    def import_gold(self, answers: Mapping[ItemId, bytes]) -> None:
        """Has the coordinator keep answers, sealed, until the rounds of their items.

        Raises Reject, Ignore, Unreachable as `append`. Importing again replaces what was imported.
        """
        stub = self._stub()
        known = [
            api_pb2.KnownAnswer(item_id=item_id, answer=answer)
            for item_id, answer in answers.items()
        ]
        for at in range(0, len(known), GOLD_ANSWERS_MAX):
            some = known[at : at + GOLD_ANSWERS_MAX]
            body = api_pb2.ImportGold(network=self.state.network, answers=some)
            request = api_pb2.ImportGoldRequest(envelope=self._seal("import-gold", body))
            _retried(partial(stub.ImportGold, request, timeout=CALL_SECONDS_MAX))

    def updates(self, seconds_max: float | None) -> Iterator[State]:
        """The state as it is now, and again after every change, for at most `seconds_max`."""
        self.refresh()
        yield self.state
        request = api_pb2.FollowRequest(start=self.state.size)
        try:
            # The stream says when to look; what is there is read from our own disk.
            for _ in self._stub().Follow(request, timeout=seconds_max):
                self.refresh()
                yield self.state
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise error_of(error, "the coordinator", _START_SERVER, ours=True) from error

    def _seal(self, kind: str, body: Message) -> bytes:
        return seal(kind, canonical(body), self.keys.record_key, self.keys.sign_record)

    def _address(self) -> dict[str, Any]:
        if not self.home.server_path.exists():
            self._await_start()
        try:
            address: dict[str, Any] = json.loads(self.home.server_path.read_text())
        except FileNotFoundError:
            raise Unreachable("the coordinator is not running", _START_SERVER) from None
        return address

    def _await_start(self) -> None:
        """Waits while a server is on its way: it has the ledger, and does not say yet where it listens."""
        url, deadline = self.home.ledger_url(self.config), time.monotonic() + START_SECONDS_MAX
        if is_being_written(url):
            _log.warning("the coordinator is starting: waiting at most %d s", START_SECONDS_MAX)
        while not self.home.server_path.exists() and time.monotonic() < deadline:
            if not is_being_written(url):
                return
            time.sleep(_POLL_SECONDS)

    def _stub(self) -> Any:
        """The generated stub, which has no annotations."""
        if self._channel is None:
            credentials = grpc.ssl_channel_credentials(self.keys.tls_certificate)
            target = f"{_bracketed(self.local_host)}:{self._address()['grpc_port']}"
            self._channel = grpc.secure_channel(target, credentials, options=_OPTIONS)
        return api_pb2_grpc.CoordinatorStub(self._channel)  # type: ignore[no-untyped-call]


def _near(listen: str) -> str:
    """An address of this machine, of all that a server listens at."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)  # noqa: S104


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _retried(call: Callable[[], T]) -> T:
    """Repeats a call while the server is busy or away; repeating is safe for every call we make."""

    def once() -> T:
        try:
            return call()
        except grpc.RpcError as error:
            raise error_of(error, "the coordinator", _START_SERVER, ours=True) from error

    answer: T = persistent(ATTEMPTS_MAX)(_is_passing, once)
    return answer


def _is_passing(error: Exception) -> bool:
    return isinstance(error.__cause__, grpc.RpcError) and error.__cause__.code() in _RETRIED
