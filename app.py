"""Starts the studio: settings, studio, page, launch. Everything else is behind `studio/`."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec

# Gradio reads this once, when it is imported; without it the page's server calls home.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Gradio asks its own server whether it is up, which a company's proxy would not find.
direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), os.environ.get("HOST", "").strip()
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (*direct, "127.0.0.1", "localhost")))

from studio import logs
from studio.domain import StudioError
from studio.service import Studio
from studio.settings import Settings
from studio.ui import wording
from studio.ui.interface import access_options, build_interface, launch_options


def main() -> None:
    logs.configure()
    try:
        settings = Settings.from_env()
        studio = Studio.open(settings, start=False)
    except StudioError as error:
        raise SystemExit(str(error)) from None
    if settings.mcp and settings.auth:
        raise SystemExit(wording.NO_MCP_WITH_AUTH)
    if settings.mcp and find_spec("mcp") is None:
        raise SystemExit(wording.NO_MCP)
    # Else Gradio keeps uploads where another studio of this machine, or nobody, would remove them.
    os.environ.setdefault("GRADIO_TEMP_DIR", str(studio.uploads_dir))
    page = build_interface(studio)
    try:
        _, url, _ = page.launch(
            server_name=f"[{settings.host}]" if ":" in settings.host else settings.host,
            server_port=settings.port,
            mcp_server=settings.mcp,
            prevent_thread_lock=True,
            quiet=True,
            **launch_options(studio),
            **access_options(studio),
        )
    except OSError:
        raise SystemExit(wording.taken(settings.host, settings.port)) from None
    # What stops a container ends the studio as tidily as Ctrl + C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(wording.address(url), flush=True)
    # Only now, so that the page answers before the slow libraries are imported.
    studio.start()
    try:
        page.block_thread()
    finally:
        studio.close()


if __name__ == "__main__":
    main()
