"""What is translated and spoken of an utterance, and when."""

import asyncio

import msgspec
import pytest
from lingua_node import messages
from lingua_node.interpretation import LiveTranslator
from lingua_node.jobs import StreamJob
from lingua_node.partials import Partials
from lingua_node.recognizers import Guess
from node_testing.scheduler import eventually

OPENED = {
    "job_id": "job",
    "trace_id": "trace",
    "attempt_id": 1,
    "session_id": "speaker",
    "utterance_index": 0,
    "src_lang": "en",
    "tgt_lang": "es",
    "audio_format": "pcm16",
    "sample_rate": 16_000,
    "pipeline": {"use_asr": True, "use_nmt": True, "use_tts": True},
}


async def silence():
    yield b""


class Interpreted:
    """One utterance, its translation in capitals, its speech the same in bytes."""

    def __init__(self) -> None:
        self.told: list[messages.Partial] = []
        self.spoken: list[str] = []
        assign = msgspec.convert(OPENED, messages.OpenJob)
        job = StreamJob(
            assign=assign,
            audio=silence(),
            audio_format="pcm16",
            sample_rate=16_000,
            _partials=Partials(
                assign,
                node_id="node",
                tell=self.tell,
                check=lambda _partial, _name: None,
                has_begun=lambda: True,
            ),
        )
        self.live = LiveTranslator(job, translate=self.translate, speak=self.speak)

    async def tell(self, partial: messages.Partial) -> bool:
        self.told.append(partial)
        return True

    async def translate(self, text: str) -> str:
        return text.upper()

    async def speak(self, text: str) -> tuple[bytes, str]:
        self.spoken.append(text)
        return text.encode() + bytes(len(text) % 2), "pcm16"


@pytest.mark.req("SP4", "SP12")
async def test_what_may_be_last_is_spoken_before_the_end_and_not_again():
    utterance = Interpreted()
    speaking = asyncio.create_task(utterance.live.speak_clauses())
    await utterance.live.revise(Guess(sure="We meet.", rest="Bring it, please", may_be_last=True))
    await eventually(lambda: len(utterance.spoken) == 2)
    await utterance.live.end("We meet. Bring it, please")
    await speaking
    assert utterance.spoken == ["WE MEET.", "BRING IT, PLEASE"]
    assert b"".join(utterance.live.speech).replace(b"\0", b"") == b"WE MEET.BRING IT, PLEASE"


@pytest.mark.req("SP4", "SP12")
async def test_what_was_spoken_too_early_is_never_heard():
    utterance = Interpreted()
    speaking = asyncio.create_task(utterance.live.speak_clauses())
    await utterance.live.revise(Guess(sure="", rest="Bring it", may_be_last=True))
    await eventually(lambda: utterance.spoken == ["BRING IT"])
    await utterance.live.revise(Guess(sure="", rest="Bring it, please"))
    await utterance.live.end("Bring it, please")
    await speaking
    assert [part.replace(b"\0", b"") for part in utterance.live.speech] == [b"BRING IT, PLEASE"]
