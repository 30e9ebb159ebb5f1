"""A signed-in person at a site of any version, who uses its addresses alone.

The requests are made by Django's test client in a process of the site's own code, beside the running site: what it
queues goes to the site's database and broker. So nothing here depends on how that version is built.
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
    """Ask for a page; `person` is a user name, or '' for nobody."""
    return (person, address, None, {})


def post(person: str, address: str, files: dict[str, Path] | None = None, **data: str) -> Request:
    """Send a form."""
    return (person, address, data, {name: str(path) for name, path in (files or {}).items()})


def visit(site: Site, *requests: Request) -> list[dict[str, Any]]:
    """Make these requests in turn; returns the `status`, the address it leads `to` and the `html` of each."""
    return json.loads(site.python(_CODE.format(requests=json.dumps(requests))))


def make_people(site: Site, *names: str) -> None:
    """People who sign in by other means than a password."""
    site.python(
        "from django.contrib.auth import get_user_model\n"
        f"for name in {names!r}: get_user_model().objects.create_user(name, name + '@example.org')"
    )
