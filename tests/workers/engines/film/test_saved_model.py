"""A SavedModel that could do more than interpolate is refused before TensorFlow loads it.

Every hostile model here has FILM's signature and is saved, or put together, as an attacker would.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generation.domain.errors import RenderError
from tests.workers.engines.film.blenders import save_blender
from workers.engines.apart import saved_model
from workers.engines.apart.saved_model import GRAPH, UnsafeModelError, check_graph, require_safe
from workers.engines.film import FilmEngine
from workers.tiny.training.evaluate_film import SHIPPED

pytestmark = pytest.mark.tensorflow

# All operations of the three networks that FILM's authors published (L1, Style, VGG), as listed from their graphs.
_PUBLISHED = """
    AddV2 AssignVariableOp AvgPool BiasAdd Cast ConcatV2 Const Conv2D DivNoNan ExpandDims Fill Floor GatherV2 Identity
    LeakyRelu Less Maximum Mean Minimum Mul Neg NoOp Pack PartitionedCall Placeholder Range ReadVariableOp Reshape
    ResizeBilinear ResizeNearestNeighbor Select Shape Size StatefulPartitionedCall StridedSlice Sub Transpose Unpack
    VarHandleOp ZerosLike
"""
_SAVERS = "MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin"


def signature() -> list[dict[str, Any]]:
    import tensorflow as tf

    frames = tf.TensorSpec([None, None, None, 3], tf.float32)
    return [{"x0": frames, "x1": frames, "time": tf.TensorSpec([None, 1], tf.float32)}]


def save(folder: Path, act: Callable[[Any], Any] = lambda inputs: 0.0, **parts: Any) -> Path:
    """Write a SavedModel that answers its first frame and performs `act`; `parts` become attributes of the model."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(autograph=False, input_signature=signature())
        def __call__(self, inputs):
            return {"image": inputs["x0"] + tf.cast(act(inputs), tf.float32)}

    model = Model()
    for name, part in parts.items():
        setattr(model, name, part)
    tf.saved_model.save(model, str(folder))
    return folder


def parsed(folder: Path) -> Any:
    return saved_model._read(folder)


