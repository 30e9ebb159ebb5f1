"""The fixtures of a push service."""

from tests.push_fixtures import browser, service, subscription

__all__ = ["browser", "service", "subscription"]
