"""FILM's published architecture in TensorFlow, with random weights under the published names.

Written from the paper and the configuration of the published networks (Reda et al., 2022: `film_net-Style.gin`), as
the counterpart of workers/engines/film_torch/published.py. `Sizes` scales the channels; all else is as published.

    python -m tests.full_size_film FOLDER    # a SavedModel of full size
"""

import sys
from dataclasses import dataclass
from pathlib import Path

LEVELS, FUSED, SPECIAL, CASCADE = 7, 5, 3, 4
LEAK = 0.2
OUTPUT = "fusion/conv2d_12"


@dataclass(frozen=True)
class Sizes:
    """Feature channels of the finest level, and channels of the four flow predictors."""

    filters: int = 64
    flows: tuple[int, ...] = (32, 64, 128, 256)


FULL = Sizes()
SMALL = Sizes(8, (8, 8, 16, 16))


def shapes(sizes: Sizes) -> dict[str, tuple[int, int, int]]:
    """Return the side of the kernel and the channels in and out of each layer, by its published name, in order."""
    found = {}
    for index in range(2 * CASCADE):
        ins = 3 if index == 0 else sizes.filters << (index - 1) // 2
        found[f"feat_net/sub_extractor/cfeat_conv_{index}"] = (3, ins, sizes.filters << index // 2)
    for level in range(SPECIAL + 1):
        width, ins = sizes.flows[level], 2 * features(sizes, level)
        for index, (side, outs) in enumerate(((3, width), (3, width), (3, width), (1, width // 2), (1, 2))):
            found[f"{predictor(level)}/conv_{index}"] = (side, ins, outs)
            ins = outs
    for level in range(FUSED - 1):
        width = sizes.filters << min(level, SPECIAL)
        below = sizes.filters << min(level + 1, SPECIAL) if level < FUSED - 2 else aligned(sizes, FUSED - 1)
        for index, (side, ins) in enumerate(((2, below), (3, aligned(sizes, level) + width), (3, width))):
            found[fusion(level, index)] = (side, ins, width)
    found[OUTPUT] = (1, sizes.filters, 3)
    return found


def features(sizes: Sizes, level: int) -> int:
    return sum(sizes.filters << index for index in range(min(level + 1, CASCADE)))


def aligned(sizes: Sizes, level: int) -> int:
    return 2 * (3 + features(sizes, level)) + 4


def predictor(level: int) -> str:
    return f"predict_flow/flow_predictor_{level if level < SPECIAL else 'shared'}"


def fusion(level: int, index: int) -> str:
    """Return the name of a fusion layer: Keras numbers them as they are created, and the first has no number."""
    number = 3 * level + index
    return f"fusion/conv2d_{number}" if number else "fusion/conv2d"


def network(sizes: Sizes, seed: int = 0):
    """Return a tf.Module called like the published SavedModel; its flows are a few pixels long."""
    import tensorflow as tf

    class Film(tf.Module):
        def __init__(self):
            super().__init__(name="film_net")
            rng = tf.random.Generator.from_seed(seed, alg="philox")
            self.layers = {}
            for name, (side, ins, outs) in shapes(sizes).items():
                gain, mean = (0.005, 0.5) if name == OUTPUT else (1.0 if outs == 2 else 2.0, 0.0)
                spread = (gain / (side * side * ins)) ** 0.5
                kernel = tf.Variable(rng.normal((side, side, ins, outs), stddev=spread), name=f"{name}/kernel")
                bias = tf.Variable(rng.normal((outs,), mean, 0.05), name=f"{name}/bias")
                self.layers[name.replace("/", "_")] = [kernel, bias]

        def convolution(self, name, x, leak=LEAK):
            kernel, bias = self.layers[name.replace("/", "_")]
            y = tf.nn.conv2d(x, kernel, 1, "SAME") + bias
            return y if leak is None else tf.nn.leaky_relu(y, leak)

        @tf.function(
            autograph=False,
            input_signature=[
                {
                    "x0": tf.TensorSpec([None, None, None, 3], tf.float32),
                    "x1": tf.TensorSpec([None, None, None, 3], tf.float32),
                    "time": tf.TensorSpec([None, 1], tf.float32),
                }
            ],
        )
        def __call__(self, inputs):
            images = [self.pyramid(inputs["x0"]), self.pyramid(inputs["x1"])]
            features = [self.cascade(pyramid) for pyramid in images]
            there, back = self.flows(*features), self.flows(*features[::-1])
            levels = []
            for level in range(FUSED):
                first, second = (tf.concat([images[i][level], features[i][level]], -1) for i in (0, 1))
                half_back, half_there = 0.5 * back[level], 0.5 * there[level]
                parts = [warp(first, half_back), warp(second, half_there), half_back, half_there]
                levels.append(tf.concat(parts, -1))
            return {"image": self.fuse(levels)}

        def pyramid(self, image):
            levels = [image]
            while len(levels) < LEVELS:
                levels.append(tf.nn.avg_pool2d(levels[-1], 2, 2, "VALID"))
            return levels

        def cascade(self, images):
            trees = []
            for level, image in enumerate(images):
                tree = []
                for step in range(min(CASCADE, LEVELS - level)):
                    head = tf.nn.avg_pool2d(tree[-1], 2, 2, "VALID") if tree else image
                    for index in (2 * step, 2 * step + 1):
                        head = self.convolution(f"feat_net/sub_extractor/cfeat_conv_{index}", head)
                    tree.append(head)
                trees.append(tree)
            return [
                tf.concat([trees[level - step][step] for step in range(min(level + 1, CASCADE))], -1)
                for level in range(LEVELS)
            ]

        def flows(self, own, other):
            flow, found = None, []
            for level in reversed(range(LEVELS)):
                target = other[level]
                if flow is not None:
                    flow = tf.image.resize(2 * flow, tf.shape(target)[1:3])
                    target = warp(target, flow)
                name = predictor(level)
                x = tf.concat([own[level], target], -1)
                for index in range(4):
                    x = self.convolution(f"{name}/conv_{index}", x)
                residual = self.convolution(f"{name}/conv_4", x, leak=None)
                flow = residual if flow is None else flow + residual
                found.insert(0, flow)
            return found

        def fuse(self, levels):
            x = levels[-1]
            for level in reversed(range(FUSED - 1)):
                enter, *body = (fusion(level, index) for index in range(3))
                x = tf.image.resize(x, tf.shape(levels[level])[1:3], "nearest")
                x = tf.concat([levels[level], self.convolution(enter, x, leak=None)], -1)
                for name in body:
                    x = self.convolution(name, x)
            return self.convolution(OUTPUT, x, leak=None)

    return Film()


def warp(image, flow):
    """Look up [B, h, w, C] bilinearly at each pixel plus its flow [B, h, w, 2], x before y; clamped to the edges."""
    from workers.tiny.networks.film import warp

    return warp(image, flow[..., ::-1])


def save(folder: Path, sizes: Sizes = FULL, seed: int = 0) -> Path:
    """Write the network as a SavedModel."""
    import tensorflow as tf

    film = network(sizes, seed)
    tf.saved_model.save(film, str(folder), signatures=film.__call__.get_concrete_function())
    return folder


if __name__ == "__main__":
    save(Path(sys.argv[1]))
