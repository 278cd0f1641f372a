# SPDX-License-Identifier: GPL-2.0
"""Disks of the lab's machines: files on the host."""

import os
import re
import select
import subprocess

from procs import LabError, Timeout, _reap, _spawn

def parse_size(s):
    if isinstance(s, int):
        return s
    m = re.fullmatch(r"(\d+)([kKMGT]?)(?:i?B)?", s)
    if not m:
        raise ValueError(f"not a size: {s}")
    return int(m.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m.group(2).upper()]


class Disk:
    """A raw sparse file on the host; the guest sees it as /dev/lab/NAME."""

    def __init__(self, name, path, size, cache="writeback", file=None, block=512, physical=None,
                 discard=True, readonly=False):
        self.name, self.path, self.size = name, path, size
        self.cache, self.file, self.block = cache, file or path, block
        self.physical, self.discard, self.readonly = physical or block, discard, readonly
        self.dev = "/dev/lab/" + name

    def create(self):
        with open(self.path, "ab") as f:
            f.truncate(self.size)

    def source(self):
        """What QEMU opens."""
        return self.file

    def settle(self):
        """Until the file has all that the guest wrote."""

    def power_lost(self):
        """The machine was killed. A file keeps everything."""
        return ""

    def close(self):
        pass

    def args(self):
        opts = [f"if=none,id=d-{self.name},file={self.source()},format=raw,cache={self.cache}",
                f"discard={'unmap' if self.discard else 'ignore'},detect-zeroes=off"]
        if self.readonly:
            opts.append("readonly=on")
        return ["-drive", ",".join(opts), "-device",
                f"virtio-blk-pci,drive=d-{self.name},serial={self.name}"
                f",logical_block_size={self.block},physical_block_size={self.physical}"
                f",discard={'on' if self.discard else 'off'}"
                f",write-zeroes={'on' if self.discard else 'off'}"]


class PowerlossDisk(Disk):
    """A disk with a volatile cache; see powerloss.c."""

    def __init__(self, name, path, size, server, socket, seed, **spec):
        super().__init__(name, path, size, **spec)
        self.server, self.socket, self.seed = server, socket, seed
        self._p, self._said = None, b""

    def source(self):
        return f"nbd+unix:///?socket={self.socket}"

    def create(self):
        super().create()
        with open(self.path + ".log", "a") as log:
            self._p = _spawn([self.server, self.path, self.socket, str(self.seed)], log,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._hear("ready")

    def _hear(self, *what, timeout=30):
        """The server's next word that begins with one of these."""
        while True:
            while b"\n" not in self._said:
                if not select.select([self._p.stdout], [], [], timeout)[0]:
                    raise Timeout(f"{self.path}: its server does not say {what}")
                got = os.read(self._p.stdout.fileno(), 4096)
                if not got:
                    raise LabError(f"{self.path}: its server ended, see {self.path}.log")
                self._said += got
            line, _, self._said = self._said.partition(b"\n")
            if line.decode().startswith(what):
                return line.decode()

    def settle(self):
        if self._p:
            self._p.stdin.write(b"s")
            self._p.stdin.flush()
            self._hear("settled")

    def power_lost(self):
        try:
            return f"{self.name}: {self._hear('lost', 'kept', timeout=5)}"
        except Timeout:
            return f"{self.name}: was not opened"

    def close(self):
        if self._p:
            _reap(self._p)
            self._p = None
