// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation, Attestations} from "../src/Attestations.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Stake} from "../src/Stake.sol";
import {Terms} from "../src/Terms.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {Choices, Deploy, Network} from "./Deploy.sol";
import {Fixture} from "./Fixture.sol";
import {Busy, Hostile} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// @dev Bonds: who gets them back, and who does not.
contract StakeTest is Fixture {
    bytes32 private constant PERSON = "person";
    address private constant BONDER = address(0xB07D);
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = stake.bondId(PERSON, BONDER);
        vm.deal(BONDER, 100 ether);
    }

    function bond(uint256 amount) private {
        vm.prank(BONDER);
        stake.bond{value: amount}(PERSON, amount, address(0));
    }

    function active() private view returns (uint256 amount) {
        (,,, amount,,) = stake.bonds(id);
    }

    function held() private view returns (uint256 amount) {
        (,,,,, amount) = stake.bonds(id);
    }

    function unbond(uint256 amount) private {
        vm.prank(BONDER);
        stake.requestUnbond(PERSON, amount);
    }

    function withdraw() private {
        vm.prank(BONDER);
        stake.withdraw(PERSON);
    }

    function signedSlash(uint256 amount, bytes32 evidence, uint256 count)
        private
        view
        returns (Attestation memory by)
    {
        by = attestation();
        by.signatures = sign(count, stake.slashDigest(id, amount, evidence, by.nonce, by.deadline));
    }

    function slash(uint256 amount, bytes32 evidence) private returns (uint256) {
        stake.proposeSlash(id, amount, evidence, signedSlash(amount, evidence, QUORUM));
        return stake.slashCount() - 1;
    }

    // --- in and out -----------------------------------------------------------------------------

    function test_anybody_bonds_for_anybody_and_gets_it_back_after_the_delay() public {
        vm.expectEmit();
        emit Stake.Bonded(PERSON, BONDER, address(0), 3 ether);
        bond(3 ether);
        bond(1 ether);
        assert(active() == 4 ether && address(stake).balance == 4 ether);
        vm.expectEmit();
        emit Stake.UnbondRequested(id, 4 ether, clock + UNBOND_DELAY);
        unbond(4 ether);
        pass(UNBOND_DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(Stake.TooEarly.selector, clock + 1));
        withdraw();
        pass(1);
        withdraw();
        assert(BONDER.balance == 100 ether && active() == 0);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 0));
        withdraw();
    }

    function test_wrong_amounts_are_rejected() public {
        vm.startPrank(BONDER);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 2));
        stake.bond{value: 1}(PERSON, 2, address(0));
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 0));
        stake.bond(PERSON, 0, address(0));
        stake.bond{value: 1}(PERSON, 1, address(0));
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 2));
        stake.requestUnbond(PERSON, 2);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 0));
        stake.requestUnbond(PERSON, 0);
        stake.requestUnbond(PERSON, 1);
    }

    function test_nobody_touches_anothers_bond() public {
        bond(1 ether);
        vm.deal(account(0), 1);
        vm.startPrank(account(0));
        stake.bond{value: 1}(PERSON, 1, account(0)); // the same person: a bond of its own
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 1 ether));
        stake.requestUnbond(PERSON, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 0));
        stake.withdraw(PERSON);
        vm.stopPrank();
        assert(active() == 1 ether && !stake.standsFor(id, account(0)));
    }

    function test_a_bond_stands_for_one_witness_for_ever_while_it_is_large_enough() public {
        bytes32 its = bondOf(0);
        assert(stake.standsFor(its, witness(0)) && !stake.standsFor(its, witness(1)));
        vm.deal(address(0xB0), 2);
        vm.startPrank(address(0xB0));
        vm.expectRevert(abi.encodeWithSelector(Stake.StandsForAnother.selector, witness(0)));
        stake.bond{value: 1}(bytes32(uint256(1)), 1, account(9));
        stake.bond{value: 1}(bytes32(uint256(1)), 1, address(0)); // more of the same
        stake.requestUnbond(bytes32(uint256(1)), 1);
        assert(stake.standsFor(its, witness(0)));
        stake.requestUnbond(bytes32(uint256(1)), 1); // what leaves vouches no longer
        assert(!stake.standsFor(its, witness(0)));
    }

    // --- slashes --------------------------------------------------------------------------------

    function test_the_quorum_slashes_after_a_delay() public {
        bond(3 ether);
        Attestation memory by = signedSlash(1 ether, EVIDENCE, QUORUM);
        vm.expectEmit();
        emit Stake.SlashProposed(0, id, 1 ether, EVIDENCE, clock + SLASH_DELAY);
        stake.proposeSlash(id, 1 ether, EVIDENCE, by);
        vm.expectRevert(abi.encodeWithSelector(Stake.TooEarly.selector, clock + SLASH_DELAY));
        stake.execute(0);
        pass(SLASH_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Stake.TooLate.selector, clock));
        vm.prank(BONDER);
        stake.appeal(0);
        vm.expectEmit();
        emit Stake.SlashExecuted(0, 1 ether);
        stake.execute(0);
        assert(active() == 2 ether && address(timelock).balance == 1 ether && held() == 0);
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Executed));
        stake.execute(0);
    }

    function test_nobody_else_slashes() public {
        bond(3 ether);
        Attestation memory by = signedSlash(1 ether, EVIDENCE, QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(Attestations.QuorumNotReached.selector, 2, 3));
        stake.proposeSlash(id, 1 ether, EVIDENCE, by);
        by = signedSlash(1 ether, EVIDENCE, QUORUM);
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        stake.proposeSlash(id, 2 ether, EVIDENCE, by); // another amount
        vm.expectPartialRevert(Attestations.NotAWitness.selector);
        stake.proposeSlash("other bond", 1 ether, EVIDENCE, by);
        by.witnesses = only(witness(0));
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.NotTheSet.selector, 0));
        stake.proposeSlash(id, 1 ether, EVIDENCE, by);
        by = signedSlash(1 ether, EVIDENCE, QUORUM);
        pass(1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(WitnessSet.Expired.selector, by.deadline));
        stake.proposeSlash(id, 1 ether, EVIDENCE, by);
        vm.expectRevert(abi.encodeWithSelector(Stake.NoContradiction.selector, address(0)));
        stake.proposeSlashFor(id, EVIDENCE);
        assert(slash(1 ether, EVIDENCE) == 0);
    }

    function test_one_piece_of_evidence_slashes_once() public {
        bond(3 ether);
        slash(1 ether, EVIDENCE);
        Attestation memory by = signedSlash(1 ether, EVIDENCE, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(Stake.AlreadyAccused.selector, id, EVIDENCE));
        stake.proposeSlash(id, 1 ether, EVIDENCE, by);
        assert(slash(1 ether, "other evidence") == 1);
    }

    function test_an_appeal_leaves_the_decision_to_the_timelock() public {
        bond(3 ether);
        slash(1 ether, EVIDENCE);
        slash(1 ether, "other evidence");
        vm.expectRevert(abi.encodeWithSelector(Stake.NotBonder.selector, address(this)));
        stake.appeal(0);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit();
            emit Stake.SlashAppealed(i);
            vm.prank(BONDER);
            stake.appeal(i);
        }
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Appealed));
        vm.prank(BONDER);
        stake.appeal(0);
        pass(100 days);
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Appealed));
        stake.execute(0);
        vm.expectRevert(abi.encodeWithSelector(Stake.NotTimelock.selector, address(this)));
        stake.confirm(0);
        vm.expectRevert(abi.encodeWithSelector(Stake.NotTimelock.selector, address(this)));
        stake.overturn(1);
        vm.startPrank(address(timelock));
        stake.confirm(0);
        vm.expectEmit();
        emit Stake.SlashOverturned(1);
        stake.overturn(1);
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Overturned));
        stake.overturn(1);
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Overturned));
        stake.confirm(1);
        vm.stopPrank();
        assert(active() == 2 ether && held() == 0 && address(timelock).balance == 1 ether);
    }

    function test_the_timelock_overturns_without_an_appeal_and_confirms_only_after_one() public {
        bond(3 ether);
        slash(1 ether, EVIDENCE);
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Proposed));
        stake.confirm(0); // the time to appeal is the bonder's
        stake.overturn(0);
        vm.stopPrank();
        pass(SLASH_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Stake.WrongVerdict.selector, Stake.Verdict.Overturned));
        stake.execute(0);
        assert(active() == 3 ether);
    }

    function test_what_leaves_can_be_slashed_until_it_has_left() public {
        bond(3 ether);
        unbond(3 ether);
        pass(UNBOND_DELAY - 1);
        slash(2 ether, EVIDENCE);
        pass(1);
        withdraw(); // what the slash does not ask for
        assert(BONDER.balance == 98 ether);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 0));
        withdraw(); // what it asks for cannot leave
        pass(SLASH_DELAY);
        stake.execute(0);
        assert(address(timelock).balance == 2 ether && address(stake).balance == 0);
    }

    function test_an_overturned_slash_lets_go() public {
        bond(3 ether);
        unbond(3 ether);
        slash(3 ether, EVIDENCE);
        pass(UNBOND_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 0));
        withdraw();
        vm.prank(address(timelock));
        stake.overturn(0);
        withdraw();
        assert(BONDER.balance == 100 ether);
    }

    function test_slashes_never_ask_for_more_than_there_is() public {
        bond(3 ether);
        slash(2 ether, EVIDENCE);
        slash(5 ether, "other evidence"); // of which 1 is left
        assert(held() == 3 ether);
        Attestation memory by = signedSlash(1, "third", QUORUM);
        vm.expectRevert(abi.encodeWithSelector(Stake.NothingToSlash.selector, id));
        stake.proposeSlash(id, 1, "third", by);
        pass(SLASH_DELAY);
        stake.execute(0);
        stake.execute(1);
        assert(active() == 0 && address(timelock).balance == 3 ether);
    }

    /// @dev Otherwise a dishonest quorum would silence the one who could stop it.
    function test_an_open_slash_does_not_keep_a_witness_from_challenging() public {
        id = bondOf(3);
        slash(BOND, EVIDENCE);
        assert(stake.standsFor(id, witness(3)));
        pass(SLASH_DELAY);
        stake.execute(0);
        assert(!stake.standsFor(id, witness(3)));
    }

    // --- the minimum, the terms -----------------------------------------------------------------

    function test_the_minimum_is_the_timelocks_within_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(Stake.NotTimelock.selector, address(this)));
        stake.setMinimum(BOND);
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidMinimum.selector, BOND / 10 - 1));
        stake.setMinimum(BOND / 10 - 1);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidMinimum.selector, BOND * 10 + 1));
        stake.setMinimum(BOND * 10 + 1);
        vm.expectEmit();
        emit Stake.MinimumChanged(BOND / 10);
        stake.setMinimum(BOND / 10);
    }

    function test_a_bond_outlasts_what_it_answers_for() public {
        Choices memory terms = termsOf(only(address(stable)));
        terms.unbondDelay = 2 * DELAY + APPEAL_DELAY + SLASH_DELAY + 1;
        Network memory made = Deploy.network(terms);
        vm.expectRevert(abi.encodeWithSelector(Terms.Miswired.selector, address(made.settlement)));
        this.create("Stake", abi.encode(made.settlement, address(0), UNBOND_DELAY, SLASH_DELAY, terms.minimum)); // a second
        terms.unbondDelay -= 1;
        vm.expectRevert(Stake.InvalidDelays.selector);
        this.deployWith(terms);
    }

    function create(string calldata name, bytes calldata arguments) external returns (address) {
        return Deploy.create(name, arguments);
    }

    function deployWith(Choices calldata terms) external returns (Network memory) {
        return Deploy.network(terms);
    }

    function test_the_digest_is_eip712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Commonhold"),
                keccak256("1"),
                block.chainid,
                address(stake)
            )
        );
        bytes32 type_ =
            keccak256("Slash(bytes32 bond,uint256 amount,bytes32 evidence,uint256 witnessNonce,uint256 deadline)");
        bytes32 its = keccak256(abi.encode(type_, id, 1, EVIDENCE, 2, 3));
        assert(stake.slashDigest(id, 1, EVIDENCE, 2, 3) == keccak256(abi.encodePacked(hex"1901", domain, its)));
    }

    // --- bonds of tokens, and reentrancy --------------------------------------------------------

    function test_a_bond_of_tokens_counts_what_arrived() public {
        Hostile token = new Hostile();
        Choices memory terms = termsOf(only(address(stable)));
        terms.bondAsset = address(token);
        Stake its = Deploy.network(terms).stake;
        token.approve(address(its), 1e30);
        vm.expectRevert(abi.encodeWithSelector(Stake.InvalidAmount.selector, 100));
        its.bond{value: 100}(PERSON, 100, address(0));
        token.turn(Hostile.Mood.Fee);
        its.bond(PERSON, 100, address(0));
        token.turn(Hostile.Mood.Honest);
        its.requestUnbond(PERSON, 99);
        pass(UNBOND_DELAY);
        uint256 before = token.balanceOf(address(this));
        its.withdraw(PERSON);
        assert(token.balanceOf(address(this)) == before + 99 && token.balanceOf(address(its)) == 0);
    }

    function test_a_withdrawal_within_a_withdrawal_takes_nothing() public {
        bond(1 ether);
        Busy thief = new Busy();
        vm.deal(address(thief), 1 ether);
        vm.startPrank(address(thief));
        stake.bond{value: 1 ether}(PERSON, 1 ether, address(0));
        stake.requestUnbond(PERSON, 1 ether);
        vm.stopPrank();
        thief.onPayment(address(stake), abi.encodeCall(stake.withdraw, (PERSON)));
        pass(UNBOND_DELAY);
        vm.prank(address(thief));
        stake.withdraw(PERSON);
        assert(!thief.called() && address(thief).balance == 1 ether && address(stake).balance == 1 ether);
    }
}
