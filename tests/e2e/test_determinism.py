"""The same request and seed give the same video, with bit-identical frames, across processes."""

from hashlib import sha256

import av
import pytest

from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]


def frames_of(path) -> str:
    with av.open(str(path)) as container:
        digest = sha256()
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray(format="rgb24").tobytes())
    return digest.hexdigest()


def render(site, folder, name, seed) -> str:
    """Render one clip through the whole pipeline, as a new user so that no earlier job is reused."""
    row = f'{{"prompt": "an orange star circling at sunset", "size": "128x128", "seconds": 1, "seed": {seed}}}\n'
    site.make_user(name)
    done = site.manage("batch", "-", "--format", "jsonl", "--user", name, "--output", str(folder), stdin=row)
    assert done.returncode == 0, done.stderr
    return frames_of(next(folder.glob("*.mp4")))


def test_one_seed_gives_one_video_even_after_a_restart(site, tmp_path):
    first = render(site, tmp_path / "a", "seed1", 7)
    assert render(site, tmp_path / "b", "seed2", 7) == first
    assert render(site, tmp_path / "c", "seed3", 8) != first
    other = Site(tmp_path / "home").start()
    try:
        assert render(other, tmp_path / "d", "seed4", 7) == first
    finally:
        assert other.stop() == 0
