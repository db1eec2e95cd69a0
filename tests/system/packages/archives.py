#!/usr/bin/python3
# archives.py - which packages does nobody make in good faith?
# SPDX-License-Identifier: BSD-3-Clause
"""archives.py PACKAGE FOLDER: FOLDER/NAME.tar, and FOLDER/NAME.says with what is said of it."""
import hashlib
import io
import re
import subprocess
import sys
import tarfile

package, folder = sys.argv[1:]
raw = subprocess.run(["zstd", "-dcq", package], stdout=subprocess.PIPE, check=True).stdout
good = {m.name: tarfile.open(fileobj=io.BytesIO(raw)).extractfile(m).read() for m in tarfile.open(fileobj=io.BytesIO(raw))}
OBJECT = "weir-filter-packaged.so"
manifest, body = good["manifest"].decode(), good[OBJECT]


def member(name, data=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def archive(name, says, *members):
    with tarfile.open(f"{folder}/{name}.tar", "w", format=tarfile.PAX_FORMAT) as t:
        for info, data in members:
            t.addfile(info, io.BytesIO(data))
    with open(f"{folder}/{name}.says", "w") as f:
        f.write(says)


def with_manifest(name, says, text, *more):
    archive(name, says, member("manifest", text.encode()), member(OBJECT, body), *more)


def with_path(path):
    """A manifest that is right in all but the path of a second file."""
    digest = hashlib.sha256(b"x").hexdigest()
    entry = f',\n {{ path = "{path}"; size = 1L; sha256 = "{digest}"; }}\n);'
    return manifest.rstrip().removesuffix(");").rstrip() + entry


first, filter_itself = member("manifest", manifest.encode()), member(OBJECT, body)
archive("empty", "nothing in the package")
archive("no-manifest", "first member of a package is its manifest", filter_itself)
archive("late-manifest", "first member of a package is its manifest", filter_itself, first)
archive("two-manifests", "does not name: manifest", first, first, filter_itself)
archive("lacking", "lacks a file", first)
archive("twice", "has a member twice", first, filter_itself, filter_itself)
archive("two-signatures", "has a member twice", first, member("manifest.sig", b"x" * 64), member("manifest.sig", b"x" * 64), filter_itself)
archive("more", "that its manifest does not name: weir-evil.1", first, filter_itself, member("weir-evil.1", b"x"))
archive("absolute", "in a folder, or with a name that is not plain", first, filter_itself, member("/tmp/weir-escaped", b"x"))
archive("upwards", "in a folder, or with a name that is not plain", first, filter_itself, member("../../escaped", b"x"))
archive("folder", "no regular file", first, member("etc", kind=tarfile.DIRTYPE), filter_itself)
archive("symlink", "no regular file", first, member(OBJECT, kind=tarfile.SYMTYPE, link="/etc/passwd"))
archive("hardlink", "no regular file", first, member(OBJECT, kind=tarfile.LNKTYPE, link="/etc/passwd"))
archive("device", "no regular file", first, member(OBJECT, kind=tarfile.CHRTYPE))
archive("fifo", "no regular file", first, member(OBJECT, kind=tarfile.FIFOTYPE))
archive("longer", "and may have", first, member(OBJECT, body + b"x"))
archive("changed", "the digest of its manifest is not that of", first, member(OBJECT, body[:-1] + b"~"))
archive("huge-manifest", "and may have", member("manifest", b" " * 70000))
archive("huge-signature", "and may have", first, member("manifest.sig", b"x" * 2000), filter_itself)
archive("zeros", "and may have", first, member(OBJECT, bytes(1 << 24)))
with_manifest("path-absolute", "is no plain name", with_path("/tmp/weir-escaped.1"), member("x", b"x"))
with_manifest("path-upwards", "is no plain name", with_path("../../../escaped.1"))
with_manifest("path-hidden", "is no plain name", with_path(".profile.1"))
with_manifest("path-other", "nor a manual page", with_path("evil.sh"))
with_manifest("path-manifest", "nor a manual page", with_path("manifest.sig"))
with_manifest("path-twice", "names " + OBJECT + " twice", with_path(OBJECT))
with_manifest("name-path", "letters, digits", manifest.replace('name = "packaged"', 'name = "../packaged"'))
with_manifest("version-path", "letters, digits", manifest.replace('version = "1"', 'version = "../../x"'))
with_manifest("other-name", "must be weir-filter-another.so", manifest.replace('name = "packaged"', 'name = "another"').replace(OBJECT, "weir-packaged.1"))
with_manifest("terminal", "must be a line", manifest.replace("Example Ltd", "\\x1b[2J"))
with_manifest("include", "@include", '@include "/etc/passwd"\n' + manifest)
with_manifest("deep", "brackets", "x = " + "(" * 9000 + ")" * 9000 + ";\n")
with_manifest("no-keys", "must be", "vendor = 7;\n")
with_manifest("unknown-key", "is not a key of a manifest", manifest + 'script = "rm -rf /";\n')
with_manifest("no-libconfig", "the manifest, line 1", "{{{")
with_manifest("nul", "NUL", manifest + "\0")
with_manifest("huge-size", "needs a size", re.sub("size = [0-9]+", "size = 99000000000", manifest))
with_manifest("class", "is not known", manifest.replace('class = "none"', 'class = "magic"'))
with_manifest("files-word", "is no group", re.sub(r"files = \(.*\);", 'files = ( "x" );', manifest, flags=re.S))
with_manifest("files-group", "must be a list", re.sub(r"files = \(.*\);", 'files = { path = "x"; };', manifest, flags=re.S))
with_manifest("abi-word", "must be the number of the filter ABI", re.sub(r"abi = [0-9]+", 'abi = "one"', manifest))
with_manifest("requires-itself", "names itself", manifest + 'requires = ( { filter = "packaged"; } );\n')
with_manifest("requires-path", "letters, digits", manifest + 'requires = ( { filter = "../x"; } );\n')
with_manifest("requires-word", "takes groups", manifest + 'requires = ( "x" );\n')
with_manifest("requires-line", "is not a key of a manifest", manifest + 'requires = ( { filter = "x"; run = "y"; } );\n')
with_manifest("conflicts-version", "is not a key of a manifest", manifest + 'conflicts = ( { filter = "x"; version = "1"; } );\n')
with_manifest("conflicts-many", "list of at most", manifest + "conflicts = ( " + ", ".join('{ filter = "x"; }' for _ in range(9)) + " );\n")
with_manifest("conflicts-nameless", "must be a line", manifest + "conflicts = ( { } );\n")
