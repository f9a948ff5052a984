// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {BoundedCall} from "./BoundedCall.sol";
import {Payload, Payloads} from "./Payloads.sol";
import {RootQueue} from "./RootQueue.sol";
import {ShareToken} from "./ShareToken.sol";
import {Terms} from "./Terms.sol";
import {Vault} from "./Vault.sol";
import {Words} from "./Words.sol";

/// @title Pays what the root in force promises
/// @notice A leaf is (account, its assets, all that it ever earned of each). A claim pays the differences to what was
/// claimed before, so one claim settles any number of epochs and assets. {RootQueue} says which root is in force.
///
/// The cap on claims is this contract's balance: a root in force brings in exactly what its totals grew by (shares are
/// minted, the rest comes from the vault), and nothing else brings anything in. A root whose leaves add up to more than
/// its totals runs out before it can touch what belongs to later epochs.
///
/// Each asset fails alone: neither an epoch nor a claim waits for a token that pauses, blocks somebody, burns gas or lies.
contract Settlement is RootQueue, ReentrancyGuardTransient {
    using Payloads for Payload;
    using Words for address[];
    using Words for bytes32;
    using Words for uint256[];

    /// @notice Gas that one payment may use. A token's transfer takes 30,000 to 100,000; a wallet that is a contract takes
    /// in ether for less.
    uint256 public constant PAYMENT_GAS = 200_000;

    /// @notice Gas that bringing in one asset may use: a transfer and the vault's own work.
    uint256 public constant FUNDING_GAS = 300_000;

    /// @dev What an account ever claimed of ether and of shares, in one slot: whoever claims both, as most do, pays for one
    /// write less.
    struct Native {
        uint128 ethers;
        uint128 shares;
    }

    mapping(address account => Native) private _native;
    mapping(address account => mapping(address asset => uint256 amount)) private _tokens;

    /// @notice Who may send an account's payments elsewhere, beside itself.
    mapping(address account => address claimer) public claimerOf;

    /// @notice An account was paid ether. A token says the same itself, by its Transfer from this contract;
    /// saying it twice would cost each claim 1,800 gas.
    event EtherClaimed(address indexed account, uint256 amount);

    /// @notice What an account claims in this transaction goes to `recipient`.
    event ClaimedTo(address indexed account, address indexed recipient);

    /// @notice A payment failed, and remains to be claimed.
    event PaymentFailed(address indexed account, address indexed asset, uint256 amount);

    /// @notice What roots in force promise of an asset did not come in whole; {bringIn} catches up, and so does every
    /// later epoch.
    event FundingFailed(address indexed asset, uint256 total);

    event ClaimerChanged(address indexed account, address claimer);

    error NotVault(address caller);
    error RootNotInForce(bytes32 proven, bytes32 root);
    error NothingToClaim(address account);
    error NotClaimer(address caller);
    error InvalidRecipient(address recipient);

    constructor(
        Parts memory parts,
        uint256 delay,
        uint256 appealDelay,
        uint256 emission_,
        uint256 emissionMax,
        uint64 start,
        uint256 carried
    ) Terms(parts, delay, appealDelay, emission_, emissionMax, start, carried) {}

    /// @dev Ether comes from the vault alone, so that the balance stays an exact account of what is owed.
    receive() external payable {
        if (msg.sender != address(vault)) revert NotVault(msg.sender);
    }

    /// @notice Pay `account` what it earned and has not claimed. Anybody may send it.
    /// @param assets All assets of the account's leaf.
    /// @param cumulatives For each of them, all that the account ever earned.
    /// @param proof From the leaf to the root in force, or to the one before.
    /// @param skip Bit i is set: leave asset i out. For one that burns gas or cannot be paid.
    function claim(
        bytes32[] calldata proof,
        uint256 skip,
        address account,
        address[] calldata assets,
        uint256[] calldata cumulatives
    ) external {
        _claim(proof, skip, account, account, assets, cumulatives);
    }

    /// @notice The same, to another recipient: for the account itself and its claimer.
    function claimTo(
        bytes32[] calldata proof,
        uint256 skip,
        address account,
        address recipient,
        address[] calldata assets,
        uint256[] calldata cumulatives
    ) external {
        if (msg.sender != account && msg.sender != claimerOf[account]) revert NotClaimer(msg.sender);
        // Back here, or to nobody: tokens would be lost.
        if (recipient == address(0) || recipient == address(this)) revert InvalidRecipient(recipient);
        emit ClaimedTo(account, recipient);
        _claim(proof, skip, account, recipient, assets, cumulatives);
    }

    /// @notice Let `claimer` send the sender's payments elsewhere (zero: nobody but itself).
    function setClaimer(address claimer) external {
        claimerOf[msg.sender] = claimer;
        emit ClaimerChanged(msg.sender, claimer);
    }

    /// @notice Bring in what the root in force promises of an asset and did not come when it was enacted. Anybody may.
    /// @param index Which of `inForce.assets`.
    /// @param upTo No more than the promised total. Less, where the vault has less: what a token took away by itself
    /// must not keep back the rest.
    function bringIn(Payload calldata inForce, uint256 index, uint256 upTo) external nonReentrant {
        if (inForce.hash() != posting(epoch).payload) revert PayloadMismatch(epoch);
        if (upTo > inForce.totals[index]) revert InvalidPayload();
        vault.release(inForce.assets[index], upTo);
    }

    /// @notice All that an account ever claimed of an asset.
    function claimed(address account, address asset) public view returns (uint256) {
        if (asset == address(0)) return _native[account].ethers;
        if (asset == address(shareToken)) return _native[account].shares;
        return _tokens[account][asset];
    }

    /// @dev Shares are ours and cannot fail; everything else may, alone.
    function _fund(Payload calldata next) internal override nonReentrant {
        (address[] calldata assets, uint256[] calldata totals) = (next.assets, next.totals);
        for (uint256 i = 0; i < assets.length; ++i) {
            (address asset, uint256 total) = (assets[i], totals[i]);
            if (asset == address(shareToken)) {
                // slither-disable-next-line calls-loop
                shareToken.mintUpTo(total); // once: assets ascend
            } else {
                bytes memory call = abi.encodeCall(Vault.release, (asset, total));
                if (!BoundedCall.tryCall(address(vault), 0, call, FUNDING_GAS)) emit FundingFailed(asset, total);
            }
        }
    }

    /// @dev No guard against being called back: what is claimed is raised before it is paid, and lowered by exactly what
    /// could not be, so that claims within claims add up too.
    function _claim(
        bytes32[] calldata proof,
        uint256 skip,
        address account,
        address recipient,
        address[] calldata assets,
        uint256[] calldata cumulatives
    ) private {
        bytes32 leaf = keccak256(abi.encode(account, assets.hash(), cumulatives.hash()));
        bytes32 proven = keccak256(abi.encode(leaf)).climb(proof);
        if (proven != root && proven != previousRoot) revert RootNotInForce(proven, root);

        bool attempted = false;
        for (uint256 i = 0; i < assets.length; ++i) {
            if ((skip >> i) & 1 == 1) continue;
            address asset = assets[i];
            uint256 amount = _raise(account, asset, cumulatives[i]);
            if (amount == 0) continue;
            attempted = true;
            if (!_pay(account, recipient, asset, amount)) {
                _lower(account, asset, amount);
                emit PaymentFailed(account, asset, amount);
            }
        }
        if (!attempted) revert NothingToClaim(account);
    }

    /// @dev Returns by how much; zero if an account had claimed as much already.
    function _raise(address account, address asset, uint256 cumulative) private returns (uint256 amount) {
        uint256 before = claimed(account, asset);
        if (cumulative <= before) return 0;
        _setClaimed(account, asset, cumulative);
        return cumulative - before;
    }

    function _lower(address account, address asset, uint256 amount) private {
        _setClaimed(account, asset, claimed(account, asset) - amount);
    }

    function _setClaimed(address account, address asset, uint256 cumulative) private {
        if (asset == address(0)) _native[account].ethers = SafeCast.toUint128(cumulative);
        else if (asset == address(shareToken)) _native[account].shares = SafeCast.toUint128(cumulative);
        else _tokens[account][asset] = cumulative;
    }

    function _pay(address account, address recipient, address asset, uint256 amount) private returns (bool paid) {
        if (asset == address(0)) {
            paid = BoundedCall.tryCall(recipient, amount, "", PAYMENT_GAS);
            if (paid) emit EtherClaimed(account, amount);
        } else {
            bytes4 selector = asset == address(shareToken) ? ShareToken.release.selector : IERC20.transfer.selector;
            paid = BoundedCall.tryTransfer(asset, selector, recipient, amount, PAYMENT_GAS);
        }
    }
}
