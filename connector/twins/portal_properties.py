"""Which properties the fake HubSpot account has, and what an administrator does to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connector.twins.hubspot_properties import FIELD_TYPES, Property, standard
from connector.twins.hubspot_types import DEFAULTS, KNOWN
from connector.twins.portal_links import Links


class Properties(Links):
    """Changes of what a property is move no record: those that hold a removed option keep it."""

    def add_property(self, kind: str, name: str, *, type: str = "", label: str = "",
                     options: Mapping[str, str] | None = None, field_type: str = "") -> None:
        """A property of the customer's own: type string, number, date, datetime, bool or enumeration, whose options
        are labels by value; field_type "checkbox" takes several of them. One that was dropped is back with its values.
        """
        self.collections[kind].known.add(name)
        self.collections[kind].dropped.discard(name)
        if type or label or options is not None:
            self.change_property(kind, name, type=type, label=label, options=options, field_type=field_type)

    def change_property(self, kind: str, name: str, *, type: str = "", label: str = "",
                        options: Mapping[str, str] | None = None, field_type: str = "") -> None:
        """Another type, label or list of options; what is not given stays. Raises KeyError, and ValueError for a type
        that HubSpot does not have."""
        if name not in self.collections[kind].known:
            raise KeyError(name)
        if type and type not in FIELD_TYPES:
            raise ValueError(f"no type {type}; there are {', '.join(FIELD_TYPES)}")
        held = self._property(kind, name)
        if type and type != held.type:
            held = replace(held, type=type, field_type="", options={})
        self.collections[kind].described[name] = replace(
            held, label=label or held.label, field_type=field_type or held.field_type,
            options=held.options if options is None else dict(options),
        )

    def drop_property(self, kind: str, name: str) -> None:
        """Remove a property: it vanishes from all answers without a word, and cannot be searched or written."""
        self.collections[kind].known.discard(name)
        self.collections[kind].dropped.add(name)

    def properties_of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties a type has as HubSpot sends them, by name."""
        return {name: self._property(kind, name).shown(name) for name in sorted(self.collections[kind].known)}

    def _property(self, kind: str, name: str) -> Property:
        described = self.collections[kind].described.get(name)
        if described is not None:
            return described
        if name == "deal_currency_code":
            codes = dict.fromkeys((self.currency, *self.currencies))
            return Property("enumeration", "Currency", {code: code for code in codes})
        is_standard = name in DEFAULTS[kind] or name in KNOWN[kind] or name.startswith("hs_")
        return standard(name) if is_standard else Property(own=True)
