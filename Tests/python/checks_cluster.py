"""The cluster's commands: status, the log, membership."""

import grpc
from grpc import StatusCode
from member import equal, eventually, fails, op_append, op_set, true
from swiftwater.v1 import cluster_pb2


def log(member, **more):
    return list(member.cluster.RequestLog(cluster_pb2.RequestLogRequest(**more), timeout=20))


def check_status(member):
    member.set(member.key(), b"so that there is something")
    status = member.status()
    equal(status.address, member.endpoint)
    true(member.role(status) in ("LEADER", "FOLLOWER"), f"a healthy member is {member.role(status)}")
    true(status.term >= 1 and status.last_log_index >= 1 and status.revision >= 1, f"counters are missing: {status}")
    true(status.last_log_index >= status.commit_index >= status.applied_index >= 1, f"the indices are out of order: {status}")
    true(status.first_log_index == 1 and status.version and status.cluster_id and status.member_id, f"something is missing: {status}")
    equal(len(status.members), 1 + len(member.others))
    true(all(other.voter and other.name and other.address and other.id for other in status.members), f"incomplete: {status.members}")
    mine = [other for other in status.members if other.name == status.name]
    equal([(other.id, other.address) for other in mine], [(status.member_id, status.address)])
    equal([other.id for other in status.members], sorted(other.id for other in status.members))
    later = member.status()
    true(later.uptime_ms >= status.uptime_ms > 0, "uptime stands still")


def check_everybody_names_one_leader(member):
    everybody = [member, *member.others]

    def agreed():
        statuses = [other.status() for other in everybody]
        leaders = [status for status in statuses if member.role(status) == "LEADER"]
        return (len(leaders) == 1 and all(status.leader == leaders[0].name and status.leader_address == leaders[0].address
                and status.term == leaders[0].term and status.cluster_id == leaders[0].cluster_id for status in statuses))

    eventually(agreed, "one leader, named by all in one term")


def check_every_member_applies(member):
    member.set(member.key(), b"v")
    wanted = member.status().commit_index
    for other in member.others:
        eventually(lambda other=other: other.status().applied_index >= wanted, f"{other.endpoint} does not apply")


def check_request_log_shows_what_was_written(member):
    key, items = member.key(), member.key()
    before = member.status().last_log_index
    member.set(key, b"fox")
    member.append(items, item="cat")
    member.delete(key)
    member.transact(op_set(key, b"a"), op_append(key, suffix=b"b"))
    for other in [member, *member.others]:
        eventually(lambda other=other: other.status().commit_index >= before + 4, f"{other.endpoint} does not follow")
        entries = log(other, from_index=before + 1)
        commands = [entry for entry in entries if entry.kind == cluster_pb2.ENTRY_KIND_COMMAND][:4]
        equal([[operation.WhichOneof("request") for operation in entry.operations] for entry in commands],
              [["set"], ["append"], ["delete"], ["set", "append"]])
        equal([entry.transaction for entry in commands], [False, False, False, True])
        equal(commands[0].operations[0].set.key, key)
        equal(commands[0].operations[0].set.value.data, b"fox")
        equal(commands[1].operations[0].append.item, "cat")
        equal(commands[3].operations[1].append.suffix, b"b")
        true(all(entry.committed and entry.size > 0 for entry in commands), "committed or size is missing")


def check_request_log_is_in_order(member):
    last = member.status().last_log_index
    entries = log(member, limit=500)
    equal([entry.index for entry in entries], list(range(1, min(last, 500) + 1)))
    true(all(a.term <= b.term and a.time_ms <= b.time_ms for a, b in zip(entries, entries[1:])), "terms or times run backwards")
    true(any(entry.kind == cluster_pb2.ENTRY_KIND_NO_OPERATION for entry in entries), "no term's first entry in sight")
    true(all(entry.kind != cluster_pb2.ENTRY_KIND_UNSPECIFIED for entry in entries), "an entry of no kind")


def check_request_log_pages(member):
    equal([entry.index for entry in log(member, from_index=2, limit=3)], [2, 3, 4])
    equal([entry.index for entry in log(member, from_index=1, limit=1)], [1])
    equal(log(member, from_index=member.status().last_log_index + 1000), [])
    equal(log(member, from_index=2**63), [])


def check_membership_changes(member):
    """What cannot be done is refused and changes nothing; one that does not lead says who does."""
    before = member.status()
    for call in (lambda: member.cluster.AddServer(cluster_pb2.AddServerRequest(name="n9", address="127.0.0.1:9"), timeout=10),
                 lambda: member.cluster.RemoveServer(cluster_pb2.RemoveServerRequest(name="n9"), timeout=10)):
        if before.leader == before.name:
            fails(call, StatusCode.FAILED_PRECONDITION)
        else:
            answer = call()
            equal(answer.status, cluster_pb2.CHANGE_STATUS_NOT_LEADER)
            equal(answer.leader_hint, before.leader_address)
    equal(member.status().members, before.members)


def check_transfer_leadership(member):
    """To this member, unless the cluster cannot do it yet and says so."""
    status = member.status()
    name = status.name
    request = cluster_pb2.TransferLeadershipRequest(name=name)
    try:
        answer = member.cluster.TransferLeadership(request, timeout=10)
        if answer.status == cluster_pb2.CHANGE_STATUS_NOT_LEADER:
            # One that does not lead says who does.
            leader = next(other for other in member.others if other.endpoint == answer.leader_hint)
            answer = leader.cluster.TransferLeadership(request, timeout=10)
    except grpc.RpcError as error:
        equal(error.code(), StatusCode.UNIMPLEMENTED)
        return
    equal(answer.status, cluster_pb2.CHANGE_STATUS_OK)
    eventually(lambda: member.role(member.status()) == "LEADER", f"{name} does not lead")
    member.set(member.key(), b"under the new leader")
