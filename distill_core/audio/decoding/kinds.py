"""The kind of a file by its first bytes, and the suffixes of files that are never opened as sounds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal

from distill_core.audio.decoding.mpeg import id3_bytes, looks_like_mpeg
from distill_core.audio.decoding.wave import foreign_codec

_HEAD_BYTES = 65_536
_TEXT_BYTES = 512

_ARCHIVES = "zip rar 7z gz tgz bz2 xz zst tar cab jar dmg iso img pkg deb rpm"
_DOCUMENTS = (
    "jpg jpeg png gif webp heic heif avif tif tiff bmp svg psd ico pdf txt md rtf doc docx odt xls xlsx ods ppt pptx"
    " csv tsv json yaml yml toml xml html htm css js py ipynb c h cpp rs sh bat ps1 log nfo url lnk webloc srt vtt ass"
)
# Notes, presets, projects and side files of other programs.
_OF_STUDIOS = (
    "mid midi kar sf2 sfz sfark dls fxp fxb vstpreset nki nkm nksn nkc nkr adg adv ens aupreset als alp alc asd flp"
    " fst cpr npr ptx ptf rpp bak-rpp reapeaks reapindex band logicx song mmp mmpz xrns xpl cue m3u m3u8 pls xspf pkf"
    " ovw wfm gpk sfk peak"
)
_OF_PROGRAMS = (
    "distill sda pt pth ckpt safetensors onnx npy npz h5 pkl bak tmp part crdownload db sqlite ini cfg plist exe dll"
    " so dylib app msi bin dat sys icloud ttf otf"
)
_SOUNDS = (
    "wav wave bwf bw64 aif aiff aifc flac ogg oga opus mp3 mp2 mp1 mpa au snd caf w64 rf64 voc sf ircam nist sph svx"
    " 8svx iff avr paf fap pvf xi sd2 sds htk wve m4a m4b m4r m4p aac wma ape wv mka tta mpc dsf dff ac3 ec3 dts amr"
    " ra rm 3gp 3g2 mp4 m4v mov qt mkv webm avi asf wmv flv mpg mpeg ts mts m2ts ogv ogx spx oma tak shn"
)


def _suffixes(*words: str) -> frozenset[str]:
    return frozenset(f".{word}" for word in " ".join(words).split())


ARCHIVE_SUFFIXES = _suffixes(_ARCHIVES)
# The one list of files that are passed over unopened, in a scan and in a drop.
NEVER_SOUNDS = _suffixes(_ARCHIVES, _DOCUMENTS, _OF_STUDIOS, _OF_PROGRAMS)
# Such a name means a sound: a file that is none is named with its reason, and not only counted.
SOUND_SUFFIXES = _suffixes(_SOUNDS)
# Marks of files that only a cloud holds: macOS's "dataless", Windows's "recall on data access".
_DATALESS_FLAG, _RECALL_ATTRIBUTE = 0x4000_0000, 0x0040_0000

Group = Literal["sound", "needs_ffmpeg", "protected", "archive", "other", ""]


class UnreadableSoundError(Exception):
    """A file that gives no sound; the message is the reason, for people."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """The kind of a file: its `name` for people, the group that decides its reader, its container's name in ffmpeg."""

    name: str
    group: Group
    demuxer: str = ""


