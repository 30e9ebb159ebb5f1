"""Files that are not what they claim to be: refused with the reason, and nothing but their beginning is read."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from generation.inbox import folder
from generation.inbox.headers import read_header
from generation.inbox.reasons import Refused
from tests import model_files as files
from tests import small_gguf


def refusal(path):
    with pytest.raises(Refused) as caught:
        read_header(path)
    return caught.value


def a_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    return buffer.getvalue()


def with_header(text, length=None):
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def a_file(weights, length):
    """Return a file of these weights, of which `length` bytes follow the header."""
    return with_header(json.dumps(weights).encode()) + bytes(length)


START, LENGTH = files.header(files.kohya())
WHOLE = START + bytes(LENGTH)
A_WEIGHT = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}
STRANGE = {
    "a renamed zip": (a_zip(), "archive"),
    "a renamed pickle": (b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dict", "pickle-inside"),
    "an error page": (b"<!DOCTYPE html><title>404 Not Found</title>", "page"),
    "an error page after a line": (b"\n\xef\xbb\xbf  <html>", "page"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "pointer"),
    "a GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(64), "gguf"),
    "nothing": (b"", "truncated"),
    "five bytes": (b"\x10\x00\x00\x00\x00", "truncated"),
    "cut in the header": (WHOLE[:40], "truncated"),
    "cut in the weights": (WHOLE[:-1], "truncated"),
    "something after the weights": (WHOLE + b"PK", "too-long"),
    "a huge header": (with_header(b"{" + bytes(100), 2**40), "huge-header"),
    "a length beyond 64 bits' sign": (b"\xff" * 8 + b"{" + bytes(100), "huge-header"),
    "no JSON": (with_header(b"{" + b"x" * 90), "damaged"),
    "deep JSON": (with_header(b'{"a":' + b"[" * 100_000), "damaged"),
    "a list": (with_header(b"[1, 2, 3]"), "damaged"),
    "a number of many digits": (with_header(b'{"a": ' + b"9" * 9000 + b"}"), "damaged"),
    "no shape": (with_header(json.dumps({"a": {"dtype": "F16"}}).encode()), "damaged"),
    "a negative size": (with_header(json.dumps({"a": {**A_WEIGHT, "shape": [-2]}}).encode()), "damaged"),
    "a fraction": (with_header(json.dumps({"a": {**A_WEIGHT, "shape": [1.5]}}).encode()), "damaged"),
    "weights on top of each other": (a_file({"a": A_WEIGHT, "b": A_WEIGHT}, 4), "damaged"),
    "a gap between weights": (a_file({"a": A_WEIGHT, "b": {**A_WEIGHT, "data_offsets": [6, 10]}}, 10), "damaged"),
    "a gap before the first": (a_file({"a": {**A_WEIGHT, "data_offsets": [2, 6]}}, 6), "damaged"),
    "fewer bytes than numbers": (a_file({"a": {**A_WEIGHT, "shape": [2**40]}}, 4), "damaged"),
    "an unknown type": (a_file({"a": {**A_WEIGHT, "dtype": "F17"}}, 4), "damaged"),
    "no type": (a_file({"a": {**A_WEIGHT, "dtype": ["F16"]}}, 4), "damaged"),
    "a name twice": (with_header(f'{{"a":{json.dumps(A_WEIGHT)},"a":{json.dumps(A_WEIGHT)}}}'.encode()), "truncated"),
    "UTF-16": (with_header(json.dumps({"a": A_WEIGHT}).encode("utf-16-le")) + bytes(4), "damaged"),
    "white space before the header": (with_header(b" " + json.dumps({"a": A_WEIGHT}).encode()) + bytes(4), "damaged"),
    "a long name": (with_header(json.dumps({"attentions." * 40: A_WEIGHT}).encode()) + bytes(4), "damaged"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_model_is_refused_with_the_reason(tmp_path, what):
    content, id = STRANGE[what]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert refusal(path).id == id


def test_a_length_that_looks_like_a_page_is_none(tmp_path):
    """A header of 60 bytes begins with "<"."""
    content = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode().ljust(60)
    (tmp_path / "model.safetensors").write_bytes(with_header(content) + b"\0\0")
    assert read_header(tmp_path / "model.safetensors").shapes == {"a": (1,)}


def bytes_read():
    """Return how many bytes this process has read so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_nothing_but_the_header_is_read(tmp_path):
    """A file of a terabyte is recognised at once."""
    path = tmp_path / "model.safetensors"
    start, length = files.header({"a": (2**20, 2**19)})
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + length)
    before = bytes_read()
    assert read_header(path).size > 2**40
    assert bytes_read() - before < 2**20


def test_links_pipes_and_folders_are_not_opened(tmp_path):
    box = folder.inbox(tmp_path)
    secret = files.write(tmp_path / "elsewhere" / "secret.safetensors", files.kohya())
    box.mkdir(parents=True)
    (box / "link.safetensors").symlink_to(secret)
    (box / "folder.safetensors").mkdir()
    os.mkfifo(box / "pipe.safetensors")
    found = {file.name: file.refused.id for file in folder.dropped(tmp_path)}
    assert found == {"link.safetensors": "link", "folder.safetensors": "folder", "pipe.safetensors": "no-file"}


