"""Lists archives with Python's tarfile. The protocol is in mod.rs."""
import sys
import tarfile

for line in sys.stdin:
    try:
        with tarfile.open(line.rstrip("\n")) as archive:
            for member in archive:
                kind = "file" if member.isfile() else "directory" if member.isdir() else "other"
                name = member.name.encode("utf-8", "surrogateescape").hex()
                print("entry", kind, member.size, name)
        print("end listed", flush=True)
    except Exception as error:
        print("end refused", repr(error), flush=True)
