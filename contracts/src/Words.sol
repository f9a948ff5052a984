// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Hashes of words, straight from calldata
/// @notice What the compiler and OpenZeppelin's MerkleProof do too, word by word and with a check at each. Lists of
/// addresses and proofs are what every claim and every epoch pays for, and here they cost a third.
library Words {
    /// @notice keccak256(abi.encodePacked(list)): 32 bytes an entry.
    function hash(uint256[] calldata list) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, list.offset, shl(5, list.length))
            digest := keccak256(free, shl(5, list.length))
        }
    }

    /// @notice The same of addresses, each padded to a word. (Padding that is not zero gives another hash, and reading the
    /// entry in Solidity reverts.)
    function hash(address[] calldata list) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, list.offset, shl(5, list.length))
            digest := keccak256(free, shl(5, list.length))
        }
    }

    /// @notice The root that `proof` leads to from `node`, in a tree of sorted pairs.
    function climb(bytes32 node, bytes32[] calldata proof) internal pure returns (bytes32) {
        assembly ("memory-safe") {
            let end := add(proof.offset, shl(5, proof.length))
            for { let next := proof.offset } lt(next, end) { next := add(next, 0x20) } {
                let sibling := calldataload(next)
                let place := shl(5, gt(node, sibling)) // the smaller comes first
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
            }
        }
        return node;
    }
}
