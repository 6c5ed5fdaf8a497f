"""The processor, and allowed cores: by affinity, and by the quotas of a container's control groups."""

import os

import pytest

import cvae_runtime as cvae
import cvae_runtime.system
from cvae_runtime._system.cpus import affinity, cpu_quota


@pytest.fixture(autouse=True)
def five_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 5, 6, 7}, raising=False)


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(folder, quota, version):
    if version == 2:
        return {f"{folder}/cpu.max": f"{'max' if quota is None else quota} 100000\n"}
    return {
        f"{folder}/cpu.cfs_quota_us": f"{-1 if quota is None else quota}\n",
        f"{folder}/cpu.cfs_period_us": "100000\n",
    }


def test_without_control_groups_affinity_counts(tmp_path, monkeypatch):
    assert (cvae.system.allowed_cores(tmp_path), cpu_quota(tmp_path)) == (5, None)
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert (cvae.system.allowed_cores(tmp_path), affinity()) == (7, 7)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert cvae.system.allowed_cores(tmp_path) == 1


def test_this_machine_has_some(monkeypatch):
    monkeypatch.undo()
    assert 1 <= cvae.system.allowed_cores() <= os.cpu_count()


@pytest.mark.parametrize(
    ("version", "line", "mount"),
    [
        (2, "0::/a/b", "sys/fs/cgroup"),
        (1, "4:cpu:/a/b", "sys/fs/cgroup/cpu"),
        (1, "4:cpu,cpuacct:/a/b", "sys/fs/cgroup/cpu,cpuacct"),
        (1, "4:cpuacct,cpu:/a/b", "sys/fs/cgroup/cpu"),
    ],
)
@pytest.mark.parametrize(("inner", "outer", "cores"), [(300_000, 200_000, 2), (200_000, None, 2), (None, None, 5)])
def test_the_tightest_group_counts(tmp_path, version, line, mount, inner, outer, cores):
    files = {
        "proc/self/cgroup": f"9:name=systemd:/\n3:cpuset:/a\n{line}\n",
        **group(f"{mount}/a/b", inner, version),
        **group(mount, outer, version),
    }
    assert cvae.system.allowed_cores(write(tmp_path, files)) == cores


@pytest.mark.parametrize(("quota", "cores"), [(1_000, 1), (100_000, 1), (150_000, 2), (200_001, 3), (900_000, 5)])
def test_quotas_are_rounded_up_and_limited_by_affinity(tmp_path, quota, cores):
    files = {"proc/self/cgroup": "0::/\n", **group("sys/fs/cgroup", quota, 2)}
    assert cvae.system.allowed_cores(write(tmp_path, files)) == cores
    assert cpu_quota(tmp_path) == quota / 100_000


def test_a_container_that_sees_its_group_as_the_root(tmp_path):
    files = {"proc/self/cgroup": "0::/of/the/host\n", **group("sys/fs/cgroup", 300_000, 2)}
    assert cvae.system.allowed_cores(write(tmp_path, files)) == 3


def test_an_unreadable_quota_is_ignored(tmp_path):
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}
    assert cpu_quota(write(tmp_path, files)) is None


@pytest.mark.parametrize(
    ("flags", "instructions"),
    [
        ("fma avx2", ["AVX2"]),
        ("avx2 avx_vnni", ["AVX2", "VNNI"]),
        ("avx2 avx512f avx512_vnni avx512_bf16", ["AVX2", "AVX-512", "VNNI", "bfloat16"]),
        ("avx2 avx512f amx_bf16", ["AVX2", "AVX-512", "bfloat16"]),
    ],
)
def test_the_first_processor_is_described(tmp_path, flags, instructions):
    table = (
        f"processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: {flags}\n\nprocessor\t: 1\nmodel name\t: Other\n"
    )
    found = cvae.system.processor(write(tmp_path, {"proc/cpuinfo": table}))
    assert found == cvae.system.Processor("Some CPU @ 2 GHz", tuple(flags.split()))
    assert found.instructions == instructions


def test_arm_names_its_flags_features(tmp_path):
    found = cvae.system.processor(write(tmp_path, {"proc/cpuinfo": "Features\t: asimd sve\n"}))
    assert (found.flags, found.instructions) == (("asimd", "sve"), [])


def test_a_system_without_a_table_of_processors(tmp_path):
    found = cvae.system.processor(tmp_path)
    assert found.name != ""
    assert found.flags == ()
