"""A push service as browser vendors run them (RFC 8030), and the browsers that listen to it.

It checks what real ones check (VAPID, RFC 8292; the size; Topic and TTL) and decrypts with the browser's keys (RFC
8291), independently of the library that the site sends with, apart from the cipher itself. It delivers to nobody: a
test reads what a browser would have got. It cannot show a vendor's own limits.
"""

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.rigs import certificates

CURVE = ec.SECP256R1()
MOST_BYTES = 4096  # RFC 8030, section 7.2
A_DAY = 24 * 3600


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


@dataclass
class Browser:
    """A browser with a subscription; `messages` are those that it could decrypt."""

    endpoint: str
    application_key: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(CURVE))
    auth: bytes = b"sixteen bytes..."
    messages: list[dict] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def told(self) -> dict[str, str]:
        """Return what its page tells the site."""
        point = point_of(self.private.public_key())
        return {"endpoint": self.endpoint, "p256dh": encoded(point), "auth": encoded(self.auth)}

    def decrypt(self, body: bytes) -> bytes:
        """Decrypt aes128gcm (RFC 8188, one record) with the keys of RFC 8291.

        Raises:
            InvalidTag: it is encrypted for somebody else, or damaged.
        """
        salt, id_length = body[:16], body[20]
        sender, sealed = body[21 : 21 + id_length], body[21 + id_length :]
        shared = self.private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
        info = b"WebPush: info\0" + point_of(self.private.public_key()) + sender
        key_material = _expand(_mac(self.auth, shared), info, 32)
        pseudorandom = _mac(salt, key_material)
        key = _expand(pseudorandom, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _expand(pseudorandom, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(key).decrypt(nonce, sealed, None)
        return padded.rstrip(b"\0")[:-1]  # of the delimiter


def _mac(key: bytes, data: bytes) -> bytes:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(data)
    return mac.finalize()


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


class PushService:
    """The service: `subscribe` makes a browser; `answers` are the statuses of the next messages, instead of 201."""

    def __init__(self, folder: Path) -> None:
        self.authority, self._context = certificates.make(folder)
        self.browsers: dict[str, Browser] = {}
        self.answers: list[int] = []
        self.location = ""  # of the answers 307
        self.asked = 0
        handler = type("_BoundHandler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.socket = self._context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def subscribe(self, application_key: str, name: str = "") -> Browser:
        path = f"/push/{name or len(self.browsers)}"
        self.browsers[path] = Browser(f"https://{self.host}{path}", application_key)
        return self.browsers[path]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Take a message for a browser; return the status of the answer. The names of `headers` are in lower case."""
        self.asked += 1
        if self.answers and (status := self.answers.pop(0)) != 201:
            return status
        browser = self.browsers.get(path)
        if browser is None:
            return 404
        if len(body) > MOST_BYTES:
            return 413
        if not headers.get("ttl", "").isdigit() or len(headers.get("topic", "")) > 32:
            return 400
        if headers.get("content-encoding") != "aes128gcm":
            return 415
        if not self.is_signed(headers.get("authorization", ""), browser.application_key):
            return 403
        try:
            browser.messages.append(json.loads(browser.decrypt(body)))
        except (InvalidTag, ValueError):
            return 400  # a real service cannot tell; the browser would drop it
        browser.headers.append(headers)
        return 201

    def is_signed(self, authorization: str, application_key: str) -> bool:
        """Return whether a header is a valid `vapid t=..., k=...` for this service, by the key of the subscription."""
        scheme, _, rest = authorization.partition(" ")
        values = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if scheme != "vapid" or values.get("k", "").rstrip("=") != application_key:
            return False
        signed, _, signature = values["t"].rpartition(".")
        claims = json.loads(decoded(signed.split(".")[1]))
        if claims["aud"] != f"https://{self.host}" or not 0 < claims["exp"] - time.time() <= A_DAY:
            return False
        if not claims["sub"].startswith(("https://", "mailto:")):
            return False
        raw = decoded(signature)
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decoded(application_key))
        try:
            key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    service: PushService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = self.service.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(status, http.client.responses.get(status))
        if status == 307:
            self.send_header("Location", self.service.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def running(folder: Path) -> Iterator[PushService]:
    service = PushService(folder)
    try:
        yield service
    finally:
        service.stop()


def client_context(service: PushService) -> ssl.SSLContext:
    """Return what a client that trusts the service needs."""
    return ssl.create_default_context(cafile=str(service.authority))
