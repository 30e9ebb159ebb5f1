"""The guide's way from a .ckpt to a .safetensors, followed literally."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from generation.catalogue.entries import BUILTIN_MODELS
from tests.single_files import write_single_file
from workers.engines.animatediff.engine import AnimateDiffEngine

GUIDE = (Path(__file__).resolve().parents[4] / "docs" / "models.md").read_text(encoding="utf-8")
TINY, MOTION = BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"
CLIP = ("a red heart rising over the sea", "", 64, 64, 2, 1, 3.5, 7, lambda *_: None)


def convert(folder, source):
    script = re.search(r"<!-- convert.py -->\n```python\n(.*?)```", GUIDE, re.DOTALL)
    (folder / "convert.py").write_text(script[1])
    command = [sys.executable, "convert.py", source, "new.safetensors"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_checkpoint_converted_as_the_guide_says_makes_the_same_frames(tmp_path):
    single = write_single_file(tmp_path / "single.safetensors", TINY)
    torch.save({"state_dict": load_file(single), "global_step": 7}, tmp_path / "old.ckpt")
    done = convert(tmp_path, "old.ckpt")
    assert (done.returncode, done.stderr) == (0, "")
    made = [
        AnimateDiffEngine(TINY, MOTION, weights=file, device="cpu").generate(*CLIP)
        for file in (None, tmp_path / "new.safetensors")
    ]
    np.testing.assert_array_equal(*made)


class Program:
    def __reduce__(self):
        return (open, ("ran", "w"))


def test_a_program_in_a_pickle_does_not_run(tmp_path):
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps({"state_dict": {"a": Program()}}))
    assert convert(tmp_path, "old.ckpt").returncode != 0
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "new.safetensors").exists()
