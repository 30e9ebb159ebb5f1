"""No secret in a line, and nothing else masked."""

import json

import pytest

from auravideo.core.logs.redaction import MASK, redact

PASSWORD = 'p"ss/w\\rd+ü%1'


@pytest.fixture
def secrets(settings, monkeypatch):
    """Give the site secrets of every kind, one of them with characters that JSON and URLs escape."""
    settings.SECRET_KEY = "the-secret-key-of-django"
    settings.METRICS_TOKEN = "the-token-of-metrics"
    settings.EMAIL_HOST_PASSWORD = "the-email-password"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", PASSWORD)
    monkeypatch.setitem(settings.STORAGES["default"]["OPTIONS"], "secret_key", "the-key-of-s3")


@pytest.mark.parametrize(
    "secret", ["the-secret-key-of-django", "the-token-of-metrics", "the-email-password", PASSWORD, "the-key-of-s3"]
)
@pytest.mark.parametrize("escape", [str, repr, json.dumps, lambda text: json.dumps(text, ensure_ascii=False)])
def test_known_secrets_are_masked_however_they_are_written(secrets, secret, escape):
    line = redact(f"could not connect with {escape(secret)} at all")
    assert escape(secret).strip("'\"") not in line
    assert line.startswith("could not connect with ") and line.endswith(" at all")


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("postgres://aura:hunter22@db/x", f"postgres://aura:{MASK}@db/x"),
        ("redis://:hunter22@redis:6379/0", f"redis://:{MASK}@redis:6379/0"),
        ("https://s3/b/k?X-Amz-Signature=0a1b&X-Amz-Expires=300", f"https://s3/b/k?X-Amz-Signature={MASK}&X-Amz-Expires=300"),
        ("?X-Amz-Credential=AKIA%2F2026&x=1", f"?X-Amz-Credential={MASK}&x=1"),
        ("Cookie: sessionid=abc123def; theme=dark", f"Cookie: sessionid={MASK}; theme=dark"),
        ("{'csrftoken': 'Zz91'}", "{'csrftoken': '" + MASK + "'}"),
        ("csrfmiddlewaretoken=Zz91&prompt=a+heart", f"csrfmiddlewaretoken={MASK}&prompt=a+heart"),
        ("Authorization: Bearer abcdef123456", f"Authorization: Bearer {MASK}"),
        ("GET /s/pLq8GmM0Z0yq1bTt9H4kqz2wA/poster", f"GET /s/{MASK}/poster"),
        ("/accounts/password/reset/key/1-cxyz-123/", f"/accounts/password/reset/key/{MASK}/"),
        ("/accounts/confirm-email/MQ:1abc:xyz/", f"/accounts/confirm-email/{MASK}/"),
        ("login?password=hunter22&next=/", f"login?password={MASK}&next=/"),
    ],
)  # fmt: skip
def test_secrets_are_recognised_by_what_precedes_them(line, masked):
    assert redact(line) == masked


@pytest.mark.parametrize(
    "line",
    [
        "Finished in 1.2 s  [job=0a8d8dc1-4eb6-4d39-8f3c-1e7d2a0f6f6a run=1 stage=generate]",
        "GET /static/js/jobs.0a1b2c3d4e5f60718293.js",
        "Listening on http://127.0.0.1:8000/",
        "The prompt has 79 tokens; those after 77 are cut",
        "/jobs/0a8d8dc1-4eb6-4d39-8f3c-1e7d2a0f6f6a/",
        'File "/app/workers/s/a-folder-with-a-long-name.py", line 3'.replace("/s/", "/x/"),
    ],
)
def test_innocent_lines_stay(line):
    assert redact(line) == line


def test_a_short_password_does_not_mask_words(settings):
    settings.EMAIL_HOST_PASSWORD = "job"
    assert redact("job 5 of the job queue") == "job 5 of the job queue"
