"""After the storm: does everybody agree, is everything there, and was every answer right? Imported once the stubs are there."""

import bisect
import collections
import itertools
import re
import subprocess
import time

import grpc
from swiftwater.v1 import cluster_pb2, kv_pb2, kv_pb2_grpc

from storm_load import BIG, NO, OK, UNKNOWN, text
from storm_members import CHANNEL

# After the last fault, on a machine that does other things as well.
CALM_SECONDS = 30
BATCH = 500
# How long a majority that can speak with each other may acknowledge nothing, slow disks and busy machines included.
PATIENCE_SECONDS = 15


def first_write(cluster, timeline):
    """Waits until a write succeeds; after how many seconds, or None."""
    stubs = [kv_pb2_grpc.KVStub(grpc.insecure_channel(member.endpoint, options=CHANNEL)) for member in cluster.members]
    began = time.monotonic()
    for stub in itertools.cycle(stubs):
        try:
            stub.Set(kv_pb2.SetRequest(key=b"calm", value=kv_pb2.Value(data=b"calm")), timeout=2)
            return time.monotonic() - began
        except grpc.RpcError as error:
            if time.monotonic() - began > CALM_SECONDS:
                timeline.complain(f"no write within {CALM_SECONDS} s of the last fault: {error.code()} {error.details()}")
                return None
            cluster.look()
            time.sleep(0.05)


def same_state(cluster, timeline):
    """Waits, when nobody writes any more, until all members have applied the same; after how many seconds, or None."""
    began = time.monotonic()
    while True:
        cluster.look()
        try:
            found = [member.status() for member in cluster.members]
            if len({(status.last_log_index, status.commit_index, status.applied_index, status.revision, status.term) for status in found}) == 1:
                return time.monotonic() - began
            reason = "; ".join(f"{status.name} term {status.term} last {status.last_log_index} commit {status.commit_index} "
                               f"applied {status.applied_index}" for status in found)
        except grpc.RpcError as error:
            reason = f"{error.code()} {error.details()}"
        if time.monotonic() - began > CALM_SECONDS:
            timeline.complain(f"the members do not come to the same within {CALM_SECONDS} s: {reason}")
            return None
        time.sleep(0.05)


def listing(stub):
    """All keys of one member's own store."""
    request = kv_pb2.KeysRequest(consistency=kv_pb2.LOCAL)
    return [key for answer in stub.Keys(request, timeout=60) for key in answer.keys]


def values(stub, keys):
    """The values of all these keys, read from this member's store once it has caught up with the leader."""
    found = {}
    # Big ones apart: the results of a transaction have a limit.
    small = [key for key in keys if not key.startswith(b"b")]
    batches = [small[at:at + BATCH] for at in range(0, len(small), BATCH)] + [[key] for key in keys if key.startswith(b"b")]
    for batch in batches:
        operations = [kv_pb2.Operation(get=kv_pb2.GetRequest(key=key)) for key in batch]
        answer = stub.Transact(kv_pb2.TransactRequest(operations=operations), timeout=60)
        for key, result in zip(batch, answer.results):
            found[key.decode()] = text(result.get.value) if result.get.HasField("value") else None
    return found


def agree(cluster, timeline):
    """Every member's keys and values; complains when they differ. What the first one holds."""
    first = None
    for member in cluster.members:
        stub = kv_pb2_grpc.KVStub(grpc.insecure_channel(member.endpoint, options=CHANNEL))
        keys = listing(stub)
        if keys != sorted(set(keys)):
            timeline.complain(f"{member.name} lists its keys out of order, or twice")
        held = values(stub, keys)
        if first is None:
            first = held
            continue
        for key in sorted(first.keys() | held.keys()):
            if key not in first or key not in held or first[key] != held[key]:
                timeline.complain(f"{member.name} and n1 differ at {key}: {str(held.get(key))[:80]} and {str(first.get(key))[:80]}")
                break
    return first


def nothing_lost(history, held, timeline):
    """Each acknowledged write that nothing can have overwritten is there, and nothing that nobody wrote."""
    lost = [key for key, value in history.once.items() if held.get(key) != value]
    if lost:
        timeline.complain(f"{len(lost)} acknowledged sets are lost: {', '.join(lost[:10])}")
    strange = [key for key in held if key.startswith("s") and held[key] != history.once.get(key, history.once_unknown.get(key))]
    if strange:
        timeline.complain(f"{len(strange)} keys hold what nobody wrote: {', '.join(strange[:10])}")
    for key, (last, unknown) in history.big.items():
        value = held.get(key)
        tag = None if value is None else value.rstrip(".")
        if (tag, len(value or "")) not in {(last, BIG if last else 0), *((other, BIG) for other in unknown)}:
            timeline.complain(f"{key} holds {str(value)[:40]}, and the last acknowledged set was {last}")
    for key, items in history.items.items():
        there = held.get(key) or []
        known = dict(items)
        if len(set(there)) != len(there):
            timeline.complain(f"{key} holds an item twice: {[item for item, count in collections.Counter(there).items() if count > 1][:5]}")
        if foreign := [item for item in there if known.get(item, NO) == NO]:
            timeline.complain(f"{key} holds items that nobody appended, or that were certainly not applied: {foreign[:5]}")
        sure = [item for item, outcome in items if outcome == OK]
        if missing := [item for item in sure if item not in set(there)]:
            timeline.complain(f"{len(missing)} acknowledged items of {key} are lost: {missing[:5]}")
        elif [item for item in dict.fromkeys(there) if known.get(item) == OK] != sure:
            timeline.complain(f"{key} holds its acknowledged items in another order")


