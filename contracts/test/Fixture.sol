// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RevenueIntake} from "../src/RevenueIntake.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {TestStable} from "../src/testing/TestStable.sol";

/// @dev The part of Foundry's cheat codes that these tests use.
interface Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function assume(bool condition) external pure;
    function deal(address account, uint256 balance) external;
    function expectEmit() external;
    function expectPartialRevert(bytes4 selector) external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function prank(address sender) external;
    function roll(uint256 blockNumber) external;
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
}

/// @dev One leaf of a settlement.
struct Leaf {
    address account;
    address asset;
    uint256 cumulative;
}

/// @dev OpenZeppelin's StandardMerkleTree, for the few leaves of a test. (Leaves are not sorted: proofs do not
/// depend on it.)
library Tree {
    function nodes(Leaf[] memory leaves) internal pure returns (bytes32[] memory tree) {
        uint256 count = leaves.length;
        tree = new bytes32[](2 * count - 1);
        for (uint256 i = 0; i < count; ++i) {
            Leaf memory leaf = leaves[i];
            tree[2 * count - 2 - i] =
                keccak256(bytes.concat(keccak256(abi.encode(leaf.account, leaf.asset, leaf.cumulative))));
        }
        for (uint256 i = count - 1; i > 0; --i) {
            (bytes32 a, bytes32 b) = (tree[2 * i - 1], tree[2 * i]);
            tree[i - 1] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
    }

    function root(Leaf[] memory leaves) internal pure returns (bytes32) {
        return nodes(leaves)[0];
    }

    function proof(Leaf[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory tree = nodes(leaves);
        uint256 start = tree.length - 1 - index;
        uint256 depth = 0;
        for (uint256 node = start; node > 0; node = (node - 1) / 2) ++depth;
        siblings = new bytes32[](depth);
        uint256 at = 0;
        for (uint256 node = start; node > 0; node = (node - 1) / 2) {
            siblings[at++] = tree[node % 2 == 1 ? node + 1 : node - 1];
        }
    }
}

/// @dev A settlement with three witnesses of whom two must sign, a paid-in stablecoin, and ether.
abstract contract Fixture {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address internal constant ETHER = address(0);
    uint256 internal constant QUORUM = 2;

    Settlement public settlement;
    ShareToken public share;
    RevenueIntake public intake;
    TestStable public stable;
    uint256[] internal keys; // of the witnesses, ascending by address

    function setUp() public virtual {
        for (uint256 key = 1; key <= 3; ++key) keys.push(key);
        for (uint256 i = 0; i < keys.length; ++i) {
            for (uint256 j = i + 1; j < keys.length; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
        settlement = new Settlement(witnessAddresses(), QUORUM);
        share = settlement.shareToken();
        intake = settlement.intake();
        stable = new TestStable();
        stable.approve(address(intake), type(uint256).max);
        vm.deal(address(this), 1_000_000 ether);
    }

    function witnessAddresses() internal view returns (address[] memory all) {
        all = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) all[i] = vm.addr(keys[i]);
    }

    /// @dev The digest signed by the first `count` witnesses.
    function signedBy(uint256 count, bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) signatures[i] = sign(keys[i], digest);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Publishes with a quorum. `assets` must ascend, as the contract demands.
    function publish(uint256 epoch, bytes32 root, address[] memory assets, uint256[] memory totals) internal {
        bytes32 digest = settlement.publicationDigest(epoch, root, assets, totals);
        settlement.publish(epoch, root, assets, totals, signedBy(QUORUM, digest));
    }

    /// @dev Publishes leaves that all are of one asset, with their sum as its total.
    function publish(uint256 epoch, Leaf[] memory leaves) internal {
        uint256 total = 0;
        for (uint256 i = 0; i < leaves.length; ++i) total += leaves[i].cumulative;
        publish(epoch, Tree.root(leaves), only(leaves[0].asset), only(total));
    }

    function claim(Leaf[] memory leaves, uint256 index) internal {
        Leaf memory leaf = leaves[index];
        settlement.claim(leaf.account, leaf.asset, leaf.cumulative, Tree.root(leaves), Tree.proof(leaves, index));
    }

    function depositStable(uint256 amount) internal {
        intake.deposit(address(stable), amount, "invoice 1");
    }

    function depositEther(uint256 amount) internal {
        intake.deposit{value: amount}(ETHER, amount, "invoice 2");
    }

    function only(address asset) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = asset;
    }

    function only(uint256 total) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = total;
    }

    /// @dev Three accounts that earned 1x, 2x and 3x `unit` of `asset`.
    function threeLeaves(address asset, uint256 unit) internal pure returns (Leaf[] memory leaves) {
        leaves = new Leaf[](3);
        for (uint256 i = 0; i < 3; ++i) leaves[i] = Leaf(account(i), asset, (i + 1) * unit);
    }

    function account(uint256 index) internal pure returns (address) {
        return address(uint160(0xACC0 + index));
    }
}
