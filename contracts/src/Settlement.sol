// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {RevenueIntake} from "./RevenueIntake.sol";
import {ShareToken} from "./ShareToken.sol";

/// @title Pays what an epoch's Merkle root promises
/// @notice A leaf is (account, asset, everything the account ever earned of it). A claim pays the difference to
/// what was claimed before, so one claim settles any number of epochs. A root counts only when a quorum of
/// witnesses, who recomputed it from the public log, signed it.
///
/// The cap on claims is this contract's balance: publishing brings in exactly what the published totals grew by
/// (shares are minted, revenue is taken from the intake), and nothing else brings anything in. A root whose
/// leaves add up to more than its totals runs out before it can touch what belongs to later epochs.
contract Settlement is Ownable2Step, EIP712 {
    using EnumerableSet for EnumerableSet.AddressSet;
    using SafeERC20 for IERC20;

    /// @notice One asset's part of a claim by an account for several assets.
    struct Claim {
        address asset;
        uint256 cumulative;
        bytes32[] proof;
    }

    /// @notice Bounds the gas of changing the witnesses and of checking their signatures.
    uint256 public constant MAX_WITNESSES = 64;

    bytes32 private constant PUBLICATION_TYPEHASH =
        keccak256("Publication(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)");

    ShareToken public immutable shareToken;
    RevenueIntake public immutable intake;

    /// @notice The root in force, and the one before it: a proof on its way when a root changes still pays.
    bytes32 public root;
    bytes32 public previousRoot;

    /// @notice The last epoch published. Later ones may skip numbers, never go back.
    uint256 public epoch;

    /// @notice How many witnesses must sign a root.
    uint256 public quorum;

    EnumerableSet.AddressSet private _witnesses;

    /// @notice All that was ever promised of an asset; address zero is ether.
    mapping(address asset => uint256 total) public published;

    /// @notice All that an account ever claimed of an asset.
    mapping(address account => mapping(address asset => uint256 amount)) public claimed;

    event Published(uint256 indexed epoch, bytes32 indexed root, address[] assets, uint256[] totals);

    /// @notice An account was paid ether. A token says the same itself, by its Transfer from this contract;
    /// saying it twice would cost each claim 1,800 gas.
    event EtherClaimed(address indexed account, uint256 amount);

    event WitnessesChanged(address[] witnesses, uint256 quorum);

    error InvalidWitnesses(uint256 count, uint256 quorum);
    error EpochNotLater(uint256 epoch, uint256 last);
    error InvalidRoot();
    error InvalidTotals();
    error TotalDecreased(address asset, uint256 total, uint256 published);
    error NotAWitness(address signer);
    error SignersNotAscending(address signer);
    error QuorumNotReached(uint256 signatures, uint256 quorum);
    error StaleRoot(bytes32 expected, bytes32 current);
    error InvalidProof();
    error NothingToClaim(address account, address asset, uint256 claimed);
    error NotIntake(address caller);

    constructor(address[] memory witnesses_, uint256 quorum_) Ownable(msg.sender) EIP712("Commonhold", "1") {
        shareToken = new ShareToken();
        intake = new RevenueIntake(address(shareToken));
        _setWitnesses(witnesses_, quorum_);
    }

    /// @dev Ether comes from the intake alone, so that the balance stays an exact account of what is owed.
    receive() external payable {
        if (msg.sender != address(intake)) revert NotIntake(msg.sender);
    }

    /// @notice Put a root in force.
    /// @param epoch_ The epoch that the root settles up to.
    /// @param root_ Root over all leaves, as OpenZeppelin's StandardMerkleTree of (address, address, uint256).
    /// @param assets The assets that this root pays, ascending; address zero is ether.
    /// @param totals For each of them, the sum of all leaves: everything ever earned of it by anybody.
    /// @param signatures Of at least `quorum` witnesses over {publicationDigest}, ascending by signer.
    /// @dev Anybody may send it: the signatures are the authority. The sender pays for the length of the arrays.
    function publish(
        uint256 epoch_,
        bytes32 root_,
        address[] calldata assets,
        uint256[] calldata totals,
        bytes[] calldata signatures
    ) external {
        if (epoch_ <= epoch) revert EpochNotLater(epoch_, epoch);
        if (root_ == bytes32(0)) revert InvalidRoot();
        if (assets.length != totals.length) revert InvalidTotals();
        _checkQuorum(publicationDigest(epoch_, root_, assets, totals), signatures);

        previousRoot = root;
        root = root_;
        epoch = epoch_;
        emit Published(epoch_, root_, assets, totals);
        for (uint256 i = 0; i < assets.length; ++i) {
            if (i > 0 && assets[i] <= assets[i - 1]) revert InvalidTotals();
            _raiseTotal(assets[i], totals[i]);
        }
    }

    /// @notice Pay `account` what it earned of `asset` and has not claimed. Anybody may send it.
    /// @param cumulative The leaf's amount: everything the account ever earned of the asset.
    /// @param expectedRoot The root that `proof` leads to: the one in force or the one before.
    function claim(
        address account,
        address asset,
        uint256 cumulative,
        bytes32 expectedRoot,
        bytes32[] calldata proof
    ) external {
        _checkRoot(expectedRoot);
        _claim(account, asset, cumulative, expectedRoot, proof);
    }

    /// @notice Pay `account` several assets, or none if one of the claims fails.
    function claimMany(address account, bytes32 expectedRoot, Claim[] calldata claims) external {
        _checkRoot(expectedRoot);
        for (uint256 i = 0; i < claims.length; ++i) {
            _claim(account, claims[i].asset, claims[i].cumulative, expectedRoot, claims[i].proof);
        }
    }

    /// @notice Replace the witnesses and the quorum.
    function setWitnesses(address[] calldata witnesses_, uint256 quorum_) external onlyOwner {
        _setWitnesses(witnesses_, quorum_);
    }

    /// @notice The addresses whose signatures count.
    function witnesses() external view returns (address[] memory) {
        return _witnesses.values();
    }

    /// @notice What a witness signs (EIP-712): bound to this contract on this chain.
    function publicationDigest(
        uint256 epoch_,
        bytes32 root_,
        address[] calldata assets,
        uint256[] calldata totals
    ) public view returns (bytes32) {
        bytes32 assetsHash = keccak256(abi.encodePacked(assets));
        bytes32 totalsHash = keccak256(abi.encodePacked(totals));
        return
            _hashTypedDataV4(keccak256(abi.encode(PUBLICATION_TYPEHASH, epoch_, root_, assetsHash, totalsHash)));
    }

    function _checkRoot(bytes32 expectedRoot) private view {
        if (expectedRoot != root && expectedRoot != previousRoot) revert StaleRoot(expectedRoot, root);
    }

    /// @dev Checks, then effects, then the one interaction: whoever is called back finds the claim already paid.
    function _claim(
        address account,
        address asset,
        uint256 cumulative,
        bytes32 expectedRoot,
        bytes32[] calldata proof
    ) private {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, asset, cumulative))));
        if (!MerkleProof.verifyCalldata(proof, expectedRoot, leaf)) revert InvalidProof();
        uint256 before = claimed[account][asset];
        if (cumulative <= before) revert NothingToClaim(account, asset, before);

        claimed[account][asset] = cumulative;
        uint256 amount = cumulative - before;
        if (asset == address(shareToken)) {
            shareToken.release(account, amount);
        } else if (asset == address(0)) {
            emit EtherClaimed(account, amount);
            Address.sendValue(payable(account), amount);
        } else {
            IERC20(asset).safeTransfer(account, amount);
        }
    }

    /// @dev Brings in what the asset's total grew by.
    function _raiseTotal(address asset, uint256 total) private {
        uint256 before = published[asset];
        if (total < before) revert TotalDecreased(asset, total, before);
        if (total == before) return;
        published[asset] = total;
        if (asset == address(shareToken)) shareToken.mint(total - before);
        else intake.release(asset, total - before);
    }

    /// @dev Ascending signers are distinct signers. ECDSA rejects the second, malleated form of a signature.
    function _checkQuorum(bytes32 digest, bytes[] calldata signatures) private view {
        if (signatures.length < quorum) revert QuorumNotReached(signatures.length, quorum);
        address last = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recover(digest, signatures[i]);
            if (!_witnesses.contains(signer)) revert NotAWitness(signer);
            if (signer <= last) revert SignersNotAscending(signer);
            last = signer;
        }
    }

    function _setWitnesses(address[] memory witnesses_, uint256 quorum_) private {
        uint256 count = witnesses_.length;
        if (quorum_ == 0 || quorum_ > count || count > MAX_WITNESSES) revert InvalidWitnesses(count, quorum_);
        _witnesses.clear();
        for (uint256 i = 0; i < count; ++i) {
            // A repeated witness would make a quorum look larger than it is; address zero can never sign.
            if (witnesses_[i] == address(0) || !_witnesses.add(witnesses_[i])) revert NotAWitness(witnesses_[i]);
        }
        quorum = quorum_;
        emit WitnessesChanged(witnesses_, quorum_);
    }
}
