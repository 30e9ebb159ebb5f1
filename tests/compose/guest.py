"""A person with a browser's habits at the published port: cookies, forms with their hidden fields, redirects."""

import re
import uuid
from pathlib import Path
from typing import Any

import requests

from tests.html_forms import fields_of
from tests.rigs.containers.engine import Engine

PASSWORD = "a lamp in the fog"
SITE = "http://localhost:8000"
SECONDS = 30  # for one answer


class Guest:
    """Someone who acts through HTTP alone, in the engine's network.

    Args:
        engine: whose network.
        site: the address of the site.
        authority: the certificate of the authority to trust, for an address with https.
    """

    def __init__(self, engine: Engine, site: str = SITE, authority: Path | None = None) -> None:
        self.engine = engine
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False  # it has variables that name other authorities
        self.session.verify = str(authority) if authority else True
        if site.startswith("https:"):
            self.session.headers["Referer"] = f"{site}/"  # Django asks for it there, and browsers send it
        self.name = f"ada{uuid.uuid4().hex[:8]}"

    def get(self, path: str) -> requests.Response:
        """Return the answer, after redirects. Raise if it is an error."""
        return self._ask("GET", path)

    def post(
        self, path: str, form: str, *, to: str = "", files: dict[str, tuple[str, bytes]] | None = None, **fields: str
    ) -> requests.Response:
        """Open a page, fill in its form with this id or class, submit it to the same address or `to`."""
        values = fields_of(self.get(path).text, form)
        assert values.get("csrfmiddlewaretoken"), f"{path} has no form {form!r}"
        return self._ask("POST", to or path, data={**values, **fields}, files=files)

    def sign_up(self, invitation: str = "") -> "Guest":
        """Sign up, where that takes one with the invitation at this path."""
        if invitation:
            self.get(invitation)
        who = {"username": self.name, "email": f"{self.name}@example.org"}
        answer = self.post("/accounts/signup/", "form", **who, password1=PASSWORD, password2=PASSWORD)
        assert answer.url == f"{self.site}/create/", "signing up does not lead to the page for creating"
        assert self.name in answer.text
        return self

    def sign_in(self) -> "Guest":
        self.session.cookies.clear()
        answer = self.post("/accounts/login/", "form", login=self.name, password=PASSWORD)
        assert answer.url == f"{self.site}/create/"
        return self

    def create(self, prompt: str, **asked: str) -> str:
        """Submit a clip; return its job's ID."""
        answer = self.post("/create/?mode=advanced", "create-form", prompt=prompt, **asked)
        found = re.fullmatch(rf"{self.site}/jobs/([0-9a-f-]{{36}})/", answer.url)
        assert found, f"the form was not accepted:\n{answer.text}"
        return found[1]

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        with self.engine.network():
            answer = self.session.request(method, f"{self.site}{path}", timeout=SECONDS, **options)
        answer.raise_for_status()
        return answer
