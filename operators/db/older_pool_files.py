"""Older configurations: ``[scheduler.phase3]`` in the words of today."""

from typing import Any

OLDER_TABLE = "scheduler"
_SWITCHES = {
    "enabled": "enabled",
    "mode": "mode",
    "pool_count": "pool_count",
    "fallback_scan_all_pools": "fallback_scan_all",
    "pool_match_scope": "match_scope",
    "pool_match_mode": "match_mode",
    "strict_pool_eligibility": "strict_eligibility",
    "auto_generate_language_pools": "auto_language",
    "enable_session_affinity": "session_affinity",
    "tenant_fallback": "tenant_fallback",
    "strict_preferred_node": "strict_preferred_node",
}
_AUTO_SWITCHES = {
    "min_nodes_per_pool": "min_nodes_per_pool",
    "max_pools": "max_pools",
    "pool_naming": "naming",
    "require_semantic": "require_semantic",
    "enable_mixed_pools": "enable_mixed",
}
# What an installation sets, not its operators.
_SETTINGS = {
    "hash_seed": "LINGUA_POOLS_HASH_SEED",
    "random_sample_size": "LINGUA_RANDOM_SAMPLE_SIZE",
}
_LANGUAGES = ("asr_languages", "tts_languages", "semantic_languages")
_POOL_KEYS = {"pool_id", "name", "required_services", "language_requirements"}

Table = dict[str, Any]


def translate(told: Table, faults: list[str]) -> tuple[Table, tuple[str, ...]]:
    """Return an older configuration as a file of today, and what of it belongs elsewhere."""
    scheduler = told[OLDER_TABLE]
    place = f"{OLDER_TABLE}.phase3"
    older = scheduler.get("phase3") if isinstance(scheduler, dict) else None
    if not isinstance(older, dict):
        faults.append(f"{place}: the file has no such table, so it says nothing of pools")
        return {}, ()
    notes = ["docs/migration.md says where all but [scheduler.phase3] belongs"]
    switches: Table = {}
    for key, value in older.items():
        if key in _SWITCHES:
            switches[_SWITCHES[key]] = value
        elif key in _SETTINGS:
            notes.append(f"{place}.{key}: set {_SETTINGS[key]}={value}")
        elif key == "auto_pool_config":
            _translate_auto(value, switches, place, faults)
        elif key not in {"pools", "tenant_overrides"}:
            faults.append(f"{place}.{key}: there was no such key")
    file: Table = {
        "pools": [
            _translate_pool(pool, f"{place}.pools[{number}]", faults)
            for number, pool in enumerate(_list(older, "pools", place, faults), 1)
        ],
        "tenants": [
            _translate_tenant(each, f"{place}.tenant_overrides[{number}]", faults)
            for number, each in enumerate(_list(older, "tenant_overrides", place, faults), 1)
        ],
    }
    if switches:
        file["switches"] = switches
    return file, tuple(notes)


def _list(older: Table, key: str, place: str, faults: list[str]) -> list[Table]:
    found = older.get(key, [])
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        return found
    faults.append(f"{place}.{key}: a list of tables")
    return []


def _translate_auto(value: Any, switches: Table, place: str, faults: list[str]) -> None:
    if not isinstance(value, dict):
        faults.append(f"{place}.auto_pool_config: a table")
        return
    for key, chosen in value.items():
        if key in _AUTO_SWITCHES:
            switches[_AUTO_SWITCHES[key]] = chosen
        else:
            faults.append(f"{place}.auto_pool_config.{key}: there was no such key")


def _translate_pool(pool: Table, place: str, faults: list[str]) -> Table:
    faults += [f"{place}.{key}: there was no such key" for key in sorted(pool.keys() - _POOL_KEYS)]
    new: Table = {"required": pool.get("required_services", [])}
    if "pool_id" in pool:
        new["pool_id"] = _name_pool(pool["pool_id"])
    if "name" in pool:
        new["name"] = pool["name"]
    wanted = pool.get("language_requirements", {})
    if not isinstance(wanted, dict):
        faults.append(f"{place}.language_requirements: a table")
        return new
    languages: set[str] = set()
    for key, value in wanted.items():
        where = f"{place}.language_requirements.{key}"
        if key == "nmt_requirements" and isinstance(value, dict):
            languages.update(_list_texts(value.get("languages", []), where, faults))
            faults += [
                f"{where}.{name}: pairs come from what nodes declare; leave it out"
                for name in ("supported_pairs", "blocked_pairs")
                if value.get(name)
            ]
        elif key in _LANGUAGES:
            languages.update(_list_texts(value, where, faults))
        else:
            faults.append(f"{where}: there was no such key")
    if languages:
        new["languages"] = sorted(languages)
    return new


def _translate_tenant(tenant: Table, place: str, faults: list[str]) -> Table:
    unknown = sorted(tenant.keys() - {"tenant_id", "pool_id"})
    faults += [f"{place}.{key}: there was no such key" for key in unknown]
    if "pool_id" not in tenant:
        faults.append(f"{place}.pool_id: missing")
    new: Table = {"pool": _name_pool(tenant.get("pool_id", ""))}
    if "tenant_id" in tenant:
        new["tenant_id"] = tenant["tenant_id"]
    return new


def _name_pool(pool_id: Any) -> Any:
    """Return an id as a text: older ones were numbers."""
    is_number = isinstance(pool_id, int) and not isinstance(pool_id, bool)
    return str(pool_id) if is_number else pool_id


def _list_texts(value: Any, place: str, faults: list[str]) -> list[str]:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    faults.append(f"{place}: a list of texts")
    return []
