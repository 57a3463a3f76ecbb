"""What schemathesis cannot derive from the contract: archives, their digests, and identifiers that exist."""

import gzip
import hashlib
import io
import re
import tarfile
from collections import Counter
from urllib.parse import unquote

import schemathesis
from hypothesis import strategies

# The identifiers of the newest customization and its catalog, and the digest of the first file: the values
# that requests use instead of random ones.
existing = {}

# Valid identifiers in paths.
VALID = {
    "catalog_id": re.compile(r"(?!\.{1,2}$)[^#/\\%\x00-\x1f\x7f-\x9f]{1,128}"),
    "customization_id": re.compile("[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "digest": re.compile("[0-9a-f]{64}"),
}

# A valid digest in a body.
SHA256 = re.compile("[0-9A-Fa-f]{64}")


def archive(name, content):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as files:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    # Without the time, so that a repeated request has the same file.
    return gzip.compress(tar.getvalue(), mtime=0)


NAMES = strategies.text("abcdef", min_size=1, max_size=8)
CONTENTS = strategies.binary(max_size=64)

schemathesis.openapi.format("binary", strategies.builds(archive, NAMES, CONTENTS))


@schemathesis.hook
def after_call(context, case, response):
    """Remembers a new customization."""
    # No other response has this header.
    if "location" in response.headers:
        created = response.json()
        existing.update(catalog_id=created["catalog_id"], customization_id=created["id"])
        existing.setdefault("digest", created["artifact"]["id"])


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Replaces valid identifiers by existing ones, unless the request removes what they identify."""
    for name, valid in VALID.items():
        if name not in existing or (name == "customization_id" and context.operation.method == "delete"):
            continue
        if path_parameters and valid.fullmatch(unquote(str(path_parameters.get(name)))):
            path_parameters[name] = existing[name]
    return path_parameters


@schemathesis.hook
def filter_case(context, case):
    """Drops forms with a number as name or description. Forms have no types, so such a form is valid."""
    is_form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    return not is_form or not any(isinstance(case.body.get(name), int | float) for name in ("name", "description"))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Replaces a valid digest in a body by that of the form's file, and some others by that of an existing file."""
    body = case.body
    if not isinstance(body, dict) or not SHA256.fullmatch(str(body.get("sha256"))):
        return
    file = getattr(body.get("file"), "data", None)
    if isinstance(file, bytes):
        body["sha256"] = hashlib.sha256(file).hexdigest()
        # The body is as valid as before. schemathesis would check it again, and take it for invalid
        # because of the file.
        case._sync_validated_hashes()
    elif "file" not in body and "digest" in existing and body["sha256"] < "8":
        body["sha256"] = existing["digest"]


@schemathesis.hook
def after_load_schema(context, schema):
    """Adds a check that each link of the contract leads to a successful response at least once."""
    links = {
        f"{method.upper()} {path} -> [{status}] {name}"
        for path, operations in schema.raw_schema["paths"].items()
        for method, operation in operations.items()
        if "responses" in operation
        for status, response in operation["responses"].items()
        for name in response.get("links", {})
    }

    @schemathesis.check
    class links_are_followed:
        def __init__(self):
            self.followed = Counter()

        def after_response(self, check_context, response, case):
            step = check_context.internals.recorder.cases[case.id]
            if step.is_transition_applied and response.status_code < 300:
                self.followed[step.transition.id.rpartition(" -> ")[0]] += 1

        def after_run(self, check_context):
            print("successful responses after each link of the contract:")
            for link in sorted(links):
                print(f"{self.followed[link]:6}  {link}")
            missing = sorted(links - self.followed.keys())
            assert not missing, f"links are wrong, or there are too few examples to follow them: {missing}"