def test_no_name_leads_out_of_the_folder(tmp_path):
    files.write(tmp_path / "models" / "secret.safetensors", files.kohya())
    folder.inbox(tmp_path).mkdir()
    for name in ("../secret.safetensors", str(tmp_path / "models" / "secret.safetensors"), "..", ".", ""):
        assert folder.look(tmp_path, name).refused.id == "gone"


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".PTH", ".bin", ".pkl", ".npz"])
def test_a_pickle_is_refused_by_its_name_alone(tmp_path, suffix):
    """Whatever is inside; it is not even opened."""
    path = files.write(folder.inbox(tmp_path) / f"model{suffix}", files.kohya())
    path.chmod(0)
    text = folder.look(tmp_path, path.name).refused.text
    assert "can run programs when it is opened" in text
    assert "docs/models.md says how to convert it" in text


GGUF = {
    "wan": ("gguf-by-entry", "is a transformer of Wan,", "docs/models.md"),
    "ltxv": ("gguf-by-entry", "is a transformer of LTX-Video,", "docs/models.md"),
    None: ("gguf-unnamed", "does not say what it holds", "docs/models.md"),
    "llama": ("gguf-other", "another kind of network (llama)", "Wan and LTX-Video"),
}


@pytest.mark.parametrize("architecture", GGUF)
def test_a_gguf_file_is_refused_with_what_it_is_and_how_to_use_it(tmp_path, architecture):
    folder.inbox(tmp_path).mkdir(parents=True)
    weights = {"blocks.0.ffn.0.weight": (np.ones((8, 32), np.float32), "Q8_0")}
    path = small_gguf.write_gguf(folder.inbox(tmp_path) / "model.GGUF", weights, architecture)
    refused = folder.look(tmp_path, path.name).refused
    id, *said = GGUF[architecture]
    assert refused.id == id
    assert all(text in refused.text for text in said)


def test_a_gguf_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path):
    box = folder.inbox(tmp_path)
    box.mkdir(parents=True)
    weights = {"blocks.0.ffn.0.weight": (np.ones((8, 32), np.float32), "Q8_0")}
    whole = small_gguf.write_gguf(box / "whole.gguf", weights).read_bytes()
    kind = whole.index(b"ffn.0.weight") + len("ffn.0.weight") + 4 + 16
    contents = {
        "cut.gguf": whole[:-40],
        "damaged.gguf": whole[:4] + b"\xff" * 40,
        "none.gguf": b"something else",
        "page.gguf": b"<!doctype html>",
        "part.gguf": struct.pack("<4sIQQQ11sIH", b"GGUF", 3, 0, 1, 11, b"split.count", 2, 3),
        "strange.gguf": whole[:kind] + b"\x10" + whole[kind + 1 :],
    }
    (box / "whole.gguf").unlink()
    for name, content in contents.items():
        (box / name).write_bytes(content)
    (box / "link.gguf").symlink_to(tmp_path / "elsewhere")
    assert {file.name: file.refused.id for file in folder.dropped(tmp_path)} == {
        "cut.gguf": "truncated",
        "damaged.gguf": "gguf-damaged",
        "link.gguf": "link",
        "none.gguf": "gguf-damaged",
        "page.gguf": "page",
        "part.gguf": "gguf-split",
        "strange.gguf": "gguf-type",
    }
    assert "(IQ2_XXS)" in folder.look(tmp_path, "strange.gguf").refused.text
    assert "one of 3 parts" in folder.look(tmp_path, "part.gguf").refused.text


def test_other_files_are_left_out_or_named(tmp_path):
    box = folder.inbox(tmp_path)
    box.mkdir(parents=True)
    for name in (".hidden", "ink.preview.png", "ink.civitai.info", "readme.txt", "ink.safetensors.part", "a.rar", "b"):
        (box / name).write_bytes(b"x")
    found = {file.name: file.refused.id for file in folder.dropped(tmp_path)}
    assert found == {"ink.safetensors.part": "partial", "a.rar": "other-format", "b": "other-format"}


def test_a_name_that_cannot_be_shown_is_refused(tmp_path):
    box = folder.inbox(tmp_path)
    box.mkdir(parents=True)
    for name in ("a\nb.safetensors", "a\u202eb.safetensors"):
        files.write(box / name, files.kohya())
    os.close(os.open(os.fsencode(box) + b"/\xff.safetensors", os.O_CREAT))
    found = list(folder.dropped(tmp_path))
    assert [file.refused.id for file in found] == ["name"] * 3
    assert all(file.name.encode() for file in found)


def test_there_may_be_no_inbox(tmp_path):
    assert list(folder.dropped(tmp_path)) == []


def test_a_crowded_inbox_is_shown_in_part(tmp_path):
    box = folder.inbox(tmp_path)
    box.mkdir(parents=True)
    for number in range(folder.MOST_FILES + 5):
        (box / f"{number:04}.ckpt").touch()
    assert len(list(folder.dropped(tmp_path))) == folder.MOST_FILES


def test_a_file_that_grows_is_looked_at_again(tmp_path):
    box = folder.inbox(tmp_path)
    box.mkdir(parents=True)
    (box / "ink.safetensors").write_bytes(WHOLE[:-10])
    assert folder.look(tmp_path, "ink.safetensors").refused.id == "truncated"
    (box / "ink.safetensors").write_bytes(WHOLE)
    assert folder.look(tmp_path, "ink.safetensors").found.kind == "styles"


def test_of_megabytes_of_texts_little_is_remembered(tmp_path):
    """kohya's scripts list the captions of all training pictures, and a page of 500 files would keep them all."""
    box = folder.inbox(tmp_path)
    texts = {"ss_tag_frequency": "x" * 2**20, "modelspec.description": "y" * 2**20, "modelspec.title": "Ink"}
    files.write(box / "ink.safetensors", files.kohya(), metadata=texts)
    found = folder.look(tmp_path, "ink.safetensors")
    assert found.label == "Ink"
    assert sum(map(len, found.metadata.values())) < 10_000
