"""Strict readers of environment variables: an invalid value stops start-up with one line that names the variable."""

import os
import secrets
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from auravideo.core.files import create_once

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}
_SOCKET_PATH_LIMIT = 100  # below sockaddr_un's 108 bytes on Linux


def text(name: str, default: str = "") -> str:
    """Return the variable `name`, stripped; `default` if it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    """Return the variable `name` as a bool. Any other value is an error, not False."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be True or False, not {value!r}.")


def integer(name: str, default: int, minimum: int, maximum: int) -> int:
    """Return the variable `name` as an int in [minimum, maximum]."""
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} must be between {minimum} and {maximum}, not {number}.")
    return number


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return the variable `name`, which must be one of `choices`."""
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def words(name: str, default: list[str]) -> list[str]:
    """Return the comma-separated variable `name` as a list."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else default


def url(name: str, schemes: tuple[str, ...]) -> str:
    """Return the variable `name` as a URL with one of `schemes`, or '' if it is unset."""
    value = text(name)
    if value and urlsplit(value).scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must begin with {' or '.join(s + '://' for s in schemes)}, not {value!r}.")
    return value


def broker_url() -> str:
    """Return BROKER_URL, the address of a RabbitMQ server; '' if Redis carries the messages."""
    return url("BROKER_URL", ("amqp", "amqps"))


def home(base_dir: Path) -> Path:
    """Return the folder that holds all of the site's data (AURAVIDEO_HOME, default `var/`), creating it if needed."""
    path = Path(text("AURAVIDEO_HOME", "var"))
    path = path if path.is_absolute() else base_dir / path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"AURAVIDEO_HOME={path} cannot be used as a folder: {error.strerror}.") from None
    return path


def secret_key(folder: Path) -> str:
    """Return SECRET_KEY, the contents of SECRET_KEY_FILE, or a key generated once and kept in `folder`."""
    if key := text("SECRET_KEY"):
        return key
    path = Path(text("SECRET_KEY_FILE", str(folder / "secret_key")))
    if not path.exists():
        if text("SECRET_KEY_FILE"):
            raise ImproperlyConfigured(f"SECRET_KEY_FILE={path} does not exist.")
        create_once(path, secrets.token_urlsafe(50))
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"The secret key in {path} cannot be read: {error}.") from None
    if not key:
        raise ImproperlyConfigured(f"The secret key file {path} is empty. Delete it and start again.")
    return key


def database(folder: Path) -> dict:
    """Return DATABASES["default"]: DATABASE_URL, or SQLite in `folder`, set up for several writers."""
    location = url("DATABASE_URL", ("postgres", "postgresql", "sqlite"))
    if not location:
        config: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}
    else:
        try:
            config = environ.Env.db_url_config(location)
        except Exception as error:
            raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}.") from None
    if config["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE takes the write lock when the transaction begins, so concurrent writers wait instead of failing.
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        config["OPTIONS"] = {"timeout": 30, "transaction_mode": "IMMEDIATE", "init_command": pragmas}
    else:
        # Under ASGI each request has its own thread and so its own connection; a persistent one would never be reused.
        config["CONN_MAX_AGE"] = 0
    return config


def email(name: str = "EMAIL_URL") -> dict[str, object]:
    """Return Django's EMAIL_* settings from EMAIL_URL; emails go to the console if it is unset."""
    try:
        return environ.Env.email_url_config(text(name, "consolemail://"))
    except Exception as error:
        raise ImproperlyConfigured(f"{name} cannot be read: {error}.") from None


def redis_socket(folder: Path) -> Path:
    """Return the private Redis socket's path: in `folder`, or below the system's temporary one if that is too long."""
    path = folder / "redis" / "redis.sock"
    if len(str(path)) <= _SOCKET_PATH_LIMIT:
        return path
    name = f"auravideo-{os.getuid()}-{sha256(str(folder).encode()).hexdigest()[:12]}"
    return Path(tempfile.gettempdir()) / name / "redis.sock"
