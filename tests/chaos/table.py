"""The one table that a run ends with."""

from collections import Counter
from typing import TYPE_CHECKING

from tests.chaos.checker import list_left, read_utterances, split_uses
from tests.chaos.records import NodeDid, Records, SpeakerDid
from tests.chaos.words import Words

if TYPE_CHECKING:
    from tests.chaos.run import Chaos

_MOST_TOLD = 40
_MOST_SHOWN = 20


def describe(chaos: "Chaos") -> str:
    """Return what was done, what came of it, and what was broken."""
    words = chaos.records.words
    rows = [
        ("seed, seconds", f"{chaos.seed}, {chaos.seconds:g}"),
        *((f"fault: {kind}", str(count)) for kind, count in sorted(chaos.scene.done.items())),
        *_describe_utterances(chaos.records),
        ("attempts assigned", str(_count_attempts(chaos.records))),
        ("of those, second and later attempts", str(_count_retries(chaos.records))),
        ("words streamed", str(sum(len(each.words) for each in words.sentences))),
        ("sentences, ended on another socket, cut off", _describe_sentences(words)),
        ("chunks sent again", str(words.sent_again)),
        ("indices used again after a refusal", str(_count_used_again(chaos.records))),
        ("attempts heard while spoken", str(words.streams)),
        ("partial translations", str(len(words.grown))),
        ("sessions resumed", str(sum(speaker.moves for speaker in chaos.speakers))),
        ("rooms, utterances heard in them", _describe_rooms(chaos)),
        ("nodes back on another socket", str(sum(node.moves for node in chaos.nodes))),
        ("moments leases were counted", str(chaos.records.samples)),
        ("exit codes of drained instances", _join(Counter(chaos.scene.exit_codes))),
        ("violations", _join(Counter(each.promise for each in chaos.violations)) or "none"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    for each in chaos.violations[:_MOST_SHOWN]:
        lines.append(f"  {each.promise}: {each.what}")
        lines += [f"    {what}" for what in _tell(chaos.records, each.what)]
    return "\n".join([*lines, ""])


def _describe_rooms(chaos: "Chaos") -> str:
    heard = {said for room in chaos.rooms for peer in room.peers for said in peer.texts}
    return f"{len(chaos.rooms)}, {len(heard)}"


def _tell(records: Records, what: str) -> list[str]:
    """Return what happened to the session a violation is about: the end of it, by its clock."""
    named = [word.strip(":,") for word in what.split()]
    happened = [
        (event.at_s, f"{event.did.value} {event.index} on socket {event.socket} {event.text}")
        for event in records.speakers
        if event.session_id in named
        and ("utterance" not in named or event.index < 0 or str(event.index) in named)
    ]
    for session_id in records.words.happened.keys() & set(named):
        happened += records.words.happened[session_id]
    return [f"{at_s % 10_000:.2f} {text}" for at_s, text in sorted(happened)[-_MOST_TOLD:]]


def _describe_utterances(records: Records) -> list[tuple[str, str]]:
    utterances = read_utterances(records)
    left = list_left(records)
    answered, refused, unowed, again = 0, Counter[str](), 0, 0
    for (session_id, _), told in utterances.items():
        if not told.outcomes:
            unowed += session_id in left
            continue
        again += len(told.outcomes) - 1
        first = told.outcomes[0]
        if first.did is SpeakerDid.ANSWERED:
            answered += 1
        else:
            refused[first.text] += 1
    return [
        ("utterances", str(len(utterances))),
        ("answered", str(answered)),
        *((f"refused: {reason}", str(count)) for reason, count in sorted(refused.items())),
        ("their speaker left for good", str(unowed)),
        ("told again after a resume", str(again)),
        ("longest wait for an answer", f"{_find_longest_wait(records):.1f} s"),
    ]


def _find_longest_wait(records: Records) -> float:
    said: dict[tuple[str, int], float] = {}
    longest_s = 0.0
    for event in records.speakers:
        utterance = (event.session_id, event.index)
        if event.did is SpeakerDid.SAID:
            said.setdefault(utterance, event.at_s)
        elif event.did in {SpeakerDid.ANSWERED, SpeakerDid.REFUSED} and utterance in said:
            longest_s = max(longest_s, event.at_s - said.pop(utterance))
    return longest_s


def _count_used_again(records: Records) -> int:
    told = read_utterances(records).values()
    return sum(len(split_uses(each.outcomes, records.words)) - 1 for each in told)


def _describe_sentences(words: Words) -> str:
    resumed = sum(each.is_resumed and not each.is_broken for each in words.sentences)
    broken = sum(each.is_broken for each in words.sentences)
    return f"{len(words.sentences)}, {resumed}, {broken}"


def _count_attempts(records: Records) -> int:
    return sum(event.did is NodeDid.ASSIGNED for event in records.nodes)


def _count_retries(records: Records) -> int:
    return sum(event.did is NodeDid.ASSIGNED and event.attempt > 1 for event in records.nodes)


def _join(counts: "Counter[str] | Counter[int]") -> str:
    return ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
