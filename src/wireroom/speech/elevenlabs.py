"""Hears and speaks through ElevenLabs' HTTP API, over the service's one session.

Source: ElevenLabs API, POST /v1/speech-to-text, POST /v1/text-to-speech/{voice_id}, GET
/v1/convai/conversation/get-signed-url. The key goes nowhere but into the header `xi-api-key`; no error made
here has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from wireroom.errors import SpeechError
from wireroom.speech.errors import NothingHeard, SpeechRefused, SpeechUnavailable, classify
from wireroom.speech.port import Heard, Spoken
from wireroom.speech.sound import SoundForm, form_of, read_opus

MOST_SOUND_BYTES = 20 * 1024 * 1024
_MOST_REPLY_BYTES = 4 * 1024 * 1024
_CONNECT_SECONDS = 5.0
_SIGNED_URL_SECONDS = 10.0


class _Transcript(msgspec.Struct):
    text: str = ""
    language_code: str | None = None


class _Signed(msgspec.Struct):
    signed_url: str


_transcript = msgspec.json.Decoder(_Transcript).decode
_signed = msgspec.json.Decoder(_Signed).decode
_anything = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True, repr=False)
class ElevenLabs:
    """One account's door.

    Args:
        session: Shared and owned by the caller.
        key: The account's.
        base_url: Without a slash at its end.
    """

    session: aiohttp.ClientSession
    key: str
    base_url: str

    async def transcribe(
        self, path: Path, content_type: str, *, model: str, language: str, seconds: float
    ) -> Heard:
        """Return what is said in the file, which is streamed from the disk.

        Raises:
            SpeechError: by class, see `speech.errors`.
        """
        handle = await asyncio.to_thread(path.open, "rb")
        try:
            form = aiohttp.FormData()
            form.add_field("model_id", model)
            if language:
                form.add_field("language_code", language)
            form.add_field("tag_audio_events", "false")
            form.add_field(
                "file", handle, filename=path.name, content_type=content_type or "application/octet-stream"
            )
            async with self._call("post", "/v1/speech-to-text", seconds, data=form) as response:
                body = await _bounded(response, _MOST_REPLY_BYTES)
        finally:
            await asyncio.to_thread(handle.close)
        try:
            said = _transcript(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SpeechUnavailable("ElevenLabs' answer cannot be read.") from None
        if not (text := said.text.strip()):
            raise NothingHeard("There are no words in it.")
        return Heard(text, said.language_code)

    async def speak(
        self, text: str, *, model: str, voice: str, form: str, language: str, seconds: float
    ) -> Spoken:
        """Return the text as sound, checked to be whole and playable.

        Raises:
            SpeechError: by class.
        """
        body: dict[str, Any] = {"text": text, "model_id": model}
        if language:
            body["language_code"] = language
        path = f"/v1/text-to-speech/{voice}"
        async with self._call("post", path, seconds, json=body, params={"output_format": form}) as response:
            return checked_sound(await _bounded(response, MOST_SOUND_BYTES))

    async def signed_url(self, agent_id: str) -> str:
        """Return an address by which a browser may talk to the agent for some minutes.

        Raises:
            SpeechError: by class.
        """
        path = "/v1/convai/conversation/get-signed-url"
        async with self._call("get", path, _SIGNED_URL_SECONDS, params={"agent_id": agent_id}) as response:
            body = await _bounded(response, _MOST_REPLY_BYTES)
        try:
            return _signed(body).signed_url
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SpeechUnavailable("ElevenLabs' answer cannot be read.") from None

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, seconds: float, **about: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        failure: SpeechError | None = None
        try:
            async with self.session.request(
                method,
                self.base_url + path,
                headers={"xi-api-key": self.key},
                timeout=aiohttp.ClientTimeout(total=seconds, connect=min(seconds, _CONNECT_SECONDS)),
                allow_redirects=False,
                **about,
            ) as response:
                if response.status >= 300:  # noqa: PLR2004 - everything but a success
                    raise await _refusal(response)
                yield response
        except TimeoutError:
            failure = SpeechUnavailable(f"ElevenLabs did not answer within {seconds:.0f} s.")
        except (aiohttp.ClientError, ConnectionError) as error:
            # aiohttp's errors may quote the request; only their kind is told.
            failure = SpeechUnavailable(f"No connection to ElevenLabs ({type(error).__name__}).")
        if failure is not None:
            raise failure


@dataclass(frozen=True, slots=True)
class ElevenLabsEar:
    """The port `Ear`."""

    api: ElevenLabs
    model: str

    @property
    def name(self) -> str:
        """Which recogniser."""
        return f"elevenlabs {self.model}"

    async def hear(self, path: Path, content_type: str, language: str, *, seconds: float) -> Heard:
        """Return what is said in the file; see the port."""
        return await self.api.transcribe(
            path, content_type, model=self.model, language=language, seconds=seconds
        )


@dataclass(frozen=True, slots=True)
class ElevenLabsVoice:
    """The port `Voice`."""

    api: ElevenLabs
    model: str
    voice: str
    form: str
    language: str

    @property
    def name(self) -> str:
        """Which voice."""
        return f"elevenlabs {self.model} {self.voice} {self.form} {self.language}".strip()

    async def say(self, text: str, *, seconds: float) -> Spoken:
        """Return the text as sound; see the port."""
        return await self.api.speak(
            text, model=self.model, voice=self.voice, form=self.form, language=self.language, seconds=seconds
        )


def checked_sound(content: bytes) -> Spoken:
    """Return the sound if Telegram would play it as a voice message. Pure.

    Raises:
        SpeechRefused: it is something else.
        SpeechUnavailable: it breaks off.
    """
    form = form_of(content)
    if form is None:
        raise SpeechRefused("What came is no sound that Telegram plays as a voice message.")
    if form is SoundForm.OGG_OPUS and (found := read_opus(content)) is not None and not found.is_complete:
        raise SpeechUnavailable("The sound breaks off.")
    return Spoken(content, form)


async def _refusal(response: aiohttp.ClientResponse) -> SpeechError:
    code, message = read_refusal(await _bounded(response, _MOST_REPLY_BYTES))
    header = response.headers.get("Retry-After", "")
    retry_after = float(header) if header.isdecimal() else None
    reason = message or response.reason or ""
    return classify(response.status, code, reason, retry_after_seconds=retry_after)


def read_refusal(body: bytes) -> tuple[str | None, str]:
    """Return the code and the message of an error's body, in any of the shapes that are known. Pure.

    `{"detail": {"status": "quota_exceeded", "message": "…"}}`, `{"detail": "…"}`,
    `{"detail": [{"msg": "…"}]}`, `{"error": "…"}`, `{"message": "…"}`.
    """
    try:
        said = _anything(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, ""
    if not isinstance(said, dict):
        return None, ""
    detail = next((said[name] for name in ("detail", "error", "message") if said.get(name)), "")
    match detail:
        case dict():
            code = detail.get("status") or detail.get("code")
            return (code if isinstance(code, str) else None), str(detail.get("message") or "")
        case list():
            return None, "; ".join(str(one.get("msg")) for one in detail if isinstance(one, dict))
        case _:
            return None, str(detail)


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    pieces = bytearray()
    async for piece in response.content.iter_any():
        pieces += piece
        if len(pieces) > limit:
            raise SpeechRefused("ElevenLabs' answer is too large.")
    return bytes(pieces)
