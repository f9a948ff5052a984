// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Attestation} from "../src/Attestations.sol";
import {Board} from "../src/Board.sol";
import {NetworkGovernor, Voting} from "../src/NetworkGovernor.sol";
import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {Stake} from "../src/Stake.sol";
import {TestStable} from "../src/testing/TestStable.sol";
import {Vault} from "../src/Vault.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {Choices, Deploy, Network} from "./Deploy.sol";
import {vm} from "./Vm.sol";

/// @dev One leaf of a settlement.
struct Leaf {
    address account;
    address[] assets;
    uint256[] cumulatives;
}

/// @dev Complete binary trees with sorted pairs, as OpenZeppelin's library makes them. (Leaves are not sorted: proofs do
/// not depend on it.)
library Tree {
    function hash(Leaf memory leaf) internal pure returns (bytes32) {
        bytes32 assets = keccak256(abi.encodePacked(leaf.assets));
        bytes32 cumulatives = keccak256(abi.encodePacked(leaf.cumulatives));
        return keccak256(bytes.concat(keccak256(abi.encode(leaf.account, assets, cumulatives))));
    }

    function nodes(Leaf[] memory leaves) internal pure returns (bytes32[] memory tree) {
        uint256 count = leaves.length;
        tree = new bytes32[](2 * count - 1);
        for (uint256 i = 0; i < count; ++i) tree[2 * count - 2 - i] = hash(leaves[i]);
        for (uint256 i = count - 1; i > 0; --i) tree[i - 1] = pair(tree[2 * i - 1], tree[2 * i]);
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
        uint256 filled = 0;
        for (uint256 node = start; node > 0; node = (node - 1) / 2) {
            siblings[filled++] = tree[node % 2 == 1 ? node + 1 : node - 1];
        }
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }
}

