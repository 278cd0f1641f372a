# SPDX-License-Identifier: GPL-2.0
"""unlike disks: the smaller size, the larger block, no discard that one side cannot do"""

from mirror import DEVICE, MIB, Mirror

QUEUE = "/sys/block/lockstep0/queue"


def limit(machine, name):
    return int(machine.sh(f"cat {QUEUE}/{name}").out)


def run(lab):
    big = {"size": 96 * MIB}
    small = {"size": 64 * MIB, "block": 4096, "discard": False}
    m = Mirror(lab, disks={"data": 64 * MIB}, a={"disks": {"data": big}},
               b={"disks": {"data": small}})
    for x in (m.a, m.b):
        x.sh("lockstep init r0 && lockstep up r0")
    # The side with the smaller disk counts, so nothing has to shrink.
    m.b.sh("lockstep promote --force r0")
    m.wait_synced()
    for x in (m.a, m.b):
        lab.check(limit(x, "logical_block_size") == 4096, f"{x.name}: logical block size")
        lab.check(limit(x, "discard_max_bytes") == 0, f"{x.name}: discard is offered")
        lab.check(limit(x, "write_zeroes_max_bytes") == 0, f"{x.name}: zeroing is offered")
    sizes = [m.status(x)["volumes"][0]["size_bytes"] for x in (m.a, m.b)]
    lab.check(sizes[0] == sizes[1] < 64 * MIB, f"sizes {sizes}")
    r = m.b.sh(f"dd if=/dev/urandom of={DEVICE} bs=512 count=1 oflag=direct", check=False)
    lab.check(r.rc != 0, "512 bytes were written to 4 KiB blocks")
    m.b.sh(f"fio --name=x --filename={DEVICE} --direct=1 --ioengine=libaio --rw=randwrite "
           "--bs=4k-256k --bs_unaligned=0 --blockalign=4k --iodepth=8 --size=24m --verify=crc32c "
           "--minimal", timeout=120)
    m.b.sh(f"blkdiscard -f -z -o 0 -l {8 * MIB} {DEVICE}")
    m.finish()
