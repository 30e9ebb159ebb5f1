"""A tiny frame interpolation network in the manner of FILM (Reda et al., 2022): pyramid, flow, warp, fusion.

What it keeps of FILM: one feature extractor and one flow estimator shared by the levels of an image pyramid (so that a
large motion in a large picture looks, some levels up, like a small one in a small picture), residual flows from coarse
to fine, and a fusion of both warped frames. What differs: the flows are estimated at the moment asked for, as two
velocities v0 and v1 with flow(t -> 0) = -t v0 and flow(t -> 1) = (1 - t) v1, so that `time` is honoured; the finest
flow is of half the size; and each output pixel is a convex mix of the two warped and the two untouched frames, so that
what stands still is copied exactly.

Before training the answer is the linear blend of the two frames, so that training can only improve on it.
"""

import math
from pathlib import Path

import tensorflow as tf

LEVELS = 6  # the coarsest level of a 64x64 frame is 2x2: both sides must be multiples of 32 (64 for the caller)
SPECIAL_LEVELS = 1  # the finest levels have a flow estimator of their own, as in FILM; the others share one
FINE, COARSE = 16, 32  # feature channels seen by the same level, and added by the next finer level
HIDDEN = 24  # channels a flow estimator hands to the next finer one
WIDTHS = (48, 56)  # of the flow estimators: half size, the shared one
FUSION = 24
LEAK = 0.1
STILL = 3.0  # how much less likely, as a logit, an untouched frame is than a warped one before training
CHANGE = 4 / 255  # of the value range: smaller differences may as well be blended
PASSING = (0.25, 0.5)  # pixels of motion an interval: below the first a pixel stands still, above the second it moves
TINY = 1e-4  # keeps log(t) and log(1 - t) finite


class Conv(tf.Module):
    """A 3x3 convolution over [B, H, W, in] float32 with a leaky ReLU unless it is an output."""

    def __init__(self, in_channels: int, out_channels: int, rng: tf.random.Generator, *, output: bool = False):
        """Draw the weights from `rng` (He et al., 2015); an output starts at zero."""
        super().__init__()
        shape = (3, 3, in_channels, out_channels)
        deviation = math.sqrt(2.0 / ((1 + LEAK**2) * 9 * in_channels))
        kernel = tf.zeros(shape) if output else rng.normal(shape, stddev=deviation)
        self.kernel = tf.Variable(kernel, name="kernel")
        self.bias = tf.Variable(tf.zeros(out_channels), name="bias")
        self.output = output

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        y = tf.nn.conv2d(x, self.kernel, 1, "SAME") + self.bias
        return y if self.output else tf.nn.leaky_relu(y, LEAK)


class FlowEstimator(tf.Module):
    """Refines both velocities at one level, given the features warped by what is known so far."""

    def __init__(self, features: int, width: int, rng: tf.random.Generator):
        super().__init__()
        self.enter = Conv(2 * features + 5 + HIDDEN, width, rng)
        self.body = Conv(width, width, rng)
        self.hidden = Conv(width, HIDDEN, rng)
        self.velocity = Conv(HIDDEN, 4, rng, output=True)

    def __call__(self, warped0, warped1, velocity, time, hidden) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.concat([warped0, warped1, velocity, time, hidden], axis=-1)
        hidden = self.hidden(self.body(self.enter(x)))
        return velocity + self.velocity(hidden), hidden


