"""Headers of GGUF files: what they say, and that nothing in them costs more than a moment."""

import io
import struct

import gguf
import numpy as np
import pytest

from generation.catalogue import gguf_file
from generation.catalogue.gguf_file import GgufError, Weight, read_gguf
from tests.costs import at_most
from tests.small_gguf import write_gguf

ARRAY, STRING, UINT8, UINT16, UINT32 = 9, 8, 0, 2, 4
WEIGHTS = {
    "patch_embedding.weight": (np.ones((32, 16, 1, 2, 2), np.float32), "F16"),
    "blocks.0.ffn.0.weight": (np.ones((48, 32), np.float32), "Q4_0"),
    "blocks.0.ffn.0.bias": (np.ones(48, np.float32), "F32"),
}


@pytest.fixture
def written(tmp_path):
    """Return the bytes of a small file."""
    return write_gguf(tmp_path / "wan.gguf", WEIGHTS).read_bytes()


def read(content):
    return read_gguf(io.BytesIO(content), len(content))


def fault(content):
    with pytest.raises(GgufError) as caught:
        read(content)
    return caught.value.reason, caught.value.found


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def value(name, kind, data):
    return text(name) + struct.pack("<I", kind) + data


ARCHITECTURE = value("general.architecture", STRING, text("wan"))


def weight(name="w", shape=(32,), kind=0, offset=0):
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def file_of(*weights, values=(ARCHITECTURE,), version=3, count=None, data=4096):
    """Return a file that is made by hand, with `data` bytes for its weights."""
    header = b"GGUF" + struct.pack("<IQQ", version, len(weights) if count is None else count, len(values))
    header += b"".join([*values, *weights])
    return header + bytes(-len(header) % 32 + data)


def test_a_header_says_architecture_names_shapes_and_types(written):
    found = read(written)
    assert found.architecture == "wan"
    assert found.weights == {
        "patch_embedding.weight": Weight((32, 16, 1, 2, 2), "F16"),
        "blocks.0.ffn.0.weight": Weight((48, 32), "Q4_0"),
        "blocks.0.ffn.0.bias": Weight((48,), "F32"),
    }


def test_a_file_need_not_say_its_architecture(tmp_path):
    assert read(write_gguf(tmp_path / "bare.gguf", WEIGHTS, architecture=None).read_bytes()).architecture == ""


@pytest.mark.parametrize("kind", sorted(gguf.GGMLQuantizationType))
def test_a_type_that_diffusers_cannot_compute_with_is_refused_by_name(kind):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    content = file_of(weight(shape=(block,), kind=int(kind)), data=size)
    if int(kind) in gguf_file.TYPES:
        assert read(content).weights["w"].type == kind.name
    else:
        assert fault(content) == ("type", kind.name)


