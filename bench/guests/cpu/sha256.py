"""SHA-256 by libcrypto, which hashlib calls. Work: MiB."""

import _hashlib
import os
import sys

mebibyte = bytes(range(256)) * 4096
digest = _hashlib.openssl_sha256()
row = os.environ["ROW"]
print("@@ begin", row, flush=True)
for _ in range(int(sys.argv[1])):
    digest.update(mebibyte)
print("@@ end", row, flush=True)
print("@@ result", row, digest.hexdigest(), flush=True)
