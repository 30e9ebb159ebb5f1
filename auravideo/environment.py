"""Strict readers of environment variables: an invalid value stops start-up with one line that names the variable.

No message repeats the value of a secret: the line ends up in logs.
"""

import difflib
import os
import re
import secrets
import shlex
import tempfile
import zoneinfo
from email.utils import parseaddr
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from auravideo.core.files import create_once

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_TOKEN_LENGTH = 24
secret_files: set[Path] = set()  # the files from which secrets were read
_SOCKET_PATH_LIMIT = 100  # below sockaddr_un's 108 bytes on Linux


def load_file(base_dir: Path) -> None:
    """Read settings from AURAVIDEO_ENV_FILE, by default `auravideo.env` in `base_dir` if that exists.

    The site and every command read the same file, so none of them starts with other settings by accident. Its lines are
    NAME=value, quoted as for a shell. Variables that are set already win.
    """
    named = text("AURAVIDEO_ENV_FILE")
    path = Path(named) if named else base_dir / "auravideo.env"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        if not named:
            return
        raise ImproperlyConfigured(f"AURAVIDEO_ENV_FILE={path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ImproperlyConfigured(f"The settings in {path} cannot be read: {reason}.") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, value = _assignment(line, f"{path}, line {number}")
            os.environ.setdefault(name, value)


def _assignment(line: str, where: str) -> tuple[str, str]:
    """Return the name and value of `NAME=value`. No message repeats the line, which may contain a secret."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise ImproperlyConfigured(f"{where}: a quotation mark is missing.") from None
    if words[0] == "export":
        del words[0]
    name, equals, value = words[0].partition("=") if words else ("", "", "")
    if not equals or not _NAME.fullmatch(name):
        raise ImproperlyConfigured(f"{where}: this is not NAME=value.")
    if len(words) > 1:
        raise ImproperlyConfigured(f"{where}: put the value of {name} in single quotes, because it contains spaces.")
    return name, value


def text(name: str, default: str = "") -> str:
    """Return the variable `name`, stripped; `default` if it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    """Return the variable `name` as a bool, `default` if it is unset or empty. Another value is an error, not False."""
    value = text(name).lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
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


_HOST = re.compile(r"(\*\.)?([a-z0-9-]+\.)*[a-z0-9-]+(:[0-9]{1,5})?", re.IGNORECASE)


def hosts(name: str, default: list[str]) -> list[str]:
    """Return the comma-separated variable `name` as a list of host names; [] if it is `none`.

    A host may have a port, and `*.` in front means every host below it.
    """
    found = words(name, default)
    for host in found:
        if not _HOST.fullmatch(host):
            raise ImproperlyConfigured(f"{name} must name hosts such as push.example.org, not {host!r}.")
    return [] if found == ["none"] else found


def url(name: str, schemes: tuple[str, ...]) -> str:
    """Return the variable `name` as a URL with a host and one of `schemes`, or '' if it is unset."""
    value = text(name)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        is_url = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url or parts.scheme not in schemes:
        begin = " or ".join(f"{scheme}://" for scheme in schemes)
        shown = value if "@" not in value else "a value that begins otherwise"  # it may have a password
        raise ImproperlyConfigured(f"{name} must begin with {begin} and a host, not {shown!r}.")
    return value


def matching(name: str, default: str, pattern: str, example: str) -> str:
    """Return the variable `name`, which must match a regular expression in full."""
    value = text(name, default)
    if value and not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} must look like {example}, not {value!r}.")
    return value


def time_zone(name: str, default: str) -> str:
    """Return the variable `name`, the name of a time zone in IANA's database."""
    value = text(name, default)
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # the last two: a path, or a folder of zones
        near = difflib.get_close_matches(value, zoneinfo.available_timezones(), 1, 0.75) or ["Europe/Warsaw"]
        raise ImproperlyConfigured(
            f"{name} must be the name of a time zone, not {value!r}. Write {name}={near[0]}."
        ) from None
    return value


