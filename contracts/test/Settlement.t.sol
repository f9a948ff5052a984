// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {RevenueIntake} from "../src/RevenueIntake.sol";
import {Settlement} from "../src/Settlement.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";

/// @dev Publishing and witnesses: each rejection stands beside what is accepted.
contract PublishTest is Fixture {
    bytes32 private constant ROOT = keccak256("root");

    function publishShares(uint256 epoch, uint256 total) private {
        publish(epoch, ROOT, only(address(share)), only(total));
    }

    function test_publish_mints_what_it_promises() public {
        vm.expectEmit();
        emit Settlement.Published(7, ROOT, only(address(share)), only(600));
        publishShares(7, 600);
        assert(settlement.root() == ROOT && settlement.epoch() == 7);
        assert(share.totalSupply() == 600 && share.balanceOf(address(settlement)) == 600);
    }

    function test_publish_takes_revenue_out_of_the_intake() public {
        depositStable(100);
        publish(1, ROOT, only(address(stable)), only(40));
        assert(stable.balanceOf(address(settlement)) == 40 && stable.balanceOf(address(intake)) == 60);
        assert(intake.available(address(stable)) == 60);
    }

    function test_publish_rejects_promise_of_undeposited_revenue() public {
        depositStable(100);
        address asset = address(stable);
        bytes[] memory signatures =
            signedBy(QUORUM, settlement.publicationDigest(1, ROOT, only(asset), only(uint256(101))));
        vm.expectRevert(abi.encodeWithSelector(RevenueIntake.InsufficientRevenue.selector, asset, 100, 101));
        settlement.publish(1, ROOT, only(asset), only(uint256(101)), signatures);
        publish(1, ROOT, only(asset), only(uint256(100)));
    }

    function test_epochs_rise_and_may_skip() public {
        publishShares(3, 1);
        for (uint256 stale = 2; stale <= 3; ++stale) {
            bytes[] memory signatures =
                signedBy(QUORUM, settlement.publicationDigest(stale, ROOT, only(address(share)), only(uint256(2))));
            vm.expectRevert(abi.encodeWithSelector(Settlement.EpochNotLater.selector, stale, 3));
            settlement.publish(stale, ROOT, only(address(share)), only(uint256(2)), signatures);
        }
        publishShares(9, 2);
    }

    function test_totals_never_decrease() public {
        publishShares(1, 10);
        bytes[] memory signatures =
            signedBy(QUORUM, settlement.publicationDigest(2, ROOT, only(address(share)), only(uint256(9))));
        vm.expectRevert(abi.encodeWithSelector(Settlement.TotalDecreased.selector, address(share), 9, 10));
        settlement.publish(2, ROOT, only(address(share)), only(uint256(9)), signatures);
        publishShares(2, 10);
        assert(share.totalSupply() == 10);
    }

    function test_assets_ascend_and_match_totals() public {
        depositStable(1);
        depositEther(1);
        address[] memory assets = new address[](2);
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (1, 1);
        (assets[0], assets[1]) = (address(stable), ETHER);
        expectInvalidTotals(assets, totals);
        (assets[0], assets[1]) = (address(stable), address(stable));
        expectInvalidTotals(assets, totals);
        (assets[0], assets[1]) = (ETHER, address(stable));
        expectInvalidTotals(assets, only(uint256(1)));
        publish(1, ROOT, assets, totals);
    }

    function expectInvalidTotals(address[] memory assets, uint256[] memory totals) private {
        bytes[] memory signatures = signedBy(QUORUM, settlement.publicationDigest(1, ROOT, assets, totals));
        vm.expectRevert(Settlement.InvalidTotals.selector);
        settlement.publish(1, ROOT, assets, totals, signatures);
    }

    function test_root_zero_is_rejected() public {
        bytes[] memory signatures =
            signedBy(QUORUM, settlement.publicationDigest(1, 0, only(address(share)), only(uint256(1))));
        vm.expectRevert(Settlement.InvalidRoot.selector);
        settlement.publish(1, 0, only(address(share)), only(uint256(1)), signatures);
    }

    function test_quorum() public {
        address[] memory assets = only(address(share));
        uint256[] memory totals = only(uint256(1));
        bytes32 digest = settlement.publicationDigest(1, ROOT, assets, totals);

        vm.expectRevert(abi.encodeWithSelector(Settlement.QuorumNotReached.selector, 1, 2));
        settlement.publish(1, ROOT, assets, totals, signedBy(1, digest));

        bytes[] memory repeated = signedBy(2, digest);
        repeated[1] = repeated[0];
        vm.expectRevert(abi.encodeWithSelector(Settlement.SignersNotAscending.selector, vm.addr(keys[0])));
        settlement.publish(1, ROOT, assets, totals, repeated);

        bytes[] memory stranger = signedBy(2, digest);
        stranger[1] = sign(99, digest);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAWitness.selector, vm.addr(99)));
        settlement.publish(1, ROOT, assets, totals, stranger);

        settlement.publish(1, ROOT, assets, totals, signedBy(3, digest));
    }

    function test_signature_of_other_publication_or_contract_does_not_count() public {
        address[] memory assets = only(address(share));
        uint256[] memory totals = only(uint256(1));
        bytes32 other = settlement.publicationDigest(1, ROOT, assets, only(uint256(2)));
        vm.expectPartialRevert(Settlement.NotAWitness.selector); // whoever that digest recovers
        settlement.publish(1, ROOT, assets, totals, signedBy(2, other));

        Settlement twin = new Settlement(witnessAddresses(), QUORUM);
        bytes[] memory signatures = signedBy(2, twin.publicationDigest(1, ROOT, assets, totals));
        vm.expectPartialRevert(Settlement.NotAWitness.selector);
        settlement.publish(1, ROOT, assets, totals, signatures);
    }

    function test_malleated_signature_is_rejected() public {
        address[] memory assets = only(address(share));
        uint256[] memory totals = only(uint256(1));
        bytes32 digest = settlement.publicationDigest(1, ROOT, assets, totals);
        bytes[] memory signatures = signedBy(2, digest);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], digest);
        bytes32 upper = bytes32(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - uint256(s));
        signatures[1] = abi.encodePacked(r, upper, v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, upper));
        settlement.publish(1, ROOT, assets, totals, signatures);
    }

    function test_owner_replaces_witnesses() public {
        address[] memory replacement = only(vm.addr(50));
        vm.expectEmit();
        emit Settlement.WitnessesChanged(replacement, 1);
        settlement.setWitnesses(replacement, 1);
        assert(settlement.quorum() == 1 && settlement.witnesses().length == 1);

        bytes32 digest = settlement.publicationDigest(1, ROOT, only(address(share)), only(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAWitness.selector, vm.addr(keys[0])));
        settlement.publish(1, ROOT, only(address(share)), only(uint256(1)), signedBy(1, digest));

        bytes[] memory signatures = new bytes[](1);
        signatures[0] = sign(50, digest);
        settlement.publish(1, ROOT, only(address(share)), only(uint256(1)), signatures);
    }

    function test_stranger_cannot_replace_witnesses() public {
        vm.prank(account(0));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, account(0)));
        settlement.setWitnesses(only(account(0)), 1);
    }

    function test_invalid_witness_sets_are_rejected() public {
        address[] memory three = witnessAddresses();
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidWitnesses.selector, 3, 0));
        settlement.setWitnesses(three, 0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidWitnesses.selector, 3, 4));
        settlement.setWitnesses(three, 4);
        vm.expectRevert(abi.encodeWithSelector(Settlement.InvalidWitnesses.selector, 65, 1));
        settlement.setWitnesses(new address[](65), 1);
        three[1] = three[0];
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAWitness.selector, three[0]));
        settlement.setWitnesses(three, 2);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAWitness.selector, address(0)));
        settlement.setWitnesses(only(address(0)), 1);
        settlement.setWitnesses(witnessAddresses(), 3);
    }
}

