"""Model files that would run a program, and catalogues that would fetch or read what they must not.

These need no site: a worker loads models, so its loaders are what is attacked, in processes of their own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from generation.catalogue.entries import matches
from generation.catalogue.load import CatalogueError, _load, load_catalogue
from tests.rigs.attack.attempts import Attempt, judge
from tests.site import ROOT

UPSCALER = """
[upscalers.mine]
label = "Mine"
purpose = "For tests."
family = "any"
licence = "MIT"
repo = "me/mine"
scales = { 2 = "x2.safetensors" }
"""

# What is written into a file of each engine, and how it is loaded. `mark` is the file that the program creates.
_PICKLES = """
import json, shutil, sys
from pathlib import Path
import django; django.setup()
import torch
from generation.catalogue.entries import BUILTIN_MODELS
from workers.engines.animatediff.loras import set_loras
from workers.engines.animatediff.motion import load_motion_adapter
from workers.engines.files.clip_tokenizer import load_tokenizer
from workers.engines.files.source import Source
from workers.engines.files.weights import weights_file
from workers.engines.base import Lora
from workers.engines.realesrgan import RealEsrganEngine
folder = Path(sys.argv[1]); mark = folder / "mark"
class Bomb:
    def __init__(self, act): self.act = act
    def __reduce__(self): return self.act
opening = f"open({str(mark)!r}, 'w')"
acts = {"touch": (Path.touch, (mark,)), "eval": (eval, (opening,)), "exec": (exec, (opening,)),
        "system": (__import__("os").system, (f"touch {mark}",))}
source = lambda: Source("Small")
def upscaler(path): RealEsrganEngine({2: path}, device="cpu").load()
def adapter(path): load_motion_adapter(path, torch.float32, source())
def lora(path): set_loras(None, [Lora(path, 1.0, "Ink")], source())
def tokenizer(path): load_tokenizer(path.parent, source())
def weights(path): weights_file(path.parent, path.stem, source())
answers = []
for act, how in acts.items():
    for suffix in ("safetensors", "pth", "ckpt", "bin", "pkl"):
        for layout in ({}, {"_use_new_zipfile_serialization": False}):
            for load in (upscaler, adapter, lora, tokenizer, weights):
                shutil.rmtree(folder / "model", ignore_errors=True); (folder / "model").mkdir()
                path = folder / "model" / f"diffusion_pytorch_model.{suffix}"
                torch.save({"params_ema": Bomb(how)}, path, **layout)
                mark.unlink(missing_ok=True)
                try: load(path); error = ""
                except Exception as failure: error = type(failure).__name__
                answers.append([f"{load.__name__} of .{suffix} with {act}, {layout}", mark.exists(), error])
print(json.dumps(answers))
"""

# Every operation that TensorFlow knows and an interpolator has no use for, in a graph and in a function.
_GRAPHS = """
import json
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow.python.client import pywrap_tf_session
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from workers.engines.apart import saved_model
ops = op_def_pb2.OpList(); ops.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
telling = '''
File Read Write Save Restore Py Print Table Dataset Iterator Queue Send Recv Load Remote Rpc Host Decode Summary Stack
Barrier Resource Shard Matching Custom
'''.split()
chosen = [op.name for op in ops.op if any(word in op.name for word in telling) and op.name not in saved_model.SAVERS]
answers = []
for name in chosen:
    for place in ("graph", "function"):
        model = saved_model_pb2.SavedModel(); meta = model.meta_graphs.add(); meta.object_graph_def.SetInParent()
        node = meta.graph_def.node.add() if place == "graph" else meta.graph_def.library.function.add().node_def.add()
        node.op = name; node.name = "x"
        try: saved_model.check_graph(model); error = ""
        except saved_model.UnsafeModelError as failure: error = str(failure)
        answers.append([f"{name} in a {place}", not error, error])
