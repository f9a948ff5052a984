// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {Board} from "../src/Board.sol";
import {Payload} from "../src/Payloads.sol";
import {Attestation} from "../src/Attestations.sol";
import {Terms} from "../src/Terms.sol";
import {TestStable} from "../src/testing/TestStable.sol";
import {Choices, Deploy, Network} from "./Deploy.sol";
import {Fixture, Leaf} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev The holders of shares: what they can do, who counts, and that nobody else owns anything.
contract GovernorTest is Fixture {
    address[] private targets;
    bytes[] private calls;

    /// @dev Account 0 has 1,000 shares, account 1 has 2,000, both vote; 3,000 wait in escrow.
    function setUp() public override {
        super.setUp();
        Leaf[] memory leaves = threeLeaves(address(share), 1_000e6);
        publish(leaves);
        for (uint256 i = 0; i < 2; ++i) {
            claim(leaves, i);
            vm.prank(account(i));
            share.delegate(account(i));
        }
        pass(1);
    }

    function propose(uint256 author, address target, bytes memory call) private returns (uint256) {
        (targets, calls) = (only(target), new bytes[](0));
        calls.push(call);
        vm.prank(account(author));
        return governor.propose(targets, new uint256[](1), calls, "why");
    }

    function vote(uint256 id, uint256 who, uint8 support) private {
        vm.prank(account(who));
        governor.castVote(id, support);
    }

    function execute() private {
        bytes32 why = keccak256("why");
        governor.queue(targets, new uint256[](1), calls, why);
        pass(2 days);
        governor.execute(targets, new uint256[](1), calls, why);
    }

    /// @dev From the proposal to its execution, with account 1 in favour.
    function decide(address target, bytes memory call) private {
        uint256 id = propose(0, target, call);
        pass(1 days + 1);
        vote(id, 1, 1);
        pass(3 days);
        execute();
    }

    function state(uint256 id) private view returns (IGovernor.ProposalState) {
        return governor.state(id);
    }

    // --- what the governor can do ---------------------------------------------------------------

    function test_the_governor_stops_an_upheld_root_before_it_comes_into_force() public {
        post(next(settlement.epoch() + 1));
        challenge(2, 3, bondOf(3));
        settlement.uphold(2, signedUphold(2, QUORUM));
        uint256 due = settlement.posting(2).due;
        decide(address(settlement), abi.encodeCall(settlement.cancel, (2)));
        assert(clock < due && settlement.posted() == 1);
    }

    function next(uint256 epoch) private view returns (Payload memory) {
        return Payload(epoch, ROOT, only(address(share)), only(uint256(7_000e6)));
    }

    function test_the_governor_lists_an_asset_and_decides_on_a_policy_and_the_emission() public {
        address token = address(new TestStable());
        decide(address(vault), abi.encodeCall(vault.listAsset, (token)));
        assert(vault.listed(token));
        decide(address(settlement), abi.encodeCall(settlement.setEmission, (5)));
        assert(settlement.emission() == 5);
        uint256 id = propose(0, address(board), abi.encodeCall(board.decide, ("policy")));
        pass(1 days + 1);
        vote(id, 1, 1);
        pass(3 days);
        governor.queue(targets, new uint256[](1), calls, keccak256("why"));
        pass(2 days);
        vm.expectEmit();
        emit Board.PolicyDecided("policy");
        governor.execute(targets, new uint256[](1), calls, keccak256("why"));
    }

    function test_the_governor_vetoes_witnesses_in_time() public {
        Attestation memory by = attestation();
        bytes32 hash = keccak256(abi.encode(account(5)));
        by.signatures = sign(QUORUM, witnessSet.changeDigest(hash, 1, 0, by.deadline));
        witnessSet.propose(only(account(5)), by);
        decide(address(witnessSet), abi.encodeCall(witnessSet.veto, ()));
        assert(witnessSet.activeAt() == 0);
    }

    function test_nobody_owns_anything() public {
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        assert(!timelock.hasRole(admin, address(this)) && timelock.hasRole(admin, address(timelock)));
        assert(timelock.hasRole(timelock.PROPOSER_ROLE(), address(governor)));
        assert(!timelock.hasRole(timelock.PROPOSER_ROLE(), address(this)));
        assert(timelock.hasRole(timelock.CANCELLER_ROLE(), address(governor)));
        assert(timelock.hasRole(timelock.EXECUTOR_ROLE(), address(0)));
        bytes[6] memory powers = [
            abi.encodeCall(settlement.cancel, (1)),
            abi.encodeCall(settlement.setEmission, (1)),
            abi.encodeCall(vault.listAsset, (address(this))),
            abi.encodeCall(witnessSet.veto, ()),
            abi.encodeCall(stake.setMinimum, (BOND)),
            abi.encodeCall(board.decide, ("policy"))
        ];
        address[6] memory owners = [
            address(settlement),
            address(settlement),
            address(vault),
            address(witnessSet),
            address(stake),
            address(board)
        ];
        for (uint256 i = 0; i < 6; ++i) {
            (bool ok, bytes memory reason) = owners[i].call(powers[i]);
            assert(!ok && bytes4(reason) == Terms.NotTimelock.selector); // the same error in each
        }
        vm.expectRevert();
        timelock.schedule(address(settlement), 0, powers[0], 0, 0, 2 days);
        vm.expectRevert();
        governor.relay(address(settlement), 0, powers[0]);
        vm.expectEmit();
        emit Board.PayeeAccepted(address(this), "person");
        board.acceptPayee("person"); // which anybody may, for itself
    }

    // --- who counts -----------------------------------------------------------------------------

    function test_a_quorum_is_of_what_can_vote_and_at_least_the_floor() public {
        uint256 id = propose(0, address(board), abi.encodeCall(board.decide, ("policy")));
        pass(1 days + 1);
        uint256 snapshot = governor.proposalSnapshot(id);
        assert(governor.quorum(snapshot) == 300e6); // a tenth of 3,000; the 3,000 in escrow do not count
        assert(governor.quorum(snapshot - 2 days) == 100e6); // the floor, when nobody could vote
        vote(id, 0, 1);
        pass(3 days);
        assert(state(id) == IGovernor.ProposalState.Succeeded);
    }

    function test_fewer_than_a_quorum_decide_nothing() public {
        vm.prank(account(0));
        share.transfer(account(7), 701e6); // 299 of 300 are left
        vm.prank(account(1));
        share.transfer(account(8), 1);
        pass(1);
        uint256 id = propose(0, address(board), abi.encodeCall(board.decide, ("policy")));
        pass(1 days + 1);
        vote(id, 0, 1);
        pass(3 days);
        assert(state(id) == IGovernor.ProposalState.Defeated);
    }

    /// @dev What the escrow does after a proposal was made moves neither the quorum nor the votes.
    function test_what_leaves_or_enters_escrow_later_changes_nothing() public {
        uint256 id = propose(0, address(board), abi.encodeCall(board.decide, ("policy")));
        pass(1 days + 1);
        uint256 snapshot = governor.proposalSnapshot(id);
        uint256 before = governor.quorum(snapshot);
        Leaf[] memory leaves = threeLeaves(address(share), 1_000e6);
        claim(leaves, 2); // 3,000 leave the escrow: they cannot vote on this
        vm.prank(account(2));
        share.delegate(account(2));
        assert(governor.getVotes(account(2), snapshot) == 0 && governor.quorum(snapshot) == before);
        publish(threeLeaves(address(share), 100_000e6)); // and half a million enter it
        share.recordCirculation();
        pass(1);
        assert(governor.quorum(snapshot) == before);
    }

    /// @dev Between proposal and snapshot a claim adds votes. Whoever minds makes the quorum count them.
    function test_a_claim_before_the_snapshot_is_counted_if_anybody_says_so() public {
        uint256 id = propose(0, address(board), abi.encodeCall(board.decide, ("policy")));
        Leaf[] memory leaves = threeLeaves(address(share), 1_000e6);
        claim(leaves, 2);
        uint256 snapshot = governor.proposalSnapshot(id);
        pass(1 hours);
        share.recordCirculation();
        pass(1 days);
        assert(governor.quorum(snapshot) == 600e6);
    }

    function test_a_proposal_needs_votes_of_its_author() public {
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, account(5), 0, 1e6)
        );
        vm.prank(account(5));
        governor.propose(only(address(board)), new uint256[](1), new bytes[](1), "why");
        propose(0, address(board), "");
    }

    function test_a_late_quorum_extends_the_vote() public {
        uint256 id = propose(0, address(board), abi.encodeCall(board.decide, ("policy")));
        pass(1 days + 3 days - 1);
        vote(id, 1, 1);
        assert(governor.proposalDeadline(id) == clock + 1 days);
        pass(1 days);
        vote(id, 0, 0); // still in time to object
        pass(1);
        assert(state(id) == IGovernor.ProposalState.Succeeded);
    }

    // --- delays ---------------------------------------------------------------------------------

    function deployWith(Choices calldata terms) external returns (Network memory) {
        return Deploy.network(terms);
    }

    function test_delays_that_would_come_too_early_for_the_governor_are_rejected() public {
        assert(governor.longestDecision() == 9 days); // 1 + 3 + 3 + 2
        Choices memory terms = termsOf(only(address(stable)));
        for (uint256 i = 0; i < 3; ++i) {
            (terms.appealDelay, terms.witnessDelay, terms.delay) = (9 days + 1, 9 days + 1, DELAY);
            Deploy.network(terms);
            if (i == 0) terms.appealDelay = 9 days;
            if (i == 1) terms.witnessDelay = 9 days;
            if (i == 2) terms.delay = 0;
            vm.expectRevert(Terms.InvalidDelays.selector);
            this.deployWith(terms);
        }
    }

    function test_no_vote_makes_votes_longer_than_that() public {
        // The late extension is the one time that a vote can change, and no further than a voting period.
        uint256 id = propose(0, address(governor), abi.encodeCall(governor.setLateQuorumVoteExtension, (3 days + 1)));
        pass(1 days + 1);
        vote(id, 1, 1);
        pass(3 days);
        governor.queue(targets, new uint256[](1), calls, keccak256("why"));
        pass(2 days);
        vm.expectRevert();
        governor.execute(targets, new uint256[](1), calls, keccak256("why"));
    }

    function test_a_vote_changes_the_late_extension_within_that() public {
        decide(address(governor), abi.encodeCall(governor.setLateQuorumVoteExtension, (3 days)));
        assert(governor.lateQuorumVoteExtension() == 3 days && governor.longestDecision() == 9 days);
    }
}
