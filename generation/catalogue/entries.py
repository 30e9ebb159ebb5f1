"""The kinds of catalogue entry and their properties."""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from django.utils.translation import gettext

from auravideo.commands import manage
from generation.catalogue.gguf_file import SUFFIX as GGUF
from generation.catalogue.lockfile import locked_sizes
from generation.catalogue.pipelines import ANIMATEDIFF
from generation.domain.plan import ANY_COUNT, FrameRule
from generation.domain.shapes import SQUARE, Size

MOST_VECTORS = 64  # of a textual inversion's word; CLIP reads 75 tokens at once
FEW_STEPS = 10  # a model whose usual number is this small was distilled for it
BUILTIN_MODELS = Path(__file__).resolve().parents[2] / "workers" / "tiny" / "models"


@dataclass(frozen=True)
class Source:
    """Files from one repository at one commit: `files` maps paths in the model's folder to paths in the repository."""

    repo: str
    revision: str | None
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The base of every kind of model.

    `label` and `purpose` are in the active language: scripts/messages.py extracts ours from catalogue.toml; those of an
    operator's own entries are not translated. `revision` is a full commit hash or None (the newest, which the lock file
    then pins). `files` are the required paths, `*` allowed; `sha256` gives the hashes that some of them must have,
    whichever mirror serves them. `download_mb` and `memory_gb` (graphics memory, 10^9 bytes) help users choose, and
    the latter decides which workers can run it (see card_memory.py). Without a `repo`, the operator puts the files into
    the entry's folder, which `folder` names if it is not the usual one.
    """

    kind: ClassVar[str] = ""
    id: str
    english_label: str
    english_purpose: str
    family: str
    files: tuple[str, ...]
    licence: str
    repo: str | None = None
    revision: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict, hash=False)
    download_mb: int = 0
    memory_gb: float = 0.0
    builtin: bool = False
    folder: str | None = None

    @property
    def label(self) -> str:
        return gettext(self.english_label)

    @property
    def purpose(self) -> str:
        return gettext(self.english_purpose)

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the IDs of the other entries that this one needs to make a video."""
        return ()

    @property
    def relies_on(self) -> "tuple[Entry, ...]":
        """Return the other entries without whose files this one cannot be loaded."""
        return ()

    @property
    def command(self) -> str:
        """Return the command with which an operator gets the files; bundled ones are restored from the repository."""
        if self.builtin:
            return f"git checkout -- workers/tiny/models/{self.folder or self.id}"
        return manage(f"fetch_models {self.id}")

    @property
    def files_id(self) -> str:
        """Return the ID of the entry to which the files belong: this one, if they are not shared."""
        return self.id

    def path(self, home: Path | str) -> Path:
        """Return the folder of the files; `home` is AURAVIDEO_HOME."""
        if self.builtin:
            return BUILTIN_MODELS / (self.folder or self.files_id)
        return Path(self.folder) if self.folder else Path(home) / "models" / self.files_id

    def sources(self) -> tuple[Source, ...]:
        """Return where the files come from; empty for bundled models."""
        if self.builtin or self.repo is None:
            return ()
        return (Source(self.repo, self.revision, {name: name for name in self.files}),)

    @property
    def is_pinned(self) -> bool:
        """Return whether the catalogue says which files these are: by commit, or by the hash of every one."""
        return all(
            source.revision is not None or source.files.keys() <= self.sha256.keys() for source in self.sources()
        )

    def local_files(self) -> tuple[str, ...]:
        """Return the paths, or patterns, of all required files, relative to the folder."""
        remote = tuple(name for source in self.sources() for name in source.files)
        return remote or self.files

    def missing(self, home: Path | str) -> tuple[str, ...]:
        """Return the files, those that it relies on included, that are absent or not of the size in the lock file."""
        of_others = [name for other in self.relies_on for name in other.missing(home)]
        return tuple(dict.fromkeys([*self.missing_files(home), *of_others]))

    def missing_files(self, home: Path | str) -> tuple[str, ...]:
        """Return the same of its own files."""
        folder = self.path(home)
        absent = [name for name in self.local_files() if not _present(folder, name)]
        sizes = {} if self.builtin else locked_sizes(home, self.files_id)
        wrong = [name for name, size in sizes.items() if not _has_size(folder / name, size)]
        return tuple(dict.fromkeys(absent + wrong))

    def is_available(self, home: Path | str) -> bool:
        """Return whether all files are present with the right sizes (`lockfile.verify` checks their content)."""
        return not self.missing(home)

    def compatible(self, other: "Entry") -> bool:
        """Return whether two entries are for the same network and so work together."""
        return "any" in (self.family, other.family) or self.family == other.family