def test_a_language_model_is_refused_by_name_before_its_words_are_read():
    words = value("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, 2**60))
    llama = value("general.architecture", STRING, text("llama"))
    with at_most(seconds=0.2):
        assert fault(file_of(weight(), values=(llama, words))) == ("architecture", "llama")


def test_one_of_several_parts_is_told_from_a_whole_file():
    parts = [value("split.count", UINT16, struct.pack("<H", count)) for count in (3, 1)]
    assert fault(file_of(weight(), values=(ARCHITECTURE, parts[0]))) == ("split", "3")
    assert fault(file_of(weight(), values=(parts[0],))) == ("split", "3"), "later parts say no architecture"
    assert list(read(file_of(weight(), values=(ARCHITECTURE, parts[1]))).weights) == ["w"]


def test_what_is_named_is_on_one_line_and_short():
    strange = value("general.architecture", STRING, text("\x1b[31m" + "x" * 5000 + "\n"))
    reason, found = fault(file_of(values=(strange,)))
    assert reason == "architecture"
    assert found.isprintable()
    assert len(found) <= 40


@pytest.mark.parametrize("content", [b"", b"GG", b"<html>", b"PK\x03\x04" + bytes(99), b"FUGG" + bytes(99)])
def test_what_is_no_gguf_file_is_told_from_it(content):
    assert fault(content) == ("foreign", "")


def test_a_file_that_ends_anywhere_is_cut_off(written):
    for end in range(4, len(written) - 1, 7):
        assert fault(written[:end]) == ("truncated", ""), end


HOSTILE = {
    "version 1, with other lengths": file_of(version=1),
    "a version of the other byte order": file_of(version=3 << 24),
    "weights without end": file_of(weight(), count=2**63),
    "values without end": b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63) + bytes(4096),
    "more weights than there are": file_of(weight(), count=100),
    "a name without end": file_of(text("w" * 5000) + bytes(64)),
    "a name that is longer than any memory": file_of(struct.pack("<Q", 2**63) + bytes(64)),
    "a name that is no text": file_of(weight(b"\xff\xfe")),
    "no name": file_of(weight("")),
    "one name twice": file_of(weight(), weight(offset=128)),
    "one value twice": file_of(values=(ARCHITECTURE, ARCHITECTURE)),
    "no dimensions": file_of(weight(shape=())),
    "too many dimensions": file_of(text("w") + struct.pack("<I", 2**32 - 1) + bytes(4096)),
    "a side of nothing": file_of(weight(shape=(32, 0))),
    "sides whose product is more than any disk": file_of(weight(shape=(2**39, 2**39, 2**39))),
    "rows that are no whole blocks": file_of(weight(shape=(33,), kind=8)),
    "weights that overlap": file_of(weight("a"), weight("b", offset=96)),
    "a weight off its place": file_of(weight(offset=1)),
    "an unknown kind of value": file_of(values=(value("x", 99, b""),)),
    "a list without end": file_of(values=(value("x", ARRAY, struct.pack("<IQ", UINT8, 2**62)),)),
    "lists in lists": file_of(values=(value("x", ARRAY, struct.pack("<IQ", ARRAY, 9)),)),
    "many long lists": file_of(values=[value(x, ARRAY, struct.pack("<IQ", UINT8, 9000) + bytes(9000)) for x in "ab"]),
    "an alignment of nothing": file_of(values=(value("general.alignment", UINT32, struct.pack("<I", 0)),)),
    "an alignment that is odd": file_of(values=(value("general.alignment", UINT32, struct.pack("<I", 48)),)),
    "an alignment of two bytes": file_of(values=(value("general.alignment", UINT16, struct.pack("<H", 32)),)),
    "an alignment that is a text": file_of(values=(value("general.alignment", STRING, text("32")),)),
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_beyond_the_bounds_is_refused_at_once(content):
    assert fault(content)[0] in ("damaged", "truncated")


def test_all_that_together_costs_a_moment():
    with at_most(seconds=0.2):
        for content in HOSTILE.values():
            fault(content)


def test_a_header_that_never_ends_is_not_read_to_its_end():
    def endless():
        yield b"GGUF" + struct.pack("<IQQ", 3, 0, 1_000)
        for number in range(1_000):
            yield value(f"x{number}", STRING, text(b"y" * 100_000))

    class Counting(io.BytesIO):
        def read(self, count=-1):
            assert count >= 0, "never as a whole"
            return super().read(count)

    file = Counting(b"".join(endless()))
    with at_most(seconds=0.5), pytest.raises(GgufError):
        read_gguf(file, 2**40)
    assert file.tell() <= gguf_file.MOST_HEADER


def test_random_changes_are_refused_or_harmless(written):
    random = np.random.default_rng(3)
    outcomes = set()
    with at_most(seconds=1):
        for _ in range(2000):
            changed = bytearray(written)
            for place in random.integers(4, 256, random.integers(1, 4)):
                changed[place] = random.integers(0, 256)
            try:
                read(bytes(changed))
                outcomes.add("read")
            except GgufError as error:
                outcomes.add(error.reason)
    assert outcomes >= {"read", "damaged", "truncated", "architecture", "type"}


def test_as_many_weights_as_may_be_take_a_moment():
    count = gguf_file.MOST_WEIGHTS
    content = file_of(*[weight(f"blocks.{n}.weight", offset=128 * n) for n in range(count)], data=128 * count)
    with at_most(seconds=1):
        assert len(read(content).weights) == count
