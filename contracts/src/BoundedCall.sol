// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Calls into code that nobody here vouches for
/// @notice A token may burn all the gas that it gets, return a megabyte, return nothing, return false, or revert. Each
/// of these must be that token's affair alone: so a call has a ceiling of gas, of what comes back one word is read, and
/// failing is an answer instead of the end.
library BoundedCall {
    /// @notice The sender gave so little gas that a failure would say nothing about the callee.
    /// @dev Without this, whoever sends somebody else's claim could make it fail by a tight gas limit, and so would
    /// every wallet that searches for the least gas with which a transaction does not revert.
    error NotEnoughGas(uint256 left, uint256 needed);

    /// @dev What a call itself costs at most before its gas is handed over: a cold account, a transfer of ether, an
    /// account that did not exist.
    uint256 private constant CALL_COST = 40_000;

    /// @notice Call `target` with at most `ceiling` gas; say whether it did not revert.
    function tryCall(address target, uint256 value, bytes memory data, uint256 ceiling) internal returns (bool ok) {
        uint256 left = gasleft();
        assembly ("memory-safe") {
            ok := call(ceiling, target, value, add(data, 0x20), mload(data), 0, 0)
        }
        if (!ok) _requireGasFor(ceiling, left);
    }

    /// @notice Call a token's `transfer`, or what has its shape; say whether it worked.
    /// @dev As OpenZeppelin's SafeERC20: a token that returns nothing worked, if it is a contract at all.
    function tryTransfer(address token, bytes4 selector, address to, uint256 amount, uint256 ceiling)
        internal
        returns (bool ok)
    {
        uint256 left = gasleft();
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(0x00, selector)
            mstore(0x04, and(to, 0xffffffffffffffffffffffffffffffffffffffff))
            mstore(0x24, amount) // overlaps the free pointer, which is put back below
            ok := call(ceiling, token, 0, 0x00, 0x44, 0x00, 0x20)
            mstore(0x40, free)
            if ok {
                switch returndatasize()
                case 0 { ok := gt(extcodesize(token), 0) }
                default { ok := and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1)) }
            }
        }
        if (!ok) _requireGasFor(ceiling, left);
    }

    /// @dev A call gets at most 63/64 of what is left (EIP-150).
    function _requireGasFor(uint256 ceiling, uint256 left) private pure {
        uint256 needed = ceiling + ceiling / 32 + CALL_COST;
        if (left < needed) revert NotEnoughGas(left, needed);
    }
}