def record_final_reads(history, held):
    """What is there now is what a last client read: so the end, too, must follow from the history."""
    process = next(history.processes)
    for key in sorted(history.keys):
        now = time.monotonic_ns()
        history.record(process, "get", key, None, held.get(key), now, now + 1, OK, 1)


def check_history(binaries, path, timeline):
    """The same checker that the simulator uses. Says what it found."""
    began = time.monotonic()
    done = subprocess.run([f"{binaries}/swiftwater", "check-history", str(path)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        # A search that was given up is no proof of anything, and so no success either.
        verdict = "could not be judged" if ": undecided after " in said else "is rejected"
        timeline.complain(f"the history {verdict}: {said[-2000:]}")
    return f"{said.splitlines()[-1] if said else 'nothing said'} ({time.monotonic() - began:.1f} s)"


def longest_wait(times, able):
    """The longest time without an acknowledged write while a majority could speak with each other: (seconds, when it began)."""
    times, longest = sorted(times), (0.0, 0)
    for since, until in able:
        inside = times[bisect.bisect_left(times, since):bisect.bisect_right(times, until)]
        marks = [since, *inside, until]
        longest = max([longest, *(((after - before) / 1e9, before) for before, after in zip(marks, marks[1:]))])
    return longest


def figures(history, cluster, timeline, seconds, able):
    """What happened, in lines."""
    lines = []
    for op in sorted({op for op, _ in history.outcomes}):
        counts = [f"{history.outcomes.get((op, outcome), 0)} {outcome}" for outcome in (OK, NO, UNKNOWN)]
        lines.append(f"  {op:12} {', '.join(counts)}")
    total = sum(history.outcomes.values())
    lines.insert(0, f"operations: {total} in {seconds:.0f} s, {history.retried} writes repeated in their session until they were acknowledged")
    lines.append("faults: " + ", ".join(f"{count} {kind}" for kind, count in sorted(timeline.counts.items())))
    logs = "".join(member.log.read_text(errors="replace") for member in cluster.members)
    for words, what in [("became leader", "elections won"), ("stepped down", "leaders stepped down"), ("campaigning", "campaigns"),
                        ("asking whether", "pre-votes asked"), ("lost the connection", "connections lost"),
                        ("are replaced", "times entries without a majority were replaced"), ("a snapshot from the leader is installed", "snapshots installed"),
                        ("the log is cut behind", "times a log was cut behind a snapshot")]:
        lines.append(f"  {logs.count(words)} {what}")
    terms = re.findall(r"term=(\d+).*became leader", logs)
    if len(terms) != len(set(terms)):
        timeline.complain(f"two members led in one term: {[term for term, count in collections.Counter(terms).items() if count > 1][:5]}")
    status = cluster.members[0].status(5)
    lines.append(f"  term {status.term} at the end, {status.commit_index} entries, revision {status.revision}")
    times = sorted(history.acknowledged)
    if len(times) > 1:
        gaps = sorted(((after - before) / 1e9, (before / 1e9) - timeline.began) for before, after in zip(times, times[1:]))
        lines.append(f"acknowledged writes: {len(times)}; longest gaps: " + ", ".join(f"{gap:.2f} s (at {at:.0f} s)" for gap, at in reversed(gaps[-5:])))
    wait, at = longest_wait(times, able)
    lines.append(f"  longest wait while a majority could speak with each other: {wait:.2f} s (at {at / 1e9 - timeline.began:.0f} s); "
                 f"it could for {sum(until - since for since, until in able) / 1e9:.0f} s")
    if wait > PATIENCE_SECONDS:
        timeline.complain(f"no write was acknowledged for {wait:.1f} s (from {at / 1e9 - timeline.began:.0f} s on), though a majority could speak with each other")
    return lines


def roles(cluster):
    found = []
    for member in cluster.members:
        try:
            status = member.status()
            found.append(f"{member.name} {cluster_pb2.Role.Name(status.role).removeprefix('ROLE_').lower()} term {status.term}")
        except grpc.RpcError as error:
            found.append(f"{member.name} {error.code().name}")
    return ", ".join(found)
