// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Attestation, Attestations} from "../src/Attestations.sol";
import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Settlement} from "../src/Settlement.sol";
import {Terms} from "../src/Terms.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {Deploy, Network} from "./Deploy.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev What a quorum can have posted, and what nobody can.
contract PostTest is Fixture {
    function refuse(bytes memory reason, Payload memory payload) internal {
        refuse(reason, payload, signedPost(payload, QUORUM));
    }

    function refuse(bytes memory reason, Payload memory payload, Attestation memory by) internal {
        vm.expectRevert(reason);
        settlement.post(payload, last, by);
    }

    function shares(uint256 total) internal view returns (Payload memory) {
        return Payload(last.epoch + 1, ROOT, only(address(share)), only(total));
    }

    function test_a_posted_root_waits_and_comes_into_force() public {
        Payload memory next = shares(100);
        Attestation memory by = signedPost(next, QUORUM);
        vm.expectEmit();
        emit RootQueue.Posted(1, ROOT, next.assets, next.totals, 0, 0, 7);
        settlement.post(next, last, by);
        RootQueue.Posting memory its = settlement.posting(1);
        assert(its.payload == settlement.hashPayload(next) && its.due == clock + DELAY && its.postedAt == clock);
        assert(settlement.posted() == 1 && settlement.epoch() == 0);
        assert(settlement.root() == keccak256(""));

        vm.expectRevert(abi.encodeWithSelector(RootQueue.TooEarly.selector, clock + DELAY));
        settlement.enact(next);
        pass(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.TooEarly.selector, clock + 1));
        settlement.enact(next);
        pass(1);
        vm.expectEmit();
        emit RootQueue.Enacted(1, ROOT);
        settlement.enact(next);
        assert(settlement.epoch() == 1 && settlement.root() == ROOT && settlement.previousRoot() == keccak256(""));
        assert(share.totalSupply() == 100 && share.balanceOf(address(settlement)) == 100);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, 1, 2));
        settlement.enact(next);
    }

    function test_epochs_follow_each_other() public {
        Payload memory next = shares(1);
        for (uint256 i = 0; i < 3; ++i) {
            next.epoch = [uint256(0), 2, type(uint256).max][i];
            refuse(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, next.epoch, 1), next);
        }
        next.epoch = 1;
        post(next);
        refuse(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, 1, 2), next);
        post(shares(2));
    }

    function test_several_roots_may_wait_and_not_too_many() public {
        uint256 most = settlement.QUEUE_MAX();
        for (uint256 i = 0; i < most; ++i) post(shares(i + 1));
        refuse(abi.encodeWithSelector(RootQueue.QueueFull.selector), shares(most + 1));
        pass(DELAY);
        Payload memory first = Payload(1, ROOT, only(address(share)), only(uint256(1)));
        settlement.enact(first);
        post(shares(most + 1));
        assert(settlement.posted() == most + 1 && settlement.epoch() == 1);
        // The one in force is still known: what it promised can still be brought in.
        assert(settlement.posting(1).payload == settlement.hashPayload(first));
    }

    function test_roots_come_into_force_in_order() public {
        Payload memory first = shares(1);
        post(first);
        Payload memory second = shares(2);
        post(second);
        pass(DELAY);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.EpochNotNext.selector, 2, 1));
        settlement.enact(second);
        Payload memory forged = Payload(1, "another root", first.assets, first.totals);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.PayloadMismatch.selector, 1));
        settlement.enact(forged);
        settlement.enact(first);
        settlement.enact(second);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.NotWaiting.selector, 3));
        settlement.enact(Payload(3, ROOT, second.assets, second.totals));
        assert(settlement.epoch() == 2);
    }

    function test_malformed_payloads_are_rejected() public {
        depositEther(10);
        bytes memory invalid = abi.encodeWithSelector(RootQueue.InvalidPayload.selector);
        address[] memory pair = new address[](2);
        uint256[] memory totals = new uint256[](2);
        (pair[0], pair[1], totals[0], totals[1]) = (address(share), ETHER, 1, 1);
        refuse(invalid, Payload(1, ROOT, pair, totals)); // descending
        (pair[0], pair[1]) = (ETHER, ETHER);
        refuse(invalid, Payload(1, ROOT, pair, totals)); // twice
        (pair[0], pair[1]) = (ETHER, address(share));
        refuse(invalid, Payload(1, bytes32(0), pair, totals));
        refuse(invalid, Payload(1, ROOT, pair, only(uint256(1)))); // a total too few
        refuse(invalid, Payload(1, ROOT, only(ETHER), totals)); // a total too many
        refuse(invalid, Payload(1, ROOT, only(ETHER), only(uint256(0)))); // nobody earned any
        post(Payload(1, ROOT, pair, totals));
        pass(DELAY);
        settlement.enact(last);
    }

    function test_the_payload_before_must_be_passed_along() public {
        post(shares(100));
        Payload memory next = shares(100);
        Attestation memory by = signedPost(next, QUORUM);
        Payload memory forged = Payload(1, ROOT, only(address(share)), only(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(RootQueue.PayloadMismatch.selector, 1));
        settlement.post(next, forged, by);
        settlement.post(next, last, by);
    }

    function test_totals_never_fall() public {
        depositEther(10);
        address[] memory pair = new address[](2);
        (pair[0], pair[1]) = (ETHER, address(share));
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (10, 100);
        post(Payload(1, ROOT, pair, totals));
        totals[1] = 99;
        refuse(
            abi.encodeWithSelector(RootQueue.TotalDecreased.selector, address(share), 99, 100),
            Payload(2, ROOT, pair, totals)
        );
        totals[1] = 100;
        refuse( // an asset that is left out has fallen to nothing
            abi.encodeWithSelector(RootQueue.TotalDecreased.selector, ETHER, 0, 10),
            Payload(2, ROOT, only(address(share)), only(uint256(100)))
        );
        refuse(
            abi.encodeWithSelector(RootQueue.TotalDecreased.selector, address(share), 0, 100),
            Payload(2, ROOT, only(ETHER), only(uint256(10)))
        );
        post(Payload(2, ROOT, pair, totals)); // the same is no less
    }

    function test_an_epoch_creates_no_more_than_the_emission() public {
        uint256 most = settlement.emission();
        refuse(abi.encodeWithSelector(Terms.EmissionExceeded.selector, most + 1, most), shares(most + 1));
        post(shares(most));
        refuse(abi.encodeWithSelector(Terms.EmissionExceeded.selector, most + 1, most), shares(2 * most + 1));
        post(shares(2 * most));
        pass(DELAY);
        settlement.enact(Payload(1, ROOT, only(address(share)), only(most)));
        assert(share.totalSupply() == most);
        settlement.enact(last);
        assert(share.totalSupply() == 2 * most);
    }

    function test_the_emission_is_the_timelocks_within_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(Terms.NotTimelock.selector, address(this)));
        settlement.setEmission(1);
        vm.expectRevert(
            abi.encodeWithSelector(Terms.EmissionExceeded.selector, 2 * EMISSION + 1, 2 * EMISSION)
        );
        vm.prank(address(timelock));
        settlement.setEmission(2 * EMISSION + 1);
        vm.expectEmit();
        emit Terms.EmissionChanged(5);
        vm.prank(address(timelock));
        settlement.setEmission(5);
        refuse(abi.encodeWithSelector(Terms.EmissionExceeded.selector, 6, 5), shares(6));
        post(shares(5));
    }

    function test_nothing_is_promised_that_did_not_come_in() public {
        depositEther(5);
        bytes memory reason = abi.encodeWithSelector(RootQueue.NotReceived.selector, ETHER, 6, 5);
        refuse(reason, Payload(1, ROOT, only(ETHER), only(uint256(6))));
        post(Payload(1, ROOT, only(ETHER), only(uint256(5))));
        reason = abi.encodeWithSelector(RootQueue.NotReceived.selector, ETHER, 6, 5);
        refuse(reason, Payload(2, ROOT, only(ETHER), only(uint256(6))));
        depositEther(1);
        post(Payload(2, ROOT, only(ETHER), only(uint256(6))));
        reason = abi.encodeWithSelector(RootQueue.NotReceived.selector, account(0), 1, 0);
        address[] memory pair = new address[](2);
        uint256[] memory totals = new uint256[](2);
        (pair[1], totals[0], totals[1]) = (account(0), 6, 1);
        refuse(reason, Payload(3, ROOT, pair, totals)); // an asset that nobody listed
    }

    // --- signatures -----------------------------------------------------------------------------

    function test_more_than_two_thirds_are_a_quorum() public {
        uint256[8] memory quorums = [uint256(1), 2, 3, 3, 4, 5, 5, 6];
        for (uint256 i = 0; i < 8; ++i) assert(witnessSet.quorumOf(i + 1) == quorums[i]);
        for (uint256 n = 1; n <= 64; ++n) {
            uint256 quorum = witnessSet.quorumOf(n);
            assert(3 * quorum > 2 * n && 3 * (quorum - 1) <= 2 * n && quorum <= n);
        }
        Payload memory next = shares(1);
        Attestation memory by = signedPost(next, QUORUM - 1);
        refuse(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3), next, by);
        settlement.post(next, last, signedPost(next, WITNESSES)); // all of them will do as well
        assert(settlement.posting(1).signers == 15);
    }

    function test_signers_are_distinct_witnesses_in_order() public {
        Payload memory next = shares(1);
        Attestation memory by = signedPost(next, QUORUM);
        bytes32 digest = settlement.postDigest(settlement.hashPayload(next), 0, 0, by.deadline);
        bytes memory a = sign1(keys[0], digest);
        bytes memory b = sign1(keys[1], digest);
        bytes memory c = sign1(keys[2], digest);
        bytes memory stranger = sign1(99, digest);

        by.signatures = bytes.concat(a, b, b);
        refuse(abi.encodeWithSelector(Attestations.NotAWitness.selector, witness(1)), next, by);
        by.signatures = bytes.concat(b, a, c);
        refuse(abi.encodeWithSelector(Attestations.NotAWitness.selector, witness(0)), next, by);
        by.signatures = bytes.concat(a, b, stranger);
        refuse(abi.encodeWithSelector(Attestations.NotAWitness.selector, vm.addr(99)), next, by);
        by.signatures = bytes.concat(a, b, c, hex"00");
        refuse(abi.encodeWithSelector(Attestations.InvalidSignatures.selector, 196), next, by);
        by.signatures = "";
        refuse(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 0, 3), next, by);
        by.signatures = bytes.concat(a, c, sign1(keys[3], digest)); // any three, in order
        settlement.post(next, last, by);
        assert(settlement.posting(1).signers == 13);
    }

    function test_only_the_sets_own_list_counts() public {
        Payload memory next = shares(1);
        Attestation memory by = signedPost(next, QUORUM);
        by.witnesses = only(vm.addr(99));
        bytes32 digest = settlement.postDigest(settlement.hashPayload(next), 0, 0, by.deadline);
        by.signatures = sign1(99, digest);
        refuse(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 0), next, by);
        by = signedPost(next, QUORUM);
        by.nonce = 1;
        refuse(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 1), next, by);
        settlement.post(next, last, signedPost(next, QUORUM));
    }

    function test_a_signature_counts_for_what_it_was_made() public {
        Payload memory next = shares(1);
        Attestation memory by = signedPost(shares(2), QUORUM); // for another payload
        vm.expectPartialRevert(Attestations.NotAWitness.selector); // whoever that digest recovers
        settlement.post(next, last, by);
        by = signedPost(next, QUORUM);
        by.deadline += 1; // for another deadline
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        settlement.post(next, last, by);

        Network memory twin = Deploy.network(termsOf(only(address(stable)))); // for another contract
        by = attestation();
        bytes32 digest = twin.settlement.postDigest(settlement.hashPayload(next), 0, 0, by.deadline);
        by.signatures = sign(QUORUM, digest);
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        settlement.post(next, last, by);

        settlement.post(next, last, signedPost(next, QUORUM));
    }

    function test_signatures_expire() public {
        Payload memory next = shares(1);
        Attestation memory by = signedPost(next, QUORUM);
        pass(1 days + 1);
        refuse(abi.encodeWithSelector(WitnessSet.Expired.selector, by.deadline), next, by);
        by = signedPost(next, QUORUM);
        pass(1 days); // the deadline itself is not too late
        settlement.post(next, last, by);
    }

    function test_malleated_signature_is_rejected() public {
        Payload memory next = shares(1);
        Attestation memory by = signedPost(next, QUORUM);
        bytes32 digest = settlement.postDigest(settlement.hashPayload(next), 0, 0, by.deadline);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[2], digest);
        bytes32 upper = bytes32(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - uint256(s));
        by.signatures = bytes.concat(sign(2, digest), abi.encodePacked(r, upper, v == 27 ? uint8(28) : uint8(27)));
        refuse(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, upper), next, by);
    }

    /// @dev The hashes that Python computes by itself.
    function test_digests_are_eip712() public view {
        Payload memory next = shares(7);
        bytes32 payload = keccak256(
            abi.encode(
                keccak256("Payload(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)"),
                next.epoch,
                next.root,
                keccak256(abi.encode(address(share))),
                keccak256(abi.encode(uint256(7)))
            )
        );
        assert(settlement.hashPayload(next) == payload);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Commonhold"),
                keccak256("1"),
                block.chainid,
                address(settlement)
            )
        );
        bytes32 post_ = keccak256(
            abi.encode(
                keccak256(
                    "Post(Payload payload,uint256 attempt,uint256 witnessNonce,uint256 deadline)Payload(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)"
                ),
                payload,
                1,
                2,
                3
            )
        );
        assert(settlement.postDigest(payload, 1, 2, 3) == keccak256(abi.encodePacked(hex"1901", domain, post_)));
    }
}
