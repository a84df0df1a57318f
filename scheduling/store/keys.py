"""Every Redis key of the scheduler, built here and nowhere else.

One entity, one hash tag, one slot: ``{node:<id>}``, ``{session:<id>}``, ``{instance:<id>}``,
``{pool:<id>}``, ``{tenant:<id>}``, ``{room:<code>}``, ``{shares}``, ``{poolcfg}``, ``{t:<n>}``.
Every key expires but the timers, which empty themselves, the two lists of who was last seen when,
which are kept small, and the pool configuration with its fence, which must outlive a quiet night.
"""

import zlib


class Keys:
    """Builds keys under one prefix (`LINGUA_KEY_PREFIX`), so that environments never meet."""

    def __init__(self, prefix: str) -> None:
        self._root = root = f"{prefix}:v2:"
        self.node = NodeKeys(root)
        self.session = SessionKeys(root)
        self.pool = PoolKeys(root)
        self.instance = InstanceKeys(root)
        self.tenant = TenantKeys(root)
        self.access = AccessKeys(root)
        self.room = RoomKeys(root)
        self.mirror = MirrorKeys(f"{prefix}:v1:")

    def recording(self, audio_ref: str) -> str:
        """STRING: JSON of audio that was sent ahead, and whose it is."""
        return f"{self._root}{{audio:{audio_ref}}}:recording"

    def pairing_code(self, code: str) -> str:
        """HASH: node_id, used_by; a code by which a session is bound to a node."""
        return f"{self._root}{{pairing:{code}}}:node"

    def match_session(self, session_id: str) -> str:
        """Match every key of a session; that of ``*`` those of all."""
        return f"{self._root}{{session:{session_id}}}:*"

    def read_session_id(self, key: str) -> str:
        """Return whose a key is that `match_session` matches."""
        return key.removeprefix(f"{self._root}{{session:").partition("}")[0]

    def debounce(self, what: str) -> str:
        """STRING: `what` was done a moment ago."""
        return f"{self._root}{{debounce:{what}}}"

    def probe(self) -> str:
        """STRING: written and deleted by whoever sees whether Redis takes writes."""
        return f"{self._root}{{probe}}"

    def timers(self, shard: int) -> str:
        """ZSET: entity → moment its next step is due, below 0: to be written down; permanent."""
        return f"{self._root}{{t:{shard}}}:timers"


class _Entity:
    """The keys of one kind of entity."""

    def __init__(self, root: str) -> None:
        self._root = root


class NodeKeys(_Entity):
    """What one node holds and is; and when each was last heard of."""

    def info(self, node_id: str) -> str:
        """HASH: status, conn_epoch, max, heartbeat_at_ms, description, usage, …"""
        return f"{self._root}{{node:{node_id}}}:info"

    def resv(self, node_id: str) -> str:
        """ZSET: job:attempt → end of the reservation."""
        return f"{self._root}{{node:{node_id}}}:resv"

    def run(self, node_id: str) -> str:
        """ZSET: job:attempt → end of the run lease."""
        return f"{self._root}{{node:{node_id}}}:run"

    def unavail(self, node_id: str) -> str:
        """ZSET: service id → end of its mark."""
        return f"{self._root}{{node:{node_id}}}:unavail"

    def cap(self, node_id: str) -> str:
        """HASH: max, reserved, running; a mirror that nothing decides by."""
        return f"{self._root}{{node:{node_id}}}:cap"

    def seen(self) -> str:
        """ZSET: node id → when it was last heard of; permanent, kept small by forgetting."""
        return f"{self._root}{{nodes}}:last_seen"

    def owner(self, node_id: str) -> str:
        """STRING: id of the principal that the node id belongs to."""
        return f"{self._root}{{node:{node_id}}}:owner"

    def pools(self, node_id: str) -> str:
        """SET: ids of the pools the node is in, or is about to join or leave."""
        return f"{self._root}{{node:{node_id}}}:pools"

    def stamp(self, node_id: str) -> str:
        """HASH: epoch, version, step: what the node's pools were last computed from."""
        return f"{self._root}{{node:{node_id}}}:stamp"

    def rate(self, node_id: str, what: str) -> str:
        """STRING: how often `what` happened in the current window."""
        return f"{self._root}{{node:{node_id}}}:rl:{what}"


