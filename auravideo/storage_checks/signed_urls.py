"""The checks of signed URLs, by which browsers load videos: they work, expire, cannot be changed, and are needed."""

import ssl
import time
import urllib.error
import urllib.request
import urllib.response
from collections.abc import Callable, Mapping
from typing import Any

from auravideo.core.s3 import S3Storage
from auravideo.storage_checks.findings import Problem, State, Step

TIMEOUT_SECONDS = 10
SHORT_SECONDS = 1
PUBLIC = "S3_PUBLIC_ENDPOINT_URL"
OPEN = "Take away the anonymous access: remove the bucket's public policy or ACL, and anonymous users of the store."
WEAK = "Use another store: this one lets strangers in (docs/operating.md names those we tested)."


class SignedUrls:
    """Args:
    storage: the store as this machine reaches it.
    public: the storage that signs URLs for browsers.
    key: a stored object.
    content: returns its content.
    """

    def __init__(self, storage: S3Storage, public: S3Storage, key: str, content: Callable[[], bytes]) -> None:
        self.storage, self.public, self.key, self.content = storage, public, key, content

    def steps(self) -> list[Step]:
        return [
            ("signed URL for browsers", self.works),
            ("signed URL with a range", self.has_ranges),
            ("signed URL expires", self.expires),
            ("changed URL is refused", self.cannot_be_changed),
            ("no access without a URL", self.is_needed),
        ]

    def works(self) -> str:
        """Load the object as a browser does, from the public address."""
        disposition = 'attachment; filename="check.mp4"'
        parameters = {"ResponseContentType": "video/mp4", "ResponseContentDisposition": disposition}
        where = self.public.endpoint_url or "Amazon"
        try:
            answer = self._fetch(self.public.url(self.key, parameters=parameters))
        except OSError as error:
            reason = getattr(error, "reason", error)
            fix = f"If browsers reach it, all is well. Otherwise set {PUBLIC} to the address at which they do."
            raise Problem(f"this machine cannot reach {where}: {reason}", fix, State.WARNING) from error
        if answer.code == 403:
            fix = f"The proxy at {PUBLIC} must pass on the Host header unchanged; signatures cover it."
            raise Problem(f"{where} refuses it: {answer.text}", fix)
        if answer.code != 200 or answer.body != self.content():
            raise Problem(f"{where} answers {answer.code} {answer.text}", f"Check {PUBLIC}.")
        got = (answer.headers.get("Content-Type"), answer.headers.get("Content-Disposition"))
        if got != ("video/mp4", disposition):
            fix = "Downloads will have odd names. Use a store that honours response-content-disposition."
            raise Problem(f"the headers asked for are not used: {got}", fix, State.WARNING)
        return where

    def has_ranges(self) -> str:
        answer = self._fetch(self.storage.url(self.key), {"Range": "bytes=10-19"})
        if answer.code != 206 or answer.body != self.content()[10:20]:
            raise Problem(f"it answers {answer.code}", "Browsers could not seek in videos. Use another store.")
        return ""

    def expires(self) -> str:
        url = self.storage.url(self.key, expire=SHORT_SECONDS)
        time.sleep(SHORT_SECONDS + 1.1)  # S3 counts whole seconds
        status = self._fetch(url).code
        if status < 400:
            raise Problem(f"it still works after its {SHORT_SECONDS} s", WEAK)
        return f"answers {status}"

    def cannot_be_changed(self) -> str:
        url = self.storage.url(self.key)
        signature = url.partition("X-Amz-Signature=")[2][:8]
        for other in (
            url.replace("X-Amz-Expires=", "X-Amz-Expires=9"),
            url.replace(signature, "0" * len(signature)),
            url.replace("?", "0?", 1),
        ):
            if other == url or self._fetch(other).code < 400:
                raise Problem("a URL with a changed name, time or signature works", WEAK)
        return ""

    def is_needed(self) -> str:
        """Try to read, list and store as a stranger."""
        plain = self.storage.url(self.key).partition("?")[0]
        folder = plain.removesuffix(self.key)
        opened = [
            name
            for name, answer in (
                ("read", self._fetch(plain)),
                ("list", self._fetch(f"{folder}?list-type=2")),
                ("store", self._fetch(f"{plain}.stranger", method="PUT", body=b"x")),
            )
            if answer.code < 400
        ]
        if "store" in opened:
            self.storage.delete(f"{self.key}.stranger")
        if opened:
            raise Problem(f"strangers can {', '.join(opened)}", OPEN)
        return ""

    def _fetch(self, url: str, headers: Mapping[str, str] | None = None, **options: Any) -> "Answer":
        return fetch(url, headers or {}, authority=self.storage.verify or None, **options)


class Answer:
    """A response, whatever its status."""

    def __init__(self, response: urllib.response.addinfourl | urllib.error.HTTPError) -> None:
        self.code: int = response.status or 0
        self.headers, self.body = response.headers, response.read()

    @property
    def text(self) -> str:
        """Return the beginning of the body, if it is text."""
        return " ".join(self.body[:300].decode("utf-8", "replace").split())


def fetch(
    url: str,
    headers: Mapping[str, str],
    *,
    method: str = "GET",
    body: bytes | None = None,
    authority: str | None = None,
) -> Answer:
    """Send a request without credentials. Raise OSError if nobody answers.

    `authority`: the file of the certificate authority to trust, if not the usual ones.
    """
    request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310  the operator's own store
    context = ssl.create_default_context(cafile=authority)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as response:  # noqa: S310  as above
            return Answer(response)
    except urllib.error.HTTPError as error:
        return Answer(error)
