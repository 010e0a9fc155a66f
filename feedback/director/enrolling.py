"""Where a host gets its first certificate: over TLS, for a token that `feedback pki enroll` has made."""

import asyncio

import msgspec
from aiohttp import web

from feedback.director.agents import Agents
from feedback.director.link import CutOffError, Refusal
from feedback.enrolment import AUTHORITY_PATH, ENROL_PATH, EnrolAnswer, EnrolRequest
from feedback.errors import EnrolmentError
from feedback.pki.store import Store

BODY_SECONDS = 5.0


def add_enrolment(app: web.Application, store: Store, agents: Agents) -> None:
    """Add what `feedback agent enroll` asks for."""
    enrolment = _Enrolment(store, agents)
    app.router.add_get(AUTHORITY_PATH, enrolment.authority)
    app.router.add_post(ENROL_PATH, enrolment.enrol)


class _Enrolment:
    """The two requests: the authority, whose fingerprint is in the token, and the certificate."""

    def __init__(self, store: Store, agents: Agents) -> None:
        self._store = store
        self._agents = agents

    async def authority(self, _: web.Request) -> web.Response:
        """GET /pki/ca: the authority's certificate, which is no secret."""
        return web.Response(body=self._store.authority_file.read_bytes(), content_type="application/x-pem-file")

    async def enrol(self, request: web.Request) -> web.Response:
        """POST /pki/enroll."""
        if not request.secure:
            raise web.HTTPForbidden(text="enrolment goes over TLS: ask at https://")
        asked = await _read(request)
        loop = asyncio.get_running_loop()
        try:
            made, names = await asyncio.to_thread(self._store.enrol, bytes.fromhex(asked.secret), asked.request)
        except (EnrolmentError, ValueError) as error:
            sentence = str(error) if isinstance(error, EnrolmentError) else "the secret is not in hex"
            who = f"a host at {request.remote} that wants a certificate"
            self._agents.refuse(who, CutOffError(Refusal.TOKEN, sentence), loop.time())
            raise web.HTTPForbidden(text=sentence) from None
        self._agents.note(f"{request.remote} has got a certificate for {', '.join(names)}", loop.time())
        answer = msgspec.json.encode(EnrolAnswer(made.pem.decode(), names))
        return web.Response(body=answer, content_type="application/json")


async def _read(request: web.Request) -> EnrolRequest:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return msgspec.json.decode(await request.read(), type=EnrolRequest)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {BODY_SECONDS:g} s") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"that is no request for a certificate: {error}") from None
