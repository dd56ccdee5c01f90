"""What every contract keeps to."""

import importlib
import inspect
import pkgutil
import re

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

import services as services_package
from kat.common.v1.common_pb2 import ROLE_UNSPECIFIED
from tests.support.contracts import (
    ACCESS,
    drift,
    elements,
    enums,
    fields,
    messages,
    methods,
    proto_files,
    read_contracts,
    services,
)

READS = ("Get", "List", "Find", "Validate", "Watch")


@pytest.fixture(scope="session")
def contracts(tmp_path_factory) -> list[FileDescriptorProto]:
    return read_contracts(tmp_path_factory.mktemp("contracts"))


def test_the_generated_code_is_that_of_the_contracts(tmp_path):
    assert drift(tmp_path) == []  # else: make protos


def test_every_rpc_says_who_may_call_it(contracts):
    roles = {name: list(method.options.Extensions[ACCESS].roles) for name, method in methods(contracts)}
    assert [name for name, found in roles.items() if not found or ROLE_UNSPECIFIED in found] == []


def test_every_rpc_has_a_request_of_its_own(contracts):
    requests = [(name, method.input_type) for name, method in methods(contracts)]
    assert [name for name, kind in requests if kind.rpartition(".")[2] != f"{name.rpartition('/')[2]}Request"] == []


def test_every_write_has_a_request_id(contracts):
    known = messages(contracts)
    writes = {name: method for name, method in methods(contracts) if not method.name.startswith(READS)}
    assert [n for n, method in writes.items() if "request_id" not in fields(known[method.input_type])] == []
    reads = {name: method for name, method in methods(contracts) if method.name.startswith(READS)}
    assert [n for n, method in reads.items() if "request_id" in fields(known[method.input_type])] == []


def test_every_list_has_pages(contracts):
    known = messages(contracts)
    lists = {name: method for name, method in methods(contracts) if method.name.startswith("List")}
    asked = [n for n, m in lists.items() if not {"page_size", "page_token"} <= fields(known[m.input_type]).keys()]
    answered = [n for n, m in lists.items() if "next_page_token" not in fields(known[m.output_type])]
    assert lists
    assert (asked, answered) == ([], [])


def test_every_enum_begins_with_unspecified(contracts):
    assert [
        enum.name
        for enum in enums(contracts)
        if enum.value[0].number != 0 or enum.value[0].name != f"{_upper_snake(enum.name)}_UNSPECIFIED"
    ] == []
    prefixes = {value.name: _upper_snake(enum.name) + "_" for enum in enums(contracts) for value in enum.value}
    assert [name for name, prefix in prefixes.items() if not name.startswith(prefix)] == []


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def test_the_package_is_the_folder(contracts):
    assert [file.name for file in contracts if file.name.rpartition("/")[0] != file.package.replace(".", "/")] == []
    assert {file.name for file in contracts} == set(proto_files())


def test_every_element_has_a_comment(contracts):
    bare = []
    for file in contracts:
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        bare += [f"{file.name}: {name}" for path, name in elements(file) if not comments.get(path, "").strip()]
    assert bare == []


def test_nothing_is_a_float(contracts):
    floats = {FieldDescriptorProto.TYPE_FLOAT, FieldDescriptorProto.TYPE_DOUBLE}
    found = [f"{n}.{f.name}" for n, message in messages(contracts).items() for f in message.field if f.type in floats]
    assert found == []


def test_no_contract_is_deprecated_before_it_was_released(contracts):
    assert [name for name, method in methods(contracts) if method.options.deprecated] == []


def test_every_rpc_is_implemented_by_exactly_one_class(contracts):
    classes = servicers()
    implementers: dict[str, list[str]] = {}
    for file, service in services(contracts):
        generated = importlib.import_module(f"{file.name.removesuffix('.proto').replace('/', '.')}_pb2_grpc")
        base = getattr(generated, f"{service.name}Servicer")
        for method in service.method:
            inherited = getattr(base, method.name)
            implementers[f"{service.name}.{method.name}"] = [
                cls.__qualname__
                for cls in classes
                if issubclass(cls, base) and getattr(cls, method.name) is not inherited
            ]
    assert [name for name, found in implementers.items() if len(found) != 1] == []


def servicers() -> set[type]:
    """Every servicer class of the services."""
    modules = [m.name for m in pkgutil.walk_packages(services_package.__path__, "services.")]
    return {
        member
        for name in modules
        if "servicer" in name or name == "services.runtime.events.inbox"
        for _, member in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if member.__module__.startswith("services.")
    }
