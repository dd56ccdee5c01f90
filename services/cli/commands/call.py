"""`kat call`: any RPC as JSON, by the server's reflection."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.cli.clients import identity, issue_token
from services.cli.commands.output import OUT, ExitCode, fail, fail_with
from services.cli.commands.run import DataOption
from services.cli.commands.token import RoleName
from services.cli.data_folder import DataFolder
from services.runtime.channel import bearer
from services.runtime.identifiers import new_id


def call(
    data: DataOption,
    method: Annotated[str, typer.Argument(help="Such as kat.scheduler.v1.RosterService/ListClinics")],
    body: Annotated[str, typer.Argument(help="The request as JSON, or - for standard input.")] = "{}",
    *,
    role: Annotated[RoleName, typer.Option(help="Role of the embedded token.")] = RoleName.CLINIC_SYSTEM,
    token: Annotated[str, typer.Option(envvar="KAT_TOKEN", help="A token to use instead.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="A file that holds one.", exists=True)] = None,
    seconds: Annotated[float, typer.Option(help="Deadline.", min=0.1)] = 10,
) -> None:
    """Call an RPC of the running suite and print the answer as JSON; a missing request_id is filled in.

    A stream is printed a line for each message, until its deadline or Ctrl-C.
    """
    folder = DataFolder(data.absolute())
    given = token_file.read_text(encoding="ascii").strip() if token_file else token
    given = given or issue_token(folder, subject="cli", roles=[role.value], name="Command line")
    try:
        asyncio.run(_call(folder, method, sys.stdin.read() if body == "-" else body, given, seconds))
    except grpc.aio.AioRpcError as error:
        fail_with(error)


async def _call(folder: DataFolder, method: str, body: str, token: str, seconds: float) -> None:
    async with identity(folder).channel(_address(folder, method)) as channel:
        descriptor = await _descriptor(channel, method, token)
        request = _request(descriptor, body)
        if descriptor.server_streaming:
            await _print_stream(_stream(channel, descriptor, request, token, seconds))
            return
        answer = await _answer(channel, descriptor, request, token, seconds)
        OUT.print_json(json_format.MessageToJson(answer, preserving_proto_field_name=True))


async def _print_stream(answers: AsyncIterator[Any]) -> None:
    """Print each message on a line of its own, until the stream ends, its deadline is reached or the user ends it."""
    printed = False
    try:
        async for answer in answers:
            OUT.print_json(
                json_format.MessageToJson(answer, preserving_proto_field_name=True, indent=None), indent=None
            )
            printed = True
    except asyncio.CancelledError:  # Ctrl-C
        return
    except grpc.aio.AioRpcError as error:
        if not printed or error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise


def _address(folder: DataFolder, method: str) -> str:
    package = method.removeprefix("/").split(".v1.")[0].removeprefix("kat.")
    try:
        return folder.addresses()[package]
    except FileNotFoundError:
        fail(f"Nothing runs on {folder.root}; start `kat up` first, or give --data", ExitCode.AWAY)
    except KeyError:
        fail("Name a method such as kat.scheduler.v1.RosterService/ListClinics", ExitCode.USAGE)


async def _descriptor(channel: grpc.aio.Channel, method: str, token: str) -> MethodDescriptor:
    """Ask the server for the file that holds a method, and for the files that this one needs."""
    service_name, _, method_name = method.removeprefix("/").partition("/")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    stream = stub.ServerReflectionInfo(timeout=10, metadata=bearer(token))
    pool = DescriptorPool()
    await stream.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=service_name))
    # The answer holds the file and, in any order, all that it depends on.
    answer = await stream.read()
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(content)
        for content in answer.file_descriptor_response.file_descriptor_proto
    ]
    await stream.done_writing()
    stream.cancel()
    _add_in_order(pool, {file.name: file for file in files})
    try:
        return pool.FindServiceByName(service_name).methods_by_name[method_name]
    except KeyError:
        fail(f"The server has no method {method}", ExitCode.USAGE)


def _add_in_order(pool: DescriptorPool, files: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    added: set[str] = set()

    def add(name: str) -> None:
        if name in added or name not in files:
            return
        added.add(name)
        for needed in files[name].dependency:
            add(needed)
        pool.Add(files[name])

    for name in files:
        add(name)


def _request(descriptor: MethodDescriptor, body: str) -> Any:
    message: Any = GetMessageClass(descriptor.input_type)()
    try:
        json_format.Parse(body, message)
    except json_format.ParseError as error:
        fail(f"The request does not fit {descriptor.input_type.full_name}: {error}", ExitCode.USAGE)
    if "request_id" in descriptor.input_type.fields_by_name and not message.request_id:
        message.request_id = str(new_id())
    return message


async def _answer(
    channel: grpc.aio.Channel, descriptor: MethodDescriptor, request: Any, token: str, seconds: float
) -> Any:
    method = channel.unary_unary(_path(descriptor), type(request).SerializeToString, _parser(descriptor))
    return await method(request, timeout=seconds, metadata=bearer(token))


def _stream(
    channel: grpc.aio.Channel, descriptor: MethodDescriptor, request: Any, token: str, seconds: float
) -> AsyncIterator[Any]:
    method = channel.unary_stream(_path(descriptor), type(request).SerializeToString, _parser(descriptor))
    return aiter(method(request, timeout=seconds, metadata=bearer(token)))


def _path(descriptor: MethodDescriptor) -> str:
    return f"/{descriptor.containing_service.full_name}/{descriptor.name}"


def _parser(descriptor: MethodDescriptor) -> Callable[[bytes], Any]:
    parse: Callable[[bytes], Any] = GetMessageClass(descriptor.output_type).FromString
    return parse
