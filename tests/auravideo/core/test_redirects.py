"""Forms only lead back to pages of this site."""

import pytest
from django.test import RequestFactory

from auravideo.core.addresses.redirects import MAX_ADDRESS, next_page


def led_to(address: str | None, **how) -> str:
    values = {} if address is None else {"next": address}
    return next_page(RequestFactory().post("/", values, **how), "/otherwise/")


@pytest.mark.parametrize("path", ["/", "/videos/?q=a+star&page=2", "/s/token/#clip"])
def test_a_path_of_this_site_is_followed(path):
    assert led_to(path) == path
    assert led_to(path, secure=True) == path


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "gallery:library",
        "https://example.org/",
        "//example.org/",
        "/\\example.org/",
        "///example.org",
        "javascript:alert(1)",
        "http://testserver/videos/",
        "/" + "a" * MAX_ADDRESS,
    ],
)
def test_anything_else_is_not(address):
    assert led_to(address) == "/otherwise/"
