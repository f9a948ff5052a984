// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";


/// @dev A token that turns bad when told so, in every way that we know of.
contract Hostile is ERC20 {
    enum Mood {
        Honest,
        Paused, // reverts
        Fee, // keeps one percent
        Burner, // uses all the gas that it gets
        Silent, // moves, and returns nothing
        Liar, // moves nothing, and returns true
        Refuser, // moves nothing, and returns false
        Bomb, // reverts with a megabyte
        Reentrant // calls back before it moves
    }

    Mood public mood;
    mapping(address account => bool) public blocked;
    uint256 public scale = 100; // percent of what was written down that balances show

    address private target;
    bytes private data;
    uint256 public calledBack; // how often that worked

    constructor() ERC20("Hostile", "HOST") {
        _mint(msg.sender, 1e30);
    }

    function turn(Mood mood_) external {
        mood = mood_;
    }

    function blockAccount(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function rebase(uint256 percent) external {
        scale = percent;
    }

    function callBack(address target_, bytes calldata data_) external {
        (mood, target, data) = (Mood.Reentrant, target_, data_);
    }

    function balanceOf(address account) public view override returns (uint256) {
        return super.balanceOf(account) * scale / 100;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _answer(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        _spendAllowance(from, msg.sender, amount);
        return _answer(from, to, amount);
    }

    function _answer(address from, address to, uint256 amount) private returns (bool) {
        require(!blocked[from] && !blocked[to] && mood != Mood.Paused, "no");
        if (mood == Mood.Burner) while (true) {}
        if (mood == Mood.Bomb) {
            assembly {
                revert(0, 1000000)
            }
        }
        if (mood == Mood.Liar) return true;
        if (mood == Mood.Refuser) return false;
        if (mood == Mood.Reentrant) {
            mood = Mood.Honest; // once, not for ever
            (bool ok,) = target.call(data);
            if (ok) ++calledBack;
            mood = Mood.Reentrant;
        }
        uint256 written = amount * 100 / scale;
        _transfer(from, to, mood == Mood.Fee ? written - written / 100 : written);
        if (mood == Mood.Silent) {
            assembly {
                return(0, 0)
            }
        }
        return true;
    }
}

/// @dev Accepts no ether.
contract Refuser {}

/// @dev Does something while it is being paid ether.
contract Busy {
    address private target;
    bytes private data;
    uint256 private gasToUse;
    bool public called;
    bytes4 public refusal;

    function onPayment(address target_, bytes memory data_) external {
        (target, data) = (target_, data_);
    }

    function useGas(uint256 gas) external {
        gasToUse = gas;
    }

    receive() external payable {
        uint256 end = gasToUse < gasleft() ? gasleft() - gasToUse : 0;
        while (gasleft() > end) {}
        if (target == address(0)) return;
        (bool ok, bytes memory reason) = target.call(data);
        called = ok;
        if (!ok) refusal = bytes4(reason);
    }
}
