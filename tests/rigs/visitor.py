"""A signed-in user of a site of any version, acting only through its addresses.

Django's test client makes the requests in a process running the site's own code, next to the running site, and queues
jobs in the site's database and broker. Nothing here depends on the internals of that version.
"""

import json
from pathlib import Path
from typing import Any

from tests.site import Site

_CODE = """
import json
from contextlib import ExitStack
from django.contrib.auth import get_user_model
from django.test import Client
answers = []
for person, address, data, files in json.loads({requests!r}):
    client = Client(SERVER_NAME="127.0.0.1")
    if person:
        client.force_login(get_user_model().objects.get(username=person))
    with ExitStack() as opened:
        sent = {{name: opened.enter_context(open(path, "rb")) for name, path in files.items()}}
        answer = client.get(address) if data is None else client.post(address, {{**data, **sent}})
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    html = answer.content.decode() if is_page else ""
    answers.append({{"status": answer.status_code, "to": answer.headers.get("Location", ""), "html": html}})
print(json.dumps(answers))
"""

Request = tuple[str, str, dict[str, str] | None, dict[str, str]]


def get(person: str, address: str) -> Request:
    """Return a request for a page; `person` is a username, or '' for anonymous."""
    return (person, address, None, {})


def post(person: str, address: str, files: dict[str, Path] | None = None, **data: str) -> Request:
    """Return a form submission."""
    return (person, address, data, {name: str(path) for name, path in (files or {}).items()})


def visit(site: Site, *requests: Request) -> list[dict[str, Any]]:
    """Make these requests in turn and return each one's `status`, the address it redirects `to`, and its `html`."""
    return json.loads(site.python(_CODE.format(requests=json.dumps(requests))))


def make_people(site: Site, *names: str) -> None:
    """Create users who have no password to sign in with."""
    site.python(
        "from django.contrib.auth import get_user_model\n"
        f"for name in {names!r}: get_user_model().objects.create_user(name, name + '@example.org')"
    )
