#!/usr/bin/python3
"""A client of the Container Runtime Interface (CRI v1) for tests: it asks for what kubelet asks for.

cri_client.py SOCKET status               the runtime's conditions, as JSON
cri_client.py SOCKET run NAME [HOST:POD]  starts a pod with its port published, limited to 8 Mbit/s; prints its ID
cri_client.py SOCKET addresses ID         the pod's addresses, as JSON
cri_client.py SOCKET stop ID              takes its network away
cri_client.py SOCKET remove ID            removes it

Messages are encoded here, as the few fields that matter need no generated code: numbers are those of cri-api's api.proto,
the encoding is that of protocol buffers.
"""

import json
import sys

import grpc

VARINT, BYTES = 0, 2


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def message(*fields):
    """A message of fields: number, and an integer, a text, or a list of fields."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3 | VARINT) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else message(*value)
            out += varint(number << 3 | BYTES) + varint(len(content)) + content
    return out


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def values(data, wanted):
    """All values of a field: integers, or bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == BYTES:
            value, at = data[at : at + value], at + value
        elif key & 7 != VARINT:
            raise ValueError(f"field {key >> 3} has wire type {key & 7}")
        if key >> 3 == wanted:
            found.append(value)
    return found


def text(data, field):
    return b"".join(values(data, field)).decode()


def sandbox(name, ports):
    """PodSandboxConfig."""
    metadata = [(1, name), (2, f"uid-of-{name}"), (3, "default")]
    limits = [(1, "kubernetes.io/ingress-bandwidth"), (2, "8M")]
    mappings = [(5, [(2, int(pod)), (3, int(host))]) for host, pod in (port.split(":") for port in ports)]
    return [(1, metadata), (2, name), *mappings, (7, limits), (8, [])]


def main(socket, command, *arguments):
    channel = grpc.insecure_channel(f"unix:{socket}")

    def call(method, *request):
        return channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(message(*request), timeout=60)

    if command == "status":
        [status] = values(call("Status"), 1)
        print(json.dumps({text(one, 1): values(one, 2) == [1] for one in values(status, 1)}))
    elif command == "run":
        name, *ports = arguments
        print(text(call("RunPodSandbox", (1, sandbox(name, ports))), 1))
    elif command == "addresses":
        [status] = values(call("PodSandboxStatus", (1, arguments[0])), 1)
        [network] = values(status, 5)
        print(json.dumps([text(network, 1), *(text(more, 1) for more in values(network, 2))]))
    else:
        method = {"stop": "StopPodSandbox", "remove": "RemovePodSandbox"}[command]
        call(method, (1, arguments[0]))


try:
    main(*sys.argv[1:])
except grpc.RpcError as error:
    sys.exit(f"{error.code().name}: {error.details()}")
