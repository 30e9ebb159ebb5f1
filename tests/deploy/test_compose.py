"""The compose files are safe by default, complete, and explained."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from generation.domain.stages import QUEUES
from tests.auravideo.test_settings_guide import GUIDE, documented

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
GPU = yaml.safe_load((ROOT / "compose.gpu.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("auravideo-")}
ONE_SHOT = {"migrate", "storage"}

VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
EXAMPLE = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
# Docker Compose itself reads these.
COMPOSES_OWN = {"COMPOSE_FILE", "COMPOSE_PROFILES"}

# Settings that compose.yaml decides, or that make no sense in a container: operators cannot set them in .env.
DECIDED = {
    "AURAVIDEO_HOME",
    "AURAVIDEO_PUBLISHED",  # PUBLISH
    "AURAVIDEO_STATIC",
    "DEBUG",
    "HOST",
    "PORT",
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "REDIS_URL",
    *("BROKER_URL", "BROKER_PASSWORD"),  # Redis carries the messages
    "S3_BUCKET",
    "S3_ENDPOINT_URL",
    "S3_REGION",
    # For another store than the one that comes along.
    *("S3_ADDRESSING", "S3_ATTEMPTS", "S3_CA_BUNDLE", "S3_CHECKSUMS", "S3_CONNECT_TIMEOUT", "S3_READ_TIMEOUT"),
    "S3_FRAMES_DAYS",
    "SECRET_KEY_FALLBACKS",  # while a key is changed: docs/security.md
    "EMAIL_PASSWORD",  # part of the secret EMAIL_URL
    *(
        "AURAVIDEO_ENV",
        "AURAVIDEO_HEARTBEAT",
        "AURAVIDEO_WEB_PROCESSES",
        "AURAVIDEO_WORKERS",
        "AURAVIDEO_ANSWER_WITHIN",  # of `serve`
    ),  # one process a container
    "OTEL_EXPORTER_OTLP_ENDPOINT",  # the images don't contain the extra
}


def used() -> dict[str, str]:
    """Return every variable of the compose files with its default; '' if it has none."""
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "compose.gpu.yaml").read_text()
    found = VARIABLE.findall(text.replace("$$", ""))
    assert len(found) > 20, "no variables were found"
    return {name: default if kind == "-" else "" for name, kind, default in reversed(found)}


def explained() -> dict[str, str]:
    return dict(EXAMPLE.findall((ROOT / ".env.example").read_text()))


def long_running(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if name not in ONE_SHOT}


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_the_example_explains_every_variable_and_no_other():
    assert set(used()) - set(explained()) == set(), "explain these in .env.example"
    assert set(explained()) - set(used()) == COMPOSES_OWN, "nothing reads these"


def test_the_example_shows_the_defaults():
    settings = documented(GUIDE)
    shown, defaults = explained(), used()
    for name, default in defaults.items():
        named = re.fullmatch("`(.*)`", settings.get(name, ""))
        expected = default or (named[1] if named else "")
        assert name == "SITE_HOST" or shown[name] == expected, name


def test_every_setting_of_the_site_can_be_set_here_or_is_decided():
    passed = set(COMPOSE["x-site"]["environment"])
    settings = {name.removesuffix("_FILE") for name in documented(GUIDE)} - DECIDED
    missing = {name for name in settings if name not in passed and f"{name}_FILE" not in passed}
    assert missing == set(), "pass these on in x-site, or decide them"


def test_every_comment_of_the_example_is_followed_by_what_it_explains():
    blocks = [block for block in (ROOT / ".env.example").read_text().split("\n\n") if not block.startswith("# ---")]
    assert [block for block in blocks[1:] if not EXAMPLE.search(block)] == []


# --- Safety -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_more_rights_than_it_needs(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", ())) <= {"NET_BIND_SERVICE"}
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "volumes_from"} & set(service)
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_logs_rotate_and_processes_are_bounded(name):
    assert set(SERVICES[name]["logging"]["options"]) == {"max-size", "max-file"}
    assert SERVICES[name]["pids_limit"] > 0


def test_only_the_site_and_the_proxy_can_be_reached_from_other_machines():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    open_to_all = {name for name, ports in published.items() for port in ports if not port.startswith("127.0.0.1:")}
    assert open_to_all == {"web", "proxy"}
    assert published["web"] == ["${PUBLISH:-127.0.0.1:8000}:8000"], "by default, this machine only"
    assert "ports" not in SERVICES["store"], "its other ports have no sign-in"


def test_the_internal_network_is_internal_and_all_are_in_it():
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all("inside" in service["networks"] for service in SERVICES.values())
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside - set(SERVICES) == set()
    assert outside.isdisjoint({"database", "broker", "store", "generate", "interpolate", "upscale", "scheduler"})


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_a_version(name):
    image = SERVICES[name]["image"]
    assert image.startswith("auravideo-") or re.search(r":v?\d+(\.\d+)*(-\w+)?$", image), image


def test_no_secret_is_in_an_environment_or_a_command():
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            is_secret = re.search("PASSWORD|SECRET|TOKEN|KEY", key) is not None
            assert not is_secret or str(value).startswith("/run/secrets/"), f"{name}: {key}"


def test_secrets_are_generated_mounted_and_used(tmp_path):
    subprocess.run([sys.executable, ROOT / "deploy" / "make_secrets.py", tmp_path], check=True, capture_output=True)
    generated = {path.name for path in (tmp_path / "secrets").iterdir()}
    mounted = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert set(COMPOSE["secrets"]) == generated == mounted
    assert all(secret["file"] == f"secrets/{name}" for name, secret in COMPOSE["secrets"].items())


def test_a_secret_is_mounted_where_its_path_is_named():
    for name, service in SERVICES.items():
        text = yaml.safe_dump(service)
        if name == "flower":
            text += (ROOT / "deploy" / "flower" / "flowerconfig.py").read_text()
        paths = set(re.findall(r"/run/secrets/(\w+)", text))
        assert paths <= set(service.get("secrets", ())), name


# --- What runs --------------------------------------------------------------------------------------------------------


def test_every_queue_has_a_worker():
    queues = {re.search(r"--queues=(\w+)", service["command"])[1]: name for name, service in workers().items()}
    assert queues == {queue: queue for queue in QUEUES}


def workers() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in OURS.items() if " worker " in str(service.get("command"))}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_what_runs_all_the_time_comes_back_and_is_watched(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    if "profiles" not in SERVICES[name]:
        assert "test" in SERVICES[name]["healthcheck"]


def test_the_site_waits_until_it_can_work():
    for name, service in OURS.items():
        if name not in ONE_SHOT and "profiles" not in service:
            waits = {other: how["condition"] for other, how in service["depends_on"].items()}
            done = "service_completed_successfully"
            assert waits == {"broker": "service_healthy", "migrate": done, "storage": done}, name


def test_no_argument_keeps_its_quotes():
    """In a list, YAML takes quotes in the middle of a word (--from=":80") for part of it."""
    lists = [(name, service.get(key)) for name, service in SERVICES.items() for key in ("command", "entrypoint")]
    arguments = [(name, argument) for name, given in lists if isinstance(given, list) for argument in given]
    assert len(arguments) > 20
    assert [(name, argument) for name, argument in arguments if re.match(r"-[\w.-]+=[\"']", argument)] == []


def test_a_worker_has_time_to_hand_its_clip_back():
    assert all(service["stop_grace_period"] == "30s" for service in workers().values())


def test_the_gpu_file_changes_exactly_the_workers_that_use_a_card():
    assert set(GPU["services"]) == {"generate", "interpolate", "upscale"}
    for service in GPU["services"].values():
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia"
        assert device["capabilities"] == ["gpu"]


def test_builds_name_targets_of_the_dockerfile():
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE))
    services = [*OURS.items(), *((name, service) for name, service in GPU["services"].items() if "build" in service)]
    for name, service in services:
        assert service["build"]["target"] in targets, name
        assert service["image"] == f"auravideo-{service['build']['target']}:${{AURAVIDEO_TAG:-local}}", name
    assert shlex.split(SERVICES["cpu"]["command"])[0] == "celery"
