// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NetworkGovernor} from "./NetworkGovernor.sol";
import {ShareToken} from "./ShareToken.sol";
import {Stake} from "./Stake.sol";
import {Vault} from "./Vault.sol";
import {WitnessSet} from "./WitnessSet.sol";

/// @title What is fixed at deployment, and the one number that a vote may change within it
abstract contract Terms {
    /// @notice The contracts that the settlement works with.
    struct Parts {
        ShareToken shareToken;
        Vault vault;
        WitnessSet witnessSet;
        Stake stake;
        NetworkGovernor governor;
    }

    ShareToken public immutable shareToken;
    Vault public immutable vault;
    WitnessSet public immutable witnessSet;
    Stake public immutable stake;

    /// @notice The governor's arm.
    address public immutable timelock;

    /// @notice Seconds in which a posted root may be challenged, and a challenged one upheld.
    uint256 public immutable DELAY;

    /// @notice Seconds for which an upheld root waits: longer than the governor's longest decision.
    uint256 public immutable APPEAL_DELAY;

    /// @notice The most that {emission} may ever be.
    uint256 public immutable EMISSION_MAX;

    /// @notice The last epoch that was closed before these contracts: they settle those that follow. Zero for a network's
    /// first contracts.
    uint256 public immutable START;

    /// @notice Micro-shares that were earned up to {START}: every root promises them, and the first mints them.
    uint256 public immutable CARRIED;

    /// @notice Micro-shares that an epoch may create. (Shares a slot with {RootQueue-posted}, which is written anyway.)
    uint96 public emission;

    event EmissionChanged(uint256 emission);

    error Miswired(address part);
    error InvalidDelays();
    error NotTimelock(address caller);
    error EmissionExceeded(uint256 minted, uint256 emission);

    constructor(
        Parts memory parts,
        uint256 delay,
        uint256 appealDelay,
        uint256 emission_,
        uint256 emissionMax,
        uint64 start,
        uint256 carried
    ) {
        (shareToken, vault, witnessSet, stake) = (parts.shareToken, parts.vault, parts.witnessSet, parts.stake);
        timelock = parts.governor.timelock();
        (DELAY, APPEAL_DELAY, EMISSION_MAX) = (delay, appealDelay, emissionMax);
        (START, CARRIED) = (start, carried);
        _checkWires(parts);
        // The governor must be able to stop an upheld root, and a change of witnesses.
        uint256 longest = parts.governor.longestDecision();
        if (delay == 0 || appealDelay <= longest || parts.witnessSet.WITNESS_DELAY() <= longest) {
            revert InvalidDelays();
        }
        _setEmission(emission_);
    }

    modifier onlyTimelock() {
        if (msg.sender != timelock) revert NotTimelock(msg.sender);
        _;
    }

    /// @notice Let an epoch create up to `emission_` micro-shares, from the next root posted on.
    function setEmission(uint256 emission_) external onlyTimelock {
        _setEmission(emission_);
    }

    function _setEmission(uint256 emission_) private {
        if (emission_ > EMISSION_MAX || emission_ > type(uint96).max) revert EmissionExceeded(emission_, EMISSION_MAX);
        emission = uint96(emission_);
        emit EmissionChanged(emission_);
    }

    /// @dev Addresses were computed before anything was deployed: one slip would leave money where nobody can reach it. The
    /// stake comes after the settlement and checks itself.
    function _checkWires(Parts memory parts) private view {
        address shares = address(parts.shareToken);
        if (parts.shareToken.settlement() != address(this)) revert Miswired(shares);
        if (address(parts.governor.token()) != shares) revert Miswired(address(parts.governor));
        if (parts.vault.settlement() != address(this)) revert Miswired(address(parts.vault));
        if (parts.vault.shareToken() != shares) revert Miswired(address(parts.vault));
        if (parts.vault.timelock() != timelock) revert Miswired(address(parts.vault));
        if (parts.witnessSet.timelock() != timelock) revert Miswired(address(parts.witnessSet));
    }
}
