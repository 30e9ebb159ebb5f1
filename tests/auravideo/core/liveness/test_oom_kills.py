"""The kernel's count of processes that it ended for want of memory is found, whatever the machine, and read in time."""

import pytest

from auravideo.core.liveness import oom_kills

V1 = "9:name=systemd:/\n4:memory:/box/worker\n1:cpu,cpuacct:/\n0::/\n"
V2 = "0::/system.slice/auravideo.service\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(oom_kills, "PROC", tmp_path / "proc")
    monkeypatch.setattr(oom_kills, "CGROUPS", tmp_path / "cgroup")

    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    write("proc/vmstat", "oom_kill 7\nnr_free 1\n")
    return write


@pytest.mark.parametrize(
    ("groups", "file"),
    [
        (V1, "cgroup/memory/box/worker/memory.oom_control"),
        (V1, "cgroup/memory/memory.oom_control"),
        (V2, "cgroup/system.slice/auravideo.service/memory.events"),
        (V2, "cgroup/memory.events"),
    ],
)
def test_a_control_group_has_its_own_count(machine, groups, file):
    machine("proc/self/cgroup", groups)
    machine(file, "low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert oom_kills.count() == 2


def test_without_control_groups_the_machine_counts(machine):
    assert oom_kills.count() == 7
    machine("proc/self/cgroup", V2)
    assert oom_kills.count() == 7
    machine("proc/vmstat", "nr_free 1\n")
    assert oom_kills.count() == 0


@pytest.fixture
def clock(monkeypatch):
    """Return the present moment and count, which can be changed."""
    now = {"at": 100.0, "count": 3}
    monkeypatch.setattr(oom_kills.time, "monotonic", lambda: now["at"])
    monkeypatch.setattr(oom_kills, "count", lambda: now["count"])
    return now


def test_a_kill_explains_one_death_soon_after_it(clock):
    watch = oom_kills.Watch()
    assert not watch.explains_death()
    for _second in range(60):
        clock["at"] += 1
        watch.look()
    clock["count"] += 1
    watch.look()  # between the kill and the news of it
    assert watch.explains_death()
    assert not watch.explains_death()


def test_a_kill_of_long_ago_explains_nothing(clock):
    watch = oom_kills.Watch()
    clock["count"] += 1  # of another process of the same group
    for _second in range(int(oom_kills.RECENT_SECONDS) + 3):
        clock["at"] += 1
        watch.look()
    assert not watch.explains_death()
