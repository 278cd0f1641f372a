# SPDX-License-Identifier: GPL-2.0
"""the lab's disks with a volatile cache: flushed is kept, unflushed is lost in part, torn"""

TIMEOUT = 120
TIMED = True                           # says nothing on a slow kernel
MODULE = False                         # needs no lockstep.ko
DEV = "/dev/lab/data"
MIB = 1 << 20


def pattern(machine, byte, at, flush):
    machine.sh(f"xfs_io -d -c 'pwrite -q -S {byte} -b 64k {at * MIB} {8 * MIB}' "
               f"{'-c fdatasync ' if flush else ''}{DEV}")


def run(lab):
    a = lab.machine(disks={"data": 64 * MIB}, powerloss=True)
    for i in range(3):
        a.boot()
        pattern(a, 1 + i, 0, flush=True)
        pattern(a, 11 + i, 8, flush=False)
        pattern(a, 21 + i, 0, flush=False)
        out = a.sh(f"fio --name=x --filename={DEV} --direct=1 --ioengine=libaio --rw=randwrite "
                   "--bs=4k --iodepth=16 --offset=32m --size=16m --time_based --runtime=2 "
                   "--minimal").out
        lab.say(f"{out.split(';')[48]} IOPS; " + " ".join(a.kill()))
        lab.check(int(out.split(";")[48]) > 1000, "the disk is too slow to test with")
        with open(a.disk("data"), "rb") as f:
            data = f.read(16 * MIB)
        old = {data[o] for o in range(0, 8 * MIB, 512)}
        new = {data[o] for o in range(8 * MIB, 16 * MIB, 512)}
        lab.say(f"found {sorted(old)} where {1 + i} was flushed, {sorted(new)} where nothing was")
        lab.check(old <= {1 + i, 21 + i}, "what was flushed is not there")
        lab.check(new <= {0} | set(range(11, 12 + i)), "what is there was never written")
    # An orderly end loses nothing.
    a.boot()
    pattern(a, 99, 8, flush=False)
    a.poweroff()
    with open(a.disk("data"), "rb") as f:
        f.seek(8 * MIB)
        lab.check(f.read(8 * MIB) == bytes([99]) * (8 * MIB), "an orderly end lost something")
