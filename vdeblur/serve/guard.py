"""Access control of the server: host names, origin, token; and error responses without internal details."""

from __future__ import annotations

import hmac
import logging
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..errors import VdeblurError
from .options import is_loopback

log = logging.getLogger(__name__)

COOKIE = "vdeblur_token"
NEEDS_TOKEN = "this server needs a token: open the address that it printed"
TOKEN_PAGE = Path(__file__).parent / "web" / "token.html"
TOKEN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "media-src 'self' blob: mediastream:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def guard(own_host: str, token: str | None) -> Middleware:
    """Middleware of a server that listens on `own_host`; `token` None requires none."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check_origin(request, own_host)
            if token is not None and not _has_token(request, token):
                if request.path == "/":
                    return _ask_for_token(request)
                raise web.HTTPForbidden(text=NEEDS_TOKEN)
            response = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"error": error.text or error.reason}, status=error.status)
        except VdeblurError as error:
            response = web.json_response({"error": str(error)}, status=400)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = web.json_response({"error": "internal error"}, status=500)
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if token is not None and _is_same(request.query.get("token", ""), token):
                # From now on the cookie suffices, so the token need not be in every address.
                response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
        return response

    return guarded


def _ask_for_token(request: web.Request) -> web.Response:
    """A page that asks for the token."""
    message = "Wrong token." if request.query.get("token") else "This server needs a token."
    text = TOKEN_PAGE.read_text(encoding="utf-8").replace("{message}", message)
    headers = HEADERS | {"Content-Security-Policy": TOKEN_POLICY}
    return web.Response(text=text, content_type="text/html", status=403, headers=headers)


def _check_origin(request: web.Request, own_host: str) -> None:
    """Refuse foreign host names (DNS rebinding) and requests from pages of other sites."""
    host = _parsed(f"//{request.host}")
    if is_loopback(own_host) and (host is None or not is_loopback(host.hostname or "")):
        raise web.HTTPForbidden(text="unknown host name")
    origin = request.headers.get("Origin")
    if origin is not None and ((site := _parsed(origin)) is None or site.netloc != request.host):
        raise web.HTTPForbidden(text="request from another site")


def _parsed(address: str) -> SplitResult | None:
    """The parts of an address; None for a malformed one."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _has_token(request: web.Request, token: str) -> bool:
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    tokens = (request.query.get("token", ""), request.cookies.get(COOKIE, ""), bearer)
    return any(_is_same(one, token) for one in tokens)


def _is_same(given: str, token: str) -> bool:
    """Compare in constant time; bytes that are not UTF-8 arrive as surrogates, which plain UTF-8 refuses."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), token.encode(errors="surrogatepass"))