@dataclass(frozen=True, kw_only=True)
class BaseModel(Entry):
    """A model that makes the base frames: a folder in the layout of diffusers, or a single file.

    `pipeline` is the diffusers class that runs it: AnimateDiff's animates a text-to-image model with a motion
    `adapter`; all others (catalogue/pipelines.py) make clips by themselves and have none.

    Sizes are pixels (`native_size` the short side it was trained at, `native_sizes` the width and height by aspect
    ratio where it was trained at one, `min_size` the smallest short side that still works), `native_fps` is in frames
    per second, `frame_rule` says which frame counts and sizes the network can make, `max_prompt_tokens` includes the
    start and end tokens. `scheduler` is a diffusers class name under "class" and the configuration fields to set.
    `is_guided`: whether guidance and negative prompts have an effect, which they have not on models distilled for one
    value. `lora` (id, weight) is what a few-step variant loads. `precisions` gives components another precision than
    the card's usual one, and `call` fixed arguments to the pipeline. `vae_repo` replaces the repository's own VAE: its
    files are saved in the `vae` folder, so the model loads as usual. `parts` gives folders of the model another
    repository and commit. `vocabulary` names the file in the folder that lists the words of a small-vocabulary model
    (see generation/catalogue/vocabulary.py). `clip_skip` says at which layer from the end the text encoder stops.
    `variant_of` is the entry whose files it uses, and `english_notice` what an operator must know before a download.

    `weights` names a single-file checkpoint. It has neither a configuration nor a tokenizer, so these are those of the
    entry `configuration`, and so are all networks but the transformer if it is a GGUF file. `vae` is an entry that
    replaces the model's own VAE. Both entries come along as `configuration_entry` and `vae_entry`.
    """

    kind: ClassVar[str] = "models"
    native_size: int
    native_sizes: Mapping[str, Size] = field(default_factory=dict, hash=False)
    min_size: int
    native_fps: int
    frame_rule: FrameRule = ANY_COUNT
    steps: int
    guidance: float
    scheduler: Mapping[str, Any] = field(hash=False)
    adapter: str | None
    interpolator: str
    upscaler: str
    max_prompt_tokens: int
    pipeline: str = ANIMATEDIFF
    is_guided: bool = True
    lora: tuple[str, float] | None = None
    precisions: Mapping[str, str] = field(default_factory=dict, hash=False)
    call: Mapping[str, Any] = field(default_factory=dict, hash=False)
    clip_skip: int = 1
    variant_of: str | None = None
    english_notice: str = ""
    variant: str | None = None
    vae_repo: str | None = None
    vae_revision: str | None = None
    weights: str | None = None
    configuration: str | None = None
    configuration_entry: Entry | None = None
    vae: str | None = None
    vae_entry: "Vae | None" = None
    parts: Mapping[str, tuple[str, str | None]] = field(default_factory=dict, hash=False)
    vocabulary: str | None = None
    default: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        own = (self.adapter, self.variant_of, self.lora[0] if self.lora else None, self.configuration, self.vae)
        return (*(id for id in own if id), self.interpolator, self.upscaler)

    @property
    def is_animatediff(self) -> bool:
        """Return whether a motion adapter animates it."""
        return self.pipeline == ANIMATEDIFF

    @property
    def usual_aspect(self) -> str:
        """Return the shape that the form opens with: the first that it has a native size for, or else a square."""
        return next(iter(self.native_sizes), SQUARE)

    def native_side(self, aspect: str) -> int:
        """Return the short side it was trained at for a shape, which may be one that has no name."""
        return min(self.native_sizes.get(aspect, (self.native_size,)))

    @property
    def notice(self) -> str:
        return gettext(self.english_notice) if self.english_notice else ""

    @property
    def files_id(self) -> str:
        return self.variant_of or self.id

    @property
    def has_few_steps(self) -> bool:
        """Return whether it was distilled for exactly its number of steps."""
        return self.lora is not None or self.steps <= FEW_STEPS

    @property
    def relies_on(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in (self.configuration_entry, self.vae_entry) if entry is not None)

    def base_path(self, home: Path | str) -> Path:
        """Return the folder of the configuration and tokenizer, and of the weights if they are not a single file."""
        return self.configuration_entry.path(home) if self.configuration_entry else self.path(home)

    def weights_path(self, home: Path | str) -> Path | None:
        """Return the single-file checkpoint; None if the weights are in the folder."""
        return self.path(home) / self.weights if self.weights else None

    def vae_path(self, home: Path | str) -> Path | None:
        """Return the folder or file of the VAE that replaces the model's own, if one does."""
        return self.vae_entry.weights_path(home) if self.vae_entry else None

    def vae_config_path(self, home: Path | str) -> Path | None:
        """Return the folder of that VAE's configuration if it is a single file, which has none."""
        own = self.vae_entry.configuration_entry if self.vae_entry else None
        return own.path(home) / "vae" if own else None

    @property
    def is_gguf(self) -> bool:
        """Return whether its transformer is a GGUF file, whose weights take other memory than those of its family."""
        return self.weights is not None and self.weights.endswith(GGUF)

    def usual_steps(self, adapter: "MotionAdapter | None") -> int:
        """Return the default number of denoising steps; a distilled adapter overrides it."""
        return (adapter.steps if adapter else None) or self.steps

    def usual_guidance(self, adapter: "MotionAdapter | None") -> float:
        """Return the default guidance scale; a distilled adapter overrides it."""
        return (adapter.guidance if adapter else None) or self.guidance

    def sources(self) -> tuple[Source, ...]:
        own = super().sources() if self.variant_of is None else ()
        if own and self.parts:
            return self._by_part(own[0])
        if not own or self.vae_repo is None:
            return own
        vae = {f"vae/{name}": name for name in ("config.json", "diffusion_pytorch_model.safetensors")}
        return (*own, Source(self.vae_repo, self.vae_revision, vae))

    def _by_part(self, own: Source) -> tuple[Source, ...]:
        """Return the own repository without the folders that come from others, and those."""
        origin = {name: self.parts.get(name.partition("/")[0]) for name in own.files}
        files = {place: {name: name for name in own.files if origin[name] == place} for place in origin.values()}
        others = (Source(*place, found) for place, found in files.items() if place is not None)
        return (replace(own, files=files.get(None, {})), *others)


