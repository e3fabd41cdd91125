"""The bench of a crowd, with a small one and quick clips: what it prints is what happened."""

from __future__ import annotations

import pytest

from studio import bench, bench_visitors


def test_a_crowd_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    bench_visitors.main((2,), seconds=1.0, num_inference_steps=1, aspect_ratio="1:1")
    heads, _, row = capsys.readouterr().out.splitlines()
    found = dict(zip(heads.split(" | "), row.strip("| ").split(" | "), strict=True))
    assert (found["| visitors"], found["clips"]) == ("2", "4")
    assert float(found["clips a minute"]) > 0
    assert 0 < float(found["wait, median"].removesuffix(" s")) <= float(found["longest"].removesuffix(" s"))
    assert 0 < int(found["page, median"].removesuffix(" ms")) <= int(found["95 %"].removesuffix(" ms"))


@pytest.mark.parametrize(
    ("asked", "named"), [(("visitors", "0"), "'0'"), (("visitors", "8", "x"), "'x'"), (("clips",), "'clips'")]
)
def test_what_can_not_be_measured_is_refused(asked: tuple[str, ...], named: str) -> None:
    with pytest.raises(SystemExit, match=named):
        bench.main(*asked)
