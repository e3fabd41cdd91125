"""`python -m studio.deploy owner/name`: makes or updates a Hugging Face Space as the file `Spacefile` says.

Uploads only what a Space needs, in one commit, waits until that runs, and prints its address. Knows no running studio.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    SpaceHardware,
    SpaceRuntime,
    Volume,
    get_token,
)
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from studio.domain import StudioError

ROOT = Path(__file__).resolve().parent.parent
FILES = ("app.py", "requirements.txt", "README.md", "ARCHITECTURE.md", "LICENSE", "Spacefile")
FOLDERS = ("studio", "assets")
KEPT = ".gitattributes"  # the hub's own
HARDWARE = tuple(kind.value for kind in SpaceHardware)
POLL_S = 1.0
# A first build installs torch; the hub itself gives up after half an hour unless told otherwise.
WAIT_S = 3600.0
GOES_ON = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING", "NO_APP_FILE")
# What a Space does not leave by itself when it gets new files. The hub's package has no name for SLEEPING.
RESTS = ("PAUSED", "SLEEPING", "STOPPED")
_REPO = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class Space:
    """What the Spacefile says. `torch` gives the requirement for a kind of hardware that can't run the usual one.

    `models` are those that are on the Space from its build on, by their ids on the hub.
    """

    sdk: str
    hardware: str
    variables: dict[str, str] = field(default_factory=dict)
    volumes: tuple[dict[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    torch: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()


def read_spacefile(path: Path) -> Space:
    """StudioError with the rule that the file breaks."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudioError(f"The Spacefile cannot be read: {path} ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise StudioError(f"The Spacefile is no YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(values, dict):
        raise StudioError(f"The Spacefile holds names and values; it is {type(values).__name__}.")
    sdk = values.get("sdk")
    if sdk != "gradio":
        raise StudioError(f"The Spacefile's sdk must be gradio; it is {sdk!r}.")
    variables, torch = _texts(values, "variables"), _texts(values, "torch")
    secrets = values.get("secrets") or []
    if not isinstance(secrets, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in secrets):
        raise StudioError(f"The Spacefile's secrets must be names like AUTH, without values; they are {secrets!r}.")
    models = values.get("models") or []
    if not isinstance(models, list) or not all(isinstance(name, str) and _REPO.fullmatch(name) for name in models):
        raise StudioError(f"The Spacefile's models must be ids on the hub like owner/name; they are {models!r}.")
    return Space(
        sdk, hardware(values.get("hardware")), variables, _volumes(values), tuple(secrets), torch, tuple(models)
    )


def hardware(value: object) -> str:
    """A kind of hardware that the hub has; StudioError for any other."""
    if value not in HARDWARE:
        raise StudioError(f"The hardware must be one of {', '.join(HARDWARE)}; it is {value!r}.")
    return str(value)


def _texts(values: dict[str, Any], name: str) -> dict[str, str]:
    found = values.get(name) or {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for pair in found.items() for text in pair):
        raise StudioError(f"The Spacefile's {name} must be names with texts, numbers in quotes; they are {found!r}.")
    return found


def _volumes(values: dict[str, Any]) -> tuple[dict[str, str], ...]:
    found = values.get("volumes") or []
    for volume in found:
        if not isinstance(volume, dict) or volume.keys() != {"type", "source", "mount_path"}:
            raise StudioError(f"A volume in the Spacefile has type, source and mount_path; this one is {volume!r}.")
        if volume["type"] != "bucket" or not str(volume["mount_path"]).startswith("/"):
            raise StudioError(f"A volume in the Spacefile is a bucket at an absolute path; this one is {volume!r}.")
    return tuple(found)


@dataclass(frozen=True)
class Plan:
    """All that a deployment will do to the Space `repo`; `files` holds contents or where they lie, by name."""

    repo: str
    space: Space
    files: dict[str, Path | bytes]
    secrets: dict[str, str] = field(repr=False)

    @classmethod
    def make(cls, repo: str, space: Space, root: Path, environ: Mapping[str, str]) -> Plan:
        if not _REPO.fullmatch(repo):
            raise StudioError(f"A Space is named owner/name; not {repo!r}.")
        files: dict[str, Path | bytes] = {name: root / name for name in FILES}
        for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[path.relative_to(root).as_posix()] = path
        files["requirements.txt"] = _requirements(root / "requirements.txt", space)
        if space.models:
            files["README.md"] = _readme(root / "README.md", space)
        secrets = {name: environ[name] for name in space.secrets if environ.get(name, "").strip()}
        return cls(repo, space, files, secrets)

    @property
    def volumes(self) -> list[Volume]:
        owner = self.repo.split("/")[0]
        return [Volume(**{**volume, "source": f"{owner}/{volume['source']}"}) for volume in self.space.volumes]

    def lines(self) -> list[str]:
        """What will be done, for people; no secret's value is in it."""
        said = [f"hardware  {self.space.hardware}"]
        said += [f"variable  {name}={value}" for name, value in self.space.variables.items()]
        said += [f"volume    {volume.source} at {volume.mount_path}" for volume in self.volumes]
        for name in self.space.secrets:
            where = "from the environment" if name in self.secrets else "not set here, so it stays as it is"
            said.append(f"secret    {name} ({where})")
        said += [f"model     {name}" for name in self.space.models]
        said.append(f"torch     {self.space.torch.get(self.space.hardware, 'as in requirements.txt')}")
        sizes = [len(of) if isinstance(of, bytes) else of.stat().st_size for of in self.files.values()]
        return [*said, f"files     {len(sizes)} with {sum(sizes) / 1e6:.1f} MB"]


def _requirements(path: Path, space: Space) -> bytes:
    """requirements.txt with the torch that the hardware supports."""
    lines = path.read_text(encoding="utf-8").splitlines()
    wanted = space.torch.get(space.hardware)
    if wanted:
        lines = [wanted if re.match(r"torch\b", line) else line for line in lines]
    return "".join(f"{line}\n" for line in lines).encode()


def _readme(path: Path, space: Space) -> bytes:
    """README.md whose front matter has the hub bring the models when it builds the Space, and gives that time."""
    front, end, rest = path.read_text(encoding="utf-8").partition("\n---\n")
    own = {"preload_from_hub": list(space.models), "startup_duration_timeout": "1h"}
    return f"{front}\n{yaml.safe_dump(own, sort_keys=False).rstrip()}{end}{rest}".encode()


def deploy(plan: Plan, api: HfApi, say: Callable[[str], object] = print) -> str:
    """Bring the Space to what the plan says and wait until it runs; returns its address. StudioError if it can't."""
    try:
        api.whoami()
        # With its hardware from the start: the hub lets only subscribers begin on the free one.
        space: Any = {"space_sdk": plan.space.sdk, "space_hardware": plan.space.hardware}
        address = str(api.create_repo(plan.repo, repo_type="space", exist_ok=True, **space))
        _configure(plan, api)
        commit = _upload(plan, api)
        say(f"uploaded  {len(plan.files)} files")
        _wake(plan.repo, api, say)
        runtime = _wait(plan.repo, commit, api, say)
    except OfflineModeIsEnabled as error:
        raise StudioError("HF_HUB_OFFLINE is set, and a Space cannot be made without the hub.") from error
    except HfHubHTTPError as error:
        raise StudioError(_refusal(plan, error)) from error
    except (HTTPError, TimeoutError) as error:
        raise StudioError(f"{api.endpoint} cannot be reached ({type(error).__name__}); please try again.") from error
    if runtime.stage != "RUNNING":
        reason = runtime.raw.get("errorMessage") or "its log says why"
        raise StudioError(f"The Space does not run, it is {runtime.stage}: {reason}. See {address}?logs=build")
    return address


def _configure(plan: Plan, api: HfApi) -> None:
    """Before the upload, so that the first build has all of it; what is so already is not set again."""
    runtime = api.get_space_runtime(plan.repo)
    if plan.space.hardware not in (runtime.requested_hardware, runtime.hardware):
        api.request_space_hardware(plan.repo, plan.space.hardware)  # type: ignore[arg-type]
    there = api.get_space_variables(plan.repo)
    for name, value in plan.space.variables.items():
        if name not in there or there[name].value != value:
            api.add_space_variable(plan.repo, name, value)
    for name, value in plan.secrets.items():
        api.add_space_secret(plan.repo, name, value)
    if plan.volumes and plan.volumes != runtime.volumes:
        for volume in plan.volumes:
            api.create_bucket(volume.source, private=True, exist_ok=True)
        api.set_space_volumes(plan.repo, plan.volumes)


def _upload(plan: Plan, api: HfApi) -> str:
    """One commit, so that nothing is ever built from half of it; returns its id."""
    there = set(api.list_repo_files(plan.repo, repo_type="space"))
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(name, of if isinstance(of, bytes) else str(of)) for name, of in plan.files.items()
    ]
    operations += [CommitOperationDelete(name) for name in sorted(there - plan.files.keys() - {KEPT})]
    done = api.create_commit(plan.repo, operations, repo_type="space", commit_message="Update Flipbook")
    return done.oid


