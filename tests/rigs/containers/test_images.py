"""The stand-ins are found for what a Dockerfile names, and behave like the public images."""

import pytest

from tests.rigs.containers import images

DOCKERFILE = """\
ARG PYTHON=python:3.13-slim-trixie
ARG UV=ghcr.io/astral-sh/uv:0.13.9
FROM ${UV} AS uv
FROM --platform=linux/amd64 ${PYTHON} AS base
FROM base AS web
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv --mount=type=cache,target=/root/.cache uv --version
COPY --from=caddy:2 /usr/bin/caddy /usr/bin/
COPY --from=base /app /app
FROM scratch
"""


def test_the_public_images_of_a_dockerfile_are_found(tmp_path):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    assert images.named_in(tmp_path / "Dockerfile") == [
        "ghcr.io/astral-sh/uv:0.13.9",
        "python:3.13-slim-trixie",
        "caddy:2",
    ]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("example.org/unknown:1", "no stand-in for example.org/unknown:1"),
        ("python:3.14-slim", "what we can build is 3.13-slim-trixie"),
        ("postgres:18", "what we can build is 17"),
        ("postgres:170", "what we can build is 17"),
        ("postgres:17@sha256:00", "digest"),
    ],
)
def test_what_cannot_be_built_is_refused(image, reason):
    with pytest.raises(images.NoStandIn, match=reason):
        images.provide(None, [images.BASE, image] if "python" not in image else [image])
