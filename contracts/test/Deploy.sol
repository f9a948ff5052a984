// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Board} from "../src/Board.sol";
import {NetworkGovernor, Voting} from "../src/NetworkGovernor.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {Stake} from "../src/Stake.sol";
import {Terms} from "../src/Terms.sol";
import {Vault} from "../src/Vault.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {vm} from "./Vm.sol";

/// @dev Everything that is chosen at deployment, in the order in which the constructors take it.
struct Choices {
    address[] witnesses;
    address[] tokens;
    Voting voting;
    uint256 timelockDelay;
    uint256 witnessDelay;
    uint256 delay;
    uint256 appealDelay;
    uint256 emission;
    uint256 emissionMax;
    uint64 start;
    uint256 carried;
    address bondAsset;
    uint256 unbondDelay;
    uint256 slashDelay;
    uint256[3] minimum; // lowest, highest, first
}

struct Network {
    ShareToken share;
    TimelockController timelock;
    NetworkGovernor governor;
    WitnessSet witnessSet;
    Vault vault;
    Settlement settlement;
    Stake stake;
    Board board;
}

/// @dev Deploys a network as Python does: eight contracts in this order, from one account and its next eight nonces. The
/// constructors name contracts that come later, so their addresses are computed first; nobody is ever an administrator.
/// A library's code runs as its caller, so the caller is the deployer.
library Deploy {
    function network(Choices memory terms) internal returns (Network memory made) {
        address me = address(this);
        uint256 nonce = vm.getNonce(me);
        address governor = vm.computeCreateAddress(me, nonce + 2);
        address settlement = vm.computeCreateAddress(me, nonce + 5);
        address stake = vm.computeCreateAddress(me, nonce + 6);

        made.share = ShareToken(create("ShareToken", abi.encode(settlement)));
        made.timelock = TimelockController(
            payable(create("TimelockController", abi.encode(terms.timelockDelay, only(governor), only(address(0)), address(0))))
        );
        made.governor = NetworkGovernor(
            payable(create("NetworkGovernor", abi.encode(made.share, made.timelock, terms.voting)))
        );
        made.witnessSet =
            WitnessSet(create("WitnessSet", abi.encode(terms.witnesses, made.timelock, terms.witnessDelay)));
        made.vault = Vault(create("Vault", abi.encode(settlement, made.timelock, made.share, terms.tokens)));
        made.settlement = Settlement(
            payable(
                create(
                    "Settlement",
                    abi.encode(
                        Terms.Parts(made.share, made.vault, made.witnessSet, Stake(stake), made.governor),
                        terms.delay,
                        terms.appealDelay,
                        terms.emission,
                        terms.emissionMax,
                        terms.start,
                        terms.carried
                    )
                )
            )
        );
        made.stake = Stake(
            create(
                "Stake",
                abi.encode(made.settlement, terms.bondAsset, terms.unbondDelay, terms.slashDelay, terms.minimum)
            )
        );
        made.board = Board(create("Board", abi.encode(made.timelock)));
        assert(address(made.settlement) == settlement && address(made.stake) == stake);
    }

    /// @dev What is tested is what is shipped: the code in artifacts/, whatever forge makes of the sources.
    function create(string memory name, bytes memory arguments) internal returns (address made) {
        string memory artifact = vm.readFile(string.concat("artifacts/", name, ".json"));
        bytes memory code = bytes.concat(vm.parseJsonBytes(artifact, ".bytecode"), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
        }
    }

    function only(address account) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