def sender(name: str, default: str) -> str:
    """Return the variable `name`, the sender of emails: an address, with or without a person's name before it."""
    value = text(name, default)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]):
        raise ImproperlyConfigured(f"{name} must be an email address, not {value!r}. Write {name}=a@example.org.")
    return value


def file_to_write(name: str) -> str:
    """Return the variable `name`, the path of a file in a folder that exists, or '' if it is unset."""
    value = text(name)
    if value and (Path(value).is_dir() or not Path(value).parent.is_dir()):
        raise ImproperlyConfigured(f"{name}={value} must be the path of a file in a folder that exists.")
    return value


def secret(name: str, default: str = "") -> str:
    """Return the variable `name`, or the contents of the file that the variable `name`_FILE names."""
    value, path = text(name), text(f"{name}_FILE")
    if not path:
        return value or default
    secret_files.add(Path(path))
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Unset one of them.")
    return _line_of(f"{name}_FILE", Path(path))


def _line_of(variable: str, path: Path) -> str:
    """Return the only line of the file that `variable` names. Docker, systemd and editors end it with a line break."""
    try:
        content = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{variable}={path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{variable}={path} is not text in UTF-8.") from None
    if not content:
        raise ImproperlyConfigured(f"{variable}={path} is empty.")
    if len(content.splitlines()) > 1:
        raise ImproperlyConfigured(f"{variable}={path} must contain one line only.")
    return content


def file(name: str) -> str:
    """Return the variable `name`, which must be the path of an existing file, or '' if it is unset."""
    value = text(name)
    if value and not Path(value).is_file():
        raise ImproperlyConfigured(f"{name}={value} is not a file.")
    return value


def broker_url() -> str:
    """Return BROKER_URL, a RabbitMQ server, with the password of BROKER_PASSWORD; '' if Redis carries the messages."""
    location, password = secret("BROKER_URL"), secret("BROKER_PASSWORD")
    if location and _scheme(location) not in ("amqp", "amqps"):
        raise ImproperlyConfigured("BROKER_URL must begin with amqp:// or amqps://.")
    parts = _split("BROKER", location, "amqp://user:password@host:5672/vhost")
    if not password:
        return location
    if not parts.username:
        raise ImproperlyConfigured("BROKER_PASSWORD is set, but BROKER_URL names no user: amqp://user@host:5672/vhost.")
    return _with_password("BROKER", parts, password)


def home(base_dir: Path) -> Path:
    """Return the folder that holds all of the site's data (AURAVIDEO_HOME, default `var/`), creating it if needed."""
    path = Path(text("AURAVIDEO_HOME", "var"))
    path = path if path.is_absolute() else base_dir / path
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)  # accounts and private videos are inside
    except OSError as error:
        raise ImproperlyConfigured(f"AURAVIDEO_HOME={path} cannot be used as a folder: {error.strerror}.") from None
    return path


def secret_key(folder: Path) -> str:
    """Return SECRET_KEY, the contents of SECRET_KEY_FILE, or a key generated once and kept in `folder`."""
    if key := secret("SECRET_KEY"):
        return key
    path = folder / "secret_key"
    if not path.exists():
        create_once(path, secrets.token_urlsafe(50))
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"The secret key in {path} cannot be read: {error}.") from None
    if not key:
        raise ImproperlyConfigured(f"The secret key file {path} is empty. Delete it and start again.")
    return key


def unguessable(name: str, value: str) -> str:
    """Return the value of the variable `name`, a secret that strangers may try to guess: long enough, or ""."""
    if value and len(value) < _TOKEN_LENGTH:
        command = 'python3 -c "import secrets; print(secrets.token_urlsafe())"'
        raise ImproperlyConfigured(f"{name} needs at least {_TOKEN_LENGTH} characters. Make one with: {command}")
    return value


