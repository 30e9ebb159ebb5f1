"""The recorded posts: every field of every form, alone and combined, valid and invalid (see record.py)."""

from collections.abc import Iterator
from itertools import product
from typing import Any

Case = dict[str, Any]

QUALITIES = ("draft", "standard", "best")
ASPECTS = ("16:9", "3:2", "1:1", "2:3", "9:16")
HEART, STAR = "a red heart rising over the sea", "a small blue star spinning at sunset"
SIMPLE = {"prompt": HEART, "aspect": "16:9", "seconds": "3", "quality": "draft"}
ADVANCED = {
    "prompt": HEART,
    "negative_prompt": "rain",
    "aspect": "3:2",
    "short_side": "200",
    "seconds": "3",
    "fps": "16",
    "format": "webm",
    "model": "tiny",
    "motion_adapter": "tiny-motion",
    "steps": "11",
    "guidance": "2.5",
    "seed": "5",
    "variations": "1",
}
CUSTOM = {**ADVANCED, "aspect": "custom", "short_side": "", "width": "500", "height": "300"}
HIDDEN = {
    **SIMPLE,
    **{name: ADVANCED[name] for name in ("negative_prompt", "format", "model", "motion_adapter", "guidance", "seed")},
}
MANY = {"aspect": "1:1", "seconds": "2", "quality": "draft"}
OLD = {  # a request from a video file of an earlier version, which stored the quality as `preset`
    "prompt": STAR,
    "negative_prompt": "fog",
    "width": 224,
    "height": 128,
    "seconds": 4,
    "fps": 16,
    "format": "gif",
    "model": "tiny",
    "motion_adapter": "tiny-motion",
    "motion_loras": [],
    "steps": 6,
    "guidance": 3.5,
    "seed": 99,
    "preset": "draft",
}


def post(mode: str, data: Case, to: str = "create") -> Case:
    """Return a step that posts the form of a mode to be queued, or to 'summary' or 'save-preset'."""
    address = "/create/" if to == "create" else f"/create/{to}/"
    return {"post": f"{address}?mode={mode}", "data": data}


def edit(query: str, data: Case) -> Case:
    return {"post": f"/create/edit/?{query}", "data": data}


def send(mode: str, changes: Case | None = None) -> Case:
    """Return a step that submits the form shown by the previous page."""
    return {"send": changes or {}, "to": f"/create/?mode={mode}"}


def case(name: str, *steps: Case, **more: Any) -> Case:
    return {"name": name, **more, "steps": list(steps)}


# --- One clip ---------------------------------------------------------------------------------------------------------


def simple() -> Iterator[Case]:
    lengths = [*product(QUALITIES, ASPECTS, ("2",)), *product(QUALITIES, ("1:1",), ("1", "7"))]
    for quality, aspect, seconds in lengths:
        data = {"prompt": HEART, "aspect": aspect, "seconds": seconds, "quality": quality}
        yield case(f"simple {quality} {aspect} {seconds}s", post("simple", data))
    for quality in QUALITIES:
        yield case(f"simple {quality} with what is hidden", post("simple", {**HIDDEN, "quality": quality}))
        custom = {**HIDDEN, "quality": quality, "aspect": "custom", "width": "500", "height": "300"}
        yield case(f"simple {quality} of a custom shape", post("simple", custom))
        yield case(f"simple {quality} of a custom shape without sides", post("simple", {**custom, "width": ""}))
    as_set = {**ADVANCED, "quality": "custom"}
    yield case("simple as set under advanced", post("simple", as_set))
    yield case("simple as set, several", post("simple", {**as_set, "variations": "3"}))
    yield case("simple as set, custom", post("simple", {**CUSTOM, "quality": "custom"}))
    yield case("simple without a length", post("simple", {**SIMPLE, "seconds": ""}))
    yield case("simple without any mode", {"post": "/create/", "data": SIMPLE})
    yield case("nothing at all", post("simple", {}), post("advanced", {}))