class SessionKeys(_Entity):
    """A session, its jobs, and what it is still to be told."""

    def info(self, session_id: str) -> str:
        """HASH: instance_id, conn_epoch, profile."""
        return f"{self._root}{{session:{session_id}}}:info"

    def tracked(self, session_id: str) -> str:
        """ZSET: job id whose answer is not acknowledged → utterance index."""
        return f"{self._root}{{session:{session_id}}}:tracked"

    def job(self, session_id: str, job_id: str) -> str:
        """HASH: the job record."""
        return f"{self._root}{{session:{session_id}}}:job:{job_id}"

    def payload(self, session_id: str, job_id: str) -> str:
        """STRING: the assign frame, until the job ends."""
        return f"{self._root}{{session:{session_id}}}:payload:{job_id}"

    def outcome(self, session_id: str, job_id: str) -> str:
        """STRING: what the speaker is told."""
        return f"{self._root}{{session:{session_id}}}:outcome:{job_id}"

    def outbox(self, session_id: str) -> str:
        """ZSET: job id not handed over → utterance index."""
        return f"{self._root}{{session:{session_id}}}:outbox"

    def binding(self, session_id: str, request: str) -> str:
        """STRING: job id bound to an utterance or a request id."""
        return f"{self._root}{{session:{session_id}}}:bind:{request}"

    def hook(self, session_id: str, job_id: str) -> str:
        """STRING: JSON of the web hook a job's outcome is to be told to."""
        return f"{self._root}{{session:{session_id}}}:hook:{job_id}"

    def decisions(self, session_id: str, job_id: str) -> str:
        """LIST: JSON of each decision about where the job goes."""
        return f"{self._root}{{session:{session_id}}}:why:{job_id}"

    def runtime(self, session_id: str) -> str:
        """STRING: JSON of pool, last node, turn and its node: what placement remembers."""
        return f"{self._root}{{session:{session_id}}}:rt"

    def room(self, session_id: str) -> str:
        """STRING: JSON of the room that a session which may move is in, and its seat there."""
        return f"{self._root}{{session:{session_id}}}:room"


class PoolKeys(_Entity):
    """The pools, their members, and who may write them."""

    def members(self, pool_id: str) -> str:
        """SET: node ids."""
        return f"{self._root}{{pool:{pool_id}}}:members"

    def meta(self, pool_id: str) -> str:
        """HASH: version, which grows with every change of the members."""
        return f"{self._root}{{pool:{pool_id}}}:meta"

    def config(self) -> str:
        """HASH: doc, version, published_at_ms; permanent."""
        return f"{self._root}{{poolcfg}}:doc"

    def leader(self) -> str:
        """HASH: instance_id, fence, until_ms."""
        return f"{self._root}{{poolcfg}}:leader"

    def fence(self) -> str:
        """STRING: the highest fence ever given; permanent."""
        return f"{self._root}{{poolcfg}}:fence"

    def wishes(self) -> str:
        """HASH: pool id → JSON of a pool somebody needs."""
        return f"{self._root}{{poolcfg}}:wishes"

    def hints(self) -> str:
        """Pub/sub channel: what changed among pools; hints may be lost."""
        return f"{self._root}{{poolcfg}}:hints"


class InstanceKeys(_Entity):
    """The instances, and what each says of itself."""

    def presence(self, instance_id: str) -> str:
        """HASH: boot_id, record; expires unless renewed."""
        return f"{self._root}{{instance:{instance_id}}}:presence"

    def figures(self, instance_id: str) -> str:
        """STRING: JSON of how the instance stands; expires unless renewed."""
        return f"{self._root}{{instance:{instance_id}}}:figures"

    def sessions(self, instance_id: str) -> str:
        """HASH: session id → JSON of a session the instance holds; expires unless renewed."""
        return f"{self._root}{{instance:{instance_id}}}:sessions"

    def seen(self) -> str:
        """ZSET: instance id → when it last noted that it lives; permanent, kept small."""
        return f"{self._root}{{instances}}:seen"


