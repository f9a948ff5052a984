// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Attestation, Attestations} from "./Attestations.sol";

/// @title Who recomputes roots, and how many of them must agree
/// @notice More than two thirds of the witnesses are a quorum. The set changes only by the word of its own quorum, and only
/// after a delay in which the timelock may object. Nobody else can change it: no owner, no governor.
/// @dev A set is kept as its name, a hash over its nonce and its addresses, in one slot: 2,100 gas to check instead of as
/// much for each signer. Who acts passes the list along.
contract WitnessSet is EIP712 {
    using Attestations for Attestation;

    /// @notice Bounds the gas of checking signatures, and makes who signed fit a word.
    uint256 public constant WITNESSES_MAX = 64;

    bytes32 private constant CHANGE_TYPEHASH = keccak256(
        "WitnessChange(address[] witnesses,uint256 proposal,uint256 witnessNonce,uint256 deadline)"
    );

    /// @notice May object to a change while it waits.
    address public immutable timelock;

    /// @notice Seconds between a proposed change and its effect.
    uint256 public immutable WITNESS_DELAY;

    /// @notice The name of the set in force; see {Attestations-setId}.
    bytes32 public present;

    /// @notice Which set is in force: how many there were before.
    uint64 public nonce;

    /// @notice How many changes were ever proposed. Signed with each, so that one that was objected to cannot be
    /// proposed again with the same signatures.
    uint64 public proposals;

    /// @notice When the waiting change may take effect; zero if none waits.
    uint64 public activeAt;

    /// @notice The hash of the addresses of the set that waits.
    bytes32 public waiting;

    /// @notice The names of all sets that ever were in force: what they signed stays evidence.
    mapping(bytes32 set => bool was) public wasPresent;

    /// @notice A set waits until `activeAt`. Number 0 is the first set, by the constructor.
    event ChangeProposed(uint256 indexed proposal, address[] witnesses, uint256 activeAt);
    event ChangeVetoed(uint256 indexed proposal);

    /// @notice The set that was proposed last is in force.
    event WitnessesChanged(uint256 indexed nonce, uint256 indexed proposal);

    error NotTimelock(address caller);
    error InvalidWitnesses();
    error NothingWaits();
    error TooEarly(uint256 due);
    error NotTheSet(uint256 nonce);
    error Expired(uint256 deadline);

    constructor(address[] memory witnesses, address timelock_, uint256 delay) EIP712("Commonhold", "1") {
        // RootQueue's constructor checks it.
        // slither-disable-next-line missing-zero-check
        timelock = timelock_;
        WITNESS_DELAY = delay;
        emit ChangeProposed(0, witnesses, block.timestamp);
        _setPresent(0, _hashOf(witnesses));
    }

    /// @notice Let `witnesses` be the set after {WITNESS_DELAY}. Takes the place of a change that waits.
    /// @param witnesses Ascending. Anybody may send it: the present quorum's signatures are the authority.
    function propose(address[] calldata witnesses, Attestation calldata by) external {
        uint64 proposal = ++proposals;
        bytes32 hash = _hashOf(witnesses);
        requirePresent(by.setId(), by.nonce, by.deadline);
        // slither-disable-next-line unused-return
        by.requireQuorum(changeDigest(hash, proposal, by.nonce, by.deadline));
        waiting = hash;
        activeAt = uint64(block.timestamp + WITNESS_DELAY);
        emit ChangeProposed(proposal, witnesses, activeAt);
    }

    /// @notice Put the waiting set in force. Anybody may, once its time has come.
    function activate() external {
        // slither-disable-next-line incorrect-equality
        if (activeAt == 0) revert NothingWaits(); // a mark, no balance
        if (block.timestamp < activeAt) revert TooEarly(activeAt);
        activeAt = 0;
        _setPresent(++nonce, waiting);
    }

    /// @notice Drop the waiting change.
    function veto() external {
        if (msg.sender != timelock) revert NotTimelock(msg.sender);
        // slither-disable-next-line incorrect-equality
        if (activeAt == 0) revert NothingWaits(); // a mark, no balance
        activeAt = 0;
        emit ChangeVetoed(proposals);
    }

    /// @notice Revert unless `set` is in force and `deadline` has not passed.
    /// @param nonce_ For the message only.
    function requirePresent(bytes32 set, uint256 nonce_, uint256 deadline) public view {
        if (set != present) revert NotTheSet(nonce_);
        if (block.timestamp > deadline) revert Expired(deadline);
    }

    /// @notice What a witness signs (EIP-712) for a change of the set.
    /// @param hash Of the addresses of the new set, as 32-byte words: EIP-712's encoding of the list.
    function changeDigest(bytes32 hash, uint256 proposal, uint256 nonce_, uint256 deadline)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(CHANGE_TYPEHASH, hash, proposal, nonce_, deadline)));
    }

    /// @notice How many of `count` witnesses are a quorum: more than two thirds.
    function quorumOf(uint256 count) external pure returns (uint256) {
        return Attestations.quorumOf(count);
    }

    function _setPresent(uint256 nonce_, bytes32 hash) private {
        present = Attestations.setId(nonce_, hash);
        wasPresent[present] = true;
        emit WitnessesChanged(nonce_, proposals);
    }

    /// @dev Ascending, hence distinct: a repeated witness would make a quorum look larger than it is.
    function _hashOf(address[] memory witnesses) private pure returns (bytes32) {
        if (witnesses.length == 0 || witnesses.length > WITNESSES_MAX) revert InvalidWitnesses();
        address last = address(0); // which can never sign
        for (uint256 i = 0; i < witnesses.length; ++i) {
            if (witnesses[i] <= last) revert InvalidWitnesses();
            last = witnesses[i];
        }
        return keccak256(abi.encodePacked(witnesses));
    }
}