@dataclass(frozen=True, kw_only=True)
class Configuration(Entry):
    """What single-file checkpoints of a family lack: the configuration of every part, and the tokenizer."""

    kind: ClassVar[str] = "configurations"


@dataclass(frozen=True, kw_only=True)
class Vae(Entry):
    """A VAE that may replace a model's own: a folder in the layout of diffusers, or the single file `weights`.

    A single file has the configuration of the entry `configuration`.
    """

    kind: ClassVar[str] = "vaes"
    weights: str | None = None
    configuration: str | None = None
    configuration_entry: Entry | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.configuration,) if self.configuration else ()

    @property
    def relies_on(self) -> tuple[Entry, ...]:
        return (self.configuration_entry,) if self.configuration_entry else ()

    def weights_path(self, home: Path | str) -> Path:
        """Return the path of the folder or file."""
        return self.path(home) / self.weights if self.weights else self.path(home)


@dataclass(frozen=True, kw_only=True)
class MotionAdapter(Entry):
    """AnimateDiff's motion modules for one family of base models.

    `weights` names the single file to load into a new `MotionAdapter()` if the repository is not a diffusers folder;
    otherwise `variant` is the infix of the file name. Clips more than one frame longer than `context_length` use
    FreeNoise's sliding window with `context_stride`; `max_frames` is the window's own limit (its positional encoding).
    `scheduler`, `steps` and `guidance` override the base model's if the adapter was distilled for other values. `lora`
    is (id, weight).
    """

    kind: ClassVar[str] = "adapters"
    context_length: int
    context_stride: int
    max_frames: int
    weights: str | None = None
    variant: str | None = None
    scheduler: Mapping[str, Any] | None = field(default=None, hash=False)
    steps: int | None = None
    guidance: float | None = None
    lora: tuple[str, float] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.lora[0],) if self.lora else ()


