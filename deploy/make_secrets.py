"""Generate what compose.yaml needs before its first start: the folder secrets/ and the file .env.

Needs nothing but Python. Run it again at any time: it never changes a file that is there, so a secret of your own (an
email account, an S3 store elsewhere) stays, and a later version adds only what it newly needs.

    python3 deploy/make_secrets.py [FOLDER]
"""

import json
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The folder is closed to other users of the machine. The files are not, because each container reads them under a
# number of its own, and compose cannot change the owner of a file that it mounts.
FOLDER_MODE, FILE_MODE = 0o700, 0o444


def key() -> str:
    """Return 256 random bits in letters and digits, which need no quoting in any configuration file."""
    return secrets.token_hex(32)


def store_accounts(folder: Path) -> str:
    """Return SeaweedFS's accounts file: one account, which may do everything within its bucket."""
    access, secret = (_read(folder / name) for name in ("s3_access_key_id", "s3_secret_access_key"))
    actions = [f"{action}:auravideo" for action in ("Admin", "Read", "Write", "List", "Tagging")]
    credentials = [{"accessKey": access, "secretKey": secret}]
    return json.dumps({"identities": [{"name": "site", "credentials": credentials, "actions": actions}]}, indent=2)


# In this order: later ones are made from earlier ones.
SECRETS: dict[str, Callable[[Path], str]] = {
    "database_password": lambda _folder: key(),
    "email_url": lambda _folder: "consolemail://",
    "flower_login": lambda _folder: f"admin:{key()}",
    "grafana_password": lambda _folder: key(),
    "metrics_token": lambda _folder: key(),
    "redis_password": lambda _folder: key(),
    "s3_access_key_id": lambda _folder: secrets.token_hex(10),
    "s3_secret_access_key": lambda _folder: key(),
    "secret_key": lambda _folder: key(),
    "store_accounts": store_accounts,
}


def make(root: Path) -> list[Path]:
    """Create the files that are missing in `root` and return them.

    Raises:
        SystemExit: a file cannot be read or written; the message names it.
    """
    made = []
    folder = root / "secrets"
    try:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        for name, content in SECRETS.items():
            if _create(folder / name, content(folder) + "\n"):
                made.append(folder / name)
        if not (root / ".env").exists():
            shutil.copyfile(ROOT / ".env.example", root / ".env")
            made.append(root / ".env")
    except OSError as error:
        sys.exit(f"{error.filename} cannot be used: {error.strerror}.")
    return made


def _create(path: Path, content: str) -> bool:
    """Write a file unless it exists, completely or not at all. Return whether it was written."""
    if path.exists():
        return False
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(content, encoding="utf-8")
    part.chmod(FILE_MODE)
    part.rename(path)
    return True


def _read(path: Path) -> str:
    content = path.read_text(encoding="utf-8").strip()
    if not content:
        sys.exit(f"{path} is empty. Delete it to have it generated, or write the secret into it.")
    return content


def main(arguments: list[str]) -> None:
    """Create the files and name them, without their contents."""
    root = Path(arguments[0]) if arguments else ROOT
    made = make(root)
    for path in made:
        print(f"Created {path.relative_to(root)}")
    if not made:
        print("Nothing to do: every secret is there already.")
    elif root / ".env" in made:
        print("Now edit .env, above all SITE_HOST. Keep a copy of secrets/ in a safe place.")


if __name__ == "__main__":
    main(sys.argv[1:])
