// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Where money paid for datasets and models comes in
/// @notice Holds what was received and not yet promised by a root in force. A root can promise no more than was
/// received, and only the settlement contract takes anything out.
/// @dev Which assets there are is the governor's decision, not a stranger's: an asset that anybody could bring would
/// fill roots, queues and claims. What a listed token does wrong (a fee, a rebase, a pause) harms its own accounts only.
contract Vault is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Both numbers only ever rise, and `released` never passes `received`. In one slot, so that an epoch pays
    /// for one write an asset.
    struct Account {
        uint128 received;
        uint128 released;
    }

    /// @notice How many assets may ever be listed: a claim and an epoch may have to touch each of them.
    uint256 public constant ASSETS_MAX = 32;

    /// @notice Ether.
    address private constant ETHER = address(0);

    /// @notice The only contract that may take money out.
    address public immutable settlement;

    /// @notice Decides what is listed.
    address public immutable timelock;

    /// @notice Shares are minted, never revenue.
    address public immutable shareToken;

    /// @notice Whether deposits of an asset are taken.
    mapping(address asset => bool taken) public listed;

    /// @notice All that came in and went out of an asset, ever.
    mapping(address asset => Account account) public accounts;

    address[] private _assets;

    event AssetListed(address indexed asset);
    event AssetUnlisted(address indexed asset);

    /// @notice Money came in.
    /// @param amount What arrived, which may be less than what was sent.
    /// @param memo The payer's reference: an invoice or licence, or its hash.
    event Deposited(address indexed asset, address indexed from, uint256 amount, bytes32 memo);

    error NotSettlement(address caller);
    error NotTimelock(address caller);
    error NotAnAsset(address asset);
    error NotListed(address asset);
    error TooManyAssets(uint256 max);
    error NothingReceived(address asset);
    error NotReceived(address asset, uint256 total, uint256 received);

    /// @param tokens Listed from the start beside ether: while nobody holds a share, nobody could vote for any.
    constructor(address settlement_, address timelock_, address shareToken_, address[] memory tokens) {
        // RootQueue's constructor checks them.
        // slither-disable-start missing-zero-check
        settlement = settlement_;
        timelock = timelock_;
        shareToken = shareToken_;
        // slither-disable-end missing-zero-check
        _list(ETHER);
        for (uint256 i = 0; i < tokens.length; ++i) _listToken(tokens[i]);
    }

    modifier onlyTimelock() {
        if (msg.sender != timelock) revert NotTimelock(msg.sender);
        _;
    }

    /// @notice Take deposits of an ERC-20 token from now on (or again, which does not count twice).
    function listAsset(address asset) external onlyTimelock {
        if (asset == ETHER) _list(asset);
        else _listToken(asset);
    }

    /// @notice Take no more deposits. What came in before is still promised, brought in and claimed.
    function unlistAsset(address asset) external onlyTimelock {
        if (!listed[asset]) revert NotListed(asset);
        listed[asset] = false;
        emit AssetUnlisted(asset);
    }

    /// @notice Pay `amount` of a listed token to the network, out of the sender's allowance.
    /// @dev Counts what arrived, not what was announced: a token may lie, and then only about itself. The guard keeps a
    /// token from counting one arrival twice by paying in again from within; a release meanwhile makes the difference smaller.
    function deposit(address asset, uint256 amount, bytes32 memo) external nonReentrant {
        if (asset == ETHER || !listed[asset]) revert NotListed(asset);
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), amount);
        _credit(asset, IERC20(asset).balanceOf(address(this)) - before, memo);
    }

    /// @notice Pay ether to the network.
    function depositEther(bytes32 memo) external payable {
        if (!listed[ETHER]) revert NotListed(ETHER);
        _credit(ETHER, msg.value, memo);
    }

    /// @notice Send to the settlement contract what is missing up to `total`, all that was ever promised of an asset.
    /// @dev If the transfer fails, all of this call does, and the next one catches up. No event: {accounts} says the same,
    /// and each epoch would pay for two of them.
    function release(address asset, uint256 total) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        Account storage account = accounts[asset];
        (uint256 received_, uint256 released_) = (account.received, account.released);
        if (total > received_) revert NotReceived(asset, total, received_);
        if (total <= released_) return;
        account.released = uint128(total); // no more than `received`, which is a uint128
        uint256 amount = total - released_;
        if (asset == ETHER) Address.sendValue(payable(settlement), amount);
        else IERC20(asset).safeTransfer(settlement, amount);
    }

    /// @notice All that ever came in of `asset`: no root may promise more.
    function received(address asset) external view returns (uint256) {
        return accounts[asset].received;
    }

    /// @notice Every asset that was ever listed, in the order of listing.
    function assets() external view returns (address[] memory) {
        return _assets;
    }

    function _credit(address asset, uint256 amount, bytes32 memo) private {
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingReceived(asset); // an amount from outside, no balance of ours
        Account storage account = accounts[asset];
        account.received = SafeCast.toUint128(account.received + amount);
        emit Deposited(asset, msg.sender, amount, memo);
    }

    function _listToken(address asset) private {
        if (asset == shareToken || asset.code.length == 0) revert NotAnAsset(asset);
        _list(asset);
    }

    function _list(address asset) private {
        if (!_known(asset)) {
            if (_assets.length == ASSETS_MAX) revert TooManyAssets(ASSETS_MAX);
            _assets.push(asset);
        }
        listed[asset] = true;
        emit AssetListed(asset);
    }

    function _known(address asset) private view returns (bool) {
        uint256 count = _assets.length;
        for (uint256 i = 0; i < count; ++i) {
            if (_assets[i] == asset) return true;
        }
        return false;
    }
}