/// @dev A network with four witnesses of whom three are a quorum, a listed stablecoin, and ether; time begins at day 1,000.
abstract contract Fixture {
    address internal constant ETHER = address(0);
    uint256 internal constant WITNESSES = 4;
    uint256 internal constant QUORUM = 3;
    uint96 internal constant EMISSION = 1_000_000e6;
    bytes32 internal constant ROOT = "some root";
    bytes32 internal constant EVIDENCE = "some evidence";

    uint256 internal constant DELAY = 2 days;
    uint256 internal constant APPEAL_DELAY = 12 days;
    uint256 internal constant WITNESS_DELAY = 14 days;
    uint256 internal constant SLASH_DELAY = 7 days;
    uint256 internal constant UNBOND_DELAY = 30 days;
    uint256 internal constant BOND = 1 ether;

    ShareToken public share;
    TimelockController public timelock;
    NetworkGovernor public governor;
    WitnessSet public witnessSet;
    Vault public vault;
    Settlement public settlement;
    Stake public stake;
    Board public board;
    TestStable public stable;
    uint256[] internal keys; // of the witnesses, ascending by address
    Payload internal last; // posted
    uint64 internal start; // of contracts to which a network moved: the epoch before their first
    uint256 internal carried; // and the shares that it brought along
    uint256 internal clock = 1_000 days; // what vm.warp set: block.timestamp may be cached by the optimizer

    function setUp() public virtual {
        stable = TestStable(Deploy.create("TestStable", ""));
        deploy(only(address(stable)));
    }

    function deploy(address[] memory tokens) internal {
        vm.warp(clock);
        for (uint256 key = 1; key <= WITNESSES; ++key) keys.push(key);
        for (uint256 i = 0; i < keys.length; ++i) {
            for (uint256 j = i + 1; j < keys.length; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
        Network memory made = Deploy.network(termsOf(tokens));
        (share, timelock, governor, witnessSet) = (made.share, made.timelock, made.governor, made.witnessSet);
        (vault, settlement, stake, board) = (made.vault, made.settlement, made.stake, made.board);
        vm.deal(address(this), 1_000_000 ether);
        stable.approve(address(vault), type(uint256).max);
    }

    function termsOf(address[] memory tokens) internal view returns (Choices memory terms) {
        terms.witnesses = witnesses();
        terms.tokens = tokens;
        terms.voting = Voting({
            votingDelay: 1 days,
            votingPeriod: 3 days,
            lateExtension: 1 days,
            proposalThreshold: 1e6,
            quorumPercent: 10,
            quorumFloor: 100e6
        });
        (terms.timelockDelay, terms.witnessDelay) = (2 days, WITNESS_DELAY);
        (terms.delay, terms.appealDelay) = (DELAY, APPEAL_DELAY);
        (terms.emission, terms.emissionMax) = (EMISSION, 2 * EMISSION);
        (terms.start, terms.carried) = (start, carried);
        (terms.unbondDelay, terms.slashDelay) = (UNBOND_DELAY, SLASH_DELAY);
        terms.minimum = [BOND / 10, BOND * 10, BOND];
    }

    /// @dev Deploys contracts to which a network moves; see {RootQueue-constructor}.
    function moveTo(uint64 start_, uint256 carried_, address[] memory tokens) internal {
        (start, carried) = (start_, carried_);
        delete keys;
        deploy(tokens);
        last = carried_ == 0
            ? Payload(start_, 0, new address[](0), new uint256[](0))
            : Payload(start_, 0, only(address(share)), only(carried_));
    }

    // --- time -----------------------------------------------------------------------------------

    function pass(uint256 duration) internal {
        clock += duration;
        vm.warp(clock);
    }

    // --- witnesses ------------------------------------------------------------------------------

    function witnesses() internal view returns (address[] memory all) {
        all = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) all[i] = vm.addr(keys[i]);
    }

    function witness(uint256 index) internal view returns (address) {
        return vm.addr(keys[index]);
    }

    /// @dev The word of the first `count` witnesses over what `digest` will be; see {sign}.
    function attestation() internal view returns (Attestation memory by) {
        by.witnesses = witnesses();
        by.nonce = witnessSet.nonce();
        by.deadline = clock + 1 days;
    }

    function sign(uint256 count, bytes32 digest) internal view returns (bytes memory signatures) {
        for (uint256 i = 0; i < count; ++i) signatures = bytes.concat(signatures, sign1(keys[i], digest));
    }

    function sign1(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev An active bond that stands for a witness.
    function bondOf(uint256 index) internal returns (bytes32) {
        address bonder = address(uint160(0xB0 + index));
        bytes32 person = bytes32(index + 1);
        vm.deal(bonder, bonder.balance + BOND);
        vm.prank(bonder);
        stake.bond{value: BOND}(person, BOND, witness(index));
        return stake.bondId(person, bonder);
    }

    // --- roots ----------------------------------------------------------------------------------

    function signedPost(Payload memory payload, uint256 count) internal view returns (Attestation memory by) {
        by = attestation();
        bytes32 hash = settlement.hashPayload(payload);
        by.signatures = sign(count, settlement.postDigest(hash, settlement.attempt(), by.nonce, by.deadline));
    }

    function post(Payload memory payload) internal {
        settlement.post(payload, last, signedPost(payload, QUORUM));
        last = payload;
    }

    /// @dev Posts, waits and enacts.
    function publish(bytes32 root, address[] memory assets, uint256[] memory totals) internal {
        post(Payload(last.epoch + 1, root, assets, totals));
        pass(DELAY);
        settlement.enact(last);
    }

    /// @dev The same of leaves that all are of one asset, with their sum as its total.
    function publish(Leaf[] memory leaves) internal {
        publish(Tree.root(leaves), leaves[0].assets, only(sum(leaves)));
    }

    function sum(Leaf[] memory leaves) internal pure returns (uint256 total) {
        for (uint256 i = 0; i < leaves.length; ++i) total += leaves[i].cumulatives[0];
    }

    function challenge(uint256 epoch, uint256 index, bytes32 bond) internal {
        vm.prank(witness(index));
        settlement.challenge(epoch, EVIDENCE, witnesses(), bond);
    }

    function signedUphold(uint256 epoch, uint256 count) internal view returns (Attestation memory by) {
        by = attestation();
        RootQueue.Posting memory its = settlement.posting(epoch);
        by.signatures = sign(count, settlement.upholdDigest(its.payload, its.attempt, by.nonce, by.deadline));
    }

    function claim(Leaf[] memory leaves, uint256 index) internal {
        Leaf memory leaf = leaves[index];
        settlement.claim(Tree.proof(leaves, index), 0, leaf.account, leaf.assets, leaf.cumulatives);
    }

    // --- money and lists ------------------------------------------------------------------------

    function depositStable(uint256 amount) internal {
        vault.deposit(address(stable), amount, "invoice 1");
    }

    function depositEther(uint256 amount) internal {
        vault.depositEther{value: amount}("invoice 2");
    }

    function only(address asset) internal pure returns (address[] memory list) {
        return Deploy.only(asset);
    }

    function only(uint256 total) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = total;
    }

    /// @dev Three accounts that earned 1x, 2x and 3x `unit` of `asset`.
    function threeLeaves(address asset, uint256 unit) internal pure returns (Leaf[] memory leaves) {
        leaves = new Leaf[](3);
        for (uint256 i = 0; i < 3; ++i) leaves[i] = Leaf(account(i), only(asset), only((i + 1) * unit));
    }

    function account(uint256 index) internal pure returns (address) {
        return address(uint160(0xACC0 + index));
    }

    /// @dev Ether, shares and the stablecoin, ascending.
    function threeAssets() internal view returns (address[] memory list) {
        list = new address[](3);
        (list[1], list[2]) = (address(share), address(stable));
        if (list[2] < list[1]) (list[1], list[2]) = (list[2], list[1]);
    }

    function three(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory list) {
        list = new uint256[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }
}
