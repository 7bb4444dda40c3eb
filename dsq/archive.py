"""A zip taken to be hostile: which of its members are safe to offer, under which name, and their bytes."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import IO, Any

from dsq.errors import ReadError

MAX_RATIO = 250  # deflate reaches 1032:1 on zeros; indented COCO JSON stays under 40:1
SMALL_MEMBER = 8 << 20  # bytes: below this a high ratio does no harm
SMALL_TOTAL = 16 << 20  # bytes of all members together: nor does it below this
MAX_NAME = 4096  # characters of a member's name: what systems take
MAX_DEPTH = 128  # folders that it names
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    RuntimeError,
    ValueError,
    EOFError,
    IndexError,
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def open_zip(path: str) -> zipfile.ZipFile:
    """The archive with its directory read; ReadError when that is missing or damaged."""
    try:
        return zipfile.ZipFile(path)
    except ZIP_ERRORS as error:
        raise broken_zip(path, str(error)) from error


def broken_zip(path: str, why: str = "") -> ReadError:
    """What to say of a file that is no zip although something took it for one, judged by its first bytes."""
    with open(path, "rb") as stream:
        start = stream.read(512)
    if not start:
        what = "the file is empty."
    elif start.startswith(b"PK\x03\x04"):
        what = f"the zip is truncated or damaged: {why.rstrip('.') or 'the directory at its end is missing'}."
    elif start.lstrip().startswith(b"<"):
        what = "not a zip but a web page, as a failed download leaves one."
    else:
        what = "not a zip, although its name says so."
    return ReadError(what, where=path, hint="Copy or download the archive again.")


def list_members(archive: zipfile.ZipFile, bulk: int) -> tuple[dict[str, zipfile.ZipInfo], list[tuple[str, str]]]:
    """The members to offer, by clean posix name, and (name, why) for the others; folders are left out.

    bulk: bytes of the archive. Of an archive that would become more than SMALL_TOTAL bytes and MAX_RATIO times its
    own, the members that shrink most are left out.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    refused: list[tuple[str, str]] = []
    overlaps = _overlapping(archive.infolist())
    for info in archive.infolist():
        raw = _member_name(info)
        mode = info.external_attr >> 16
        if raw.endswith("/") or stat.S_ISDIR(mode):
            continue
        name = raw
        if "//" in raw or "./" in raw:
            name = "/".join(part for part in raw.split("/") if part not in ("", "."))
        why = _refusal(info, raw, mode, bulk)
        if not why and id(info) in overlaps:
            why = "its data overlaps another member's, as in a zip bomb"
        if not why and name in members:
            why = "a second member of this name; the first one is read"
        if why:
            refused.append((raw if len(raw) <= MAX_NAME else f"{raw[:200]}…", why))
        else:
            members[name] = info
    refused += _take_out_bombs(members, bulk)
    return members, refused


def _take_out_bombs(members: dict[str, zipfile.ZipInfo], bulk: int) -> list[tuple[str, str]]:
    """Take out members, those that shrink most first, until the rest is no bomb together; (name, why) for each."""
    total, allowed = sum(info.file_size for info in members.values()), max(SMALL_TOTAL, MAX_RATIO * bulk)
    if total <= allowed:
        return []
    why = f"part of a zip bomb: {bulk:,} bytes would become {total:,}"
    refused = []
    for name in sorted(members, key=lambda name: members[name].file_size / max(1, members[name].compress_size))[::-1]:
        if total > allowed:
            total -= members.pop(name).file_size
            refused.append((name, why))
    return refused


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The member's bytes, never more than it declares, checksum verified. Raises one of ZIP_ERRORS."""
    if info.compress_type == zipfile.ZIP_STORED:
        data = _packed(archive, info, info.file_size)
    elif info.compress_type == zipfile.ZIP_DEFLATED:
        packed = _packed(archive, info, info.compress_size)
        data = zlib.decompressobj(-15).decompress(packed, info.file_size + 1)
    else:
        data = archive.read(info)
    if len(data) != info.file_size:
        raise zipfile.BadZipFile(f"it does not hold the {info.file_size:,} bytes that the zip declares")
    if zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")
    return data


