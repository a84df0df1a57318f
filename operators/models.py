"""Every table of operators, where Django looks for them; each is written in `operators.db`."""

from operators.db.job_models import EndedJob
from operators.db.node_models import Cordon, FleetNode
from operators.db.pool_models import OwnedPool, PoolSwitches, TenantPolicy
from operators.db.probe_models import SpeechProbe
from operators.db.token_models import ApiToken, AuditChain, AuditEntry, FleetRight, NodeToken

__all__ = [
    "ApiToken",
    "AuditChain",
    "AuditEntry",
    "Cordon",
    "EndedJob",
    "FleetNode",
    "FleetRight",
    "NodeToken",
    "OwnedPool",
    "PoolSwitches",
    "SpeechProbe",
    "TenantPolicy",
]
