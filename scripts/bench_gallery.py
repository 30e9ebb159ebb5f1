"""Cost of gallery pages with 100 videos and with a million: `make bench-gallery`, run by hand; about 15 minutes.

On SQLite and on PostgreSQL (its own server, tests/postgres.py), one site has 100 videos of one user and 200 in all, the
other 100,000 and 1,000,000. Every page is requested through the full Django stack, alternating between the sites, and
the medians are compared; the table goes into docs/performance.md. Even the small site fills every page, so that equal
pages are compared; a search shows what it finds, and the table states the number of cards.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import postgres

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.test import Client

    from accounts.models import User
    from gallery.models import Video

SIZES = {"small": (100, 100), "large": (100_000, 900_000)}  # of one user, of all others
OTHERS = 2_000
PAGE = 1_000
ROUNDS, REPEATS = 4, 8
BATCH = 5_000
PUBLIC_SHARE = 0.9
TAGS = 20
FULL = 50  # videos that fill a page, including some that are not public
START = datetime(2020, 1, 1, tzinfo=UTC)
FORMATS = ("mp4", "mp4", "webm", "gif")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
MOTIONS = ("rising", "falling", "bouncing", "growing", "shrinking", "spinning", "circling")
SCENES = ("over the sea", "over a meadow", "at sunset", "in the desert", "in a starry night", "on black")
RARE, OLD = "zeppelin", "autumn"  # in a few videos; in every second one of the older half, and in no newer one


# --- The site ---------------------------------------------------------------------------------------------------------


def build(name: str) -> None:
    """Fill this process's database."""
    from django.core.management import call_command
    from django.db import connection

    from accounts.models import User
    from gallery.models import Tag

    call_command("migrate", verbosity=0)
    mine, others = SIZES[name]
    people = [User(username="ada"), *(User(username=f"person{n}") for n in range(min(OTHERS, others // FULL)))]
    people = User.objects.bulk_create(people)
    tags = Tag.objects.bulk_create([Tag(name=f"tag{n}") for n in range(min(TAGS, (mine + others) // FULL))])
    rows = list(_rows(people, mine, others))
    for begin in range(0, len(rows), BATCH):
        _write(rows[begin : begin + BATCH], tags)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO gallery_searchdoc_fts(gallery_searchdoc_fts) VALUES ('optimize')")
            cursor.execute("ANALYZE")
    else:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _rows(people: list, mine: int, others: int) -> Iterator[tuple]:
    """Yield (owner, number, old, special), one user's videos spread evenly among all others'.

    One in a hundred is a favourite or a pick; on the small site, one in two.

    One in a hundred is a favourite, or picked; of few videos, one in two.
    """
    chance = random.Random(1)
    total = mine + others
    owners = [people[0]] * mine + [people[1 + n % (len(people) - 1)] for n in range(others)]
    chance.shuffle(owners)
    every = 100 if total > 100 * FULL else 2
    return ((owner, number, number < total // 2, number % every == 1) for number, owner in enumerate(owners))


def _write(rows: list[tuple], tags: list) -> None:
    from gallery import stacks
    from gallery.models import SearchDoc, Video, VideoTag

    videos = [_video(*row) for row in rows]
    Video.objects.bulk_create(videos)
    stacks.refresh([video.pk for video in videos])
    SearchDoc.objects.index(videos)
    public = [video for video in videos if video.published_at]
    chosen = random.Random(str(rows[0][1]))
    VideoTag.objects.bulk_create(
        [VideoTag(video=video, tag=chosen.choice(tags), published_at=video.published_at) for video in public]
    )


def _video(owner: "User", number: int, is_old: bool, is_special: bool) -> "Video":
    from gallery.models import Screened, Video, Visibility

    chance = random.Random(number)
    words = [chance.choice(part) for part in (COLOURS, SHAPES, MOTIONS, SCENES)]
    extra = [OLD] * (is_old and number % 2) + [RARE] * (number % 20_011 == 7)
    prompt = " ".join(["a", *words, *extra])
    made = START + timedelta(seconds=60 * number)
    is_public = chance.random() < PUBLIC_SHARE
    video = Video(
        user=owner,
        title=prompt[:80],
        request={
            **_request(),
            "prompt": prompt,
            "seed": number,
            "format": chance.choice(("mp4", "mp4", "webm", "gif")),
        },
        width=256,
        height=256,
        frames=48,
        fps=24,
        size=chance.randrange(50_000, 5_000_000),
        video_file=f"videos/{number}/video.mp4",
        poster_file=f"videos/{number}/poster.webp",
        preview_file=f"videos/{number}/preview.webp",
        thumbnail_file=f"videos/{number}/thumbnail.webp",
        favourite=is_special,
        screening=Screened.PASSED,
        visibility=Visibility.PUBLIC if is_public else Visibility.PRIVATE,
        published_at=made + timedelta(minutes=5) if is_public else None,
        likes=int(chance.paretovariate(1.2)) if is_public else 0,
        picked_at=made if is_public and is_special else None,
    )
    video.take_from_request()
    video.created_at = made
    return video


def _request(_known: list = []) -> dict:  # noqa: B006  built once per process
    from generation.requests import available
    from generation.requests.request import parse

    if not _known:
        _known.append(parse({"prompt": "x"}, available.catalogue(), available.limits()).to_dict())
    return _known[0]


# --- The pages --------------------------------------------------------------------------------------------------------


def pages() -> dict[str, str]:
    """Return the measured pages by name."""
    from accounts.models import User
    from gallery.models import SearchDoc, Video, VideoTag
    from gallery.models.search import PUBLIC, library_scope

    ada = User.objects.get(username="ada")
    mine, listed = Video.objects.filter(user=ada), Video.objects.listed()
    tagged = VideoTag.objects.filter(tag__name="tag1", published_at__isnull=False)
    library, explore = "/videos/?", "/explore/?"
    found = {
        "library": library,
        "library, the last page": library + _behind(mine.filter(is_front=True), "-created_at"),
        "library, every clip, page 1000": f"{library}unstacked=on&{_behind(mine, '-created_at')}",
        "library, oldest": f"{library}sort=oldest",
        "library, every clip, oldest, page 1000": f"{library}unstacked=on&sort=oldest&{_behind(mine, 'created_at')}",
        "a stack": f"/videos/compare/?stack={_in_a_large_stack(mine)}",
        "library, largest, page 1000": f"{library}sort=largest&{_behind(mine, '-size')}",
        "library, favourites": f"{library}favourites=on",
        "library, gif, page 1000": f"{library}format=gif&{_behind(mine.filter(format='gif'), '-created_at')}",
        "library, a month": f"{library}{_month(mine)}",
        "library, a month, oldest": f"{library}{_month(mine)}&sort=oldest",
        "library, a month, largest": f"{library}{_month(mine)}&sort=largest",
        "explore": explore,
        "explore, page 1000": explore + _behind(listed, "-published_at"),
        "explore, most liked, page 1000": f"{explore}sort=liked&{_behind(listed, '-likes')}",
        "explore, picks": f"{explore}sort=picks",
        "explore, tag, page 1000": f"{explore}tag=tag1&{_behind(tagged, '-published_at')}",
        "a profile": "/u/person1/",
        "a video of one's own": f"/videos/{mine.order_by('-created_at')[0].pk}/",
        "a public video": f"/videos/{listed.exclude(user=ada).order_by('-created_at')[0].pk}/",
    }
    searches = {
        "a common word": "heart",
        "two common words": "red heart",
        "four common words": "pink cross circling desert",
        "a rare word": RARE,
        "a beginning": "circ",
        "common, in no newer one": OLD,
        "common and rare": f"heart {RARE}",
        "no such word": "nothingofthekind",
    }
    for what, words in searches.items():
        found[f"library, search: {what}"] = f"{library}q={words.replace(' ', '+')}"
        found[f"explore, search: {what}"] = f"{explore}q={words.replace(' ', '+')}"
    found["library, a month, search: a common word"] = f"{library}q=heart&{_month(mine)}"
    found["library, a month, search: a rare word"] = f"{library}q={RARE}&{_month(mine)}"
    for where, scope in ((library, library_scope(ada.pk)), (explore, PUBLIC)):
        docs = SearchDoc.objects.filter(scope=scope, text__contains=" heart ").order_by("-number")
        number = docs[min(PAGE * 24, docs.count() - 1)].number
        name = {library: "library", explore: "explore"}[where]
        found[f"{name}, search: a common word, page 1000"] = f"{where}q=heart&before={number}"
    return found


def _month(rows: "QuerySet[Any]") -> str:
    """Return the query string of the month of the oldest video, which the newest ones are far from."""
    first = rows.order_by("created_at")[0].created_at.date().replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return f"since={first}&until={last}"


def _in_a_large_stack(videos: "QuerySet[Any]") -> "UUID":
    """Return the front of the largest stack."""
    from django.db.models import Count

    sizes = videos.order_by().values("stack_key").annotate(n=Count("pk")).order_by("-n", "stack_key")
    return videos.get(stack_key=sizes[0]["stack_key"], is_front=True).pk


def _behind(rows: "QuerySet[Any]", order: str) -> str:
    """Return the query string of the thousandth page, or of the last one."""
    from auravideo.core.keyset import Order

    by = Order.of(rows.model, order)
    ordered = rows.order_by(*by.names())
    place = min((PAGE - 1) * 24, max(0, ordered.count() - 25))
    return f"before={by.mark(ordered[place])}"


def measure() -> None:
    """Answer each line on standard input with the times of all pages in milliseconds, as JSON."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from accounts.models import User

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="ada"), backend="django.contrib.auth.backends.ModelBackend")
    asked = pages()
    queries, cards = {}, {}
    for name, path in asked.items():
        client.get(path)
        with CaptureQueriesContext(connection) as caught:
            answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        queries[name], cards[name] = len(caught), answer.content.count(b'<article class="card')
    for _line in sys.stdin:
        times = {name: [_took(client, path) for _ in range(REPEATS)] for name, path in asked.items()}
        print(json.dumps({"times": times, "queries": queries, "cards": cards}), flush=True)


def _took(client: "Client", path: str) -> float:
    begun = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - begun) * 1000


# --- The comparison ---------------------------------------------------------------------------------------------------


def compare(vendor: str, urls: dict[str, str], home: Path) -> float:
    """Build and measure both sites on one database; print the table and return the worst ratio."""
    sites = {}
    for name, url in urls.items():
        environment = {**os.environ, "DATABASE_URL": url, "AURAVIDEO_HOME": str(home / name)}
        (home / name).mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "scripts.bench_gallery", "build", name], env=environment, check=True)
        print(f"{vendor}, {name}: built in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        sites[name] = subprocess.Popen(
            [sys.executable, "-m", "scripts.bench_gallery", "measure", name],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    times: dict[str, dict[str, list[float]]] = {name: {} for name in sites}
    cards = {}
    for _ in range(ROUNDS):
        for name, site in sites.items():
            answer = _ask(site)
            cards[name] = answer["cards"]
            for page, took in answer["times"].items():
                times[name].setdefault(page, []).extend(took)
    for site in sites.values():
        site.communicate()
    return _table(vendor, times, answer["queries"], cards)


def _ask(site: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the answer of a process that runs `measure`."""
    if site.stdin is None or site.stdout is None:
        raise ValueError("the process has no pipes")
    print("", file=site.stdin, flush=True)
    return json.loads(site.stdout.readline())


def _table(vendor: str, times: dict, queries: dict[str, int], cards: dict) -> float:
    print(f"\n{vendor:<52} {'few':>8} {'many':>8}  ratio  queries  cards")
    worst = 0.0
    for page, few in times["small"].items():
        small, large = statistics.median(few), statistics.median(times["large"][page])
        worst = max(worst, large / small)
        shown = f"{cards['small'][page]}/{cards['large'][page]}"
        print(
            f"{page:<52} {small:5.1f} ms {large:5.1f} ms  {large / small:5.2f}  {queries[page]:>7}  {shown}", flush=True
        )
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare pages of a small and a large gallery.")
    parser.add_argument("what", nargs="?", choices=("build", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("site", nargs="?", choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    if options.what:
        return _work(options.what, options.site)
    with tempfile.TemporaryDirectory(prefix="auravideo-bench-") as folder:
        home = Path(folder)
        if options.only != "postgresql":
            compare("SQLite", {name: f"sqlite:///{home}/{name}.sqlite3" for name in SIZES}, home / "sqlite")
        if options.only != "sqlite":
            with postgres.running("-c", "shared_buffers=1GB", "-c", "autovacuum=off") as url:
                compare("PostgreSQL", _databases(url), home / "postgresql")
    return 0


def _work(what: str, site: str) -> int:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "auravideo.settings"
    django.setup()
    from django.conf import settings

    from auravideo.server import redis_server

    redis = redis_server.start(settings.REDIS_SOCKET)
    try:
        build(site) if what == "build" else measure()
    finally:
        if redis is not None:
            redis.terminate()
            redis.wait()
    return 0


def _databases(url: str) -> dict[str, str]:
    """Return one database per site on one server."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        for name in SIZES:
            server.execute(f"CREATE DATABASE {name}")
    return {name: url.replace("/postgres?", f"/{name}?") for name in SIZES}


if __name__ == "__main__":
    sys.exit(main())
