"""The checks of an S3 store: every request that the site sends, and that nobody gets in without a signature."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError
from django.core.files.base import ContentFile

from auravideo.core.s3 import S3Storage
from auravideo.core.storage import StorageUnavailable
from auravideo.storage_checks import lifecycle, signed_urls
from auravideo.storage_checks.advice import advise, code_of, is_unreachable
from auravideo.storage_checks.basics import BROKEN, Basics
from auravideo.storage_checks.findings import Finding, Problem, State, Step, brief, carry_out, cause

PART = 5 * 2**20  # bytes; the least that S3 allows for a part that is not the last
SKEW_SECONDS = 60  # S3 refuses requests whose time is off by more than 15 minutes
ALREADY_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"}
WRONG_CRC32 = "AAAAAA=="
NEEDED = {"bucket", "store a file"}  # if one of these fails, all that follow do


def check(alias: str, storage: S3Storage, public: S3Storage, frames_days: int) -> Iterator[Finding]:
    """Yield the findings of every check of a bucket, which is created if it is missing.

    Args:
        public: the storage that signs URLs for browsers.
        frames_days: after how many days frames shall expire (lifecycle rule).
    """
    for finding in carry_out(alias, _S3Checks(alias, storage, public, frames_days).steps(), advise):
        yield finding
        if finding.state == State.FAILED and finding.check in NEEDED:
            return


class _S3Checks(Basics):
    def __init__(self, alias: str, storage: S3Storage, public: S3Storage, frames_days: int) -> None:
        super().__init__(alias, storage)
        self.alias, self.store_api, self.public, self.frames_days = alias, storage, public, frames_days
        self.client, self.bucket = storage.client, storage.bucket_name

    def steps(self) -> list[Step]:
        urls = signed_urls.SignedUrls(self.store_api, self.public, self.keys[0], self._current)
        once = [("lifecycle rules", lambda: lifecycle.apply(self.store_api, self.frames_days))]
        return [
            ("bucket", self._bucket),
            ("clock", self._clock),
            *super().steps(),
            ("read a byte range", self._range),
            ("upload in parts", self._multipart),
            ("abort an upload", self._abort),
            ("verify checksums", self._checksums),
            *(urls.steps() if self.alias == "default" else ()),
            *self.last_steps(),
            *(once if self.alias == "frames" else ()),
        ]

    def _current(self) -> bytes:
        return self.content

    def _bucket(self) -> str:
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if code_of(error) not in ("404", "NoSuchBucket"):
                raise
        else:
            return self.bucket
        self._create()
        return f"{self.bucket}, created"

    def _create(self) -> None:
        """Create the bucket; that another process does so at the same moment is fine."""
        region = self.store_api.region_name
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
        try:
            self.client.create_bucket(Bucket=self.bucket, **elsewhere)
        except ClientError as error:
            if code_of(error) not in ALREADY_THERE:
                raise
        self.client.get_waiter("bucket_exists").wait(Bucket=self.bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 10})

    def _clock(self) -> str:
        headers = self.client.head_bucket(Bucket=self.bucket)["ResponseMetadata"]["HTTPHeaders"]
        if "date" not in headers:
            return ""
        seconds = (datetime.now(UTC) - parsedate_to_datetime(headers["date"])).total_seconds()
        if abs(seconds) > SKEW_SECONDS:
            detail = f"this machine and the store differ by {abs(seconds):.0f} s"
            raise Problem(detail, "Synchronise the clocks (timedatectl set-ntp true).", State.WARNING)
        return f"within {max(1, round(abs(seconds)))} s"

    def store(self) -> str:
        """Store a file. If the store does not know checksums, say which setting helps."""
        try:
            return super().store()
        except StorageUnavailable as error:
            has_checksums = self.store_api.checksums != "when_required"
            if is_unreachable(cause(error)) or not (has_checksums and self._works_without_checksums()):
                raise
            raise Problem(brief(error), "Set S3_CHECKSUMS=when_required: this store has no checksums.") from error

    def _works_without_checksums(self) -> bool:
        try:
            same_store(self.store_api, checksums="when_required").save(self.keys[0], ContentFile(self.content))
        except StorageUnavailable:
            return False
        return True

    def _range(self) -> str:
        found = self.client.get_object(Bucket=self.bucket, Key=self.keys[0], Range="bytes=100-199")
        if found["Body"].read() != self.content[100:200] or not found.get("ContentRange"):
            raise Problem("bytes 100 to 199 were requested, and others came", BROKEN)
        return ""

    def _multipart(self) -> str:
        where, content = {"Bucket": self.bucket, "Key": self.keys[1]}, os.urandom(PART + 1000)
        upload = self.client.create_multipart_upload(**where)["UploadId"]
        parts = [
            self.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)
            for number, body in enumerate((content[:PART], content[PART:]), 1)
        ]
        tags = [{"PartNumber": number, **_tags(part)} for number, part in enumerate(parts, 1)]
        self.client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": tags})
        self._expect(self.keys[1], content)
        self.storage.delete(self.keys[1])
        return f"{PART // 2**20} MiB and a rest"

    def _abort(self) -> str:
        where = {"Bucket": self.bucket, "Key": self.keys[2]}
        upload = self.client.create_multipart_upload(**where)["UploadId"]
        self.client.upload_part(**where, UploadId=upload, PartNumber=1, Body=self.content)
        self.client.abort_multipart_upload(**where, UploadId=upload)
        left = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.keys[2]).get("Uploads", [])
        if left or self.storage.exists(self.keys[2]):
            raise Problem("an aborted upload is still there", BROKEN)
        return ""

    def _checksums(self) -> str:
        if self.store_api.checksums == "when_required":
            return "off (S3_CHECKSUMS)"
        try:
            self.client.put_object(Bucket=self.bucket, Key=self.keys[2], Body=self.content, ChecksumCRC32=WRONG_CRC32)
        except ClientError:
            return "CRC32"
        self.storage.delete(self.keys[2])
        fix = "Nothing to do: frames have a checksum of our own. Videos damaged on their way would not be noticed."
        raise Problem("the store accepts content with a wrong checksum", fix, State.WARNING)


def same_store(storage: S3Storage, **changes: object) -> S3Storage:
    """Return a storage with the options of another, except for `changes`."""
    names = (*storage.get_default_settings(), "cloudfront_signer")
    options = {name: getattr(storage, name) for name in names if hasattr(storage, name)}
    return S3Storage(**{**options, "client_config": None, **changes})


def _tags(part: dict) -> dict:
    return {name: part[name] for name in ("ETag", "ChecksumCRC32") if name in part}