class FilmNetwork(tf.Module):
    """The network: call it with {"x0", "x1", "time"} to get {"image"}; see `__call__`."""

    def __init__(self, seed: int = 0):
        """Create the network with fresh weights determined by `seed`."""
        super().__init__(name="film")
        rng = tf.random.Generator.from_seed(seed, alg="philox")
        self.first = Conv(3, FINE, rng)
        self.second = Conv(FINE, FINE, rng)
        self.deeper = Conv(FINE, COARSE, rng)
        self.deepest = Conv(COARSE, COARSE, rng)
        self.estimators = [FlowEstimator(FINE + COARSE, width, rng) for width in WIDTHS]
        self.fuse = Conv(12 + HIDDEN + 1, FUSION, rng)
        self.fuse_more = Conv(FUSION, FUSION, rng)
        self.choose = Conv(FUSION, 7, rng, output=True)

    @tf.function(
        input_signature=[
            {
                "x0": tf.TensorSpec([None, None, None, 3], tf.float32),
                "x1": tf.TensorSpec([None, None, None, 3], tf.float32),
                "time": tf.TensorSpec([None, 1], tf.float32),
            }
        ],
        autograph=False,
    )
    def __call__(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Interpolate frames.

        `x0` and `x1`: float32 RGB [B, H, W, 3] in 0..1, H and W multiples of 64; `time`: float32 [B, 1] in 0..1, where
        0 is x0 and 1 is x1. Returns {"image": float32 [B, H, W, 3] in 0..1}.
        """
        image, _ = self.interpolate(inputs["x0"], inputs["x1"], inputs["time"])
        return {"image": tf.clip_by_value(image, 0.0, 1.0)}

    def interpolate(self, x0, x1, time) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the unclipped image and each level's velocities, for training.

        Velocities are [B, h, w, 4], finest level first, y before x, in that level's pixels per interval.
        """
        batch = tf.shape(x0)[0]
        levels = self._features(tf.concat([x0, x1], axis=0) - 0.5)
        moment = tf.reshape(time, [-1, 1, 1, 1])
        velocities, hidden = [], None
        for level in reversed(range(LEVELS - 1)):
            features = levels[level]
            size = tf.shape(features)[1:3]
            clock = tf.broadcast_to(moment, [batch, size[0], size[1], 1])
            if hidden is None:
                velocity = tf.zeros([batch, size[0], size[1], 4])
                hidden = tf.zeros([batch, size[0], size[1], HIDDEN])
            else:
                velocity = 2.0 * tf.image.resize(velocities[0], size)
                hidden = tf.image.resize(hidden, size)
                features = warp(features, both_flows(velocity, moment))
            estimator = self.estimators[min(level, SPECIAL_LEVELS)]
            velocity, hidden = estimator(features[:batch], features[batch:], velocity, clock, hidden)
            velocities.insert(0, velocity)
        size = tf.shape(x0)[1:3]
        clock = tf.broadcast_to(moment, [batch, size[0], size[1], 1])
        velocity, hidden = 2.0 * tf.image.resize(velocities[0], size), tf.image.resize(hidden, size)
        return self._fusion(x0, x1, moment, clock, velocity, hidden), velocities

    def _features(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Feature pyramid, finest first: each level sees its own image and, through one pooling, the finer one."""
        levels, finer = [], None
        for level in range(LEVELS):
            if level:
                images = tf.nn.avg_pool2d(images, 2, 2, "SAME")
            own = self.second(self.first(images))
            if level:
                context = self.deepest(self.deeper(tf.nn.avg_pool2d(finer, 2, 2, "SAME")))
                levels.append(tf.concat([own, context], axis=-1))
            finer = own
        return levels

    def _fusion(self, x0, x1, moment, clock, velocity, hidden) -> tf.Tensor:
        """Mix the warped and the untouched frames, and add a small correction that vanishes at both ends."""
        batch = tf.shape(x0)[0]
        warped = warp(tf.concat([x0, x1], axis=0), both_flows(velocity, moment))
        candidates = [warped[:batch], warped[batch:], x0, x1]
        x = tf.concat([*(candidate - 0.5 for candidate in candidates), hidden, clock], axis=-1)
        x = self.choose(self.fuse_more(self.fuse(x)))
        after, before = tf.math.log(1.0 - moment + TINY), tf.math.log(moment + TINY)
        prior = tf.concat([after, before, after - STILL, before - STILL], axis=-1)
        weights = tf.unstack(tf.nn.softmax(x[..., :4] + prior), axis=-1)
        image = tf.add_n([weight[..., None] * candidate for weight, candidate in zip(weights, candidates, strict=True)])
        image += moment * (1.0 - moment) * x[..., 4:]
        blend = x0 * (1.0 - moment) + x1 * moment
        return blend + alive(x0, x1, velocity) * (image - blend)


def alive(x0: tf.Tensor, x1: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
    """Return where something changes or passes through, float32 [B, H, W, 1] in 0..1; elsewhere, frames are copied.

    Change: the frames differ within two pixels, fully so by `CHANGE`. Passing through: the network predicts motion
    here at the requested time (`PASSING`), although the frames may be alike here; trusted only as far as the frames
    differ anywhere, so that between two equal frames there is only that frame.
    """
    change = tf.reduce_max(tf.abs(x0 - x1), axis=-1, keepdims=True)
    change = tf.nn.max_pool2d(change, 5, 1, "SAME") / CHANGE
    change = tf.minimum(change, 1.0)
    low, high = PASSING
    passing = (tf.reduce_max(tf.abs(velocity), axis=-1, keepdims=True) - low) / (high - low)
    passing = tf.clip_by_value(passing, 0.0, 1.0) * tf.reduce_max(change, axis=[1, 2], keepdims=True)
    return tf.maximum(change, passing)


def both_flows(velocity: tf.Tensor, moment: tf.Tensor) -> tf.Tensor:
    """Return velocities [B, h, w, 4] at `moment` [B, 1, 1, 1] as flows to both frames, stacked: [2B, h, w, 2]."""
    return tf.concat([-moment * velocity[..., :2], (1.0 - moment) * velocity[..., 2:]], axis=0)


def warp(image: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Look up `image` [B, h, w, C] bilinearly at each pixel plus `flow` [B, h, w, 2] (y, x in pixels).

    Beyond the edge lies the edge. Differentiable in both.
    """
    batch, height, width, channels = tf.unstack(tf.shape(image))
    rows = tf.cast(tf.range(height), tf.float32)[None, :, None] + flow[..., 0]
    columns = tf.cast(tf.range(width), tf.float32)[None, None, :] + flow[..., 1]
    top, down = _corner(rows, height)
    left, right = _corner(columns, width)
    base = (tf.range(batch) * height)[:, None, None]
    table = tf.reshape(image, [-1, channels])
    upper, lower = (base + top) * width, (base + tf.minimum(top + 1, height - 1)) * width
    beside = tf.minimum(left + 1, width - 1)
    above = tf.gather(table, upper + left) * (1 - right) + tf.gather(table, upper + beside) * right
    below = tf.gather(table, lower + left) * (1 - right) + tf.gather(table, lower + beside) * right
    warped = above * (1 - down) + below * down
    return tf.ensure_shape(warped, image.shape)


def _corner(position: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the integer and fractional parts of clipped positions: int32 [B, h, w] and float32 [B, h, w, 1]."""
    position = tf.clip_by_value(position, 0.0, tf.cast(size - 1, tf.float32))
    whole = tf.floor(position)
    return tf.cast(whole, tf.int32), (position - whole)[..., None]


def count_parameters(network: tf.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(int(tf.size(variable)) for variable in network.trainable_variables)


def export(network: FilmNetwork, path: Path) -> None:
    """Write the network as a SavedModel for `tf.saved_model.load(path)`, replacing an earlier one.

    Only the variables and the inference graph are saved: no optimizer, no training graph, no source locations.
    """
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(network, str(path), signatures=network.__call__.get_concrete_function(), options=options)
