// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";

/// @title Shares of a Commonhold network
/// @notice One base unit is one micro-share. New shares appear in the settlement contract when it publishes
/// an epoch, and leave it when their owner claims: what it holds is exactly what is owed and unclaimed.
contract ShareToken is ERC20Permit, ERC20Votes {
    /// @notice The settlement contract: the only minter, and the escrow of unclaimed shares.
    address public immutable settlement;

    /// @notice Somebody other than the settlement contract tried to mint.
    error NotSettlement(address caller);

    /// @dev Deployed by the settlement contract itself, so that the pair cannot be mismatched.
    constructor() ERC20("Commonhold Share", "SHARE") ERC20Permit("Commonhold Share") {
        settlement = msg.sender;
    }

    /// @notice Create shares that a published root has just promised, in escrow.
    /// @param amount Micro-shares.
    function mint(uint256 amount) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        _mint(settlement, amount);
    }

    /// @notice Hand shares out of escrow to the account that claimed them.
    /// @dev Does what `transfer` would, 200 gas cheaper: the compiled dispatch tries selectors in ascending
    /// order, and this one is the lowest.
    function release(address account, uint256 amount) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        _transfer(settlement, account, amount);
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
}
