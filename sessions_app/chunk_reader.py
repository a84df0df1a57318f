"""From chunks as a client sends them to bare audio: WAV headers go, other files are refused."""

from sessions_app.audio import ForeignAudio
from sessions_app.containers import UnreadableWav, find_container, is_wav, read_wav_header

# No header we know of is as long; what is waits for ever.
_LONGEST_WAV_HEADER_BYTES = 65_536


class ChunkReader:
    """Reads one session's chunks."""

    __slots__ = ("_head", "_is_foreign", "sample_rate")

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        """What the last header said, or was declared, or is usual."""
        self._head = b""
        self._is_foreign = False

    def read(self, chunk: bytes, *, begins: bool) -> bytes:
        """Return the audio of a chunk, nothing while a header is incomplete.

        Files are looked for where an utterance `begins`: of all that is said in a long session some
        may look like one. What follows a file that was refused is the rest of it: it is dropped,
        and not told again.

        :raises ForeignAudio: a file begins here that we do not take
        """
        if self._is_foreign:
            return b""
        if self._head:
            return self._read_wav(self._head + chunk)
        if is_wav(chunk):
            return self._read_wav(chunk)
        name = find_container(chunk) if begins else None
        if name is not None:
            raise self._refuse(name)
        return chunk

    def _read_wav(self, audio: bytes) -> bytes:
        self._head = b""
        if not is_wav(audio):
            return audio
        try:
            header = read_wav_header(audio)
        except UnreadableWav as error:
            raise self._refuse(str(error)) from error
        if header is None and len(audio) > _LONGEST_WAV_HEADER_BYTES:
            raise self._refuse("WAV without audio")
        if header is None:
            self._head = audio
            return b""
        self.sample_rate = header.sample_rate
        return audio[header.begin : header.end]

    def _refuse(self, what: str) -> ForeignAudio:
        self._is_foreign = True
        return ForeignAudio(what)
