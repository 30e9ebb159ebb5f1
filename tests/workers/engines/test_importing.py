import gc
import logging
import sys

import pytest

from workers.engines.importing import absent, share_logging, uncollected


def test_garbage_is_collected_again_after_the_block_and_after_an_error():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="why"), uncollected():
        raise ValueError("why")
    assert gc.isenabled()


def test_who_switched_the_collector_off_finds_it_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_module_is_absent_within_the_block_only(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with absent("colorsys"), pytest.raises(ImportError):
        import colorsys
    import colorsys

    with absent("colorsys"):
        assert sys.modules["colorsys"] is colorsys, "one that is imported stays"


def test_what_libraries_log_reaches_the_sites_log_and_only_that(caplog, capfd):
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for library in (of_diffusers, of_transformers):
        library.enable_default_handler()
        library.disable_propagation()
    share_logging()
    share_logging()
    with caplog.at_level(logging.WARNING):
        for name in ("diffusers.models", "transformers.models"):
            logging.getLogger(name).warning("%s has no such module", name)
    assert caplog.messages == ["diffusers.models has no such module", "transformers.models has no such module"]
    assert "no such module" not in capfd.readouterr().err
