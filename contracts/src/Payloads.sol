// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Words} from "./Words.sol";

/// @notice What a root settles: all that was ever earned of each asset, by anybody, up to an epoch.
/// @param assets Ascending; zero is ether.
/// @param totals In each asset's smallest unit, one for each.
struct Payload {
    uint256 epoch;
    bytes32 root;
    address[] assets;
    uint256[] totals;
}

/// @title What witnesses sign about payloads (EIP-712)
library Payloads {
    using Words for address[];
    using Words for uint256[];

    bytes32 private constant PAYLOAD_TYPEHASH =
        keccak256("Payload(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)");
    bytes32 private constant POST_TYPEHASH = keccak256(
        "Post(Payload payload,uint256 attempt,uint256 witnessNonce,uint256 deadline)"
        "Payload(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)"
    );
    bytes32 private constant UPHOLD_TYPEHASH =
        keccak256("Uphold(bytes32 payload,uint256 attempt,uint256 witnessNonce,uint256 deadline)");

    /// @notice The hash of the struct, under which a payload is kept.
    function hash(Payload calldata payload) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(PAYLOAD_TYPEHASH, payload.epoch, payload.root, payload.assets.hash(), payload.totals.hash())
        );
    }

    /// @notice The hash of what comes before the first epoch that is settled: a root of zeros, and of assets the shares that
    /// were carried over from other contracts; none, if there were none.
    function hashCarried(uint256 start, address shareToken, uint256 carried) internal pure returns (bytes32) {
        (bytes32 assets, bytes32 totals) = (keccak256(""), keccak256(""));
        if (carried > 0) {
            assets = keccak256(abi.encode(shareToken));
            totals = keccak256(abi.encode(carried));
        }
        return keccak256(abi.encode(PAYLOAD_TYPEHASH, start, bytes32(0), assets, totals));
    }

    /// @notice Struct hash of a witness's word that a payload is right.
    /// @param payload Its hash: EIP-712's encoding of the nested struct.
    function hashPost(bytes32 payload, uint256 attempt, uint256 witnessNonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(POST_TYPEHASH, payload, attempt, witnessNonce, deadline));
    }

    /// @notice Struct hash of a witness's word that a challenged payload is right all the same.
    function hashUphold(bytes32 payload, uint256 attempt, uint256 witnessNonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(UPHOLD_TYPEHASH, payload, attempt, witnessNonce, deadline));
    }
}
