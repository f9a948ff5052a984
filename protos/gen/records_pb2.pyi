from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Admission(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADMISSION_UNSPECIFIED: _ClassVar[Admission]
    ADMISSION_OPEN: _ClassVar[Admission]
    ADMISSION_INVITATION: _ClassVar[Admission]
    ADMISSION_BOND: _ClassVar[Admission]
    ADMISSION_EITHER: _ClassVar[Admission]
    ADMISSION_BOTH: _ClassVar[Admission]

class KeyRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEY_ROLE_UNSPECIFIED: _ClassVar[KeyRole]
    KEY_ROLE_OPERATOR: _ClassVar[KeyRole]
    KEY_ROLE_LOG: _ClassVar[KeyRole]

class ProposalTerms(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROPOSAL_UNSPECIFIED: _ClassVar[ProposalTerms]
    PROPOSAL_REQUIRED: _ClassVar[ProposalTerms]
    PROPOSAL_OPTIONAL: _ClassVar[ProposalTerms]
    PROPOSAL_NOT_TAKEN: _ClassVar[ProposalTerms]

class WithdrawalTerms(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WITHDRAWAL_KEEPS: _ClassVar[WithdrawalTerms]
    WITHDRAWAL_REPAYS: _ClassVar[WithdrawalTerms]

class Automation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTOMATION_LOCAL: _ClassVar[Automation]
    AUTOMATION_ANYWHERE: _ClassVar[Automation]
    AUTOMATION_NONE: _ClassVar[Automation]

class Privacy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIVACY_UNSPECIFIED: _ClassVar[Privacy]
    PRIVACY_OPEN: _ClassVar[Privacy]
    PRIVACY_REVIEWERS: _ClassVar[Privacy]
    PRIVACY_PRIVATE: _ClassVar[Privacy]

class TakedownReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TAKEDOWN_UNSPECIFIED: _ClassVar[TakedownReason]
    TAKEDOWN_RIGHTS: _ClassVar[TakedownReason]
    TAKEDOWN_PERSONAL: _ClassVar[TakedownReason]
    TAKEDOWN_UNLAWFUL: _ClassVar[TakedownReason]
    TAKEDOWN_HARMFUL: _ClassVar[TakedownReason]
    TAKEDOWN_DEFECT: _ClassVar[TakedownReason]
    TAKEDOWN_OTHER: _ClassVar[TakedownReason]

class Relation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELATION_NONE: _ClassVar[Relation]
    RELATION_COPY: _ClassVar[Relation]
    RELATION_DERIVATIVE: _ClassVar[Relation]
    RELATION_INDEPENDENT: _ClassVar[Relation]
    RELATION_UNSURE: _ClassVar[Relation]
    RELATION_UNSEEN: _ClassVar[Relation]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_ACCEPTED: _ClassVar[Outcome]
    OUTCOME_REJECTED: _ClassVar[Outcome]
    OUTCOME_UNDECIDED: _ClassVar[Outcome]
    OUTCOME_COPY: _ClassVar[Outcome]

class WaitingReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAITING_UNSPECIFIED: _ClassVar[WaitingReason]
    WAITING_IN_REVIEW: _ClassVar[WaitingReason]
    WAITING_FOR_SEAL: _ClassVar[WaitingReason]
    WAITING_FOR_REVIEWERS: _ClassVar[WaitingReason]
    WAITING_PAUSED: _ClassVar[WaitingReason]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_CONTRIBUTOR: _ClassVar[Role]
    ROLE_REVIEWER: _ClassVar[Role]
    ROLE_TRAINER: _ClassVar[Role]
    ROLE_TREASURY: _ClassVar[Role]
    ROLE_HOLDER: _ClassVar[Role]

class Fault(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAULT_UNSPECIFIED: _ClassVar[Fault]
    FAULT_SILENCE: _ClassVar[Fault]

class JobOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_OUTCOME_UNSPECIFIED: _ClassVar[JobOutcome]
    JOB_OUTCOME_COMPLETED: _ClassVar[JobOutcome]
    JOB_OUTCOME_ENDED: _ClassVar[JobOutcome]

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_UNSPECIFIED: _ClassVar[Origin]
    ORIGIN_HUMAN: _ClassVar[Origin]
    ORIGIN_SENSOR: _ClassVar[Origin]
    ORIGIN_AGENT: _ClassVar[Origin]
    ORIGIN_SYNTHETIC: _ClassVar[Origin]

class Refusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_NONE: _ClassVar[Refusal]
    REFUSAL_UNSURE: _ClassVar[Refusal]
    REFUSAL_UNAVAILABLE: _ClassVar[Refusal]
    REFUSAL_MISMATCH: _ClassVar[Refusal]
    REFUSAL_UNREADABLE: _ClassVar[Refusal]
    REFUSAL_OFF_TOPIC: _ClassVar[Refusal]
    REFUSAL_PERSONAL: _ClassVar[Refusal]
    REFUSAL_HARMFUL: _ClassVar[Refusal]
ADMISSION_UNSPECIFIED: Admission
ADMISSION_OPEN: Admission
ADMISSION_INVITATION: Admission
ADMISSION_BOND: Admission
ADMISSION_EITHER: Admission
ADMISSION_BOTH: Admission
KEY_ROLE_UNSPECIFIED: KeyRole
KEY_ROLE_OPERATOR: KeyRole
KEY_ROLE_LOG: KeyRole
PROPOSAL_UNSPECIFIED: ProposalTerms
PROPOSAL_REQUIRED: ProposalTerms
PROPOSAL_OPTIONAL: ProposalTerms
PROPOSAL_NOT_TAKEN: ProposalTerms
WITHDRAWAL_KEEPS: WithdrawalTerms
WITHDRAWAL_REPAYS: WithdrawalTerms
AUTOMATION_LOCAL: Automation
AUTOMATION_ANYWHERE: Automation
AUTOMATION_NONE: Automation
PRIVACY_UNSPECIFIED: Privacy
PRIVACY_OPEN: Privacy
PRIVACY_REVIEWERS: Privacy
PRIVACY_PRIVATE: Privacy
TAKEDOWN_UNSPECIFIED: TakedownReason
TAKEDOWN_RIGHTS: TakedownReason
TAKEDOWN_PERSONAL: TakedownReason
TAKEDOWN_UNLAWFUL: TakedownReason
TAKEDOWN_HARMFUL: TakedownReason
TAKEDOWN_DEFECT: TakedownReason
TAKEDOWN_OTHER: TakedownReason
RELATION_NONE: Relation
RELATION_COPY: Relation
RELATION_DERIVATIVE: Relation
RELATION_INDEPENDENT: Relation
RELATION_UNSURE: Relation
RELATION_UNSEEN: Relation
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_ACCEPTED: Outcome
OUTCOME_REJECTED: Outcome
OUTCOME_UNDECIDED: Outcome
OUTCOME_COPY: Outcome
WAITING_UNSPECIFIED: WaitingReason
WAITING_IN_REVIEW: WaitingReason
WAITING_FOR_SEAL: WaitingReason
WAITING_FOR_REVIEWERS: WaitingReason
WAITING_PAUSED: WaitingReason
ROLE_UNSPECIFIED: Role
ROLE_CONTRIBUTOR: Role
ROLE_REVIEWER: Role
ROLE_TRAINER: Role
ROLE_TREASURY: Role
ROLE_HOLDER: Role
FAULT_UNSPECIFIED: Fault
FAULT_SILENCE: Fault
JOB_OUTCOME_UNSPECIFIED: JobOutcome
JOB_OUTCOME_COMPLETED: JobOutcome
JOB_OUTCOME_ENDED: JobOutcome
ORIGIN_UNSPECIFIED: Origin
ORIGIN_HUMAN: Origin
ORIGIN_SENSOR: Origin
ORIGIN_AGENT: Origin
ORIGIN_SYNTHETIC: Origin
REFUSAL_NONE: Refusal
REFUSAL_UNSURE: Refusal
REFUSAL_UNAVAILABLE: Refusal
REFUSAL_MISMATCH: Refusal
REFUSAL_UNREADABLE: Refusal
REFUSAL_OFF_TOPIC: Refusal
REFUSAL_PERSONAL: Refusal
REFUSAL_HARMFUL: Refusal

class Envelope(_message.Message):
    __slots__ = ("kind", "key", "payload", "signature")
    KIND_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    key: bytes
    payload: bytes
    signature: bytes
    def __init__(self, kind: _Optional[str] = ..., key: _Optional[bytes] = ..., payload: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("root", "count")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    root: bytes
    count: int
    def __init__(self, root: _Optional[bytes] = ..., count: _Optional[int] = ...) -> None: ...

class Delegation(_message.Message):
    __slots__ = ("root_key", "signature")
    ROOT_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    root_key: bytes
    signature: bytes
    def __init__(self, root_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("network", "delegation", "payout_address", "payout_signature", "serial", "invitation")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    DELEGATION_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    delegation: Delegation
    payout_address: bytes
    payout_signature: bytes
    serial: int
    invitation: Invitation
    def __init__(self, network: _Optional[bytes] = ..., delegation: _Optional[_Union[Delegation, _Mapping]] = ..., payout_address: _Optional[bytes] = ..., payout_signature: _Optional[bytes] = ..., serial: _Optional[int] = ..., invitation: _Optional[_Union[Invitation, _Mapping]] = ...) -> None: ...

class Invitation(_message.Message):
    __slots__ = ("inviter", "key", "epoch", "signature", "acceptance")
    INVITER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    inviter: bytes
    key: bytes
    epoch: int
    signature: bytes
    acceptance: bytes
    def __init__(self, inviter: _Optional[bytes] = ..., key: _Optional[bytes] = ..., epoch: _Optional[int] = ..., signature: _Optional[bytes] = ..., acceptance: _Optional[bytes] = ...) -> None: ...

class Delegate(_message.Message):
    __slots__ = ("network", "delegation")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    DELEGATION_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    delegation: Delegation
    def __init__(self, network: _Optional[bytes] = ..., delegation: _Optional[_Union[Delegation, _Mapping]] = ...) -> None: ...

class Genesis(_message.Message):
    __slots__ = ("network", "name", "policy", "rules", "delegation", "log_key")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    DELEGATION_FIELD_NUMBER: _ClassVar[int]
    LOG_KEY_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    name: str
    policy: Policy
    rules: int
    delegation: Delegation
    log_key: bytes
    def __init__(self, network: _Optional[bytes] = ..., name: _Optional[str] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., rules: _Optional[int] = ..., delegation: _Optional[_Union[Delegation, _Mapping]] = ..., log_key: _Optional[bytes] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("epoch_emission_micro", "contributors_ppm", "reviewers_ppm", "trainers_ppm", "rejection_penalty_ppm", "accept_ppm", "reputation_decay_ppm", "revenue_treasury_ppm", "royalty_ppm", "admission", "operator_invitations", "member_invitations", "invite_standing", "newcomer_items", "items_per_standing", "bond", "silence_tosses", "silence_ppm", "model_grace_epochs")
    EPOCH_EMISSION_MICRO_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTORS_PPM_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_PPM_FIELD_NUMBER: _ClassVar[int]
    TRAINERS_PPM_FIELD_NUMBER: _ClassVar[int]
    REJECTION_PENALTY_PPM_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_PPM_FIELD_NUMBER: _ClassVar[int]
    REPUTATION_DECAY_PPM_FIELD_NUMBER: _ClassVar[int]
    REVENUE_TREASURY_PPM_FIELD_NUMBER: _ClassVar[int]
    ROYALTY_PPM_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_INVITATIONS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_INVITATIONS_FIELD_NUMBER: _ClassVar[int]
    INVITE_STANDING_FIELD_NUMBER: _ClassVar[int]
    NEWCOMER_ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_PER_STANDING_FIELD_NUMBER: _ClassVar[int]
    BOND_FIELD_NUMBER: _ClassVar[int]
    SILENCE_TOSSES_FIELD_NUMBER: _ClassVar[int]
    SILENCE_PPM_FIELD_NUMBER: _ClassVar[int]
    MODEL_GRACE_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    epoch_emission_micro: int
    contributors_ppm: int
    reviewers_ppm: int
    trainers_ppm: int
    rejection_penalty_ppm: int
    accept_ppm: int
    reputation_decay_ppm: int
    revenue_treasury_ppm: int
    royalty_ppm: int
    admission: Admission
    operator_invitations: int
    member_invitations: int
    invite_standing: int
    newcomer_items: int
    items_per_standing: int
    bond: str
    silence_tosses: int
    silence_ppm: int
    model_grace_epochs: int
    def __init__(self, epoch_emission_micro: _Optional[int] = ..., contributors_ppm: _Optional[int] = ..., reviewers_ppm: _Optional[int] = ..., trainers_ppm: _Optional[int] = ..., rejection_penalty_ppm: _Optional[int] = ..., accept_ppm: _Optional[int] = ..., reputation_decay_ppm: _Optional[int] = ..., revenue_treasury_ppm: _Optional[int] = ..., royalty_ppm: _Optional[int] = ..., admission: _Optional[_Union[Admission, str]] = ..., operator_invitations: _Optional[int] = ..., member_invitations: _Optional[int] = ..., invite_standing: _Optional[int] = ..., newcomer_items: _Optional[int] = ..., items_per_standing: _Optional[int] = ..., bond: _Optional[str] = ..., silence_tosses: _Optional[int] = ..., silence_ppm: _Optional[int] = ..., model_grace_epochs: _Optional[int] = ...) -> None: ...

class PolicyChange(_message.Message):
    __slots__ = ("network", "epoch", "policy", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    epoch: int
    policy: Policy
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., epoch: _Optional[int] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., serial: _Optional[int] = ...) -> None: ...

class Upgrade(_message.Message):
    __slots__ = ("network", "version", "epoch", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    version: int
    epoch: int
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., version: _Optional[int] = ..., epoch: _Optional[int] = ..., serial: _Optional[int] = ...) -> None: ...

class Successor(_message.Message):
    __slots__ = ("network", "role", "key", "signature", "handover")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    role: KeyRole
    key: bytes
    signature: bytes
    handover: bytes
    def __init__(self, network: _Optional[bytes] = ..., role: _Optional[_Union[KeyRole, str]] = ..., key: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., handover: _Optional[bytes] = ...) -> None: ...

class Witnesses(_message.Message):
    __slots__ = ("network", "nonce", "keys", "time_ms", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    nonce: int
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    time_ms: int
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., nonce: _Optional[int] = ..., keys: _Optional[_Iterable[bytes]] = ..., time_ms: _Optional[int] = ..., serial: _Optional[int] = ...) -> None: ...

class Assent(_message.Message):
    __slots__ = ("network", "proposal")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: bytes
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[bytes] = ...) -> None: ...

class Deal(_message.Message):
    __slots__ = ("network", "proposal", "commitments", "ephemeral", "values", "knowledge")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    KNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: bytes
    commitments: _containers.RepeatedScalarFieldContainer[bytes]
    ephemeral: bytes
    values: _containers.RepeatedScalarFieldContainer[bytes]
    knowledge: bytes
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[bytes] = ..., commitments: _Optional[_Iterable[bytes]] = ..., ephemeral: _Optional[bytes] = ..., values: _Optional[_Iterable[bytes]] = ..., knowledge: _Optional[bytes] = ...) -> None: ...

class Dealt(_message.Message):
    __slots__ = ("network", "proposal", "time_ms")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: bytes
    time_ms: int
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[bytes] = ..., time_ms: _Optional[int] = ...) -> None: ...

class Complain(_message.Message):
    __slots__ = ("network", "proposal", "dealer", "shared", "proof")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    DEALER_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: bytes
    dealer: bytes
    shared: bytes
    proof: bytes
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[bytes] = ..., dealer: _Optional[bytes] = ..., shared: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Confirm(_message.Message):
    __slots__ = ("network", "proposal")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: bytes
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[bytes] = ...) -> None: ...

class Coin(_message.Message):
    __slots__ = ("network", "proposal", "time_ms")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: bytes
    time_ms: int
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[bytes] = ..., time_ms: _Optional[int] = ...) -> None: ...

class Toss(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "point", "proof")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    point: bytes
    proof: bytes
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., point: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Campaign(_message.Message):
    __slots__ = ("network", "id", "title", "guidelines", "task", "spec", "parts", "proposal", "licences", "reviewers_per_item", "price_ppm", "privacy", "withdrawal", "rounds", "copies", "derivative_permille", "automation")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    LICENCES_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_PER_ITEM_FIELD_NUMBER: _ClassVar[int]
    PRICE_PPM_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    DERIVATIVE_PERMILLE_FIELD_NUMBER: _ClassVar[int]
    AUTOMATION_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    id: str
    title: str
    guidelines: str
    task: str
    spec: bytes
    parts: _containers.RepeatedCompositeFieldContainer[PartTerms]
    proposal: ProposalTerms
    licences: _containers.RepeatedScalarFieldContainer[str]
    reviewers_per_item: int
    price_ppm: int
    privacy: Privacy
    withdrawal: WithdrawalTerms
    rounds: RoundTerms
    copies: CopyTerms
    derivative_permille: int
    automation: Automation
    def __init__(self, network: _Optional[bytes] = ..., id: _Optional[str] = ..., title: _Optional[str] = ..., guidelines: _Optional[str] = ..., task: _Optional[str] = ..., spec: _Optional[bytes] = ..., parts: _Optional[_Iterable[_Union[PartTerms, _Mapping]]] = ..., proposal: _Optional[_Union[ProposalTerms, str]] = ..., licences: _Optional[_Iterable[str]] = ..., reviewers_per_item: _Optional[int] = ..., price_ppm: _Optional[int] = ..., privacy: _Optional[_Union[Privacy, str]] = ..., withdrawal: _Optional[_Union[WithdrawalTerms, str]] = ..., rounds: _Optional[_Union[RoundTerms, _Mapping]] = ..., copies: _Optional[_Union[CopyTerms, _Mapping]] = ..., derivative_permille: _Optional[int] = ..., automation: _Optional[_Union[Automation, str]] = ...) -> None: ...

class CopyTerms(_message.Message):
    __slots__ = ("picture_strict", "picture_likely", "text_strict", "text_likely", "sound_strict", "sound_likely")
    PICTURE_STRICT_FIELD_NUMBER: _ClassVar[int]
    PICTURE_LIKELY_FIELD_NUMBER: _ClassVar[int]
    TEXT_STRICT_FIELD_NUMBER: _ClassVar[int]
    TEXT_LIKELY_FIELD_NUMBER: _ClassVar[int]
    SOUND_STRICT_FIELD_NUMBER: _ClassVar[int]
    SOUND_LIKELY_FIELD_NUMBER: _ClassVar[int]
    picture_strict: int
    picture_likely: int
    text_strict: int
    text_likely: int
    sound_strict: int
    sound_likely: int
    def __init__(self, picture_strict: _Optional[int] = ..., picture_likely: _Optional[int] = ..., text_strict: _Optional[int] = ..., text_likely: _Optional[int] = ..., sound_strict: _Optional[int] = ..., sound_likely: _Optional[int] = ...) -> None: ...

class PartTerms(_message.Message):
    __slots__ = ("name", "media_types", "bytes_max", "optional")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPES_FIELD_NUMBER: _ClassVar[int]
    BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    media_types: _containers.RepeatedScalarFieldContainer[str]
    bytes_max: int
    optional: bool
    def __init__(self, name: _Optional[str] = ..., media_types: _Optional[_Iterable[str]] = ..., bytes_max: _Optional[int] = ..., optional: _Optional[bool] = ...) -> None: ...

class RoundTerms(_message.Message):
    __slots__ = ("items_max", "seal_items", "seal_wait_ms", "commit_ms", "reveal_ms", "draws_max")
    ITEMS_MAX_FIELD_NUMBER: _ClassVar[int]
    SEAL_ITEMS_FIELD_NUMBER: _ClassVar[int]
    SEAL_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_MS_FIELD_NUMBER: _ClassVar[int]
    REVEAL_MS_FIELD_NUMBER: _ClassVar[int]
    DRAWS_MAX_FIELD_NUMBER: _ClassVar[int]
    items_max: int
    seal_items: int
    seal_wait_ms: int
    commit_ms: int
    reveal_ms: int
    draws_max: int
    def __init__(self, items_max: _Optional[int] = ..., seal_items: _Optional[int] = ..., seal_wait_ms: _Optional[int] = ..., commit_ms: _Optional[int] = ..., reveal_ms: _Optional[int] = ..., draws_max: _Optional[int] = ...) -> None: ...

class Pause(_message.Message):
    __slots__ = ("network", "campaign_id", "paused", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    paused: bool
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., paused: _Optional[bool] = ..., serial: _Optional[int] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("network", "campaign_id", "title", "guidelines", "price_ppm", "rounds", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    PRICE_PPM_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    title: str
    guidelines: str
    price_ppm: int
    rounds: RoundTerms
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., title: _Optional[str] = ..., guidelines: _Optional[str] = ..., price_ppm: _Optional[int] = ..., rounds: _Optional[_Union[RoundTerms, _Mapping]] = ..., serial: _Optional[int] = ...) -> None: ...

class CloseCampaign(_message.Message):
    __slots__ = ("network", "campaign_id", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., serial: _Optional[int] = ...) -> None: ...

class Takedown(_message.Message):
    __slots__ = ("network", "item_id", "reason", "words")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    item_id: bytes
    reason: TakedownReason
    words: str
    def __init__(self, network: _Optional[bytes] = ..., item_id: _Optional[bytes] = ..., reason: _Optional[_Union[TakedownReason, str]] = ..., words: _Optional[str] = ...) -> None: ...

class Seal(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "time_ms", "found")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    time_ms: int
    found: Batch
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., time_ms: _Optional[int] = ..., found: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Duplicate(_message.Message):
    __slots__ = ("item_id", "duplicate_of")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    duplicate_of: bytes
    def __init__(self, item_id: _Optional[bytes] = ..., duplicate_of: _Optional[bytes] = ...) -> None: ...

class Resemblance(_message.Message):
    __slots__ = ("item_id", "original", "distance")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    original: bytes
    distance: int
    def __init__(self, item_id: _Optional[bytes] = ..., original: _Optional[bytes] = ..., distance: _Optional[int] = ...) -> None: ...

class GoldHash(_message.Message):
    __slots__ = ("hash",)
    HASH_FIELD_NUMBER: _ClassVar[int]
    hash: bytes
    def __init__(self, hash: _Optional[bytes] = ...) -> None: ...

class Draw(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "time_ms", "seed", "assignments")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    time_ms: int
    seed: bytes
    assignments: Batch
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., time_ms: _Optional[int] = ..., seed: _Optional[bytes] = ..., assignments: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("item_id", "reviewers")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    reviewers: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, item_id: _Optional[bytes] = ..., reviewers: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EndCommits(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "time_ms")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    time_ms: int
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., time_ms: _Optional[int] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "time_ms", "verdicts")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    time_ms: int
    verdicts: Batch
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., time_ms: _Optional[int] = ..., verdicts: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class ItemVerdict(_message.Message):
    __slots__ = ("item_id", "outcome", "belief_ppm", "answer", "confidence_ppm", "proposal", "proposal_salt", "gold", "gold_salt", "refusal", "resembles", "relation", "reviewers", "programs")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    BELIEF_PPM_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_PPM_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_SALT_FIELD_NUMBER: _ClassVar[int]
    GOLD_FIELD_NUMBER: _ClassVar[int]
    GOLD_SALT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    RESEMBLES_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    outcome: Outcome
    belief_ppm: _containers.RepeatedScalarFieldContainer[int]
    answer: bytes
    confidence_ppm: int
    proposal: bytes
    proposal_salt: bytes
    gold: bytes
    gold_salt: bytes
    refusal: Refusal
    resembles: bytes
    relation: Relation
    reviewers: int
    programs: int
    def __init__(self, item_id: _Optional[bytes] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., belief_ppm: _Optional[_Iterable[int]] = ..., answer: _Optional[bytes] = ..., confidence_ppm: _Optional[int] = ..., proposal: _Optional[bytes] = ..., proposal_salt: _Optional[bytes] = ..., gold: _Optional[bytes] = ..., gold_salt: _Optional[bytes] = ..., refusal: _Optional[_Union[Refusal, str]] = ..., resembles: _Optional[bytes] = ..., relation: _Optional[_Union[Relation, str]] = ..., reviewers: _Optional[int] = ..., programs: _Optional[int] = ...) -> None: ...

class Close(_message.Message):
    __slots__ = ("network", "epoch", "time_ms", "lines", "waiting")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    epoch: int
    time_ms: int
    lines: Batch
    waiting: _containers.RepeatedCompositeFieldContainer[Waiting]
    def __init__(self, network: _Optional[bytes] = ..., epoch: _Optional[int] = ..., time_ms: _Optional[int] = ..., lines: _Optional[_Union[Batch, _Mapping]] = ..., waiting: _Optional[_Iterable[_Union[Waiting, _Mapping]]] = ...) -> None: ...

class Waiting(_message.Message):
    __slots__ = ("campaign_id", "items", "reason")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    items: int
    reason: WaitingReason
    def __init__(self, campaign_id: _Optional[str] = ..., items: _Optional[int] = ..., reason: _Optional[_Union[WaitingReason, str]] = ...) -> None: ...

class RewardLine(_message.Message):
    __slots__ = ("person", "role", "campaign_id", "asset", "amount", "weight_micro", "evidence", "job_id", "licence_id", "revision")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_MICRO_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    LICENCE_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    person: bytes
    role: Role
    campaign_id: str
    asset: bytes
    amount: str
    weight_micro: int
    evidence: Evidence
    job_id: str
    licence_id: str
    revision: int
    def __init__(self, person: _Optional[bytes] = ..., role: _Optional[_Union[Role, str]] = ..., campaign_id: _Optional[str] = ..., asset: _Optional[bytes] = ..., amount: _Optional[str] = ..., weight_micro: _Optional[int] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ..., job_id: _Optional[str] = ..., licence_id: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("accepted", "rejected", "duplicates", "undecided", "answers", "gold_answers", "gold_right", "agreement_ppm", "ring_size", "shares_micro", "repaid_micro", "updates", "licensed_permille", "derivatives", "programs", "worth_ppm")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    UNDECIDED_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    GOLD_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    GOLD_RIGHT_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_PPM_FIELD_NUMBER: _ClassVar[int]
    RING_SIZE_FIELD_NUMBER: _ClassVar[int]
    SHARES_MICRO_FIELD_NUMBER: _ClassVar[int]
    REPAID_MICRO_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    LICENSED_PERMILLE_FIELD_NUMBER: _ClassVar[int]
    DERIVATIVES_FIELD_NUMBER: _ClassVar[int]
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    WORTH_PPM_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    rejected: int
    duplicates: int
    undecided: int
    answers: int
    gold_answers: int
    gold_right: int
    agreement_ppm: int
    ring_size: int
    shares_micro: int
    repaid_micro: int
    updates: int
    licensed_permille: int
    derivatives: int
    programs: int
    worth_ppm: int
    def __init__(self, accepted: _Optional[int] = ..., rejected: _Optional[int] = ..., duplicates: _Optional[int] = ..., undecided: _Optional[int] = ..., answers: _Optional[int] = ..., gold_answers: _Optional[int] = ..., gold_right: _Optional[int] = ..., agreement_ppm: _Optional[int] = ..., ring_size: _Optional[int] = ..., shares_micro: _Optional[int] = ..., repaid_micro: _Optional[int] = ..., updates: _Optional[int] = ..., licensed_permille: _Optional[int] = ..., derivatives: _Optional[int] = ..., programs: _Optional[int] = ..., worth_ppm: _Optional[int] = ...) -> None: ...

class Deployment(_message.Message):
    __slots__ = ("network", "chain_id", "block", "finality", "share_token", "timelock", "governor", "witness_set", "vault", "settlement", "stake", "board")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    FINALITY_FIELD_NUMBER: _ClassVar[int]
    SHARE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TIMELOCK_FIELD_NUMBER: _ClassVar[int]
    GOVERNOR_FIELD_NUMBER: _ClassVar[int]
    WITNESS_SET_FIELD_NUMBER: _ClassVar[int]
    VAULT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    STAKE_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    chain_id: int
    block: int
    finality: int
    share_token: bytes
    timelock: bytes
    governor: bytes
    witness_set: bytes
    vault: bytes
    settlement: bytes
    stake: bytes
    board: bytes
    def __init__(self, network: _Optional[bytes] = ..., chain_id: _Optional[int] = ..., block: _Optional[int] = ..., finality: _Optional[int] = ..., share_token: _Optional[bytes] = ..., timelock: _Optional[bytes] = ..., governor: _Optional[bytes] = ..., witness_set: _Optional[bytes] = ..., vault: _Optional[bytes] = ..., settlement: _Optional[bytes] = ..., stake: _Optional[bytes] = ..., board: _Optional[bytes] = ...) -> None: ...

class Move(_message.Message):
    __slots__ = ("network", "chain_id", "block", "finality", "share_token", "timelock", "governor", "witness_set", "vault", "settlement", "stake", "board", "epoch", "carried", "left", "witness_nonce", "deadline")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    FINALITY_FIELD_NUMBER: _ClassVar[int]
    SHARE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TIMELOCK_FIELD_NUMBER: _ClassVar[int]
    GOVERNOR_FIELD_NUMBER: _ClassVar[int]
    WITNESS_SET_FIELD_NUMBER: _ClassVar[int]
    VAULT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    STAKE_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CARRIED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    WITNESS_NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    chain_id: int
    block: int
    finality: int
    share_token: bytes
    timelock: bytes
    governor: bytes
    witness_set: bytes
    vault: bytes
    settlement: bytes
    stake: bytes
    board: bytes
    epoch: int
    carried: str
    left: _containers.RepeatedCompositeFieldContainer[AssetTotal]
    witness_nonce: int
    deadline: int
    def __init__(self, network: _Optional[bytes] = ..., chain_id: _Optional[int] = ..., block: _Optional[int] = ..., finality: _Optional[int] = ..., share_token: _Optional[bytes] = ..., timelock: _Optional[bytes] = ..., governor: _Optional[bytes] = ..., witness_set: _Optional[bytes] = ..., vault: _Optional[bytes] = ..., settlement: _Optional[bytes] = ..., stake: _Optional[bytes] = ..., board: _Optional[bytes] = ..., epoch: _Optional[int] = ..., carried: _Optional[str] = ..., left: _Optional[_Iterable[_Union[AssetTotal, _Mapping]]] = ..., witness_nonce: _Optional[int] = ..., deadline: _Optional[int] = ...) -> None: ...

class Retire(_message.Message):
    __slots__ = ("network", "contracts", "proposal", "witness_nonce", "deadline")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CONTRACTS_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    WITNESS_NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    contracts: int
    proposal: int
    witness_nonce: int
    deadline: int
    def __init__(self, network: _Optional[bytes] = ..., contracts: _Optional[int] = ..., proposal: _Optional[int] = ..., witness_nonce: _Optional[int] = ..., deadline: _Optional[int] = ...) -> None: ...

class Chain(_message.Message):
    __slots__ = ("network", "first", "last", "last_hash", "last_time", "logs")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    LAST_HASH_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    first: int
    last: int
    last_hash: bytes
    last_time: int
    logs: Batch
    def __init__(self, network: _Optional[bytes] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., last_hash: _Optional[bytes] = ..., last_time: _Optional[int] = ..., logs: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class ChainLog(_message.Message):
    __slots__ = ("contract", "topics", "data", "block", "block_hash", "tx_hash", "log_index", "data_hash")
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    TX_HASH_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    DATA_HASH_FIELD_NUMBER: _ClassVar[int]
    contract: bytes
    topics: _containers.RepeatedScalarFieldContainer[bytes]
    data: bytes
    block: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int
    data_hash: bytes
    def __init__(self, contract: _Optional[bytes] = ..., topics: _Optional[_Iterable[bytes]] = ..., data: _Optional[bytes] = ..., block: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., tx_hash: _Optional[bytes] = ..., log_index: _Optional[int] = ..., data_hash: _Optional[bytes] = ...) -> None: ...

class Rewind(_message.Message):
    __slots__ = ("network", "first", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    first: int
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., first: _Optional[int] = ..., serial: _Optional[int] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("network", "epoch", "attempt", "witness_nonce", "deadline", "root", "totals", "leaves")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WITNESS_NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    epoch: int
    attempt: int
    witness_nonce: int
    deadline: int
    root: bytes
    totals: _containers.RepeatedCompositeFieldContainer[AssetTotal]
    leaves: int
    def __init__(self, network: _Optional[bytes] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., witness_nonce: _Optional[int] = ..., deadline: _Optional[int] = ..., root: _Optional[bytes] = ..., totals: _Optional[_Iterable[_Union[AssetTotal, _Mapping]]] = ..., leaves: _Optional[int] = ...) -> None: ...

class AssetTotal(_message.Message):
    __slots__ = ("asset", "amount")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    asset: bytes
    amount: str
    def __init__(self, asset: _Optional[bytes] = ..., amount: _Optional[str] = ...) -> None: ...

class Uphold(_message.Message):
    __slots__ = ("network", "epoch", "witness_nonce", "deadline")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WITNESS_NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    epoch: int
    witness_nonce: int
    deadline: int
    def __init__(self, network: _Optional[bytes] = ..., epoch: _Optional[int] = ..., witness_nonce: _Optional[int] = ..., deadline: _Optional[int] = ...) -> None: ...

class WitnessChange(_message.Message):
    __slots__ = ("network", "proposal", "witness_nonce", "deadline", "witnesses")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    WITNESS_NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    proposal: int
    witness_nonce: int
    deadline: int
    witnesses: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, network: _Optional[bytes] = ..., proposal: _Optional[int] = ..., witness_nonce: _Optional[int] = ..., deadline: _Optional[int] = ..., witnesses: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Slash(_message.Message):
    __slots__ = ("network", "bond", "fault", "evidence", "amount", "witness_nonce", "deadline")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    BOND_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    WITNESS_NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    bond: bytes
    fault: Fault
    evidence: bytes
    amount: str
    witness_nonce: int
    deadline: int
    def __init__(self, network: _Optional[bytes] = ..., bond: _Optional[bytes] = ..., fault: _Optional[_Union[Fault, str]] = ..., evidence: _Optional[bytes] = ..., amount: _Optional[str] = ..., witness_nonce: _Optional[int] = ..., deadline: _Optional[int] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("network", "campaign_id", "scope", "items")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    scope: Consent
    items: Batch
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., scope: _Optional[_Union[Consent, _Mapping]] = ..., items: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class SnapshotItem(_message.Message):
    __slots__ = ("item_id", "without", "less_permille")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    LESS_PERMILLE_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    without: _containers.RepeatedScalarFieldContainer[int]
    less_permille: int
    def __init__(self, item_id: _Optional[bytes] = ..., without: _Optional[_Iterable[int]] = ..., less_permille: _Optional[int] = ...) -> None: ...

class Licence(_message.Message):
    __slots__ = ("network", "id", "snapshot", "licensee", "terms", "asset", "price", "job_id")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LICENSEE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    id: str
    snapshot: bytes
    licensee: str
    terms: str
    asset: bytes
    price: str
    job_id: str
    def __init__(self, network: _Optional[bytes] = ..., id: _Optional[str] = ..., snapshot: _Optional[bytes] = ..., licensee: _Optional[str] = ..., terms: _Optional[str] = ..., asset: _Optional[bytes] = ..., price: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("network", "id", "title", "campaign_id", "snapshot", "task", "initial_model", "columns", "partners", "quorum", "rounds", "sampling_ppm", "clip_micro", "noise_micro", "learning_rate_micro", "momentum_ppm", "epsilon_micro", "delta_ppb", "expected_examples", "price_ppm", "round_seconds", "endpoint", "tls_certificate", "spare_rounds", "noise_parties", "upload_step", "upload_bits", "upload_values", "parameters", "task_options", "task_code", "task_version", "is_question", "cohorts", "defence", "worth_ppm", "margin_ppm", "model_licence", "weight_bits")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    INITIAL_MODEL_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PARTNERS_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_PPM_FIELD_NUMBER: _ClassVar[int]
    CLIP_MICRO_FIELD_NUMBER: _ClassVar[int]
    NOISE_MICRO_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_MICRO_FIELD_NUMBER: _ClassVar[int]
    MOMENTUM_PPM_FIELD_NUMBER: _ClassVar[int]
    EPSILON_MICRO_FIELD_NUMBER: _ClassVar[int]
    DELTA_PPB_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    PRICE_PPM_FIELD_NUMBER: _ClassVar[int]
    ROUND_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TLS_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    SPARE_ROUNDS_FIELD_NUMBER: _ClassVar[int]
    NOISE_PARTIES_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_STEP_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_BITS_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_VALUES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TASK_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TASK_CODE_FIELD_NUMBER: _ClassVar[int]
    TASK_VERSION_FIELD_NUMBER: _ClassVar[int]
    IS_QUESTION_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    DEFENCE_FIELD_NUMBER: _ClassVar[int]
    WORTH_PPM_FIELD_NUMBER: _ClassVar[int]
    MARGIN_PPM_FIELD_NUMBER: _ClassVar[int]
    MODEL_LICENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_BITS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    id: str
    title: str
    campaign_id: str
    snapshot: bytes
    task: str
    initial_model: bytes
    columns: _containers.RepeatedScalarFieldContainer[str]
    partners: _containers.RepeatedScalarFieldContainer[bytes]
    quorum: int
    rounds: int
    sampling_ppm: int
    clip_micro: int
    noise_micro: int
    learning_rate_micro: int
    momentum_ppm: int
    epsilon_micro: int
    delta_ppb: int
    expected_examples: int
    price_ppm: int
    round_seconds: int
    endpoint: str
    tls_certificate: bytes
    spare_rounds: int
    noise_parties: int
    upload_step: int
    upload_bits: int
    upload_values: int
    parameters: int
    task_options: str
    task_code: bytes
    task_version: str
    is_question: bool
    cohorts: int
    defence: str
    worth_ppm: int
    margin_ppm: int
    model_licence: str
    weight_bits: int
    def __init__(self, network: _Optional[bytes] = ..., id: _Optional[str] = ..., title: _Optional[str] = ..., campaign_id: _Optional[str] = ..., snapshot: _Optional[bytes] = ..., task: _Optional[str] = ..., initial_model: _Optional[bytes] = ..., columns: _Optional[_Iterable[str]] = ..., partners: _Optional[_Iterable[bytes]] = ..., quorum: _Optional[int] = ..., rounds: _Optional[int] = ..., sampling_ppm: _Optional[int] = ..., clip_micro: _Optional[int] = ..., noise_micro: _Optional[int] = ..., learning_rate_micro: _Optional[int] = ..., momentum_ppm: _Optional[int] = ..., epsilon_micro: _Optional[int] = ..., delta_ppb: _Optional[int] = ..., expected_examples: _Optional[int] = ..., price_ppm: _Optional[int] = ..., round_seconds: _Optional[int] = ..., endpoint: _Optional[str] = ..., tls_certificate: _Optional[bytes] = ..., spare_rounds: _Optional[int] = ..., noise_parties: _Optional[int] = ..., upload_step: _Optional[int] = ..., upload_bits: _Optional[int] = ..., upload_values: _Optional[int] = ..., parameters: _Optional[int] = ..., task_options: _Optional[str] = ..., task_code: _Optional[bytes] = ..., task_version: _Optional[str] = ..., is_question: _Optional[bool] = ..., cohorts: _Optional[int] = ..., defence: _Optional[str] = ..., worth_ppm: _Optional[int] = ..., margin_ppm: _Optional[int] = ..., model_licence: _Optional[str] = ..., weight_bits: _Optional[int] = ...) -> None: ...

class TrainingStart(_message.Message):
    __slots__ = ("network", "job_id")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ...) -> None: ...

class TrainingSet(_message.Message):
    __slots__ = ("network", "job_id", "round", "partners")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PARTNERS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    partners: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., partners: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FailedRound(_message.Message):
    __slots__ = ("network", "job_id", "round", "reason", "missing", "epsilon_micro", "faulty", "usefulness_micro")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    EPSILON_MICRO_FIELD_NUMBER: _ClassVar[int]
    FAULTY_FIELD_NUMBER: _ClassVar[int]
    USEFULNESS_MICRO_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    reason: str
    missing: _containers.RepeatedScalarFieldContainer[bytes]
    epsilon_micro: int
    faulty: _containers.RepeatedScalarFieldContainer[bytes]
    usefulness_micro: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., reason: _Optional[str] = ..., missing: _Optional[_Iterable[bytes]] = ..., epsilon_micro: _Optional[int] = ..., faulty: _Optional[_Iterable[bytes]] = ..., usefulness_micro: _Optional[_Iterable[int]] = ...) -> None: ...

class TrainingRound(_message.Message):
    __slots__ = ("network", "job_id", "round", "base_model", "model", "partners", "epsilon_micro", "accuracy_ppm", "faulty", "checkpoint", "usefulness_micro", "weights_ppm")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARTNERS_FIELD_NUMBER: _ClassVar[int]
    EPSILON_MICRO_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_PPM_FIELD_NUMBER: _ClassVar[int]
    FAULTY_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    USEFULNESS_MICRO_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PPM_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    base_model: bytes
    model: bytes
    partners: _containers.RepeatedScalarFieldContainer[bytes]
    epsilon_micro: int
    accuracy_ppm: int
    faulty: _containers.RepeatedScalarFieldContainer[bytes]
    checkpoint: bytes
    usefulness_micro: _containers.RepeatedScalarFieldContainer[int]
    weights_ppm: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., base_model: _Optional[bytes] = ..., model: _Optional[bytes] = ..., partners: _Optional[_Iterable[bytes]] = ..., epsilon_micro: _Optional[int] = ..., accuracy_ppm: _Optional[int] = ..., faulty: _Optional[_Iterable[bytes]] = ..., checkpoint: _Optional[bytes] = ..., usefulness_micro: _Optional[_Iterable[int]] = ..., weights_ppm: _Optional[_Iterable[int]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("network", "job_id", "outcome", "reason", "weights", "artifact", "card", "accuracy_fp32_ppm", "accuracy_int8_ppm", "held_back", "fp32_bytes", "int8_bytes", "epsilon_micro", "energy_millijoules")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FP32_PPM_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_INT8_PPM_FIELD_NUMBER: _ClassVar[int]
    HELD_BACK_FIELD_NUMBER: _ClassVar[int]
    FP32_BYTES_FIELD_NUMBER: _ClassVar[int]
    INT8_BYTES_FIELD_NUMBER: _ClassVar[int]
    EPSILON_MICRO_FIELD_NUMBER: _ClassVar[int]
    ENERGY_MILLIJOULES_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    outcome: JobOutcome
    reason: str
    weights: bytes
    artifact: bytes
    card: bytes
    accuracy_fp32_ppm: int
    accuracy_int8_ppm: int
    held_back: int
    fp32_bytes: int
    int8_bytes: int
    epsilon_micro: int
    energy_millijoules: int
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., outcome: _Optional[_Union[JobOutcome, str]] = ..., reason: _Optional[str] = ..., weights: _Optional[bytes] = ..., artifact: _Optional[bytes] = ..., card: _Optional[bytes] = ..., accuracy_fp32_ppm: _Optional[int] = ..., accuracy_int8_ppm: _Optional[int] = ..., held_back: _Optional[int] = ..., fp32_bytes: _Optional[int] = ..., int8_bytes: _Optional[int] = ..., epsilon_micro: _Optional[int] = ..., energy_millijoules: _Optional[int] = ...) -> None: ...

class Submission(_message.Message):
    __slots__ = ("network", "campaign_id", "items", "parts")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    items: Batch
    parts: int
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., items: _Optional[_Union[Batch, _Mapping]] = ..., parts: _Optional[int] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("parts", "proposal_commitment", "licence", "consent", "origin", "generator", "personal_data", "derived_from", "transformation", "optional")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_DATA_FIELD_NUMBER: _ClassVar[int]
    DERIVED_FROM_FIELD_NUMBER: _ClassVar[int]
    TRANSFORMATION_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    proposal_commitment: bytes
    licence: str
    consent: Consent
    origin: Origin
    generator: str
    personal_data: bool
    derived_from: _containers.RepeatedScalarFieldContainer[bytes]
    transformation: str
    optional: _containers.RepeatedCompositeFieldContainer[PartHash]
    def __init__(self, parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., proposal_commitment: _Optional[bytes] = ..., licence: _Optional[str] = ..., consent: _Optional[_Union[Consent, _Mapping]] = ..., origin: _Optional[_Union[Origin, str]] = ..., generator: _Optional[str] = ..., personal_data: _Optional[bool] = ..., derived_from: _Optional[_Iterable[bytes]] = ..., transformation: _Optional[str] = ..., optional: _Optional[_Iterable[_Union[PartHash, _Mapping]]] = ...) -> None: ...

class PartHash(_message.Message):
    __slots__ = ("name", "hash")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    name: str
    hash: bytes
    def __init__(self, name: _Optional[str] = ..., hash: _Optional[bytes] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("name", "commitment", "size", "media_type", "fingerprint", "source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    commitment: bytes
    size: int
    media_type: str
    fingerprint: bytes
    source: str
    def __init__(self, name: _Optional[str] = ..., commitment: _Optional[bytes] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., source: _Optional[str] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("train", "redistribute", "commercial")
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    REDISTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    COMMERCIAL_FIELD_NUMBER: _ClassVar[int]
    train: bool
    redistribute: bool
    commercial: bool
    def __init__(self, train: _Optional[bool] = ..., redistribute: _Optional[bool] = ..., commercial: _Optional[bool] = ...) -> None: ...

class Standby(_message.Message):
    __slots__ = ("network", "campaign_id", "stands", "serial")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    STANDS_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    stands: bool
    serial: int
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., stands: _Optional[bool] = ..., serial: _Optional[int] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "answers")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    answers: Batch
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., answers: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Reveal(_message.Message):
    __slots__ = ("network", "campaign_id", "round", "answers")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    campaign_id: str
    round: int
    answers: Batch
    def __init__(self, network: _Optional[bytes] = ..., campaign_id: _Optional[str] = ..., round: _Optional[int] = ..., answers: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("item_id", "reviewer", "nonce", "answer", "refusal", "relation", "program", "seconds")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    item_id: bytes
    reviewer: bytes
    nonce: bytes
    answer: bytes
    refusal: Refusal
    relation: Relation
    program: str
    seconds: int
    def __init__(self, item_id: _Optional[bytes] = ..., reviewer: _Optional[bytes] = ..., nonce: _Optional[bytes] = ..., answer: _Optional[bytes] = ..., refusal: _Optional[_Union[Refusal, str]] = ..., relation: _Optional[_Union[Relation, str]] = ..., program: _Optional[str] = ..., seconds: _Optional[int] = ...) -> None: ...

class Attest(_message.Message):
    __slots__ = ("network", "digest", "signature")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    digest: bytes
    signature: bytes
    def __init__(self, network: _Optional[bytes] = ..., digest: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Withdraw(_message.Message):
    __slots__ = ("network", "item_ids", "part")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    item_ids: _containers.RepeatedScalarFieldContainer[bytes]
    part: str
    def __init__(self, network: _Optional[bytes] = ..., item_ids: _Optional[_Iterable[bytes]] = ..., part: _Optional[str] = ...) -> None: ...

class Contest(_message.Message):
    __slots__ = ("network", "item_id")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    item_id: bytes
    def __init__(self, network: _Optional[bytes] = ..., item_id: _Optional[bytes] = ...) -> None: ...

class Enrol(_message.Message):
    __slots__ = ("network", "job_id", "data_commitment", "transport_key", "sealing_key")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_KEY_FIELD_NUMBER: _ClassVar[int]
    SEALING_KEY_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    data_commitment: bytes
    transport_key: bytes
    sealing_key: bytes
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., data_commitment: _Optional[bytes] = ..., transport_key: _Optional[bytes] = ..., sealing_key: _Optional[bytes] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("network", "job_id", "round", "base_model", "update", "data_commitment", "epsilon_micro", "delta_ppb", "seeds")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    DATA_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    EPSILON_MICRO_FIELD_NUMBER: _ClassVar[int]
    DELTA_PPB_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    base_model: bytes
    update: bytes
    data_commitment: bytes
    epsilon_micro: int
    delta_ppb: int
    seeds: bytes
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., base_model: _Optional[bytes] = ..., update: _Optional[bytes] = ..., data_commitment: _Optional[bytes] = ..., epsilon_micro: _Optional[int] = ..., delta_ppb: _Optional[int] = ..., seeds: _Optional[bytes] = ...) -> None: ...

class SumOpening(_message.Message):
    __slots__ = ("network", "job_id", "round", "set", "sums")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    set: bytes
    sums: _containers.RepeatedCompositeFieldContainer[OpenedSum]
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., set: _Optional[bytes] = ..., sums: _Optional[_Iterable[_Union[OpenedSum, _Mapping]]] = ...) -> None: ...

class Complaint(_message.Message):
    __slots__ = ("network", "job_id", "round", "partner", "share")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    partner: bytes
    share: bytes
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., partner: _Optional[bytes] = ..., share: _Optional[bytes] = ...) -> None: ...

class Disclosure(_message.Message):
    __slots__ = ("network", "job_id", "round", "member", "ephemeral")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    network: bytes
    job_id: str
    round: int
    member: bytes
    ephemeral: bytes
    def __init__(self, network: _Optional[bytes] = ..., job_id: _Optional[str] = ..., round: _Optional[int] = ..., member: _Optional[bytes] = ..., ephemeral: _Optional[bytes] = ...) -> None: ...

class OpenedSum(_message.Message):
    __slots__ = ("masks", "sum")
    MASKS_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    masks: int
    sum: bytes
    def __init__(self, masks: _Optional[int] = ..., sum: _Optional[bytes] = ...) -> None: ...
