from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AppendRequest(_message.Message):
    __slots__ = ("envelope", "leaves", "openings")
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    leaves: _containers.RepeatedScalarFieldContainer[bytes]
    openings: _containers.RepeatedCompositeFieldContainer[Opening]
    def __init__(self, envelope: _Optional[bytes] = ..., leaves: _Optional[_Iterable[bytes]] = ..., openings: _Optional[_Iterable[_Union[Opening, _Mapping]]] = ...) -> None: ...

class Opening(_message.Message):
    __slots__ = ("item_id", "salt", "answer")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    salt: bytes
    answer: bytes
    def __init__(self, item_id: _Optional[bytes] = ..., salt: _Optional[bytes] = ..., answer: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("index", "checkpoint", "proof")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    index: int
    checkpoint: bytes
    proof: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, index: _Optional[int] = ..., checkpoint: _Optional[bytes] = ..., proof: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("start", "held", "gather_ms")
    START_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    GATHER_MS_FIELD_NUMBER: _ClassVar[int]
    start: int
    held: bytes
    gather_ms: int
    def __init__(self, start: _Optional[int] = ..., held: _Optional[bytes] = ..., gather_ms: _Optional[int] = ...) -> None: ...

class FollowResponse(_message.Message):
    __slots__ = ("entries", "checkpoint", "proof")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LoggedEntry]
    checkpoint: bytes
    proof: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, entries: _Optional[_Iterable[_Union[LoggedEntry, _Mapping]]] = ..., checkpoint: _Optional[bytes] = ..., proof: _Optional[_Iterable[bytes]] = ...) -> None: ...

class LoggedEntry(_message.Message):
    __slots__ = ("index", "envelope", "bundle")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    index: int
    envelope: bytes
    bundle: bytes
    def __init__(self, index: _Optional[int] = ..., envelope: _Optional[bytes] = ..., bundle: _Optional[bytes] = ...) -> None: ...

class AnnounceRequest(_message.Message):
    __slots__ = ("envelope",)
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class Addresses(_message.Message):
    __slots__ = ("network", "multiaddrs", "expires_ms")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    MULTIADDRS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    multiaddrs: _containers.RepeatedScalarFieldContainer[str]
    expires_ms: int
    def __init__(self, network: _Optional[bytes] = ..., multiaddrs: _Optional[_Iterable[str]] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class AnnounceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LookupRequest(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class LookupResponse(_message.Message):
    __slots__ = ("envelopes",)
    ENVELOPES_FIELD_NUMBER: _ClassVar[int]
    envelopes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, envelopes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CloseEpochRequest(_message.Message):
    __slots__ = ("envelope",)
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class CloseEpoch(_message.Message):
    __slots__ = ("network", "epoch")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    epoch: int
    def __init__(self, network: _Optional[bytes] = ..., epoch: _Optional[int] = ...) -> None: ...

class CloseEpochResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class ImportGoldRequest(_message.Message):
    __slots__ = ("envelope",)
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class ImportGold(_message.Message):
    __slots__ = ("network", "answers")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    answers: _containers.RepeatedCompositeFieldContainer[KnownAnswer]
    def __init__(self, network: _Optional[bytes] = ..., answers: _Optional[_Iterable[_Union[KnownAnswer, _Mapping]]] = ...) -> None: ...

class KnownAnswer(_message.Message):
    __slots__ = ("item_id", "answer")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    answer: bytes
    def __init__(self, item_id: _Optional[bytes] = ..., answer: _Optional[bytes] = ...) -> None: ...

class ImportGoldResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
