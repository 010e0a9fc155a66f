"""The dashboard: three static files that a browser gets once, and that read the API from then on."""

from functools import partial
from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html"),
    "/dashboard.css": ("dashboard.css", "text/css"),
    "/dashboard.js": ("dashboard.js", "text/javascript"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing from elsewhere, nothing inline, and no frame around it to steal clicks."""


def add_dashboard(app: web.Application) -> None:
    """Serve the dashboard at /."""
    for path, (name, content_type) in FILES.items():
        app.router.add_get(path, partial(_answer, (STATIC / name).read_bytes(), content_type))


async def _answer(body: bytes, content_type: str, _: web.Request) -> web.Response:
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
