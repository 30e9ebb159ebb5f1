"""Which engine runs an interpolation model: TensorFlow's or torch's."""

import logging
from importlib.util import find_spec
from pathlib import Path

from auravideo.core.computing.libraries import Library
from generation.domain.errors import RenderError
from workers.engines.film import FilmEngine
from workers.engines.film_torch.engine import TorchFilmEngine
from workers.engines.film_torch.layouts import layout_of

logger = logging.getLogger(__name__)


def open_film(path: Path, library: Library, label: str) -> FilmEngine:
    """Return an engine for the SavedModel in `path`, not yet loaded.

    Args:
        library: the one to use. TensorFlow runs any network; one that torch does not know is left to it.
        label: the model's name in errors.

    Raises:
        RenderError: "model-needs-tensorflow" if it is not installed.
    """
    if library is Library.TENSORFLOW:
        return FilmEngine(path, label=label, is_apart=True)
    try:
        is_known = layout_of(path) is not None
    except (OSError, ValueError):
        is_known = True  # loading says what is wrong with the files
    if is_known:
        return TorchFilmEngine(path, label=label)
    if find_spec("tensorflow") is None:
        raise RenderError("model-needs-tensorflow", model=label)
    logger.warning("%s is no network that is known here, so TensorFlow runs it", label)
    return FilmEngine(path, label=label, is_apart=True)
