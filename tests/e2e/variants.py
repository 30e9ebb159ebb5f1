"""Variants of a journey: `make test` runs it in Polish with JavaScript, `make test-thorough` in every other way."""

import pytest

THOROUGH = pytest.mark.thorough
LANGUAGES = ["pl", pytest.param("en", marks=THOROUGH)]
LOCALES = ["pl-PL", pytest.param("en-GB", marks=THOROUGH)]
JAVASCRIPT = [True, pytest.param(False, marks=THOROUGH)]
