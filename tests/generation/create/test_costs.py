"""Whatever is posted to the create page costs a moment and ends in no error page."""

import io
import json
import string

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.requests.fields import FIELDS
from tests.costs import at_most
from tests.generation.batches.test_costs import MOST_SECONDS

pytestmark = pytest.mark.django_db

ADDRESSES = ("create", "create-edit", "create-summary", "create-sweep", "create-save-preset", "create-from-file")
VALID = {"prompt": "a red heart", "aspect": "1:1", "seconds": "2", "quality": "standard", "variations": "1"}
LONG = 200_000
VALUES = {
    "digits": "1" * LONG,
    "a number beyond all": "1e999999",
    "minus one": "-1",
    "not a number": "nan",
    "spaces": " " * LONG + "x",
    "commas": "1," * (LONG // 2),
    "NULs": "\0" * 100,
    "combining marks": "a" + "\u0301" * (LONG // 2),
    "what grows when it is normalized": "\ufdfa" * 1000,
    "unknown words": " ".join(a + b + "zq" for a in string.ascii_lowercase for b in string.ascii_lowercase)[:1000],
    "brackets": "[" * LONG,
}
NAMES = (*(name for name in FIELDS if not name.endswith("_loras")), "aspect", "short_side", "variations", "lora-ink")


def address_of(name: str) -> str:
    return reverse(f"generation:{name}")


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("address", ["create", "create-summary", "create-edit"])
def test_no_value_of_all_fields_takes_long(signed_in, address, value):
    with at_most(MOST_SECONDS):
        response = signed_in.post(address_of(address), {**dict.fromkeys(NAMES, value[:20_000]), "prompt": value})
    assert response.status_code in (200, 302)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    address=st.sampled_from(ADDRESSES),
    values=st.dictionaries(
        st.sampled_from([*NAMES, "across", "across_values", "down", "down_values", "preset_name"]),
        st.sampled_from([value[:2000] for value in VALUES.values()]) | st.text(max_size=30),
        max_size=8,
    ),
)
def test_nothing_that_is_posted_ends_in_an_error(signed_in, address, values):
    response = signed_in.post(address_of(address), {**VALID, **values})
    assert response.status_code in (200, 302, 429)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=st.dictionaries(st.sampled_from(sorted(FIELDS)), JSON, max_size=8))
def test_no_settings_of_a_dropped_file_end_in_an_error(signed_in, request):
    text = json.dumps({"auravideo": 1, "request": request}).encode()
    blocks = b"".join(bytes([len(part)]) + part for part in (text[n : n + 255] for n in range(0, len(text), 255)))
    file = io.BytesIO(b"GIF89a" + b"\0" * 7 + b"\x21\xfe" + blocks + b"\0\x3b")
    file.name = "clip.gif"
    response = signed_in.post(address_of("create-from-file"), {**VALID, "video_file": file})
    assert response.status_code == 200


def test_a_seed_of_minus_one_is_a_random_one(signed_in):
    response = signed_in.post(address_of("create") + "?mode=advanced", {**VALID, "short_side": "128", "seed": "-1"})
    assert response.status_code == 302, response.context["form"].errors
    page = signed_in.get(address_of("create") + "?mode=advanced").content.decode()
    assert 'min="-1"' in page
