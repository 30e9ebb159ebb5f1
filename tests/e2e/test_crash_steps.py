"""A crash between any two lines of ours is repaired by the site: no clip is lost, made twice or half.

Every line of what ends a stage, gives it back or deletes a video, on both databases.
"""

import pytest

from tests import postgres
from tests.rigs.crash_steps import CALLS
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

STEP = "from tests.rigs import crash_steps; print(crash_steps.step_through({name!r}, {step}))"
STEPS = {"lose": 3, "release": 3}  # these share most of their lines
FEWEST = 20  # lines of the shortest of these calls
ROWS_FIRST = """
from gallery.models import Video
from tests.rigs import crash_steps
class RowsFirst(crash_steps.Purge):
    def make(self):
        files = list(self.video.files)
        self.job.delete()
        Video.objects.filter(pk=self.video.pk).delete()
        for file in files:
            crash_steps.lifecycle.delete_file(file.storage, str(file))
crash_steps.CALLS["rows-first"] = RowsFirst
try:
    crash_steps.step_through("rows-first")
except AssertionError as error:
    print(error)
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shell(request, tmp_path_factory):
    """Return a function that runs code in a site without workers."""
    home = tmp_path_factory.mktemp("steps") / "home"
    if request.param == "sqlite":
        site = Site(home, queues="").start()
        yield site.python
        assert site.stop() == 0
        return
    with postgres.running() as url:
        site = Site(home, queues="", DATABASE_URL=url).start()
        yield site.python
        assert site.stop() == 0


@pytest.mark.parametrize("name", CALLS)
def test_a_crash_at_any_line_is_repaired(shell, name):
    assert int(shell(STEP.format(name=name, step=STEPS.get(name, 1))).splitlines()[-1]) >= FEWEST


def test_the_rig_sees_a_call_that_is_not_safe_to_crash(shell):
    """Last, because it leaves files without a row."""
    assert "rows-first crashed at line" in shell(ROWS_FIRST)
