"""Motion modules in the layouts of AnimateDiff's own code: the frames of diffusers' layout, or a refusal."""

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from generation.domain.errors import RenderError
from tests import full_size_models as models
from tests.single_files import in_names_of_animatediff

CLIP = ("a red heart", "", 64, 64, 2, 1, 7.5, 3, lambda *_: None)


@pytest.fixture
def published(small, tmp_path):
    return models.write_bare_adapter(tmp_path / "adapter.safetensors", models.SMALL)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_original_layout_makes_the_same_frames(new_engine, tmp_path, published, prefix):
    old = in_names_of_animatediff(load_file(published))
    assert (
        "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.1.to_q.weight" in old
    )
    assert "up_blocks.3.motion_modules.2.temporal_transformer.transformer_blocks.0.ff_norm.bias" in old
    save_file({prefix + name: tensor for name, tensor in old.items()}, tmp_path / "mm_sd_v15_v2.safetensors")
    files = (published, tmp_path / "mm_sd_v15_v2.safetensors")
    np.testing.assert_array_equal(*(new_engine(adapter=file).generate(*CLIP) for file in files))


def test_a_missing_weight_is_an_error(new_engine, tmp_path, published):
    old = in_names_of_animatediff(load_file(published))
    del old["mid_block.motion_modules.0.temporal_transformer.proj_in.bias"]
    save_file(old, tmp_path / "mm.safetensors")
    with pytest.raises(RenderError) as caught:
        new_engine(adapter=tmp_path / "mm.safetensors").load()
    assert (caught.value.id, caught.value.context["file"]) == ("model-corrupt", "mm.safetensors")
