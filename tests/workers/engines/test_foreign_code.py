"""A model's files hold numbers: what would run code when it is loaded is refused, under whatever name it comes."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from generation.domain.errors import RenderError
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.animatediff.loras import set_loras
from workers.engines.animatediff.opening import load_pipeline
from workers.engines.files.configs import read_json
from workers.engines.files.schedulers import ANIMATEDIFF_SCHEDULER, make_scheduler
from workers.engines.files.source import Source
from workers.engines.realesrgan import RealEsrganEngine


class Bomb:
    """Unpickling it creates the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def ran(tmp_path):
    return tmp_path / "ran"


@pytest.fixture
def base(small, tmp_path):
    return shutil.copytree(small.base, tmp_path / "base")


def refusal(base: Path, adapter: Path, **options) -> str:
    with pytest.raises(RenderError) as caught:
        AnimateDiffEngine(base, adapter, label="Small model", device="cpu", **options).load()
    return caught.value.id


def test_the_bomb_works(ran, tmp_path):
    """Or these tests would prove nothing."""
    torch.save(Bomb(ran), tmp_path / "file.bin")
    torch.load(tmp_path / "file.bin", weights_only=False)
    assert ran.exists()


WEIGHTS = {"unet": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
@pytest.mark.parametrize("is_disguised", [False, True], ids=["as .bin", "as .safetensors"])
def test_a_pickle_is_never_unpickled(small, base, ran, part, is_disguised):
    weights = next((base / part).glob("*.safetensors"))
    names = [weights.name] if is_disguised else ["pytorch_model.bin", f"{WEIGHTS[part]}.bin", f"{WEIGHTS[part]}.ckpt"]
    weights.unlink()
    for name in names:
        torch.save(Bomb(ran), base / part / name)
    assert refusal(base, small.adapter) in ("model-missing", "model-corrupt", "model-is-archive")
    assert not ran.exists()


def test_an_adapter_that_is_a_pickle_is_never_unpickled(small, base, ran, tmp_path):
    torch.save(Bomb(ran), tmp_path / "adapter.ckpt")
    assert refusal(base, tmp_path / "adapter.ckpt") == "model-corrupt"
    assert not ran.exists()


@pytest.mark.parametrize("name", ["ink.safetensors", "ink.pt", "ink.ckpt", "pytorch_lora_weights.bin"])
def test_a_lora_that_is_a_pickle_is_never_unpickled(small, ran, tmp_path, name):
    from workers.engines.base import Lora

    pipeline = load_pipeline(small.base, small.adapter, None, torch.float32, Source("Small"), Source("Motion"))
    torch.save(Bomb(ran), tmp_path / name)
    with pytest.raises(RenderError):
        set_loras(pipeline, [Lora(tmp_path / name, 1.0, "Ink")], Source("Small"))
    assert not ran.exists()


@pytest.mark.parametrize("name", ["x2.pth", "x2.safetensors", "x2.pt", "x2.ckpt"])
def test_an_upscaler_that_is_a_pickle_is_never_unpickled(ran, tmp_path, name):
    torch.save({"params_ema": Bomb(ran)}, tmp_path / name)
    with pytest.raises(RenderError) as caught:
        RealEsrganEngine({2: tmp_path / name}, device="cpu").load()
    assert caught.value.id.startswith("model-")
    assert not ran.exists()


CODE = {
    "auto_map": {"AutoModel": "evil.Model"},
    "attn_implementation": "someone/kernels",
    "_attn_implementation": "someone/kernels",
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
    "custom_pipelines": {"evil": {}},
    "trust_remote_code": True,
}


@pytest.mark.parametrize("key", CODE)
def test_a_configuration_that_asks_for_code_is_refused(tmp_path, key):
    (tmp_path / "config.json").write_text(json.dumps({key: CODE[key]}))
    with pytest.raises(RenderError) as caught:
        read_json(tmp_path / "config.json", Source("Small model"))
    assert (caught.value.id, caught.value.context["problem"]) == ("model-unsafe", key)


@pytest.mark.parametrize("file", ["unet", "vae", "text_encoder", "scheduler", "tokenizer"])
def test_the_configuration_of_every_part_is_checked(small, base, file):
    names = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}
    path = base / file / names.get(file, "config.json")
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, "auto_map": {"AutoModel": "evil.Model"}}))
    assert refusal(base, small.adapter) == "model-unsafe"


@pytest.mark.parametrize(
    ("file", "named"),
    [("unet", {"_class_name": "EvilModel"}), ("vae", {"_class_name": ["AutoencoderKL"]}), ("unet", {"_class_name": ""}),
     ("text_encoder", {"architectures": ["EvilModel"]}), ("text_encoder", {"_class_name": "evil.Model"})],
)  # fmt: skip
def test_a_configuration_that_names_another_class_is_refused(small, base, file, named):
    path = base / file / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **named}))
    assert refusal(base, small.adapter) == "model-unsafe"


def test_a_scheduler_of_another_class_is_replaced_and_never_imported(small, base):
    path = base / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": "os.system"}))
    scheduler = make_scheduler(None, base, Source("Small"))
    assert type(scheduler).__name__ == ANIMATEDIFF_SCHEDULER["class"]
