// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Attestation, Attestations} from "./Attestations.sol";
import {Payload, Payloads} from "./Payloads.sol";
import {Terms} from "./Terms.sol";
import {Words} from "./Words.sol";

/// @title Which root is in force
/// @notice A quorum of witnesses posts a root for the next epoch; it waits, and comes into force if nobody objects.
///
///     post -> Waiting --DELAY--------------------------> enact
///               | challenge, by any bonded witness         ^
///               v                                          |
///             Frozen -- uphold, by the quorum --> Upheld --APPEAL_DELAY
///               | lapse, if not upheld within DELAY
///
/// From each of the three the timelock may cancel, and a proven contradiction undoes: the root goes, and all behind it.
/// Roots come into force in order only, so one that is frozen holds back those behind it.
///
/// What no signature can change: an epoch follows the last; totals never fall; shares grow by no more than the emission;
/// nothing is promised that did not come in; a root waits. So a quorum that lies can be stopped by one honest witness
/// and the governor together, and a quorum of less than all of that can take nothing.
abstract contract RootQueue is EIP712, Terms {
    using Attestations for Attestation;
    using Payloads for Payload;
    using Words for address[];

    enum Status {
        Waiting,
        Frozen,
        Upheld
    }

    /// @notice A posted root.
    /// @param payload Hash of what it settles; whoever needs the rest passes it along.
    /// @param due When it may come into force; of a frozen one, when it lapses.
    /// @param attempt How often anything had been undone before it was posted.
    /// @param signers Who signed: bit i is for witness i of set `witnessNonce`.
    struct Posting {
        bytes32 payload;
        uint40 postedAt;
        uint40 due;
        Status status;
        uint32 attempt;
        uint48 witnessNonce;
        uint64 signers;
    }

    /// @notice How many roots may wait: more than epochs that can pass while one is decided, and few enough to read.
    uint256 public constant QUEUE_MAX = 32;

    /// @dev One more than may wait, so that the one in force is not overwritten.
    uint256 private constant SLOTS = QUEUE_MAX + 1;

    /// @dev The root while nobody has earned anything. No proof ends here: leaves are hashed from 32 bytes and nodes from 64,
    /// so one that did would be a collision.
    bytes32 private constant NOTHING_EARNED = keccak256("");

    /// @notice The epoch in force, and the last posted: what lies between waits.
    uint64 public epoch;
    uint64 public posted;

    /// @notice How often roots were undone. Signed with each, so that nobody can post again with old signatures what was
    /// undone, and so that signing anew afterwards is no contradiction.
    uint32 public attempt;

    /// @notice The root in force, and the one before it: a proof on its way when a root changes still pays. Not empty
    /// from the start: then the first epochs would pay 17,100 gas more for each.
    bytes32 public root = NOTHING_EARNED;
    bytes32 public previousRoot = NOTHING_EARNED;

    mapping(uint256 slot => Posting) internal _postings;

    /// @notice Witnesses proven to have signed two payloads for one epoch, by the hash of both.
    mapping(bytes32 evidence => mapping(address witness => bool)) public contradicted;

    event Posted(
        uint256 indexed epoch,
        bytes32 indexed root,
        address[] assets,
        uint256[] totals,
        uint256 attempt,
        uint256 witnessNonce,
        uint256 signers
    );
    event Challenged(uint256 indexed epoch, address indexed witness, bytes32 evidence);
    event Upheld(uint256 indexed epoch, uint256 due);

    /// @notice This root and all behind it are gone; `attempt` is what the next signatures have to name.
    event Undone(uint256 indexed epoch, uint256 attempt, bytes4 by);

    /// @notice Both were signed by a quorum for one epoch. `signers`: who signed both.
    event Contradicted(
        uint256 indexed epoch, bytes32 indexed evidence, bytes32 payload, bytes32 other, uint256 signers
    );
    event Enacted(uint256 indexed epoch, bytes32 indexed root);

    error EpochNotNext(uint256 epoch, uint256 next);
    error QueueFull();
    error InvalidPayload();
    error PayloadMismatch(uint256 epoch);
    error TotalDecreased(address asset, uint256 total, uint256 last);
    error NotReceived(address asset, uint256 total, uint256 received);
    error NotWaiting(uint256 epoch);
    error WrongStatus(Status status);
    error TooEarly(uint256 due);
    error TooLate(uint256 due);
    error NotAWitness(address caller);
    error NotBonded(address witness);
    error NoContradiction();

    /// @dev One slot is what comes before the first epoch: a root of zeros that promises what was carried over, so that no
    /// root can promise less of it, and none more than that and its emission. The others only are no longer empty:
    /// writing to them is paid for here, instead of 34,000 gas in each of the first epochs.
    constructor() EIP712("Commonhold", "1") {
        bytes32 before = Payloads.hashCarried(START, address(shareToken), CARRIED);
        Posting memory begun = Posting(before, 1, 1, Status.Waiting, 0, 0, 0);
        for (uint256 slot = 0; slot < SLOTS; ++slot) _postings[slot] = begun;
        (epoch, posted) = (uint64(START), uint64(START));
    }

    /// @notice Let the root of the next epoch wait. Anybody may send it: the signatures are the authority.
    /// @param last What was posted before (of epoch {START}: a root of zeros, and the shares carried over, if any). Passing
    /// it along is 30,000 gas cheaper than keeping its totals in storage, and makes undoing it free.
    function post(Payload calldata next, Payload calldata last, Attestation calldata by) external {
        uint256 last_ = posted;
        if (next.epoch != last_ + 1) revert EpochNotNext(next.epoch, last_ + 1);
        if (last_ - epoch >= QUEUE_MAX) revert QueueFull();
        if (last.hash() != posting(last_).payload) revert PayloadMismatch(last_);
        _checkTotals(next, last);
        bytes32 payload = next.hash();
        uint32 attempt_ = attempt;
        witnessSet.requirePresent(by.setId(), by.nonce, by.deadline);
        uint64 signers = by.requireQuorum(postDigest(payload, attempt_, by.nonce, by.deadline));

        posted = uint64(next.epoch);
        _postings[next.epoch % SLOTS] = Posting({
            payload: payload,
            postedAt: uint40(block.timestamp),
            due: uint40(block.timestamp + DELAY),
            status: Status.Waiting,
            attempt: attempt_,
            witnessNonce: uint48(by.nonce),
            signers: signers
        });
        emit Posted(next.epoch, next.root, next.assets, next.totals, attempt_, by.nonce, signers);
    }

    /// @notice Object to a root that waits: it freezes, and holds back all behind it. A root can be frozen once.
    /// @param witnesses The present set, of which the sender is one.
    /// @param bond A bond in {Stake} that stands for the sender.
    /// @param evidence Hash of what shows that the root is wrong.
    function challenge(uint256 epoch_, bytes32 evidence, address[] calldata witnesses, bytes32 bond) external {
        Posting storage its = _waiting(epoch_, Status.Waiting);
        if (block.timestamp >= its.due) revert TooLate(its.due);
        uint256 nonce = witnessSet.nonce();
        witnessSet.requirePresent(Attestations.setId(nonce, witnesses.hash()), nonce, block.timestamp);
        if (!_isAmong(msg.sender, witnesses)) revert NotAWitness(msg.sender);
        if (!stake.standsFor(bond, msg.sender)) revert NotBonded(msg.sender);
        its.status = Status.Frozen;
        its.due = uint40(block.timestamp + DELAY);
        emit Challenged(epoch_, msg.sender, evidence);
    }

    /// @notice Say, as the present quorum, that a challenged root is right. The governor can still cancel it.
    function uphold(uint256 epoch_, Attestation calldata by) external {
        Posting storage its = _waiting(epoch_, Status.Frozen);
        if (block.timestamp >= its.due) revert TooLate(its.due);
        witnessSet.requirePresent(by.setId(), by.nonce, by.deadline);
        // slither-disable-next-line unused-return
        by.requireQuorum(upholdDigest(its.payload, its.attempt, by.nonce, by.deadline));
        its.status = Status.Upheld;
        its.due = uint40(block.timestamp + APPEAL_DELAY);
        emit Upheld(epoch_, its.due);
    }

    /// @notice Drop a challenged root that the quorum did not uphold in time, so that a mistake needs no vote. Anybody may.
    function lapse(uint256 epoch_) external {
        Posting storage its = _waiting(epoch_, Status.Frozen);
        if (block.timestamp < its.due) revert TooEarly(its.due);
        _undo(epoch_);
    }

    /// @notice Drop a root that waits, and all behind it, by the governor's decision.
    function cancel(uint256 epoch_) external onlyTimelock {
        if (epoch_ <= epoch || epoch_ > posted) revert NotWaiting(epoch_);
        _undo(epoch_);
    }

    /// @notice Prove that a quorum signed something else for an epoch while it was being posted. If the root still waits, it
    /// is undone. Whoever signed both can be slashed for it, here and later.
    /// @param one What was posted.
    /// @param other What was signed beside it, by the same set, and could have been posted at the same time: an honest
    /// witness signs anew only after a deadline has passed or an attempt was undone.
    /// @param bonds Bonds in {Stake} that stand for those who signed both.
    function contradict(Payload calldata one, Payload calldata other, Attestation calldata by, bytes32[] calldata bonds)
        external
    {
        Posting memory its = posting(one.epoch);
        bytes32 hash = other.hash();
        if (one.hash() != its.payload) revert PayloadMismatch(one.epoch);
        if (one.epoch != other.epoch || hash == its.payload) revert NoContradiction();
        if (by.nonce != its.witnessNonce || by.deadline < its.postedAt) revert NoContradiction();
        if (!witnessSet.wasPresent(by.setId())) revert NoContradiction();
        uint64 both = its.signers & by.requireQuorum(postDigest(hash, its.attempt, by.nonce, by.deadline));

        bytes32 evidence = keccak256(abi.encode(its.payload, hash));
        for (uint256 i = 0; i < by.witnesses.length; ++i) {
            if ((both >> i) & 1 == 1) contradicted[evidence][by.witnesses[i]] = true;
        }
        emit Contradicted(one.epoch, evidence, its.payload, hash, both);
        if (one.epoch > epoch && one.epoch <= posted) _undo(one.epoch);
        for (uint256 i = 0; i < bonds.length; ++i) {
            // A bond of which nothing is left to slash must not save the root. The stake is ours: no ceiling needed, and as
            // many as the sender pays for.
            // slither-disable-next-line calls-loop
            try stake.proposeSlashFor(bonds[i], evidence) {} catch {}
        }
    }

    /// @notice Put the next root in force, once its time has come. Anybody may.
    function enact(Payload calldata next) external {
        Posting storage its = _postings[next.epoch % SLOTS];
        if (next.epoch != epoch + 1) revert EpochNotNext(next.epoch, epoch + 1);
        if (next.epoch > posted) revert NotWaiting(next.epoch);
        if (next.hash() != its.payload) revert PayloadMismatch(next.epoch);
        if (its.status == Status.Frozen) revert WrongStatus(Status.Frozen);
        if (block.timestamp < its.due) revert TooEarly(its.due);
        (previousRoot, root, epoch) = (root, next.root, uint64(next.epoch));
        emit Enacted(next.epoch, next.root);
        _fund(next);
    }

    /// @notice What is known of a posted root: of those that wait, of the one in force, and of a few before it. Means nothing
    /// for any other epoch.
    function posting(uint256 epoch_) public view returns (Posting memory) {
        return _postings[epoch_ % SLOTS];
    }

    /// @notice The hash under which a payload is kept, and which witnesses sign as a part.
    function hashPayload(Payload calldata payload) external pure returns (bytes32) {
        return payload.hash();
    }

    /// @notice What a witness signs to post a payload, given its hash.
    function postDigest(bytes32 payload, uint256 attempt_, uint256 nonce, uint256 deadline)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(Payloads.hashPost(payload, attempt_, nonce, deadline));
    }

    /// @notice What a witness signs to uphold one.
    function upholdDigest(bytes32 payload, uint256 attempt_, uint256 nonce, uint256 deadline)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(Payloads.hashUphold(payload, attempt_, nonce, deadline));
    }

    /// @dev Brings in what the root promises.
    function _fund(Payload calldata next) internal virtual;

    /// @dev One walk over both lists: every asset of the last is in the next, and no total falls.
    function _checkTotals(Payload calldata next, Payload calldata last) private view {
        (address[] calldata assets, uint256[] calldata totals) = (next.assets, next.totals);
        (address[] calldata lastAssets, uint256[] calldata lastTotals) = (last.assets, last.totals);
        if (next.root == bytes32(0) || assets.length != totals.length) revert InvalidPayload();
        uint256 seen = 0;
        for (uint256 i = 0; i < assets.length; ++i) {
            (address asset, uint256 total, uint256 before) = (assets[i], totals[i], 0);
            if (i > 0 && asset <= assets[i - 1]) revert InvalidPayload();
            if (seen < lastAssets.length && lastAssets[seen] == asset) before = lastTotals[seen++];
            if (total < before) revert TotalDecreased(asset, total, before);
            if (total > before) _checkGrowth(asset, total, total - before);
            else if (total == 0) revert InvalidPayload(); // an asset that nobody earned has no place here
        }
        if (seen < lastAssets.length) revert TotalDecreased(lastAssets[seen], 0, lastTotals[seen]);
    }

    function _checkGrowth(address asset, uint256 total, uint256 growth) private view {
        if (asset == address(shareToken)) {
            if (growth > emission) revert EmissionExceeded(growth, emission);
        } else {
            // In a loop over the assets of a payload that a quorum signed: bounded by what the vault lists.
            // slither-disable-next-line calls-loop
            uint256 received = vault.received(asset);
            if (total > received) revert NotReceived(asset, total, received);
        }
    }

    /// @dev What is behind it goes too: it was built upon it.
    function _undo(uint256 epoch_) private {
        posted = uint64(epoch_ - 1);
        ++attempt;
        emit Undone(epoch_, attempt, msg.sig);
    }

    function _waiting(uint256 epoch_, Status status) private view returns (Posting storage its) {
        if (epoch_ <= epoch || epoch_ > posted) revert NotWaiting(epoch_);
        its = _postings[epoch_ % SLOTS];
        if (its.status != status) revert WrongStatus(its.status);
    }

    function _isAmong(address account, address[] calldata list) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }
}
