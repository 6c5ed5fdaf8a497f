"""Atomic folders: they replace only what this project wrote, whenever other programs add files."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

import cvae_runtime as cvae
import cvae_runtime.files
from cvae_runtime._system import durable as _durable
from cvae_runtime._system import folders as _folders
from cvae_runtime._system.layout import Layout, owns_names
from cvae_runtime._system.swap import swap_paths


def _owns(folder):
    return owns_names((folder / "list").read_text().split())


LISTED = Layout("a listed folder", _owns)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.is_file() and path.read_text() for path in folder.rglob("*")}


@pytest.fixture
def old(tmp_path):
    """A folder of the layout, with a folder in it and a temporary file of a killed process."""
    folder = tmp_path / "bundle"
    (folder / "sub").mkdir(parents=True)
    (folder / "list").write_text("list a sub/b")
    for path in ("a", "sub/b", "sub/.b.0123abcd.tmp"):
        (folder / path).write_text("old")
    return folder


@pytest.fixture(params=[1, 2], ids=["one step", "three steps"])
def steps(request, monkeypatch):
    if request.param == 2:  # a system without an atomic swap
        monkeypatch.setattr(_folders, "swap_paths", lambda *_: False)


def replace(target, during=lambda: None, layout=LISTED):
    with cvae.files.new_folder(target, replaces=layout) as new:
        (new / "list").write_text("list new")
        (new / "new").write_text("new")
        during()


def others(folder, found):
    return (
        f"{folder}: expected a listed folder and nothing else, found {found}; only what this project wrote is "
        f"overwritten: move the rest elsewhere, or choose another name"
    )


NEW = {"list": "list new", "new": "new"}


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "bundle"
    with cvae.files.new_folder(target) as temporary:
        (temporary / "a").write_text("1")
        assert (temporary.parent, target.exists()) == (tmp_path, False)
        assert temporary.name.startswith(".bundle.")
    assert (names(tmp_path), names(target)) == (["bundle"], ["a"])


def test_a_folder_may_hold_folders(tmp_path):
    with cvae.files.new_folder(tmp_path / "run") as temporary:
        (temporary / "images").mkdir()
        (temporary / "images" / "a").write_text("1")
    assert (tmp_path / "run" / "images" / "a").read_text() == "1"


@pytest.mark.parametrize("name", ["", "..", "sub/.."])
def test_a_folder_without_a_name_is_an_error(name, tmp_path, monkeypatch, refuses):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    message = f"cannot write {Path(name)}: expected a name, found the path of a folder that is in use"
    with refuses(cvae.InputError, message), cvae.files.new_folder(Path(name)):
        pytest.fail("the block must not begin")
    assert names(tmp_path) == ["sub"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_a_failed_block_changes_nothing(there, error, tmp_path):
    target = tmp_path / "bundle"
    if there:
        target.mkdir()
        (target / "old").write_text("old")

    def fill():
        with cvae.files.new_folder(target, replaces=Layout("any folder", lambda _: bool)) as temporary:
            (temporary / "a").write_text("1")
            raise error

    with pytest.raises(type(error)):
        fill()
    assert names(tmp_path) == (["bundle"] if there else [])
    assert not there or names(target) == ["old"]


def test_a_failed_rename_restores_the_old_folder(tmp_path, monkeypatch, refuses):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.rename

    def fail(self, other):
        if other == target and (self / "new").exists():
            raise OSError(5, "Input/output error")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", fail)
    monkeypatch.setattr(_folders, "swap_paths", lambda *_: False)
    message = f"cannot write {target}: Input/output error; check space and permissions"
    layout = Layout("any folder", lambda _: bool)
    with refuses(cvae.InputError, message), cvae.files.new_folder(target, replaces=layout) as temporary:
        (temporary / "new").write_text("new")
    assert (names(tmp_path), names(target)) == (["bundle"], ["old"])


def test_a_missing_parent_folder_is_an_error(tmp_path, refuses):
    target = tmp_path / "none" / "bundle"
    message = f"cannot write {target}: No such file or directory; check space and permissions"
    with refuses(cvae.InputError, message), cvae.files.new_folder(target):
        pytest.fail("the block must not begin")


def test_a_target_created_meanwhile_is_an_error(tmp_path, refuses):
    target = tmp_path / "bundle"
    message = f"{target} was made by another process meanwhile; choose another name"
    with refuses(cvae.TargetExistsError, message), cvae.files.new_folder(target) as temporary:
        (temporary / "a").write_text("1")
        target.mkdir()
        (target / "theirs").write_text("2")
    assert (names(tmp_path), names(target)) == (["bundle"], ["theirs"])


def test_an_empty_folder_is_replaced(tmp_path):
    (tmp_path / "bundle").mkdir()
    with cvae.files.new_folder(tmp_path / "bundle") as temporary:
        (temporary / "a").write_text("1")
    assert (names(tmp_path), names(tmp_path / "bundle")) == (["bundle"], ["a"])


def test_a_folder_removed_meanwhile_is_an_error(tmp_path, refuses):
    target = tmp_path / "bundle"
    message = f"cannot write {target}: No such file or directory; check space and permissions"
    with refuses(cvae.InputError, message), cvae.files.new_folder(target) as temporary:
        temporary.rmdir()
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="paths are swapped only on Linux")
def test_swap_paths(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "other").mkdir()
    assert swap_paths(tmp_path / "one", tmp_path / "other")
    assert ((tmp_path / "one").is_dir(), (tmp_path / "other").read_text()) == (True, "1")
    assert not swap_paths(tmp_path / "one", tmp_path / "none")


@pytest.mark.usefixtures("steps")
def test_a_folder_replaces_one_of_its_layout(old, tmp_path):
    replace(old)
    assert (names(tmp_path), tree(old)) == (["bundle"], NEW)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(
    "stranger", ["thesis.tex", "notes/", ".git/", ".a.tmp", ".notes.20240101.tmp", "sub/c", "sub/more/"]
)
def test_other_files_are_kept_and_named(stranger, old, tmp_path, refuses):
    (old / stranger).mkdir() if stranger.endswith("/") else (old / stranger).write_text("years of work")
    before = tree(old)
    message = others(old, stranger)
    with refuses(cvae.TargetExistsError, message):
        cvae.files.refuse_existing_folder(old, LISTED, overwrite=True)
    with refuses(cvae.TargetExistsError, message):
        replace(old)
    assert (names(tmp_path), tree(old)) == (["bundle"], before)


def test_links_and_folders_are_other_files(old, refuses):
    (old / "a").unlink()
    (old / "a").symlink_to(old / "list")
    (old / "sub" / "b").unlink()
    (old / "sub" / "b").mkdir()
    with refuses(cvae.TargetExistsError, others(old, "a, sub/b/")):
        replace(old)
    assert (old / "a").is_symlink()


def test_three_of_many_other_files_are_named(old, refuses):
    for number in range(1200):
        (old / f"{number:04}.txt").touch()
    with refuses(cvae.TargetExistsError, others(old, "0000.txt, 0001.txt, 0002.txt and 1,197 more")):
        replace(old)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("text", [None, "[1", "7"])
def test_a_folder_without_its_description_is_kept(text, old, tmp_path, refuses):
    (old / "list").unlink()
    if text is not None:
        (old / "list").write_text(text)
    message = f"{old}: expected a listed folder, found another folder, which is not overwritten; choose another name"
    before = tree(old)
    layout = Layout("a listed folder", lambda folder: owns_names(json.loads((folder / "list").read_text())))
    with refuses(cvae.TargetExistsError, message):
        replace(old, layout=layout)
    assert (names(tmp_path), tree(old)) == (["bundle"], before)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_a_link_is_not_replaced(kind, old, tmp_path, refuses):
    target = tmp_path / "there"
    if kind == "file":
        target.write_text("theirs")
        found = "a file; choose another name"
    else:
        target.symlink_to(old)
        found = f"a link to {old}; name the link's target, or choose another name"
    for attempt in (lambda: replace(target), lambda: cvae.files.refuse_existing_folder(target, LISTED, overwrite=True)):
        with refuses(cvae.TargetExistsError, f"{target}: expected a listed folder, found {found}"):
            attempt()
    assert (names(tmp_path), target.is_symlink()) == (["bundle", "there"], kind == "link")


@pytest.mark.usefixtures("steps")
def test_files_written_during_the_block_are_kept(old, tmp_path, refuses):
    with refuses(cvae.TargetExistsError, others(old, "thesis.tex")):
        replace(old, during=lambda: (old / "thesis.tex").write_text("years of work"))
    assert (names(tmp_path), (old / "thesis.tex").read_text(), (old / "a").read_text()) == (
        ["bundle"],
        "years of work",
        "old",
    )


@pytest.mark.usefixtures("steps")
def test_files_written_before_the_rename_are_kept(old, tmp_path, monkeypatch, refuses):
    swap, swaps = _folders._swap, []

    def late(*two):
        if not swaps:
            (old / "thesis.tex").write_text("years of work")
        swaps.append(two)
        swap(*two)

    monkeypatch.setattr(_folders, "_swap", late)
    with refuses(cvae.TargetExistsError, others(old, "thesis.tex")):
        replace(old)
    assert (names(tmp_path), len(swaps)) == (["bundle"], 2)
    assert ((old / "thesis.tex").read_text(), (old / "a").read_text()) == ("years of work", "old")


def test_files_written_after_the_last_check_are_kept(old, tmp_path, monkeypatch):
    remove = _folders.remove_owned

    def late(folder, owns):
        (folder / "thesis.tex").write_text("years of work")  # by a process that has the folder open
        remove(folder, owns)

    monkeypatch.setattr(_folders, "remove_owned", late)
    replace(old)
    (left,) = tmp_path.glob(".bundle.*.tmp")
    assert (tree(old), tree(left)) == (NEW, {"thesis.tex": "years of work"})


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("place", ["check_replaceable", "remove_owned"])
def test_an_interrupted_removal_loses_nothing(place, old, tmp_path, monkeypatch):
    before, whole = tree(old), getattr(_folders, place)

    def interrupted(folder, *rest):
        if folder != old:
            raise KeyboardInterrupt
        return whole(folder, *rest)

    monkeypatch.setattr(_folders, place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(old)
    found = [tree(folder) for folder in tmp_path.iterdir()]
    assert before in found
    assert tree(old) in (before, NEW)


def test_a_folder_replaced_during_the_check_is_checked_again(old, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "list").write_text("list more")
    (tmp_path / "other" / "more").write_text("old")
    reads = []

    def owns(folder):
        owned = _owns(folder)
        reads.append(folder)
        if len(reads) == 1:
            (tmp_path / "other").rename(tmp_path / "third")
            old.rename(tmp_path / "other")
            (tmp_path / "third").rename(old)
        return owned

    replace(old, layout=Layout("a listed folder", owns))
    assert (len(reads), tree(old)) == (3, NEW)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_folder_and_its_files_keep_their_modes(old):
    old.chmod(0o710)
    (old / "list").chmod(0o600)
    replace(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (old, old / "list")}
    assert modes == {"bundle": 0o710, "list": 0o600}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_and_its_files_keep_their_owners(old):
    os.chown(old, 1234, 4321)
    os.chown(old / "list", 1235, 4322)
    replace(old)
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in (old, old / "list")}
    assert owners == {"bundle": (1234, 4321), "list": (1235, 4322)}


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX alone")
@pytest.mark.parametrize("there", [False, True])
def test_folders_are_flushed_before_and_the_parent_after_the_rename(there, tmp_path, monkeypatch):
    target, events = tmp_path / "bundle", []
    if there:
        target.mkdir()
    monkeypatch.setattr(_folders, "sync_folder", lambda path: events.append((path, "new" in names(target))))
    monkeypatch.setattr(
        _folders, "sync_folders", lambda path: events.append((path, target.exists() and "new" in names(target)))
    )
    with cvae.files.new_folder(target, replaces=LISTED) as new:
        (new / "new").touch()
    assert events == [(new, False), (tmp_path, True)]


def test_the_deepest_folder_is_flushed_first(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    flushed = []
    monkeypatch.setattr(_durable, "sync_folder", flushed.append)
    _durable.sync_folders(tmp_path)
    assert flushed == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]


def test_only_own_temporary_files_are_removed(old):
    for name in (".hidden", "a.tmp", ".a.0123abcd.tmp", ".list.89abcdef.tmp", ".notes.20240101.tmp", ".a.0123ABCD.tmp"):
        (old / name).touch()
    cvae.files.remove_temporary(old, _owns(old))
    assert names(old) == [".a.0123ABCD.tmp", ".hidden", ".notes.20240101.tmp", "a", "a.tmp", "list", "sub"]
    assert names(old / "sub") == ["b"]
