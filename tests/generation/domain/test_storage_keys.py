"""Storage keys: stable across versions, and built only from valid names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.domain import storage_keys

JOB = "0b0f4e8e-6a1c-4c59-9f2e-0d3f0b7f3a11"


def test_keys_are_those_of_every_earlier_version():
    """Upgrades don't move stored files: never change these keys."""
    assert storage_keys.frames_folder(JOB) == f"jobs/{JOB}"
    assert storage_keys.stage_folder(JOB, "upscale") == f"jobs/{JOB}/upscale"
    assert storage_keys.chunk(JOB, "generate", 12) == f"jobs/{JOB}/generate/0012.safetensors"
    assert storage_keys.live_preview(JOB) == f"jobs/{JOB}/preview.webp"
    assert storage_keys.checkpoint(JOB) == f"jobs/{JOB}/checkpoint.safetensors"
    assert storage_keys.video_folder(JOB) == f"videos/{JOB}"
    assert storage_keys.video_files(JOB, "webm") == {
        "video": f"videos/{JOB}/video.webm",
        "poster": f"videos/{JOB}/poster.webp",
        "preview": f"videos/{JOB}/preview.webp",
        "thumbnail": f"videos/{JOB}/thumbnail.webp",
    }


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", ".hidden", "a\n", "a b", "ł"])
def test_invalid_names_are_refused_in_keys(name):
    for make in (
        storage_keys.frames_folder,
        storage_keys.video_folder,
        lambda name: storage_keys.stage_folder(JOB, name),
        lambda name: storage_keys.video_files(JOB, name),
    ):
        with pytest.raises(ValueError, match="cannot be part of a key"):
            make(name)


def test_a_chunk_has_no_negative_number():
    with pytest.raises(ValueError, match="0 or more"):
        storage_keys.chunk(JOB, "generate", -1)


@given(job=st.uuids(), stage=st.from_regex(r"[a-z]{1,12}", fullmatch=True), index=st.integers(0, 99_999))
def test_the_job_of_a_key_is_found_again(job, stage, index):
    assert storage_keys.job_of(storage_keys.chunk(job, stage, index)) == str(job)


@pytest.mark.parametrize("key", ["", "jobs", f"jobs/{JOB}", f"videos/{JOB}/video.mp4"])
def test_any_other_key_is_of_no_job(key):
    with pytest.raises(ValueError):
        storage_keys.job_of(key)
