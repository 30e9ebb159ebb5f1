"""FILM's published architecture in TensorFlow, with random weights under the published names.

The counterpart of workers/engines/film_torch/published.py.

    python -m tests.film.network FOLDER    # a SavedModel of full size
"""

import sys
from pathlib import Path

import tensorflow as tf

from tests.film.published import CASCADE, FULL, FUSED, LEVELS, OUTPUT, Sizes, fusion, predictor, shapes
from tests.film.signature import SIGNATURE
from workers.tiny.networks import film as tiny

LEAK = 0.2


class Film(tf.Module):
    """Called like the published SavedModel; its flows are a few pixels long."""

    def __init__(self, sizes: Sizes = FULL, seed: int = 0) -> None:
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

    @tf.function(autograph=False, input_signature=SIGNATURE)
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


def warp(image: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Look up [B, h, w, C] bilinearly at each pixel plus its flow [B, h, w, 2], x before y; clamped to the edges."""
    return tiny.warp(image, flow[..., ::-1])


def save(folder: Path, sizes: Sizes = FULL, seed: int = 0) -> Path:
    """Write the network as a SavedModel."""
    film = Film(sizes, seed)
    tf.saved_model.save(film, str(folder), signatures=film.__call__.get_concrete_function())
    return folder


if __name__ == "__main__":
    save(Path(sys.argv[1]))
