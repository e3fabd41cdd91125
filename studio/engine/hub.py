"""A model's files on its hub: which are wanted, what they take, and how they come here; a process of its own.

`python -m studio.engine.hub owner/name` tells their size and `... --fetch` brings them; both speak to the studio in
lines of JSON. The studio's own process stays offline, and this one may be ended at any moment: what has come of a file
stays and is gone on from. Files lie in the hub's own cache, as `hf download` lays them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from studio.domain import StudioError, sentence_of
from studio.engine.checkpoint import WEIGHTS, parts_of

INDEX = "model_index.json"
TOLD_EVERY_S = 0.5
GB = 10**9
# What goes with weights, and what may hold any code.
_BESIDE = (".json", ".txt", ".model", ".jinja")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class File:
    """`etag` is its name among the cache's blobs: of a large file its SHA-256."""

    name: str
    size_bytes: int
    etag: str
    is_large: bool


@dataclass(frozen=True)
class Listing:
    """What is wanted of a model, at one commit of its repository."""

    source: str
    commit: str
    files: tuple[File, ...]

    @property
    def blobs(self) -> Path:
        return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=self.source, repo_type="model") / "blobs"

    @property
    def total_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def have_bytes(self) -> int:
        """How much of them is on this machine, whole files and parts."""
        return sum(min(file.size_bytes, _size(self.blobs / file.etag, self.part(file))) for file in self.files)

    def part(self, file: File) -> Path:
        return self.blobs / f"{file.etag}.part"


def listing(source: str) -> Listing:
    """Ask the hub what the model consists of. StudioError where its weights are pickles, which may hold any code."""
    info = HfApi().model_info(source, files_metadata=True)
    commit = str(info.sha)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(hf_hub_download(source, INDEX, revision=commit, cache_dir=folder))
        parts = parts_of(json.loads(index.read_text(encoding="utf-8")))
    found = info.siblings or []
    names = wanted(parts, [sibling.rfilename for sibling in found])
    return Listing(
        source,
        commit,
        tuple(
            File(
                sibling.rfilename,
                sibling.size or 0,
                sibling.lfs.sha256 if sibling.lfs else str(sibling.blob_id),
                bool(sibling.lfs),
            )
            for sibling in found
            if sibling.rfilename in names
        ),
    )


def wanted(parts: Iterable[str], names: list[str]) -> set[str]:
    """Of a repository's files those that its pipeline is loaded from; StudioError for a part that is only a pickle."""
    kept = {INDEX}
    for part in parts:
        inside = [name for name in names if name.startswith(f"{part}/")]
        weights = {name for name in inside if WEIGHTS.fullmatch(Path(name).name)}
        if not weights and any(name.endswith(_PICKLES) for name in inside):
            raise StudioError(f"The weights of its {part} are pickles, which may hold any code; only safetensors come.")
        kept |= weights | {name for name in inside if name.endswith(_BESIDE)}
    return kept


def check_room(listing: Listing, spare_bytes: int) -> int:
    """The free bytes where the files will lie; StudioError where they and `spare_bytes` don't fit."""
    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free, missing = shutil.disk_usage(folder).free, listing.total_bytes - listing.have_bytes()
    if missing + spare_bytes > free:
        raise StudioError(
            f"Its files need {missing / GB:.1f} GB more and {spare_bytes / GB:.1f} GB shall stay free; the disk of the "
            f"hub's cache has {free / GB:.1f} GB."
        )
    return free


def fetch(listing: Listing) -> None:
    """Bring all files here. Last comes the branch's name: until it is there, so is no model."""
    listing.blobs.mkdir(parents=True, exist_ok=True)
    for file in listing.files:
        if file.is_large and not (listing.blobs / file.etag).exists():
            _fetch_large(listing, file)
        hf_hub_download(listing.source, file.name, revision=listing.commit)
    # As the cache notes it for a branch's name, by which a model is loaded. An index that came by that name might be of
    # a commit that is newer than the weights.
    branch = listing.blobs.parent / "refs" / "main"
    branch.parent.mkdir(exist_ok=True)
    branch.write_text(listing.commit, encoding="utf-8")


def _fetch_large(listing: Listing, file: File) -> None:
    """One file into the cache's blobs, from where an earlier try ended; the library's own download would begin anew."""
    part, url = listing.part(file), hf_hub_url(listing.source, file.name, revision=listing.commit)
    with WeakFileLock(part.with_suffix(".lock")), part.open("ab") as target:
        begun = target.tell()
        http_get(url, target, resume_size=begun, headers=build_hf_headers(), expected_size=file.size_bytes)
    with part.open("rb") as whole:
        if hashlib.file_digest(whole, "sha256").hexdigest() != file.etag:
            part.unlink()
            raise StudioError(f"{file.name} came here damaged and was thrown away; please try once more.")
    part.replace(listing.blobs / file.etag)


def sentence(error: Exception, source: str) -> str:
    """What a visitor is told of a failure."""
    hub = constants.ENDPOINT.split("://")[-1]
    if isinstance(error, GatedRepoError):
        return (
            f"Its makers ask for your consent first: accept the licence at {constants.ENDPOINT}/{source} and give the "
            "studio that account's token as HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return f"There is no public model {source} at {hub}."
    if isinstance(error, HfHubHTTPError):
        return f"{hub} answered {error.response.status_code} instead of the files; please try again later."
    if isinstance(error, StudioError) or getattr(error, "errno", None) is not None:
        return sentence_of(error, "while fetching")
    return f"{hub} can't be reached from here ({type(error).__name__}); what has come stays, and is gone on from."


def _size(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths if path.exists())


def _tell(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studio.engine.hub", description=__doc__)
    parser.add_argument("source", help="a model's id on the hub")
    parser.add_argument("--fetch", action="store_true", help="bring the files here, instead of only asking")
    parser.add_argument("--spare", type=int, default=0, help="bytes that shall stay free on the disk")
    asked = parser.parse_args()
    is_over = threading.Event()
    try:
        found = listing(asked.source)
        free = check_room(found, asked.spare)
        _tell(total=found.total_bytes, have=found.have_bytes(), free=free)
        if asked.fetch:
            teller = threading.Thread(target=_tell_on, args=(found, is_over), daemon=True)
            teller.start()
            fetch(found)
            _tell(have=found.total_bytes)
    except Exception as error:  # noqa: BLE001 the studio is owed a sentence, whatever happened
        _tell(error=sentence(error, asked.source), reason=f"{type(error).__name__}: {error}"[:500])
        return 1
    finally:
        is_over.set()
    return 0


def _tell_on(found: Listing, is_over: threading.Event) -> None:
    while not is_over.wait(TOLD_EVERY_S):
        _tell(have=found.have_bytes())


if __name__ == "__main__":
    # Whoever started this is gone when the other end of its input closes.
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
    sys.exit(main())
