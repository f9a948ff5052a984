// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {Vault} from "../src/Vault.sol";
import {TestStable} from "../src/testing/TestStable.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";
import {Hostile} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// @dev The share token: who may create shares, and how they vote.
contract ShareTokenTest is Fixture {
    function test_only_the_settlement_mints_and_releases() public {
        vm.expectRevert(abi.encodeWithSelector(ShareToken.NotSettlement.selector, address(this)));
        share.mintUpTo(1);
        vm.expectRevert(abi.encodeWithSelector(ShareToken.NotSettlement.selector, address(this)));
        share.release(account(0), 0);
        vm.prank(address(settlement));
        share.mintUpTo(5);
        vm.prank(address(settlement));
        share.mintUpTo(5); // which exist
        assert(share.totalSupply() == 5 && share.decimals() == 6);
        vm.expectRevert();
        vm.prank(address(settlement));
        share.mintUpTo(4);
    }

    function test_shares_cannot_be_sent_back_into_escrow() public {
        publish(threeLeaves(address(share), 100));
        claim(threeLeaves(address(share), 100), 0);
        vm.prank(account(0));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(settlement)));
        share.transfer(address(settlement), 1);
        vm.prank(account(0));
        share.transfer(account(1), 1);
        assert(share.balanceOf(account(1)) == 1);
    }

    function test_claimed_shares_vote_once_delegated_and_the_escrow_never() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(leaves);
        vm.prank(account(0));
        share.delegate(account(0));
        claim(leaves, 0); // delegated before: votes at once
        claim(leaves, 1);
        vm.prank(account(1));
        share.delegate(account(0)); // delegated after: votes from then on
        assert(share.getVotes(account(0)) == 300 && share.getVotes(address(settlement)) == 0);
    }

    function test_the_clock_is_time_and_circulation_is_what_was_written_down() public {
        assert(share.clock() == clock && keccak256(bytes(share.CLOCK_MODE())) == keccak256("mode=timestamp"));
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(leaves);
        claim(leaves, 0);
        uint256 before = clock;
        pass(1);
        assert(share.getPastTotalSupply(before) == 0); // nobody has called yet
        share.recordCirculation();
        pass(1);
        claim(leaves, 1);
        pass(1);
        assert(share.getPastTotalSupply(clock - 1) == 100 && share.getPastTotalSupply(before) == 0);
        share.recordCirculation();
        pass(1);
        assert(share.getPastTotalSupply(clock - 1) == 300 && share.totalSupply() == 600);
        vm.expectRevert();
        share.getPastTotalSupply(clock);
    }
}

/// @dev Money in.
contract VaultTest is Fixture {
    function test_deposits_are_counted_and_announced() public {
        vm.expectEmit();
        emit Vault.Deposited(address(stable), address(this), 10, "invoice 1");
        depositStable(10);
        vm.expectEmit();
        emit Vault.Deposited(ETHER, address(this), 1 ether, "invoice 2");
        depositEther(1 ether);
        assert(vault.received(address(stable)) == 10 && vault.received(ETHER) == 1 ether);
    }

    function test_wrong_deposits_are_rejected() public {
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, ETHER));
        vault.deposit(ETHER, 1, ""); // ether has a function of its own
        vm.expectRevert(abi.encodeWithSelector(Vault.NothingReceived.selector, ETHER));
        vault.depositEther("");
        vm.expectRevert(abi.encodeWithSelector(Vault.NothingReceived.selector, address(stable)));
        vault.deposit(address(stable), 0, "");
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, address(share)));
        vault.deposit(address(share), 1, "");
        TestStable stranger = new TestStable();
        stranger.approve(address(vault), 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, address(stranger)));
        vault.deposit(address(stranger), 1, "");
        vm.prank(account(0)); // has no tokens
        vm.expectRevert();
        vault.deposit(address(stable), 1, "");
        (bool sent,) = address(vault).call{value: 1}(""); // without a memo
        assert(!sent);
        depositStable(1);
        depositEther(1);
    }

    function test_only_the_timelock_lists_and_unlists() public {
        address token = address(new TestStable());
        vm.expectRevert(abi.encodeWithSelector(Vault.NotTimelock.selector, address(this)));
        vault.listAsset(token);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotTimelock.selector, address(this)));
        vault.unlistAsset(address(stable));
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(Vault.NotAnAsset.selector, address(share)));
        vault.listAsset(address(share)); // minted, never revenue
        vm.expectRevert(abi.encodeWithSelector(Vault.NotAnAsset.selector, account(0)));
        vault.listAsset(account(0)); // no contract
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, token));
        vault.unlistAsset(token);
        vm.expectEmit();
        emit Vault.AssetListed(token);
        vault.listAsset(token);
        vm.stopPrank();
        assert(vault.assets().length == 3);
    }

    function test_unlisting_stops_deposits_only() public {
        depositStable(600);
        depositEther(6);
        vm.startPrank(address(timelock));
        vm.expectEmit();
        emit Vault.AssetUnlisted(address(stable));
        vault.unlistAsset(address(stable));
        vault.unlistAsset(ETHER);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, address(stable)));
        depositStable(1);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotListed.selector, ETHER));
        depositEther(1);
        Leaf[] memory leaves = threeLeaves(address(stable), 100);
        publish(leaves);
        claim(leaves, 2);
        assert(stable.balanceOf(account(2)) == 300);
        vm.startPrank(address(timelock));
        vault.listAsset(address(stable)); // again: known, so it takes no second place
        vault.listAsset(ETHER);
        vm.stopPrank();
        assert(vault.assets().length == 2);
        depositStable(1);
        depositEther(1);
    }

    function test_assets_are_bounded() public {
        uint256 most = vault.ASSETS_MAX();
        vm.startPrank(address(timelock));
        for (uint256 i = 2; i < most; ++i) vault.listAsset(address(new Hostile()));
        address one = address(new Hostile());
        vm.expectRevert(abi.encodeWithSelector(Vault.TooManyAssets.selector, most));
        vault.listAsset(one);
    }

    function test_only_the_settlement_takes_money_out_and_no_more_than_came_in() public {
        depositStable(10);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotSettlement.selector, address(this)));
        vault.release(address(stable), 1);
        vm.startPrank(address(settlement));
        vault.release(address(stable), 4);
        vault.release(address(stable), 4); // a total, not an amount
        vault.release(address(stable), 3);
        assert(stable.balanceOf(address(settlement)) == 4);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotReceived.selector, address(stable), 11, 10));
        vault.release(address(stable), 11);
        vault.release(address(stable), 10);
        assert(stable.balanceOf(address(settlement)) == 10);
    }

    function test_ether_reaches_the_settlement_from_the_vault_only() public {
        (bool sent, bytes memory reason) = address(settlement).call{value: 1}("");
        assert(!sent && bytes4(reason) == Settlement.NotVault.selector);
        depositEther(1);
        vm.prank(address(settlement));
        vault.release(ETHER, 1);
        assert(address(settlement).balance == 1);
    }
}