def advanced() -> Iterator[Case]:
    for aspect, side in product(ASPECTS, ("130", "256", "512")):
        yield case(f"advanced {aspect} {side}", post("advanced", {**ADVANCED, "aspect": aspect, "short_side": side}))
    for fps, seconds in product(("8", "16", "24", "32"), ("1", "10")):
        yield case(f"advanced {fps} fps {seconds}s", post("advanced", {**ADVANCED, "fps": fps, "seconds": seconds}))
    for name, values in _GOOD.items():
        for value in values:
            yield case(f"advanced {name}={value[:20]!r}", post("advanced", {**ADVANCED, name: value}))
    for width, height in (
        ("128", "128"),
        ("300", "500"),
        ("512", "288"),
        ("130", "512"),
        ("510", "510"),
        ("512", "130"),
    ):
        yield case(f"advanced {width}x{height}", post("advanced", {**CUSTOM, "width": width, "height": height}))
    yield case("advanced with as little as can be", post("advanced", {"prompt": STAR, "aspect": "1:1", "seconds": "2"}))
    yield case("advanced with a quality", post("advanced", {**ADVANCED, "quality": "best"}))


_GOOD = {
    "prompt": (STAR, "  a heart  ", "süß ❤️ 心\nand a second line", "x" * 1000, "a corgi on the street"),
    "negative_prompt": ("", "  fog, rain ", "x" * 1000),
    "format": ("mp4", "webm", "gif", ""),
    "steps": ("", "1", "16", "100"),
    "guidance": ("", "0", "1", "7.5", "30"),
    "seed": ("", "0", "4294967295"),
    "fps": ("",),
    "short_side": ("",),
    "model": ("",),
    "motion_adapter": ("",),
    "variations": ("",),
}
_BAD = {
    "prompt": ("", "  ", "\u200b", "a\x07b", "\u202eheart", "x" * 1001),
    "negative_prompt": ("\x07", "x" * 1001),
    "aspect": ("", "4:3", "custom"),
    "short_side": ("0", "126", "201", "2.5", "many", "513", "100000", "-128"),
    "seconds": ("", "0", "11", "1.5", "long"),
    "fps": ("7", "60", "fast"),
    "format": ("avi", "MP4"),
    "model": ("nonsense", "epicrealism"),
    "motion_adapter": ("nonsense", "animatelcm"),
    "steps": ("0", "101", "1.5", "many"),
    "guidance": ("-1", "31", "NaN", "much"),
    "seed": ("-1", "4294967296", "1.5", "luck"),
    "variations": ("0", "9", "-1", "x"),
}


def wrong() -> Iterator[Case]:
    for name, values in _BAD.items():
        for value in values:
            yield case(f"wrong advanced {name}={value[:20]!r}", post("advanced", {**ADVANCED, name: value}))
    for name in ("prompt", "aspect", "seconds", "quality", "negative_prompt", "format", "guidance", "seed", "steps"):
        yield case(f"wrong simple {name}", post("simple", {**HIDDEN, name: "\x07"}))
    for changes in (
        {"width": ""},
        {"height": ""},
        {"width": "501"},
        {"height": "100"},
        {"width": "99999"},
        {"width": "514"},
    ):
        yield case(f"wrong custom {changes}", post("advanced", {**CUSTOM, **changes}))
    yield case("wrong in several places", post("advanced", {**ADVANCED, "prompt": "", "steps": "x", "seed": "-1"}))
    too_large = {**ADVANCED, "short_side": "514", "aspect": "9:16", "fps": "7"}
    yield case("wrong size and rate", post("advanced", too_large))


def variations() -> Iterator[Case]:
    for count, seed in product(("2", "3", "8"), ("", "7", "4294967294")):
        yield case(f"variations {count} of {seed}", post("advanced", {**ADVANCED, "variations": count, "seed": seed}))
    for count in ("2", "8"):
        yield case(f"variations {count} in simple", post("simple", {**HIDDEN, "variations": count}))
    data = {**ADVANCED, "variations": "4"}
    yield case("variations that are too many", post("advanced", data), settings={"MAX_ACTIVE_JOBS": 3})
    yield case("variations one after the other", *[post("advanced", data)] * 4)


