"""The contracts as protoc reads them, with their comments, and the code that it generates from them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import google.type.date_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from kat.common.v1 import common_pb2  # registers the option `access`, so that it is read and not kept as unknown

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
ACCESS = common_pb2.access


def proto_files() -> list[str]:
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def _protoc(*arguments: str) -> None:
    include = Path(google.type.date_pb2.__file__).parents[2]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{include}", *arguments]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}  # where protoc finds its plugins
    done = subprocess.run(protoc, check=False, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def read_contracts(folder: Path) -> list[FileDescriptorProto]:
    """The descriptors of every contract of ours, with comments."""
    written = folder / "contracts.binpb"
    _protoc("--include_source_info", f"--descriptor_set_out={written}", *proto_files())
    return list(FileDescriptorSet.FromString(written.read_bytes()).file)


def generate(folder: Path) -> None:
    """Generate what `make protos` generates, into another folder."""
    with_services = [name for name in proto_files() if "\nservice " in (PROTOS / name).read_text()]
    _protoc(f"--python_out={folder}", f"--mypy_out={folder}", *proto_files())
    _protoc(f"--grpc_python_out={folder}", f"--mypy_grpc_out={folder}", *with_services)


def drift(folder: Path) -> list[str]:
    """Generated files that are not what `make protos` would make of the contracts now; `folder` is empty."""
    generate(folder)
    made = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*_pb2*")}
    kept = {path.relative_to(PROTOS): path.read_bytes() for path in PROTOS.rglob("*_pb2*") if path.suffix != ".pyc"}
    return sorted(str(path) for path in made.keys() | kept.keys() if made.get(path) != kept.get(path))


def services(files: list[FileDescriptorProto]) -> Iterator[tuple[FileDescriptorProto, ServiceDescriptorProto]]:
    for file in files:
        for service in file.service:
            yield file, service


def methods(files: list[FileDescriptorProto]) -> Iterator[tuple[str, MethodDescriptorProto]]:
    """Every RPC with its name "package.Service/Method"."""
    for file, service in services(files):
        for method in service.method:
            yield f"{file.package}.{service.name}/{method.name}", method


def messages(files: list[FileDescriptorProto]) -> dict[str, DescriptorProto]:
    """Every message by its full name with a leading dot, as fields refer to it."""

    def below(prefix: str, message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
        yield f"{prefix}.{message.name}", message
        for nested in message.nested_type:
            yield from below(f"{prefix}.{message.name}", nested)

    return {
        name: found for file in files for top in file.message_type for name, found in below(f".{file.package}", top)
    }


def enums(files: list[FileDescriptorProto]) -> list[EnumDescriptorProto]:
    return [enum for file in files for enum in file.enum_type] + [
        enum for message in messages(files).values() for enum in message.enum_type
    ]


def fields(message: DescriptorProto) -> dict[str, FieldDescriptorProto]:
    return {field.name: field for field in message.field}


Element = tuple[tuple[int, ...], str]
"""The path of an element in the source info of its file, and its name."""


def elements(file: FileDescriptorProto) -> Iterator[Element]:
    """Every element of a file that must have a comment."""
    for index, message in enumerate(file.message_type):
        yield from _in_message((4, index), "", message)
    for index, enum in enumerate(file.enum_type):
        yield from _in_enum((5, index), "", enum)
    for index, service in enumerate(file.service):
        yield (6, index), service.name
        for place, method in enumerate(service.method):
            yield (6, index, 2, place), f"{service.name}.{method.name}"


def _in_message(path: tuple[int, ...], prefix: str, message: DescriptorProto) -> Iterator[Element]:
    if message.options.map_entry:
        return
    name = prefix + message.name
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, 2, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _in_message((*path, 3, index), f"{name}.", nested)
    for index, enum in enumerate(message.enum_type):
        yield from _in_enum((*path, 4, index), f"{name}.", enum)


def _in_enum(path: tuple[int, ...], prefix: str, enum: EnumDescriptorProto) -> Iterator[Element]:
    name = prefix + enum.name
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, 2, index), f"{name}.{value.name}"