/// @dev Tokens that were listed, and turned bad: their harm is their own.
contract HostileTokenTest is Fixture {
    Hostile private bad;
    address[] private both; // the bad one and the honest one, ascending

    function setUp() public override {
        bad = new Hostile();
        stable = new TestStable();
        both = new address[](2);
        (both[0], both[1]) = (address(bad), address(stable));
        if (both[1] < both[0]) (both[0], both[1]) = (both[1], both[0]);
        deploy(both);
        bad.approve(address(vault), type(uint256).max);
        vault.deposit(address(bad), 1_000, "");
        depositStable(1_000);
    }

    function twoOfBoth(uint256 unit) private view returns (Leaf[] memory leaves) {
        leaves = new Leaf[](2);
        for (uint256 i = 0; i < 2; ++i) {
            leaves[i] = Leaf(account(i), both, new uint256[](2));
            (leaves[i].cumulatives[0], leaves[i].cumulatives[1]) = ((i + 1) * unit, (i + 1) * unit);
        }
    }

    function publishBoth(uint256 unit) private returns (Leaf[] memory leaves) {
        leaves = twoOfBoth(unit);
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (3 * unit, 3 * unit);
        publish(Tree.root(leaves), both, totals);
    }

    function test_an_epoch_comes_into_force_and_pays_whatever_a_token_does() public {
        for (uint256 mood = 1; mood <= uint256(type(Hostile.Mood).max); ++mood) {
            uint256 unit = 10 * mood;
            bad.callBack(address(settlement), abi.encodeCall(settlement.enact, (last)));
            bad.turn(Hostile.Mood(mood));
            Leaf[] memory leaves = publishBoth(unit); // does not revert
            claim(leaves, 0);
            claim(leaves, 1);
            assert(stable.balanceOf(account(0)) == unit && stable.balanceOf(account(1)) == 2 * unit);
        }
        assert(stable.balanceOf(address(settlement)) == 0 && bad.calledBack() == 0);
        bad.turn(Hostile.Mood.Honest);
        Leaf[] memory after_ = publishBoth(100); // honest again: what was missed is caught up
        claim(after_, 0);
        assert(stable.balanceOf(account(0)) == 100);
        assert(vaultReleased(address(stable)) == 300 && vaultReleased(address(bad)) == 300);
    }

    function vaultReleased(address asset) private view returns (uint256 released) {
        (, released) = vault.accounts(asset);
    }

    function test_what_did_not_come_is_brought_in_later() public {
        bad.turn(Hostile.Mood.Paused);
        Leaf[] memory leaves = twoOfBoth(10);
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (30, 30);
        post(Payload(1, Tree.root(leaves), both, totals));
        pass(DELAY);
        vm.expectEmit();
        emit Settlement.FundingFailed(address(bad), 30);
        settlement.enact(last);
        vm.expectEmit();
        emit Settlement.PaymentFailed(account(0), address(bad), 10);
        claim(leaves, 0);
        uint256 index = both[0] == address(bad) ? 0 : 1;
        vm.expectRevert();
        settlement.bringIn(last, index, 30);
        bad.turn(Hostile.Mood.Honest);
        vm.expectRevert(RootQueue.InvalidPayload.selector);
        settlement.bringIn(last, index, 31); // more than the root in force promises
        Payload memory forged = Payload(1, last.root, both, new uint256[](2));
        (forged.totals[0], forged.totals[1]) = (1_000, 1_000);
        vm.expectRevert(abi.encodeWithSelector(RootQueue.PayloadMismatch.selector, 1));
        settlement.bringIn(forged, index, 1_000);
        settlement.bringIn(last, index, 30);
        claim(leaves, 0);
        claim(leaves, 1);
        assert(bad.balanceOf(account(0)) == 10 && bad.balanceOf(account(1)) == 20);
    }

    function test_what_waits_is_not_brought_in() public {
        publishBoth(10);
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (1_000, 1_000);
        post(Payload(2, ROOT, both, totals));
        Payload memory waiting = last;
        vm.expectRevert(abi.encodeWithSelector(RootQueue.PayloadMismatch.selector, 1));
        settlement.bringIn(waiting, 0, 1_000);
    }

    function test_a_token_that_shrank_pays_as_far_as_it_goes() public {
        bad.rebase(50); // the vault now has half of what came in
        Leaf[] memory leaves = publishBoth(200);
        uint256 index = both[0] == address(bad) ? 0 : 1;
        assert(bad.balanceOf(address(settlement)) == 0); // 600 of 500
        settlement.bringIn(last, index, 400); // anybody says what there is
        claim(leaves, 1);
        claim(leaves, 0);
        assert(bad.balanceOf(account(1)) == 400 && bad.balanceOf(account(0)) == 0);
        assert(stable.balanceOf(account(1)) == 400 && stable.balanceOf(account(0)) == 200);
        bad.rebase(200); // and it grew: nothing breaks
        publishBoth(300);
    }

    function test_a_blocked_account_is_paid_the_rest_and_the_blocked_asset_elsewhere() public {
        Leaf[] memory leaves = publishBoth(10);
        bad.blockAccount(account(0), true);
        claim(leaves, 0);
        assert(stable.balanceOf(account(0)) == 10 && bad.balanceOf(account(0)) == 0);
        bytes32[] memory proof = Tree.proof(leaves, 0);
        vm.prank(account(0));
        settlement.claimTo(proof, 0, account(0), account(5), leaves[0].assets, leaves[0].cumulatives);
        assert(bad.balanceOf(account(5)) == 10);
        claim(leaves, 1);
        assert(bad.balanceOf(account(1)) == 20);
    }

    function test_a_fee_is_counted_as_it_arrives() public {
        bad.turn(Hostile.Mood.Fee);
        vault.deposit(address(bad), 1_000, "");
        assert(vault.received(address(bad)) == 1_990);
    }

    function test_a_token_cannot_count_a_deposit_twice() public {
        bad.transfer(address(bad), 100);
        bad.callBack(address(bad), abi.encodeCall(bad.approve, (address(vault), 100)));
        bad.transfer(account(0), 0); // it lets the vault take its own tokens
        bad.callBack(address(vault), abi.encodeCall(vault.deposit, (address(bad), 50, bytes32(0))));
        uint256 before = bad.calledBack();
        vault.deposit(address(bad), 50, "");
        assert(bad.calledBack() == before && vault.received(address(bad)) == 1_050);
    }

    function test_a_token_that_claims_while_it_pays_is_paid_once() public {
        Leaf[] memory leaves = publishBoth(10);
        bytes memory call = abi.encodeCall(
            settlement.claim,
            (Tree.proof(leaves, 1), 0, leaves[1].account, leaves[1].assets, leaves[1].cumulatives)
        );
        bad.callBack(address(settlement), call);
        claim(leaves, 0);
        assert(bad.calledBack() == 1); // account 1 was paid within account 0's claim
        assert(stable.balanceOf(account(0)) == 10 && stable.balanceOf(account(1)) == 20);
        assert(stable.balanceOf(address(settlement)) == 0);
    }

    function test_a_token_cannot_enact_within_an_enactment() public {
        uint256[] memory totals = new uint256[](2);
        (totals[0], totals[1]) = (10, 10);
        post(Payload(1, ROOT, both, totals));
        Payload memory first = last;
        post(Payload(2, ROOT, both, totals));
        bad.callBack(address(settlement), abi.encodeCall(settlement.enact, (last)));
        pass(DELAY);
        settlement.enact(first);
        assert(bad.calledBack() == 0 && settlement.epoch() == 1);
        settlement.enact(last);
    }

    function test_deposits_of_a_token_that_lies_count_nothing() public {
        bad.turn(Hostile.Mood.Liar);
        vm.expectRevert(abi.encodeWithSelector(Vault.NothingReceived.selector, address(bad)));
        vault.deposit(address(bad), 1_000, "");
        bad.turn(Hostile.Mood.Refuser);
        vm.expectRevert();
        vault.deposit(address(bad), 1_000, "");
        bad.turn(Hostile.Mood.Silent);
        vault.deposit(address(bad), 1_000, "");
        assert(vault.received(address(bad)) == 2_000);
    }
}