def world() -> Iterator[Case]:
    """Yield cases with other models, a few-step adapter and camera motions."""
    models = (("tiny", "tiny-motion"), ("tiny", "still"), ("other", "still"), ("other", "tiny-motion"), ("broad", ""))
    for (model, adapter), quality in product(models, QUALITIES):
        data = {**SIMPLE, "quality": quality, "model": model, "motion_adapter": adapter, "lora-tilt": "0.5"}
        yield case(f"world simple {quality} {model} {adapter}", post("simple", data), world=True)
    for (model, adapter), steps in zip(models, ("", "9", "", "9", ""), strict=True):
        data = {**ADVANCED, "model": model, "motion_adapter": adapter, "steps": steps, "guidance": "", "fps": "32"}
        yield case(f"world advanced {model} {adapter} {steps}", post("advanced", data), world=True)
    for adapter, strengths in product(
        ("tiny-motion", "still"), ({"lora-push": "0.8"}, {"lora-push": "1", "lora-tilt": "0.25"})
    ):
        data = {**ADVANCED, "motion_adapter": adapter, **strengths}
        yield case(
            f"world {adapter} {strengths}", post("advanced", data), post("advanced", data, "summary"), world=True
        )
    for strength in ("", "0", "1.1", "-0.1", "NaN", "much"):
        yield case(f"world push={strength!r}", post("advanced", {**ADVANCED, "lora-push": strength}), world=True)
    for changes in (
        {"model": "broad", "fps": "8"},
        {"model": "broad", "fps": "24"},
        {"lora-away": "1"},
        {"model": "away"},
    ):
        yield case(f"world {changes}", post("advanced", {**ADVANCED, **changes}), world=True)
    for model, side in product(("broad", "other"), ("128", "256", "512", "1024")):
        data = {**ADVANCED, "model": model, "motion_adapter": "", "short_side": side, "aspect": "1:1", "seconds": "1"}
        yield case(f"world {model} {side}", post("advanced", data), world=True)
    data = {**ADVANCED, "motion_adapter": "still", "lora-tilt": "0.5"}
    yield case("world to simple and on", edit("mode=advanced&to=simple", data), send("simple"), world=True)
    for model in ("other", "broad"):
        yield case(f"world change to {model}", edit("mode=advanced", {**ADVANCED, "model": model}), world=True)


def limits() -> Iterator[Case]:
    small = {"MAX_SIDE": 400, "MAX_SECONDS": 4}
    for aspect, quality in product(("16:9", "1:1", "2:3"), QUALITIES):
        data = {**SIMPLE, "aspect": aspect, "quality": quality}
        yield case(f"limits simple {aspect} {quality}", post("simple", data), settings=small)
    for side in ("224", "226", "256", "400", "402"):
        yield case(
            f"limits advanced {side}",
            post("advanced", {**ADVANCED, "aspect": "16:9", "short_side": side}),
            settings=small,
        )
    for seconds in ("4", "5", ""):
        yield case(f"limits {seconds}s", post("advanced", {**ADVANCED, "seconds": seconds}), settings=small)
    yield case(
        "limits of a batch",
        many(f"prompt,size,seconds\n{HEART},402x128,2\n{STAR},400x128,5\n{STAR},,\n"),
        settings=small,
    )
    yield case("limits odd", post("advanced", {**CUSTOM, "width": "254", "height": "254"}), settings={"MAX_SIDE": 255})
    yield case(
        "limits from a video", {"get": "/create/?video={video}"}, given={"videos": [{"seconds": 9}]}, settings=small
    )
    full = {"MAX_ACTIVE_JOBS": 1}
    yield case("limits of the queue", post("simple", SIMPLE), post("simple", SIMPLE), settings=full)
    yield case("limits of the queue, many", many(f"{HEART}\n{STAR}\n"), settings=full)


def terms() -> Iterator[Case]:
    for prompt in ("a toy gun", "A TOY GUN on white", "a gunner", "a toy  gun"):
        given = {"terms": ["toy gun", "gunner"]}
        data = {**SIMPLE, "prompt": prompt}
        yield case(f"terms {prompt}", post("simple", data), post("simple", data, "summary"), given=given)
        yield case(f"terms of a batch {prompt}", many(f"{HEART}\n{prompt}\n"), given=given)


# --- The page ---------------------------------------------------------------------------------------------------------


