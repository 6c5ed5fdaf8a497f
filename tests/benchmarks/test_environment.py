from benchmarks._environment import PACKAGES, environment

CPUINFO = """\
processor\t: 0
model name\t: A Fast One
flags\t\t: fpu sse sse4_2 avx2 avx512_vnni avx512_bf16 fma syscall

processor\t: 1
model name\t: Another
"""


def test_environment(tmp_path):
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    governor.mkdir(parents=True)
    (governor / "scaling_governor").write_text("performance\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(CPUINFO)
    found = environment(tmp_path)
    assert found["processor"] == "A Fast One"
    assert found["flags"] == ["sse4_2", "avx2", "avx512_vnni", "avx512_bf16", "fma"]
    assert found["governor"] == "performance"
    assert found["cores"] >= 1
    assert set(found["versions"]) == set(PACKAGES)
    assert found["versions"]["numpy"]
    assert found["versions"]["onnxruntime-gpu"] is None


def test_unreadable_values_are_none(tmp_path):
    found = environment(tmp_path)
    assert found["processor"]
    assert (found["flags"], found["governor"]) == ([], None)
