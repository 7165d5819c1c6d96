"""`/v1/events`: what a member does, told as it happens."""

import json
import time

from checks_http import equal, eventually, true
from checks_http_quorum import leader_of


class Events:
    """Reads a member's stream: what happened, and the states."""

    def __init__(self, member):
        self.request = member.client.stream("GET", "/v1/events", timeout=10)
        self.answer = self.request.__enter__()
        self.lines = self.answer.iter_lines()

    def __iter__(self):
        name, data = "message", ""
        for line in self.lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif not line and data:
                yield name, json.loads(data)
                name, data = "message", ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.request.__exit__(None, None, None)

    def until(self, wanted, seconds=10):
        """All that came up to the first that is wanted."""
        end, seen = time.monotonic() + seconds, []
        for name, data in self:
            seen.append((name, data))
            if wanted(name, data):
                return seen
            true(time.monotonic() < end, f"not within {seconds} s; the last were {seen[-5:]}")
        raise AssertionError("the stream ended")


def kind(which, **more):
    return lambda name, data: name == "message" and data["kind"] == which and all(data.get(k) == v for k, v in more.items())


def check_a_write_is_seen_on_its_way(cluster, members):
    leader = members[leader_of(members)]
    with Events(leader) as events:
        equal(events.answer.headers["content-type"], "text/event-stream")
        name, state = next(iter(events))
        equal((name, state["role"]), ("state", "LEADER"))
        leader.v1("kv/set", {"key": leader.key(), "value": {"data": "x"}})
        index = leader.get("/v1/cluster/status").json()["last_log_index"]
        seen = [data for name, data in events.until(kind("committed", index=index)) if name == "message"]
        kinds = [data["kind"] for data in seen]
        true("appended" in kinds and "durable" in kinds, f"appended and durable before committed: {kinds}")
        sent = [data for data in seen if data["kind"] == "sent" and data.get("entries")]
        true({data["peer"] for data in sent} <= {"n1", "n2", "n3"} and sent, "entries go to the others, by name")
        numbers = [data["sequence"] for data in seen]
        equal(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        events.until(lambda name, data: name == "state" and all("round_trip_us" in m for m in data["members"] if "connected" in m))


def check_an_election_is_told_in_full(cluster, members):
    old = leader_of(members)
    target = (old + 1) % len(members)
    with Events(members[target]) as events:
        next(iter(events))
        equal(members[old].v1("cluster/transfer-leadership", {"name": f"n{target + 1}"}).json()["status"], "OK")
        seen = [data["kind"] for name, data in events.until(kind("became_leader")) if name == "message"]
        for wanted in ["campaign", "vote_received", "became_leader"]:
            true(wanted in seen, f"{wanted} in {seen}")


def check_under_load_what_is_frequent_is_sampled(cluster, members):
    leader = members[leader_of(members)]
    with Events(leader) as events:
        began = time.monotonic()
        count = 0
        while time.monotonic() - began < 2:
            leader.v1("kv/transact", {"operations": [{"set": {"key": "load", "value": {"data": "x"}}}] * 50})
            count += 1
        told = 0
        for name, data in events:
            told += name == "message"
            if time.monotonic() - began > 3:
                break
        true(told < 3 * 20 * 45, f"{told} told of {count} writes")


def check_watchers_are_bounded_and_let_go(cluster, members):
    def opened():
        open_streams = []
        try:
            for _ in range(70):
                open_streams.append(Events(members[0]))
            statuses = [stream.answer.status_code for stream in open_streams]
            return statuses.count(200), statuses.count(429)
        finally:
            for stream in open_streams:
                stream.__exit__()
    # A watcher of the check before may not be forgotten yet.
    eventually(lambda: opened() == (64, 6), "64 may watch, and no more")

    def free():
        with Events(members[0]) as events:
            return events.answer.status_code == 200
    eventually(free, "those that left are forgotten")