@dataclass(frozen=True, kw_only=True)
class MotionLora(Entry):
    """A LoRA on the motion modules (a camera move).

    A `hidden` one is loaded by the few-step adapter that names it, and is never offered to users.
    """

    kind: ClassVar[str] = "loras"
    weights: str
    adapters: tuple[str, ...]
    default_weight: float = 1.0
    hidden: bool = False

    def compatible(self, other: Entry) -> bool:
        """Return whether users may combine it with `other`: an adapter that it names, or anything of its family."""
        if isinstance(other, MotionAdapter):
            return not self.hidden and other.id in self.adapters
        return super().compatible(other)

    def weights_path(self, home: Path | str) -> Path:
        """Return the path of the weights file."""
        return self.path(home) / self.weights


@dataclass(frozen=True, kw_only=True)
class StyleLora(Entry):
    """A LoRA on the base model: a style, a subject or a character, whatever the motion adapter."""

    kind: ClassVar[str] = "styles"
    weights: str

    def weights_path(self, home: Path | str) -> Path:
        """Return the path of the weights file."""
        return self.path(home) / self.weights


@dataclass(frozen=True, kw_only=True)
class Embedding(Entry):
    """A textual inversion: vectors that stand for `word` in prompts."""

    kind: ClassVar[str] = "embeddings"
    weights: str
    word: str

    def weights_path(self, home: Path | str) -> Path:
        """Return the path of the weights file."""
        return self.path(home) / self.weights

    def is_in(self, text: str) -> bool:
        """Return whether the word is in a text, however it is capitalized."""
        return re.search(rf"(?<![\w-]){re.escape(self.word)}(?![\w-])", text, re.IGNORECASE) is not None


@dataclass(frozen=True, kw_only=True)
class Interpolator(Entry):
    """A frame interpolation network: a TensorFlow SavedModel with FILM's signature."""

    kind: ClassVar[str] = "interpolators"


@dataclass(frozen=True, kw_only=True)
class Upscaler(Entry):
    """Real-ESRGAN checkpoints: `scales` maps a factor (2 or 4) to the file that enlarges by it."""

    kind: ClassVar[str] = "upscalers"
    scales: Mapping[int, str] = field(hash=False)

    def paths(self, home: Path | str) -> dict[int, Path]:
        """Return the checkpoint path per factor, for the engine."""
        return {scale: self.path(home) / name for scale, name in self.scales.items()}


def _present(folder: Path, name: str) -> bool:
    if "*" not in name:
        return (folder / name).is_file()
    return folder.is_dir() and any(path.is_file() for path in folder.glob(name))


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def matches(name: str, pattern: str) -> bool:
    """Return whether a repository path matches `pattern`, in which `*` does not cross folders.

    A hub decides what its files are called, so nothing matches that would be written anywhere but below the folder.
    """
    if not is_inside(name) or name.count("/") != pattern.count("/"):
        return False
    parts = zip(name.split("/"), pattern.split("/"), strict=True)
    return all(fnmatch.fnmatchcase(part, wanted) for part, wanted in parts)


def is_inside(name: str) -> bool:
    """Return whether a relative path stays below its folder on every system, without passing through another name."""
    parts = name.split("/")
    is_plain = name.isprintable() and not {"\\", ":"} & set(name) and not name.startswith("~")
    return is_plain and not any(part in ("", ".", "..") or part != part.strip() for part in parts)
