"""The comparison of rows before and after an upgrade reports every change and nothing else."""

import pytest

from tests.rigs.site_in_use import changes

ROW = {"id": "1", "status": "done", "request": {"prompt": "a heart", "preset": "draft"}, "ended_at": "2026-01-01"}


def test_new_columns_and_the_new_name_of_the_quality_are_no_change():
    now = {**ROW, "request": {"prompt": "a heart", "quality": "draft"}, "plan": {"frames": 8}}
    assert changes(ROW, ROW) == changes(ROW, now) == {}


@pytest.mark.parametrize(
    ("now", "columns"),
    [
        ({**ROW, "status": "queued"}, {"status"}),
        ({**ROW, "request": {"prompt": "a heart", "quality": ""}}, {"request"}),
        ({**ROW, "request": {"prompt": "a heart"}}, {"request"}),
        ({name: value for name, value in ROW.items() if name != "ended_at"}, {"ended_at"}),
        (None, {""}),
    ],
)
def test_what_was_changed_or_lost_is_found(now, columns):
    assert set(changes(ROW, now)) == columns
