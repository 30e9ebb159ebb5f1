"""Refuses SavedModels that could do more than interpolate, before TensorFlow loads them.

Loading a SavedModel runs what it says: resources create themselves, tables read their files, checkpoints are restored
by functions of its own. So a file that claims to be FILM could read or write any file of this process. What may be in
it is listed here; whatever is not listed is refused, including operations that future versions of TensorFlow add.
"""

import re
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

from workers.engines.tensorflow_device import tensorflow

GRAPH = "saved_model.pb"
MOST_BYTES = 64 * 2**20  # FILM's has 2.6 MB, ours 1 MB
MOST_NODES, MOST_FUNCTIONS, MOST_OBJECTS = 200_000, 5_000, 50_000
MOST_NESTING = 50  # calls within calls
MOST_VALUES = 2**24  # of one constant, which may state more than the file has

# What the three published FILM networks and ours consist of, and the arithmetic beside it.
_ARITHMETIC = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin AvgPool BatchMatMulV2 BiasAdd BroadcastTo Cast Ceil ClipByValue ConcatV2
    Const Conv2D Conv2DBackpropInput Cos DepthToSpace DepthwiseConv2dNative Div DivNoNan Einsum Elu EnsureShape Equal
    Erf Exp ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNormV3 GatherNd GatherV2 Greater GreaterEqual Identity
    IdentityN LeakyRelu Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min
    Minimum MirrorPad Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 Placeholder PlaceholderWithDefault Pow
    PreventGradient Prod Range Rank RealDiv Reciprocal Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor
    ReverseV2 Round Rsqrt Select SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Size Slice Softmax Softplus
    SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient StridedSlice Sub Sum Tan Tanh
    TensorScatterUpdate Tile Transpose TruncateDiv Unpack Where ZerosLike
