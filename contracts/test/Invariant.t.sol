// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Fixture, Leaf, Tree} from "./Fixture.sol";

/// @dev Does at random what the world may do: pay in, publish, claim (from the root in force or the one before),
/// claim again. It keeps its own books, which the invariants compare with the contracts'.
contract Handler is Fixture {
    uint256 private constant ACCOUNTS = 3;
    uint256 private constant STEP_MAX = 1e24;

    address[3] public assets; // ascending: ether, then the two tokens
    mapping(address asset => uint256) public deposited;
    mapping(address asset => uint256) public promised;
    mapping(address asset => uint256) public paid;
    mapping(address account => mapping(address asset => uint256)) public earned;

    uint256 public epoch;
    Leaf[] private current;
    Leaf[] private previous;

    constructor() {
        setUp();
        (address low, address high) = (address(share), address(stable));
        if (high < low) (low, high) = (high, low);
        assets = [ETHER, low, high];
    }

    function depositsStable(uint256 amount) external {
        amount = bound(amount, 1, stable.balanceOf(address(this)) / 2 + 1);
        if (stable.balanceOf(address(this)) < amount) return;
        depositStable(amount);
        deposited[address(stable)] += amount;
    }

    function depositsEther(uint256 amount) external {
        amount = bound(amount, 1, address(this).balance / 2 + 1);
        if (address(this).balance < amount) return;
        depositEther(amount);
        deposited[ETHER] += amount;
    }

    /// @dev Each account earns a part of whatever may be promised.
    function publishes(uint256 seed) external {
        address[] memory list = new address[](3);
        uint256[] memory totals = new uint256[](3);
        previous = current;
        delete current;
        for (uint256 a = 0; a < 3; ++a) {
            address asset = assets[a];
            uint256 room = asset == address(share) ? STEP_MAX : deposited[asset] - promised[asset];
            for (uint256 i = 0; i < ACCOUNTS; ++i) {
                uint256 part = uint256(keccak256(abi.encode(seed, a, i))) % (room / ACCOUNTS + 1);
                earned[account(i)][asset] += part;
                promised[asset] += part;
                current.push(Leaf(account(i), asset, earned[account(i)][asset]));
            }
            (list[a], totals[a]) = (asset, promised[asset]);
        }
        publish(++epoch, Tree.root(current), list, totals);
    }

    function claims(uint256 index, bool fromPrevious) external {
        Leaf[] memory leaves = fromPrevious ? previous : current;
        if (leaves.length == 0) return;
        index %= leaves.length;
        Leaf memory leaf = leaves[index];
        uint256 before = settlement.claimed(leaf.account, leaf.asset);
        if (leaf.cumulative <= before) {
            bytes32 root = Tree.root(leaves);
            bytes32[] memory proof = Tree.proof(leaves, index);
            vm.expectRevert();
            settlement.claim(leaf.account, leaf.asset, leaf.cumulative, root, proof);
            return;
        }
        claim(leaves, index);
        paid[leaf.asset] += leaf.cumulative - before;
    }

    /// @dev Claimed shares move on, which must not matter to anything.
    function transfersShares(uint256 from, uint256 to, uint256 amount) external {
        (address sender, address receiver) = (account(from % ACCOUNTS), account(10 + to % ACCOUNTS));
        amount = bound(amount, 0, share.balanceOf(sender));
        vm.prank(sender);
        share.transfer(receiver, amount);
    }

    function rollsBlocks() external {
        vm.roll(block.number + 1);
    }

    function accountAt(uint256 index) external pure returns (address) {
        return account(index);
    }

    function bound(uint256 value, uint256 low, uint256 high) private pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}

/// @dev What must hold after any sequence of those actions.
contract InvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    /// @dev Read by Foundry: call the handler only.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Read by Foundry: of the handler, call these functions only.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory actions = new bytes4[](6);
        actions[0] = Handler.depositsStable.selector;
        actions[1] = Handler.depositsEther.selector;
        actions[2] = Handler.publishes.selector;
        actions[3] = Handler.claims.selector;
        actions[4] = Handler.transfersShares.selector;
        actions[5] = Handler.rollsBlocks.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), actions);
    }

    /// @dev claimed + waiting in the settlement == published, and published + available == deposited.
    function invariant_every_unit_is_accounted_for() external view {
        address settlement = address(handler.settlement());
        for (uint256 a = 0; a < 3; ++a) {
            address asset = handler.assets(a);
            uint256 published = handler.settlement().published(asset);
            assert(published == handler.promised(asset));
            assert(handler.paid(asset) + balance(asset, settlement) == published);
            if (asset == address(handler.share())) {
                assert(handler.share().totalSupply() == published);
            } else {
                uint256 available = handler.intake().available(asset);
                assert(published + available == handler.deposited(asset));
                assert(balance(asset, address(handler.intake())) == available);
            }
        }
    }

    /// @dev Nobody is paid more than he earned, and the contract knows what it paid.
    function invariant_nobody_is_paid_more_than_earned() external view {
        for (uint256 a = 0; a < 3; ++a) {
            address asset = handler.assets(a);
            uint256 sum = 0;
            for (uint256 i = 0; i < 3; ++i) {
                address account = handler.accountAt(i);
                uint256 claimed = handler.settlement().claimed(account, asset);
                assert(claimed <= handler.earned(account, asset));
                if (asset != address(handler.share())) assert(balance(asset, account) == claimed);
                sum += claimed;
            }
            assert(sum == handler.paid(asset));
        }
    }

    function balance(address asset, address holder) private view returns (uint256) {
        return asset == address(0) ? holder.balance : IERC20(asset).balanceOf(holder);
    }
}
