// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation, Attestations} from "../src/Attestations.sol";
import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Stake} from "../src/Stake.sol";
import {Terms} from "../src/Terms.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {Deploy} from "./Deploy.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev Objecting to a root: by one witness, by the governor, by proof.
contract QueueTest is Fixture {
    Payload private first;
    Payload private second;

    function setUp() public override {
        super.setUp();
        (first.root, second.root) = ("first", "second");
        (first.epoch, first.assets, first.totals) = (1, only(address(share)), only(uint256(100)));
        (second.epoch, second.assets, second.totals) = (2, only(address(share)), only(uint256(200)));
        post(first);
        post(second);
    }

    function refuseEnact(bytes memory reason, Payload memory payload) private {
        vm.expectRevert(reason);
        settlement.enact(payload);
    }

    // --- challenge ------------------------------------------------------------------------------

    function test_one_bonded_witness_freezes_a_root_and_all_behind_it() public {
        bytes32 bond = bondOf(3);
        address[] memory list = witnesses();
        vm.expectEmit();
        emit RootQueue.Challenged(1, witness(3), EVIDENCE);
        vm.prank(witness(3));
        settlement.challenge(1, EVIDENCE, list, bond);
        pass(100 days);
        refuseEnact(abi.encodeWithSelector(RootQueue.WrongStatus.selector, RootQueue.Status.Frozen), first);
        refuseEnact(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, 2, 1), second);
    }

    function test_a_challenge_comes_before_the_delay_ended() public {
        bytes32 bond = bondOf(3);
        address[] memory list = witnesses();
        pass(DELAY);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.TooLate.selector, clock));
        vm.prank(witness(3));
        settlement.challenge(1, EVIDENCE, list, bond);
        post(Payload(3, ROOT, only(address(share)), only(uint256(300))));
        pass(DELAY - 1);
        challenge(3, 3, bond);
    }

    function test_only_a_witness_with_a_bond_challenges() public {
        address[] memory list = witnesses();
        bytes32 bond = bondOf(3);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotAWitness.selector, address(this)));
        settlement.challenge(1, EVIDENCE, list, bond);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 0));
        settlement.challenge(1, EVIDENCE, only(address(this)), bond);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotBonded.selector, witness(2)));
        vm.prank(witness(2));
        settlement.challenge(1, EVIDENCE, list, bond); // which stands for another
        vm.prank(address(timelock));
        stake.setMinimum(BOND + 1);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotBonded.selector, witness(3)));
        vm.prank(witness(3));
        settlement.challenge(1, EVIDENCE, list, bond); // which is too small
        vm.prank(address(timelock));
        stake.setMinimum(BOND);
        challenge(1, 3, bond);
    }

    function test_a_root_is_frozen_once() public {
        (bytes32 bond, bytes32 other) = (bondOf(3), bondOf(2));
        challenge(1, 3, bond);
        address[] memory list = witnesses();
        bytes memory frozen = abi.encodeWithSelector(RootQueue.WrongStatus.selector, RootQueue.Status.Frozen);
        vm.expectRevert(frozen);
        vm.prank(witness(2));
        settlement.challenge(1, EVIDENCE, list, other);
        settlement.uphold(1, signedUphold(1, QUORUM));
        vm.expectRevert(abi.encodeWithSelector(RootQueue.WrongStatus.selector, RootQueue.Status.Upheld));
        vm.prank(witness(2));
        settlement.challenge(1, EVIDENCE, list, other);
        challenge(2, 2, other);
    }

    function test_what_does_not_wait_cannot_be_challenged() public {
        bytes32 bond = bondOf(3);
        address[] memory list = witnesses();
        for (uint256 i = 0; i < 3; ++i) {
            uint256 epoch = [uint256(0), 3, type(uint256).max][i];
            vm.expectRevert(abi.encodeWithSelector(RootQueue.NotWaiting.selector, epoch));
            vm.prank(witness(3));
            settlement.challenge(epoch, EVIDENCE, list, bond);
        }
        pass(DELAY);
        settlement.enact(first);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotWaiting.selector, 1));
        vm.prank(witness(3));
        settlement.challenge(1, EVIDENCE, list, bond);
    }

    // --- uphold and lapse -----------------------------------------------------------------------

    function test_an_upheld_root_waits_for_an_appeal_and_comes_into_force() public {
        challenge(1, 3, bondOf(3));
        pass(1 days);
        Attestation memory by = signedUphold(1, QUORUM);
        vm.expectEmit();
        emit RootQueue.Upheld(1, clock + APPEAL_DELAY);
        settlement.uphold(1, by);
        pass(APPEAL_DELAY - 1);
        refuseEnact(abi.encodeWithSelector(RootQueue.TooEarly.selector, clock + 1), first);
        pass(1);
        settlement.enact(first);
        settlement.enact(second); // whose delay passed meanwhile
        assert(settlement.epoch() == 2);
    }

    function test_only_a_quorum_upholds_and_only_what_is_frozen() public {
        Attestation memory by = signedUphold(1, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.WrongStatus.selector, RootQueue.Status.Waiting));
        settlement.uphold(1, by);
        challenge(1, 3, bondOf(3));
        by = signedUphold(1, QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3));
        settlement.uphold(1, by);
        by = signedUphold(2, QUORUM); // another root
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        settlement.uphold(1, by);
        by = signedPost(first, QUORUM); // what was signed to post it
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        settlement.uphold(1, by);
        by = signedUphold(1, QUORUM);
        pass(1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.Expired.selector, by.deadline));
        settlement.uphold(1, by);
        settlement.uphold(1, signedUphold(1, QUORUM));
    }

    function test_a_frozen_root_that_nobody_upholds_lapses() public {
        vm.expectRevert(abi.encodeWithSelector(RootQueue.WrongStatus.selector, RootQueue.Status.Waiting));
        settlement.lapse(1);
        challenge(1, 3, bondOf(3));
        pass(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.TooEarly.selector, clock + 1));
        settlement.lapse(1);
        pass(1);
        Attestation memory by = signedUphold(1, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.TooLate.selector, clock));
        settlement.uphold(1, by);
        vm.expectEmit();
        emit RootQueue.Undone(1, 1, RootQueue.lapse.selector);
        settlement.lapse(1);
        assert(settlement.posted() == 0 && settlement.attempt() == 1);
    }

    // --- cancel ---------------------------------------------------------------------------------

    function test_the_timelock_cancels_whatever_waits() public {
        vm.expectRevert(abi.encodeWithSelector(Terms.NotTimelock.selector, address(this)));
        settlement.cancel(2);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotWaiting.selector, 3));
        vm.prank(address(timelock));
        settlement.cancel(3);
        vm.prank(address(timelock));
        settlement.cancel(2); // that waits
        assert(settlement.posted() == 1);
        challenge(1, 3, bondOf(3));
        settlement.uphold(1, signedUphold(1, QUORUM));
        pass(APPEAL_DELAY); // even in the last moment
        vm.prank(address(timelock));
        settlement.cancel(1); // that is upheld
        assert(settlement.posted() == 0 && settlement.attempt() == 2);
        refuseEnact(abi.encodeWithSelector(RootQueue.NotWaiting.selector, 1), first);
    }

    function test_what_is_in_force_cannot_be_cancelled() public {
        pass(DELAY);
        settlement.enact(first);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotWaiting.selector, 1));
        vm.prank(address(timelock));
        settlement.cancel(1);
        vm.prank(address(timelock));
        settlement.cancel(2);
    }

    function test_what_was_undone_cannot_be_posted_again_with_old_signatures() public {
        Attestation memory old = signedPost(first, QUORUM);
        vm.prank(address(timelock));
        settlement.cancel(1);
        Payload memory nothing;
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        settlement.post(first, nothing, old);
        settlement.post(first, nothing, signedPost(first, QUORUM)); // signed anew, for the second attempt
        assert(settlement.posting(1).attempt == 1);
        challenge(1, 3, bondOf(3)); // and challenged anew
    }

    function test_after_undoing_growth_is_measured_from_what_stands() public {
        vm.prank(address(timelock));
        settlement.cancel(2);
        last = first;
        uint256 most = settlement.emission();
        Payload memory next = Payload(2, ROOT, only(address(share)), only(101 + most));
        Attestation memory by = signedPost(next, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(Terms.EmissionExceeded.selector, most + 1, most));
        settlement.post(next, first, by);
        post(Payload(2, ROOT, only(address(share)), only(100 + most)));
        pass(DELAY);
        settlement.enact(first);
        settlement.enact(last);
        assert(share.totalSupply() == 100 + most);
    }

    // --- contradict -----------------------------------------------------------------------------

    function other(uint256 count) private view returns (Payload memory payload, Attestation memory by) {
        payload = Payload(1, "other", first.assets, first.totals);
        by = signedPost(payload, count);
    }

    function test_two_roots_for_one_epoch_undo_it_and_slash_who_signed_both() public {
        bytes32[] memory bonds = new bytes32[](2);
        (bonds[0], bonds[1]) = (bondOf(0), bondOf(1));
        Payload memory beside = Payload(1, "other", first.assets, first.totals);
        Attestation memory by = attestation();
        bytes32 digest = settlement.postDigest(settlement.hashPayload(beside), 0, 0, by.deadline);
        by.signatures = bytes.concat(sign(2, digest), sign1(keys[3], digest)); // witness 2 signed the first only
        bytes32 evidence =
            keccak256(abi.encode(settlement.hashPayload(first), settlement.hashPayload(beside)));
        vm.expectEmit();
        emit RootQueue.Contradicted(1, evidence, settlement.hashPayload(first), settlement.hashPayload(beside), 3);
        vm.expectEmit();
        emit RootQueue.Undone(1, 1, RootQueue.contradict.selector);
        vm.expectEmit();
        emit Stake.SlashProposed(0, bonds[0], BOND, evidence, clock + SLASH_DELAY);
        settlement.contradict(first, beside, by, bonds);
        assert(settlement.posted() == 0 && stake.slashCount() == 2);
        assert(settlement.contradicted(evidence, witness(0)) && !settlement.contradicted(evidence, witness(2)));

        bytes32 honest = bondOf(2);
        vm.expectRevert(abi.encodeWithSelector(Stake.NoContradiction.selector, witness(2)));
        stake.proposeSlashFor(honest, evidence);
        vm.expectRevert(abi.encodeWithSelector(Stake.AlreadyAccused.selector, bonds[0], evidence));
        stake.proposeSlashFor(bonds[0], evidence);
    }

    function test_a_contradiction_is_slashed_even_if_the_root_is_in_force_or_undone() public {
        (Payload memory beside, Attestation memory by) = other(QUORUM);
        pass(DELAY - 1 days);
        vm.prank(address(timelock));
        settlement.cancel(2);
        settlement.contradict(first, beside, by, new bytes32[](0));
        assert(settlement.posted() == 0 && settlement.attempt() == 2);
        bytes32 evidence =
            keccak256(abi.encode(settlement.hashPayload(first), settlement.hashPayload(beside)));
        stake.proposeSlashFor(bondOf(0), evidence); // later, and after it is gone
        settlement.contradict(first, beside, by, new bytes32[](0)); // says nothing new and undoes nothing
        assert(settlement.attempt() == 2);
    }

    function test_a_contradiction_needs_a_quorum_and_a_difference() public {
        bytes32[] memory none = new bytes32[](0);
        (Payload memory beside, Attestation memory by) = other(QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3));
        settlement.contradict(first, beside, by, none);
        by = signedPost(first, QUORUM);
        vm.expectRevert(RootQueue.NoContradiction.selector);
        settlement.contradict(first, first, by, none); // the same
        by = signedPost(second, QUORUM);
        vm.expectRevert(RootQueue.NoContradiction.selector);
        settlement.contradict(first, second, by, none); // another epoch
        (beside, by) = other(QUORUM);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.PayloadMismatch.selector, 1));
        settlement.contradict(beside, first, by, none); // never posted
        by.nonce = 1;
        vm.expectRevert(RootQueue.NoContradiction.selector);
        settlement.contradict(first, beside, by, none); // another set
        (beside, by) = other(QUORUM);
        by.witnesses = only(witness(0));
        vm.expectRevert(RootQueue.NoContradiction.selector);
        settlement.contradict(first, beside, by, none); // no set at all
        (beside, by) = other(QUORUM);
        settlement.contradict(first, beside, by, none);
    }

    function test_signing_anew_is_no_contradiction() public {
        bytes32[] memory none = new bytes32[](0);
        // After a deadline passed unused:
        Payload memory expired = Payload(3, "expired", only(address(share)), only(uint256(300)));
        Attestation memory by = signedPost(expired, QUORUM);
        pass(1 days + 1);
        Payload memory third = Payload(3, "third", only(address(share)), only(uint256(300)));
        post(third);
        vm.expectRevert(RootQueue.NoContradiction.selector);
        settlement.contradict(third, expired, by, none);
        // After an attempt was undone:
        Attestation memory before = signedPost(expired, QUORUM);
        vm.prank(address(timelock));
        settlement.cancel(3);
        settlement.post(third, second, signedPost(third, QUORUM));
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        settlement.contradict(third, expired, before, none);
    }

    function test_a_past_set_answers_for_what_it_signed() public {
        (Payload memory beside, Attestation memory by) = other(QUORUM);
        Attestation memory change = attestation();
        address[] memory next = Deploy.only(vm.addr(50));
        bytes32 hash = keccak256(abi.encode(next[0]));
        change.signatures = sign(QUORUM, witnessSet.changeDigest(hash, 1, 0, change.deadline));
        witnessSet.propose(next, change);
        pass(WITNESS_DELAY);
        witnessSet.activate();
        settlement.contradict(first, beside, by, new bytes32[](0));
        assert(settlement.posted() == 0);
    }
}
