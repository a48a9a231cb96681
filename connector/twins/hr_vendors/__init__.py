"""Small fake HR and OKR systems, one for each preset of the rest destination, each with the bad manners of its vendor.

    with BambooTwin() as twin:
        Rest("hr", RestSettings.model_validate(twin.settings()), context)
        twin.standing()          # what stands there, by KPI and employee code

None is the vendor: what is imitated is what presets/NAME.yaml relies on, and what goes wrong there.
"""

from __future__ import annotations

from connector.twins.hr_vendors.bamboohr import BambooTwin
from connector.twins.hr_vendors.base_vn import BaseTwin
from connector.twins.hr_vendors.coffeehr import CoffeeTwin
from connector.twins.hr_vendors.hibob import BobTwin
from connector.twins.hr_vendors.lattice import LatticeTwin
from connector.twins.hr_vendors.orangehrm import OrangeTwin
from connector.twins.hr_vendors.perdoo import PerdooTwin
from connector.twins.hr_vendors.personio import PersonioTwin
from connector.twins.hr_vendors.quantive import QuantiveTwin
from connector.twins.hr_vendors.successfactors import SuccessTwin
from connector.twins.hr_vendors.vendor import HrVendor

VENDORS: dict[str, type[HrVendor]] = {
    twin.preset: twin for twin in (
        BambooTwin, BobTwin, PersonioTwin, SuccessTwin, LatticeTwin, QuantiveTwin, PerdooTwin, OrangeTwin, BaseTwin,
        CoffeeTwin,
    )
}
"""The twin of each preset."""

__all__ = ["VENDORS", "HrVendor"]
