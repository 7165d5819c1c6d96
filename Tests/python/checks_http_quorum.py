"""The laboratory's questions over HTTP: what still works when members are gone. These leave the cluster as they found it."""

import signal
import threading
import time

import httpx
from checks_http import equal, eventually, true, wait_until_ready


def leader_of(members):
    """The place of the member that leads."""
    found = []

    def look():
        found[:] = [i for i, member in enumerate(members) if member.get("/v1/cluster/status").json()["role"] == "LEADER"]
        return len(found) == 1
    eventually(look, "one member leads")
    return found[0]


def check_what_one_member_acknowledged_the_others_read(cluster, members):
    for i, writer in enumerate(members):
        key = writer.key()
        equal(writer.post(f"/keys/{key}", {"type": "PUT", "value": [f"from {i}"]}).status_code, 204)
        for reader in members:
            equal(reader.get(f"/keys/{key}").json(), [f"from {i}"])


def check_leadership_is_handed_over_on_request(cluster, members):
    old = leader_of(members)
    target = (old + 1) % len(members)
    equal(members[target].v1("cluster/transfer-leadership", {"name": f"n{target + 1}"}).json()["status"], "NOT_LEADER")
    equal(members[old].v1("cluster/transfer-leadership", {"name": f"n{target + 1}"}).json()["status"], "OK")
    eventually(lambda: leader_of(members) == target, "the other leads")
    equal(members[old].v1("cluster/transfer-leadership", {}).json()["status"], "NOT_LEADER")


def check_without_a_quorum_a_write_is_503_within_5_s_and_never_204(cluster, members):
    leader = leader_of(members)
    others = [i for i in range(len(members)) if i != leader]
    for i in others:
        cluster.processes[i].kill()
        cluster.processes[i].wait()
    key = members[leader].key()
    answers = []

    def ask(request):
        began = time.monotonic()
        answers.append((request(), time.monotonic() - began))
    requests = [lambda: members[leader].post(f"/keys/{key}", {"type": "PUT", "value": ["lost?"]}),
                lambda: members[leader].post(f"/keys/{key}", {"type": "APPEND", "value": "lost?"}),
                lambda: members[leader].get(f"/keys/{key}"),
                lambda: members[leader].v1("kv/set", {"key": key, "value": {"data": "x"}}),
                lambda: members[leader].v1("kv/get", {"key": key}),
                lambda: members[leader].v1("cluster/open-session")]
    for delay in [0, 1.0]:
        time.sleep(delay)
        threads = [threading.Thread(target=ask, args=[request]) for request in requests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    equal(len(answers), 2 * len(requests))
    for answer, seconds in answers:
        equal(answer.status_code, 503)
        true("retry-after" in answer.headers, "it says when to try again")
        true(seconds < 5, f"answered after {seconds:.1f} s")
    status = members[leader].get("/admin/status").json()
    equal((status["has_quorum"], status["leader"]), (False, None))
    equal(sorted(value for name, value in status.items() if name.startswith("partner_node_status")), [0, 0])
    equal(members[leader].get("/readyz").status_code, 503)
    equal(members[leader].get("/livez").status_code, 200)
    equal(members[leader].v1("kv/get", {"key": key, "consistency": "LOCAL"}).status_code, 200)
    for i in others:
        cluster.restart(i)
    wait_until_ready(members)


def check_a_write_during_an_election_is_applied_at_most_once(cluster, members):
    leader = leader_of(members)
    rest = [member for i, member in enumerate(members) if i != leader]
    key = rest[0].key()
    acknowledged = []
    cluster.processes[leader].kill()
    cluster.processes[leader].wait()
    for i in range(20):
        answer = rest[i % 2].post(f"/keys/{key}", {"type": "APPEND", "value": f"{i}"})
        true(answer.status_code in (204, 503), f"{answer.status_code}: {answer.text}")
        if answer.status_code == 204:
            acknowledged.append(f"{i}")
    found = rest[0].get(f"/keys/{key}").json()
    equal(len(found), len(set(found)))
    true(set(acknowledged) <= set(found), "what was acknowledged is there")
    true(acknowledged, "the two that are left elect a leader and serve")
    cluster.restart(leader)
    wait_until_ready(members)
    equal(members[leader].get(f"/keys/{key}").json(), found)


def check_a_member_stops_in_time_with_idle_and_open_connections(cluster, members):
    victim = (leader_of(members) + 1) % len(members)
    with httpx.stream("GET", f"http://{members[victim].address}/v1/events"):
        members[victim].get("/livez")
        process = cluster.processes[victim]
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        equal(process.wait(6), 0)
        true(time.monotonic() - began < 5, "within five seconds")
    cluster.restart(victim)
    wait_until_ready(members)
