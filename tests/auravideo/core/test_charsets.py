"""Forms are read as the pages that send them are written: in UTF-8, whatever a client says."""

import pytest

pytestmark = pytest.mark.django_db

CHARSETS = ["zlib_codec", "utf-7", "utf-16", "rot13", "idna", "punycode", "no-such"]


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=edge"])
def test_a_charset_that_is_no_text_or_another_is_ignored(client, charset, kind):
    body = b"language=pl&next=%2Fhelp%2F"
    if kind.startswith("multipart"):
        part = b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        body = part % (b"language", b"pl") + part % (b"next", b"/help/") + b"--edge--\r\n"
    response = client.generic("POST", "/language/setlang/", body, f"{kind}; charset={charset}")
    assert (response.status_code, response.headers["Location"]) == (302, "/help/")
    assert response.cookies["django_language"].value == "pl"
