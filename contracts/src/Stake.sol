// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {Attestation, Attestations} from "./Attestations.sol";
import {RootQueue} from "./RootQueue.sol";
import {Terms} from "./Terms.sol";
import {WitnessSet} from "./WitnessSet.sol";

/// @title Bonds that vouch for persons, and for witnesses
/// @notice Anybody may bond for any person, and gets back what was not slashed. A bond is the pair of person and bonder,
/// so that nobody can get into the way of anybody else's. A slash is proposed by the witnesses' quorum, or follows from
/// a proven contradiction; its bonder may appeal, and then the governor alone decides. Slashed money goes to the timelock.
contract Stake is EIP712, ReentrancyGuardTransient {
    using Attestations for Attestation;
    using SafeERC20 for IERC20;

    enum Verdict {
        None,
        Proposed,
        Appealed,
        Executed,
        Overturned
    }

    /// @notice `active` vouches; `leaving` waits until `leavesAt` and can still be slashed; `held` is the part of both
    /// that open slashes ask for, and cannot leave. `witness` is the witness for whom it stands, if any.
    struct Bond {
        address bonder;
        address witness;
        uint64 leavesAt;
        uint128 active;
        uint128 leaving;
        uint128 held;
    }

    struct Slash {
        bytes32 bond;
        uint128 amount;
        uint64 readyAt;
        Verdict verdict;
    }

    bytes32 private constant SLASH_TYPEHASH = keccak256(
        "Slash(bytes32 bond,uint256 amount,bytes32 evidence,uint256 witnessNonce,uint256 deadline)"
    );

    RootQueue public immutable settlement;
    WitnessSet public immutable witnessSet;
    address public immutable timelock;

    /// @notice What bonds are made of; zero is ether.
    address public immutable asset;

    /// @notice Seconds for which a bond that is withdrawn can still be slashed.
    uint256 public immutable UNBOND_DELAY;

    /// @notice Seconds within which a bonder may appeal.
    uint256 public immutable SLASH_DELAY;

    /// @notice What the minimum may be.
    uint256 public immutable MINIMUM_LOWEST;
    uint256 public immutable MINIMUM_HIGHEST;

    /// @notice The least active bond with which a witness may challenge.
    uint256 public minimum;

    mapping(bytes32 id => Bond bond) public bonds;

    /// @notice Every slash ever proposed, by its number.
    Slash[] public slashes;

    /// @notice What a bond was already slashed for: once for each piece of evidence.
    mapping(bytes32 bond => mapping(bytes32 evidence => bool)) public accused;

    event Bonded(bytes32 indexed person, address indexed bonder, address indexed witness, uint256 amount);
    event UnbondRequested(bytes32 indexed bond, uint256 leaving, uint256 leavesAt);
    event Withdrawn(bytes32 indexed bond, uint256 amount);
    event SlashProposed(uint256 indexed slash, bytes32 indexed bond, uint256 amount, bytes32 evidence, uint256 readyAt);
    event SlashAppealed(uint256 indexed slash);
    event SlashExecuted(uint256 indexed slash, uint256 amount);
    event SlashOverturned(uint256 indexed slash);
    event MinimumChanged(uint256 minimum);

    error NotTimelock(address caller);
    error NotBonder(address caller);
    error InvalidDelays();
    error InvalidMinimum(uint256 minimum);
    error InvalidAmount(uint256 amount);
    error StandsForAnother(address witness);
    error TooEarly(uint256 due);
    error TooLate(uint256 due);
    error NothingToSlash(bytes32 bond);
    error AlreadyAccused(bytes32 bond, bytes32 evidence);
    error NoContradiction(address witness);
    error WrongVerdict(Verdict verdict);

    /// @param bounds The lowest minimum, the highest, and the one to begin with.
    /// @dev A bond must outlast everything that its witness may have to answer for: a root that waits, is challenged in
    /// the last second, upheld in the last second and appealed against, and then the slash itself.
    constructor(
        RootQueue settlement_,
        address asset_,
        uint256 unbondDelay,
        uint256 slashDelay,
        uint256[3] memory bounds
    ) EIP712("Commonhold", "1") {
        if (address(settlement_.stake()) != address(this)) revert Terms.Miswired(address(settlement_));
        settlement = settlement_;
        witnessSet = settlement_.witnessSet();
        timelock = settlement_.timelock();
        // slither-disable-next-line missing-zero-check
        asset = asset_; // zero is ether
        if (unbondDelay <= 2 * settlement_.DELAY() + settlement_.APPEAL_DELAY() + slashDelay) revert InvalidDelays();
        UNBOND_DELAY = unbondDelay;
        SLASH_DELAY = slashDelay;
        (MINIMUM_LOWEST, MINIMUM_HIGHEST) = (bounds[0], bounds[1]);
        _setMinimum(bounds[2]);
    }

    modifier onlyTimelock() {
        if (msg.sender != timelock) revert NotTimelock(msg.sender);
        _;
    }

    /// @notice Vouch for `person`, or for more. What was leaving stays on its way.
    /// @param witness The witness for whom the bond stands, once named for ever; zero: none, or the one named before.
    function bond(bytes32 person, uint256 amount, address witness) external payable nonReentrant {
        if (amount == 0 || msg.value != (asset == address(0) ? amount : 0)) revert InvalidAmount(amount);
        Bond storage its = bonds[bondId(person, msg.sender)];
        if (its.witness == address(0)) its.witness = witness;
        else if (witness != address(0) && witness != its.witness) revert StandsForAnother(its.witness);
        its.bonder = msg.sender;
        uint256 arrived = asset == address(0) ? amount : _pull(amount);
        its.active = SafeCast.toUint128(its.active + arrived);
        emit Bonded(person, msg.sender, its.witness, arrived);
    }

    /// @notice Begin to take `amount` of the sender's own bond back. It stops to vouch at once, and everything that is
    /// leaving waits {UNBOND_DELAY} from now.
    function requestUnbond(bytes32 person, uint256 amount) external {
        bytes32 id = bondId(person, msg.sender);
        Bond storage its = bonds[id];
        if (amount == 0 || amount > its.active) revert InvalidAmount(amount);
        its.active -= uint128(amount);
        its.leaving += uint128(amount);
        its.leavesAt = uint64(block.timestamp + UNBOND_DELAY);
        emit UnbondRequested(id, its.leaving, its.leavesAt);
    }

    /// @notice Take back what has waited long enough and no open slash asks for.
    function withdraw(bytes32 person) external nonReentrant {
        bytes32 id = bondId(person, msg.sender);
        Bond storage its = bonds[id];
        if (block.timestamp < its.leavesAt) revert TooEarly(its.leavesAt);
        uint256 amount = Math.min(its.leaving, _free(its));
        if (amount == 0) revert InvalidAmount(0);
        its.leaving -= uint128(amount);
        emit Withdrawn(id, amount);
        _send(msg.sender, amount);
    }

    /// @notice Propose to take up to `amount` of a bond, by the quorum's word that `evidence` (its hash) proves why.
    function proposeSlash(bytes32 id, uint256 amount, bytes32 evidence, Attestation calldata by) external {
        witnessSet.requirePresent(by.setId(), by.nonce, by.deadline);
        // slither-disable-next-line unused-return
        by.requireQuorum(slashDigest(id, amount, evidence, by.nonce, by.deadline));
        _propose(id, amount, evidence);
    }

    /// @notice Propose to take all of a bond that stands for a witness who signed two roots for one epoch.
    /// @param evidence The one under which the settlement contract holds the contradiction.
    function proposeSlashFor(bytes32 id, bytes32 evidence) external {
        address witness = bonds[id].witness;
        if (!settlement.contradicted(evidence, witness)) revert NoContradiction(witness);
        _propose(id, type(uint128).max, evidence);
    }

    /// @notice Bring a slash before the governor.
    function appeal(uint256 slash) external {
        Slash storage its = slashes[slash];
        if (msg.sender != bonds[its.bond].bonder) revert NotBonder(msg.sender);
        if (its.verdict != Verdict.Proposed) revert WrongVerdict(its.verdict);
        if (block.timestamp >= its.readyAt) revert TooLate(its.readyAt);
        its.verdict = Verdict.Appealed;
        emit SlashAppealed(slash);
    }

    /// @notice Carry out a slash against which nobody appealed. Anybody may.
    function execute(uint256 slash) external nonReentrant {
        Slash storage its = slashes[slash];
        if (its.verdict != Verdict.Proposed) revert WrongVerdict(its.verdict);
        if (block.timestamp < its.readyAt) revert TooEarly(its.readyAt);
        _execute(slash);
    }

    /// @notice Carry out a slash in spite of an appeal.
    function confirm(uint256 slash) external onlyTimelock nonReentrant {
        if (slashes[slash].verdict != Verdict.Appealed) revert WrongVerdict(slashes[slash].verdict);
        _execute(slash);
    }

    /// @notice Drop a slash, appealed against or not.
    function overturn(uint256 slash) external onlyTimelock {
        Slash storage its = slashes[slash];
        if (its.verdict != Verdict.Proposed && its.verdict != Verdict.Appealed) revert WrongVerdict(its.verdict);
        its.verdict = Verdict.Overturned;
        bonds[its.bond].held -= its.amount;
        emit SlashOverturned(slash);
    }

    /// @notice Change the least bond of a witness, within what was fixed at deployment.
    function setMinimum(uint256 minimum_) external onlyTimelock {
        _setMinimum(minimum_);
    }

    /// @notice Whether a bond lets `witness` challenge.
    /// @dev What open slashes ask for counts: otherwise a dishonest quorum would silence whoever could stop it, just by
    /// proposing. What is leaving does not: it no longer vouches.
    function standsFor(bytes32 id, address witness) external view returns (bool) {
        return bonds[id].witness == witness && bonds[id].active >= minimum;
    }

    /// @notice How many slashes were ever proposed.
    function slashCount() external view returns (uint256) {
        return slashes.length;
    }

    /// @notice The name of a bond.
    function bondId(bytes32 person, address bonder) public pure returns (bytes32) {
        return keccak256(abi.encode(person, bonder));
    }

    /// @notice What a witness signs (EIP-712) for a slash.
    function slashDigest(bytes32 id, uint256 amount, bytes32 evidence, uint256 nonce, uint256 deadline)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(SLASH_TYPEHASH, id, amount, evidence, nonce, deadline)));
    }

    /// @dev Asks for no more than is there and not yet asked for, so that a bonder who takes a part out meanwhile does
    /// not make the proposal void.
    function _propose(bytes32 id, uint256 amount, bytes32 evidence) private {
        if (accused[id][evidence]) revert AlreadyAccused(id, evidence);
        accused[id][evidence] = true;
        Bond storage its = bonds[id];
        uint128 asked = uint128(Math.min(amount, _free(its)));
        if (asked == 0) revert NothingToSlash(id);
        its.held += asked;
        uint64 readyAt = uint64(block.timestamp + SLASH_DELAY);
        slashes.push(Slash(id, asked, readyAt, Verdict.Proposed));
        emit SlashProposed(slashes.length - 1, id, asked, evidence, readyAt);
    }

    /// @dev Takes what is leaving last: what vouches must not outlive a slash.
    function _execute(uint256 slash) private {
        Slash storage its = slashes[slash];
        Bond storage from = bonds[its.bond];
        its.verdict = Verdict.Executed;
        uint128 amount = its.amount;
        from.held -= amount;
        uint128 active = amount < from.active ? amount : from.active;
        from.active -= active;
        from.leaving -= amount - active;
        emit SlashExecuted(slash, amount);
        _send(timelock, amount);
    }

    function _setMinimum(uint256 minimum_) private {
        if (minimum_ < MINIMUM_LOWEST || minimum_ > MINIMUM_HIGHEST) revert InvalidMinimum(minimum_);
        minimum = minimum_;
        emit MinimumChanged(minimum_);
    }

    function _pull(uint256 amount) private returns (uint256) {
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), amount);
        return IERC20(asset).balanceOf(address(this)) - before;
    }

    function _send(address to, uint256 amount) private {
        if (asset == address(0)) Address.sendValue(payable(to), amount);
        else IERC20(asset).safeTransfer(to, amount);
    }

    function _free(Bond storage its) private view returns (uint256) {
        return uint256(its.active) + its.leaving - its.held;
    }
}
