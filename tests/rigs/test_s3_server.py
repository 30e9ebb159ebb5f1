"""The S3 rig is a real store: it knows its users, keeps its data over a restart and leaves nothing behind."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.rigs import s3_server


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def stored(s3_server, s3_bucket):
    s3_server.client().put_object(Bucket=s3_bucket, Key="a/b", Body=b"content")
    return {"Bucket": s3_bucket, "Key": "a/b"}


def test_only_its_own_users_get_in(s3_server, stored):
    assert s3_server.client().get_object(**stored)["Body"].read() == b"content"
    assert status(f"{s3_server.endpoint}/{stored['Bucket']}/a/b") == 403
    for keys in ({"aws_secret_access_key": "guessed"}, {"aws_access_key_id": "nobody"}):
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidAccessKeyId"):
            s3_server.client(**keys).get_object(**stored)


def test_a_reader_may_read_and_list_and_no_more(s3_server, stored):
    reader = s3_server.client(aws_access_key_id=s3_server.reader_key)
    assert reader.get_object(**stored)["Body"].read() == b"content"
    assert reader.list_objects_v2(Bucket=stored["Bucket"])["KeyCount"] == 1
    for refused in (lambda: reader.delete_object(**stored), lambda: reader.put_object(Body=b"", **stored)):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_a_worker_may_use_frames_and_nothing_else(s3_server, stored):
    worker = s3_server.client(aws_access_key_id=s3_server.worker_key, aws_secret_access_key=s3_server.worker_secret)
    frames = {"Bucket": stored["Bucket"], "Key": "jobs/1/generate/0000.safetensors"}
    worker.put_object(Body=b"frames", **frames)
    assert worker.get_object(**frames)["Body"].read() == b"frames"
    assert worker.list_objects_v2(Bucket=stored["Bucket"], Prefix="jobs/1/")["KeyCount"] == 1
    worker.delete_object(**frames)
    for refused in (
        lambda: worker.get_object(**stored),
        lambda: worker.put_object(Body=b"", **stored),
        lambda: worker.delete_object(**stored),
        lambda: worker.create_bucket(Bucket="bucket-of-a-worker"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_a_tampered_signed_url_is_refused(s3_server, stored):
    url = s3_server.client().generate_presigned_url("get_object", Params=stored, ExpiresIn=60)
    assert status(url) == 200
    assert status(url.replace("/a/b?", "/a/c?")) == 403
    assert status(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")) == 403


def test_a_wrong_checksum_is_refused(s3_server, stored):
    with pytest.raises(ClientError, match=r"BadDigest|InvalidDigest|checksum"):
        s3_server.client().put_object(Body=b"content", ChecksumCRC32="AAAAAA==", **stored)


def test_a_bucket_must_be_made_before_it_is_used(s3_server):
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3_server.client().put_object(Bucket="never-made", Key="a", Body=b"")


def test_data_outlives_a_restart_and_nothing_else_remains(tmp_path):
    with s3_server.running(tmp_path / "weed") as server:
        bucket, process = server.make_bucket(), server._process
        server.client().put_object(Bucket=bucket, Key="a", Body=b"kept" * 1000)
        ports = {str(port) for port in server._ports}
        server.stop()
        assert process.returncode == 0
        server.restart()
        assert server.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"kept" * 1000
    left = [path.name for path in Path("/tmp").glob("seaweedfs-*") if any(port in path.name for port in ports)]
    assert left == []
