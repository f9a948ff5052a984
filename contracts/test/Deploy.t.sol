// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NetworkGovernor} from "../src/NetworkGovernor.sol";
import {Settlement} from "../src/Settlement.sol";
import {ShareToken} from "../src/ShareToken.sol";
import {Terms} from "../src/Terms.sol";
import {Vault} from "../src/Vault.sol";
import {WitnessSet} from "../src/WitnessSet.sol";
import {Deploy} from "./Deploy.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @dev A deployment with one wire wrong does not come about.
contract DeployTest is Fixture {
    enum Wire {
        None,
        SharesSettlement,
        GovernorsToken,
        VaultsSettlement,
        VaultsTimelock,
        VaultsShares,
        WitnessesTimelock
    }

    /// @dev Parts for a second settlement, the next contract after them. `wrong` says which wire leads elsewhere.
    function partsWith(Wire wrong) private returns (Terms.Parts memory parts, address next) {
        next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 4);
        address other = address(0x07E2);
        parts.shareToken =
            ShareToken(Deploy.create("ShareToken", abi.encode(wrong == Wire.SharesSettlement ? other : next)));
        parts.governor = governorOf(wrong == Wire.GovernorsToken ? share : parts.shareToken);
        parts.vault = vaultOf(
            wrong == Wire.VaultsSettlement ? other : next,
            wrong == Wire.VaultsTimelock ? other : address(timelock),
            wrong == Wire.VaultsShares ? other : address(parts.shareToken)
        );
        parts.witnessSet = witnessesOf(wrong == Wire.WitnessesTimelock ? other : address(timelock), WITNESS_DELAY);
        parts.stake = stake;
    }

    function vaultOf(address settlement_, address timelock_, address share_) private returns (Vault) {
        return Vault(Deploy.create("Vault", abi.encode(settlement_, timelock_, share_, new address[](0))));
    }

    function witnessesOf(address timelock_, uint256 delay) private returns (WitnessSet) {
        return WitnessSet(Deploy.create("WitnessSet", abi.encode(witnesses(), timelock_, delay)));
    }

    function governorOf(ShareToken share_) private returns (NetworkGovernor) {
        bytes memory arguments = abi.encode(share_, timelock, termsOf(new address[](0)).voting);
        return NetworkGovernor(payable(Deploy.create("NetworkGovernor", arguments)));
    }

    function test_parts_that_belong_together_are_taken() public {
        (Terms.Parts memory parts, address next) = partsWith(Wire.None);
        address made = this.deploySettlement(parts);
        assert(made == next && Settlement(payable(made)).timelock() == address(timelock));
    }

    function test_one_wire_that_leads_elsewhere_is_refused() public {
        for (uint256 wire = 1; wire <= uint256(type(Wire).max); ++wire) {
            (Terms.Parts memory parts,) = partsWith(Wire(wire));
            address part = address(parts.vault);
            if (Wire(wire) == Wire.SharesSettlement) part = address(parts.shareToken);
            if (Wire(wire) == Wire.GovernorsToken) part = address(parts.governor);
            if (Wire(wire) == Wire.WitnessesTimelock) part = address(parts.witnessSet);
            vm.expectRevert(abi.encodeWithSelector(Terms.Miswired.selector, part));
            this.deploySettlement(parts);
        }
    }

    function deploySettlement(Terms.Parts calldata parts) external returns (address) {
        return Deploy.create("Settlement", abi.encode(parts, DELAY, APPEAL_DELAY, EMISSION, EMISSION, 0, 0));
    }
}
