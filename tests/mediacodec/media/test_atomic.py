"""A named file appears whole or not at all: commit, abort, races, kills, full disks; pipes and devices grow live."""

from __future__ import annotations

import errno
import io
import os
import signal
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from mediacodec.errors import OutputError, OutputExistsError, UsageError
from mediacodec.media import AtomicFile, LiveFile, open_output

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_appears_at_the_end_under_its_name(tmp_path: Path) -> None:
    with AtomicFile(tmp_path / "a.bin") as file:
        file.write(b"hello")
        assert names(tmp_path) == [f".a.bin.tmp-{os.getpid()}"]
    assert names(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"hello"


def test_is_a_plain_file_object(tmp_path: Path) -> None:
    with AtomicFile(tmp_path / "a.bin") as file:
        assert isinstance(file, io.BufferedIOBase)
        assert (file.writable(), file.readable(), file.seekable()) == (True, True, True)
        file.write(memoryview(b"0123456789"))
        file.seek(2)
        file.write(bytearray(b"xx"))
        assert file.tell() == 4
        file.seek(0)
        assert file.read() == b"01xx456789"
    assert (tmp_path / "a.bin").read_bytes() == b"01xx456789"
    assert file.closed


def test_who_guards_the_name_has_the_last_word(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def check() -> None:
        asked.append(names(tmp_path))
        if len(asked) > 1:
            raise OutputError("no")

    (tmp_path / "a.bin").write_bytes(b"old")
    for content in (b"new", b"newer"):
        file = AtomicFile(tmp_path / "a.bin", overwrite=True)
        file.guard(check)
        file.write(content)
        if content == b"new":
            file.commit()
            continue
        with pytest.raises(OutputError, match=r"^no; what was written is in '.*a\.bin\.partial'$"):
            file.commit()
    assert asked == [[f".a.bin.tmp-{os.getpid()}", "a.bin"]] * 2
    assert names(tmp_path) == ["a.bin", "a.bin.partial"]
    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == [b"new", b"newer"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_exception_leaves_what_was_there(overwrite: bool, tmp_path: Path) -> None:
    if overwrite:
        (tmp_path / "a.bin").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write_and_be_interrupted(tmp_path / "a.bin", overwrite)
    assert names(tmp_path) == (["a.bin"] if overwrite else [])
    if overwrite:
        assert (tmp_path / "a.bin").read_text() == "old"


def _write_and_be_interrupted(path: Path, overwrite: bool) -> None:
    with AtomicFile(path, overwrite=overwrite) as file:
        file.write(b"new" * 1_000_000)
        raise KeyboardInterrupt


def test_closing_or_losing_it_without_a_commit_is_an_abort(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a.bin")
    file.write(b"x")
    file.close()
    file.commit()  # too late, and harmless
    file.abort()
    lost = AtomicFile(tmp_path / "b.bin")
    lost.write(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Python's own word on files that nobody closes
        del lost
    assert names(tmp_path) == []


def test_existing_files_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("old")
    with pytest.raises(OutputExistsError, match=r"a\.bin' already exists; pass -y"):
        AtomicFile(tmp_path / "a.bin")
    with AtomicFile(tmp_path / "a.bin", overwrite=True) as file:
        file.write(b"new")
    assert (tmp_path / "a.bin").read_text() == "new"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_never_overwritten(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    file = AtomicFile(tmp_path / "a.bin")
    file.write(b"mine")
    (tmp_path / "a.bin").write_text("theirs")
    with pytest.raises(OutputExistsError):
        file.commit()
    assert names(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_text() == "theirs"


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "this file system knows no hard links")


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    with AtomicFile(tmp_path / "a.bin") as file:
        file.write(b"x")
    assert names(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"x"


def test_two_writers_of_one_name_and_leftovers_of_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / f".a.bin.tmp-{os.getpid()}").write_text("left by a process that had this PID before")
    first, second = AtomicFile(tmp_path / "a.bin"), AtomicFile(tmp_path / "a.bin")
    first.write(b"first")
    second.write(b"second")
    first.commit()
    with pytest.raises(OutputExistsError):
        second.commit()
    assert (tmp_path / "a.bin").read_bytes() == b"first"
    assert names(tmp_path) == [f".a.bin.tmp-{os.getpid()}", "a.bin"]


def test_many_threads_and_one_winner(tmp_path: Path) -> None:
    won = []

    def race(number: int) -> None:
        try:
            with AtomicFile(tmp_path / "a.bin") as file:
                file.write(b"%d" % number)
            won.append(number)
        except OutputExistsError:
            pass

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "a.bin").read_bytes() == b"%d" % won[0]
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/a.bin", "its directory does not exist"),
        ("plain/a.bin", "its directory is no directory"),
        ("folder", "it is a directory"),
        ("x" * 300, "the name is too long"),
    ],
)
def test_impossible_places(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"^cannot write '.*{name}': {reason}$"):
        AtomicFile(tmp_path / name)
    assert names(tmp_path) == ["folder", "plain"]


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission to write there"):
        AtomicFile(tmp_path / "a.bin")
    tmp_path.chmod(0o700)


def test_the_longest_possible_names(tmp_path: Path) -> None:
    for name in ("x" * 255, "ö" * 127, "日" * 85):
        with AtomicFile(tmp_path / name) as file:
            file.write(b"x")
        assert (tmp_path / name).read_bytes() == b"x"


@POSIX
def test_what_replaces_a_file_takes_no_dangerous_bits_of_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "talk.mcx"
    path.write_text("old")
    path.chmod(0o7777)
    with AtomicFile(path, overwrite=True) as file:
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o775


@POSIX
def test_a_link_that_is_not_to_be_followed_is_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "link").symlink_to(victim)
    with AtomicFile(tmp_path / "link", overwrite=True, follow_links=False) as file:
        file.write(b"new")
    assert victim.read_text() == "precious"
    assert (tmp_path / "link").read_text() == "new"
    assert not (tmp_path / "link").is_symlink()


@POSIX
def test_links_are_followed_and_modes_kept(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.bin").write_text("old")
    (tmp_path / "there" / "real.bin").chmod(0o640)
    (tmp_path / "link.bin").symlink_to("there/real.bin")
    with AtomicFile(tmp_path / "link.bin", overwrite=True) as file:
        file.write(b"new")
        assert file.temporary.parent.name == "there"
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "there" / "real.bin").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "there" / "real.bin").stat().st_mode) == 0o640
    old = os.umask(0o027)
    try:
        with AtomicFile(tmp_path / "fresh.bin"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "fresh.bin").stat().st_mode) == 0o640


