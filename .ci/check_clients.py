"""Calls the whole stack with the Python client that .ci/check_clients generates from openapi.yaml.

Checks that the client has a typed field for each field of the responses. Writes the responses as
constants into a TypeScript program, which compiles only if the TypeScript client has them too.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import attrs
import httpx
from catalog_customizations_client import AuthenticatedClient
from catalog_customizations_client.api.customizations import (
    create_customization,
    get_customization,
    list_customizations,
    list_versions,
    remove_customization,
    update_customization,
)
from catalog_customizations_client.api.files import get_file, start_upload
from catalog_customizations_client.models import (
    ApplicationNotReleasedProblem,
    CatalogNotFoundProblem,
    Customization,
    CustomizationCreation,
    CustomizationCreationFilter,
    CustomizationCreationFromUpload,
    CustomizationDetailed,
    CustomizationFilter,
    CustomizationNotFoundProblem,
    CustomizationPage,
    CustomizationRemovedProblem,
    CustomizationUpdate,
    CustomizationUpdateFromUpload,
    CustomizationVersions,
    FileLocation,
    FileNotFoundProblem,
    FileNotUploadedProblem,
    ForbiddenProblem,
    IdempotencyKeyReusedProblem,
    PayloadTooLargeProblem,
    StartedUpload,
    UnauthenticatedProblem,
    UploadDescription,
    ValidationErrorProblem,
)
from catalog_customizations_client.types import File, Response

Model = TypeVar("Model")

# The catalog of local/sample-catalog.json.
CATALOG = "46ba3c35-fb85-44a1-8336-694b4d4f4b91"
MISSING_ID = UUID("01a20148-c9d5-766b-a360-09f2ee384492")
KAFKA = CustomizationCreationFilter(
    product_key="apache_kafka", branch="2", base_image_id="549cfa79-352c-4555-9d28-4442de551829"
)
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"

# The routes in openapi.yaml, as the TypeScript client indexes them.
LIST = ("/v1/catalogs/{catalog_id}/customizations", "get")
CREATE = ("/v1/catalogs/{catalog_id}/customizations", "post")
GET = ("/v1/catalogs/{catalog_id}/customizations/{customization_id}", "get")
UPDATE = ("/v1/catalogs/{catalog_id}/customizations/{customization_id}", "patch")
REMOVE = ("/v1/catalogs/{catalog_id}/customizations/{customization_id}", "delete")
LIST_VERSIONS = ("/v1/catalogs/{catalog_id}/customizations/{customization_id}/versions", "get")
START_UPLOAD = ("/v1/catalogs/{catalog_id}/uploads", "post")
GET_FILE = ("/v1/catalogs/{catalog_id}/files/{digest}", "get")

TYPESCRIPT_TYPES = {str: "string", bool: "boolean", int: "number"}


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yields the path and the value of each field of a JSON document that is no object and no array."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def drop_untyped(value: Any) -> None:
    """Drops the fields of a model, and of the models in it, that the generator found no type for."""
    if isinstance(value, list):
        for item in value:
            drop_untyped(item)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            # A map of the contract is in the same field, but its values have a type.
            if field.name == "additional_properties" and field.type == "dict[str, Any]":
                value.additional_properties.clear()
            drop_untyped(getattr(value, field.name))


class Checker:
    """Checks responses of the Python client, and collects the TypeScript program."""

    def __init__(self) -> None:
        self.program = ['import type { paths } from "./contract";']

    def check(self, route: tuple[str, str], response: Response[Any], status: int, model: type[Model]) -> Model:
        """Checks that the client parsed the body of a response as a `model` with all fields. Returns it."""
        path, method = route
        name = f"{method} {path} with status {status}"
        assert response.status_code == status, f"{name}: {response.status_code} {response.content!r}"
        parsed = response.parsed
        assert isinstance(parsed, model), f"{name}: the Python client returns {parsed!r}"
        body = json.loads(response.content)
        drop_untyped(parsed)
        typed = {path for path, _ in leaves(parsed.to_dict())}  # type: ignore[attr-defined]
        lost = [".".join(map(str, path)) for path, _ in leaves(body) if path not in typed]
        assert not lost, f"{name}: the Python client has no field for {', '.join(lost)}"

        content_type = response.headers["content-type"]
        constant = f"response{len(self.program)}"
        lines = [
            f'const {constant}: paths["{path}"]["{method}"]["responses"][{status}]["content"]["{content_type}"] =',
            f"{json.dumps(body, indent=2)};",
        ]
        # A constant may have any field if its type is `unknown`, so each field must have a type too.
        for field, value in leaves(body):
            expression = constant + "".join(f"?.[{json.dumps(part)}]" for part in field)
            lines.append(f"{expression} satisfies {TYPESCRIPT_TYPES[type(value)]} | undefined;")
        self.program.append("\n".join(lines))
        return parsed

    def check_empty(self, route: tuple[str, str], response: Response[Any]) -> None:
        """Checks that the status of a response is 204, and that both clients expect no body."""
        path, method = route
        assert response.status_code == 204, f"{method} {path}: {response.status_code} {response.content!r}"
        assert response.content == b"" and response.parsed is None, f"{method} {path}: {response.parsed!r}"
        constant = f"response{len(self.program)}"
        self.program.append(f'const {constant}: paths["{path}"]["{method}"]["responses"][204]["content"] = undefined;')


def archive(content: bytes = b"world") -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as files:
        entry = tarfile.TarInfo("hello")
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    return gzip.compress(tar.getvalue())


def file(content: bytes) -> File:
    return File(payload=io.BytesIO(content), file_name="customization.tar.gz", mime_type="application/gzip")


def form(content: bytes, **fields: Any) -> CustomizationCreation:
    return CustomizationCreation(file=file(content), **fields)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def admin(command: str, customization: Customization, *arguments: str) -> None:
    """Reports to the table what the build pipeline would report."""
    program = ["cargo", "run", "--locked", "-q", "-p", "admin", "--", command, "--catalog", CATALOG]
    subprocess.run([*program, "--customization", str(customization.id), *arguments], check=True)


def client(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=os.environ["API"], token=token, timeout=httpx.Timeout(60))


def requests(user: AuthenticatedClient, customization: UUID) -> Iterator[tuple[tuple[str, str], Response[Any]]]:
    """Sends a valid request of each operation on a customization. Yields the routes and the responses."""
    yield GET, get_customization.sync_detailed(CATALOG, customization, client=user)
    yield LIST_VERSIONS, list_versions.sync_detailed(CATALOG, customization, client=user)
    body = CustomizationUpdate(name="x")
    yield UPDATE, update_customization.sync_detailed(CATALOG, customization, client=user, body=body)
    yield REMOVE, remove_customization.sync_detailed(CATALOG, customization, client=user)


def check_creation(checker: Checker, member: AuthenticatedClient, uploaded: bytes) -> Customization:
    """Creates customizations with and without a filter. Returns one that selects one application."""

    def create(body: CustomizationCreation) -> Response[Any]:
        return create_customization.sync_detailed(CATALOG, client=member, body=body, idempotency_key=KEY)

    filtered = create(form(uploaded, name="my customization", description="for my org", filter_=KAFKA))
    created = checker.check(CREATE, filtered, 201, Customization)
    assert isinstance(created.filter_, CustomizationFilter), created
    assert created.filter_.to_dict() == KAFKA.to_dict()
    other_body = create(form(uploaded))
    checker.check(CREATE, other_body, 422, IdempotencyKeyReusedProblem)

    unfiltered = create_customization.sync_detailed(CATALOG, client=member, body=form(uploaded))
    assert checker.check(CREATE, unfiltered, 201, Customization).global_
    return created


def check_refusals(checker: Checker, member: AuthenticatedClient, uploaded: bytes) -> None:
    def create(body: CustomizationCreation, catalog: str = CATALOG) -> Response[Any]:
        return create_customization.sync_detailed(catalog, client=member, body=body)

    invalid = create(form(b"no archive", filter_=CustomizationCreationFilter(branch="2")))
    problem = checker.check(CREATE, invalid, 400, ValidationErrorProblem)
    assert {violation.field for violation in problem.violations} == {"file", "filter.branch"}

    unreleased = CustomizationCreationFilter(product_key="elasticsearch")
    checker.check(CREATE, create(form(uploaded, filter_=unreleased)), 409, ApplicationNotReleasedProblem)
    checker.check(CREATE, create(form(bytes(4_500_001))), 413, PayloadTooLargeProblem)
    checker.check(CREATE, create(form(uploaded), "missing"), 404, CatalogNotFoundProblem)

    missing_file = get_file.sync_detailed(CATALOG, "0" * 64, client=member, filename="x")
    checker.check(GET_FILE, missing_file, 404, FileNotFoundProblem)
    missing_catalog = list_customizations.sync_detailed("missing", client=member)
    checker.check(LIST, missing_catalog, 404, CatalogNotFoundProblem)
    for route, response in requests(member, MISSING_ID):
        checker.check(route, response, 404, CustomizationNotFoundProblem)

    invalid_list = list_customizations.sync_detailed(CATALOG, client=member, page=0, page_size=101)
    problem = checker.check(LIST, invalid_list, 400, ValidationErrorProblem)
    assert {violation.field for violation in problem.violations} == {"page", "page_size"}

    for token, status, model in [
        ("not a token", 401, UnauthenticatedProblem),
        (os.environ["TOKEN_WITHOUT_PERMISSION"], 403, ForbiddenProblem),
    ]:
        stranger = client(token)
        created = create_customization.sync_detailed(CATALOG, client=stranger, body=form(uploaded))
        checker.check(CREATE, created, status, model)
        listed = list_customizations.sync_detailed(CATALOG, client=stranger)
        checker.check(LIST, listed, status, model)
        for route, response in requests(stranger, MISSING_ID):
            checker.check(route, response, status, model)


def check_reads(checker: Checker, member: AuthenticatedClient, created: Customization, uploaded: bytes) -> None:
    def get(**headers: str) -> Response[Any]:
        return get_customization.sync_detailed(CATALOG, created.id, client=member, **headers)

    pending = checker.check(GET, get(), 200, CustomizationDetailed)
    application = pending.affected_releasables[0].application_id
    # A failed build and a change give the customization its remaining fields.
    failure = ["--status", "FAILED", "--cause", "TEST_ERROR", "--source-url", "https://builds.example.com/log"]
    admin("record-build", created, "--application", application, *failure, "--description", "a test failed")
    admin("set-status", created, "--status", "PROCESSING_CREATE_FAILED")
    response = get()
    failed = checker.check(GET, response, 200, CustomizationDetailed)
    assert failed.affected_releasables[0].status == "FAILED"
    assert get(if_none_match=response.headers["etag"]).status_code == 304

    artifact = created.artifact
    response = get_file.sync_detailed(CATALOG, artifact.id, client=member, filename=artifact.filename)
    location = checker.check(GET_FILE, response, 200, FileLocation)
    assert httpx.get(location.url).content == uploaded


def check_changes(checker: Checker, member: AuthenticatedClient, created: Customization) -> None:
    """Changes, replaces and removes a customization."""

    def update(body: CustomizationUpdate, **headers: str) -> Response[Any]:
        return update_customization.sync_detailed(CATALOG, created.id, client=member, body=body, **headers)

    content = archive(b"a second version")
    fields = {"name": "my second version", "description": "with a file", "sha256": sha256(content)}
    checker.check_empty(UPDATE, update(CustomizationUpdate(file=file(content), **fields)))
    checker.check_empty(UPDATE, update(CustomizationUpdate(name="renamed")))

    response = list_versions.sync_detailed(CATALOG, created.id, client=member)
    versions = checker.check(LIST_VERSIONS, response, 200, CustomizationVersions).items
    assert [(item.version, item.artifact.id) for item in versions] == [
        ("v2", sha256(content)),
        ("v1", created.artifact.id),
    ]

    invalid = update(CustomizationUpdate(name="", sha256=sha256(content)))
    problem = checker.check(UPDATE, invalid, 400, ValidationErrorProblem)
    assert {violation.field for violation in problem.violations} == {"name", "sha256"}
    other_request = update(CustomizationUpdate(name="renamed again"), idempotency_key=KEY)
    checker.check(UPDATE, other_request, 422, IdempotencyKeyReusedProblem)

    checker.check_empty(REMOVE, remove_customization.sync_detailed(CATALOG, created.id, client=member))
    checker.check(UPDATE, update(CustomizationUpdate(name="renamed again")), 409, CustomizationRemovedProblem)


def check_lists(checker: Checker, member: AuthenticatedClient, removed: Customization) -> None:
    """Lists the customizations: a removed one with a filter, and a global one."""

    def page(**parameters: Any) -> CustomizationPage:
        response = list_customizations.sync_detailed(CATALOG, client=member, **parameters)
        return checker.check(LIST, response, 200, CustomizationPage)

    everything = page(page=1, page_size=100, active=False)
    assert [item.global_ for item in everything.items] == [True, False], everything
    changed = everything.items[1]
    assert changed.id == removed.id
    assert (changed.version, changed.name, changed.description) == ("v2", "renamed", "with a file"), changed
    assert changed.updated_by and changed.updated_at and changed.removed_by and changed.removed_at, changed

    kafka = page(product_key=KAFKA.product_key, branch=KAFKA.branch, base_image_id=KAFKA.base_image_id)
    assert [item.id for item in kafka.items] == [removed.id]
    assert [item.global_ for item in page(active=True).items] == [True]
    empty = page(global_=False, active=True)
    assert (empty.items, empty.total_size, empty.total_pages) == ([], 0, 0)


def check_uploads(checker: Checker, member: AuthenticatedClient) -> None:
    """Uploads files directly, and creates and changes a customization with them."""

    def start(content: bytes) -> Response[Any]:
        body = UploadDescription(sha256=sha256(content), size=len(content))
        return start_upload.sync_detailed(CATALOG, client=member, body=body)

    def create(content: bytes) -> Response[Any]:
        body = CustomizationCreationFromUpload(
            sha256=sha256(content), filename="large.tar.gz", name="large", description="a large file", filter_=KAFKA
        )
        return create_customization.sync_detailed(CATALOG, client=member, body=body)

    content = archive(b"a large file")
    checker.check(CREATE, create(content), 409, FileNotUploadedProblem)
    upload = checker.check(START_UPLOAD, start(content), 201, StartedUpload).upload
    headers = upload.headers.additional_properties
    httpx.request(upload.method, upload.url, headers=headers, content=content).raise_for_status()
    created = checker.check(CREATE, create(content), 201, Customization)
    checker.check(START_UPLOAD, start(content), 200, UploadDescription)

    def update(digest: str) -> Response[Any]:
        body = CustomizationUpdateFromUpload(sha256=digest, filename="larger.tar.gz")
        return update_customization.sync_detailed(CATALOG, created.id, client=member, body=body)

    checker.check_empty(UPDATE, update(sha256(content)))
    checker.check(UPDATE, update("0" * 64), 409, FileNotUploadedProblem)


def main() -> None:
    checker = Checker()
    member = client(os.environ["TOKEN"])
    uploaded = archive()
    created = check_creation(checker, member, uploaded)
    check_refusals(checker, member, uploaded)
    check_reads(checker, member, created, uploaded)
    check_changes(checker, member, created)
    check_lists(checker, member, created)
    check_uploads(checker, member)
    Path(sys.argv[1]).write_text("\n".join(checker.program) + "\n")
    print(f"the Python client has every field of {len(checker.program) - 1} responses")


if __name__ == "__main__":
    main()
