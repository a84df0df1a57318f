"""Somebody who uses the package; `mypy --strict` reads it where only the package is installed."""

from lingua_node.jobs import Job, Result
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


if __name__ == "__main__":
    node.run(url="ws://127.0.0.1:5010/ws/node")
