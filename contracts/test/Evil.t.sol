// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation, Attestations} from "../src/Attestations.sol";
import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Stake} from "../src/Stake.sol";
import {Vault} from "../src/Vault.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {TestStable} from "../src/testing/TestStable.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";
import {Hostile} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// @dev Attacks that took everything, or stopped everything, under the contracts before these.
contract EvilTest is Fixture {
    address private constant THIEF = address(0x7417EF);

    function setUp() public override {
        super.setUp();
        depositEther(5 ether);
        depositStable(5e6);
    }

    /// @dev A root that pays everything to the thief.
    function theft(uint256 epoch) private view returns (Leaf[] memory leaves, Payload memory payload) {
        leaves = new Leaf[](1);
        uint256[] memory totals = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            address asset = threeAssets()[i];
            totals[i] = asset == ETHER ? 5 ether : asset == address(stable) ? 5e6 : EMISSION;
        }
        leaves[0] = Leaf(THIEF, threeAssets(), totals);
        payload = Payload(epoch, Tree.root(leaves), threeAssets(), totals);
    }

    function stolen() private view returns (bool) {
        return THIEF.balance + stable.balanceOf(THIEF) + share.balanceOf(THIEF) > 0;
    }

    function test_a_member_who_only_registered_signs_nothing() public {
        (, Payload memory payload) = theft(type(uint256).max);
        Attestation memory by = Attestation(0, only(vm.addr(99)), "", clock);
        by.signatures = sign1(99, settlement.postDigest(settlement.hashPayload(payload), 0, 0, clock));
        vm.expectRevert(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, type(uint256).max, 1));
        settlement.post(payload, last, by);
        payload.epoch = 1;
        by.signatures = sign1(99, settlement.postDigest(settlement.hashPayload(payload), 0, 0, clock));
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 0));
        settlement.post(payload, last, by);
        publish(threeLeaves(address(share), 1)); // and the honest go on
    }

    function test_all_witnesses_but_one_less_than_a_quorum_take_nothing() public {
        (, Payload memory payload) = theft(1);
        Attestation memory by = signedPost(payload, QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3));
        settlement.post(payload, last, by);
        Attestation memory change = attestation();
        bytes32 hash = keccak256(abi.encode(THIEF));
        change.signatures = sign(QUORUM - 1, witnessSet.changeDigest(hash, 1, 0, change.deadline));
        vm.expectRevert(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3));
        witnessSet.propose(only(THIEF), change);
    }

    /// @dev Every dishonest witness together, against one honest one and the governor.
    function test_a_whole_quorum_that_lies_is_stopped_by_one_witness_and_the_governor() public {
        bytes32 bond = bondOf(3);
        (Leaf[] memory leaves, Payload memory payload) = theft(1);
        Payload memory nothing;
        for (uint256 attempt = 0; attempt < 3; ++attempt) { // as often as they like
            settlement.post(payload, nothing, signedPost(payload, QUORUM));
            challenge(1, 3, bond);
            settlement.uphold(1, signedUphold(1, QUORUM));
            pass(9 days); // the longest decision of the governor
            vm.expectPartialRevert(RootQueue.TooEarly.selector);
            settlement.enact(payload);
            vm.prank(address(timelock));
            settlement.cancel(1);
        }
        vm.expectRevert();
        settlement.claim(new bytes32[](0), 0, THIEF, leaves[0].assets, leaves[0].cumulatives);
        assert(!stolen());
    }

    /// @dev They cannot silence the honest one first: neither by a slash, nor by a new set of witnesses.
    function test_the_honest_witness_cannot_be_silenced_in_time() public {
        bytes32 bond = bondOf(3);
        Attestation memory by = attestation();
        by.signatures = sign(QUORUM, stake.slashDigest(bond, BOND, EVIDENCE, 0, by.deadline));
        stake.proposeSlash(bond, BOND, EVIDENCE, by);
        vm.prank(address(0xB3));
        stake.appeal(0);

        address[] memory three_ = new address[](3);
        for (uint256 i = 0; i < 3; ++i) three_[i] = witness(i);
        by = attestation();
        bytes32 hash = keccak256(abi.encodePacked(abi.encode(three_[0]), abi.encode(three_[1]), abi.encode(three_[2])));
        by.signatures = sign(QUORUM, witnessSet.changeDigest(hash, 1, 0, by.deadline));
        witnessSet.propose(three_, by);
        pass(WITNESS_DELAY - 1);
        vm.prank(address(timelock));
        witnessSet.veto(); // a decision takes 9 days at most

        (, Payload memory payload) = theft(1);
        settlement.post(payload, last, signedPost(payload, QUORUM));
        challenge(1, 3, bond);
        pass(DELAY);
        settlement.lapse(1);
    }

    /// @dev What a quorum can take when nobody at all objects: one epoch's emission and what waits in the vault.
    function test_if_nobody_objects_the_bounds_still_hold() public {
        (Leaf[] memory leaves, Payload memory payload) = theft(1);
        publishedBy(payload);
        claim(leaves, 0);
        assert(share.balanceOf(THIEF) == EMISSION && THIEF.balance == 5 ether);
        depositEther(1 ether); // comes later: not theirs
        assert(address(vault).balance == 1 ether);
    }

    function publishedBy(Payload memory payload) private {
        post(payload);
        pass(DELAY);
        settlement.enact(payload);
    }

    function test_a_token_that_sticks_cannot_be_brought_by_a_stranger() public {
        Hostile sticky = new Hostile();
        sticky.approve(address(vault), 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, address(sticky)));
        vault.deposit(address(sticky), 1, "");
        for (uint256 i = 0; i < 300; ++i) { // nor a queue of junk
            address junk = address(uint160(0x10000 + i));
            vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, junk));
            vault.deposit(junk, 1, "");
        }
        assert(vault.assets().length == 2);
    }

    function test_a_token_that_sticks_although_listed_stops_nothing() public {
        Hostile sticky = new Hostile();
        vm.prank(address(timelock));
        vault.listAsset(address(sticky)); // the governor was taken in
        sticky.approve(address(vault), 10);
        vault.deposit(address(sticky), 10, "");
        sticky.blockAccount(address(vault), true);
        address[] memory assets = new address[](2);
        (assets[0], assets[1]) = (ETHER, address(sticky));
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (1 ether, 10);
        Leaf[] memory leaves = new Leaf[](1);
        leaves[0] = Leaf(account(0), assets, totals);
        publish(Tree.root(leaves), assets, totals);
        claim(leaves, 0);
        assert(account(0).balance == 1 ether);
        (totals[0], totals[1]) = (2 ether, 10);
        leaves[0] = Leaf(account(0), assets, totals);
        publish(Tree.root(leaves), assets, totals);
        claim(leaves, 0);
        assert(account(0).balance == 2 ether && settlement.claimed(account(0), address(sticky)) == 0);
    }

    function test_a_token_that_burns_gas_costs_a_claim_no_more_than_the_ceiling() public {
        Hostile burner = new Hostile();
        vm.prank(address(timelock));
        vault.listAsset(address(burner));
        burner.approve(address(vault), 10);
        vault.deposit(address(burner), 10, "");
        Leaf[] memory leaves = new Leaf[](1);
        leaves[0] = Leaf(account(0), only(address(burner)), only(uint256(10)));
        publish(leaves);
        burner.turn(Hostile.Mood.Burner);
        uint256 before = gasleft();
        claim(leaves, 0);
        assert(before - gasleft() < settlement.PAYMENT_GAS() + 100_000);
        bytes32[] memory proof = new bytes32[](0);
        vm.expectRevert(); // and nothing to speak of for whoever leaves it out
        settlement.claim(proof, 1, account(0), leaves[0].assets, leaves[0].cumulatives);
    }

    /// @dev The deployer has no part in anything: what it calls is refused, and no contract has a function that moves money
    /// elsewhere than to the settlement, to an account of the root, to a bonder or to the timelock.
    function test_the_deployer_owns_nothing() public {
        bytes[9] memory calls = [
            abi.encodeWithSignature("transferOwnership(address)", THIEF),
            abi.encodeWithSignature("setWitnesses(address[],uint256)", only(THIEF), 1),
            abi.encodeWithSignature("upgradeTo(address)", THIEF),
            abi.encodeWithSignature("sweep(address)", THIEF),
            abi.encodeCall(settlement.setEmission, (1)),
            abi.encodeCall(vault.listAsset, (address(new TestStable()))),
            abi.encodeCall(vault.release, (ETHER, 1)),
            abi.encodeCall(share.mintUpTo, (1e18)),
            abi.encodeCall(share.release, (THIEF, 1))
        ];
        address[7] memory all = [
            address(settlement),
            address(vault),
            address(share),
            address(stake),
            address(witnessSet),
            address(timelock),
            address(governor)
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            for (uint256 j = 0; j < calls.length; ++j) {
                (bool ok,) = all[i].call(calls[j]);
                assert(!ok);
            }
        }
        assert(!stolen());
    }
}