"""
ARITHMETIC = frozenset(_ARITHMETIC.split())
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf"})
CHECKS = frozenset({"Assert"})
VARIABLES = frozenset({"VarHandleOp", "ReadVariableOp", "AssignVariableOp", "DisableCopyOnRead", "VarIsInitializedOp"})
ALLOWED = ARITHMETIC | CALLS | CHECKS | VARIABLES

# How every SavedModel saves and restores its checkpoint: allowed in functions that nothing calls but the saver, on file
# names that begin with the prefix which they are given.
FILES = frozenset({"SaveV2", "RestoreV2", "ShardedFilename", "MergeV2Checkpoints"})
NAMES = frozenset({"StringJoin", "StaticRegexFullMatch"})
SAVERS = ALLOWED | FILES | NAMES
PREFIX = "file_prefix"
_FILE_NAMES = {"SaveV2": 1, "RestoreV2": 1, "ShardedFilename": 1, "MergeV2Checkpoints": 2}  # how many inputs are names
_SUFFIX = re.compile(rb"[\w.]{0,64}(/part)?")

OBJECTS = frozenset({"user_object", "variable", "function", "bare_concrete_function", "constant"})
_PLAIN = ("_generic_user_object", "signature_map")
_WRAPPER = re.compile(r"trackable_(list|dict|tuple)_wrapper|_tf_keras_\w{1,40}")  # plain containers without Keras
COLLECTIONS = frozenset({"saved_model_main_op", "saved_model_train_op", "trainable_variables", "variables"})


class UnsafeModelError(ValueError):
    """A SavedModel has something in it that an interpolator has no use for; the message names it."""


def require_safe(folder: Path) -> None:
    """Check the SavedModel in `folder` without loading it.

    Raises:
        UnsafeModelError: it is too large, or something in it is not on the lists above.
        OSError, ValueError: it cannot be read or parsed.
    """
    check_graph(_read(folder))


def _read(folder: Path) -> Any:
    tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / GRAPH
    if path.stat().st_size > MOST_BYTES:
        raise UnsafeModelError(f"{GRAPH} is larger than {MOST_BYTES // 2**20} MB")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())  # its own limit of nesting applies
    except Exception as error:  # protobuf's DecodeError
        raise ValueError(f"{GRAPH} cannot be parsed") from error
    return model


def check_graph(model: Any) -> None:
    """Raise UnsafeModelError unless `model`, a parsed `SavedModel`, can only compute. See `require_safe`."""
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        # TensorFlow would load it as version 1 does, which runs its initialisers.
        raise UnsafeModelError("it is not a SavedModel of TensorFlow 2")
    meta = model.meta_graphs[0]
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    _check_size(meta, functions)
    _check_attachments(meta)
    savers = {name for name, function in functions.items() if _has_files(function)}
    _check_nodes(meta.graph_def.node, ALLOWED, functions)
    for name, function in functions.items():
        _check_nodes(function.node_def, SAVERS if name in savers else ALLOWED, functions)
        if called := savers.intersection(_called(function.node_def)):
            raise UnsafeModelError(f"{name} reads or writes files by {min(called)}")
    _check_objects(meta.object_graph_def, savers, functions)
    for name in savers:
        _check_saver(functions[name])
    _check_nesting(functions)


def _check_size(meta: Any, functions: dict[str, Any]) -> None:
    nodes = len(meta.graph_def.node) + sum(len(function.node_def) for function in functions.values())
    for count, most, what in (
        (nodes, MOST_NODES, "operations"),
        (len(functions), MOST_FUNCTIONS, "functions"),
        (len(meta.object_graph_def.nodes), MOST_OBJECTS, "objects"),
    ):
        if count > most:
            raise UnsafeModelError(f"it has {count} {what}; at most {most} are accepted")


def _check_attachments(meta: Any) -> None:
    if meta.asset_file_def:
        raise UnsafeModelError("it reads the file " + meta.asset_file_def[0].filename)
    for name in meta.collection_def:
        if name not in COLLECTIONS:
            raise UnsafeModelError(f"it has a collection {name}")
    library = meta.graph_def.library
    if library.gradient or library.registered_gradients:
        raise UnsafeModelError("it has gradients of its own")


def _check_nodes(nodes: Iterable[Any], allowed: frozenset[str], functions: dict[str, Any]) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise UnsafeModelError(f"operation {node.op}")
        for name in _called([node]):
            if name not in functions:
                raise UnsafeModelError(f"{node.op} calls {name}, which is not in the model")
        for value in node.attr.values():
            if value.placeholder or any(function.attr for function in (value.func, *value.list.func)):
                raise UnsafeModelError(f"{node.op} leaves open what it calls")
            for tensor in (value.tensor, *value.list.tensor):
                _check_tensor(tensor)


def _check_tensor(tensor: Any) -> None:
    if prod(max(1, dim.size) for dim in tensor.tensor_shape.dim) > MOST_VALUES:
        raise UnsafeModelError("a constant that fills the memory")


def _has_files(function: Any) -> bool:
    return any(node.op in FILES or node.op in NAMES for node in function.node_def)


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    """Yield the names of the functions that `nodes` mention, in whichever attribute."""
    for node in nodes:
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name


def _check_objects(graph: Any, savers: set[str], functions: dict[str, Any]) -> None:
    names = set(graph.concrete_functions)
    for node in graph.nodes:
        kind = node.WhichOneof("kind")
        if kind not in OBJECTS or node.registered_name or node.registered_saver or node.saveable_objects:
            raise UnsafeModelError(f"an object of kind {node.registered_name or kind}")
        if kind == "user_object":
            identifier = node.user_object.identifier
            if identifier not in _PLAIN and not _WRAPPER.fullmatch(identifier):
                raise UnsafeModelError(f"an object of kind {identifier}")
        names.update(node.function.concrete_functions)
        names.add(node.bare_concrete_function.concrete_function_name)
    if open_to_all := savers & names:
        raise UnsafeModelError(f"{min(open_to_all)} reads or writes files")
    if unknown := names - functions.keys() - {""}:
        raise UnsafeModelError(f"it names a function {min(unknown)} that it does not have")


def _check_saver(function: Any) -> None:
    """Raise UnsafeModelError unless all file names that `function` uses begin with its argument `file_prefix`."""
    by_name = {node.name: node for node in function.node_def}
    for node in function.node_def:
        for name in list(node.input)[: _FILE_NAMES.get(node.op, 0)]:
            if not _begins_with_prefix(name, by_name):
                raise UnsafeModelError(f"{node.op} of a file of its own choice")


def _begins_with_prefix(name: str, by_name: dict[str, Any], depth: int = 0) -> bool:
    if name == PREFIX:
        return True
    node = by_name.get(name.partition(":")[0])
    if node is None or depth > MOST_NESTING or not node.input:
        return False
    values = [each for each in node.input if not each.startswith("^")]
    if node.op == "Pack":
        return all(_begins_with_prefix(value, by_name, depth + 1) for value in values)
    if node.op in ("ShardedFilename", "Identity"):
        return _begins_with_prefix(values[0], by_name, depth + 1)
    if node.op == "StringJoin" and not node.attr["separator"].s:
        return _begins_with_prefix(values[0], by_name, depth + 1) and all(
            _is_suffix(value, by_name) for value in values[1:]
        )
    return False


def _is_suffix(name: str, by_name: dict[str, Any]) -> bool:
    """Return whether a name is one of the endings that TensorFlow gives to the parts of a checkpoint."""
    node = by_name.get(name.partition(":")[0])
    if node is None:
        return False
    if node.op in ("Select", "SelectV2"):
        return all(_is_suffix(value, by_name) for value in list(node.input)[1:3])
    texts = node.attr["value"].tensor.string_val
    return node.op == "Const" and len(texts) == 1 and bool(_SUFFIX.fullmatch(texts[0])) and b".." not in texts[0]


def _check_nesting(functions: dict[str, Any]) -> None:
    """Raise UnsafeModelError if calls nest deeply or without end."""
    calls = {name: set(_called(function.node_def)) for name, function in functions.items()}
    depths: dict[str, int] = {}
    while len(depths) < len(calls):
        ready = {
            name: 1 + max((depths[called] for called in calls[name]), default=0)
            for name in calls.keys() - depths.keys()
            if calls[name] <= depths.keys()
        }
        if not ready or max(ready.values()) > MOST_NESTING:
            raise UnsafeModelError("functions that call each other without end")
        depths |= ready
