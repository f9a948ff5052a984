// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the log takes from the chain beside money
/// @notice Two statements that only a chain can prove, as events and nothing else.
contract Board {
    /// @notice The governor's arm.
    address public immutable timelock;

    /// @notice The holders of shares decided on a policy. Nodes accept a change of policy that the log says was voted on
    /// only if it has this hash.
    event PolicyDecided(bytes32 indexed policyHash);

    /// @notice `payee` agrees to be paid for `person`.
    event PayeeAccepted(address indexed payee, bytes32 indexed person);

    error NotTimelock(address caller);

    constructor(address timelock_) {
        // A wrong one could decide nothing; whoever reads the board compares it with the settlement's.
        // slither-disable-next-line missing-zero-check
        timelock = timelock_;
    }

    /// @notice Write a decision down: the call that a proposal for a new policy makes.
    function decide(bytes32 policyHash) external {
        if (msg.sender != timelock) revert NotTimelock(msg.sender);
        emit PolicyDecided(policyHash);
    }

    /// @notice Agree to be paid for `person`. This is how a contract (a Safe) becomes a payee: it has no key that could
    /// sign the binding that a plain account signs.
    function acceptPayee(bytes32 person) external {
        emit PayeeAccepted(msg.sender, person);
    }
}
