"""Packs a directory with Python's tarfile: pack.py FORMAT DIRECTORY NAME"""
import sys
import tarfile

form, directory, name = sys.argv[1:]
with tarfile.open("packed.tgz", "w:gz", format=getattr(tarfile, form)) as archive:
    archive.add(directory, arcname=name)