UNKNOWN = FileKind("", "")
_ZEROS = FileKind("nothing but zeros", "other")
_TEXT = FileKind("text", "other")
_WAV, _AIFF, _OGG = FileKind("WAV", "sound", "wav"), FileKind("AIFF", "sound", "aiff"), FileKind("OGG", "sound", "ogg")
_CAF, _MATROSKA = FileKind("CAF", "sound", "caf"), FileKind("Matroska", "needs_ffmpeg", "matroska")
MPEG = FileKind("MP3", "sound", "mp3")
SAMPLE_DUMP = FileKind("SDS", "sound")
# By the first bytes; the first match counts. A dot stands for any byte.
_BY_HEAD: tuple[tuple[bytes, FileKind], ...] = (
    (rb"(RIFF|RF64|BW64|RIFX)....WAVE", _WAV),
    (rb"FORM....(AIFF|AIFC)", _AIFF),
    (rb"FORM....8SVX", FileKind("8SVX", "sound", "iff")),
    (rb"caff\0\x01", _CAF),
    (rb"OggS", _OGG),
    (rb"\x1aE\xdf\xa3", _MATROSKA),
    (rb"(\.snd|dns\.)", FileKind("AU", "sound", "au")),
    (rb"fLaC", FileKind("FLAC", "sound", "flac")),
    (rb"riff\x2e\x91\xcf\x11", FileKind("W64", "sound", "w64")),
    (rb"\xf0\x7e.\x01", SAMPLE_DUMP),
    (rb"Creative Voice File", FileKind("VOC", "sound", "voc")),
    (rb"NIST_1A|\x64\xa3..|..\xa3\x64|2BIT| paf|fap |Extended Instrument:|ALawSoundFile", FileKind("", "sound")),
    (rb"0\x26\xb2\x75\x8e\x66\xcf\x11", FileKind("WMA", "needs_ffmpeg", "asf")),
    (rb"MAC ", FileKind("Monkey's Audio", "needs_ffmpeg", "ape")),
    (rb"wvpk", FileKind("WavPack", "needs_ffmpeg", "wv")),
    (rb"TTA[12]", FileKind("TTA", "needs_ffmpeg", "tta")),
    (rb"MPCK", FileKind("Musepack", "needs_ffmpeg", "mpc8")),
    (rb"MP\+", FileKind("Musepack", "needs_ffmpeg", "mpc")),
    (rb"DSD ", FileKind("DSD", "needs_ffmpeg", "dsf")),
    (rb"FRM8", FileKind("DSD", "needs_ffmpeg", "iff")),
    (rb"tBaK", FileKind("TAK", "needs_ffmpeg", "tak")),
    (rb"ajkg", FileKind("Shorten", "needs_ffmpeg", "shn")),
    (rb"#!AMR", FileKind("AMR", "needs_ffmpeg", "amr")),
    (rb"\.RMF|\.ra\xfd", FileKind("RealAudio", "needs_ffmpeg", "rm")),
    (rb"\x0b\x77", FileKind("AC-3", "needs_ffmpeg", "ac3")),
    (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80", FileKind("DTS", "needs_ffmpeg", "dts")),
    (rb"RIFF....AVI ", FileKind("AVI video", "needs_ffmpeg", "avi")),
    (rb"FLV\x01", FileKind("Flash video", "needs_ffmpeg", "flv")),
    (rb"\0\0\x01\xba", FileKind("MPEG video", "needs_ffmpeg", "mpeg")),
    (rb"G.{187}G.{187}G|.{4}G.{191}G", FileKind("MPEG video", "needs_ffmpeg", "mpegts")),
    (rb"ADIF|\xff[\xf0\xf1\xf8\xf9]", FileKind("AAC", "needs_ffmpeg", "aac")),
    (rb"PK\x03\x04.{26}[^/]{1,200}/data\.pkl", FileKind("a model", "other")),
    (
        rb"PK\x03\x04|PK\x05\x06|Rar!|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd",
        FileKind("an archive", "archive"),
    ),
    (rb".{257}ustar", FileKind("an archive", "archive")),
    (rb"MThd", FileKind("MIDI notes", "other")),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM....\0\0\0\0|II\*\0|MM\0\*", FileKind("a picture", "other")),
    (rb"%PDF", FileKind("a PDF", "other")),
    (rb"bplist|<\?xml|<!DOCTYPE|<html|\{\\rtf", _TEXT),
    (rb"MZ|\x7fELF|\xcf\xfa\xed\xfe", FileKind("a program", "other")),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _BY_HEAD)
_CODECS = {
    b"mp4a": "AAC",
    b"alac": "ALAC",
    b"Opus": "Opus",
    b"fLaC": "FLAC",
    b"ac-3": "AC-3",
    b"ec-3": "E-AC-3",
    b"samr": "AMR",
    b"sawb": "AMR",
    b".mp3": "MP3",
    b"aac ": "AAC",
    b"opus": "Opus",
}
_PICTURES = (b"avc1", b"hvc1", b"hev1", b"mp4v", b"av01", b"apcn", b"apch", b"jpeg")
_MATROSKA_CODECS = {b"A_AAC": "AAC", b"A_OPUS": "Opus", b"A_VORBIS": "Vorbis", b"A_FLAC": "FLAC", b"A_MPEG/L3": "MP3"}
_OGG_CODECS = {b"\x7fFLAC": "FLAC", b"\x01vorbis": "", b"OpusHead": "", b"Speex   ": "Speex", b"\x80theora": "video"}


def _codec_in(content: bytes, codecs: dict[bytes, str]) -> str:
    """Return the name of the codec that is mentioned first, "" for none."""
    found = sorted((content.find(mark), name) for mark, name in codecs.items() if mark in content)
    return found[0][1] if found else ""


def _in_iso_media(head: bytes, tail: bytes) -> FileKind:
    """Return the kind of an MP4, M4A, MOV or 3GP, by the entries of its sample descriptions (ISO 14496-12)."""
    entries = re.findall(rb"stsd.{12}(.{4})", head + tail, re.DOTALL)
    if b"drms" in entries:
        return FileKind("copy-protected (DRM)", "protected")
    codec = next((_CODECS[entry] for entry in entries if entry in _CODECS), "")
    is_video = any(entry in _PICTURES for entry in entries)
    container = "MOV" if head[8:12] == b"qt  " or head[4:8] != b"ftyp" else "MP4"
    what = f"{container} video" if is_video else container
    return FileKind(f"{codec} in {what}" if codec and is_video else codec or what, "needs_ffmpeg", "mov")


def _in_matroska(head: bytes) -> FileKind:
    codec = _codec_in(head, _MATROSKA_CODECS)
    container = "WebM" if b"webm" in head[:64] else "Matroska"
    what = f"{container} video" if b"V_" in head else container
    return FileKind(f"{codec} in {what}" if codec else what, "needs_ffmpeg", "matroska")


def _in_caf(head: bytes) -> FileKind:
    codec = head[28:32]
    if codec in (b"lpcm", b"ulaw", b"alaw") or not codec.strip(b"\0 "):
        return _CAF
    name = _CODECS.get(codec) or codec.decode("latin-1").strip()
    return FileKind(f"{name} in CAF", "needs_ffmpeg", "caf")


def _in_wave(head: bytes) -> FileKind:
    codec = foreign_codec(head)
    return FileKind(f"{codec} in WAV", "needs_ffmpeg", "wav") if codec else _WAV


def _in_ogg(head: bytes) -> FileKind:
    codec = _codec_in(head[:256], _OGG_CODECS)
    return FileKind(f"{codec} in OGG", "needs_ffmpeg", "ogg") if codec else _OGG


# Containers whose codec decides, by the kind that their first bytes show.
_CLOSER: dict[FileKind, Callable[[bytes], FileKind]] = {
    _WAV: _in_wave,
    _CAF: _in_caf,
    _OGG: _in_ogg,
    _MATROSKA: _in_matroska,
}


def kind_of(file: BinaryIO, size: int) -> FileKind:
    """Return the kind of a file by its bytes, `UNKNOWN` if they fit none."""
    file.seek(id3_bytes(file))
    head = file.read(_HEAD_BYTES)
    if head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat", b"free", b"skip", b"pnot"):
        file.seek(max(0, size - 2**20))
        return _in_iso_media(head, file.read(2**20))
    found = next((kind for pattern, kind in _PATTERNS if pattern.match(head)), None)
    if found is not None:
        return _CLOSER[found](head) if found in _CLOSER else found
    if looks_like_mpeg(file, size):
        return MPEG
    return _OGG if b"OggS\0" in head else _by_content(head[:_TEXT_BYTES])


def _by_content(begin: bytes) -> FileKind:
    if not any(begin):
        return _ZEROS
    is_text = all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in begin) and _is_utf_8(begin)
    return _TEXT if is_text else UNKNOWN


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end == len(content)  # cut within a character
    return True


def is_in_the_cloud(name: str, status: os.stat_result) -> bool:
    """Tell whether a file's content is in a cloud alone: a read would wait for the download."""
    dataless = getattr(status, "st_flags", 0) & _DATALESS_FLAG
    recalled = getattr(status, "st_file_attributes", 0) & _RECALL_ATTRIBUTE
    return bool(dataless or recalled) or (name.startswith(".") and name.endswith(".icloud"))
