// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Words} from "./Words.sol";

/// @notice A quorum's word over a digest.
/// @param nonce Which set signs: how many there were before.
/// @param witnesses The whole set, ascending: the chain keeps its hash only.
/// @param signatures 65 bytes each (r, s, v), one after the other, ascending by signer.
/// @param deadline The last second at which they count.
struct Attestation {
    uint256 nonce;
    address[] witnesses;
    bytes signatures;
    uint256 deadline;
}

/// @title Counting signatures
/// @dev A library, so that a list of signatures is read where it came in instead of being copied to another contract.
/// Witnesses sign with plain keys. A contract's signature (ERC-1271) could say yes today and no tomorrow, so that it would
/// prove no contradiction.
library Attestations {
    using Words for address[];

    uint256 private constant SIGNATURE_BYTES = 65;

    error QuorumNotReached(uint256 signatures, uint256 quorum);
    error InvalidSignatures(uint256 length);
    error NotAWitness(address signer);

    /// @notice Revert unless a quorum of `by.witnesses` signed `digest`. The caller still has to ask {WitnessSet} whether
    /// these are the witnesses.
    /// @return signers Bit i is set: witness i signed.
    /// @dev Signers ascend as the witnesses do, so one walk finds them, and a signer counts once. ECDSA refuses the second,
    /// malleated form of a signature.
    function requireQuorum(Attestation calldata by, bytes32 digest) internal pure returns (uint64 signers) {
        (address[] calldata witnesses, bytes calldata signatures) = (by.witnesses, by.signatures);
        uint256 count = signatures.length / SIGNATURE_BYTES;
        if (signatures.length % SIGNATURE_BYTES != 0) revert InvalidSignatures(signatures.length);
        if (count < quorumOf(witnesses.length)) revert QuorumNotReached(count, quorumOf(witnesses.length));
        uint256 index = 0;
        for (uint256 start = 0; start < signatures.length; start += SIGNATURE_BYTES) {
            address signer = ECDSA.recoverCalldata(digest, signatures[start:start + SIGNATURE_BYTES]);
            while (index < witnesses.length && witnesses[index] != signer) ++index;
            if (index == witnesses.length) revert NotAWitness(signer);
            signers |= uint64(1 << index++);
        }
    }

    /// @notice The name of the set that signs.
    function setId(Attestation calldata by) internal pure returns (bytes32) {
        return setId(by.nonce, by.witnesses.hash());
    }

    /// @notice The name of a set of witnesses.
    /// @param nonce How many sets there were before.
    /// @param hash keccak256 over its addresses, ascending, as 32-byte words.
    function setId(uint256 nonce, bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encode(nonce, hash));
    }

    /// @notice How many of `count` witnesses are a quorum: more than two thirds.
    function quorumOf(uint256 count) internal pure returns (uint256) {
        return (2 * count) / 3 + 1;
    }
}
