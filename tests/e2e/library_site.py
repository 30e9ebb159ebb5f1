"""Users with libraries, created within the site's own Django: `site.python` calls `fill` and reads its output.

Files are drawn and encoded as a worker does it, with added grain so that previews are realistically large. Many videos
share a few clips, but the browser loads each from its own address.
"""

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.core.files import File
from django.core.files.storage import storages
from django.utils import timezone

from accounts.models import User
from gallery.models import Video
from tests.factories import VideoFactory, a_request
from workers import media
from workers.tiny.world.scenes import Scene, draw

SIDE, FPS, SECONDS, GRAIN = 320, 16, 4, 12
SCENES = (
    Scene("heart", "red", "large", "rising", "sea", 3),
    Scene("star", "yellow", "small", "circling", "starry night", 5),
    Scene("square", "blue", "large", "spinning", "desert", 7),
)


def fill(people: dict[str, int]) -> None:
    """Create each user with the given number of videos; 'Clip 1' is the newest."""
    clips = [store_clip(number, scene) for number, scene in enumerate(SCENES)]
    for name, count in people.items():
        user = User.objects.create_user(name, f"{name}@example.org", None)
        for number in range(count, 0, -1):
            scene = SCENES[number % len(SCENES)]
            request = a_request(prompt=f"a {scene.colour} {scene.shape}", seed=number, width=SIDE, height=SIDE)
            files = clips[number % len(clips)]
            video = VideoFactory(user=user, title=f"Clip {number}", request=request, width=SIDE, height=SIDE, **files)
            made = timezone.now() - timedelta(minutes=number)
            Video.objects.filter(pk=video.pk).update(created_at=made, size=number * 1000)
    print(json.dumps("done"))


def give(name: str, *shapes: tuple[int, int], **request: object) -> None:
    """Give the user, who is created if need be, one video of each (width, height); print their IDs."""
    user = User.objects.filter(username=name).first() or User.objects.create_user(name, f"{name}@example.org", None)
    made = []
    for number, (width, height) in enumerate(shapes):
        files = store_clip(1000 + number, SCENES[0], width, height)
        asked = a_request(prompt="a red heart", seed=number, width=width, height=height, **request)
        made.append(VideoFactory(user=user, title="a red heart", request=asked, width=width, height=height, **files))
    print(json.dumps([str(video.pk) for video in made]))


def store_clip(number: int, scene: Scene, width: int = SIDE, height: int = SIDE) -> dict[str, str]:
    """Store the files of a clip, unless another module has, and return their names in the storage."""
    folder = f"clips/{number}-{width}x{height}"
    names = {kind: f"{folder}/{kind}.{'mp4' if kind == 'video' else 'webp'}" for kind in _KINDS}
    if not all(map(storages["default"].exists, names.values())):
        names = _encode(names, number, scene, width, height)
    return {f"{kind}_file": name for kind, name in names.items()}


_KINDS = ("video", "poster", "thumbnail", "preview")


def _encode(names: dict[str, str], number: int, scene: Scene, width: int, height: int) -> dict[str, str]:
    clean = draw(scene, np.arange(FPS * SECONDS) / FPS, height, width)
    grain = np.random.default_rng(number).normal(0, GRAIN, clean.shape)
    frames = np.clip(clean + grain, 0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: Path(folder) / Path(name).name for kind, name in names.items()}
        media.encode(iter(frames), paths["video"], fps=FPS, format="mp4", metadata={})
        media.poster(frames[FPS], paths["poster"])
        media.thumbnail(frames[FPS], paths["thumbnail"])
        media.hover_preview(frames, paths["preview"], FPS)
        return {kind: _store(names[kind], path) for kind, path in paths.items()}


def _store(name: str, path: Path) -> str:
    with path.open("rb") as stream:
        return storages["default"].save(name, File(stream))
