"""Log lines: readable or JSON, with the IDs of what they are about."""

import json
import logging

import pytest
import structlog

from auravideo.core.logs import ids, lines


@pytest.fixture
def written():
    """Return a function that formats what a logger logs."""

    def write(format: str, log, name: str = "generation.queue.services") -> str:
        records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = records.append
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        try:
            log(logger)
        finally:
            logger.removeHandler(handler)
        return lines.LineFormatter(format).format(records[0])

    return write


def test_a_line_for_people(written):
    with ids.about(job="1234", run=2, stage="generate", chunk=0, request_id=None):
        line = written("text", lambda logger: logger.warning("Lost %s", "a worker"))
    time, rest = line.split(" ", 1)
    assert time.endswith("Z") and "T" in time
    assert rest == "WARNING generation.queue.services: Lost a worker  [job=1234 run=2 stage=generate chunk=0]"


def test_a_line_without_ids_has_no_brackets(written):
    line = written("text", lambda logger: logger.warning("Nothing to do"))
    assert line.endswith("WARNING generation.queue.services: Nothing to do")


def test_a_line_for_machines(written):
    with ids.about(job="1234", run=2):
        line = written("json", lambda logger: logger.warning("Lost „%s“\nand found", "a worker"))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "Lost „a worker“\nand found",
        "level": "warning",
        "logger": "generation.queue.services",
        "job": "1234",
        "run": "2",
    }


@pytest.mark.parametrize("format", lines.FORMATS)
def test_a_traceback_appears_once_and_without_local_variables(written, format):
    def log(logger):
        hidden_local = "what-a-variable-holds"
        try:
            raise ValueError(len(hidden_local))
        except ValueError:
            logger.exception("It failed")

    line = written(format, log)
    assert line.count("Traceback") == line.count("ValueError: 21") == 1
    assert "what-a-variable-holds" not in line


@pytest.mark.parametrize("format", lines.FORMATS)
def test_structlogs_loggers_write_the_same_lines(written, format):
    with ids.about(job="1234"):
        line = written(
            format, lambda logger: structlog.get_logger("django_structlog.x").warning("ended", code=200),
            "django_structlog.x",
        )  # fmt: skip
    assert "1234" in line and "200" in line and "django_structlog.x" in line


def test_ids_end_with_their_block(written):
    with ids.about(job="1234"):
        pass
    assert "1234" not in written("text", lambda logger: logger.warning("Later"))


def test_a_thread_can_keep_the_ids(written):
    import threading

    found = []
    with ids.about(job="1234"):
        kept = threading.Thread(
            target=ids.in_this_context(lambda: found.append(structlog.contextvars.get_contextvars()))
        )
        plain = threading.Thread(target=lambda: found.append(structlog.contextvars.get_contextvars()))
        for thread in (kept, plain):
            thread.start()
            thread.join()
    assert found == [{"job": "1234"}, {}]


def test_a_relayed_line_says_which_process_wrote_it():
    assert lines.relay("site", "a line\n", "text") == "site        | a line"
    assert json.loads(lines.relay("site", '{"event": "x", "level": "info"}\n', "json")) == {
        "event": "x", "level": "info", "process": "site",
    }  # fmt: skip


@pytest.mark.parametrize("printed", ["2026 tensorflow: something\n", "12\n", '["a"]\n', "\n", '{"broken": \n'])
def test_what_a_library_prints_becomes_an_object_too(printed):
    entry = json.loads(lines.relay("interpolate", printed, "json"))
    assert (entry["event"], entry["process"]) == (printed.rstrip("\n"), "interpolate")


def test_the_supervisors_own_sentences():
    assert lines.own("serve", "AuraVideo is ready", "text") == "AuraVideo is ready"
    assert json.loads(lines.own("serve", "AuraVideo is ready", "json"))["event"] == "AuraVideo is ready"
