// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payload} from "../src/Payloads.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// forge-config: default.isolate = true
/// @dev What is promised to whoever pays for gas. Among 10,000 accounts a proof has 14 hashes.
contract GasTest is Fixture {
    uint256 private constant DEPTH = 14;
    address private constant ME = address(0xBEEF01);

    uint256 private constant CLAIM_MAX = 60_000; // a later claim of one asset
    uint256 private constant THREE_MAX = 95_000; // of three
    uint256 private constant EPOCH_MAX = 200_000; // post and enact: three signatures of four witnesses, three assets

    event log_named_uint(string key, uint256 value);

    bytes32[] private siblings;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < DEPTH; ++i) siblings.push(keccak256(abi.encode("sibling", i)));
        depositEther(100 ether);
        depositStable(1e12);
        epoch(threeAssets()); // the settlement has held each asset once: what is measured begins with the second epoch
    }

    function test_gas_of_an_epoch() public {
        Payload memory next = payloadOf(threeAssets(), last.epoch + 1);
        bytes memory data = abi.encodeCall(settlement.post, (next, last, signedPost(next, QUORUM)));
        uint256 post_ = spent(data);
        pass(DELAY);
        uint256 enact_ = spent(abi.encodeCall(settlement.enact, (next)));
        emit log_named_uint("post", post_);
        emit log_named_uint("enact", enact_);
        emit log_named_uint("an epoch", post_ + enact_);
        require(post_ + enact_ <= EPOCH_MAX);
    }

    function test_gas_of_later_claims() public {
        address[3] memory each = [address(share), address(stable), ETHER];
        string[3] memory names = ["shares", "ERC-20", "ether"];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 gas = laterClaim(only(each[i]));
            emit log_named_uint(names[i], gas);
            require(gas <= CLAIM_MAX, names[i]);
        }
        uint256 all = laterClaim(threeAssets());
        emit log_named_uint("three assets", all);
        require(all <= THREE_MAX);
    }

    function test_gas_of_first_claims() public {
        address[3] memory each = [address(share), address(stable), ETHER];
        string[3] memory names = ["shares, first", "ERC-20, first", "ether, first"];
        for (uint256 i = 0; i < 3; ++i) {
            Leaf memory leaf = leafOf(address(uint160(0xBEEF10 + i)), only(each[i]), last.epoch + 1);
            epoch(leaf);
            emit log_named_uint(names[i], spent(claimOf(leaf)));
        }
    }

    function laterClaim(address[] memory assets) private returns (uint256) {
        Leaf memory leaf = leafOf(ME, assets, last.epoch + 1);
        epoch(leaf);
        spent(claimOf(leaf)); // the first pays for fresh storage
        leaf = leafOf(ME, assets, last.epoch + 1);
        epoch(leaf);
        return spent(claimOf(leaf));
    }

    function claimOf(Leaf memory leaf) private view returns (bytes memory) {
        return abi.encodeCall(settlement.claim, (siblings, 0, leaf.account, leaf.assets, leaf.cumulatives));
    }

    function epoch(address[] memory assets) private {
        epoch(leafOf(ME, assets, last.epoch + 1));
    }

    /// @dev Its totals are of all three assets, whatever the leaf holds.
    function epoch(Leaf memory leaf) private {
        bytes32 root = Tree.hash(leaf);
        for (uint256 i = 0; i < DEPTH; ++i) root = Tree.pair(root, siblings[i]);
        Payload memory next = payloadOf(threeAssets(), last.epoch + 1);
        next.root = root;
        post(next);
        pass(DELAY);
        settlement.enact(next);
    }

    function leafOf(address who, address[] memory assets, uint256 units) private pure returns (Leaf memory leaf) {
        leaf = Leaf(who, assets, new uint256[](assets.length));
        for (uint256 i = 0; i < assets.length; ++i) {
            leaf.cumulatives[i] = units * (assets[i] == ETHER ? 1e15 + 12345678912345 : 1234567);
        }
    }

    function payloadOf(address[] memory assets, uint256 units) private pure returns (Payload memory next) {
        Leaf memory all = leafOf(ME, assets, units * 10);
        return Payload(units, keccak256(abi.encode(units)), assets, all.cumulatives);
    }

    /// @dev Gas of a transaction to the settlement, all in: forge runs each call of these tests as a transaction of its
    /// own (`isolate`), with nothing warm and nothing written before.
    function spent(bytes memory data) private returns (uint256) {
        (bool ok,) = address(settlement).call(data);
        require(ok);
        return vm.lastCallGas().gasTotalUsed;
    }
}
