"""What strangers send that Django refuses is one line in the log, without a traceback, and no error."""

import logging

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from auravideo.core.logs.lines import LineFormatter
from auravideo.core.logs.noise import OneLine

pytestmark = pytest.mark.django_db


class Lines(logging.Handler):
    """Collects formatted lines, as the console's handler writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter("text"))
        self.addFilter(OneLine())
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


@pytest.fixture
def lines():
    handler = Lines()
    logger = logging.getLogger("django.security")
    logger.addHandler(handler)
    yield handler.found
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:99", "x" * 5000, "a\tb", "żółw.example", "[::", "..", "a@b", "localhost:x"]
)
def test_a_host_that_is_not_ours_is_one_short_line(lines, host):
    assert Client().get(reverse("help"), HTTP_HOST=host).status_code == 400
    (line,) = lines
    assert "\n" not in line and len(line) < 600
    assert " WARNING django.security.DisallowedHost: Invalid HTTP_HOST header" in line


@override_settings(DATA_UPLOAD_MAX_NUMBER_FIELDS=3)
def test_a_form_with_too_many_fields_is_one_too(lines):
    assert Client().post(reverse("account_login"), dict.fromkeys("abcdef", "x")).status_code == 400
    (line,) = lines
    assert "\n" not in line and " WARNING django.security.TooManyFieldsSent" in line


def test_our_own_errors_keep_their_traceback():
    handler = Lines()
    try:
        raise ValueError("ours")
    except ValueError as error:
        record = logging.LogRecord("django.request", logging.ERROR, "", 1, "failed", (), (type(error), error, None))
    assert handler.filter(record) and "ValueError: ours" in handler.format(record)
