"""gRPC itself: deadlines, cancellation, metadata, health, reflection."""

import threading

import grpc
from google.protobuf import descriptor_pb2
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from member import equal, fails, op_set, true
from swiftwater.v1 import cluster_pb2, kv_pb2, raft_pb2, raft_pb2_grpc

# grpcio's own stubs speak v1alpha only; v1 has the same messages under another name.
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def check_deadline(member):
    """A deadline that has passed ends the call, one that has not lets it be; the connection serves on."""
    calls = [member.kv.Get.future(kv_pb2.GetRequest(key=b"k"), timeout=seconds) for seconds in (-1, 10) * 50]
    for call, seconds in zip(calls, (-1, 10) * 50):
        equal(call.code(), StatusCode.OK if seconds > 0 else StatusCode.DEADLINE_EXCEEDED)


def check_cancelled_stream(member):
    prefix = member.key() + b"/"
    member.transact(*(op_set(prefix + b"%d" % i + b"x" * 2000, b"") for i in range(500)))
    for _ in range(5):
        stream = member.kv.Keys(kv_pb2.KeysRequest(prefix=prefix), timeout=20)
        next(stream)
        stream.cancel()
        equal(stream.code(), StatusCode.CANCELLED)
    equal(len(member.keys(prefix=prefix)), 500)


def check_cancelled_calls(member):
    calls = [member.kv.Get.future(kv_pb2.GetRequest(key=b"k%d" % i), timeout=20) for i in range(200)]
    for call in calls[::2]:
        call.cancel()
    for call in calls[1::2]:
        equal(call.code(), StatusCode.OK)


def check_metadata_is_let_pass(member):
    metadata = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("x-any", "y"), ("x-any-bin", b"\0\xff")]
    member.kv.Set(kv_pb2.SetRequest(key=member.key(), value=kv_pb2.Value(data=b"v")), timeout=10, metadata=metadata)


def check_large_answers_pass_flow_control(member):
    keys = [member.key() for _ in range(24)]
    for key in keys:
        member.set(key, key + b"x" * 900_000)
    reads = [member.kv.Get.future(kv_pb2.GetRequest(key=key), timeout=30) for key in keys]
    for key, read in zip(keys, reads):
        equal(read.result().value.data, key + b"x" * 900_000)
    for key in keys:
        member.delete(key)


def check_a_stream_of_entries_speaks_for_one_member(member):
    """Whoever lies about its name is refused, and not remembered under each of its names."""
    status = member.cluster.Status(cluster_pb2.StatusRequest(), timeout=10)
    stub = raft_pb2_grpc.RaftStub(member.channel)

    def heartbeat(sender):
        return raft_pb2.AppendEntriesRequest(cluster=status.cluster_id, to=status.member_id, **{"from": sender})

    call = stub.AppendEntries(iter([heartbeat(1 << 40), heartbeat((1 << 40) + 1)]), timeout=10)
    answers = []
    fails(lambda: answers.extend(call), StatusCode.INVALID_ARGUMENT)


def check_threads_share_a_channel(member):
    errors = []

    def work(number):
        try:
            key = member.key(f"thread{number}")
            for i in range(20):
                member.set(key, b"%d" % i)
                equal(member.get(key).value.data, b"%d" % i)
        except Exception as error:  # noqa: BLE001: told by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(errors, [])


def check_health(member):
    stub = health_pb2_grpc.HealthStub(member.channel)
    for service in ("", "swiftwater.v1.KV", "swiftwater.v1.Cluster"):
        equal(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status, health_pb2.HealthCheckResponse.SERVING)
    fails(lambda: stub.Check(health_pb2.HealthCheckRequest(service="no.such"), timeout=10), StatusCode.NOT_FOUND)


def check_health_watch(member):
    stub = health_pb2_grpc.HealthStub(member.channel)
    known = stub.Watch(health_pb2.HealthCheckRequest(), timeout=10)
    equal(next(known).status, health_pb2.HealthCheckResponse.SERVING)
    known.cancel()
    unknown = stub.Watch(health_pb2.HealthCheckRequest(service="no.such"), timeout=10)
    equal(next(unknown).status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
    unknown.cancel()


def reflect(member, **request):
    call = member.channel.stream_stream(REFLECTION, request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    answers = list(call(iter([reflection_pb2.ServerReflectionRequest(**request)]), timeout=10))
    equal(len(answers), 1)
    return answers[0]


def check_reflection_lists_services(member):
    names = [service.name for service in reflect(member, list_services="").list_services_response.service]
    for wanted in ("swiftwater.v1.KV", "swiftwater.v1.Cluster", "grpc.health.v1.Health"):
        true(wanted in names, f"{wanted} is not in {names}")


def check_reflection_describes_our_messages(member):
    for request in ({"file_containing_symbol": "swiftwater.v1.KV"}, {"file_by_filename": "swiftwater/v1/kv.proto"},
                    {"file_containing_symbol": "swiftwater.v1.SetRequest"}, {"file_containing_symbol": "swiftwater.v1.KV.Get"}):
        answer = reflect(member, **request).file_descriptor_response
        files = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in answer.file_descriptor_proto]
        named = [file for file in files if file.name == "swiftwater/v1/kv.proto"]
        true(named, f"{request}: kv.proto is not in {[file.name for file in files]}")
        wanted = descriptor_pb2.FileDescriptorProto()
        kv_pb2.DESCRIPTOR.CopyToProto(wanted)
        equal([(m.name, [(f.name, f.number, f.type) for f in m.field]) for m in named[0].message_type],
              [(m.name, [(f.name, f.number, f.type) for f in m.field]) for m in wanted.message_type])
    answer = reflect(member, file_containing_symbol="swiftwater.v1.Cluster").file_descriptor_response
    true(any(descriptor_pb2.FileDescriptorProto.FromString(file).name == cluster_pb2.DESCRIPTOR.name for file in answer.file_descriptor_proto),
         "cluster.proto is missing")


def check_reflection_says_what_it_does_not_know(member):
    for request in ({"file_containing_symbol": "no.such.Symbol"}, {"file_by_filename": "no/such.proto"}):
        answer = reflect(member, **request)
        equal(answer.WhichOneof("message_response"), "error_response")
        equal(answer.error_response.error_code, StatusCode.NOT_FOUND.value[0])


def check_waiting_clients_see_the_channel_become_ready(member):
    channel = grpc.insecure_channel(member.endpoint)
    grpc.channel_ready_future(channel).result(timeout=10)
    channel.close()
