// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation, Attestations} from "../src/Attestations.sol";
import {NetworkGovernor} from "../src/NetworkGovernor.sol";
import {Payload, Payloads} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {Stake} from "../src/Stake.sol";
import {Terms} from "../src/Terms.sol";
import {Vault} from "../src/Vault.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {vm} from "../test/Vm.sol";

/// @dev The settlement in any state of its queue.
contract AnyState is Settlement {
    using Payloads for Payload;

    constructor(Parts memory parts) Settlement(parts, 10, 100, 0, type(uint96).max, 0, 0) {}

    function pretend(uint64 epoch_, uint32 attempt_, uint96 emission_, Payload calldata last, uint40 due, Status status)
        external
    {
        (epoch, posted, attempt, emission) = (epoch_, uint64(last.epoch), attempt_, emission_);
        Posting storage its = _postings[last.epoch % (QUEUE_MAX + 1)];
        (its.payload, its.due, its.status) = (last.hash(), due, status);
    }
}

/// @dev Proven by halmos (`make halmos`) for every state, argument and signer; forge only compiles it. This contract plays all
/// the others: the shares, a vault, and a set of witnesses that may be anybody.
contract SymbolicTest {
    AnyState private queue;
    uint256 private received_;
    uint256 private minted;

    function setUp() public {
        queue = new AnyState(
            Terms.Parts(
                ShareToken(address(this)),
                Vault(address(this)),
                WitnessSet(address(this)),
                Stake(address(this)),
                NetworkGovernor(payable(address(this)))
            )
        );
    }

    function settlement() external view returns (address) {
        return msg.sender;
    }

    function timelock() external view returns (address) {
        return address(this);
    }

    function token() external view returns (address) {
        return address(this);
    }

    function shareToken() external view returns (address) {
        return address(this);
    }

    function longestDecision() external pure returns (uint256) {
        return 1;
    }

    function WITNESS_DELAY() external pure returns (uint256) {
        return 2;
    }

    function received(address) external view returns (uint256) {
        return received_;
    }

    function requirePresent(bytes32, uint256, uint256) external pure {}

    function mintUpTo(uint256 total) external {
        minted = total;
    }

    function posted(Payload memory next, Payload memory last, address witness, bytes memory signature)
        private
        returns (bool ok)
    {
        Attestation memory by = Attestation(0, new address[](1), signature, type(uint256).max);
        by.witnesses[0] = witness;
        (ok,) = address(queue).call(abi.encodeCall(queue.post, (next, last, by)));
    }

    function one(uint256 epoch, bytes32 root, address asset, uint256 total) private pure returns (Payload memory) {
        Payload memory payload = Payload(epoch, root, new address[](1), new uint256[](1));
        (payload.assets[0], payload.totals[0]) = (asset, total);
        return payload;
    }

    /// @dev epoch = last + 1, and shares grow by no more than the emission.
    function check_shares(
        uint64 inForce,
        uint64 lastEpoch,
        uint96 emission,
        uint256 lastTotal,
        uint256 epoch,
        bytes32 root,
        uint256 total,
        bytes32 r,
        bytes32 s
    ) public {
        vm.assume(lastEpoch < type(uint64).max && inForce <= lastEpoch); // which 2^64 epochs would reach
        Payload memory last = one(lastEpoch, "last", address(this), lastTotal);
        queue.pretend(inForce, 0, emission, last, 0, RootQueue.Status.Waiting);
        Payload memory next = one(epoch, root, address(this), total);
        bytes32 digest = queue.postDigest(queue.hashPayload(next), 0, 0, type(uint256).max);
        address witness = ecrecover(digest, 27, r, s);
        vm.assume(witness != address(0));
        if (!posted(next, last, witness, abi.encodePacked(r, s, uint8(27)))) return;
        assert(epoch == uint256(lastEpoch) + 1 && queue.posted() == epoch);
        assert(total >= lastTotal && total - lastTotal <= emission);
        assert(root != bytes32(0) && epoch - inForce <= queue.QUEUE_MAX());
    }

    /// @dev The same of an asset that comes in, and of a first epoch, where there was nothing before.
    function check_revenue(uint64 lastEpoch, uint256 before, uint256 came, uint256 epoch, uint256 total, bytes32 r, bytes32 s)
        public
    {
        vm.assume(lastEpoch < type(uint64).max);
        received_ = came;
        Payload memory last = one(lastEpoch, "last", address(1), before);
        queue.pretend(lastEpoch, 0, 0, last, 0, RootQueue.Status.Waiting);
        Payload memory next = one(epoch, "next", address(1), total);
        bytes32 digest = queue.postDigest(queue.hashPayload(next), 0, 0, type(uint256).max);
        address witness = ecrecover(digest, 27, r, s);
        vm.assume(witness != address(0));
        if (!posted(next, last, witness, abi.encodePacked(r, s, uint8(27)))) return;
        assert(epoch == uint256(lastEpoch) + 1 && total >= before && (total == before || total <= came));
    }

    /// @dev What comes into force is the next, in its time, unfrozen, and mints what was posted.
    function check_enact(
        uint64 inForce,
        uint256 supply,
        uint256 epoch,
        bytes32 root,
        uint256 total,
        uint40 due,
        uint8 status,
        bytes32 otherRoot,
        uint256 otherTotal
    ) public {
        vm.assume(status <= 2);
        minted = supply;
        Payload memory last = one(uint256(inForce) + 1, root, address(this), total);
        queue.pretend(inForce, 0, 0, last, due, RootQueue.Status(status));
        Payload memory given = one(epoch, otherRoot, address(this), otherTotal);
        (bool ok,) = address(queue).call(abi.encodeCall(queue.enact, (given)));
        if (!ok) {
            assert(queue.epoch() == inForce && minted == supply);
            return;
        }
        assert(epoch == uint256(inForce) + 1 && otherRoot == root && otherTotal == total);
        assert(block.timestamp >= due && status != uint8(RootQueue.Status.Frozen));
        assert(queue.epoch() == epoch && queue.root() == root && minted == total);
    }
}
