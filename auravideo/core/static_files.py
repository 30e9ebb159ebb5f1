"""Static files: content-hashed names, cached forever, compressed once."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

from auravideo.core.files import locked


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, but a file that was not collected keeps its plain name instead of raising.

    WhiteNoise still finds such a file (WHITENOISE_USE_FINDERS), but uncompressed and cached for a minute only.
    """

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        try:
            return super().stored_name(name)
        except ValueError:
            return name


def collect() -> bool:
    """Collect static files into STATIC_ROOT if anything changed since the last run. Return whether it did.

    Two web processes may share the folder; one collects and the other waits.

    Do nothing if they were collected when an image was built (AURAVIDEO_STATIC).

    Clear the folder first: `collectstatic` compares dates, and files of an upgraded package are often older than the
    copies they replace.
    """
    if settings.STATIC_COLLECTED:
        return False
    with locked(settings.HOME / "static.lock"):
        return _collect(settings.HOME / "static-collected", _fingerprint())


def _collect(mark: Path, present: str) -> bool:
    if mark.is_file() and mark.read_text() == present and (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return False
    mark.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    mark.write_text(present)
    return True


def _fingerprint() -> str:
    """Return a digest of all static files' names, sizes and dates and of the Django and WhiteNoise versions."""
    digest = sha256(f"{version('django')} {version('whitenoise')}".encode())
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            stat = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
