"""Trains and exports the tiny frame interpolation network.

    python -m workers.tiny.training.train_film --minutes 40

Runs on a GPU if there is one, otherwise on the CPU. If interrupted, it resumes when rerun with the same folder. A
step's data depends only on the seed and the step number; the learning rate follows the share of minutes used, so that
any budget ends with small steps.
"""

import argparse
import json
import math
import os
import time as clock
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from workers.tiny.training import evaluate_film, film_data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Multiply in bfloat16 where the CPU can: 1.6 times faster on the machines used for training.
os.environ.setdefault("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")

PEAK_RATE, LAST_RATE, WARM_UP_STEPS = 1e-3, 1e-5, 200
BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8
CLIP_NORM = 1.0
AVERAGING = 0.998  # of the exponential moving average of the weights that is exported
SQUARE_WEIGHT, GRADIENT_WEIGHT = 4.0, 0.25
FLOW_WEIGHT, LAST_FLOW_WEIGHT = 0.05, 0.002  # the true flow guides the start, the image decides the end
BAR = "{percentage:3.0f}%|{bar}| {n:.0f}/{total} s{postfix}"
REPORT_STEPS, SAVE_SECONDS, VALIDATION_SCENES = 500, 60, 48


class Trainer:
    """The network, its Adam slots and the average of its weights."""

    def __init__(self, seed: int):
        import tensorflow as tf

        from workers.tiny.networks.film import FilmNetwork

        self.tf = tf
        self.network, self.average = FilmNetwork(seed), FilmNetwork(seed)
        self.weights = self.network.trainable_variables
        self.first = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.weights]
        self.second = [tf.Variable(tf.zeros_like(w), trainable=False) for w in self.weights]
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.update = tf.function(self._update, autograph=False)

    def checkpoint(self):
        """Return everything needed to resume, as a `tf.train.Checkpoint`."""
        slots = {f"slots{i}": list(pair) for i, pair in enumerate(zip(self.first, self.second, strict=True))}
        return self.tf.train.Checkpoint(
            network=self.network, average=self.average, step=self.step, seconds=self.seconds, **slots
        )

    def _loss(self, batch, flow_weight):
        tf = self.tf
        image, velocities = self.network.interpolate(batch["x0"], batch["x1"], batch["time"])
        error = image - batch["between"]
        slope = tf.reduce_mean(tf.abs(error[:, 1:] - error[:, :-1])) + tf.reduce_mean(
            tf.abs(error[:, :, 1:] - error[:, :, :-1])
        )
        loss = tf.reduce_mean(tf.abs(error)) + GRADIENT_WEIGHT * slope + SQUARE_WEIGHT * tf.reduce_mean(error**2)
        moment = batch["time"][:, :, None, None]
        scale, flow = tf.concat([-moment, -moment, 1 - moment, 1 - moment], axis=-1), batch["flow"]
        for velocity in velocities:
            flow = 0.5 * tf.nn.avg_pool2d(flow, 2, 2, "VALID")
            gap = scale * velocity - flow
            loss += flow_weight * tf.reduce_mean(tf.sqrt(gap**2 + 1e-4))
        return loss

    def _update(self, batch, rate, flow_weight):
        """Run one step of Adam (Kingma and Ba, 2015) with a clipped gradient; return the loss."""
        tf = self.tf
        with tf.GradientTape() as tape:
            loss = self._loss(batch, flow_weight)
        gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, self.weights), CLIP_NORM)
        self.step.assign_add(tf.cast(tf.math.is_finite(norm), tf.int64))
        count = tf.cast(self.step, tf.float32)
        rate = rate * tf.sqrt(1 - BETA2**count) / (1 - BETA1**count)
        slots = zip(self.weights, gradients, self.first, self.second, self.average.trainable_variables, strict=True)
        for weight, gradient, first, second, average in slots:
            first.assign(BETA1 * first + (1 - BETA1) * gradient)
            second.assign(BETA2 * second + (1 - BETA2) * gradient**2)
            weight.assign_sub(rate * first / (tf.sqrt(second) + EPSILON))
            average.assign(AVERAGING * average + (1 - AVERAGING) * weight)
        return loss

    def train_on(self, batch: dict[str, np.ndarray], progress: float) -> float:
        """Run one step; `progress` (0..1) sets the learning rate and the weight of the true flow."""
        tf = self.tf
        wave = 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))
        rate = (LAST_RATE + (PEAK_RATE - LAST_RATE) * wave) * min(1.0, (int(self.step) + 1) / WARM_UP_STEPS)
        flow_weight = LAST_FLOW_WEIGHT + (FLOW_WEIGHT - LAST_FLOW_WEIGHT) * wave
        batch = {name: tf.constant(array) for name, array in batch.items()}
        return float(self.update(batch, tf.constant(rate, tf.float32), tf.constant(flow_weight, tf.float32)))

    def validate(self) -> float:
        """Return by how many dB the averaged weights beat blending, at the midpoint of held-out pairs."""

        def interpolate(x0, x1, time):
            return self.average({"x0": x0, "x1": x1, "time": time})["image"].numpy()

        triplets = evaluate_film.held_out_triplets(VALIDATION_SCENES, 0.5, seed=9)
        return evaluate_film.measure("", triplets, interpolate).gain


