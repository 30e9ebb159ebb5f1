"""Probing of unusual and broken files."""

import json

import av
import pytest

from tests.workers.media.clips import SETTINGS, draw_clip, encode
from workers import media


def test_an_index_at_the_end_is_noticed_and_the_settings_are_found_all_the_same(tmp_path):
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = json.dumps(SETTINGS)
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in draw_clip(64, 48, 4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    probe = media.probe(path)
    assert not probe.faststart
    assert probe.metadata == SETTINGS


def test_probe_says_what_is_wrong_with_a_file(tmp_path):
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"\0\0\0\x10ftypisom" + bytes(range(256)) * 40)
    with pytest.raises(ValueError, match=r"garbage\.mp4"):
        media.probe(garbage)
    with pytest.raises(FileNotFoundError):
        media.probe(tmp_path / "none.mp4")


def test_probe_counts_the_frames_that_are_there_not_the_ones_promised(tmp_path):
    path = encode(tmp_path, "webm", draw_clip(320, 192, 24), fps=24)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert media.probe(path).frames < 24
