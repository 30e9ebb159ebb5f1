"""No batch costs more than a moment, whatever its shape, and none ends in an error page."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.batches import services as batches
from generation.batches.defaults import Defaults
from generation.batches.parsing import BatchFileError, read_rows
from generation.catalogue.entries import Entry
from generation.models import Job
from generation.requests import qualities
from tests.costs import at_most

pytestmark = pytest.mark.django_db

MOST_SECONDS = 2.0  # of processor time, for less than a megabyte
N = 900_000
SHAPES = {
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}",
    "keys twice": b"{" + b",".join(b'"k%d":1' % (n // 2) for n in range(50_000)) + b"}",
    "many columns": b"prompt," + b",".join(b"k%d" % n for n in range(100_000)),
    "one column many times": b"prompt," * 100_000,
    "commas": b"prompt,fps\n" + b"," * N,
    "rows of commas": b"prompt,fps\n" + b"x,,,,,,,,,,,\n" * 60_000,
    "quotes": b"prompt,fps\n" + b'"' * N,
    "quoted lines": b"prompt,fps\n" + b'"a""\n' * 150_000,
    "line ends": b"\n" * N,
    "mixed line ends": b"a\r\n\r\n\n\r" * 100_000,
    "rows": b"a\n" * 60_000,
    "as many rows as may be": b"a red heart\n" * 10_000,
    "as many wrong rows as may be": b"prompt,fps,steps,seed,size\n" + b"x,7,a,b,c\n" * 10_000,
    "brackets": b'{"prompt":' + b"[" * N,
    "braces": b'{"a":' * 150_000,
    "array of arrays": b"[" * N,
    "array of nothing": b"[" + b"{}," * 300_000,
    "array of rows": b"[" + b'{"prompt":"a"},' * 10_000 + b'{"prompt":"a"}]',
    "array with a long row": b'[{"prompt":"' + b"a" * N + b'"}]',
    "digits": b'{"seed":' + b"1" * N + b"}",
    "a number beyond all": b'{"prompt":"a","seed":1e999999,"guidance":-1e999999}',
    "spaces": b" " * N + b"x",
    "spaces in an array": b"[" + b" " * N + b"x",
    "NULs": b"\0" * N,
    "bytes": b"\xff" * N,
    "code page": b"\xb9" * N,
    "marks": b"\xef\xbb\xbf" * 300_000,
    "UTF-16": b"\xff\xfe" + b"\x3d\xd8" * 400_000,
    "LoRAs": b'{"prompt":"a","motion_loras":"' + b"a:0,1;" * 10_000 + b'"}',
    "colons": b'{"prompt":"a","motion_loras":"' + b":" * 60_000 + b'"}',
    "direction marks": b'{"prompt":"' + "\u202a".encode() * 20_000 + b'"}',
    "delimiter": b"sep=" * 200_000,
}


def post(client, data: bytes, name: str = ""):
    """Send a batch."""
    form = {"aspect": "1:1", "seconds": "2", "quality": "draft", "lines": ""}
    file = SimpleUploadedFile(name or "batch", data)
    return client.post(reverse("generation:create-many"), {**form, "file": file})


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl", ".json", ""])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_less_than_a_megabyte_takes_long_to_read(shape, suffix):
    with at_most(MOST_SECONDS):
        try:
            read_rows(SHAPES[shape], name=f"batch{suffix}")
        except BatchFileError as error:
            assert str(error)


@pytest.mark.thorough
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_takes_the_page_long(signed_in, shape):
    assert len(SHAPES[shape]) < 1_000_000
    with at_most(MOST_SECONDS):
        response = post(signed_in, SHAPES[shape])
    assert response.status_code in (200, 302)


def test_many_keys_are_refused_by_the_page(signed_in):
    with at_most(MOST_SECONDS):
        response = post(signed_in, SHAPES["many keys"], "a.jsonl")
    assert "too" in response.context["form"].problems[0]["text"]


@pytest.mark.usefixtures("native_sizes")
def test_the_size_of_rows_without_one_is_found_once_and_not_once_per_row(monkeypatch):
    seen, quality_of = [], qualities.quality_of
    monkeypatch.setattr(qualities, "quality_of", lambda *of, **more: (seen.append(of), quality_of(*of, **more))[1])
    qualities.usual_size.cache_clear()
    rows = read_rows(b"prompt,model\n" + b"a wave,tides\n" * 200, format="csv")
    assert {entry.request.width for entry in batches.check(rows) if entry.request} == {856}
    assert len(seen) == 1


def test_models_are_looked_for_once_and_not_once_per_row(monkeypatch):
    seen = []
    is_available = Entry.is_available
    monkeypatch.setattr(
        Entry, "is_available", lambda entry, home: (seen.append(entry.id), is_available(entry, home))[1]
    )
    Defaults("1:1", 2, "draft").of(read_rows(b"a red heart\n" * 200))
    assert len(seen) == len(set(seen))


def test_more_rows_than_may_wait_are_refused_before_they_are_checked(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 3
    response = post(signed_in, b"a red heart\n" * 4)
    assert response.context["form"].errors["file"] == [
        "That is 4 clips, and at most 3 may wait at a time. Use fewer lines."
    ]
    assert post(signed_in, b"a red heart\n" * 3).status_code == 302


def test_a_batch_that_takes_too_long_to_check_is_refused(signed_in, monkeypatch):
    monkeypatch.setattr("generation.batches.forms.MAX_CPU_SECONDS", 0)
    response = post(signed_in, b"a red heart\n" * 10)
    assert response.context["form"].errors["file"] == ["This takes too long to check. Use fewer lines."]
    assert not Job.objects.exists()


def test_whoever_sends_too_many_keeps_what_was_typed(signed_in, settings):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "read_file": "1/m/user"}
    lines = {"lines": "a wrong line " * 200, "aspect": "1:1", "seconds": "2", "quality": "draft"}
    assert signed_in.post(reverse("generation:create-many"), lines).status_code == 200
    refused = signed_in.post(reverse("generation:create-many"), lines)
    assert refused.status_code == 429
    assert "a wrong line" in refused.content.decode()
    assert "You are submitting too fast" in refused.content.decode()


PARTS = st.sampled_from(
    [*b'{}[],;:"\t\n\r\\#=-1e.9', 0, 0xFF, 0xFE, 0xEF, 0xBB, 0xBF, 0xB9, *b"prompt seed guidance motion_loras null NaN"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(PARTS, max_size=300).map(bytes) | st.binary(max_size=300),
    suffix=st.sampled_from(["", ".csv", ".json"]),
)
def test_nothing_ends_in_an_error(signed_in, data, suffix):
    settings_of_page = {"aspect": "1:1", "seconds": "2", "quality": "draft"}
    file = SimpleUploadedFile(f"a{suffix}", data)
    response = signed_in.post(reverse("generation:create-many"), {**settings_of_page, "file": file})
    assert response.status_code in (200, 302, 429)
