"""The version, written here and nowhere else: the build copies it into the package's metadata.

It is not read from the metadata of an installation: from a source tree that would be the version
of whatever samplebench is installed beside it, and an editable installation keeps the old one.
"""

VERSION = "0.1.0"
