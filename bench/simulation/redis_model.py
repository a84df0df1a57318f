"""What Redis does for a job, in Python: the scripts of `lua/` on the path of a job, step by step.

`routes.ComparedExecutor` sends every command to this model and to the real scripts and refuses any
difference. Nothing expires but leases, so a simulation must be shorter than the shortest life of a
key; the counters mirrored for operators (`cap`) and the decision records, which nobody reads on
the path of a job, are not kept.
"""

import collections
from collections.abc import Callable, Sequence
from typing import Any

from bench.simulation import hedges, tenants
from bench.simulation.due_timers import DueTimers
from bench.simulation.job_records import (
    OPEN,
    WITH_NODE,
    Record,
    as_text,
    is_live,
    list_ids,
    tell_attempts,
    tell_step,
    why_not_requeued,
)
from bench.simulation.speeds import SpeedsModel
from bench.simulation.standings import StandingsModel

Leases = dict[str, int]
_ENDED = frozenset(("DONE", "FAILED", "CANCELLED", "RELEASED"))
_TO_PLACE = frozenset(("SELECTING", "RETRYING", "RESERVED"))
LONGEST_SPAN_S = 240
"""Shorter than the life of a binding or an outcome, the first keys that would expire."""


class RedisModel:
    """One Redis, or a cluster of them: who owns which key changes nothing here."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._leases: dict[str, Leases] = {}
        self._standings = StandingsModel()
        self._speeds = SpeedsModel()
        self._texts: dict[str, str] = {}
        self._timers: dict[str, DueTimers] = collections.defaultdict(DueTimers)
        self._scripts: dict[str, Callable[[Sequence[str], Sequence[Any], int], list[Any]]] = {
            "reserve_slot": self._reserve_slot,
            "commit_slot": self._commit_slot,
            "finish_slot": self._finish_slot,
            "release_slot": self._release_slot,
            "judge_node": self._judge_node,
            "create_job": self._create_job,
            "place_job": self._place_job,
            "advance_job": self._advance_job,
            "dispatch_job": self._dispatch_job,
            "requeue_job": self._requeue_job,
            "hedge_job": self._hedge_job,
            "finish_job": self._finish_job,
            "release_job": self._release_job,
            "arm_timer": self._arm_timer,
            "pop_due_timers": self._pop_due_timers,
            "note_decision": lambda _keys, _args, _now: [1],
            "admit_tenant": self._admit_tenant,
            "take_share": self._take_share,
        }

    def run_script(self, name: str, keys: Sequence[str], args: Sequence[Any], now: int) -> Any:
        """Return what the script `name` would reply at the moment `now` (ms)."""
        return self._scripts[name](keys, args, now)

    def execute(self, name: str, *args: Any) -> Any:
        """Return what redis-py makes of the reply to a plain command."""
        match name, args:
            case "HGETALL", (key,):
                return dict(self._records.get(key, {}))
            case "HGET", (key, field):
                return self._records.get(key, {}).get(field)
            case "HMGET", (key, *fields):
                known = self._records.get(key, {})
                return [known.get(field) for field in fields]
            case "HSET", (key, *pairs):
                record = self._records.setdefault(key, {})
                told = dict(zip(pairs[::2], map(as_text, pairs[1::2]), strict=True))
                added = len(told.keys() - record.keys())
                record.update(told)
                return added
            case "GET", (key,):
                return self._texts.get(key)
            case "SET", (key, value, *_):
                self._texts[key] = as_text(value)
                return True
            case "ZREM", (key, *members):
                leases = self._timers[key].due if key in self._timers else self._leases.get(key, {})
                return sum(leases.pop(member, None) is not None for member in members)
            case "ZCARD", (key,):
                return len(self._leases.get(key, ()))
            case _:
                raise NotImplementedError(name)

    def _live(self, key: str, now: int) -> Leases:
        leases = self._leases.get(key)
        if leases is None:
            leases = self._leases[key] = {}
        for attempt in [one for one, ends_at in leases.items() if ends_at <= now]:
            del leases[attempt]
        return leases

    def _reserve_slot(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        info = self._records.get(keys[0])
        attempt, length_ms, epoch, stale_ms, services, forced, _ = args
        if (
            info is None
            or info["status"] == "offline"
            or info["conn_epoch"] != str(epoch)
            or int(info["heartbeat_at_ms"]) + stale_ms < now
        ):
            return [0, "offline", 0]
        resv, run = self._live(keys[1], now), self._live(keys[2], now)
        load = len(resv) + len(run)
        if attempt in run:
            return [1, load, "already"]
        if attempt in resv:
            resv[attempt] = now + length_ms
            return [1, load, "already"]
        if info["status"] != "ready" or info.get("draining") == "1":
            return [0, "not_ready", load]
        if int(info["max"]) <= 0:
            return [0, "no_capacity", load]
        if load >= int(info["max"]):
            return [0, "full", load]
        held_back = "" if forced else self._standings.why_held_back(keys[0], load, now)
        if held_back:
            return [0, held_back, load]
        marks = self._leases.get(keys[3])
        if marks and any(marks.get(service, 0) > now for service in services.split(",")):
            return [0, "service_unavailable", load]
        resv[attempt] = now + length_ms
        self._standings.spend("" if forced else keys[0])
        return [1, load + 1, "reserved"]

    def _commit_slot(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        attempt, length_ms, _ = args
        most = int(self._records.get(keys[0], {}).get("max", 0))
        resv, run = self._live(keys[1], now), self._live(keys[2], now)
        load = len(resv) + len(run)
        if attempt in run:
            return [1, load, "already"]
        if attempt in resv:
            del resv[attempt]
            run[attempt] = now + length_ms
            return [1, load, "committed"]
        if load >= most:
            return [0, "full", load]
        run[attempt] = now + length_ms
        return [1, load + 1, "late"]

    def _finish_slot(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        resv, run = self._live(keys[1], now), self._live(keys[2], now)
        attempt, ending, rules, services, rate, _ = args
        was_running = run.pop(attempt, None) is not None
        was_reserved = resv.pop(attempt, None) is not None
        held = "run" if was_running else "resv" if was_reserved else "none"
        is_judged = held != "none" and keys[0] in self._records
        told = self._standings.judge(keys[0], ending, attempt, now, rules) if is_judged else None
        news = self._speeds.note(keys[0], services, rate, now) if is_judged else ""
        return [1, len(resv) + len(run), held, news, *(told or ())]

    def _judge_node(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        word, subject, rules, key = *args[:3], keys[0]
        told = key in self._records and self._standings.judge(key, word, subject, now, rules)
        return [1, *told] if told else [0, "unchanged"]

    def _release_slot(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        resv, run = self._live(keys[1], now), self._live(keys[2], now)
        held = "none" if resv.pop(args[0], None) is None else "resv"
        return [1, len(resv) + len(run), held]

    def _create_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        job, payload, utterance, request, *_ = keys
        job_id, node_id, deadline_ms, frame, _, _, _, _, _, _, _, _, *facts = args
        bound = self._texts.get(utterance) or self._texts.get(request)
        if bound:
            return [1, now] if bound == job_id else [0, "exists", bound]
        state = "RESERVED" if node_id else "SELECTING"
        self._texts[utterance] = self._texts[request] = job_id
        self._texts[payload] = as_text(frame)
        record = dict(zip(facts[::2], map(as_text, facts[1::2]), strict=True))
        moment = str(now)
        record |= {
            "job_id": job_id,
            "state": state,
            "attempt": "1",
            "node_id": node_id,
            "node:1": node_id,
            "created_at_ms": moment,
            "deadline_at_ms": str(now + deadline_ms),
            "at:1:NEW": moment,
            f"at:1:{state}": moment,
        }
        self._records[job] = record
        return [1, now]

    def _place_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        attempt, node_id, deadline_ms, stands_at, _ = args
        record = self._records.get(keys[0])
        if record is None:
            return [0, "not_found"]
        if record["attempt"] != str(attempt):
            return [0, "stale_attempt"]
        if "hedge" in record or record["state"] not in _TO_PLACE:
            return [0, "illegal", record["state"]]
        if stands_at != "*" and record["node_id"] not in (stands_at, node_id):
            return [0, "elsewhere", record["node_id"]]
        state = "RESERVED" if node_id else "SELECTING"
        record |= {
            "state": state,
            "node_id": node_id,
            f"node:{attempt}": node_id,
            f"at:{attempt}:{state}": str(now),
        }
        if deadline_ms != "":
            record["deadline_at_ms"] = str(now + deadline_ms)
        return [1, state]

    def _advance_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        attempt, node_id, target, deadline_ms, _ = args
        record = self._records.get(keys[0])
        if record is None:
            return [0, "not_found"]
        state = record["state"]
        if record["attempt"] != str(attempt) or record["node_id"] != node_id:
            is_beside = state in OPEN and is_live(record, str(attempt), node_id)
            if not is_beside:
                return [0, "stale_attempt"]
            age = hedges.step_hedge(record, attempt, target, deadline_ms, now)
            return [0, "beside", state, *age]
        if state not in hedges.ORDER:
            return [0, "illegal", state]
        if hedges.ORDER[state] >= hedges.ORDER[target]:
            return [0, "already", state]
        record |= {"state": str(target), f"at:{attempt}:{target}": str(now)}
        if deadline_ms != "" and hedges.ORDER[state] < hedges.ORDER["ACKED"]:
            record["deadline_at_ms"] = str(now + deadline_ms)
        return tell_step(record, attempt=attempt, before=state, target=target, now=now)

    def _dispatch_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        attempt, node_id, *_ = args
        record = self._records.get(keys[0])
        if record is None:
            return [0, "not_found"]
        if hedges.is_hedge(record, attempt, node_id):
            hedges.step_hedge(record, attempt, "DISPATCHED", "", now)
            return [1, record["state"], "already"]
        if record["attempt"] != str(attempt) or record["node_id"] != node_id:
            return [0, "stale_attempt"]
        state = record["state"]
        if state != "RESERVED":
            return [1, state, "already"]
        record |= {"state": "DISPATCHED", f"at:{attempt}:DISPATCHED": str(now)}
        return [1, state]

    def _requeue_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        number, node_id, reason, reported, most, most_reported, pending_ms, *more = args
        is_left_live, failure, spares, call, _ = more
        record, attempt = self._records.get(keys[0]), str(number)
        if record is None:
            return [0, "not_found"]
        state, current = record["state"], record["attempt"]
        if record.get("requeued_by") == call and state == "RETRYING":
            return tell_attempts("begun", record)
        if record.get("left_by") == call and state in OPEN:
            return tell_attempts("left", record)
        is_hedge = attempt != current and record.get("hedge") == attempt
        is_beside = attempt != current and is_live(record, attempt, node_id)
        is_beside &= is_hedge or not is_left_live
        why_not = why_not_requeued(record, attempt, node_id, is_beside=is_beside)
        if why_not:
            return [0, *why_not]
        promotes, hedged = not is_beside and "hedge" in record, int(record.get("hedged", 0))
        spared = min(int(record.get("spared", 0)) + spares, most)
        reports = int(record.get("reported", 0)) + reported * (1 - spares)
        tries = number - spared - (0 < hedged <= number)
        if not (is_beside or promotes) and (tries > most or reports > most_reported):
            return [0, "exhausted"]
        live_until = int(record.get("live_until_ms", 0))
        live = hedges.list_live(
            record, attempt, beside=is_beside, promotes=promotes, stays=bool(is_left_live)
        )
        if is_left_live:
            live_until = max(live_until, int(record["deadline_at_ms"]))
        waits = is_beside and state not in WITH_NODE
        since = int(record[f"at:{current}:{state}"]) if waits else now
        deadline = max(since + pending_ms, now, live_until if live else 0)
        fields = {
            f"failure:{attempt}": reason,
            "live": live,
            "live_until_ms": str(live_until),
            "first_failure": record.get("first_failure") or as_text(failure),
            f"answered:{attempt}": str(reported),
            "failed_on": record.get("failed_on", ""),
        }
        if is_hedge or not is_beside:
            # Empty: the node surely never had the attempt.
            holder = "" if is_left_live == "" else node_id
            had = [*list_ids(record, "failed_on"), *filter(None, [holder])]
            fields |= {f"node:{attempt}": holder, "failed_on": ",".join(had)}
        if is_beside or promotes:
            hedges.leave_to_other(
                record, attempt, fields, call=call, deadline=deadline, promotes=promotes
            )
            return tell_attempts("left", record)
        newest = max(number, hedged) + 1
        record |= fields | {
            "state": "RETRYING",
            "attempt": str(newest),
            "node_id": "",
            "reported": str(reports),
            "spared": str(spared),
            "deadline_at_ms": str(deadline),
            "requeued_by": call,
            f"at:{newest}:RETRYING": str(now),
        }
        return tell_attempts("begun", record)

    def _hedge_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        return hedges.begin_hedge(self._records.get(keys[0]), args, now)

    def _finish_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        job_id, attempt, node_id, target, reason, text, outcome_ms, _, call, _ = args
        record = self._records.get(keys[0])
        if record is None:
            return [0, "not_found"]
        state, current = record["state"], record["attempt"]
        by = current if attempt == "" else str(attempt)
        if record.get("ended_by") != call or state == "RELEASED":
            holder = record.get(f"node:{by}", record["node_id"] if by == current else None)
            has_answered = record.get(f"answered:{by}") == "1"
            is_late = by != current and (target != "DONE" or has_answered)
            if attempt != "" and (node_id == "" or holder != node_id or is_late):
                return [0, "stale_attempt"]
            if state in _ENDED:
                return [0, "already", state]
            if target == "DONE" and attempt == "" and state not in WITH_NODE:
                return [0, "illegal", state]
            record |= {
                "state": str(target),
                "ended_as": str(target),
                "reason": reason,
                "ended_by": call,
                "ended_from": state,
                "ended_at_ms": str(now),
                "deadline_at_ms": str(now + outcome_ms),
                f"at:{by}:{target}": str(now),
            }
            if by != current:
                record |= {"ended_attempt": by, "node_id": node_id}
            self._texts.pop(keys[1], None)
            self._texts[keys[2]] = as_text(text)
            self._leases.setdefault(keys[3], {})[job_id] = int(record["utterance_index"])
        age = int(record["ended_at_ms"]) - int(record["created_at_ms"])
        node = record["node_id"] if attempt == "" else node_id
        others = [
            told
            for other in [*list_ids(record, "live"), current]
            if other != by and (held := record.get(f"node:{other}"))
            for told in (other, held)
        ]
        return [1, record["ended_from"], node, by, age, *others]

    def _release_job(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        record = self._records.get(keys[0])
        if record is None:
            return [0, "not_found"]
        if record["state"] == "RELEASED":
            return [0, "already"]
        if record["state"] not in _ENDED:
            return [0, "illegal", record["state"]]
        self._leases.get(keys[1], {}).pop(args[0], None)
        record |= {"state": "RELEASED", f"at:{record['attempt']}:RELEASED": str(now)}
        return [1]

    def _arm_timer(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        entity, delay_ms, _ = args
        self._timers[keys[0]].add(entity, now + delay_ms)
        return [1, now + delay_ms]

    def _pop_due_timers(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        most, lease_ms, _ = args
        timers = self._timers[keys[0]]
        due = timers.pop(now=now, most=most)
        for entity in due:
            timers.add(entity, now + lease_ms)
        return [1, now, *due]

    def _admit_tenant(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        bucket = self._records.setdefault(keys[1], {})
        return tenants.admit(self._live(keys[0], now), bucket, args, now)

    def _take_share(self, keys: Sequence[str], args: Sequence[Any], now: int) -> list[Any]:
        return tenants.take_share(self._live(keys[0], now), self._live(keys[1], now), args, now)
