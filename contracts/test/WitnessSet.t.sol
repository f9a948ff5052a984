// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation, Attestations} from "../src/Attestations.sol";
import {Payload} from "../src/Payloads.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {Deploy} from "./Deploy.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev Changing the witnesses.
contract WitnessSetTest is Fixture {
    address[] private replacement;

    function setUp() public override {
        super.setUp();
        replacement = only(vm.addr(50));
    }

    function signedChange(address[] memory list, uint256 count) private view returns (Attestation memory by) {
        by = attestation();
        bytes memory words;
        for (uint256 i = 0; i < list.length; ++i) words = bytes.concat(words, abi.encode(list[i]));
        by.signatures = sign(
            count, witnessSet.changeDigest(keccak256(words), witnessSet.proposals() + 1, by.nonce, by.deadline)
        );
    }

    function test_the_present_quorum_changes_the_set_after_a_delay() public {
        Attestation memory by = signedChange(replacement, QUORUM);
        vm.expectEmit();
        emit WitnessSet.ChangeProposed(1, replacement, clock + WITNESS_DELAY);
        witnessSet.propose(replacement, by);
        pass(WITNESS_DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.TooEarly.selector, clock + 1));
        witnessSet.activate();
        pass(1);
        vm.expectEmit();
        emit WitnessSet.WitnessesChanged(1, 1);
        witnessSet.activate();
        vm.expectRevert(WitnessSet.NothingWaits.selector);
        witnessSet.activate();

        Payload memory next = Payload(1, ROOT, only(address(share)), only(uint256(1)));
        by = signedPost(next, QUORUM); // by the set before
        by.nonce = 0;
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 0));
        settlement.post(next, last, by);
        by = Attestation(1, replacement, "", clock);
        by.signatures = sign1(50, settlement.postDigest(settlement.hashPayload(next), 0, 1, clock));
        settlement.post(next, last, by);
    }

    function test_nobody_else_changes_it() public {
        Attestation memory by = signedChange(replacement, QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3));
        witnessSet.propose(replacement, by);
        by = signedChange(only(vm.addr(51)), QUORUM); // signed for another list
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        witnessSet.propose(replacement, by);
        by = Attestation(0, replacement, "", clock); // the new ones, by themselves
        bytes32 hash = keccak256(abi.encode(replacement[0]));
        by.signatures = sign1(50, witnessSet.changeDigest(hash, 1, 0, clock));
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 0));
        witnessSet.propose(replacement, by);
        by = signedChange(replacement, QUORUM);
        pass(1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.Expired.selector, by.deadline));
        witnessSet.propose(replacement, by);
        witnessSet.propose(replacement, signedChange(replacement, QUORUM));
    }

    function test_the_timelock_vetoes_and_the_same_signatures_do_not_come_back() public {
        vm.expectRevert(WitnessSet.NothingWaits.selector);
        vm.prank(address(timelock));
        witnessSet.veto();
        Attestation memory by = signedChange(replacement, QUORUM);
        witnessSet.propose(replacement, by);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.NotTimelock.selector, address(this)));
        witnessSet.veto();
        vm.expectEmit();
        emit WitnessSet.ChangeVetoed(1);
        vm.prank(address(timelock));
        witnessSet.veto();
        pass(WITNESS_DELAY);
        vm.expectRevert(WitnessSet.NothingWaits.selector);
        witnessSet.activate();
        clock -= WITNESS_DELAY; // still within the deadline
        vm.warp(clock);
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        witnessSet.propose(replacement, by);
    }

    function test_a_later_change_takes_the_place_of_one_that_waits_and_waits_anew() public {
        witnessSet.propose(replacement, signedChange(replacement, QUORUM));
        pass(WITNESS_DELAY - 1);
        address[] memory later = only(vm.addr(51));
        witnessSet.propose(later, signedChange(later, QUORUM));
        pass(1);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.TooEarly.selector, clock + WITNESS_DELAY - 1));
        witnessSet.activate();
        pass(WITNESS_DELAY);
        witnessSet.activate();
        assert(witnessSet.waiting() == keccak256(abi.encode(later[0])) && witnessSet.nonce() == 1);
    }

    function test_invalid_sets_are_rejected() public {
        address[] memory pair = new address[](2);
        (pair[0], pair[1]) = (address(2), address(1));
        address[][] memory wrong = new address[][](5);
        wrong[0] = pair; // descending
        wrong[1] = new address[](0);
        wrong[2] = only(address(0)); // can never sign
        wrong[3] = new address[](2);
        (wrong[3][0], wrong[3][1]) = (address(1), address(1)); // twice
        wrong[4] = many(65);
        for (uint256 i = 0; i < wrong.length; ++i) {
            Attestation memory by = signedChange(wrong[i], QUORUM);
            vm.expectRevert(WitnessSet.InvalidWitnesses.selector);
            witnessSet.propose(wrong[i], by);
            vm.expectRevert(WitnessSet.InvalidWitnesses.selector);
            this.create(wrong[i]);
        }
        witnessSet.propose(many(64), signedChange(many(64), QUORUM));
    }

    function create(address[] calldata list) external returns (address) {
        return Deploy.create("WitnessSet", abi.encode(list, timelock, 1));
    }

    function many(uint256 count) private pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) list[i] = address(uint160(i + 1));
    }

    function test_the_digest_is_eip712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Commonhold"),
                keccak256("1"),
                block.chainid,
                address(witnessSet)
            )
        );
        bytes32 change = keccak256(
            abi.encode(
                keccak256("WitnessChange(address[] witnesses,uint256 proposal,uint256 witnessNonce,uint256 deadline)"),
                keccak256(abi.encode(replacement[0])),
                1,
                2,
                3
            )
        );
        bytes32 digest = witnessSet.changeDigest(keccak256(abi.encode(replacement[0])), 1, 2, 3);
        assert(digest == keccak256(abi.encodePacked(hex"1901", domain, change)));
    }
}
