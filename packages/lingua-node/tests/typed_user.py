"""Somebody who uses the package; `mypy --strict` reads it where only the package is installed."""

from lingua_node.jobs import Job, Result, StreamJob
from lingua_node.messages import LanguagePair, Languages, Service
from lingua_node.node import Node

node = Node(
    services=[Service(service_id="my-asr", type="asr"), Service(service_id="my-nmt", type="nmt")],
    languages=Languages(
        asr_languages=["en"], supported_language_pairs=[LanguagePair(src="en", tgt="es")]
    ),
)


@node.job
async def translate(job: Job) -> Result:
    return Result(text_asr="go ahead", text_translated=f"adelante {job.assign.utterance_index}")


async def listen(job: StreamJob) -> Result:
    heard_bytes = 0
    async for piece in job.audio:
        heard_bytes += len(piece)
        await job.emit_translation("adelante", tail=str(heard_bytes))
    return Result(text_asr="go ahead")


listener = Node(services=[Service(service_id="my-asr", type="asr")], languages=Languages())
listener.stream(listen)


if __name__ == "__main__":
    node.run(url="ws://127.0.0.1:5010/ws/node")
