// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation} from "../src/Attestations.sol";
import {Stake} from "../src/Stake.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev Three bonders, a quorum that accuses at random, and a timelock that decides at random.
contract StakeHandler is Fixture {
    uint256 public constant BONDERS = 3;
    uint256 public constant PURSE = 100 ether;

    constructor() {
        setUp();
        for (uint256 i = 0; i < BONDERS; ++i) vm.deal(account(i), PURSE);
    }

    function bonds(uint256 who, uint256 amount) external {
        who %= BONDERS;
        amount = 1 + amount % 3 ether;
        if (account(who).balance < amount) return;
        vm.prank(account(who));
        stake.bond{value: amount}("person", amount, address(0));
    }

    function unbonds(uint256 who, uint256 amount) external {
        who %= BONDERS;
        (uint256 active,,,) = stateOf(who);
        if (active == 0) return;
        vm.prank(account(who));
        stake.requestUnbond("person", 1 + amount % active);
    }

    /// @dev What may leave is what its time has come for and no open slash asks for.
    function withdraws(uint256 who) external {
        who %= BONDERS;
        (uint256 active, uint256 leaving, uint256 held, uint256 leavesAt) = stateOf(who);
        uint256 free = active + leaving - held;
        uint256 expected = leaving < free ? leaving : free;
        if (clock < leavesAt || expected == 0) return;
        uint256 before = account(who).balance;
        vm.prank(account(who));
        stake.withdraw("person");
        require(account(who).balance == before + expected);
    }

    function accuses(uint256 who, uint256 amount, bytes32 evidence) external {
        bytes32 id = idOf(who % BONDERS);
        (uint256 active, uint256 leaving, uint256 held,) = stateOf(who % BONDERS);
        amount = 1 + amount % 3 ether;
        if (active + leaving == held || stake.accused(id, evidence)) return;
        Attestation memory by = attestation();
        by.signatures = sign(QUORUM, stake.slashDigest(id, amount, evidence, by.nonce, by.deadline));
        stake.proposeSlash(id, amount, evidence, by);
    }

    function appeals(uint256 slash) external {
        if (stake.slashCount() == 0) return;
        slash %= stake.slashCount();
        (bytes32 bond,, uint64 readyAt, Stake.Verdict verdict) = stake.slashes(slash);
        if (verdict != Stake.Verdict.Proposed || clock >= readyAt) return;
        (address bonder,,,,,) = stake.bonds(bond);
        vm.prank(bonder);
        stake.appeal(slash);
    }

    function decides(uint256 slash, uint256 how) external {
        if (stake.slashCount() == 0) return;
        slash %= stake.slashCount();
        vm.startPrank(address(timelock));
        if (how % 3 == 0) try stake.execute(slash) {} catch {}
        if (how % 3 == 1) try stake.confirm(slash) {} catch {}
        if (how % 3 == 2) try stake.overturn(slash) {} catch {}
        vm.stopPrank();
    }

    function timePasses(uint256 duration) external {
        pass(1 + duration % UNBOND_DELAY);
    }

    function idOf(uint256 who) public view returns (bytes32) {
        return stake.bondId("person", account(who));
    }

    function stateOf(uint256 who) public view returns (uint256 active, uint256 leaving, uint256 held, uint256 leavesAt) {
        (,, leavesAt, active, leaving, held) = stake.bonds(idOf(who));
    }

    /// @dev What bonders, bonds and the timelock have together.
    function everything() external view returns (uint256 sum) {
        sum = address(stake).balance + address(timelock).balance;
        for (uint256 i = 0; i < BONDERS; ++i) sum += account(i).balance;
    }
}

contract StakeInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    StakeHandler private handler;

    function setUp() public {
        handler = new StakeHandler();
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), new bytes4[](7));
        bytes4[7] memory selectors = [
            StakeHandler.bonds.selector,
            StakeHandler.unbonds.selector,
            StakeHandler.withdraws.selector,
            StakeHandler.accuses.selector,
            StakeHandler.appeals.selector,
            StakeHandler.decides.selector,
            StakeHandler.timePasses.selector
        ];
        for (uint256 i = 0; i < 7; ++i) targets[0].selectors[i] = selectors[i];
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// @dev Nothing is lost or made; the contract has what its bonds say; open slashes ask for no more than is there.
    function invariant_bonds() external view {
        uint256 sum = 0;
        for (uint256 i = 0; i < handler.BONDERS(); ++i) {
            (uint256 active, uint256 leaving, uint256 held,) = handler.stateOf(i);
            require(held <= active + leaving, "asked for more than there is");
            sum += active + leaving;
        }
        require(address(handler.stake()).balance == sum, "what bonds say");
        require(handler.everything() == handler.BONDERS() * handler.PURSE(), "lost or made");
    }
}
