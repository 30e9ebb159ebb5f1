"""Lifecycle rules: the second line of defence against objects that nobody deletes.

The site deletes frames itself. The rules take what is left if its scheduler never runs again: frames, and the parts of
uploads that broke off, which no listing shows but which take up space.
"""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from auravideo.core.s3 import S3Storage
from auravideo.storage_checks.advice import code_of
from auravideo.storage_checks.findings import Problem, State, brief
from generation.domain import storage_keys

UPLOAD_DAYS = 2
_OURS = "auravideo-"


def rules(frames_days: int) -> list[dict[str, Any]]:
    """Return our rules."""
    return [
        {
            "ID": f"{_OURS}frames",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{storage_keys.JOBS}/"},
            "Expiration": {"Days": frames_days},
        },
        {
            "ID": f"{_OURS}uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
        },
    ]


def apply(storage: S3Storage, frames_days: int) -> str:
    """Set our rules, keeping those of others. Idempotent: nothing is sent if they are already there."""
    client, bucket, wanted = storage.client, storage.bucket_name, rules(frames_days)
    detail = f"frames after {frames_days} days, broken-off uploads after {UPLOAD_DAYS}"
    try:
        present = _present(client, bucket)
        if _has(present, wanted):
            return detail
        others = [rule for rule in present if not rule.get("ID", "").startswith(_OURS)]
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [*others, *wanted]})
        if not _has(_present(client, bucket), wanted):
            raise _without("the store accepted the rules but did not keep them")
    except (ClientError, BotoCoreError) as error:
        raise _without(brief(error)) from error
    return f"{detail}; set now"


def _present(client: Any, bucket: str) -> list[dict[str, Any]]:
    try:
        return client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except ClientError as error:
        if code_of(error) == "NoSuchLifecycleConfiguration":
            return []
        raise


def _has(present: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    return all(any(_same(rule, one) for rule in present) for one in wanted)


def _same(rule: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Compare what a rule does; stores add fields, and some write the prefix differently."""
    does = [name for name in ("Expiration", "AbortIncompleteMultipartUpload") if name in wanted]
    prefix = (rule.get("Filter") or {}).get("Prefix", rule.get("Prefix", ""))
    return (
        rule.get("ID") == wanted["ID"]
        and rule.get("Status") == "Enabled"
        and prefix == wanted["Filter"]["Prefix"]
        and all(rule.get(name, {}).items() >= wanted[name].items() for name in does)
    )


def _without(detail: str) -> Problem:
    fix = (
        "The site works without: it deletes frames itself. Let something else delete what is older than the rules say, "
        "or use credentials with s3:PutLifecycleConfiguration."
    )
    return Problem(detail, fix, State.WARNING)
