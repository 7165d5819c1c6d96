"""One member of a cluster as the checks see it. Imported once the stubs have been generated."""

import itertools
import time

import grpc
from swiftwater.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc

from expect import equal, eventually, short, true

_count = itertools.count()

MIB = 1024 * 1024
KEY_LIMIT = 64 * 1024
VALUE_LIMIT = MIB


class Member:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.channel = grpc.insecure_channel(endpoint, options=[
            ("grpc.max_send_message_length", 64 * MIB), ("grpc.max_receive_message_length", 64 * MIB)])
        self.kv = kv_pb2_grpc.KVStub(self.channel)
        self.cluster = cluster_pb2_grpc.ClusterStub(self.channel)
        self.pb, self.cluster_pb = kv_pb2, cluster_pb2
        self.others = []

    # Values and keys

    def key(self, hint="k"):
        """A key that nothing else has used."""
        return f"{hint}-{time.time_ns()}-{next(_count)}".encode()

    def data(self, content):
        return kv_pb2.Value(data=content)

    def list(self, *items):
        return kv_pb2.Value(list=kv_pb2.StringList(items=items))

    # Calls, with a deadline that no healthy cluster needs

    def ping(self):
        return self.kv.Ping(kv_pb2.PingRequest(), timeout=10).message

    def get(self, key, consistency=kv_pb2.LINEARIZABLE):
        return self.kv.Get(kv_pb2.GetRequest(key=key, consistency=consistency), timeout=10)

    def set(self, key, value, **more):
        value = self.data(value) if isinstance(value, bytes) else value
        return self.kv.Set(kv_pb2.SetRequest(key=key, value=value, **more), timeout=10)

    def strlen(self, key, consistency=kv_pb2.LINEARIZABLE):
        return self.kv.Strlen(kv_pb2.StrlenRequest(key=key, consistency=consistency), timeout=10).length

    def delete(self, key, **more):
        return self.kv.Delete(kv_pb2.DeleteRequest(key=key, **more), timeout=10)

    def append(self, key, **more):
        return self.kv.Append(kv_pb2.AppendRequest(key=key, **more), timeout=10)

    def keys(self, **more):
        return [key for answer in self.kv.Keys(kv_pb2.KeysRequest(**more), timeout=20) for key in answer.keys]

    def transact(self, *operations, **more):
        return self.kv.Transact(kv_pb2.TransactRequest(operations=operations, **more), timeout=10)

    def status(self):
        return self.cluster.Status(cluster_pb2.StatusRequest(), timeout=10)

    def role(self, status):
        return cluster_pb2.Role.Name(status.role).removeprefix("ROLE_")

    def raw(self, path, body, timeout=10):
        """Any bytes to any path; the answer's bytes."""
        return self.channel.unary_unary(path)(body, timeout=timeout)

    def raw_stream(self, path, body, timeout=10):
        return list(self.channel.unary_stream(path)(body, timeout=timeout))


# Operations of a transaction


def op(**kind):
    return kv_pb2.Operation(**kind)


def op_get(key, **more):
    return op(get=kv_pb2.GetRequest(key=key, **more))


def op_set(key, content, **more):
    return op(set=kv_pb2.SetRequest(key=key, value=kv_pb2.Value(data=content), **more))


def op_strlen(key):
    return op(strlen=kv_pb2.StrlenRequest(key=key))


def op_delete(key):
    return op(delete=kv_pb2.DeleteRequest(key=key))


def op_append(key, **more):
    return op(append=kv_pb2.AppendRequest(key=key, **more))


def op_keys(**more):
    return op(keys=kv_pb2.KeysRequest(**more))


def op_ping():
    return op(ping=kv_pb2.PingRequest())


# Expectations


def fails(call, *codes):
    """The call must end with one of these status codes and a message that a person can read."""
    try:
        answer = call()
    except grpc.RpcError as error:
        if error.code() not in codes:
            raise AssertionError(f"{error.code()} ({error.details()}), expected {' or '.join(map(str, codes))}") from None
        true(error.details(), f"{error.code()} without a message")
        return error
    raise AssertionError(f"succeeded with {short(answer)}, expected {' or '.join(map(str, codes))}")