# Seconds, and milliseconds for the last. By default, a server that vanished from the network holds up its clients for a
# quarter of an hour or more; a worker that waits for it would look as if it hung.
_POSTGRES_PATIENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def database(folder: Path) -> dict:
    """Return DATABASES["default"]: DATABASE_URL, or SQLite in `folder`, set up for several writers."""
    location, password = secret("DATABASE_URL"), secret("DATABASE_PASSWORD")
    if not location:
        config: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}
    else:
        config = _database_at(location)
    if config["ENGINE"].endswith("sqlite3"):
        if password:
            raise ImproperlyConfigured("DATABASE_PASSWORD is set, but DATABASE_URL names no PostgreSQL database.")
        # IMMEDIATE takes the write lock when the transaction begins, so concurrent writers wait instead of failing.
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        config["OPTIONS"] = {"timeout": 30, "transaction_mode": "IMMEDIATE", "init_command": pragmas}
        return config
    config["OPTIONS"] = {**_POSTGRES_PATIENCE, **config.get("OPTIONS", {})}
    if password:
        _refuse_second_password("DATABASE", config["PASSWORD"])
        config["PASSWORD"] = password
    # Under ASGI each request has its own thread and so its own connection; a persistent one would never be reused.
    config["CONN_MAX_AGE"] = 0
    return config


def _database_at(location: str) -> dict[str, Any]:
    if _scheme(location) not in ("postgres", "postgresql", "sqlite"):
        raise ImproperlyConfigured("DATABASE_URL must begin with postgres:// or postgresql:// or sqlite://.")
    try:
        return environ.Env.db_url_config(location)
    except Exception:  # its text may contain a part of the password
        form = "postgres://user:password@host:5432/name, with special characters percent-encoded"
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read. Write it as {form}.") from None


def redis_url() -> str:
    """Return REDIS_URL with the password of REDIS_PASSWORD, or '' if the site starts its own server."""
    location, password = secret("REDIS_URL"), secret("REDIS_PASSWORD")
    if location and _scheme(location) not in ("redis", "rediss", "unix"):
        raise ImproperlyConfigured("REDIS_URL must begin with redis:// or rediss:// or unix://.")
    parts = _split("REDIS", location, "redis://:password@host:6379")
    if not password:
        return location
    if parts.scheme not in ("redis", "rediss"):
        raise ImproperlyConfigured("REDIS_PASSWORD is set, but REDIS_URL does not begin with redis:// or rediss://.")
    return _with_password("REDIS", parts, password)


def _split(service: str, location: str, form: str) -> SplitResult:
    try:
        parts = urlsplit(location)
        _ = parts.port
    except ValueError:  # its text may contain a part of the password
        form += ", with special characters percent-encoded"
        raise ImproperlyConfigured(f"{service}_URL cannot be read. Write it as {form}.") from None
    return parts


def _with_password(service: str, parts: SplitResult, password: str) -> str:
    _refuse_second_password(service, parts.password)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{quote(password, safe='')}@{host}"))


def email() -> dict[str, object]:
    """Return Django's EMAIL_* settings from EMAIL_URL; emails go to the console if it is unset."""
    location, password = secret("EMAIL_URL", "consolemail://"), secret("EMAIL_PASSWORD")
    try:
        config = environ.Env.email_url_config(location)
    except Exception:  # its text may contain a part of the password
        form = "smtp+tls://user:password@host:587, with special characters percent-encoded"
        raise ImproperlyConfigured(f"EMAIL_URL cannot be read. Write it as {form}.") from None
    if password:
        if not config.get("EMAIL_HOST_USER"):
            raise ImproperlyConfigured("EMAIL_PASSWORD is set, but EMAIL_URL names no user: smtp+tls://user@host:587.")
        _refuse_second_password("EMAIL", config.get("EMAIL_HOST_PASSWORD"))
        config["EMAIL_HOST_PASSWORD"] = password
    return config


def _scheme(location: str) -> str:
    return location.partition("://")[0]


def _refuse_second_password(service: str, password: str | None) -> None:
    if password:
        raise ImproperlyConfigured(f"{service}_PASSWORD is set, but {service}_URL has a password too. Remove one.")


def redis_socket(folder: Path) -> Path:
    """Return the private Redis socket's path: in `folder`, or below the system's temporary one if that is too long."""
    path = folder / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        return path
    name = f"auravideo-{os.getuid()}-{sha256(str(folder).encode()).hexdigest()[:12]}"
    return Path(tempfile.gettempdir()) / name / "redis.sock"
