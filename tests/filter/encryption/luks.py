#!/usr/bin/env python3
"""What does a LUKS2 image hold?  Read and written by the format's description alone.
SPDX-License-Identifier: BSD-3-Clause

luks.py read IMAGE KEY-FILE OFFSET LENGTH    plain text of the payload to standard output
luks.py write IMAGE KEY-FILE OFFSET          standard input into the payload, encrypted
luks.py volume-key IMAGE KEY-FILE            in hexadecimal

Shares no code with weir or libcryptsetup.  Key slots with pbkdf2 only.  OFFSET and LENGTH are
multiples of the sector.
"""
import base64
import hashlib
import json
import struct
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def xts(key, sector, data, first, encrypt):
    """Sectors of `data`; the tweak counts units of 512 bytes from `first` on."""
    out = bytearray()
    for at in range(0, len(data), sector):
        tweak = struct.pack("<QQ", first + at // 512, 0)
        cipher = Cipher(algorithms.AES(key), modes.XTS(tweak))
        work = cipher.encryptor() if encrypt else cipher.decryptor()
        out += work.update(data[at:at + sector]) + work.finalize()
    return bytes(out)


def diffuse(block, name):
    size = hashlib.new(name).digest_size
    parts = [block[i:i + size] for i in range(0, len(block), size)]
    return b"".join(
        hashlib.new(name, struct.pack(">I", i) + p).digest()[:len(p)] for i, p in enumerate(parts))


def merge(material, size, stripes, name):
    """Undoes LUKS's anti-forensic splitting."""
    last = bytes(size)
    for i in range(stripes):
        stripe = material[i * size:(i + 1) * size]
        last = bytes(a ^ b for a, b in zip(last, stripe))
        if i < stripes - 1:
            last = diffuse(last, name)
    return last


class Luks:
    def __init__(self, path, passphrase):
        self.path = path
        with open(path, "rb") as f:
            head = f.read(4096)
            magic, version, size = struct.unpack(">6sHQ", head[:16])
            assert (magic, version) == (b"LUKS\xba\xbe", 2), "no LUKS2 header"
            f.seek(4096)
            self.meta = json.loads(f.read(size - 4096).split(b"\0")[0])
            segment = self.meta["segments"]["0"]
            assert segment["encryption"] == "aes-xts-plain64" and segment["iv_tweak"] == "0"
            self.offset, self.sector = int(segment["offset"]), segment["sector_size"]
            self.key = next(filter(None, (self.open_slot(f, s, passphrase)
                                          for s in self.meta["keyslots"].values())), None)
        assert self.key, "no key slot opens"

    def open_slot(self, f, slot, passphrase):
        kdf, af, area = slot["kdf"], slot["af"], slot["area"]
        if kdf["type"] != "pbkdf2":
            return None
        wrapped = hashlib.pbkdf2_hmac(kdf["hash"], passphrase, base64.b64decode(kdf["salt"]),
                                      kdf["iterations"], area["key_size"])
        length = slot["key_size"] * af["stripes"]
        f.seek(int(area["offset"]))
        material = xts(wrapped, 512, f.read((length + 511) // 512 * 512), 0, False)
        key = merge(material, slot["key_size"], af["stripes"], af["hash"])
        digest = next(d for d in self.meta["digests"].values() if "0" in d["segments"])
        seen = hashlib.pbkdf2_hmac(digest["hash"], key, base64.b64decode(digest["salt"]),
                                   digest["iterations"], len(base64.b64decode(digest["digest"])))
        return key if seen == base64.b64decode(digest["digest"]) else None

    def read(self, offset, length):
        with open(self.path, "rb") as f:
            f.seek(self.offset + offset)
            return xts(self.key, self.sector, f.read(length), offset // 512, False)

    def write(self, offset, data):
        with open(self.path, "r+b") as f:
            f.seek(self.offset + offset)
            f.write(xts(self.key, self.sector, data, offset // 512, True))


def main():
    what, image, key_file, *numbers = sys.argv[1:]
    with open(key_file, "rb") as f:
        luks = Luks(image, f.read())
    if what == "read":
        sys.stdout.buffer.write(luks.read(*map(int, numbers)))
    elif what == "write":
        luks.write(int(numbers[0]), sys.stdin.buffer.read())
    elif what == "volume-key":
        print(luks.key.hex())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
