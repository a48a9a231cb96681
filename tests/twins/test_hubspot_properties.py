"""What the fake HubSpot account says of its properties and currencies."""

from __future__ import annotations

import pytest

DEALS = "/crm/v3/properties/deals"


def options(described):
    return {one["value"]: one["label"] for one in described["options"]}


def test_the_standard_properties_are_hubspots(account):
    kind = account.get(f"{DEALS}/dealtype")
    assert (kind["type"], kind["fieldType"], kind["hubspotDefined"]) == ("enumeration", "radio", True)
    assert options(kind) == {"newbusiness": "New Business", "existingbusiness": "Existing Business"}
    shown = {name: account.get(f"/crm/properties/2026-03/deals/{name}")["type"] for name in (
        "amount", "closedate", "dealname", "hs_is_closed", "hs_lastmodifieddate")}
    assert shown == {"amount": "number", "closedate": "datetime", "dealname": "string", "hs_is_closed": "bool",
                     "hs_lastmodifieddate": "datetime"}


def test_an_owner_is_an_enumeration_whose_options_are_kept_elsewhere(account):
    owner = account.get(f"{DEALS}/hubspot_owner_id")
    assert (owner["type"], owner["externalOptions"], owner["referencedObjectType"]) == ("enumeration", True, "OWNER")
    assert owner["options"] == []


def test_an_own_choice_gets_and_loses_options_and_records_keep_theirs(account):
    portal, deal = account.portal, account.deals[0]
    portal.add_property("deals", "khu_vuc", type="enumeration", label="Region", options={"n": "North", "s": "South"})
    portal.update("deals", deal, {"khu_vuc": "s"})
    portal.change_property("deals", "khu_vuc", options={"n": "Up north", "w": "West"})
    region = account.get(f"{DEALS}/khu_vuc")
    assert (region["label"], region["fieldType"], region["hubspotDefined"]) == ("Region", "select", False)
    assert options(region) == {"n": "Up north", "w": "West"}
    assert account.get(f"/crm/v3/objects/deals/{deal}", properties="khu_vuc")["properties"]["khu_vuc"] == "s"


def test_a_property_of_another_type_has_no_options_any_more(account):
    account.portal.change_property("deals", "dealtype", type="string")
    kind = account.get(f"{DEALS}/dealtype")
    assert (kind["type"], kind["fieldType"], kind["options"]) == ("string", "text", [])
    assert (kind["label"], kind["hubspotDefined"]) == ("Deal Type", True)
    with pytest.raises(ValueError, match="no type money"):
        account.portal.change_property("deals", "amount", type="money")
    with pytest.raises(KeyError):
        account.portal.change_property("deals", "never_added", label="Never")


@pytest.mark.parametrize("path", ["/account-info/v3/details", "/account-info/2026-03/details"])
def test_the_account_says_its_currencies(account, path):
    account.portal.currency, account.portal.currencies = "VND", ["USD"]
    told = account.get(path)
    assert (told["companyCurrency"], told["additionalCurrencies"]) == ("VND", ["USD"])
    assert options(account.get(f"{DEALS}/deal_currency_code")) == {"VND": "VND", "USD": "USD"}
    account.twin.forbidden.add("account-info")
    assert account.get(path, 403)["errors"][0]["context"] == {"requiredGranularScopes": ["oauth"]}
