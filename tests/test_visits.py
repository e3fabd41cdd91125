"""Visitors: with private galleries nobody reaches another's things; limits are each visitor's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.domain import EVERYONE, Clip, Failed, Made, Phase, StudioError, VideoRequest
from studio.engine.catalog import BUILT_IN, POCKET_DIR
from studio.engine.checkpoint import fingerprint
from studio.executors.routing import RoutingExecutor
from studio.media.provenance import recipe_json, tags
from studio.media.video import Movie, write_video
from studio.service import Studio
from studio.settings import MEGABYTE, Settings
from studio.store.library import Library
from studio.store.runs import Run
from studio.visits import Visit
from tests.drawing import DrawingExecutor

ANNA, BERT = "a" * 32, "b" * 32
ASKED = VideoRequest("a ghost in the snow", seconds=1.0, num_inference_steps=2, seed=1)
SPENT_S: dict[Phase, float] = {"reading the prompt": 0.1, "denoising": 2.0, "decoding": 0.2, "encoding": 0.1}
MADE = Made(224, 128, 13, 12.0, True, 3.5)


@pytest.fixture
def hosted(settings: Settings) -> Iterator[Studio]:
    """A studio with private galleries; its worker rests, so that jobs wait."""
    opened = Studio.open(
        replace(settings, has_private_galleries=True, max_queued_per_visitor=2, max_queued=3, showcase=True),
        start=False,
    )
    yield opened
    opened.close()


def own_clip(visit: Visit, size_bytes: int = 10, asked: VideoRequest = ASKED) -> Clip:
    """A job of the visitor that is done; its files hold no film."""
    job = visit.submit(asked)
    assert visit.library.jobs.start_next() is not None
    video, poster = visit.library.files.half_made(job.id)
    video.write_bytes(bytes(size_bytes))
    poster.write_bytes(b"")
    visit.library.publish(Clip(job.id, job.request, 1.0, MADE, "", "", visit.owner), Run.of(ASKED, SPENT_S))
    return visit.clip(job.id)


def test_a_shared_gallery_is_everyones(studio: Studio) -> None:
    assert studio.visit().owner == studio.visit(ANNA).owner == studio.visit(BERT, "bert").owner == EVERYONE


def test_a_private_gallery_is_known_by_its_secret(hosted: Studio) -> None:
    anna, again, bert = hosted.visit(ANNA), hosted.visit(ANNA), hosted.visit(BERT)
    assert anna.owner == again.owner != bert.owner
    assert ANNA not in anna.owner, "who reads the database cannot come as her"
    signed_in = hosted.visit(ANNA, "bert")
    assert signed_in.owner == hosted.visit(BERT, "bert").owner != anna.owner, "who signed in counts"


@pytest.mark.parametrize("visitor", [None, "", "a" * 31, "A" * 32, "a" * 32 + "\n", "a" * 100_000, 7, ["a"], {}, b"a"])
def test_without_a_secret_there_is_no_private_gallery(hosted: Studio, visitor: Any) -> None:
    with pytest.raises(StudioError, match="Galleries are private here") as caught:
        hosted.visit(visitor)
    assert len(str(caught.value)) < 200


CLIP_CALLS: list[Callable[[Visit, str], object]] = [
    lambda visit, clip: visit.clip(clip),
    lambda visit, clip: visit.visible_clip(clip),
    lambda visit, clip: visit.video_path(clip),
    lambda visit, clip: visit.delete(clip),
    lambda visit, clip: visit.favour(clip, True),
    lambda visit, clip: visit.show(clip, True),
    lambda visit, clip: visit.regenerate(clip),
    lambda visit, clip: visit.extend(clip, 1.0),
    lambda visit, clip: visit.submit(replace(ASKED, extends=clip)),
    lambda visit, clip: visit.keep_frame(clip),
]
JOB_CALLS: list[Callable[[Visit, str], object]] = [
    lambda visit, job: visit.job(job),
    lambda visit, job: visit.cancel(job),
    lambda visit, job: visit.cancel(job, keep=True),
    lambda visit, job: visit.finish(job),
    lambda visit, job: visit.watch(job, 0.1),
]


@pytest.mark.parametrize("number", range(len(CLIP_CALLS)))
def test_a_strangers_clip_is_as_if_it_were_not_there(hosted: Studio, number: int) -> None:
    anna, bert = hosted.visit(ANNA), hosted.visit(BERT)
    clip = own_clip(anna)
    said = []
    for clip_id in (clip.id, "f" * 32):
        with pytest.raises(StudioError) as caught:
            CLIP_CALLS[number](bert, clip_id)
        said.append(str(caught.value).replace(clip_id, "?"))
    assert said[0] == said[1] == "There is no clip '?' in the gallery."
    assert (anna.clips(), bert.clips()) == ([clip], [])


@pytest.mark.parametrize("number", range(len(JOB_CALLS)))
def test_a_strangers_job_is_as_if_it_were_not_there(hosted: Studio, number: int) -> None:
    anna, bert = hosted.visit(ANNA), hosted.visit(BERT)
    job = anna.submit(ASKED)
    with pytest.raises(StudioError, match="There is no job"):
        JOB_CALLS[number](bert, job.id)
    assert ([job.id], []) == (list(anna.outlook()), list(bert.outlook()))


def test_who_draws_the_jobs_id_finds_it_and_asks_for_one_clip_only(hosted: Studio) -> None:
    anna, bert, drawn = hosted.visit(ANNA), hosted.visit(BERT), "ab" * 16
    asked = [anna.submit(ASKED, drawn), anna.submit(replace(ASKED, prompt="something else"), drawn)]
    assert [(job.id, job.request.prompt) for job in asked] == [(drawn, ASKED.prompt)] * 2
    assert list(anna.outlook()) == [drawn]
    with pytest.raises(StudioError, match="There is no job"):
        bert.submit(ASKED, drawn)
    assert not bert.outlook()


@pytest.mark.parametrize("drawn", ["", "x", "AB" * 16, "ab" * 17, "../" * 8 + "ab" * 4, 7, b"ab" * 16, ["ab" * 16]])
def test_an_id_is_hexadecimal(hosted: Studio, drawn: Any) -> None:
    with pytest.raises(StudioError, match="A job's id is 32 hexadecimal characters; not"):
        hosted.visit(ANNA).submit(ASKED, drawn)
    assert not hosted.visit(ANNA).outlook()


def test_a_strangers_picture_cannot_be_used_even_by_name(hosted: Studio, tmp_path: Path) -> None:
    anna, bert = hosted.visit(ANNA), hosted.visit(BERT)
    Image.new("RGB", (64, 64), "orange").save(tmp_path / "upload.png")
    name = anna.keep_picture(tmp_path / "upload.png")
    assert anna.submit(replace(ASKED, picture=name)).request.picture == name
    with pytest.raises(StudioError, match="no longer here; please choose it again"):
        bert.submit(replace(ASKED, picture=name))
    assert bert.keep_picture(tmp_path / "upload.png") == name
    assert bert.submit(replace(ASKED, picture=name)).owner == bert.owner


def test_a_file_tells_no_id(hosted: Studio) -> None:
    clip = own_clip(hosted.visit(ANNA))
    assert clip.id not in clip.video + clip.poster


# Limits


def test_each_visitor_has_a_place_in_the_queue_and_the_queue_an_end(hosted: Studio) -> None:
    anna, bert = hosted.visit(ANNA), hosted.visit(BERT)
    for _ in range(2):
        anna.submit(ASKED)
    with pytest.raises(StudioError, match="You may have 2 waiting clips at most and have 2; please try again"):
        anna.submit(ASKED)
    last = bert.submit(ASKED)
    with pytest.raises(StudioError, match="The queue holds 3 waiting clips at most and has 3"):
        hosted.visit("c" * 32).submit(ASKED)
    assert bert.outlook()[last.id].position == 3, "the place is that in the whole queue"


def test_a_line_of_its_own_makes_the_others_wait_no_longer(library: Library, settings: Settings) -> None:
    server = DrawingExecutor()
    server.workers, server.obstacle = 8, lambda card: ""  # type: ignore[method-assign]
    studio = Studio(settings, library, RoutingExecutor(DrawingExecutor(), {"wan-2.1-1.3b": server}), BUILT_IN)
    visit = studio.visit()
    library.runs.add(Run.of(ASKED, SPENT_S))
    elsewhere = replace(ASKED, model="wan-2.1-1.3b", aspect_ratio="16:9", seconds=2.0, sound=False)
    asked = [visit.submit(request) for request in (ASKED, elsewhere, ASKED, elsewhere, ASKED)]
    outlook = [visit.outlook()[job.id] for job in asked]
    assert [each.position for each in outlook] == [1, 1, 2, 2, 3]
    own = [each.remaining_s for each in outlook if each.remaining_s is not None]
    assert own == pytest.approx([own[0], 2 * own[0], 3 * own[0]])
    studio.close()


def test_pictures_a_day(hosted: Studio, tmp_path: Path) -> None:
    anna = replace(hosted.visit(ANNA), settings=replace(hosted.settings, max_pictures_per_visitor=2))
    for number in range(3):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / f"{number}.png")
    for number in range(2):
        anna.keep_picture(tmp_path / f"{number}.png")
    clip = own_clip(anna)
    for one_more in (lambda: anna.keep_picture(tmp_path / "2.png"), lambda: anna.keep_frame(clip.id)):
        with pytest.raises(StudioError, match="2 pictures and last frames a day at most and have chosen 2"):
            one_more()


def test_what_went_on_from_a_deleted_clip_says_why_it_cannot_be_made_again(hosted: Studio) -> None:
    anna = hosted.visit(ANNA)
    first = own_clip(anna)
    longer = own_clip(anna, asked=replace(ASKED, extends=first.id))
    anna.delete(first.id)
    with pytest.raises(StudioError, match="This clip goes on from another one that was deleted"):
        anna.regenerate(longer.id)


def test_pixels_and_frames(studio: Studio, visit: Visit) -> None:
    small = replace(visit, settings=replace(studio.settings, max_pixel_frames=500_000))
    small.check(replace(ASKED, seconds=1.0))
    with pytest.raises(StudioError, match=r"may have 0\.5 million pixels in all its frames; this one would have 0\.7"):
        small.check(replace(ASKED, seconds=2.0))


def test_disk_for_all_and_for_each(hosted: Studio) -> None:
    limits = replace(hosted.settings, max_disk_bytes=3 * MEGABYTE, max_disk_per_visitor_bytes=2 * MEGABYTE)
    anna, bert = (replace(hosted.visit(who), settings=limits) for who in (ANNA, BERT))
    own_clip(anna, 2 * MEGABYTE)
    with pytest.raises(StudioError, match=r"Your clips may take 2 MB at most and take 2 MB\. Please delete"):
        anna.submit(ASKED)
    clip = own_clip(bert, MEGABYTE)
    for visit in (anna, bert):
        with pytest.raises(StudioError, match="All clips together may take 3 MB at most and take 3 MB"):
            visit.submit(ASKED)
    bert.delete(clip.id)
    assert bert.submit(ASKED)


# Favourites, the showcase, what was kept of a failure


def test_favourites_and_the_showcase(hosted: Studio) -> None:
    anna, bert = hosted.visit(ANNA), hosted.visit(BERT)
    clip = own_clip(anna)
    anna.favour(clip.id, True)
    assert anna.clip(clip.id).is_favourite
    assert bert.showcase() == []
    anna.show(clip.id, True)
    (shown,) = bert.showcase()
    assert shown == bert.visible_clip(clip.id) == anna.clip(clip.id)
    with pytest.raises(StudioError, match="There is no clip"):
        bert.delete(clip.id)
    anna.show(clip.id, False)
    assert bert.showcase() == []
    for value in (1, None, "true"):
        with pytest.raises(StudioError, match="is true or false; not"):
            anna.favour(clip.id, value)  # type: ignore[arg-type]


def test_without_a_showcase_nothing_is_shown(studio: Studio, visit: Visit) -> None:
    clip = own_clip(visit)
    for call in (visit.showcase, lambda: visit.show(clip.id, True)):
        with pytest.raises(StudioError, match="This studio has no showcase"):
            call()


def test_a_failed_job_with_latents_is_finished(hosted: Studio) -> None:
    anna = hosted.visit(ANNA)
    job = anna.submit(ASKED)
    with pytest.raises(StudioError, match="Of this clip nothing is left that could be finished"):
        anna.finish(job.id)
    anna.library.jobs.finish(job.id, "failed", "The disk was full.", can_finish=True)
    assert anna.job(job.id).state == Failed("The disk was full.", can_finish=True)
    assert anna.finish(job.id).id == job.id
    assert list(anna.outlook()) == [job.id]


def test_a_swept_clip_is_told_to_its_owner(hosted: Studio) -> None:
    anna, bert = hosted.visit(ANNA), hosted.visit(BERT)
    own_clip(anna, 20)
    own_clip(bert, 20)
    anna.library.sweep_clips(keep_days=0, keep_bytes=30)
    assert [told.clips for told in anna.removals()] == [1]
    assert bert.removals() == []


def test_a_file_from_outside_tells_a_request_or_why_it_does_not(visit: Visit, tmp_path: Path) -> None:
    def told(request: VideoRequest, **more: Any) -> VideoRequest:
        made_tags = replace(tags(request, {}), comment=recipe_json(request, more))
        write_video(tmp_path / "clip.mp4", Movie(np.zeros((5, 64, 64, 3), np.uint8), 12.0), made_tags, lambda: False)
        return visit.recipe(tmp_path / "clip.mp4")

    anothers = replace(ASKED, picture="f" * 64 + ".png", picture_fit="pad", loras={"unknown": 0.5})
    for request in (ASKED, anothers, replace(ASKED, extends="b" * 32)):
        assert told(request, from_the_future=1) == request
    for more, rule in (
        ({"model": "sora"}, "There is no model 'sora'"),
        ({"model": ["pocket"]}, "There is no model of type list"),
        ({"prompt": None}, "This file does not tell how it was made"),
        ({"prompt": "half \ud83d"}, "Character 6 of the prompt is broken"),
        ({"seconds": 1e9}, "The length in seconds must be"),
        ({"aspect_ratio": {}}, "The aspect ratio is one of"),
        ({"seed": "<b>7</b>"}, "The seed must be"),
        ({"loras": [1]}, "LoRAs are names with a weight each"),
    ):
        with pytest.raises(StudioError, match=rule):
            told(ASKED, **more)
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    for name in ("picture.png", "nowhere.mp4"):
        with pytest.raises(StudioError, match="This file does not tell how it was made"):
            visit.recipe(tmp_path / name)


def test_clips_are_found_by_words_and_by_the_star(visit: Visit) -> None:
    made = [
        own_clip(visit, asked=replace(ASKED, prompt=prompt)) for prompt in ("A red Cat, 100 %", "a cat_fish", "a dög")
    ]
    red, fish, dog = (clip.id for clip in made)
    for words, found in (
        ("", [dog, fish, red]), ("  ", [dog, fish, red]), ("CAT", [fish, red]), ("cat red", [red]), ("%", [red]),
        ("t_f", [fish]), ("DÖG", [dog]), ("zebra", []), ("' OR 1=1 --", []), ("\ud83d", []), ("cat zebra", []),
    ):  # fmt: skip
        assert [clip.id for clip in visit.clips(words=words)] == found, words
    visit.favour(fish, True)
    assert [clip.id for clip in visit.clips(only_favourites=True)] == [fish]
    assert visit.clips(words="red", only_favourites=True) == []
    assert [clip.id for clip in visit.clips(1, before=made[1].number, words="cat")] == [red]
    with pytest.raises(StudioError, match="What is looked for is text of 200 characters at most"):
        visit.clips(words="x" * 201)
    with pytest.raises(StudioError, match="What is looked for is text"):
        visit.clips(words=["cat"])  # type: ignore[arg-type]


def test_health_names_nobody(hosted: Studio) -> None:
    anna = hosted.visit(ANNA)
    clip = own_clip(anna)
    anna.submit(replace(ASKED, prompt="a secret"))
    health = hosted.health()
    assert (health.waiting, health.running, health.jobs) == (1, 0, {"done": 1, "queued": 1})
    assert not any(secret in str(health) for secret in (ANNA, anna.owner, clip.id, "secret", str(hosted.clips_dir)))


def test_what_a_clip_will_take_is_learnt(studio: Studio, visit: Visit) -> None:
    assert studio.estimate(ASKED) is None
    own_clip(visit)
    guess = studio.estimate(ASKED)
    assert guess is not None
    assert guess.seconds == pytest.approx(2.4, rel=0.2)
    with pytest.raises(StudioError, match="The length in seconds"):
        studio.estimate(replace(ASKED, seconds=99.0))


def test_a_clip_of_earlier_weights_is_known(studio: Studio) -> None:
    now = fingerprint(POCKET_DIR)
    for weights, model, has_changed in (
        (now, "pocket", False), ("f" * 16, "pocket", True), ("", "pocket", False), ("f" * 16, "gone", False),
    ):  # fmt: skip
        clip = Clip("a" * 32, replace(ASKED, model=model), 1.0, replace(MADE, weights=weights), "", "")
        assert studio.has_changed(clip) == has_changed, (weights, model)


def test_models_and_advice(studio: Studio) -> None:
    assert studio.models()[0].name == "pocket", "the one that runs everywhere is the default"
    assert "zeppelin" in studio.advise("pocket", "a zeppelin").sentence
    with pytest.raises(StudioError, match="There is no model"):
        studio.advise("sora", "a ghost")