print(json.dumps(answers))
"""


@judge(condemns=[("ran", True, ""), ("passed", True, "ValueError")], acquits=[("refused", False, "RenderError")])
def ran(evidence: tuple[str, bool, str]) -> str:
    """Condemn a program that has run, or a graph that would be loaded."""
    return "ran, or would be loaded" if evidence[1] else ""


@judge(condemns=[""], acquits=["field 'repo' must be a repository's name"])
def believed(error: str) -> str:
    """Condemn a catalogue that was read without an error."""
    return "" if error else "was accepted"


@judge(condemns=[True], acquits=[False])
def matched(is_match: bool) -> str:
    """Condemn a name of a hub that a pattern lets out of the model's folder."""
    return "would be written outside of the model's folder" if is_match else ""


def attempts(folder: Path) -> Iterator[Attempt]:
    """Yield catalogues, names of a hub's files, pickles and SavedModels; `folder` is empty."""
    yield from _catalogues(folder)
    yield from _names()
    for code, name in ((_PICKLES, "pickle"), (_GRAPHS, "SavedModel")):
        for found in _answers(code, folder):
            yield Attempt(f"{name}: {found[0]}", lambda found=tuple(found): found, ran)


def _catalogues(folder: Path) -> Iterator[Attempt]:
    outside = (
        "../x",
        "/etc/passwd",
        "a/../../x",
        "..",
        "a\\..\\x",
        "C:\\x",
        "a//b",
        "./a",
        "~/x",
        "a\u0000b",
        "\u202ea",
        " a",
        "a/ ",
    )
    repos = (
        "../../etc",
        "http://evil.example/x",
        "file:///etc",
        "a/b/c",
        "a",
        "a/..",
        "../b",
        "a/b?x",
        "a/b#x",
        "a b/c",
        "a/b@x",
        "-a/b",
    )
    revisions = ("main", "../main", "v1", "0" * 39, "0" * 41, "refs/pr/1", "g" * 40, "", "--help")
    lines = {
        *(f"repo = {json.dumps(repo)}" for repo in repos),
        *(f'repo = "me/mine"\nfiles = [{json.dumps(name)}]' for name in outside),
        *(f'repo = "me/mine"\nrevision = {json.dumps(revision)}' for revision in revisions),
        *(
            f'repo = "me/mine"\nsha256 = {{ "x2.safetensors" = "{digest}" }}'
            for digest in ("x", "0" * 63, "g" * 64, "")
        ),
        *(f"folder = {json.dumps(name)}" for name in ("elsewhere", "../x", "", "~/x")),
    }
    for number, line in enumerate(sorted(lines)):
        text = UPSCALER.replace('repo = "me/mine"', line)
        yield Attempt(f"catalogue with {line!r}", _reading(folder / f"{number}.toml", text), believed)
    for name in outside:
        text = UPSCALER.replace("x2.safetensors", name.replace("\\", "\\\\").replace("\x00", "\\u0000"))
        yield Attempt(f"catalogue with the weights {name!r}", _reading(folder / "scale.toml", text), believed)
    for name in ("../mine", "a/b", "", "a b", "A\\\\b", "\\u202ea"):
        text = UPSCALER.replace("upscalers.mine", f'upscalers."{name}"')
        yield Attempt(f"catalogue with the id {name!r}", _reading(folder / "id.toml", text), believed)


def _reading(path: Path, text: str):
    def act() -> str:
        path.write_text(text, encoding="utf-8")
        _load.cache_clear()
        try:
            load_catalogue(path)
        except CatalogueError as error:
            return str(error)
        return ""

    return act


def _names() -> Iterator[Attempt]:
    names = (
        *("../x", "../../x.safetensors", "unet/../../x", "/x", "\\x", "..\\x", "unet\\..\\x", "C:x", "./x", "unet/./x"),
        *("unet//x", "unet/", "x\x00", "x\n", "\u202ex", "unet/..", "..", ".", "", " x", "x ", "unet/ x", "a:b"),
    )
    patterns = ("*", "**", "*/*", "unet/*", "*.safetensors", "unet/*.safetensors", "?*", "[.]*/*", "[!a]*", "*/*/*")
    for name, pattern in product(names, patterns):
        yield Attempt(f"the hub's file {name!r} for {pattern!r}", lambda n=name, p=pattern: matches(n, p), matched)


def _answers(code: str, folder: Path) -> list[list]:
    """Run a program of hostile files in a process of its own and return what came of each."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "auravideo.settings"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
