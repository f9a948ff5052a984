// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {
    GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {ShareToken} from "./ShareToken.sol";

/// @notice How the holders of shares decide. Times in seconds, votes in micro-shares.
/// @param votingDelay From a proposal to the moment whose shares count.
/// @param votingPeriod From there to the end of the vote.
/// @param lateExtension How much longer it lasts at most after a quorum was reached.
/// @param proposalThreshold Votes that a proposal needs from its author.
/// @param quorumPercent Of the shares that could vote, how many must.
/// @param quorumFloor And no fewer than these, however few shares there are.
struct Voting {
    uint48 votingDelay;
    uint32 votingPeriod;
    uint48 lateExtension;
    uint256 proposalThreshold;
    uint256 quorumPercent;
    uint256 quorumFloor;
}

/// @dev The times of a vote, fixed for ever: the settlement contract's delays are longer, so that the governor can stop a
/// wrong root in time, and no vote may ever undo that. A base of its own, because OpenZeppelin's constructors ask for them.
abstract contract FixedTimes is Governor {
    uint48 private immutable _votingDelay;
    uint32 private immutable _votingPeriod;

    constructor(Voting memory voting) {
        _votingDelay = voting.votingDelay;
        _votingPeriod = voting.votingPeriod;
    }

    function votingDelay() public view override returns (uint256) {
        return _votingDelay;
    }

    function votingPeriod() public view override returns (uint256) {
        return _votingPeriod;
    }
}

/// @title The holders of shares
/// @notice OpenZeppelin's Governor, acting through a timelock that owns every power there is. Shares in escrow cannot vote
/// and do not count towards a quorum.
contract NetworkGovernor is
    Governor,
    FixedTimes,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorPreventLateQuorum,
    GovernorTimelockControl
{
    /// @notice The quorum is never less than this.
    uint256 public immutable QUORUM_FLOOR;

    uint256 private immutable _threshold;

    constructor(ShareToken shareToken, TimelockController timelock_, Voting memory voting)
        Governor("Commonhold")
        FixedTimes(voting)
        GovernorVotes(shareToken)
        GovernorVotesQuorumFraction(voting.quorumPercent)
        GovernorPreventLateQuorum(voting.lateExtension)
        GovernorTimelockControl(timelock_)
    {
        QUORUM_FLOOR = voting.quorumFloor;
        _threshold = voting.proposalThreshold;
    }

    /// @notice The longest time from a proposal to its execution, whatever is voted about the voting: a late quorum can
    /// extend a vote once, by at most its own length.
    function longestDecision() external view returns (uint256) {
        return votingDelay() + 2 * votingPeriod() + TimelockController(payable(timelock())).getMinDelay();
    }

    /// @notice Votes that a decision needs (for and abstain): a percentage of the shares that could vote at `timepoint`,
    /// and no less than {QUORUM_FLOOR}.
    function quorum(uint256 timepoint)
        public
        view
        override(Governor, GovernorVotesQuorumFraction)
        returns (uint256)
    {
        uint256 part = super.quorum(timepoint);
        return part > QUORUM_FLOOR ? part : QUORUM_FLOOR;
    }

    /// @inheritdoc Governor
    function proposalThreshold() public view override returns (uint256) {
        return _threshold;
    }

    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState)
    {
        return super.state(proposalId);
    }

    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    /// @dev Writes down first how many shares can vote. What is claimed between here and the snapshot may vote although
    /// the quorum does not count it; whoever minds calls {ShareToken-recordCirculation} once more before the snapshot.
    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal override returns (uint256) {
        ShareToken(address(token())).recordCirculation();
        return super._propose(targets, values, calldatas, description, proposer);
    }

    function _tallyUpdated(uint256 proposalId) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(proposalId);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
