"""Downloaded folders of other families that ask for more than weights, or lack what they name."""

import json
import shutil

import pytest
import torch

from generation.domain.errors import RenderError
from tests.workers.engines.families.conftest import FAMILIES
from workers.engines.families.opening import open_pipeline
from workers.engines.files.configs import read_json
from workers.engines.files.source import Source

BY_NAME = {family.name: family for family in FAMILIES}


class _Floats(dict):
    def __missing__(self, _part):
        return torch.float32


@pytest.fixture
def copied(small_folder, tmp_path):
    """Return a function that gives a copy of a family's folder."""
    return lambda name: shutil.copytree(small_folder(BY_NAME[name]), tmp_path / name)


def refusal(name, folder):
    with pytest.raises(RenderError) as caught:
        open_pipeline(folder, BY_NAME[name].pipeline, _Floats(), Source("Small model"))
    return caught.value


def change(path, **fields):
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **fields}))


ASKED = {"auto_map": {"AutoModel": "evil.Model"}}
FILES = [
    ("wan", "model_index.json", ASKED),
    ("wan", "tokenizer/tokenizer_config.json", ASKED),
    ("wan", "tokenizer/config.json", ASKED),
    ("wan", "text_encoder/config.json", ASKED),
    ("wan", "transformer/config.json", ASKED),
    ("wan", "scheduler/scheduler_config.json", ASKED),
    ("hunyuan", "guider/guider_config.json", ASKED),
    ("hunyuan", "guider/guider_config.json", {"_class_name": "AutoGuidance"}),
    ("hunyuan", "text_encoder/config.json", {"text_config": {"attn_implementation": "someone/kernels"}}),
    ("hunyuan", "text_encoder/config.json", {"nested": [{"deep": ASKED}]}),
]


@pytest.mark.parametrize(("name", "file", "fields"), FILES, ids=[f"{each[1]}, {next(iter(each[2]))}" for each in FILES])
def test_a_configuration_that_asks_for_code_or_another_class_is_refused(copied, name, file, fields):
    folder = copied(name)
    change(folder / file, **fields)
    assert refusal(name, folder).id == "model-unsafe"


def test_the_parts_of_a_text_encoder_may_name_what_transformers_has(tmp_path):
    change(tmp_path / "config.json", vision_config={"_attn_implementation": "sdpa", "quantization_config": None})
    assert read_json(tmp_path / "config.json", Source("Small model"))


def test_an_adapter_beside_a_text_encoder_leads_nowhere(copied, tmp_path):
    """transformers would load the model that it names instead, from wherever that is."""
    folder = copied("wan")
    other = shutil.copytree(folder / "text_encoder", tmp_path / "other")
    change(folder / "text_encoder" / "adapter_config.json", base_model_name_or_path=str(other), peft_type="LORA")
    assert refusal("wan", folder).id == "model-unsafe"


@pytest.mark.parametrize("value", [[], [None], "UMT5EncoderModel", 5, ["transformers"]])
def test_an_index_that_names_no_classes_is_refused_or_a_part_is_missing(copied, value):
    folder = copied("wan")
    change(folder / "model_index.json", text_encoder=value)
    assert refusal("wan", folder).id in ("model-corrupt", "model-missing")


@pytest.mark.parametrize(
    "named", ["../secret.safetensors", "/etc/passwd", "model.bin", "none.safetensors", "", ".", "a/b.safetensors"]
)
def test_shards_are_safetensors_in_the_folder(copied, named):
    """A file under another name would be read as a pickle, whatever it looks like."""
    folder = copied("wan")
    weights = folder / "text_encoder" / "model.safetensors"
    shutil.copy(weights, folder / "secret.safetensors")
    weights.rename(folder / "text_encoder" / "model.bin")
    change(folder / "text_encoder" / "model.safetensors.index.json", metadata={}, weight_map={"shared.weight": named})
    assert refusal("wan", folder).id in ("model-missing", "model-corrupt", "model-unsafe")


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {"a": 5}}', b"\xff", b"["])
def test_an_index_of_shards_that_is_none_is_refused(copied, content):
    folder = copied("wan")
    (folder / "text_encoder" / "model.safetensors.index.json").write_bytes(content)
    assert refusal("wan", folder).id in ("model-corrupt", "model-missing")
