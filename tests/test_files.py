"""One bounded reader, one writer that renames."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vperf.errors import InputError
from vperf.files import (
    is_inside,
    open_atomically,
    open_regular,
    parse_json,
    parse_toml,
    read_bytes,
    read_text,
    read_toml,
    write_bytes_atomically,
    write_text_atomically,
)

posix = pytest.mark.skipif(os.name != "posix", reason="devices and FIFOs of POSIX")


def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 100)
    assert read_bytes(path, limit=100) == b"x" * 100
    with pytest.raises(InputError, match="larger than 99 bytes") as caught:
        read_bytes(path, limit=99)
    assert caught.value.source == str(path)


def test_a_sparse_terabyte_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        read_text(path)


@posix
def test_a_device_without_end_is_refused_and_the_null_device_is_empty() -> None:
    with pytest.raises(InputError, match="neither a regular file nor a pipe"):
        read_bytes("/dev/zero")
    assert read_bytes("/dev/null") == b""


@posix
def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("a = 1\n",))
    writer.start()
    assert read_toml(fifo) == {"a": 1}
    writer.join()
    reading, writing = os.pipe()
    os.write(writing, b"b = 2\n")
    os.close(writing)
    assert read_toml(f"/dev/fd/{reading}") == {"b": 2}
    os.close(reading)


@posix
def test_directories_and_sockets_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        read_bytes(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        with pytest.raises(InputError, match="cannot be read"):
            read_bytes(tmp_path / "s")


def test_a_text_that_is_not_utf_8_says_at_which_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(InputError, match=r"UTF-8 text file \(byte 5\)"):
        read_toml(path)
    path.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_toml(path) == {"a": 1}


def test_a_block_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("before")

    def interrupted() -> None:
        with open_atomically(path) as file:
            file.write("half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_killed_writer_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("before")
    code = (
        "import os, sys\nfrom vperf.files import open_atomically\n"
        "with open_atomically(sys.argv[1]) as file:\n"
        "    file.write('half of'); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode != 0
    assert path.read_text() == "before"


@posix
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "real.csv", tmp_path / "link.csv"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path.name)
    write_text_atomically(link, "after")
    assert link.is_symlink()
    assert path.read_text() == "after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    mask = os.umask(0o027)
    write_bytes_atomically(tmp_path / "new", b"\x00")
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write all files")
def test_a_write_protected_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("before")
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        write_text_atomically(path, "after")
    assert path.read_text() == "before"


@posix
def test_devices_and_pipes_are_written_as_they_are(tmp_path: Path) -> None:
    write_text_atomically("/dev/null", "nothing")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    write_text_atomically(fifo, "through")
    reader.join()
    assert found == ["through"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@posix
def test_standard_output_in_a_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    code = "from vperf.files import write_text_atomically as w\nw('/dev/stdout', 'said')\n"
    path = tmp_path / "redirected"
    with path.open("w") as file:
        inode = os.fstat(file.fileno()).st_ino
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert path.read_text() == "said"
    assert path.stat().st_ino == inode


@posix
def test_a_fifo_in_place_of_weights_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.gguf")
    with pytest.raises(InputError, match="not a regular file"), open_regular(tmp_path / "a.gguf"):
        pass


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("model.gguf", True), ("Q4/model..gguf", True), ("/etc/passwd", False), ("../a", False),
        ("a/../../b", False), ("a\\..\\b", False), ("C:/a", False), ("", False), ("a//b", False),
        ("a\n", False),
    ],
)  # fmt: skip
def test_a_name_from_elsewhere_stays_inside(name: str, inside: bool) -> None:
    assert is_inside(name) == inside


def test_a_number_of_5000_digits_is_called_that_and_not_what_python_calls_it() -> None:
    digits = "9" * 5000
    for parse, text, kind in (
        (parse_toml, f"x = {digits}", "TOML"), (parse_json, f"[{digits}]", "JSON"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            parse(text, "x")
        assert caught.value.message == f"x: not valid {kind}: it holds a number of absurd length"
    with pytest.raises(InputError, match="it is nested too deeply"):
        parse_json("[" * 100_000, "x")


def test_a_new_file_takes_no_others_place(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    with open_atomically(path, new=True) as file:
        file.write("first")

    def second() -> None:
        with open_atomically(path, new=True) as file:
            file.write("second")

    with pytest.raises(FileExistsError):
        second()
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["new.toml"]


def test_a_new_file_is_made_where_a_disk_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    test_a_new_file_takes_no_others_place(tmp_path)


def test_of_many_that_make_one_new_file_one_is_first(tmp_path: Path) -> None:
    code = """
import sys
from vperf.files import open_atomically
sys.stdin.read(1)  # all at once
try:
    with open_atomically(sys.argv[1], new=True) as file:
        file.write(sys.argv[2] * 100_000)
except FileExistsError:
    sys.exit(3)
"""
    path = tmp_path / "new.toml"
    running = [
        subprocess.Popen((sys.executable, "-c", code, str(path), word), stdin=subprocess.PIPE)
        for word in "abcd"
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
    ended = [process.wait(60) for process in running]
    assert sorted(ended) == [0, 3, 3, 3]
    assert path.read_text() == "abcd"[ended.index(0)] * 100_000


def test_a_reader_beside_two_writers_of_one_file_finds_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "shared.json"
    code = """
import sys
from vperf.files import write_text_atomically
for _ in range(150):
    write_text_atomically(sys.argv[1], sys.argv[2] * 20_000)
"""
    path.write_text("a" * 20_000)
    writers = [subprocess.Popen((sys.executable, "-c", code, str(path), word)) for word in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(path.read_text())
    assert seen <= {"a" * 20_000, "b" * 20_000}
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [each.name for each in tmp_path.iterdir()] == ["shared.json"]
