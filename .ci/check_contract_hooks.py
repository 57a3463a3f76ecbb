"""A generator of tar.gz files for schemathesis, which cannot derive them from the contract."""

import gzip
import io
import tarfile

import schemathesis
from hypothesis import strategies


def archive(name, content):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as files:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        files.addfile(entry, io.BytesIO(content))
    return gzip.compress(tar.getvalue())


NAMES = strategies.text("abcdef", min_size=1, max_size=8)
CONTENTS = strategies.binary(max_size=64)

schemathesis.openapi.format("binary", strategies.builds(archive, NAMES, CONTENTS))
