"""Bytes -> fewer bytes, where that pays: text by zstd, pictures and PDFs not at all. Pure.

A packed object unpacks with `zstd -dc`, to the bytes that its name is the sha256 of.
"""

from __future__ import annotations

import codecs
import threading

import zstandard

SUFFIX = ".zst"
SMALLEST = 1024
"""Bytes below which a file takes a whole block of the disk anyway."""
LARGEST = 1 << 30
"""Bytes that an object may unpack to: more is no object of ours."""
_WORTH = 0.8
_LEVEL = 3

_tools = threading.local()


def packed(data: bytes) -> bytes | None:
    """The bytes packed, or None where packing them does not pay."""
    if len(data) < SMALLEST or not _is_text(data):
        return None
    small = _packer().compress(data)
    return small if len(small) <= _WORTH * len(data) else None


def unpacked(data: bytes) -> bytes:
    """What `packed` was given; ValueError when these are no packed bytes, or more than LARGEST."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= LARGEST:
            raise ValueError("not packed by this store")
        return _unpacker().decompress(data, max_output_size=LARGEST, allow_extra_data=False)
    except zstandard.ZstdError as problem:
        raise ValueError(str(problem)) from problem


def _is_text(data: bytes) -> bool:
    """Whether its beginning reads as text: JSON, HTML, XML, Markdown; not pictures, and not PDFs, which pack their insides."""
    head = data[:SMALLEST]
    if b"\0" in head or head.startswith(b"%PDF"):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a letter may be cut in two at the end
    except UnicodeDecodeError:
        return False
    return True


def _packer() -> zstandard.ZstdCompressor:
    """One for each thread: they cannot be shared, and cost more to make than a page costs to pack."""
    if not hasattr(_tools, "packer"):
        _tools.packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
    tool: zstandard.ZstdCompressor = _tools.packer
    return tool


def _unpacker() -> zstandard.ZstdDecompressor:
    if not hasattr(_tools, "unpacker"):
        _tools.unpacker = zstandard.ZstdDecompressor()
    tool: zstandard.ZstdDecompressor = _tools.unpacker
    return tool
