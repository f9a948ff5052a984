// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation} from "../src/Attestations.sol";
import {Payload} from "../src/Payloads.sol";
import {RootQueue} from "../src/RootQueue.sol";
import {TestStable} from "../src/testing/TestStable.sol";
import {Fixture, Leaf, Tree} from "./Fixture.sol";
import {Hostile} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// @dev Does at random what the world may do: pay in, post, object, enact, claim again and again, while an operator tries
/// every power, a quorum lies, fewer than a quorum try, and one of the tokens does its worst. It keeps its own books, which
/// the invariants compare with the contracts'.
contract Handler is Fixture {
    uint256 private constant ACCOUNTS = 3;
    uint256 private constant ASSETS = 4;

    Hostile public bad;
    address[4] public assets; // ascending: ether, then the three tokens
    bytes32 private honest; // the bond of witness 3, who never lies

    mapping(address asset => uint256) public deposited;
    mapping(uint256 epoch => uint256[ASSETS][ACCOUNTS]) private earned; // by what was posted for an epoch
    mapping(uint256 epoch => Payload) private payloads;
    uint256 public posts;
    uint256 public claims;
    uint256 public lies;

    constructor(uint64 start_, uint256 carried_) {
        bad = new Hostile();
        stable = new TestStable();
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(bad), address(stable));
        moveTo(start_, carried_ * ACCOUNTS, tokens);
        bad.approve(address(vault), type(uint256).max);
        assets = [ETHER, address(share), address(stable), address(bad)];
        for (uint256 i = 1; i < ASSETS; ++i) {
            for (uint256 j = i + 1; j < ASSETS; ++j) {
                if (assets[j] < assets[i]) (assets[i], assets[j]) = (assets[j], assets[i]);
            }
        }
        payloads[start] = last;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            for (uint256 a = 0; a < ASSETS; ++a) {
                if (assets[a] == address(share)) earned[start][i][a] = carried_;
            }
        }
        honest = bondOf(3);
        for (uint256 i = 0; i < 3; ++i) bondOf(i);
    }

    // --- money in -------------------------------------------------------------------------------

    function depositsEther(uint256 amount) external {
        amount = 1 + amount % 1e18;
        depositEther(amount);
        deposited[ETHER] += amount;
    }

    function depositsStable(uint256 amount) external {
        amount = 1 + amount % 1e10;
        depositStable(amount);
        deposited[address(stable)] += amount;
    }

    function depositsBad(uint256 amount) external {
        try vault.deposit{gas: 1_000_000}(address(bad), amount % 1e12, "bad") {} catch {}
    }

    // --- roots ----------------------------------------------------------------------------------

    /// @dev Each account earns a part of whatever may be promised.
    function posts_(uint256 seed) public {
        uint256 epoch = settlement.posted() + 1;
        if (epoch - 1 - settlement.epoch() == settlement.QUEUE_MAX()) return;
        earned[epoch] = earned[epoch - 1];
        for (uint256 a = 0; a < ASSETS; ++a) {
            uint256 room = roomOf(epoch - 1, a) / ACCOUNTS;
            for (uint256 i = 0; i < ACCOUNTS; ++i) {
                earned[epoch][i][a] += uint256(keccak256(abi.encode(seed, a, i))) % (room + 1);
            }
        }
        payloads[epoch] = payloadOf(epoch, Tree.root(leavesOf(epoch)));
        settlement.post(payloads[epoch], payloads[epoch - 1], signedPost(payloads[epoch], QUORUM));
        ++posts;
    }

    /// @dev A quorum posts a root that pays everything to somebody else. The one honest witness objects, and then it
    /// lapses, or is upheld and cancelled, or a contradiction is proven.
    function quorumLies(uint256 seed) external {
        uint256 epoch = settlement.posted() + 1;
        if (epoch - 1 - settlement.epoch() == settlement.QUEUE_MAX()) return;
        posts_(seed);
        Payload memory truth = payloads[epoch];
        vm.prank(address(timelock));
        settlement.cancel(epoch);
        Payload memory lie = payloadOf(epoch, keccak256(abi.encode("lie", seed)));
        settlement.post(lie, payloads[epoch - 1], signedPost(lie, QUORUM));
        if (seed % 2 == 0) challenge(epoch, 3, honest);
        if (seed % 6 == 0) {
            pass(DELAY);
            settlement.lapse(epoch);
        } else if (seed % 6 == 1) {
            settlement.contradict(lie, truth, signedPost(truth, QUORUM), new bytes32[](0));
        } else {
            if (seed % 6 == 2) settlement.uphold(epoch, signedUphold(epoch, QUORUM));
            pass(seed % DELAY);
            require(!can(abi.encodeCall(settlement.enact, (lie))) || settlement.epoch() < epoch);
            vm.prank(address(timelock));
            settlement.cancel(epoch);
        }
        delete payloads[epoch];
        ++lies;
    }

    /// @dev A witness objects to what is right: it costs time.
    function witnessObjects(uint256 seed) external {
        (uint256 first, uint256 end) = (settlement.epoch() + 1, settlement.posted());
        if (first > end) return;
        uint256 epoch = first + seed % (end - first + 1);
        RootQueue.Posting memory its = settlement.posting(epoch);
        if (its.status != RootQueue.Status.Waiting || clock >= its.due) return;
        challenge(epoch, 2, stake.bondId(bytes32(uint256(3)), address(uint160(0xB2))));
        settlement.uphold(epoch, signedUphold(epoch, QUORUM));
    }

    function fewerThanAQuorumTry(uint256 seed) external {
        uint256 epoch = settlement.posted() + 1;
        if (epoch - 1 - settlement.epoch() == settlement.QUEUE_MAX()) return;
        Payload memory lie = payloadOf(epoch - 1, keccak256(abi.encode("lie", seed)));
        lie.epoch = epoch;
        Attestation memory by = signedPost(lie, seed % QUORUM);
        require(!can(abi.encodeCall(settlement.post, (lie, payloads[epoch - 1], by))));
    }

    function enacts() external {
        uint256 epoch = settlement.epoch() + 1;
        if (epoch > settlement.posted() || clock < settlement.posting(epoch).due) return;
        settlement.enact(payloads[epoch]);
    }

    function bringsIn(uint256 upTo) external {
        uint256 epoch = settlement.epoch();
        Payload memory inForce = payloads[epoch];
        for (uint256 i = 0; i < inForce.assets.length; ++i) {
            if (inForce.assets[i] != address(bad)) continue;
            try settlement.bringIn{gas: 1_000_000}(inForce, i, upTo % (inForce.totals[i] + 1)) {} catch {}
        }
    }

    function timePasses(uint256 duration) external {
        pass(1 + duration % (2 * DELAY));
    }

    // --- money out ------------------------------------------------------------------------------

    /// @dev From the root in force or the one before, whatever was claimed already.
    function claims_(uint256 who, uint256 skip, bool previous, bool elsewhere) external {
        uint256 epoch = settlement.epoch();
        if (previous && epoch > start) --epoch;
        if (epoch == start) return;
        claimFrom(epoch, who % ACCOUNTS, skip % 16, elsewhere);
    }

    function claimFrom(uint256 epoch, uint256 who, uint256 skip, bool elsewhere) public {
        Leaf[] memory leaves = leavesOf(epoch);
        Leaf memory leaf = leaves[who];
        bytes32[] memory proof = Tree.proof(leaves, who);
        if (elsewhere) {
            vm.prank(leaf.account);
            try settlement.claimTo(proof, skip, leaf.account, account(9), leaf.assets, leaf.cumulatives) {} catch {}
        } else {
            try settlement.claim(proof, skip, leaf.account, leaf.assets, leaf.cumulatives) {} catch {}
        }
        ++claims;
    }

    // --- the worst ------------------------------------------------------------------------------

    function badTurns(uint256 seed) external {
        bad.rebase(50 + seed % 150);
        bad.blockAccount(account(seed % ACCOUNTS), seed % 2 == 0);
        if (settlement.epoch() > start) {
            Leaf[] memory leaves = leavesOf(settlement.epoch());
            Leaf memory leaf = leaves[0];
            bad.callBack(
                address(settlement),
                abi.encodeCall(settlement.claim, (Tree.proof(leaves, 0), 0, leaf.account, leaf.assets, leaf.cumulatives))
            );
        }
        bad.turn(Hostile.Mood(seed % (uint256(type(Hostile.Mood).max) + 1)));
    }

    function operatorTries(uint256 seed, address target) external {
        bytes[10] memory calls = [
            abi.encodeCall(settlement.cancel, (settlement.posted())),
            abi.encodeCall(settlement.setEmission, (seed % EMISSION)),
            abi.encodeCall(vault.listAsset, (target)),
            abi.encodeCall(vault.unlistAsset, (ETHER)),
            abi.encodeCall(vault.release, (assets[seed % ASSETS], seed)),
            abi.encodeCall(share.mintUpTo, (seed)),
            abi.encodeCall(share.release, (target, 1)),
            abi.encodeCall(witnessSet.veto, ()),
            abi.encodeCall(stake.setMinimum, (BOND)),
            abi.encodeCall(stake.execute, (0))
        ];
        address[7] memory all = [
            address(settlement),
            address(vault),
            address(share),
            address(witnessSet),
            address(stake),
            address(timelock),
            address(governor)
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            (bool ok,) = all[i].call(calls[seed % calls.length]);
            require(!ok);
        }
    }

    // --- for the invariants ---------------------------------------------------------------------

    function can(bytes memory call) private returns (bool ok) {
        (ok,) = address(settlement).call(call);
    }

    /// @dev How much more of an asset a payload after `epoch` may promise.
    function roomOf(uint256 epoch, uint256 a) private view returns (uint256) {
        if (assets[a] == address(share)) return EMISSION;
        return vault.received(assets[a]) - totalOf(epoch, a);
    }

    /// @dev What the root in force promises: before the first, nothing.
    function inForce(uint256 a) external view returns (uint256) {
        return settlement.epoch() == start ? 0 : totalOf(settlement.epoch(), a);
    }

    function totalOf(uint256 epoch, uint256 a) public view returns (uint256 total) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) total += earned[epoch][i][a];
    }

    function earnedBy(uint256 epoch, uint256 i, uint256 a) external view returns (uint256) {
        return earned[epoch][i][a];
    }

    function payloadOf(uint256 epoch, bytes32 root) private view returns (Payload memory payload) {
        uint256 count = 0;
        for (uint256 a = 0; a < ASSETS; ++a) {
            if (totalOf(epoch, a) > 0) ++count;
        }
        payload = Payload(epoch, root, new address[](count), new uint256[](count));
        count = 0;
        for (uint256 a = 0; a < ASSETS; ++a) {
            if (totalOf(epoch, a) == 0) continue;
            (payload.assets[count], payload.totals[count]) = (assets[a], totalOf(epoch, a));
            ++count;
        }
    }

    function leavesOf(uint256 epoch) private view returns (Leaf[] memory leaves) {
        leaves = new Leaf[](ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            leaves[i] = Leaf(account(i), new address[](ASSETS), new uint256[](ASSETS));
            for (uint256 a = 0; a < ASSETS; ++a) {
                (leaves[i].assets[a], leaves[i].cumulatives[a]) = (assets[a], earned[epoch][i][a]);
            }
        }
    }

    /// @dev What all accounts have of an asset, and whoever they sent it to: none of them had any.
    function paid(address asset) external view returns (uint256 sum) {
        address[4] memory all = [account(0), account(1), account(2), account(9)];
        for (uint256 i = 0; i < 4; ++i) sum += asset == ETHER ? all[i].balance : TestStable(asset).balanceOf(all[i]);
    }
}

