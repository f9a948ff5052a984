// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A stand-in for a stablecoin, worth nothing
/// @notice Demos and tests pay in it. Whoever deploys it owns the whole supply.
contract TestStable is ERC20 {
    constructor() ERC20("Test Stable, worth nothing", "TEST") {
        _mint(msg.sender, 1_000_000_000e6);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