def summaries() -> Iterator[Case]:
    for quality, aspect in product(QUALITIES, ("16:9", "1:1")):
        data = {**SIMPLE, "quality": quality, "aspect": aspect}
        yield case(f"summary simple {quality} {aspect}", post("simple", data, "summary"))
    for fps, side in product(("8", "24", "32"), ("130", "512")):
        data = {**ADVANCED, "fps": fps, "short_side": side, "prompt": ""}
        yield case(f"summary advanced {fps} {side}", post("advanced", data, "summary"))
    for changes in (
        {"variations": "4"},
        {"steps": ""},
        {"guidance": "1"},
        {"steps": "x"},
        {"prompt": "a corgi"},
        {"seconds": "10"},
    ):
        data = {**ADVANCED, **changes}
        yield case(f"summary advanced {changes}", post("advanced", data, "summary"))
    others = {"others": [{}, {"fps": 8, "seconds": 5}, {"width": 512, "height": 512}]}
    yield case("summary behind others", post("simple", SIMPLE, "summary"), given=others)
    yield case(
        "summary behind one's own", post("simple", SIMPLE), post("simple", SIMPLE), post("simple", SIMPLE, "summary")
    )
    yield case("summary of nothing", post("simple", {}, "summary"), post("advanced", {}, "summary"))
    yield case("page", {"get": "/create/?mode=simple"}, send("simple", {"prompt": STAR}))
    yield case("page advanced", {"get": "/create/?mode=advanced"}, send("advanced", {"prompt": STAR}))
    for query in ("prompt=a+large+red+heart", "quality=draft", "quality=best&prompt=a+heart", "quality=none", "from=x"):
        yield case(f"page {query}", {"get": f"/create/?mode=simple&{query}"})
        yield case(f"page advanced {query}", {"get": f"/create/?mode=advanced&{query}"})


def switching() -> Iterator[Case]:
    for quality in QUALITIES:
        data = {**SIMPLE, "quality": quality}
        there, back = edit("mode=simple&to=advanced", data), {"send": {}, "to": "/create/edit/?mode=advanced&to=simple"}
        yield case(f"switch {quality} there", there, send("advanced"))
        yield case(f"switch {quality} there and back", there, back, send("simple"))
        yield case(f"switch {quality} to many", edit("mode=simple&to=many", data))
    for name, data in (("usual", ADVANCED), ("custom", CUSTOM), ("several", {**ADVANCED, "variations": "3"})):
        back = edit("mode=advanced&to=simple", data)
        yield case(f"switch {name} to simple", back, send("simple"))
        for quality in QUALITIES:
            yield case(f"switch {name} to simple {quality}", back, send("simple", {"quality": quality}))
        yield case(
            f"switch {name} and forget", back, {"send": {}, "to": "/create/edit/?mode=simple&forget"}, send("simple")
        )
        yield case(f"switch {name} to many", edit("mode=advanced&to=many", data))
    for fps, steps, side in (
        ("16", "6", "128"),
        ("24", "16", "256"),
        ("32", "24", "512"),
        ("24", "", ""),
        ("32", "16", "256"),
    ):
        data = {**ADVANCED, "fps": fps, "steps": steps, "short_side": side}
        yield case(f"switch recognises {fps} {steps} {side}", edit("mode=advanced&to=simple", data))
    for changes in (
        {"prompt": "", "steps": "many"},
        {"aspect": "none", "seconds": "x"},
        {"short_side": "1" + "0" * 30},
    ):
        yield case(f"switch what is wrong {list(changes)}", edit("mode=advanced&to=simple", {**ADVANCED, **changes}))
    yield case("switch reload", {"get": "/create/edit/?mode=simple&to=advanced"})


def from_earlier() -> Iterator[Case]:
    requests = {
        "draft": {"width": 224, "height": 128, "fps": 16, "steps": 6, "quality": "draft"},
        "standard": {"quality": "standard"},
        "best": {"width": 512, "height": 512, "fps": 32, "steps": 24, "quality": "best"},
        "own": {"width": 500, "height": 300, "fps": 8, "negative_prompt": "rain", "guidance": 1.0, "format": "gif"},
        "gone": {"model": "sd-9000", "seconds": 60, "fps": 7},
        "motions": {"motion_loras": [["push", 0.5], ["away", 0.3]], "motion_adapter": "tiny-motion"},
    }
    for (name, request), mode, source in product(requests.items(), ("simple", "advanced"), ("from", "video")):
        given = {"jobs": [request]} if source == "from" else {"videos": [{**request, "seed": 77}]}
        id = "{job}" if source == "from" else "{video}"
        page = {"get": f"/create/?mode={mode}&{source}={id}"}
        yield case(f"{source} {name} {mode}", page, send(mode), given=given, world=name == "motions")
        if mode == "simple" and name != "gone":
            for quality in ("standard", "best"):
                page = {"get": f"/create/?mode={mode}&{source}={id}&quality={quality}"}
                yield case(f"{source} {name} as {quality}", page, send(mode), given=given, world=name == "motions")
    for aspect, seed in product(("16:9", "1:1", "9:16"), ("", "77")):
        draft = post("simple", {**SIMPLE, "aspect": aspect, "seed": seed})
        in_full = [{"get": "/jobs/{job}/"}, {"follow": "quality=standard"}, send("simple")]
        yield case(f"a draft in full {aspect} {seed}", draft, *in_full)