def read_start(archive: zipfile.ZipFile, info: zipfile.ZipInfo, count: int) -> bytes:
    """The member's first `count` bytes, or all where it is shorter; no checksum. Raises one of ZIP_ERRORS."""
    count = min(count, info.file_size)
    if info.compress_type == zipfile.ZIP_STORED:
        return _packed(archive, info, count)
    if info.compress_type == zipfile.ZIP_DEFLATED and count:
        # Pictures barely shrink: about as many packed bytes mostly suffice.
        packed = _packed(archive, info, min(count + 1024, info.compress_size))
        data = zlib.decompressobj(-15).decompress(packed, count)
        if len(data) == count:
            return data
    with archive.open(info) as stream:
        return stream.read(count)


class MemberStream(io.RawIOBase):
    """A member that is unpacked as it is read, checksum verified at its end.

    fault: makes the exception to raise of one of ZIP_ERRORS.
    """

    def __init__(self, stream: IO[bytes], fault: Callable[[Exception], Exception]) -> None:
        self._stream, self._fault = stream, fault

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except ZIP_ERRORS as error:
            raise self._fault(error) from error
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except ZIP_ERRORS as error:
            raise self._fault(error) from error

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def _packed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, count: int) -> bytes:
    """Up to `count` bytes of the member as they lie in the archive: much cheaper than ZipFile.open."""
    if archive.fp is None:
        raise ValueError("the archive was closed")
    handle = archive.fp.fileno()
    data = os.pread(handle, 30 + len(info.orig_filename.encode()) + 64 + count, info.header_offset)
    if data[:4] != b"PK\x03\x04" or len(data) < 30:
        raise zipfile.BadZipFile("its local header is damaged")
    start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    if len(data) < start + count:
        data += os.pread(handle, start + count - len(data), info.header_offset + len(data))
    return data[start : start + count]


def _member_name(info: zipfile.ZipInfo) -> str:
    """The member's name with `/`: from its Unicode field, or the UTF-8 that its packer left unflagged."""
    name = info.filename
    if not name.isascii() and not info.flag_bits & 0x800:
        raw = info.orig_filename.encode("cp437", "replace")
        try:
            name = _unicode_field(info.extra, zlib.crc32(raw)) or raw.decode()
        except UnicodeDecodeError:
            name = info.filename
    return name.replace("\\", "/")


def _unicode_field(extra: bytes, checksum: int) -> str:
    """The name in the extra field 0x7075 where it belongs to the name with this CRC-32, else ""."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 0x7075 and len(body) > 5 and struct.unpack_from("<BI", body) == (1, checksum):
            return body[5:].decode("utf-8", "replace")
    return ""


def _refusal(info: zipfile.ZipInfo, name: str, mode: int, bulk: int) -> str:
    """Why this member of an archive of `bulk` bytes is not offered; "" when it is."""
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "an absolute path, outside the dataset"
    if ".." in name and ".." in name.split("/"):
        return "a path with .., outside the dataset"
    if not name.strip("/."):
        return "a member without a name"
    if len(name) > MAX_NAME or name.count("/") > MAX_DEPTH:
        return "a path longer than any system takes"
    if stat.S_ISLNK(mode):
        return "a symbolic link, which is not followed in a zip"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a device, pipe or socket, not a file"
    if info.flag_bits & 0x41:
        return "encrypted"
    if info.compress_type not in _METHODS:
        return f"packed by method {info.compress_type}, which cannot be unpacked here"
    if info.header_offset < 0 or info.header_offset + 30 + info.compress_size > bulk:
        return "its data is missing: the zip is truncated"
    if info.file_size > SMALL_MEMBER and info.file_size > MAX_RATIO * info.compress_size:
        return f"a zip bomb: {info.compress_size:,} bytes would become {info.file_size:,}"
    return ""


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """The ids of the members whose packed bytes run into the next one's."""
    members = sorted(infos, key=lambda info: info.header_offset)
    return {
        id(one)
        for one, after in pairwise(members)
        if one.header_offset + 30 + len(one.orig_filename) + one.compress_size > after.header_offset
    }
