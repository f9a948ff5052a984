// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Where money paid for datasets and models comes in
/// @notice Holds what was received and not yet promised to anybody. The settlement contract takes out of here
/// what a root promises at the moment of publishing, so a root cannot promise what was never paid in.
/// @dev Tokens that change balances on their own (rebasing) or take a fee on transfers are not supported.
contract RevenueIntake is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The only contract that may take money out.
    address public immutable settlement;

    /// @notice Shares are minted, never revenue.
    address public immutable shareToken;

    /// @notice Received and not yet promised, by asset; address zero is ether.
    mapping(address asset => uint256 amount) public available;

    /// @notice Money came in.
    /// @param memo The payer's reference: an invoice or licence, or its hash.
    event RevenueReceived(address indexed asset, address indexed from, uint256 amount, bytes32 memo);

    /// @notice A root promised this much, which now waits in the settlement contract.
    event RevenueReleased(address indexed asset, uint256 amount);

    error NotSettlement(address caller);
    error NotRevenue(address asset);
    error NothingReceived(address asset);
    error WrongEtherAmount(uint256 sent, uint256 stated);
    error InsufficientRevenue(address asset, uint256 available, uint256 needed);

    /// @dev Deployed by the settlement contract itself, so that the pair cannot be mismatched.
    constructor(address shareToken_) {
        settlement = msg.sender;
        shareToken = shareToken_;
    }

    /// @notice Pay `amount` of `asset` (address zero: ether, sent along) to the network.
    function deposit(address asset, uint256 amount, bytes32 memo) external payable nonReentrant {
        if (asset == shareToken) revert NotRevenue(asset);
        if (msg.value != (asset == address(0) ? amount : 0)) revert WrongEtherAmount(msg.value, amount);
        uint256 received = asset == address(0) ? amount : _pull(IERC20(asset), amount);
        if (received == 0) revert NothingReceived(asset);
        available[asset] += received;
        emit RevenueReceived(asset, msg.sender, received, memo);
    }

    /// @notice Move what a root promises to the settlement contract.
    function release(address asset, uint256 amount) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        uint256 held = available[asset];
        if (amount > held) revert InsufficientRevenue(asset, held, amount);
        available[asset] = held - amount;
        emit RevenueReleased(asset, amount);
        if (asset == address(0)) Address.sendValue(payable(settlement), amount);
        else IERC20(asset).safeTransfer(settlement, amount);
    }

    /// @dev Counts what arrived, not what was announced: a token may lie, and then only about itself.
    function _pull(IERC20 token, uint256 amount) private returns (uint256) {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        return token.balanceOf(address(this)) - before;
    }
}
