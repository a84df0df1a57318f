"""What was said word by word, and the proof that nodes worked on every word of it.

A word is 100 ms of a voice that never pauses, with its number in its first samples.
"""

import asyncio
import base64
import collections
import itertools
import struct
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

WORD_BYTES = 3_200
_STAMP = struct.Struct("<4sIQ")
_MARK = b"word"
_VOICED_WORDS = slice(5, 23)  # of the clip: without a pause, so that nothing is left out as silence

Said = tuple[int, int]  # who, and which of its words


@dataclass(slots=True)
class Sentence:
    """Words of one speaker, sent one by one.

    `is_resumed` where it went on, on another socket, `is_broken` where nobody finished it: its
    socket was lost, and the session with it.
    """

    session_id: str
    words: list[Said] = field(default_factory=list)
    is_resumed: bool = False
    is_broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A partial translation as its speaker got it."""

    session_id: str
    index: int
    attempt: int
    socket: int
    committed: str


def _read_voice() -> list[bytes]:
    clip = resources.files("lingua_node") / "clips" / "go_forward_ten_meters.wav"
    with resources.as_file(clip) as path, wave.open(str(path)) as file:
        pcm16 = file.readframes(file.getnframes())
    words = [pcm16[at : at + WORD_BYTES] for at in range(0, len(pcm16), WORD_BYTES)]
    return words[_VOICED_WORDS]


_VOICE = _read_voice()


def make_word(speaker: int, number: int) -> bytes:
    """Return the audio of a speaker's word."""
    stamp = _STAMP.pack(_MARK, speaker, number)
    return stamp + _VOICE[number % len(_VOICE)][_STAMP.size :]


def read_words(audio: bytes) -> tuple[Said, ...] | None:
    """Return the words in audio; None where any byte is another."""
    words = []
    for at in range(0, len(audio), WORD_BYTES):
        word = audio[at : at + WORD_BYTES]
        if len(word) < WORD_BYTES:
            return None
        _, speaker, number = _STAMP.unpack_from(word)
        if word != make_word(speaker, number):
            return None
        words.append((speaker, number))
    return tuple(words)


@dataclass(slots=True)
class Words:
    """What streaming speakers said, what nodes heard of it, and what was told meanwhile.

    `heard` is by the text of a result, which names its job, node and attempt; `sockets` are the
    last on which each word was sent, `acked` what said that it is safe.
    """

    sentences: list[Sentence] = field(default_factory=list)
    heard: dict[str, tuple[Said, ...] | None] = field(default_factory=dict)
    grown: list[Grown] = field(default_factory=list)
    sockets: dict[Said, int] = field(default_factory=dict)
    acked: dict[Said, str] = field(default_factory=dict)
    # By session, what is to be read by people who look for what went wrong.
    happened: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    sent_again: int = 0  # chunks, behind what was acknowledged
    streams: int = 0  # attempts that nodes heard from their opening to their end

    def sessions(self) -> set[str]:
        return {sentence.session_id for sentence in self.sentences}

    def find_socket(self, text: str) -> int:
        """Return the last socket on which was said what an answer is about, 0 for none."""
        run = self.heard.get(text)
        return self.sockets.get(run[0], 0) if run else 0

    def note(self, session_id: str, what: str) -> None:
        """Remember what happened to a session, and when."""
        self.happened.setdefault(session_id, []).append((time.monotonic(), what))

    def describe(self, word: Said) -> str:
        """Say on which socket a word was sent last, and what made its speaker let go of it."""
        acked = self.acked.get(word, "nothing")
        return f"sent on socket {self.sockets.get(word)}, acknowledged by {acked}"


def find_unheard(words: Words, outcomes: dict[str, list[tuple[int, str | None]]]) -> Iterator[str]:
    """Yield what of a session's speech no node worked on, or was worked on in another order.

    `outcomes` are, by session, in order, indices with the text of an answer, None for a refusal.
    """
    spoken: dict[str, list[Sentence]] = collections.defaultdict(list)
    for sentence in words.sentences:
        spoken[sentence.session_id].append(sentence)
    for session_id, sentences in spoken.items():
        told = outcomes.get(session_id, [])
        runs = [None if text is None else words.heard.get(text) for _, text in told]
        for (index, text), run in zip(told, runs, strict=True):
            name = f"{session_id} utterance {index}"
            if text is not None and not run:
                yield f"{name} was worked on with audio that nobody said: {text}"
            elif run and any(after != _next(before) for before, after in itertools.pairwise(run)):
                yield f"{name} lacks words within: {run}"
        heard = [word for run in runs for word in run or ()]
        if heard != sorted(set(heard)):
            yield f"{session_id} was heard twice, or in another order"
        for sentence in sentences:
            lost = [word for word in sentence.words if word not in set(heard)]
            if lost and not _may_be_lost(sentence, lost, runs):
                told = [words.describe(word) for word in (lost[0], lost[-1])]
                yield (
                    f"{session_id}: nobody worked on {lost} of {len(sentence.words)} words;"
                    f" first, last: {'; '.join(told)}"
                )


def find_taken_back(words: Words) -> Iterator[str]:
    """Yield every partial translation that takes back what its attempt had committed."""
    last: dict[tuple[str, int, int, int], str] = {}
    for grown in words.grown:
        key = (grown.session_id, grown.index, grown.attempt, grown.socket)
        if not grown.committed.startswith(last.get(key, "")):
            yield f"{grown.session_id} utterance {grown.index} attempt {grown.attempt} shrank"
        last[key] = grown.committed


def _may_be_lost(sentence: Sentence, lost: list[Said], runs: list[tuple[Said, ...] | None]) -> bool:
    """Say whether a refused utterance, or a socket lost in mid-sentence, may have had the words.

    Of a broken sentence it may be the end; what was cut off by nobody may not be missing.
    """
    if sentence.is_broken and lost == sentence.words[-len(lost) :]:
        return True
    refused = [at for at, run in enumerate(runs) if run is None]
    return all(any(_fits(word, runs, at) for at in refused) for word in lost)


def _fits(word: Said, runs: list[tuple[Said, ...] | None], at: int) -> bool:
    """Say whether a word lies between what was heard before and after a place."""
    before = [run[-1] for run in runs[:at] if run]
    after = [run[0] for run in runs[at:] if run]
    return (not before or before[-1] < word) and (not after or word < after[0])


def _next(word: Said) -> Said:
    return word[0], word[1] + 1


class Heard:
    """What a node hears of one attempt, as it comes."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self.pieces = 0
        self.is_broken = False
        self.over = asyncio.Event()
        self.news = asyncio.Event()

    def take(self, frame: dict[str, Any]) -> None:
        """Take the next piece, or the end."""
        self.news.set()
        if frame["type"] == "job_close":
            self.is_broken |= frame["last_seq"] != self.pieces - 1
            self.over.set()
            return
        if frame["seq"] != self.pieces or self.over.is_set():
            self.is_broken = True
            self.over.set()
        self.pieces += 1
        self.audio += base64.b64decode(frame["audio"])
