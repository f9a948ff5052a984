// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {RevenueIntake} from "../src/RevenueIntake.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {Fixture, Leaf} from "./Fixture.sol";

/// @dev The share token: who may create shares, and how they vote.
contract ShareTokenTest is Fixture {
    function test_only_the_settlement_mints_and_releases() public {
        vm.expectRevert(abi.encodeWithSelector(ShareToken.NotSettlement.selector, address(this)));
        share.mint(1);
        vm.expectRevert(abi.encodeWithSelector(ShareToken.NotSettlement.selector, address(this)));
        share.release(account(0), 0);
        vm.prank(address(settlement));
        share.mint(1);
        assert(share.totalSupply() == 1 && share.decimals() == 6);
    }

    function test_shares_cannot_be_sent_back_into_escrow() public {
        publish(1, threeLeaves(address(share), 100));
        claim(threeLeaves(address(share), 100), 0);
        vm.prank(account(0));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(settlement)));
        share.transfer(address(settlement), 1);
        vm.prank(account(0));
        share.transfer(account(1), 1);
        assert(share.balanceOf(account(1)) == 1);
    }

    function test_claimed_shares_vote_once_delegated() public {
        Leaf[] memory leaves = threeLeaves(address(share), 100);
        publish(1, leaves);
        vm.prank(account(0));
        share.delegate(account(0));
        claim(leaves, 0); // delegated before: votes at once
        claim(leaves, 1);
        vm.prank(account(1));
        share.delegate(account(0)); // delegated after: votes from then on
        assert(share.getVotes(account(0)) == 300 && share.getVotes(address(settlement)) == 0);
        vm.roll(block.number + 1);
        assert(share.getPastTotalSupply(block.number - 1) == 600);
    }
}

/// @dev Money in.
contract RevenueIntakeTest is Fixture {
    function test_deposits_are_counted_and_announced() public {
        vm.expectEmit();
        emit RevenueIntake.RevenueReceived(address(stable), address(this), 10, "invoice 1");
        depositStable(10);
        vm.expectEmit();
        emit RevenueIntake.RevenueReceived(ETHER, address(this), 1 ether, "invoice 2");
        depositEther(1 ether);
        assert(intake.available(address(stable)) == 10 && intake.available(ETHER) == 1 ether);
    }

    function test_wrong_deposits_are_rejected() public {
        vm.expectRevert(abi.encodeWithSelector(RevenueIntake.WrongEtherAmount.selector, 1, 2));
        intake.deposit{value: 1}(ETHER, 2, "");
        vm.expectRevert(abi.encodeWithSelector(RevenueIntake.WrongEtherAmount.selector, 1, 5));
        intake.deposit{value: 1}(address(stable), 5, "");
        vm.expectRevert(abi.encodeWithSelector(RevenueIntake.NothingReceived.selector, address(stable)));
        intake.deposit(address(stable), 0, "");
        vm.expectRevert(abi.encodeWithSelector(RevenueIntake.NotRevenue.selector, address(share)));
        intake.deposit(address(share), 1, "");
        vm.prank(account(0)); // has no tokens
        vm.expectRevert();
        intake.deposit(address(stable), 1, "");
    }

    function test_only_the_settlement_takes_money_out() public {
        depositStable(10);
        vm.expectRevert(abi.encodeWithSelector(RevenueIntake.NotSettlement.selector, address(this)));
        intake.release(address(stable), 1);
        vm.prank(address(settlement));
        intake.release(address(stable), 1);
        assert(stable.balanceOf(address(settlement)) == 1);
    }

    function test_ether_reaches_the_settlement_through_the_intake_only() public {
        (bool sent, bytes memory reason) = address(settlement).call{value: 1}("");
        assert(!sent && bytes4(reason) == Settlement.NotIntake.selector);
        depositEther(1);
        vm.prank(address(settlement));
        intake.release(ETHER, 1);
        assert(address(settlement).balance == 1);
    }

    function test_a_token_that_takes_a_fee_is_counted_as_received() public {
        FeeToken token = new FeeToken();
        token.approve(address(intake), 100);
        intake.deposit(address(token), 100, "");
        assert(intake.available(address(token)) == 99);
    }

    function test_a_token_with_hooks_cannot_count_a_deposit_twice() public {
        HookToken token = new HookToken(intake);
        token.approve(address(intake), 100);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        intake.deposit(address(token), 50, "");
        assert(intake.available(address(token)) == 0);
    }
}

/// @dev Keeps 1 % of each transfer.
contract FeeToken is ERC20 {
    constructor() ERC20("Fee", "FEE") {
        _mint(msg.sender, 1_000);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, from == address(0) ? value : value - value / 100);
    }
}

/// @dev Deposits again from within a deposit.
contract HookToken is ERC20 {
    RevenueIntake private immutable intake;

    constructor(RevenueIntake intake_) ERC20("Hook", "HOOK") {
        intake = intake_;
        _mint(msg.sender, 1_000);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (to == address(intake)) intake.deposit(address(this), 1, "");
        super._update(from, to, value);
    }
}
