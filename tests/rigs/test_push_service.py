"""The push service of the tests reads what is written as the standards say, and refuses what vendors refuse."""

import base64
import http.client
import json
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.rigs.push_service import CURVE, Browser, client_context, decoded, encoded, point_of, running

# RFC 8291, appendix A.
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95b"
    "Qpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
PRIVATE, AUTH = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94", "BTBZMqHH6r4Tts7J_aSIgg"
SITE = ec.generate_private_key(CURVE)
KEY = encoded(point_of(SITE.public_key()))


@pytest.fixture
def service(tmp_path):
    with running(tmp_path) as service:
        yield service


def signed(claims: dict, key: ec.EllipticCurvePrivateKey = SITE) -> str:
    parts = [encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims)]
    r, s = utils.decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    signature = encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={'.'.join([*parts, signature])}, k={encoded(point_of(key.public_key()))}"


def post(service, path: str, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPSConnection(service.host, context=client_context(service), timeout=30)
    claims = {"aud": f"https://{service.host}", "exp": int(time.time()) + 3600, "sub": "https://example.org"}
    usual = {"TTL": "60", "Content-Encoding": "aes128gcm", "Authorization": signed(claims)}
    connection.request("POST", path, body, usual | {name.replace("_", "-"): value for name, value in headers.items()})
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_decrypts_the_example_of_the_standard():
    private = ec.derive_private_key(int.from_bytes(decoded(PRIVATE), "big"), CURVE)
    browser = Browser("", "", private, decoded(AUTH))
    assert browser.decrypt(decoded(BODY)) == b"When I grow up, I want to be a watermelon"


def test_a_message_for_another_browser_is_not_read(service):
    browser = service.subscribe(KEY)
    assert post(service, "/push/0", base64.urlsafe_b64decode(BODY + "=" * (-len(BODY) % 4))) == 400
    assert browser.messages == []


@pytest.mark.parametrize(
    ("claims", "key"),
    [
        ({"aud": "https://elsewhere.example"}, SITE),
        ({"exp": int(time.time()) - 60}, SITE),
        ({"exp": int(time.time()) + 3 * 24 * 3600}, SITE),
        ({"sub": "nobody"}, SITE),
        ({}, ec.generate_private_key(CURVE)),
    ],
    ids=["of another service", "old", "for too long", "without a contact", "by another site"],
)
def test_it_refuses_a_signature_that_is(service, claims, key):
    service.subscribe(KEY)
    good = {"aud": f"https://{service.host}", "exp": int(time.time()) + 3600, "sub": "mailto:a@example.org"}
    assert service.is_signed(signed(good), KEY)
    assert not service.is_signed(signed(good | claims, key), KEY)
    assert post(service, "/push/0", b"x", Authorization=signed(good | claims, key)) == 403


def test_it_refuses_what_is_too_large_or_has_no_lifetime_and_knows_who_has_left(service):
    service.subscribe(KEY)
    assert post(service, "/push/0", b"x" * 5000) == 413
    assert post(service, "/push/0", b"x", TTL="") == 400
    assert post(service, "/push/0", b"x", Content_Encoding="aesgcm") == 415
    assert post(service, "/push/9", b"x") == 404
    service.answers = [410]
    assert post(service, "/push/0", b"x") == 410
