"""What schemathesis cannot derive from the contract: tar.gz files and their digests."""

import gzip
import hashlib
import io
import re
import tarfile
from urllib.parse import unquote

import schemathesis
from hypothesis import strategies


def archive(name, content):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as files:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    return gzip.compress(tar.getvalue(), mtime=0)


NAMES = strategies.text("abcdef", min_size=1, max_size=8)
CONTENTS = strategies.binary(max_size=64)

schemathesis.openapi.format("binary", strategies.builds(archive, NAMES, CONTENTS))



# Valid identifiers in paths.
VALID = {
    "catalog_id": re.compile(r"(?!\.{1,2}$)[^#/\\%\x00-\x1f\x7f-\x9f]{1,128}"),
    "customization_id": re.compile("[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"),
}

# The identifiers of the first customization that the run creates, and of its catalog.
existing = {}


@schemathesis.hook
def after_call(context, case, response):
    if not existing and case.method == "POST" and response.status_code == 201:
        created = response.json()
        existing.update(catalog_id=created["catalog_id"], customization_id=created["id"])


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Replaces valid identifiers by existing ones. Removals keep theirs, so that the customization stays."""
    for name, identifier in existing.items():
        if name == "customization_id" and context.operation.method == "delete":
            continue
        if path_parameters and VALID[name].fullmatch(unquote(str(path_parameters.get(name, "")))):
            path_parameters[name] = identifier
    return path_parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    """Replaces a valid digest in a form by that of the form's file."""
    if isinstance(case.body, dict) and re.fullmatch("[0-9A-Fa-f]{64}", str(case.body.get("sha256"))):
        file = getattr(case.body.get("file"), "data", None)
        if isinstance(file, bytes):
            case.body["sha256"] = hashlib.sha256(file).hexdigest()
            # The request stays as valid as it was. Without this, schemathesis would check it again,
            # and it takes each changed form with a file for an invalid one.
            case._sync_validated_hashes()