class TenantKeys(_Entity):
    """What a tenant uses, and what it is guaranteed."""

    def jobs(self, tenant_id: str) -> str:
        """ZSET: job id → end of its lease on the tenant's allowance."""
        return f"{self._root}{{tenant:{tenant_id}}}:jobs"

    def rate(self, tenant_id: str) -> str:
        """HASH: tokens, at_ms: a token bucket."""
        return f"{self._root}{{tenant:{tenant_id}}}:rate"

    def own_shares(self, tenant_id: str) -> str:
        """ZSET: job id → end of its lease on a slot guaranteed to the tenant."""
        return f"{self._root}{{shares}}:own:{tenant_id}"

    def lent_shares(self) -> str:
        """ZSET: job id → end of its lease on a slot that is guaranteed to nobody."""
        return f"{self._root}{{shares}}:lent"


class AccessKeys(_Entity):
    """Who may connect, and how much."""

    def credential(self, prefix: str) -> str:
        """HASH: version, record; what the database says of a token."""
        return f"{self._root}{{creds}}:token:{prefix}"

    def changes(self) -> str:
        """ZSET: prefix of a token → moment of its last change."""
        return f"{self._root}{{creds}}:changes"

    def published(self) -> str:
        """STRING: there while all credentials were published a short while ago."""
        return f"{self._root}{{creds}}:published"

    def ticket(self, ticket_id: str) -> str:
        """STRING: there once the ticket was used."""
        return f"{self._root}{{ticket:{ticket_id}}}:used"

    def sockets(self, principal_id: str) -> str:
        """ZSET: connection id → end of its lease."""
        return f"{self._root}{{principal:{principal_id}}}:sockets"

    def bucket(self, principal_id: str, name: str) -> str:
        """HASH: tokens, filled_at_ms."""
        return f"{self._root}{{principal:{principal_id}}}:bucket:{name}"

    def claims(self, principal_id: str) -> str:
        """ZSET: node id → end of its claim."""
        return f"{self._root}{{principal:{principal_id}}}:claims"

    def attempts(self, principal_id: str) -> str:
        """HASH: count, until_ms, last; tries that count as failed."""
        return f"{self._root}{{principal:{principal_id}}}:attempts"


class RoomKeys(_Entity):
    """A room: who is in it, and what was said there a moment ago; and which there are."""

    def index(self) -> str:
        """ZSET: code of a room → when it was opened; some may be over."""
        return f"{self._root}{{rooms}}:opened"

    def state(self, code: str) -> str:
        """HASH: room_id, host, next_index, active_at_ms, want:<language> → how many."""
        return f"{self._root}{{room:{code}}}:state"

    def members(self, code: str) -> str:
        """HASH: session id → JSON of its seat."""
        return f"{self._root}{{room:{code}}}:members"

    def listeners(self, code: str) -> str:
        """HASH: id of who only listens → JSON of its seat."""
        return f"{self._root}{{room:{code}}}:listeners"

    def captions(self, code: str) -> str:
        """STREAM: JSON of the captions of the last minutes."""
        return f"{self._root}{{room:{code}}}:captions"


class MirrorKeys(_Entity):
    """What older tools read; nothing here decides by it."""

    def node(self, node_id: str) -> str:
        """HASH: what a node can do and does, flat; ends if a setting says so."""
        return f"{self._root}nodes:caps:{{node:{node_id}}}"

    def session(self, session_id: str) -> str:
        """HASH: node_id, trace_id, updated_at of a session's latest job."""
        return f"{self._root}sessions:bind:{{session:{session_id}}}"

    def statistics(self) -> str:
        """STRING: the statistics that every instance serves."""
        return f"{self._root}stats:snapshot"


def pick_shard(entity: str, shards: int) -> int:
    """Return the timer shard of an entity: the same on every instance and after every restart."""
    return zlib.crc32(entity.encode()) % shards
