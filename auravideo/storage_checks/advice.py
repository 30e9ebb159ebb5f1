"""What to do about an error of an S3 store."""

from urllib.error import URLError

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, NoCredentialsError, SSLError

from auravideo.storage_checks.findings import cause

PERMISSIONS = (
    "s3:ListBucket, s3:ListBucketMultipartUploads, s3:PutLifecycleConfiguration and s3:GetLifecycleConfiguration on "
    "the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on what is in it"
)
WRONG_KEYS = "Check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY."
WRONG_REGION = "Set S3_REGION to the region of the bucket."
UNREACHABLE = "Check S3_ENDPOINT_URL, that the store is running, and that this machine can reach it."
BY_CODE = {
    "InvalidAccessKeyId": WRONG_KEYS,
    "SignatureDoesNotMatch": f"{WRONG_KEYS} If they are right, a proxy in between changes the Host header.",
    "AccessDenied": f"Allow these credentials {PERMISSIONS}.",
    "403": f"{WRONG_KEYS} If they are right, allow them {PERMISSIONS}.",
    "RequestTimeTooSkewed": "Set the clock of this machine (timedatectl set-ntp true).",
    "InvalidBucketName": "Set S3_BUCKET to a name of 3 to 63 lower-case letters, digits and hyphens.",
    "400": "Check S3_REGION and S3_BUCKET.",
    "301": WRONG_REGION,
    "PermanentRedirect": WRONG_REGION,
    "AuthorizationHeaderMalformed": WRONG_REGION,
    "IllegalLocationConstraintException": WRONG_REGION,
    "NoSuchBucket": "Run this command again: another process deleted the bucket.",
    "TooManyBuckets": "Create the bucket under another account, or delete one that is not needed.",
    "NotImplemented": "Use a store that has this (docs/operating.md names those we tested).",
}
OVERLOADED = "The store is overloaded or out of space: see its own log."


def advise(error: Exception) -> str:
    """Return what to do about an error."""
    found = cause(error)
    if isinstance(found, SSLError):
        return "Set S3_CA_BUNDLE to the file of the authority that signed the store's certificate, or correct its name."
    if isinstance(found, NoCredentialsError):
        return "Set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY."
    if is_unreachable(found):
        return UNREACHABLE
    return BY_CODE.get(code_of(found), OVERLOADED if _status(found) >= 500 else "See the log of the store.")


def is_unreachable(error: BaseException) -> bool:
    """Return whether the store did not answer at all."""
    return isinstance(error, ConnectionError | HTTPClientError | URLError | TimeoutError)


def code_of(error: BaseException) -> str:
    """Return the code of an S3 error, or the HTTP status where the answer had no body; '' for any other error."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _status(error: BaseException) -> int:
    metadata = error.response.get("ResponseMetadata", {}) if isinstance(error, ClientError) else {}
    return int(metadata.get("HTTPStatusCode", 0))
