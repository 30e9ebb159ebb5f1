"""Every URL of the site against every kind of user; tests/access_table.py has the expected answers."""

from fnmatch import fnmatchcase
from urllib.parse import parse_qs

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from auravideo.routing import websocket_urlpatterns
from tests.access_table import ACCESS
from tests.addresses import Address, addresses
from tests.factories import UserFactory
from tests.persons import sign_in
from tests.sampling import thorough

HEADER, *ROWS = [line.split() for line in ACCESS.strip().splitlines() if line.strip()]
PERSONS = HEADER[2:]
EXACT = {row[0] for row in ROWS if "*" not in row[0]}
SOCKETS = [row for row in ROWS if row[1] == "WS"]


def rows_of(address: Address) -> list[list[str]]:
    """Return the table's rows for a URL: those with its exact name, otherwise those with a matching pattern."""
    if address.name in EXACT:
        return [row for row in ROWS if row[0] == address.name]
    return [row for row in ROWS if "*" in row[0] and fnmatchcase(address.name, row[0])]


CASES = [(address, row) for address in addresses() for row in rows_of(address)]


def test_every_address_is_in_the_table():
    assert [address.name for address in addresses() if not rows_of(address)] == []
    assert {str(pattern.pattern) for pattern in websocket_urlpatterns if str(pattern.pattern)} == {
        row[0] for row in SOCKETS
    }


def test_the_table_names_no_address_that_is_not_there():
    used = {tuple(row) for _address, row in CASES} | {tuple(row) for row in SOCKETS}
    assert [row for row in ROWS if tuple(row) not in used] == []


def test_the_table_is_whole():
    assert [row for row in ROWS if len(row) != len(HEADER)] == []


def test_our_addresses_are_named_with_hyphens():
    names = [address.name for address in addresses()]
    ours = [name for name in names if name.startswith(("accounts:", "gallery:", "generation:"))]
    assert len(ours) > 50
    assert [name for name in ours if "_" in name] == []


FOR_MEMBERS = [(address, row) for address, row in CASES if row[2] == "in" and not address.route.startswith("/admin/")]


def answer(response) -> str:
    """Return a response in the table's notation."""
    if response.status_code != 302:
        return str(response.status_code)
    entrances = (reverse("account_login"), reverse("admin:login"))
    return "in" if response.url.partition("?")[0] in entrances else "to"


class TestAccess:
    """A single class, so that its tests share one world."""

    @pytest.mark.parametrize(("address", "row"), CASES, ids=lambda value: getattr(value, "name", None) or value[1])
    @pytest.mark.parametrize("person", [*PERSONS[:3], *map(thorough, PERSONS[3:])])
    def test_everybody_gets_what_the_table_says(self, client, world, address, row, person):
        if world.persons[person] is not None:
            sign_in(client, world.persons[person])
        response = client.generic(row[1], address.path(world.values))
        assert answer(response) == dict(zip(HEADER, row, strict=True))[person]

    @pytest.mark.parametrize(
        ("address", "row"), FOR_MEMBERS, ids=lambda value: getattr(value, "name", None) or value[1]
    )
    def test_a_part_of_a_page_that_needs_signing_in_takes_the_whole_page_there(self, client, world, address, row):
        path = address.path(world.values)
        headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/videos/?q=heart"}
        response = client.generic(row[1], path, headers=headers)
        assert (response.status_code, response.content) == (200, b"")
        login, _, query = response["HX-Redirect"].partition("?")
        assert login == reverse("account_login")
        assert path not in parse_qs(query).get("next", [])  # but the page that it is a part of


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("row", SOCKETS, ids=lambda row: row[0])
@pytest.mark.parametrize("person", PERSONS)
async def test_a_socket_opens_for_whom_the_table_says(row, person):
    socket = WebsocketCommunicator(URLRouter(websocket_urlpatterns), f"/{row[0]}")
    socket.scope["user"] = AnonymousUser() if person == "anonymous" else await sync_to_async(UserFactory)()
    opened, _code = await socket.connect()
    await socket.disconnect()
    assert ("open" if opened else "shut") == dict(zip(HEADER, row, strict=True))[person]