def from_files() -> Iterator[Case]:
    def read(name: str, mode: str = "advanced", **content: Any) -> Case:
        file = {"field": "video_file", "name": name, **content}
        return {"post": f"/create/from-file/?mode={mode}", "data": ADVANCED, "file": file}

    for format, mode in product(("mp4", "webm", "gif"), ("simple", "advanced")):
        metadata = {"auravideo": 1, "request": {**OLD, "format": format}}
        yield case(f"file {format} {mode}", read(f"clip.{format}", mode, metadata=metadata), send(mode))
    for name, changes in {
        "renamed": {"quality": "draft", "preset": None},
        "custom": {"width": 500, "height": 300, "preset": ""},
        "gone": {"model": "sd-9000", "seconds": 60, "fps": 7, "steps": "many", "extra": {"a": 1}},
        "odd": {"prompt": "</textarea><script>x</script>", "motion_loras": [["push", 1], "x"], "width": "256"},
    }.items():
        metadata = {"auravideo": 1, "request": {**OLD, **changes}}
        yield case(f"file {name}", read("clip.mp4", metadata=metadata), send("advanced"))
    for metadata in (None, {"request": OLD}, {"auravideo": 1}, {"auravideo": 1, "request": [1]}):
        yield case(f"file without settings {list(metadata or ())}", read("clip.mp4", metadata=metadata))
    yield case("file that is none", read("clip.mp4", text="not a video"), post("simple", SIMPLE, "from-file"))


def presets() -> Iterator[Case]:
    for mode, data in (("simple", SIMPLE), ("advanced", ADVANCED), ("advanced", CUSTOM)):
        save = post(mode, {**data, "preset_name": "Mine", "prompt": ""}, "save-preset")
        use = edit(f"mode={mode}&preset={{preset}}", {"prompt": STAR, "seed": "3"})
        yield case(f"preset saved and used {mode} {data['aspect']}", save, use, send(mode))
        yield case(f"preset saved twice {mode} {data['aspect']}", save, save)
    for name in ("", "draft", " Best ", "x" * 61):
        yield case(f"preset named {name[:9]!r}", post("advanced", {**ADVANCED, "preset_name": name}, "save-preset"))
    yield case("preset of nonsense", post("advanced", {**ADVANCED, "steps": "x", "preset_name": "a"}, "save-preset"))
    for shared, mode in product((True, False), ("simple", "advanced")):
        given = {"presets": [{"name": "Slow", "shared": shared, "settings": {"fps": 8, "width": 384, "height": 256}}]}
        page = {"get": f"/create/?mode={mode}&preset={{preset}}&prompt=a+heart"}
        yield case(f"preset started from {shared} {mode}", page, send(mode), given=given)


# --- Many -------------------------------------------------------------------------------------------------------------


def many(lines: str, file: str = "", **changes: str) -> Case:
    """Return a step that posts prompts as text, or as a file of the given name."""
    step: Case = {"post": "/create/many/", "data": {"lines": "" if file else lines, **MANY, **changes}}
    return {**step, "file": {"field": "file", "name": file, "text": lines}} if file else step


_ROWS = {
    "text": f"{HEART}\n# a comment\n\n{STAR}\n  a green cross  \n",
    "csv": f'prompt,size,seconds,fps,seed\n"{HEART}, slowly",300x200,4,32,7\n{STAR},,,,\n',
    "semicolons": f"prompt;guidance;steps\n{HEART};2.5;9\n{STAR};;\n",
    "tabs": f"prompt\tformat\n{HEART}\tgif\n{STAR}\twebm\n",
    "all": (
        "prompt,negative_prompt,width,height,seconds,fps,format,model,motion_adapter,motion_loras,steps,guidance,seed\n"
        f"{HEART},rain,320,192,1,8,gif,tiny,tiny-motion,,7,1.5,11\n{STAR},,,,,,,,,,,,\n"
    ),
    "jsonl": '{"prompt": "a heart", "seconds": 4, "fps": 8}\n{"prompt": "a star", "size": "256x144", "steps": 16.0}\n',
    "quality column": f"prompt,preset\n{HEART},mine\n{STAR},draft\n{STAR},\n",
    "wrong": 'prompt,fps\na red heart,24\na blue star,7\n"a green cross",8\n,8\n',
    "all wrong": "prompt,fps\na,7\nb,9\n",
    "wrong json": '{"prompt": "a"}\n{"prompt": 5}\n{"prompt": "", "prompt": ""}\nno\n[1]\n{"no": 1, "prompt": "d"}\n',
    "wrong column": "prompt,colour\na,red\n",
    "twice": "prompt,prompt\na,b\n",
    "no prompt": "fps,seed\n8,1\n",
    "ragged": "prompt,fps\na\nb,8\nc,8,9\n",
    "quotes": 'prompt,fps\n"a,8\n',
    "sizes": "prompt,size,width,height\na,1x1,,\nb,,300,\nc,300x200,300,200\nd,,300,200\ne,big,,\n",
    "models": "prompt,model,motion_adapter,motion_loras\na,epicrealism,,\nb,no,,\nc,tiny,animatelcm,\nd,,,push:0.5\n",
    "blank": "\n\n# nothing\n",
    "motions": (
        "prompt,motion_adapter,motion_loras\n"
        'a,,push:0.8\nb,still,tilt\nc,still,push\nd,,push:2\ne,,away\nf,,"push,tilt:0.5"\n'
    ),
}


