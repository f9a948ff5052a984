// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation} from "../src/Attestations.sol";
import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Terms} from "../src/Terms.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev Contracts to which a network moved after seven epochs, with 600 shares that were earned in them.
contract CarriedTest is Fixture {
    uint64 private constant START = 7;
    uint256 private constant CARRIED = 600e6;

    function setUp() public override {
        super.setUp();
        moveTo(START, CARRIED, only(address(stable)));
    }

    function shares(uint256 epoch, uint256 total) private view returns (Payload memory) {
        return Payload(epoch, ROOT, only(address(share)), only(total));
    }

    function refuse(bytes memory reason, Payload memory payload, Payload memory before) private {
        Attestation memory by = signedPost(payload, QUORUM);
        vm.expectRevert(reason);
        settlement.post(payload, before, by);
    }

    function test_what_was_carried_is_there_to_read_and_not_minted_yet() public view {
        assert(settlement.START() == START && settlement.CARRIED() == CARRIED);
        assert(settlement.epoch() == START && settlement.posted() == START);
        assert(settlement.root() == keccak256("") && share.totalSupply() == 0);
    }

    function test_epochs_go_on_where_they_were() public {
        refuse(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, 1, START + 1), shares(1, CARRIED), last);
        refuse(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, START, START + 1), shares(START, CARRIED), last);
        publish(ROOT, only(address(share)), only(CARRIED));
        assert(settlement.epoch() == START + 1 && share.totalSupply() == CARRIED);
    }

    function test_the_first_root_promises_all_that_was_carried_and_at_most_an_emission_more() public {
        Payload memory nothing = Payload(0, 0, new address[](0), new uint256[](0));
        Payload memory less = shares(START + 1, CARRIED - 1);
        refuse(abi.encodeWithSelector(RootQueue.TotalDecreased.selector, share, CARRIED - 1, CARRIED), less, last);
        Payload memory without = Payload(START + 1, ROOT, new address[](0), new uint256[](0));
        refuse(abi.encodeWithSelector(RootQueue.TotalDecreased.selector, share, 0, CARRIED), without, last);
        Payload memory more = shares(START + 1, CARRIED + EMISSION + 1);
        refuse(abi.encodeWithSelector(Terms.EmissionExceeded.selector, EMISSION + 1, EMISSION), more, last);
        Payload memory right = shares(START + 1, CARRIED + EMISSION);
        refuse(abi.encodeWithSelector(RootQueue.PayloadMismatch.selector, START), right, nothing);
        publish(ROOT, right.assets, right.totals);
        assert(share.totalSupply() == CARRIED + EMISSION);
        Payload memory second = shares(START + 2, CARRIED + 2 * EMISSION + 1);
        refuse(abi.encodeWithSelector(Terms.EmissionExceeded.selector, EMISSION + 1, EMISSION), second, last);
    }

    function test_a_first_root_that_was_undone_leaves_what_was_carried() public {
        Payload memory before = last;
        post(shares(START + 1, CARRIED + 1));
        vm.prank(address(timelock));
        settlement.cancel(START + 1);
        last = before;
        refuse(
            abi.encodeWithSelector(RootQueue.TotalDecreased.selector, share, 1, CARRIED), shares(START + 1, 1), last
        );
        publish(ROOT, only(address(share)), only(CARRIED));
        assert(share.totalSupply() == CARRIED);
    }

    function test_what_was_carried_is_claimed_by_whom_the_root_names() public {
        Leaf[] memory leaves = threeLeaves(address(share), CARRIED / 6);
        publish(leaves);
        for (uint256 i = 0; i < 3; ++i) claim(leaves, i);
        assert(share.balanceOf(account(2)) == CARRIED / 2 && share.balanceOf(address(settlement)) == 0);
    }

    function test_nothing_is_brought_in_or_claimed_before_the_first_root() public {
        vm.expectRevert();
        settlement.bringIn(last, 0, CARRIED);
        settlement.bringIn(last, 0, 0);
        Leaf memory leaf = Leaf(account(0), only(address(share)), only(CARRIED));
        vm.expectRevert();
        settlement.claim(new bytes32[](0), 0, leaf.account, leaf.assets, leaf.cumulatives);
        assert(share.totalSupply() == 0);
    }

    function test_a_network_without_shares_moves_too() public {
        moveTo(START, 0, only(address(stable)));
        publish(ROOT, only(address(share)), only(EMISSION));
        assert(settlement.epoch() == START + 1 && share.totalSupply() == EMISSION);
    }
}
