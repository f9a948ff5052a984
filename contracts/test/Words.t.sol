// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {Words} from "../src/Words.sol";

/// @dev Assembly, against what it stands in for.
contract WordsTest {
    using Words for address[];
    using Words for bytes32;
    using Words for uint256[];

    function testFuzz_a_proof_leads_where_openzeppelins_does(bytes32 leaf, bytes32[] calldata proof) external pure {
        assert(leaf.climb(proof) == MerkleProof.processProofCalldata(proof, leaf));
    }

    function testFuzz_lists_hash_as_the_compiler_packs_them(address[] calldata a, uint256[] calldata b) external pure {
        assert(a.hash() == keccak256(abi.encodePacked(a)) && b.hash() == keccak256(abi.encodePacked(b)));
    }
}