def batches(seed: int, start: int, workers: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the batches of steps start, start + 1, ...; `workers` processes prefetch them (0: this process)."""
    step = start
    if not workers:
        while True:
            yield film_data.make_batch(seed, step)
            step += 1
    with ProcessPoolExecutor(workers) as pool:
        ahead = deque(pool.submit(film_data.make_batch, seed, step + i) for i in range(4 * workers))
        while True:
            yield ahead.popleft().result()
            ahead.append(pool.submit(film_data.make_batch, seed, step + 4 * workers))
            step += 1


def draw_curve(history: list[dict], path: Path) -> None:
    """Save loss and gain over the steps as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, figsize=(7, 6), sharex=True)
    steps = [entry["step"] for entry in history]
    above.semilogy(steps, [entry["loss"] for entry in history])
    above.set_ylabel("training loss")
    below.plot(steps, [entry["gain"] for entry in history])
    below.set_ylabel("dB over blending, held out, t = 1/2")
    below.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def train(arguments: argparse.Namespace) -> None:
    """Train until the minutes are used up, then export; write checkpoints and the curve along the way."""
    import tensorflow as tf

    from workers.tiny.networks import film as film_model

    folder = arguments.folder
    trainer = Trainer(arguments.seed)
    manager = tf.train.CheckpointManager(trainer.checkpoint(), str(folder), max_to_keep=2)
    manager.restore_or_initialize()
    if not arguments.export:
        run(trainer, manager, arguments)
    film_model.export(trainer.average, arguments.output)
    print(f"{film_model.count_parameters(trainer.average)} parameters, {int(trainer.step)} steps: {arguments.output}")


def run(trainer: Trainer, manager, arguments: argparse.Namespace) -> None:
    """Run steps until the minutes are used up."""
    folder = arguments.folder
    record = folder / "history.json"
    history = [e for e in json.loads(record.read_text()) if e["step"] <= trainer.step] if record.exists() else []
    budget, losses = arguments.minutes * 60, []
    saved = last = clock.monotonic()
    with tqdm(
        total=round(budget), initial=round(float(trainer.seconds)), unit="s", mininterval=30, bar_format=BAR
    ) as bar:
        for batch in batches(arguments.seed, int(trainer.step), arguments.workers):
            if float(trainer.seconds) >= budget:
                break
            losses.append(trainer.train_on(batch, float(trainer.seconds) / budget))
            step = int(trainer.step)
            if step % REPORT_STEPS == 0:
                history.append({"step": step, "loss": float(np.mean(losses)), "gain": trainer.validate()})
                losses.clear()
                record.write_text(json.dumps(history))
                draw_curve(history, folder / "curve.png")
                tqdm.write(str(history[-1]))
            now = clock.monotonic()
            trainer.seconds.assign_add(now - last)
            bar.update(now - last)
            last = now
            if now - saved > SAVE_SECONDS:
                manager.save()
                saved = now
                bar.set_postfix(step=step, gain=history[-1]["gain"] if history else None)
    manager.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=40, help="budget of the whole training, resumed or not")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="processor threads for the network")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that draw ahead (useful with a graphics card)"
    )
    parser.add_argument("--folder", type=Path, default=Path("var/train/film"), help="checkpoints and curve")
    parser.add_argument("--output", type=Path, default=evaluate_film.SHIPPED, help="where the SavedModel goes")
    parser.add_argument("--export", action="store_true", help="only export what the checkpoint holds")
    arguments = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for card in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(card, True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    train(arguments)


if __name__ == "__main__":
    main()
