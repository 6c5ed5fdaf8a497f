"""Known vulnerabilities are found by name, version and range."""

import subprocess
import sys

import pytest

from scripts import audit

ENTRY = """
id: PYSEC-1
aliases: [CVE-1]
details: |
  Reads what it
  should not.
affected:
- package: {name: Some_Package, ecosystem: PyPI}
  ranges:
  - type: GIT
    events: [{introduced: "0"}]
  - type: ECOSYSTEM
    events: [{fixed: "1.10"}, {introduced: "1.2"}, {introduced: "2.0rc1"}, {last_affected: "2.1"}]
  versions: ["0.7-odd", "1.2", "1.9"]
- package: {name: another, ecosystem: PyPI}
  ranges:
  - type: ECOSYSTEM
    events: [{introduced: "0"}]
"""


@pytest.fixture
def advisories(tmp_path):
    folder = tmp_path / "vulns" / "some-package"
    folder.mkdir(parents=True)
    (folder / "PYSEC-1.yaml").write_text(ENTRY)
    (folder / "PYSEC-2.yaml").write_text(ENTRY.replace("PYSEC-1", "PYSEC-2") + 'withdrawn: "2026-01-01T00:00:00Z"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("1.1", False),
        ("1.2", True),
        ("1.9.post3", True),
        ("1.10", False),
        ("2.0rc1", True),
        ("2.1", True),
        ("2.2", False),
    ],
)
def test_a_version_within_a_range_is_affected(version, affected, advisories):
    expected = f"some-package {version}: PYSEC-1, CVE-1, mended in 1.10: Reads what it should not."
    assert [str(finding) for finding in audit.audit({"some-package": version}, advisories)] == [expected] * affected


def test_other_packages_are_not_affected(advisories):
    assert list(audit.audit({"another": "1.2", "some": "1.2"}, advisories)) == []


def test_what_is_installed_is_looked_at(advisories, monkeypatch, capsys):
    assert audit.installed()["numpy"]
    monkeypatch.setattr(audit, "installed", lambda: {"some-package": "1.5", "numpy": "2.0"})
    monkeypatch.setattr(sys, "argv", ["audit.py", str(advisories)])
    with pytest.raises(SystemExit) as caught:
        audit.main()
    assert caught.value.code == 3
    assert capsys.readouterr().out.splitlines()[-1] == "2 distributions, 1 known vulnerabilities"


def test_nothing_known_ends_with_0(advisories, monkeypatch, capsys):
    monkeypatch.setattr(audit, "installed", lambda: {"numpy": "2.0"})
    monkeypatch.setattr(sys, "argv", ["audit.py", str(advisories)])
    with pytest.raises(SystemExit) as caught:
        audit.main()
    assert (caught.value.code, capsys.readouterr().out) == (0, "1 distributions, 0 known vulnerabilities\n")


def test_a_folder_that_is_no_database_is_refused(tmp_path):
    done = subprocess.run([sys.executable, audit.__file__, str(tmp_path)], capture_output=True, text=True, check=False)
    message = f"{tmp_path}: expected a copy of the advisory database, found no folder vulns in it\n"
    assert (done.returncode, done.stderr.endswith(message)) == (2, True)
