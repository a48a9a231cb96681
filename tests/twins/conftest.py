"""A fake HubSpot account for each test."""

from __future__ import annotations

import pytest

from tests.twins.accounts import serving


@pytest.fixture
def account():
    with serving() as account:
        yield account
