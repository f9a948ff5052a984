// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";

/// @title Shares of a Commonhold network
/// @notice One base unit is one micro-share. New shares appear in the settlement contract when a root comes into force,
/// and leave it when their owner claims: what it holds is exactly what is owed and unclaimed.
contract ShareToken is ERC20Permit, ERC20Votes {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice The settlement contract: the only minter, and the escrow of unclaimed shares.
    address public immutable settlement;

    /// @dev How many shares were in somebody's hands, as of each call of {recordCirculation}.
    Checkpoints.Trace208 private _circulation;

    /// @notice Somebody other than the settlement contract tried to mint or to hand out.
    error NotSettlement(address caller);

    constructor(address settlement_) ERC20("Commonhold Share", "SHARE") ERC20Permit("Commonhold Share") {
        // RootQueue's constructor checks it.
        // slither-disable-next-line missing-zero-check
        settlement = settlement_;
    }

    modifier onlySettlement() {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        _;
    }

    /// @notice Create the shares that a root promises and that do not exist yet, in escrow.
    /// @param total Micro-shares that exist afterwards. Nobody can burn shares, so what exists is what was minted.
    function mintUpTo(uint256 total) external onlySettlement {
        _mint(settlement, total - totalSupply());
    }

    /// @notice Hand shares out of escrow to the account that claimed them.
    /// @dev Does what `transfer` would, 200 gas cheaper: the compiled dispatch tries selectors in ascending
    /// order, and this one is the lowest.
    function release(address account, uint256 amount) external onlySettlement returns (bool) {
        _transfer(settlement, account, amount);
        return true;
    }

    /// @notice Write down how many shares can vote now: all but those in escrow. Anybody may, and every proposal does.
    /// @dev What a quorum is measured by is therefore always a number of the past. If it were computed from the escrow's
    /// balance while votes are counted, a root that came into force, or a large claim, would move the quorum of votes
    /// that are open. It also makes an epoch 27,000 gas cheaper than a checkpoint at each mint.
    function recordCirculation() external {
        // slither-disable-next-line unused-return
        _circulation.push(clock(), SafeCast.toUint208(totalSupply() - balanceOf(settlement)));
    }

    /// @notice How many shares could vote, as last written down at or before `timepoint`.
    /// @inheritdoc Votes
    function getPastTotalSupply(uint256 timepoint) public view override returns (uint256) {
        return _circulation.upperLookupRecent(_validateTimepoint(timepoint));
    }

    /// @notice Seconds: block numbers mean nothing on a second layer.
    /// @inheritdoc Votes
    function clock() public view override returns (uint48) {
        return SafeCast.toUint48(block.timestamp);
    }

    /// @inheritdoc Votes
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice The escrow never votes. Saying so here, instead of reading an always empty slot, takes 2,100 gas
    /// off every claim.
    /// @inheritdoc Votes
    function delegates(address account) public view override returns (address) {
        return account == settlement ? address(0) : super.delegates(account);
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @dev Shares enter the escrow by minting only. A transfer into it would be lost to its sender and would
    /// loosen the cap that the escrow's balance puts on claims.
    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        if (to == settlement && from != address(0)) revert ERC20InvalidReceiver(to);
        super._update(from, to, value);
    }

    /// @dev Shares are minted into escrow, where they do not vote: nothing to write down. (Called by ERC20Votes._update, which
    /// slither does not see.)
    // slither-disable-next-line dead-code
    function _transferVotingUnits(address from, address to, uint256 amount) internal override {
        if (from != address(0)) super._transferVotingUnits(from, to, amount);
    }
}
