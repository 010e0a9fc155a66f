"""Makes the pictures in docs/images/ from a real run of the demo: the terminal as SVG, the dashboard as PNG.

    .venv/bin/python scripts/screenshot.py

The dashboard's picture needs `chromium` (Debian's package). Both are taken in the phase that shows most.
"""

import asyncio
import base64
import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from feedback.commands.client import Client, service_path
from feedback.demo.cluster import SERVICE
from feedback.demo.run import Demo
from feedback.demo.screen import Scene, render
from feedback.director.snapshot import ServiceView
from feedback.model import Endpoint

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LISTEN = Endpoint("127.0.0.1", 8600)
VIP = Endpoint("127.0.0.1", 8080)
STORY_SECONDS = 60.0
PHASE = "jobs"
AGE_SECONDS = 4.5  # into the phase
WIDTH = 118
HEIGHT = 40
SCREEN = {"width": 1440, "height": 760, "deviceScaleFactor": 1, "mobile": False}
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (255, 255, 255),
    ],
)
# Rich's own frame loads a font from elsewhere; a picture in a repository must not
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: ui-sans-serif, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Photographer:
    """Takes both pictures once, when the scene is the one for them. The browser looks on from the story's start."""

    def __init__(self, browser: "Browser") -> None:
        self._browser = browser
        self._taken = False
        self.tasks: list[asyncio.Task[None]] = []

    def look(self, scene: Scene) -> None:
        """Take the pictures, if it is time for them."""
        if not self.tasks:
            self.tasks.append(asyncio.create_task(self._browser.open(scene.dashboard)))
        if self._taken or scene.phase != PHASE or scene.phase_age_seconds < AGE_SECONDS:
            return
        self._taken = True
        take_terminal(scene)
        self.tasks.append(asyncio.create_task(self._browser.take(IMAGES / "dashboard.png")))


def take_terminal(scene: Scene) -> None:
    """Write what the terminal shows."""
    console = Console(file=io.StringIO(), width=WIDTH, record=True, force_terminal=True, color_system="truecolor")
    console.print(render(scene, WIDTH, HEIGHT))
    console.save_svg(str(IMAGES / "demo.svg"), title="feedback demo", theme=THEME, code_format=SVG)


class Browser:
    """A chromium without a window, spoken to by its DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, chromium: str) -> AsyncIterator["Browser"]:
        """Run one, with a page that is dark and as wide as a picture in a README."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            process = await asyncio.create_subprocess_exec(
                *(chromium, *CHROMIUM_OPTIONS, f"--user-data-dir={profile}", "about:blank"),
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with aiohttp.ClientSession() as session, asyncio.timeout(STORY_SECONDS * 2):
                    base = f"http://127.0.0.1:{await _devtools_port(Path(profile))}"
                    async with session.get(f"{base}/json") as answer:
                        page = next(page for page in await answer.json() if page["type"] == "page")
                    async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=2**26) as socket:
                        browser = cls(socket)
                        await browser._ask("Emulation.setDeviceMetricsOverride", **SCREEN)
                        dark = {"name": "prefers-color-scheme", "value": "dark"}
                        await browser._ask("Emulation.setEmulatedMedia", features=[dark])
                        yield browser
            finally:
                process.kill()
                await process.wait()

    async def open(self, url: str) -> None:
        """Open a page and stay there."""
        await self._ask("Page.navigate", url=url)

    async def take(self, file: Path) -> None:
        """Write what the page shows now."""
        answer = await self._ask("Page.captureScreenshot", format="png")
        await asyncio.to_thread(file.write_bytes, base64.b64decode(answer["data"]))

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._asked:
            pass
        result: dict[str, Any] = answer["result"]
        return result


async def _devtools_port(profile: Path) -> int:
    """Return the port that the browser has chosen; it writes it into its profile."""
    file = profile / "DevToolsActivePort"
    while not await asyncio.to_thread(file.exists):  # noqa: ASYNC110 - another process has no event
        await asyncio.sleep(0.1)
    return int((await asyncio.to_thread(file.read_text)).split("\n")[0])


def tell(_at_seconds: float, sentence: str) -> None:
    """Say what happens."""
    sys.stdout.write(f"{sentence}\n")


async def main(chromium: str) -> None:
    """Run the demo once, and take the pictures on the way."""
    client = Client(f"http://{LISTEN}")
    async with Browser.running(chromium) as browser:
        photographer = Photographer(browser)
        demo = Demo(
            lambda: client.get(service_path(SERVICE), ServiceView),
            vip=VIP,
            listen=LISTEN,
            seconds=STORY_SECONDS,
            tell=tell,
            show=photographer.look,
        )
        await demo.run()
        await asyncio.gather(*photographer.tasks)


if __name__ == "__main__":
    found = shutil.which("chromium")
    if found is None:
        sys.exit("chromium is needed for the dashboard's picture: apt-get install chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(found))
