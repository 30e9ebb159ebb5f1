"""The bundled text-to-video model: its parts fit, it loads like the large ones, and clips follow the prompt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from workers.tiny.networks.diffusion import build_networks, build_scheduler, join_networks, network_sees
from workers.tiny.training import checkpoints, text, train_diffusion, train_vae
from workers.tiny.training.evaluate import contact_sheet, generate, load_pipeline, score
from workers.tiny.training.export import MODELS, split_networks
from workers.tiny.training.train_diffusion import Noise
from workers.tiny.world.judge import judge
from workers.tiny.world.prompts import corpus, evaluation_prompts

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline()


def test_networks_part_and_join_without_loss():
    torch.manual_seed(0)
    joined = join_networks(*build_networks())
    again = join_networks(*split_networks(joined.state_dict()))
    for name, weight in joined.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])


def test_the_noisiest_step_is_pure_noise():
    noise = Noise(build_scheduler(), "cpu")
    clean, sample = torch.ones(2, 8, 3, 4, 4), torch.randn(2, 8, 3, 4, 4)
    noisy, velocity = noise.apply(clean, sample, torch.tensor([999, 0]))
    assert torch.allclose(noisy[0], sample[0])
    assert torch.allclose(velocity[0], -clean[0])
    weights = noise.weight(torch.tensor([999, 500, 0])).flatten()
    assert weights[0] == 1.0
    assert weights[2] < 0.1


def test_the_network_may_look_at_any_few_frames():
    """The pipeline sees frames 0..F-1; other subsets differ only by their numbers."""
    torch.manual_seed(0)
    network = join_networks(*build_networks()).eval()
    clip, t, hidden = torch.randn(1, 18, 4, 8, 8), torch.tensor([500]), torch.randn(4, 8, 128)

    def seen(frames):
        network_sees(network, frames)
        with torch.no_grad():
            return network(clip, t, hidden).sample

    plain = seen(None)
    assert torch.equal(seen(torch.arange(4)), plain)
    assert not torch.allclose(seen(torch.tensor([0, 5, 9, 16])), plain)


def test_training_the_words_resumes_as_if_never_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BATCH", 4)
    weights = []
    for name, stops in (("straight", (4,)), ("interrupted", (2, 4))):
        monkeypatch.setattr(text, "CHECKPOINT", tmp_path / name / "text.pt")
        monkeypatch.setattr(text, "FOLDER", tmp_path / name / "text")
        for stop in stops:
            trainer = text.Trainer(4)
            trainer.steps = stop
            trainer.run()
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert (tmp_path / "straight" / "text" / "tokenizer").is_dir()


@pytest.mark.parametrize("part", ["decoder", "encoder"])
def test_training_half_of_the_autoencoder_changes_that_half_alone(part, tmp_path, monkeypatch):
    monkeypatch.setattr(train_vae, "FOLDER", tmp_path)
    before = train_vae.load_vae().state_dict()
    trainer = train_vae.Trainer(part, minutes=1.0, device="cpu", batch=2)
    trainer.train_step()
    changed = {
        name.split(".")[0] for name, value in trainer.vae.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == ({"decoder", "post_quant_conv"} if part == "decoder" else {"encoder", "quant_conv"})


def test_training_diffusion_takes_a_step_of_every_lesson(monkeypatch):
    monkeypatch.setattr(text, "FOLDER", MODELS / "text-to-video")
    monkeypatch.setattr(train_diffusion, "CHECKPOINT", MODELS / "no such file")
    trainer = train_diffusion.Trainer(minutes=1.0, device="cpu")
    for lesson in (train_diffusion.FIRST, train_diffusion.PLAIN, train_diffusion.WHOLE):
        monkeypatch.setattr(trainer, "lesson", lambda lesson=lesson: replace(lesson, clips=2))
        assert np.isfinite(trainer.train_step())


def test_any_text_becomes_tokens():
    tokenizer = text.build_tokenizer(corpus(300))
    for sentence in ("", "A red heart", "Ünïcode 漢字 🎈\n\t", "x" * 5000):
        ids = text.tokenize(tokenizer, [sentence])
        assert ids.shape == (1, text.POSITIONS)
        assert ids.max() < len(tokenizer)
    assert len(tokenizer.tokenize("a red heart")) == 3


def test_checkpoints_come_back(tmp_path):
    path = tmp_path / "folder" / "some.pt"
    assert checkpoints.load_checkpoint(path) is None
    checkpoints.save_checkpoint(path, step=3, weights={"a": torch.arange(3)})
    assert checkpoints.load_checkpoint(path)["weights"]["a"].tolist() == [0, 1, 2]


def test_the_average_follows_the_weights():
    model = torch.nn.Linear(1, 1, bias=False)
    average = checkpoints.Average(model, decay=0.9)
    torch.nn.init.constant_(model.weight, 5.0)
    for step in range(200):
        average.update(model, step)
    assert average.model.weight.item() == pytest.approx(5.0, abs=1e-3)


def test_the_folders_that_ship_are_small():
    parts = [path for name in ("text-to-video", "motion-adapter") for path in (MODELS / name).rglob("*")]
    sizes = [path.stat().st_size for path in parts if path.is_file()]
    assert sum(sizes) <= 20e6  # of the 30 MB that all models may take together
    assert not [path for path in parts if path.suffix in {".bin", ".pt", ".ckpt"}]


@pytest.mark.parametrize("size", [(64, 64), (64, 112)])
def test_the_same_seed_gives_the_same_clip(pipeline, size):
    first, second = (generate(pipeline, "a red heart rising", 5, 2, 4.0, 5, size) for _ in range(2))
    assert first.shape == (5, *size, 3)
    assert np.array_equal(first, second)


def test_clips_follow_the_sentence(pipeline):
    prompts = evaluation_prompts(8)
    results = [(scene, judge(generate(pipeline, p, n, 12, 4.0, 9))) for n, (p, scene) in enumerate(prompts)]
    shares = score(results)
    assert shares["background"] >= 0.85
    assert shares["colour"] >= 0.6


def test_a_contact_sheet_has_a_row_for_each_clip():
    sheet = contact_sheet([("asked", "seen", np.zeros((17, 64, 64, 3), np.uint8))] * 3)
    assert sheet.size == (9 * 64, 3 * 90)


def test_nothing_that_ships_names_a_machine():
    for path in Path(MODELS / "text-to-video").rglob("*.json"):
        assert '"_name_or_path": "/' not in path.read_text()
