"""The small disk takes nothing while it is full or read-only, and works again afterwards."""

import errno
import os

import pytest

from tests.rigs.small_disk import Disk

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a disk")]


@pytest.fixture
def disk(tmp_path):
    with Disk(tmp_path / "disk", megabytes=1) as disk:
        yield disk


def write(disk):
    (disk.folders[0] / "file").write_bytes(bytes(8192))


@pytest.mark.parametrize(("how", "number"), [("full", errno.ENOSPC), ("read_only", errno.EROFS)])
def test_it_takes_nothing_for_a_while(disk, how, number):
    with getattr(disk, how)(), pytest.raises(OSError) as refused:
        write(disk)
    assert refused.value.errno == number
    write(disk)


def test_nothing_stays_mounted(tmp_path):
    with Disk(tmp_path / "disk", megabytes=1):
        assert os.path.ismount(tmp_path / "disk")
    assert not os.path.ismount(tmp_path / "disk")