contract InvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler internal handler;

    function made() internal virtual returns (Handler) {
        return new Handler(0, 0);
    }

    function setUp() public {
        handler = made();
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), new bytes4[](14));
        bytes4[14] memory selectors = [
            Handler.depositsEther.selector,
            Handler.depositsStable.selector,
            Handler.depositsBad.selector,
            Handler.posts_.selector,
            Handler.quorumLies.selector,
            Handler.witnessObjects.selector,
            Handler.fewerThanAQuorumTry.selector,
            Handler.enacts.selector,
            Handler.bringsIn.selector,
            Handler.timePasses.selector,
            Handler.claims_.selector,
            Handler.claims_.selector,
            Handler.badTurns.selector,
            Handler.operatorTries.selector
        ];
        for (uint256 i = 0; i < 14; ++i) targets[0].selectors[i] = selectors[i];
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// @dev One campaign for all of it: each invariant by itself would run its own.
    function invariant_books() external view {
        no_unit_is_lost_or_made();
        nobody_is_paid_more_than_earned();
        the_queue_and_the_emission_are_bounded();
    }

    /// @dev Of the honest assets nothing is lost and nothing is made: what came in is in the vault, in the settlement, or with
    /// those who earned it; and the settlement has exactly what the root in force promises and nobody has claimed.
    function no_unit_is_lost_or_made() private view {
        for (uint256 a = 0; a < 4; ++a) {
            address asset = handler.assets(a);
            if (asset == address(handler.bad())) continue;
            uint256 total = handler.inForce(a);
            uint256 owed = balance(asset, address(handler.settlement()));
            require(owed + handler.paid(asset) == total, "what is promised");
            if (asset == address(handler.share())) {
                require(handler.share().totalSupply() == total, "what is minted");
            } else {
                uint256 kept = balance(asset, address(handler.vault()));
                require(kept + total == handler.deposited(asset), "what came in");
            }
        }
    }

    /// @dev Nobody was paid more than the root in force says, and the contract knows what it paid.
    function nobody_is_paid_more_than_earned() private view {
        uint256 epoch = handler.settlement().epoch();
        for (uint256 a = 0; a < 4; ++a) {
            address asset = handler.assets(a);
            uint256 sum = 0;
            for (uint256 i = 0; i < 3; ++i) {
                uint256 claimed = handler.settlement().claimed(address(uint160(0xACC0 + i)), asset);
                require(claimed <= handler.earnedBy(epoch, i, a), "more than earned");
                sum += claimed;
            }
            if (asset != address(handler.bad())) require(sum == handler.paid(asset), "what was paid");
        }
    }

    function the_queue_and_the_emission_are_bounded() private view {
        (uint256 epoch, uint256 posted) = (handler.settlement().epoch(), handler.settlement().posted());
        require(epoch <= posted && posted - epoch <= handler.settlement().QUEUE_MAX());
        uint256 settled = epoch - handler.settlement().START();
        uint256 most = handler.settlement().CARRIED() + settled * handler.settlement().emission();
        require(handler.share().totalSupply() <= (settled == 0 ? 0 : most));
        for (uint256 a = 0; a < 4; ++a) {
            (uint256 received, uint256 released) = handler.vault().accounts(handler.assets(a));
            require(released <= received);
        }
    }

    /// @dev However it went: everybody gets the last unit of what the root in force promises of the honest assets.
    function afterInvariant() external {
        uint256 epoch = handler.settlement().epoch();
        if (epoch == handler.settlement().START()) return;
        for (uint256 i = 0; i < 3; ++i) handler.claimFrom(epoch, i, 0, false);
        for (uint256 a = 0; a < 4; ++a) {
            address asset = handler.assets(a);
            if (asset == address(handler.bad())) continue;
            require(balance(asset, address(handler.settlement())) == 0, "something was left");
            for (uint256 i = 0; i < 3; ++i) {
                uint256 claimed = handler.settlement().claimed(address(uint160(0xACC0 + i)), asset);
                require(claimed == handler.earnedBy(epoch, i, a), "somebody is short");
            }
        }
    }

    function balance(address asset, address who) private view returns (uint256) {
        return asset == address(0) ? who.balance : TestStable(asset).balanceOf(who);
    }
}

/// @dev The same of contracts to which a network moved.
contract CarriedInvariantTest is InvariantTest {
    function made() internal override returns (Handler) {
        return new Handler(7, 1_234_567e6);
    }
}
