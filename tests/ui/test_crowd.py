"""Many at once: programs that wait, and visitors who send the same picture, are not in each other's way."""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
from house import House, Program, new_visitor
from PIL import Image

from studio.ui.interface import FOR_VISITORS
from tests.drawing import wait_until

OpenHouse = Callable[..., House]


def test_programs_that_wait_take_no_place_from_the_others(open_house: OpenHouse) -> None:
    crowd = FOR_VISITORS + 5
    house = open_house(max_queued=crowd)
    program = Program(house.address)
    for number in range(crowd):
        assert program.ask("/gradio_api/call/v2/generate", {"prompt": f"hold {number}"})[0] == 200
    wait_until(lambda: len(house.library.jobs.unfinished()) == crowd)
    assert program.answer("clips") == []
    program.close()


def test_two_may_send_the_same_picture(open_house: OpenHouse) -> None:
    house = open_house(has_private_galleries=True)
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(picture, "PNG")
    first, second = Program(house.address, new_visitor()), Program(house.address, new_visitor())
    paths = []
    for _ in range(2):
        answer = httpx.post(f"{house.address}/gradio_api/upload", files={"files": ("cat.png", picture.getvalue())})
        paths += answer.json()
    for program, path in zip((first, second), paths, strict=True):
        taken = program.part(house, "take_picture", path=path)
        assert (taken["width"], taken["height"]) == (64, 48), taken
        program.close()
