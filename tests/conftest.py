"""What several tests share: where things are, one loaded pipeline, one open studio, the system's browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

# Several test processes share the processors: with as many threads each, they would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before gradio or transformers is imported: no test may ask another host for anything.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

if TYPE_CHECKING:
    from studio.engine.pipeline import VideoPipeline
    from studio.service import Studio
    from studio.settings import Settings
    from studio.store.library import Library
    from studio.visits import Visit

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# A file's tests stay with one process, so the files that take minutes go first: none is left over for the end.
LONG = ("test_browser.py", "test_faults.py", "test_ray_cluster.py", "test_hostile.py", "test_big_models.py")

# A busy machine is slow, not wrong; in CI the same examples are tried every time.
hypothesis_settings.register_profile("flipbook", deadline=None, database=None, derandomize="CI" in os.environ)
hypothesis_settings.load_profile("flipbook")

# Where pytest sees CI, it prints each difference whole, and finding it between two videos takes hours.
os.environ.pop("CI", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def pocket_dir() -> Path:
    """The shipped weights."""
    return ROOT / "assets" / "pocket"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder of this test's own for all that the studio keeps."""
    return tmp_path / "data"


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    """The default settings, but in this test's folder and without the load in the background."""
    from studio.settings import Settings  # late: only the tests that ask for it need it

    return Settings.from_env({"DATA_DIR": str(data_dir), "WARM_UP": "0", "PORT": "7861"})


@pytest.fixture
def library(data_dir: Path) -> Iterator[Library]:
    """Rows and files of this test's own, without a studio around them."""
    from studio.store.library import Library  # late: only the tests that ask for it need it

    opened = Library(data_dir)
    yield opened
    opened.close()


@pytest.fixture
def studio(settings: Settings) -> Iterator[Studio]:
    """A real studio, open, which loads Pocket at its first job."""
    from studio.service import Studio  # late: only the tests that ask for it need it

    opened = Studio.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def visit(studio: Studio) -> Visit:
    """The studio as everyone sees it who shares one gallery."""
    return studio.visit()


@pytest.fixture(scope="session")
def pipeline(pocket_dir: Path) -> VideoPipeline:
    """Pocket, loaded once for the whole run."""
    from studio.engine.pipeline import VideoPipeline  # late: importing torch takes seconds

    loaded = VideoPipeline(pocket_dir)
    loaded.load("pocket")
    return loaded


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium or Chrome."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(f"None of {', '.join(BROWSERS)} is on the PATH; `make test` installs one on Debian.")
