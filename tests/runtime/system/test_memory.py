"""Available memory: of the system, and of a container's control groups."""

import pytest

import cvae_runtime as cvae
import cvae_runtime.system
from cvae_runtime._system.memory import physical_memory


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal:       2000 kB\nMemFree:  10 kB\nMemAvailable:    1000 kB\n"}


def group(folder, limit, used, cached, version=2):
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return {
        f"{folder}/{names[0]}": f"{limit}\n",
        f"{folder}/{names[1]}": f"{used}\n",
        f"{folder}/memory.stat": f"anon 5\n{names[2]} {cached}\n",
    }


def test_this_machine_has_some():
    assert 0 < cvae.system.available_memory() <= physical_memory()


def test_without_proc_it_is_the_physical_memory(tmp_path):
    assert cvae.system.available_memory(tmp_path) == physical_memory()


def test_linux_reports_available_memory(tmp_path):
    assert cvae.system.available_memory(write(tmp_path, MEMINFO)) == 1000 << 10


@pytest.mark.parametrize(
    ("version", "line", "mount"),
    [(2, "0::/a/b", "sys/fs/cgroup"), (1, "4:cpu,memory:/a/b", "sys/fs/cgroup/memory")],
)
def test_the_tightest_group_counts_without_cached_files(tmp_path, version, line, mount):
    files = {
        **MEMINFO,
        "proc/self/cgroup": f"9:name=systemd:/\n{line}\n",
        **group(f"{mount}/a/b", 5000, 1000, 100, version),
        **group(f"{mount}/a", 3000, 1500, 200, version),
        **group(mount, 1 << 63, 0, 0, version),
    }
    assert cvae.system.available_memory(write(tmp_path, files)) == 3000 - 1500 + 200


def test_a_container_that_sees_its_group_as_the_root(tmp_path):
    files = {**MEMINFO, "proc/self/cgroup": "0::/of/the/host\n", **group("sys/fs/cgroup", 400, 100, 0)}
    assert cvae.system.available_memory(write(tmp_path, files)) == 300


def test_no_limit_and_more_than_the_limit(tmp_path):
    files = {**MEMINFO, "proc/self/cgroup": "0::/a\n", **group("sys/fs/cgroup/a", "max", 100, 0)}
    assert cvae.system.available_memory(write(tmp_path, files)) == 1000 << 10
    assert cvae.system.available_memory(write(tmp_path, group("sys/fs/cgroup/a", 100, 150, 20))) == 0
