"""A node: what it offers, one function per job, and a connection that never gives up."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Literal, get_args
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from lingua_node import machine, messages, mistakes, told_address, troubles
from lingua_node.accepting import AcceptHook
from lingua_node.backoff import Backoff
from lingua_node.calls import HandlerCalls
from lingua_node.hooks import LoadHook, PrewarmHook
from lingua_node.http_address import find_base
from lingua_node.http_caller import HttpCaller, HttpRefused
from lingua_node.http_client import HttpClient
from lingua_node.http_link import HttpLink
from lingua_node.identity import Identity, Offer, RegistrationRefused
from lingua_node.intake import AudioForm
from lingua_node.jobs import Handler, StreamHandler
from lingua_node.link import Link
from lingua_node.signals import run_until_drained
from lingua_node.terminal import show_log
from lingua_node.work import Counters, JobRunner

logger = logging.getLogger(__name__)

Transport = Literal["websocket", "http"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_BACKOFF_FIRST_S = 0.5
_BACKOFF_LONGEST_S = 30.0
_RESTART_S = 2.0
_GIVE_UP_WITHIN_S = 5.0


class Node:
    """Offers services, receives jobs, answers them.

    `audio` says how a handler wants the audio: "pcm16" (decoded), "opus" (length-prefixed),
    "as_sent", or "none" (it does not look at it). `acknowledge=False` plays a node that declares no
    acknowledgement support. `takes` is asked before a job is accepted; an assign it turns down is
    left unanswered, which only a simulator wants. `transport="http"` is for where no WebSocket gets
    through: jobs are polled for, and nothing is told of one before its end.
    """

    def __init__(
        self,
        *,
        services: Sequence[messages.Service],
        languages: messages.Languages,
        handler: Handler | None = None,
        max_concurrent_jobs: int = 1,
        audio: AudioForm = "pcm16",
        models: Sequence[messages.Model] = (),
        node_id: str | None = None,
        version: str = "2.0.0",
        accept_public_jobs: bool = True,
        acknowledge: bool = True,
        heartbeat_s: float = 15.0,
        drain_timeout_s: float = 60.0,
        max_frame_bytes: int = 16 * 2**20,
        max_unread_bytes: int = 4 * 2**20,
        hardware: messages.Hardware | None = None,
        usage: machine.UsageReader | None = None,
        takes: Callable[[messages.AssignJob], bool] | None = None,
        transport: Transport = "websocket",
    ) -> None:
        services = mistakes.check_services(services)
        languages = mistakes.check_languages(languages)
        mistakes.check_identity(node_id=node_id, version=version)
        mistakes.check_options(
            max_concurrent_jobs=max_concurrent_jobs,
            audio=audio,
            bounds_bytes={"max_frame_bytes": max_frame_bytes, "max_unread_bytes": max_unread_bytes},
            heartbeat_s=heartbeat_s,
            drain_timeout_s=drain_timeout_s,
        )
        mistakes.check_flags(accept_public_jobs=accept_public_jobs, acknowledge=acknowledge)
        mistakes.check_called(usage, name="usage", argument="the number of running jobs")
        mistakes.check_called(takes, name="takes", argument="the job_assign message")
        self.calls = HandlerCalls(audio=audio, most_unread_bytes=max_unread_bytes)
        if handler is not None:
            self.job(handler)
        # Decorators: what is called once before the node connects, and what says how busy it is.
        self.prewarm = PrewarmHook()
        self.load = LoadHook(usage)
        self._heartbeat_s = heartbeat_s
        self._drain_timeout_s = drain_timeout_s
        self._max_frame_bytes = max_frame_bytes
        self._leave = asyncio.Event()
        self._registered = asyncio.Event()
        self._link: Link | HttpLink | None = None
        self.transport: Transport = transport
        self._acknowledge = acknowledge
        self._was_taken = False  # what was taken once is no mistake in the program
        self.runner = JobRunner(
            calls=self.calls,
            slots=max_concurrent_jobs,
            acknowledge=acknowledge,
            takes=takes,
        )
        self.offer = Offer(
            services=services,
            languages=languages,
            slots=max_concurrent_jobs,
            models=mistakes.check_models(models),
            version=version,
            accept_public_jobs=accept_public_jobs,
            features=["job_ack", "resume"] if acknowledge else ["resume"],
        )
        self.identity = Identity(
            offer=self.offer,
            runner=self.runner,
            drain=self.drain,
            hardware=mistakes.check_hardware(hardware),
            usage=self.load.read,
            node_id=node_id,
        )
        self._backoff = Backoff(
            first_s=_BACKOFF_FIRST_S, longest_s=_BACKOFF_LONGEST_S, restart_s=_RESTART_S
        )

    @property
    def node_id(self) -> str | None:
        """The id the scheduler gave us; None before the first registration."""
        return self.identity.node_id

    @property
    def counters(self) -> Counters:
        return self.runner.counters

    def job(self, handler: Handler | None = None) -> Handler:
        """Decorate the function that does a job, `async def` or `def`; a `def` runs in a thread.

        :raises NodeMistake: it cannot be called with a job, or never returns a result
        """
        if handler is None:
            raise mistakes.NodeMistake(
                "a handler is a function of one job: write @node.job without parentheses"
            )
        self.calls.take_handler(handler)
        return handler

    def stream(self, handler: StreamHandler | None = None) -> StreamHandler:
        """Decorate the `async def` that does a job while its utterance is still being spoken.

        It is given whole utterances as well; a node has this or `@node.job`.

        :raises NodeMistake: it is no `async def` of a job, or never returns a result
        """
        if handler is None:
            raise mistakes.NodeMistake(
                "a handler is a function of one job: write @node.stream without parentheses"
            )
        self.calls.take_stream_handler(handler)
        if "streaming" not in self.offer.features:
            self.offer.features.append("streaming")
        return handler

    def accept(self, hook: AcceptHook | None = None) -> AcceptHook:
        """Decorate the `def` that is asked before a job is accepted, with its `job_assign`.

        True takes it; False, or why not in words, declines it: another node gets it at once, and
        nothing is held against this one. What it raises fails the job.

        :raises NodeMistake: it cannot be asked, or the node acknowledges no jobs
        """
        if hook is None:
            raise mistakes.NodeMistake(
                "an accept hook is a function of one job: write @node.accept without parentheses"
            )
        self.runner.take_accept_hook(hook)
        return hook

    async def wait_registered(self) -> None:
        """Return once the node has been registered for the first time, or drains."""
        await self._registered.wait()

    async def request_pairing_code(self) -> str:
        """Return a code for whoever is to speak with this node: good once, for five minutes.

        The session that shows it has this node and no other.

        :raises OSError: the node is not connected, or the scheduler gives no code
        """
        if self._link is None or self.node_id is None:
            raise ConnectionError("the node is not connected")
        return await self._link.ask_pairing_code()

    def set_service_status(self, *, service_id: str, status: str) -> None:
        """Declare a service `running`, `stopped` or `error`; the scheduler hears it at once.

        :raises NodeMistake: the node has no such service, or there is no such status
        """
        self.offer.set_status(service_id=service_id, status=status)
        self.identity.changed.set()

    def drain(self) -> None:
        """Take nothing new, finish what runs, deliver the results, then leave."""
        if not self.runner.draining:
            logger.info("draining: nothing new is taken")
            self.runner.drain()
            self.identity.changed.set()
            self._leave.set()
            self._registered.set()

    def run(self, *, url: str, token: str | None = None) -> None:
        """Serve until SIGTERM or SIGINT; a second signal does not wait for the jobs that run.

        What happens is told on the terminal, unless the program has arranged for logs itself.

        :raises NodeMistake: the node cannot work as it is written
        """
        if (told := told_address.reading.get()) is not None:
            # A command reads this file, and runs its node itself.
            told.url, told.token = url, token
            return
        show_log()
        asyncio.run(run_until_drained(self.serve(url=url, token=token), drain=self.drain))

    async def serve(self, *, url: str, token: str | None = None) -> None:
        """Serve until drained; connection errors are retried for ever.

        :raises NodeMistake: the URL is not where nodes connect, or the node has no handler
        """
        url = self._check_way(url)
        token = mistakes.check_token(token)
        if not self.calls.is_ready:
            raise mistakes.NodeMistake(
                "the node has no handler: put @node.job above the function that does a job"
            )
        for doubt in mistakes.list_doubts(self.offer.services, self.offer.languages):
            logger.warning("%s", doubt)
        await self.prewarm.run()
        await self.identity.load.read(0)
        serving = asyncio.create_task(self._reconnect(url=url, token=token), name="node")
        leaving = asyncio.create_task(self._leave.wait(), name="node leaves")
        try:
            await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
            # While it drains, a node may reconnect to deliver its last results, but not for ever.
            await asyncio.wait({serving}, timeout=self._drain_timeout_s)
            if not serving.done():
                logger.warning("gave up draining after %g s", self._drain_timeout_s)
        finally:
            leaving.cancel()
            await self._stop(serving)

    def _check_way(self, url: str) -> str:
        """Return where the node connects; what its transport cannot do is refused by name."""
        if self.transport not in get_args(Transport):
            raise mistakes.NodeMistake(
                f"transport is one of {', '.join(get_args(Transport))}, "
                f"not {mistakes.show(self.transport)}"
            )
        if self.transport == "websocket":
            try:
                return mistakes.check_url(url)
            except mistakes.NodeMistake as mistake:
                if not str(url).startswith("http"):
                    raise
                raise mistakes.NodeMistake(f"{mistake} Or write transport='http'") from None
        if self.calls.hears_streams:
            raise mistakes.NodeMistake(
                "@node.stream hears an utterance while it is spoken, which HTTP does not carry: "
                "write @node.job, or transport='websocket'"
            )
        if not self._acknowledge:
            raise mistakes.NodeMistake(
                "over HTTP every job is acknowledged: leave acknowledge=False away, "
                "or write transport='websocket'"
            )
        return find_base(url)

    async def _stop(self, serving: asyncio.Task[None]) -> None:
        self.runner.abandon()
        if serving.done():
            serving.result()
            return
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        tasks = self.runner.attempts.tasks()
        if tasks:
            await asyncio.wait(tasks, timeout=_GIVE_UP_WITHIN_S)

    async def _reconnect(self, *, url: str, token: str | None) -> None:
        has_token = token is not None
        while not self._is_done():
            close_code: int | None = None
            logger.info("connecting to %s", troubles.describe(url))
            try:
                close_code, reason = await self._connect(url=url, token=token)
                trouble = troubles.explain_close(
                    close_code, reason=reason, url=url, has_token=has_token
                )
            except (OSError, WebSocketException, RegistrationRefused, HttpRefused) as error:
                if isinstance(error, ConnectionClosed):
                    close_code = error.rcvd.code if error.rcvd else None
                mistake = troubles.find_mistake(error, url=url)
                if mistake and not self._was_taken:
                    raise mistakes.NodeMistake(mistake) from None
                trouble = troubles.explain(error, url=url, has_token=has_token)
            if not self._is_done():
                await self._pause(self._backoff.next_s(close_code=close_code), trouble)

    async def _connect(self, *, url: str, token: str | None) -> tuple[int | None, str]:
        """Serve one connection; return the code it was closed with, and the reason."""
        if self.transport == "http":
            await self._ask(url=url, token=token)
            return None, ""
        async with self._open(url=url, token=token) as socket:
            link = Link(
                socket=socket,
                runner=self.runner,
                identity=self.identity,
                heartbeat_s=self._heartbeat_s,
            )
            self._link = link
            try:
                await link.run(on_registered=self._note_registered)
            finally:
                self._link = None
            return socket.close_code, socket.close_reason or ""

    async def _ask(self, *, url: str, token: str | None) -> None:
        """Serve by requests until the node has left."""
        caller = HttpCaller(HttpClient(url, token=token, most_bytes=self._max_frame_bytes))
        link = HttpLink(
            caller=caller, runner=self.runner, identity=self.identity, heartbeat_s=self._heartbeat_s
        )
        self._link = link
        try:
            await link.run(on_registered=self._note_registered)
        finally:
            self._link = None
            caller.close()

    def _open(self, *, url: str, token: str | None) -> connect:
        # Base64 audio does not get smaller by deflate; compressing it only costs time.
        return connect(
            url,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,
            max_size=self._max_frame_bytes,
            proxy=None if urlsplit(url).hostname in _LOOPBACK else True,
        )

    def _note_registered(self) -> None:
        self._was_taken = True
        self._backoff.reset()
        self._registered.set()
        logger.info("registered as %s: %s", self.node_id, self.offer)

    async def _pause(self, seconds: float, trouble: str) -> None:
        """Wait, but not longer than until draining leaves nothing to come back for."""
        logger.warning("%s; next attempt in %.1f s", trouble, seconds)
        deadline = asyncio.get_running_loop().time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self.runner.quiet.wait()
                if not self._is_done():
                    await asyncio.Event().wait()

    def _is_done(self) -> bool:
        runner = self.runner
        return runner.quiet.is_set() and not any(runner.attempts.unconfirmed())
