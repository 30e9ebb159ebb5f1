"""The scan finds a secret in every place where one could end up, and says nothing about a clean project."""

import tempfile
import time
from pathlib import Path

import pytest

from tests.rigs.containers import images, secret_scan

SECRETS = {"password": "8c1f0e5b7d5f4b7c", "key": 'with "quotes" and more'}


def test_a_secret_is_found_as_it_is_and_as_json_writes_it():
    assert secret_scan.in_text(SECRETS, "postgres://me:8c1f0e5b7d5f4b7c@database") == {"password"}
    assert secret_scan.in_text(SECRETS, r'{"KEY": "with \"quotes\" and more"}') == {"key"}
    assert secret_scan.in_text(SECRETS, "8c1f0e5b, with quotes and more") == set()


@pytest.fixture
def built(engine):
    """Return a function that builds an image of these lines on the base image."""
    images.provide(engine, [])
    made = []

    def build(*lines: str) -> str:
        made.append(f"planted:{len(made)}")
        with tempfile.TemporaryDirectory(dir=engine.folder) as context:
            Path(context, "Dockerfile").write_text("\n".join([f"FROM {images.BASE}", *lines]) + "\n")
            engine.docker("build", "--quiet", "--tag", made[-1], context)
        return made[-1]

    yield build
    for image in made:
        engine.docker("image", "rm", "--force", image)


@pytest.mark.containers
@pytest.mark.parametrize(
    ("lines", "places"),
    [
        (["RUN echo harmless"], set()),
        (["ENV PASSWORD=8c1f0e5b7d5f4b7c"], {"image planted:0"}),
        (["ARG P=8c1f0e5b7d5f4b7c", "RUN : $P"], {"image planted:0"}),
        (["RUN printf 8c1f0e5b > /a && printf 7d5f4b7c >> /a"], {"layers"}),
        (["RUN printf 8c1f0e5b > /a && printf 7d5f4b7c >> /a", "RUN rm /a"], {"layers"}),  # deleted, and still there
    ],
    ids=["clean", "environment", "argument", "file", "deleted file"],
)
def test_a_secret_in_an_image_is_found(engine, built, lines, places):
    image = built(*lines)
    assert secret_scan.in_images(engine, SECRETS, [image]) == {place: {"password"} for place in places}


@pytest.mark.containers
@pytest.mark.parametrize(
    ("options", "command", "places"),
    [
        ([], "sleep 100", set()),
        (["--env", "PASSWORD=8c1f0e5b7d5f4b7c"], "sleep 100", {"inspect"}),
        ([], "printf 8c1f0e5b; echo 7d5f4b7c; sleep 100", {"logs"}),
        ([], "printf 8c1f0e5b >&2; echo 7d5f4b7c >&2; sleep 100", {"logs"}),
        ([], "exec python3 -c 'import time; time.sleep(100)' $(printf 8c1f0e5b)7d5f4b7c", {"top"}),
    ],
    ids=["clean", "environment", "output", "errors", "command"],
)
def test_a_secret_in_a_container_is_found(engine, options, command, places):
    images.provide(engine, [])
    name = "planted"
    engine.docker("run", "--detach", "--init", "--name", name, *options, images.BASE, "sh", "-c", command)
    try:
        for _ in range(20):
            found = secret_scan.in_containers(engine, SECRETS, [name])
            if found or not places:
                break
            time.sleep(0.1)
        assert {place.split()[0]: names for place, names in found.items()} == {place: {"password"} for place in places}
    finally:
        engine.docker("rm", "--force", name)