/// @dev Claiming: who gets what, once.
contract ClaimTest is Fixture {
    function test_claim_pays_and_the_second_claim_does_not() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(1, leaves);
        claim(leaves, 1);
        assert(share.balanceOf(account(1)) == 200 && settlement.claimed(account(1), address(share)) == 200);
        bytes32 root = Tree.root(leaves);
        bytes32[] memory proof = Tree.proof(leaves, 1);
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.NothingToClaim.selector, account(1), address(share), 200)
        );
        settlement.claim(account(1), address(share), 200, root, proof);
    }

    function test_later_claim_pays_the_difference() public {
        publish(1, threeLeaves(address(share), 100));
        claim(threeLeaves(address(share), 100), 2);
        publish(2, threeLeaves(address(share), 150));
        claim(threeLeaves(address(share), 150), 2);
        assert(share.balanceOf(account(2)) == 450);
    }

    function test_claims_of_ether_and_tokens() public {
        depositEther(6 ether);
        depositStable(600);
        Leaf[] memory inEther = threeLeaves(ETHER, 1 ether);
        publish(1, inEther);
        vm.expectEmit();
        emit Settlement.EtherClaimed(account(0), 1 ether);
        claim(inEther, 0);
        Leaf[] memory inStable = threeLeaves(address(stable), 100);
        publish(2, inStable);
        claim(inStable, 0);
        assert(account(0).balance == 1 ether && stable.balanceOf(account(0)) == 100);
    }

    function test_wrong_claims_are_rejected() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(1, leaves);
        bytes32 root = Tree.root(leaves);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        vm.expectRevert(Settlement.InvalidProof.selector);
        settlement.claim(account(0), address(share), 101, root, proof); // another amount
        vm.expectRevert(Settlement.InvalidProof.selector);
        settlement.claim(account(1), address(share), 100, root, proof); // another account
        vm.expectRevert(Settlement.InvalidProof.selector);
        settlement.claim(account(0), address(stable), 100, root, proof); // another asset
        settlement.claim(account(0), address(share), 100, root, proof);
    }

    function test_a_proof_survives_one_new_root_and_not_two() public {
        Leaf[] memory first = threeLeaves(address(share), 100);
        publish(1, first);
        publish(2, threeLeaves(address(share), 200));
        claim(first, 0);
        assert(share.balanceOf(account(0)) == 100);
        publish(3, threeLeaves(address(share), 300));
        bytes32 stale = Tree.root(first);
        bytes32[] memory proof = Tree.proof(first, 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.StaleRoot.selector, stale, settlement.root()));
        settlement.claim(account(1), address(share), 200, stale, proof);
    }

    function test_an_old_proof_after_a_newer_claim_pays_nothing() public {
        Leaf[] memory first = threeLeaves(address(share), 100);
        publish(1, first);
        publish(2, threeLeaves(address(share), 200));
        claim(threeLeaves(address(share), 200), 0);
        bytes32 root = Tree.root(first);
        bytes32[] memory proof = Tree.proof(first, 0);
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.NothingToClaim.selector, account(0), address(share), 200)
        );
        settlement.claim(account(0), address(share), 100, root, proof);
    }

    function test_leaves_beyond_the_published_total_are_not_paid() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100); // adds up to 600
        publish(1, Tree.root(leaves), only(address(share)), only(uint256(500)));
        claim(leaves, 2);
        claim(leaves, 1);
        bytes32 root = Tree.root(leaves);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        vm.expectRevert();
        settlement.claim(account(0), address(share), 100, root, proof);
        assert(share.totalSupply() == 500);
    }

    function test_claim_many_pays_all_or_nothing() public {
        depositEther(1 ether);
        Leaf[] memory leaves = new Leaf[](2);
        leaves[0] = Leaf(account(0), address(share), 5);
        leaves[1] = Leaf(account(0), ETHER, 1 ether);
        address[] memory assets = new address[](2);
        uint256[] memory totals = new uint256[](2);
        (assets[0], assets[1], totals[0], totals[1]) = (ETHER, address(share), 1 ether, 5);
        bytes32 root = Tree.root(leaves);
        publish(1, root, assets, totals);

        Settlement.Claim[] memory claims = new Settlement.Claim[](2);
        claims[0] = Settlement.Claim(address(share), 5, Tree.proof(leaves, 0));
        claims[1] = Settlement.Claim(ETHER, 2 ether, Tree.proof(leaves, 1));
        vm.expectRevert(Settlement.InvalidProof.selector);
        settlement.claimMany(account(0), root, claims);
        assert(share.balanceOf(account(0)) == 0);

        claims[1].cumulative = 1 ether;
        settlement.claimMany(account(0), root, claims);
        assert(share.balanceOf(account(0)) == 5 && account(0).balance == 1 ether);

        vm.expectPartialRevert(Settlement.NothingToClaim.selector);
        settlement.claimMany(account(0), root, claims);
        vm.expectRevert(abi.encodeWithSelector(Settlement.StaleRoot.selector, bytes32("other"), root));
        settlement.claimMany(account(0), "other", claims);
    }

    function test_an_account_that_refuses_ether_harms_only_itself() public {
        depositEther(2 ether);
        Leaf[] memory leaves = new Leaf[](2);
        leaves[0] = Leaf(address(new Refuser()), ETHER, 1 ether);
        leaves[1] = Leaf(account(1), ETHER, 1 ether);
        publish(1, leaves);
        bytes32 root = Tree.root(leaves);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        vm.expectRevert(Errors.FailedCall.selector);
        settlement.claim(leaves[0].account, ETHER, 1 ether, root, proof);
        claim(leaves, 1);
        assert(account(1).balance == 1 ether);
    }

    function test_a_reentrant_account_is_paid_once() public {
        depositEther(2 ether);
        Reentrant thief = new Reentrant(settlement);
        Leaf[] memory leaves = new Leaf[](2);
        leaves[0] = Leaf(address(thief), ETHER, 1 ether);
        leaves[1] = Leaf(account(1), ETHER, 1 ether);
        publish(1, leaves);
        thief.prepare(Tree.root(leaves), Tree.proof(leaves, 0));
        claim(leaves, 0);
        assert(thief.refusal() == Settlement.NothingToClaim.selector);
        assert(address(thief).balance == 1 ether && address(settlement).balance == 1 ether);
    }

    function testFuzz_an_epoch_pays_exactly_its_leaves(uint64[5] memory amounts, uint256 seed) public {
        Leaf[] memory leaves = new Leaf[](5);
        uint256 total = 0;
        for (uint256 i = 0; i < 5; ++i) {
            leaves[i] = Leaf(account(i), address(share), uint256(amounts[i]) + 1);
            total += leaves[i].cumulative;
        }
        publish(1, leaves);
        for (uint256 i = 0; i < 5; ++i) {
            uint256 index = (seed % 5 + i) % 5; // whoever comes first
            claim(leaves, index);
            assert(share.balanceOf(account(index)) == leaves[index].cumulative);
        }
        assert(share.balanceOf(address(settlement)) == 0 && share.totalSupply() == total);
    }

    function testFuzz_claiming_seldom_pays_as_much_as_claiming_often(uint64[4] memory earned) public {
        uint256 sum = 0;
        for (uint256 epoch = 0; epoch < 4; ++epoch) {
            sum += uint256(earned[epoch]) + 1;
            Leaf[] memory leaves = new Leaf[](2);
            leaves[0] = Leaf(account(0), address(share), sum);
            leaves[1] = Leaf(account(1), address(share), sum);
            publish(epoch + 1, leaves);
            claim(leaves, 0);
            if (epoch == 3) claim(leaves, 1);
        }
        assert(share.balanceOf(account(0)) == sum && share.balanceOf(account(1)) == sum);
    }

    function testFuzz_a_foreign_proof_never_pays(uint8 index, uint256 amount, bytes32[] calldata proof) public {
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(1, leaves);
        vm.assume(amount != (uint256(index % 3) + 1) * 100);
        bytes32 root = Tree.root(leaves);
        vm.expectRevert(Settlement.InvalidProof.selector);
        settlement.claim(account(index % 3), address(share), amount, root, proof);
    }
}

/// @dev Accepts no ether.
contract Refuser {}

/// @dev Claims again while it is being paid.
contract Reentrant {
    Settlement private immutable settlement;
    bytes32 private root;
    bytes32[] private proof;
    bytes4 public refusal;

    constructor(Settlement settlement_) {
        settlement = settlement_;
    }

    function prepare(bytes32 root_, bytes32[] memory proof_) external {
        (root, proof) = (root_, proof_);
    }

    receive() external payable {
        try settlement.claim(address(this), address(0), 1 ether, root, proof) {}
        catch (bytes memory reason) {
            refusal = bytes4(reason);
        }
    }
}
