"""The big models' families at the size of a fly, through the studio's own service: `make families`, shorter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from studio.engine import preview
from studio.service import Studio
from tests.tiny.checkpoints import CHECKPOINTS
from tests.tiny.proofs import PROOFS, Proof, open_studio

# The two halves of Stop, and the memory, which takes a clip of Pocket's each time, are proven on one of each kind.
ALWAYS = ("text to video", "image to video", "first and last picture", "extension", "sound", "preview")
SOMETIMES = ("Stop in denoising", "Stop in decoding", "memory returned")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = open_studio(tmp_path_factory.mktemp("families"), list(CHECKPOINTS))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def quick_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 0.0)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_family_does_what_its_row_says_and_refuses_the_rest(studio: Studio, name: str) -> None:
    proof = Proof(studio, name)
    for what in ALWAYS:
        PROOFS[what](proof)


@pytest.mark.parametrize("what", SOMETIMES)
@pytest.mark.parametrize("name", ["tiny-ltx-2", "tiny-wan-2.2-ti2v"])
def test_stop_and_switch(studio: Studio, name: str, what: str) -> None:
    PROOFS[what](Proof(studio, name))


@pytest.mark.parametrize("name", ["tiny-hunyuan-1.5", "tiny-skyreels-df"])
def test_without_a_common_scheduler_or_callback_stop_works_too(studio: Studio, name: str) -> None:
    PROOFS["Stop in denoising"](Proof(studio, name))
