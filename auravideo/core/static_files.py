"""Static files: named after their content, so that browsers keep them for ever, and compressed once."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, except that a file which was not collected keeps its plain name and fails no page.

    WhiteNoise finds that one, too (WHITENOISE_USE_FINDERS), uncompressed and kept for a minute only.
    """

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        try:
            return super().stored_name(name)
        except ValueError:
            return name


def collect() -> bool:
    """Collect the static files into STATIC_ROOT where anything changed since the last time; says whether it did.

    The folder is emptied first: `collectstatic` goes by dates, and the files of an upgraded package are often older
    than the copies of their predecessors.
    """
    mark = settings.HOME / "static-collected"
    present = _fingerprint()
    if mark.is_file() and mark.read_text() == present and (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return False
    mark.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    mark.write_text(present)
    return True


def _fingerprint() -> str:
    """A digest of every static file's name, size and date, and of the versions of what names and compresses them."""
    digest = sha256(f"{version('django')} {version('whitenoise')}".encode())
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            stat = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
