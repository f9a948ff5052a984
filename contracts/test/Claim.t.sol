// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BoundedCall} from "../src/BoundedCall.sol";
import {Settlement} from "../src/Settlement.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";
import {Busy, Refuser} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// @dev Claiming: who gets what, once.
contract ClaimTest is Fixture {
    /// @dev Two accounts that earned of all three assets, and are promised all of it.
    function twoLeaves(uint256 unit) internal returns (Leaf[] memory leaves) {
        depositEther(3 * unit);
        depositStable(3 * unit);
        leaves = new Leaf[](2);
        leaves[0] = Leaf(account(0), threeAssets(), three(unit, unit, unit));
        leaves[1] = Leaf(account(1), threeAssets(), three(2 * unit, 2 * unit, 2 * unit));
        publish(Tree.root(leaves), threeAssets(), three(3 * unit, 3 * unit, 3 * unit));
    }

    function has(address who, uint256 ethers, uint256 shares, uint256 stables) internal view returns (bool) {
        return who.balance == ethers && share.balanceOf(who) == shares && stable.balanceOf(who) == stables;
    }

    function refuse(bytes memory reason, Leaf memory leaf, bytes32[] memory proof, uint256 skip) internal {
        vm.expectRevert(reason);
        settlement.claim(proof, skip, leaf.account, leaf.assets, leaf.cumulatives);
    }

    function nothing(address who) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(Settlement.NothingToClaim.selector, who);
    }

    function test_one_claim_pays_every_asset_and_the_second_nothing() public {
        Leaf[] memory leaves = twoLeaves(100);
        vm.expectEmit();
        emit Settlement.EtherClaimed(account(1), 200);
        claim(leaves, 1);
        assert(has(account(1), 200, 200, 200));
        assert(settlement.claimed(account(1), ETHER) == 200);
        assert(settlement.claimed(account(1), address(share)) == 200);
        assert(settlement.claimed(account(1), address(stable)) == 200);
        assert(settlement.claimed(account(0), ETHER) == 0);
        refuse(nothing(account(1)), leaves[1], Tree.proof(leaves, 1), 0);
        claim(leaves, 0);
        assert(has(account(0), 100, 100, 100) && has(address(settlement), 0, 0, 0));
    }

    function test_a_later_claim_pays_the_difference() public {
        publish(threeLeaves(address(share), 100));
        claim(threeLeaves(address(share), 100), 2);
        publish(threeLeaves(address(share), 150));
        claim(threeLeaves(address(share), 150), 2);
        assert(share.balanceOf(account(2)) == 450);
    }

    function test_what_is_skipped_or_claimed_meanwhile_is_left_out() public {
        Leaf[] memory leaves = twoLeaves(100);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        refuse(nothing(account(0)), leaves[0], proof, 7);
        settlement.claim(proof, 6, leaves[0].account, leaves[0].assets, leaves[0].cumulatives);
        assert(has(account(0), 100, 0, 0));
        refuse(nothing(account(0)), leaves[0], proof, 6);
        claim(leaves, 0); // ether was claimed meanwhile
        assert(has(account(0), 100, 100, 100));
    }

    function test_wrong_claims_are_rejected() public {
        Leaf[] memory leaves = twoLeaves(100);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        bytes4 selector = Settlement.RootNotInForce.selector;
        for (uint256 i = 0; i < 5; ++i) {
            Leaf memory leaf = Leaf(account(0), threeAssets(), three(100, 100, 100));
            if (i == 0) leaf.account = account(1);
            if (i == 1) leaf.cumulatives[2] = 101;
            if (i == 2) leaf.assets[2] = address(type(uint160).max);
            if (i == 3) leaf.cumulatives = only(uint256(100));
            if (i == 4) leaf.assets = only(ETHER);
            vm.expectPartialRevert(selector);
            settlement.claim(proof, 0, leaf.account, leaf.assets, leaf.cumulatives);
        }
        vm.expectPartialRevert(selector);
        settlement.claim(new bytes32[](0), 0, account(0), leaves[0].assets, leaves[0].cumulatives);
        claim(leaves, 0);
    }

    function test_a_node_of_the_tree_is_no_leaf() public {
        Leaf[] memory leaves = twoLeaves(100);
        // The node above both leaves hashes 64 bytes once; a leaf hashes 96 bytes, then 32.
        vm.expectPartialRevert(Settlement.RootNotInForce.selector);
        settlement.claim(new bytes32[](0), 0, account(0), new address[](0), new uint256[](0));
        claim(leaves, 0);
    }

    function test_a_proof_survives_one_new_root_and_not_two() public {
        Leaf[] memory first = threeLeaves(address(share), 100);
        publish(first);
        publish(threeLeaves(address(share), 200));
        claim(first, 0);
        assert(share.balanceOf(account(0)) == 100);
        publish(threeLeaves(address(share), 300));
        bytes32 root = settlement.root();
        refuse(
            abi.encodeWithSelector(Settlement.RootNotInForce.selector, Tree.root(first), root),
            first[1],
            Tree.proof(first, 1),
            0
        );
    }

    function test_an_old_proof_after_a_newer_claim_pays_nothing() public {
        Leaf[] memory first = threeLeaves(address(share), 100);
        publish(first);
        publish(threeLeaves(address(share), 200));
        claim(threeLeaves(address(share), 200), 0);
        refuse(nothing(account(0)), first[0], Tree.proof(first, 0), 0);
    }

    function test_a_root_that_waits_pays_nothing() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(leaves);
        Leaf[] memory next = threeLeaves(address(share), 200);
        last.root = Tree.root(next); // only to reuse the helper
        refuse(
            abi.encodeWithSelector(Settlement.RootNotInForce.selector, Tree.root(next), Tree.root(leaves)),
            next[0],
            Tree.proof(next, 0),
            0
        );
    }

    function test_leaves_beyond_the_promised_total_are_not_paid_and_harm_no_later_epoch() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100); // adds up to 600
        publish(Tree.root(leaves), only(address(share)), only(uint256(500)));
        claim(leaves, 2);
        claim(leaves, 1);
        vm.expectEmit();
        emit Settlement.PaymentFailed(account(0), address(share), 100);
        claim(leaves, 0);
        assert(share.totalSupply() == 500 && settlement.claimed(account(0), address(share)) == 0);
    }

    // --- each asset fails alone -----------------------------------------------------------------

    function test_an_account_that_refuses_ether_is_paid_the_rest() public {
        Leaf[] memory leaves = twoLeaves(100);
        leaves[0].account = address(new Refuser());
        publish(Tree.root(leaves), threeAssets(), three(300, 300, 300));
        address refuser = leaves[0].account;
        vm.expectEmit();
        emit Settlement.PaymentFailed(refuser, ETHER, 100);
        claim(leaves, 0);
        assert(has(refuser, 0, 100, 100) && settlement.claimed(refuser, ETHER) == 0);
        claim(leaves, 1);
        assert(has(account(1), 200, 200, 200));
        // And the ether goes elsewhere, if it says so.
        bytes32[] memory proof = Tree.proof(leaves, 0);
        vm.prank(refuser);
        settlement.claimTo(proof, 0, refuser, account(7), leaves[0].assets, leaves[0].cumulatives);
        assert(account(7).balance == 100 && settlement.claimed(refuser, ETHER) == 100);
    }

    function test_an_account_that_burns_gas_costs_no_more_than_the_ceiling() public {
        Leaf[] memory leaves = twoLeaves(100);
        Busy burner = new Busy();
        burner.useGas(type(uint256).max);
        leaves[0].account = address(burner);
        publish(Tree.root(leaves), threeAssets(), three(300, 300, 300));
        uint256 before = gasleft();
        claim(leaves, 0);
        assert(before - gasleft() < settlement.PAYMENT_GAS() + 300_000);
        assert(has(address(burner), 0, 100, 100));
    }

    /// @dev Of a payment that takes nearly all of its ceiling enough is left to finish the claim without it.
    function test_a_tight_gas_limit_cannot_make_a_payment_fail() public {
        Busy slow = new Busy();
        uint256 most = settlement.PAYMENT_GAS();
        slow.useGas(most - 10_000);
        depositEther(100);
        Leaf[] memory leaves = new Leaf[](1);
        leaves[0] = Leaf(address(slow), only(ETHER), only(uint256(100)));
        publish(leaves);
        bytes memory call = abi.encodeCall(
            settlement.claim, (new bytes32[](0), 0, address(slow), leaves[0].assets, leaves[0].cumulatives)
        );
        uint256 refusals = 0;
        for (uint256 gas = most; gas < most + 100_000; gas += 100) {
            (bool ok, bytes memory reason) = address(settlement).call{gas: gas}(call);
            if (ok) break;
            if (bytes4(reason) == BoundedCall.NotEnoughGas.selector) ++refusals;
        }
        assert(address(slow).balance == 100 && refusals > 0); // the first time that it passed, it had paid
    }

    function test_a_claim_within_a_claim_pays_once() public {
        Leaf[] memory leaves = twoLeaves(100);
        Busy thief = new Busy();
        leaves[0].account = address(thief);
        publish(Tree.root(leaves), threeAssets(), three(300, 300, 300));
        bytes memory again = abi.encodeCall(
            settlement.claim,
            (Tree.proof(leaves, 0), 0, leaves[0].account, leaves[0].assets, leaves[0].cumulatives)
        );
        thief.onPayment(address(settlement), again);
        claim(leaves, 0);
        assert(thief.called()); // the inner one was paid what the outer one had not come to
        assert(has(address(thief), 100, 100, 100) && has(address(settlement), 200, 200, 200));
        refuse(nothing(address(thief)), leaves[0], Tree.proof(leaves, 0), 0);
    }

    // --- claimers -------------------------------------------------------------------------------

    function test_an_account_and_its_claimer_send_payments_elsewhere() public {
        Leaf[] memory leaves = twoLeaves(100);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        (address[] memory assets, uint256[] memory cumulatives) = (leaves[0].assets, leaves[0].cumulatives);
        address claimer = account(8);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotClaimer.selector, claimer));
        vm.prank(claimer);
        settlement.claimTo(proof, 0, account(0), account(9), assets, cumulatives);
        vm.expectEmit();
        emit Settlement.ClaimerChanged(account(0), claimer);
        vm.prank(account(0));
        settlement.setClaimer(claimer);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidRecipient.selector, address(settlement)));
        vm.prank(claimer);
        settlement.claimTo(proof, 0, account(0), address(settlement), assets, cumulatives);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidRecipient.selector, address(0)));
        vm.prank(claimer);
        settlement.claimTo(proof, 0, account(0), address(0), assets, cumulatives);
        vm.expectEmit();
        emit Settlement.ClaimedTo(account(0), account(9));
        vm.prank(claimer);
        settlement.claimTo(proof, 0, account(0), account(9), assets, cumulatives);
        assert(has(account(9), 100, 100, 100) && has(account(0), 0, 0, 0));
        vm.prank(account(0));
        settlement.setClaimer(address(0));
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotClaimer.selector, claimer));
        vm.prank(claimer);
        settlement.claimTo(proof, 0, account(0), account(9), assets, cumulatives);
    }

    function test_address_zero_is_nobodys_claimer() public {
        Leaf[] memory leaves = twoLeaves(100);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotClaimer.selector, address(this)));
        settlement.claimTo(proof, 0, account(0), account(9), leaves[0].assets, leaves[0].cumulatives);
        vm.prank(account(0));
        settlement.claimTo(proof, 0, account(0), account(9), leaves[0].assets, leaves[0].cumulatives);
    }

    // --- at random ------------------------------------------------------------------------------

    function testFuzz_an_epoch_pays_exactly_its_leaves(uint32[5] memory amounts, uint256 seed) public {
        Leaf[] memory leaves = new Leaf[](5);
        for (uint256 i = 0; i < 5; ++i) {
            leaves[i] = Leaf(account(i), only(address(share)), only(uint256(amounts[i]) + 1));
        }
        publish(leaves);
        for (uint256 i = 0; i < 5; ++i) {
            uint256 index = (seed % 5 + i) % 5; // whoever comes first
            claim(leaves, index);
            assert(share.balanceOf(account(index)) == leaves[index].cumulatives[0]);
        }
        assert(share.balanceOf(address(settlement)) == 0 && share.totalSupply() == sum(leaves));
    }

    function testFuzz_claiming_seldom_pays_as_much_as_claiming_often(uint32[4] memory earned) public {
        uint256 all = 0;
        for (uint256 epoch = 0; epoch < 4; ++epoch) {
            all += uint256(earned[epoch]) + 1;
            Leaf[] memory leaves = new Leaf[](2);
            leaves[0] = Leaf(account(0), only(address(share)), only(all));
            leaves[1] = Leaf(account(1), only(address(share)), only(all));
            publish(leaves);
            claim(leaves, 0);
            if (epoch == 3) claim(leaves, 1);
        }
        assert(share.balanceOf(account(0)) == all && share.balanceOf(account(1)) == all);
    }

    function testFuzz_a_foreign_proof_never_pays(uint8 index, uint256 amount, bytes32[] calldata proof) public {
        publish(threeLeaves(address(share), 100));
        vm.assume(amount != (uint256(index % 3) + 1) * 100);
        vm.expectPartialRevert(Settlement.RootNotInForce.selector);
        settlement.claim(proof, 0, account(index % 3), only(address(share)), only(amount));
    }
}