LIMITED = """
import resource, signal, sys
from mediacodec.errors import OutputError, exit_code
from mediacodec.media import AtomicFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for size in (900_000, 2000):  # fails in write, and only when the buffer is flushed at the end
    try:
        with AtomicFile(sys.argv[1], overwrite=True) as file:
            for _ in range(size // 1000):
                file.write(bytes(1000))
    except OutputError as error:
        print(exit_code(error), error)
"""


@POSIX
def test_no_room_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("old")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIMITED, str(tmp_path / "a.bin")], capture_output=True, check=True
    )
    assert done.stderr == b""
    line = f"1 cannot write '{tmp_path / 'a.bin'}': the file would be larger than this system allows"
    assert done.stdout.decode().splitlines() == [line, line]
    assert names(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_text() == "old"


KILLED = """
import sys, time
from mediacodec.media import AtomicFile
with AtomicFile(sys.argv[1]) as file:
    file.write(bytes(3_000_000))
    file.flush()
    print("written", flush=True)
    time.sleep(60)
"""


@POSIX
def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "a.bin")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "a.bin").exists()
    assert names(tmp_path) == [f".a.bin.tmp-{process.pid}"]


# What is no regular file


@POSIX
def test_devices_are_written_and_not_replaced(tmp_path: Path) -> None:
    with open_output("/dev/null") as file:
        assert isinstance(file, LiveFile)
        file.write(b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with open_output(tmp_path / "a.bin") as plain:
        assert isinstance(plain, AtomicFile)


@POSIX
def test_named_pipes_grow_live(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_output(tmp_path / "pipe") as file:
            assert not file.seekable()
            file.write(b"now")
            assert os.read(reader, 100) == b"now"
            os.close(reader)
            reader = -1
            with pytest.raises(BrokenPipeError):
                file.write(b"nobody listens")
            file.abort()
    finally:
        if reader >= 0:
            os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device() -> None:
    with pytest.raises(OutputError, match=r"^cannot write '/dev/full': no space left on the disk$"):
        _write_a_little("/dev/full")


def _write_a_little(target: str) -> None:
    with open_output(target) as file:
        file.write(b"x")


def test_standard_output_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(OutputError, match="standard output is no file"):
        open_output("-")


def test_no_binary_data_into_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(UsageError, match="terminal"):
        open_output("-")