def _wake(repo: str, api: HfApi, say: Callable[[str], object]) -> None:
    stage = api.get_space_runtime(repo).stage
    if stage in RESTS:
        say(f"restarts  it was {stage}")
        api.restart_space(repo)


def _wait(repo: str, commit: str, api: HfApi, say: Callable[[str], object]) -> SpaceRuntime:
    """Until what was just uploaded runs or has failed; a Space goes on running its old commit while it builds."""
    until_s, stage = time.monotonic() + WAIT_S, ""
    while True:
        runtime = api.get_space_runtime(repo)
        if runtime.stage != stage:
            stage = str(runtime.stage)
            say(f"stage     {stage}")
        is_new = runtime.raw.get("sha", commit) == commit
        if is_new and stage not in GOES_ON:
            return runtime
        if time.monotonic() > until_s:
            raise StudioError(f"The Space {repo} does not run after {WAIT_S / 60:g} minutes; it is {stage}.")
        time.sleep(POLL_S)


def _refusal(plan: Plan, error: HfHubHTTPError) -> str:
    said = (error.server_message or "no reason given").strip().rstrip(".")
    status = error.response.status_code
    if status == 401:
        return f"The hub does not accept this token ({said}); please set HF_TOKEN to one that may write."
    if status == 402:
        return f"The hardware {plan.space.hardware} has to be paid for ({said})."
    if status == 403:
        return f"This token may not write to {plan.repo} ({said})."
    return f"The hub refused to go on with {plan.repo} (status {status}: {said})."


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m studio.deploy", description="Makes or updates a Space.")
    parser.add_argument("repo", metavar="owner/name")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done; needs no token")
    parser.add_argument("--hardware", help="other hardware than the Spacefile's")
    asked = parser.parse_args(arguments)
    try:
        space = read_spacefile(ROOT / "Spacefile")
        if asked.hardware is not None:
            space = replace(space, hardware=hardware(asked.hardware))
        plan = Plan.make(asked.repo, space, ROOT, os.environ)
        print(f"Space     {asked.repo}", *plan.lines(), sep="\n", flush=True)
        if asked.dry_run:
            return
        if get_token() is None:
            raise StudioError("There is no token: set HF_TOKEN to one that may write, or sign in with `hf auth login`.")
        print(deploy(plan, HfApi(library_name="flipbook"), lambda line: print(line, flush=True)))
    except StudioError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