def reads(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda inputs: tf.strings.length(tf.io.read_file(str(path)))


def writes(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    def act(inputs):
        with tf.control_dependencies([tf.io.write_file(str(path), "taken")]):
            return tf.constant(0.0)

    return act


def prints(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    def act(inputs):
        tf.print("taken", output_stream=f"file://{path}")
        return 0.0

    return act


def restores(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda inputs: tf.raw_ops.RestoreV2(
        prefix=str(path), tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0]


def merges(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    def act(inputs):
        merge = tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[str(path)], destination_prefix=str(path) + "-new")
        with tf.control_dependencies([merge]):
            return tf.constant(0.0)

    return act


def lists(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda inputs: tf.size(tf.io.matching_files(str(path / "*")))


def runs_python(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda inputs: tf.numpy_function(lambda: 0.0, [], tf.double)


def hides_in_a_branch(path: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    read = reads(path)
    return lambda inputs: tf.cond(tf.size(inputs["x0"]) > 0, lambda: read(inputs), lambda: 0)


HOSTILE = [
    (reads, "ReadFile"),
    (writes, "WriteFile"),
    (prints, "StringFormat|PrintV2"),
    (restores, "reads or writes files|of its own choice"),
    (merges, "reads or writes files|of its own choice"),
    (lists, "MatchingFiles"),
    (runs_python, "PyFunc"),
    (hides_in_a_branch, "ReadFile"),
]


@pytest.mark.parametrize(("kind", "named"), HOSTILE)
def test_a_graph_that_reaches_for_files_or_code_is_refused(tmp_path, kind, named):
    secret = tmp_path / "secret"
    secret.write_text("key")
    folder = save(tmp_path / "model", kind(secret))
    with pytest.raises(UnsafeModelError, match=named):
        require_safe(folder)
    assert secret.read_text() == "key"


def test_the_engine_refuses_it_with_an_error_for_the_person_before_anything_ran(tmp_path):
    target = tmp_path / "target"
    engine = FilmEngine(save(tmp_path / "model", writes(target)), device="cpu", label="FILM")
    with pytest.raises(RenderError) as caught:
        engine.load()
    assert caught.value.id == "model-unsafe"
    assert "WriteFile" in str(caught.value.text)
    assert not target.exists()


def test_without_the_check_the_attack_works(tmp_path):
    """Or these tests would prove nothing."""
    import tensorflow as tf

    target = tmp_path / "target"
    model = tf.saved_model.load(str(save(tmp_path / "model", writes(target))))
    frames = tf.zeros([1, 64, 64, 3])
    model({"x0": frames, "x1": frames, "time": tf.zeros([1, 1])})
    assert target.read_text() == "taken"


def test_a_table_that_reads_its_words_from_a_file_while_loading_is_refused(tmp_path):
    import tensorflow as tf

    (tmp_path / "words").write_text("a\nb\n")
    words = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
    )  # fmt: skip
    table = tf.lookup.StaticHashTable(words, 0)
    with pytest.raises(UnsafeModelError):
        require_safe(save(tmp_path / "model", table=table))


def test_a_file_that_comes_along_as_an_asset_is_refused(tmp_path):
    import tensorflow as tf

    (tmp_path / "words").write_text("a")
    with pytest.raises(UnsafeModelError, match="reads the file words"):
        require_safe(save(tmp_path / "model", words=tf.saved_model.Asset(str(tmp_path / "words"))))


def test_a_model_of_version_1_is_refused_because_its_initialisers_would_run(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    model.meta_graphs[0].ClearField("object_graph_def")
    with pytest.raises(UnsafeModelError, match="TensorFlow 2"):
        check_graph(model)
    model.meta_graphs.add()
    with pytest.raises(UnsafeModelError, match="TensorFlow 2"):
        check_graph(model)


@pytest.mark.parametrize("change", ["registered_name", "registered_saver", "resource", "asset", "captured_tensor"])
def test_objects_that_run_something_of_their_own_are_refused(tmp_path, change):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    node = model.meta_graphs[0].object_graph_def.nodes[-1]
    if change.startswith("registered"):
        setattr(node, change, "Custom")
    else:
        getattr(node, change).SetInParent()
    with pytest.raises(UnsafeModelError, match="an object of kind"):
        check_graph(model)


def test_an_object_that_keras_would_build_from_code_is_refused(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    model.meta_graphs[0].object_graph_def.nodes[0].user_object.identifier = "some.module.Class"
    with pytest.raises(UnsafeModelError, match=r"some\.module\.Class"):
        check_graph(model)


def saver_of(model: Any, op: str) -> Any:
    functions = model.meta_graphs[0].graph_def.library.function
    return next(function for function in functions if any(node.op == op for node in function.node_def))


@pytest.mark.parametrize("op", ["SaveV2", "RestoreV2"])
def test_a_saver_may_only_use_the_prefix_it_is_given(tmp_path, op):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    check_graph(model)
    function = saver_of(model, op)
    node = next(node for node in function.node_def if node.op == op)
    constant = function.node_def.add(name="elsewhere", op="Const")
    constant.attr["value"].tensor.string_val.append(b"/etc/passwd")
    node.input[0] = "elsewhere:output:0"
    with pytest.raises(UnsafeModelError, match="of its own choice"):
        check_graph(model)


def test_a_saver_may_not_climb_from_its_prefix(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    function = saver_of(model, "SaveV2")
    endings = [node for node in function.node_def if b"_temp/part" in node.attr["value"].tensor.string_val]
    endings[0].attr["value"].tensor.string_val[0] = b"/../../secret"
    with pytest.raises(UnsafeModelError, match="of its own choice"):
        check_graph(model)


def test_nothing_but_the_saver_may_call_it(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    saver = saver_of(model, "RestoreV2").signature.name
    graph = model.meta_graphs[0].object_graph_def
    exposed = next(node for node in graph.nodes if node.WhichOneof("kind") == "bare_concrete_function")
    exposed.bare_concrete_function.concrete_function_name = saver
    with pytest.raises(UnsafeModelError, match="reads or writes files"):
        check_graph(model)

    model = parsed(tmp_path / "model")
    other = next(f for f in model.meta_graphs[0].graph_def.library.function if f.signature.name != saver)
    call = other.node_def.add(name="call", op="PartitionedCall")
    call.attr["f"].func.name = saver
    with pytest.raises(UnsafeModelError, match="reads or writes files by"):
        check_graph(model)


def test_what_a_call_leaves_open_cannot_be_checked_and_is_refused(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    function = model.meta_graphs[0].graph_def.library.function[0]
    function.node_def.add(name="call", op="PartitionedCall").attr["f"].placeholder = "f"
    with pytest.raises(UnsafeModelError, match="leaves open"):
        check_graph(model)


def test_calls_without_end_are_refused(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    functions = model.meta_graphs[0].graph_def.library.function
    function = next(each for each in functions if not saved_model._has_files(each))
    function.node_def.add(name="again", op="PartitionedCall").attr["f"].func.name = function.signature.name
    with pytest.raises(UnsafeModelError, match=r"without end"):
        check_graph(model)


def test_a_constant_that_would_fill_the_memory_is_refused(tmp_path):
    model = parsed(save_blender(tmp_path / "model", honours_time=True))
    node = model.meta_graphs[0].graph_def.library.function[0].node_def.add(name="bomb", op="Const")
    node.attr["value"].tensor.float_val.append(1.0)
    for _ in range(2):
        node.attr["value"].tensor.tensor_shape.dim.add(size=2**20)
    with pytest.raises(UnsafeModelError, match="fills the memory"):
        check_graph(model)


def test_a_graph_of_too_many_parts_or_bytes_is_refused(tmp_path, monkeypatch):
    folder = save_blender(tmp_path / "model", honours_time=True)
    for limit in ("MOST_NODES", "MOST_FUNCTIONS", "MOST_OBJECTS"):
        with monkeypatch.context() as patch, pytest.raises(UnsafeModelError, match="are accepted"):
            patch.setattr(saved_model, limit, 1)
            require_safe(folder)
    monkeypatch.setattr(saved_model, "MOST_BYTES", 100)
    with pytest.raises(UnsafeModelError, match="larger than"):
        require_safe(folder)


def test_a_pickle_under_its_name_is_damaged_and_never_unpickled(tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    folder = save_blender(tmp_path / "model", honours_time=True)
    (folder / GRAPH).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RenderError) as caught:
        FilmEngine(folder, device="cpu").load()
    assert caught.value.id in ("model-corrupt", "model-unsafe")
    assert not (tmp_path / "ran").exists()


def test_the_published_networks_and_ours_consist_of_what_is_allowed():
    assert set(_PUBLISHED.split()) <= saved_model.ALLOWED
    assert set(_SAVERS.split()) <= saved_model.SAVERS
    require_safe(SHIPPED)


def test_nothing_on_the_list_touches_files_code_or_the_network():
    """The list itself: what TensorFlow calls stateful is either a variable, a call, or a check."""
    from tensorflow.python.framework import op_def_registry

    stateful = {name for name in saved_model.ALLOWED if op_def_registry.get(name).is_stateful}
    assert stateful <= saved_model.VARIABLES | saved_model.CALLS | saved_model.CHECKS
