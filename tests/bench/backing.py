# SPDX-License-Identifier: GPL-2.0
"""What the targets stand on: the same thin devices on both machines, one for each target.

All are in memory and take none before they are written, so that a device can be far larger than any
set of blocks a program keeps hot. data(n) and meta(n) are paths; meta is None where a target's
metadata goes to the data device as it usually does.
"""

GIB = 64
DISK_US = 100
FLUSH_US = 1000
NULLB = "/sys/kernel/config/nullb"


def null_blk_script(nr, cpus, us, cache):
    """Shell: another null_blk; the first is /dev/nullb0."""
    d = f"{NULLB}/nullb{nr}"
    values = {"size": GIB * 1024, "memory_backed": 1, "queue_mode": 2, "irqmode": 2,
              "completion_nsec": us * 1000, "submit_queues": cpus, "blocksize": 512,
              "hw_queue_depth": 128}
    if cache:
        values["cache_size"] = 16      # MiB; with one it says that it has to be flushed
    return f"mkdir {d}; " + "; ".join(f"echo {v} >{d}/{k}" for k, v in values.items()) + \
        f"; echo 1 >{d}/power"


def remove_null_blks(nr):
    return "; ".join(f"echo 0 >{NULLB}/nullb{i}/power; rmdir {NULLB}/nullb{i}"
                     for i in range(nr)) + "; rmmod null_blk"


class Ram:
    name = "ram"
    title = "brd, a disk that costs nothing and has no cache: what software costs"
    volatile = False

    def __init__(self, cpus, count):
        self.cpus, self.count = cpus, count

    def data(self, n):
        return f"/dev/ram{n}"

    def meta(self, _n):
        return None

    def create(self):
        return f"modprobe brd rd_nr={self.count} rd_size={GIB << 20} max_part=1"

    def destroy(self):
        return "rmmod brd"


class Disk(Ram):
    name = "disk"
    title = f"null_blk that takes {DISK_US} us for an I/O, no cache: a fast SSD with its own power"

    def data(self, n):
        return f"/dev/nullb{n}"

    def create(self):
        return "set -e; modprobe null_blk nr_devices=0; " + "; ".join(
            null_blk_script(n, self.cpus, DISK_US, cache=False) for n in range(self.count))

    def destroy(self):
        return remove_null_blks(self.count)


class Flush(Ram):
    """null_blk spends on a flush what it spends on a write, and dm-delay counts in timer ticks,
    which are 4 ms here. But dm-delay sends flushes to a device of their own: one that takes 1 ms.
    What writes metadata writes it with FUA or a flush, and a disk that takes 1 ms for one takes it
    for the other: so metadata has a device where every I/O takes 1 ms."""
    name = "flush"
    title = (f"null_blk with a volatile cache: {DISK_US} us for an I/O, {FLUSH_US} us for a flush; "
             "metadata of lockstep and DRBD on its like, where a write takes as long as a flush")
    volatile = True

    def data(self, n):
        return f"/dev/mapper/bench{n}"

    def meta(self, n):
        return f"/dev/nullb{2 * self.count + n}"

    def create(self):
        n = self.count
        make = [null_blk_script(i, self.cpus, DISK_US if i < n else FLUSH_US, cache=True)
                for i in range(3 * n)]
        sectors = GIB << 21
        for i in range(n):
            data, flush = f"/dev/nullb{i}", f"/dev/nullb{n + i}"
            make.append(f"dmsetup create bench{i} --noudevsync --table '0 {sectors} delay "
                        f"{data} 0 0 {data} 0 0 {flush} 0 0'")
        return ("set -e; modprobe null_blk nr_devices=0; modprobe -a dm_mod dm_delay; "
                + "; ".join(make) + "; dmsetup mknodes")

    def destroy(self):
        return "; ".join(f"dmsetup remove --noudevsync bench{i}" for i in range(self.count)) + \
            "; dmsetup mknodes; " + remove_null_blks(3 * self.count)


ALL = {b.name: b for b in (Ram, Disk, Flush)}