def batches() -> Iterator[Case]:
    for name, lines in _ROWS.items():
        yield case(f"many {name}", many(lines), world=name == "motions")
        if "wrong" in name or name in ("sizes", "models", "motions", "ragged"):
            yield case(f"many {name}, skipping", many(lines, skip_invalid="on"), world=name == "motions")
    for quality, aspect in product(QUALITIES, ("16:9", "1:1", "2:3")):
        yield case(f"many {quality} {aspect}", many(_ROWS["csv"], quality=quality, aspect=aspect, seconds="5"))
    for ending, name in (
        ("txt", "text"),
        ("csv", "csv"),
        ("tsv", "tabs"),
        ("jsonl", "jsonl"),
        ("json", "jsonl"),
        ("md", "csv"),
    ):
        yield case(f"many in a .{ending}", many(_ROWS[name], f"prompts.{ending}"))
    for changes in ({"aspect": "custom"}, {"seconds": "11"}, {"quality": "custom"}, {"seconds": ""}, {"lines": ""}):
        step = many(_ROWS["text"])
        yield case(f"many wrong {changes}", {**step, "data": {**step["data"], **changes}})
    both = many(_ROWS["text"], "prompts.txt")
    yield case("many in two ways", {**both, "data": {**both["data"], "lines": "a heart"}})
    yield case("many, and again", many(_ROWS["text"]), many(_ROWS["text"]))
    yield case("many twice in another quality", many(_ROWS["text"]), many(_ROWS["text"], quality="best"))
    wrong_file = many('{"prompt": "a red heart", "fps": 7}\n', "p.jsonl")
    right = {"send": {"lines": '{"prompt": "a red heart", "fps": 8}\n'}, "to": "/create/many/"}
    yield case("many corrected", wrong_file, right)


def commands() -> Iterator[Case]:
    endings = {"csv": "csv", "all": "csv", "semicolons": "csv", "jsonl": "jsonl", "wrong json": "jsonl", "tabs": "tsv"}
    for name, lines in _ROWS.items():
        file = f"prompts.{endings.get(name, 'txt')}"
        format = [] if name in ("text", *endings) else ["--format", "csv"]
        step = {"command": [*format, "--skip-invalid"], "name": file, "text": lines}
        yield case(f"command {name}", step, world=name == "motions")
    for name in ("wrong", "sizes"):
        step = {"command": ["--format", "csv"], "name": "prompts.txt", "text": _ROWS[name]}
        yield case(f"command {name}, strictly", step)
    again = {"command": [], "name": "prompts.txt", "text": _ROWS["text"]}
    yield case("command, and again", again, again)
    yield case("command and many", again, many(_ROWS["text"]))
    yield case("command of too many", {**again, "text": f"{HEART}\n{STAR}\n"}, settings={"MAX_ACTIVE_JOBS": 1})


GROUPS = (simple, advanced, wrong, variations, world, limits, terms, summaries, switching, from_earlier, from_files)
CASES = [
    {name: value for name, value in one.items() if value is not False}
    for group in (*GROUPS, presets, batches, commands)
    for one in group()
]
_NAMES = [one["name"] for one in CASES]
assert len(set(_NAMES)) == len(_NAMES), f"given twice: {sorted({name for name in _NAMES if _NAMES.count(name) > 1})}"
