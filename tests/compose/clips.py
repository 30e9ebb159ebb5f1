"""Clips of a site in containers: asked for, watched in the database, and found in the store and at the site."""

import re
import time

import boto3
from botocore.config import Config

from generation.domain.stages import QUEUES
from tests.compose.guest import Guest
from tests.rigs.containers.project import Project

CLIP = {"aspect": "1:1", "short_side": "128", "seconds": "1", "fps": "16", "steps": "2", "seed": "7"}
LONG_CLIP = {**CLIP, "seconds": "10"}
CLIP_SECONDS, LONG_SECONDS = 120, 300


def states(project: Project, jobs: list[str]) -> dict[str, str]:
    listed = ", ".join(f"'{job}'" for job in jobs)
    return dict(project.rows(f"SELECT id, status FROM generation_job WHERE id IN ({listed})"))


def wait_for_jobs(project: Project, jobs: list[str], seconds: float) -> None:
    """Return when all of these are done. Fail if one ends otherwise."""
    deadline = time.monotonic() + seconds
    while (found := states(project, jobs)) != dict.fromkeys(jobs, "done"):
        assert set(found.values()) <= {"queued", "running", "done"}, found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def stored(project: Project, prefix: str = "") -> dict[str, int]:
    """Return the sizes of the objects in the store, by key, as any S3 client sees them."""
    (container,) = project.containers("store")
    address = next(found["IPAddress"] for found in container["NetworkSettings"]["Networks"].values())
    read = lambda name: (project.folder / "secrets" / name).read_text().strip()  # noqa: E731
    with project.engine.network():
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{address}:8333",
            aws_access_key_id=read("s3_access_key_id"),
            aws_secret_access_key=read("s3_secret_access_key"),
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="auravideo", Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}


def services_at_work(project: Project, job: str) -> dict[str, str]:
    """Return which service ran each stage of a job."""
    services = {found["Config"]["Hostname"]: queue for queue in QUEUES for found in project.containers(queue)}
    workers = project.rows(f"SELECT stage, worker FROM generation_stagerun WHERE job_id = '{job}'")
    return {stage: services[re.fullmatch(r".*@(.*):\d+", worker)[1]] for stage, worker in workers}


def waiting_for(project: Project, stage: str, jobs: list[str]) -> set[str]:
    """Return those of these jobs that no worker has begun a stage of; they count as running since `preprocess`."""
    begun = project.rows(f"SELECT DISTINCT job_id FROM generation_stagerun WHERE stage = '{stage}'")
    return set(jobs) - {job for (job,) in begun}


def video_files(project: Project, job: str) -> list[str]:
    query = f"SELECT video_file, poster_file, preview_file FROM gallery_video WHERE job_id = '{job}'"
    (found,) = project.rows(query)
    return found


def video_of(project: Project, job: str) -> str:
    ((video,),) = project.rows(f"SELECT id FROM gallery_video WHERE job_id = '{job}'")
    return video


def plays(guest: Guest, project: Project, job: str) -> bool:
    """Return whether the owner gets the video, and it is the file that the store has."""
    (key,) = [key for key in stored(project) if key.endswith(video_files(project, job)[0])]
    answer = guest.get(f"/videos/{video_of(project, job)}/file/")
    return answer.content[4:8] == b"ftyp" and len(answer.content) == stored(project)[key]
