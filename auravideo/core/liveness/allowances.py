"""How long whatever moves files may go without a sign of progress."""

from django.conf import settings

S3_PAUSE_SECONDS = 20  # the longest between two attempts (auravideo/core/s3.py)


def floor() -> float:
    """Return the shortest allowance, in seconds: a storage that does not answer gives up by itself before."""
    if not settings.S3_BUCKET:
        return settings.HANG_AFTER_SECONDS
    storage = settings.S3_ATTEMPTS * (settings.S3_CONNECT_TIMEOUT + settings.S3_READ_TIMEOUT + S3_PAUSE_SECONDS)
    return max(settings.HANG_AFTER_SECONDS, storage)
