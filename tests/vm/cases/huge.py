# SPDX-License-Identifier: GPL-2.0
"""100 TiB: attached in two seconds and 64 MiB, and no loop over all of it keeps the processor

The data disk is a null_blk, which forgets everything; the metadata is on a disk of its own. What is
looked at is time, memory, and for how long a real-time task had to wait. A tenth of it is marked at
random, of the first TiB here, in half a minute where machines are emulated; of all of it by

    tests/vm/run -v huge --set RANDOM_TIB=100
"""

import signal

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 700
SECONDS_PER = ("RANDOM_TIB", 120)
TIMED = True                           # says nothing on a slow kernel
TIB = 100
ATTACH_S = 2
MEMORY_MIB = 64
STALL_S = 0.5                          # an emulated machine on a busy host stalls by itself
MARKS = 2000                           # each in a page of the bitmap of its own, nearly


class Huge(Mirror):
    meta_mib = 4096                    # the bitmap alone takes 3.1 GiB

    def prepare(self, m):
        self.conf = self.conf.replace('"/dev/lab/data"', '"/dev/nullb0"')
        m.sh(f"modprobe null_blk nr_devices=1 gb={TIB * 1024} bs=4096 queue_mode=2 "
             "submit_queues=1 irqmode=1")
        super().prepare(m)


def used_mib(machine):
    """What is taken and cannot be had back."""
    machine.sh("sync; echo 3 >/proc/sys/vm/drop_caches")
    info = dict(line.split(":") for line in machine.sh("cat /proc/meminfo").out.splitlines())
    kib = {k: int(v.split()[0]) for k, v in info.items()}
    return (kib["MemTotal"] - kib["MemFree"] - kib["Buffers"] - kib["Cached"]
            - kib["SReclaimable"]) / 1024


class Watch:
    """Longest wait of a real-time task, and memory, over a with block."""

    def __init__(self, lab, machine, what, memory_mib=None):
        self.lab, self.machine, self.what, self.limit = lab, machine, what, memory_mib

    def __enter__(self):
        self.before = used_mib(self.machine)
        self.job = self.machine.start("exec stall")
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        self.job.kill(signal.SIGTERM)
        stall = int(self.job.wait(30).out) / 1e6
        grown = used_mib(self.machine) - self.before
        self.lab.say(f"{self.what}: {grown:.1f} MiB more in use, longest wait {stall:.3f} s")
        self.lab.check(stall < STALL_S, f"{self.what}: the processor was kept for {stall} s")
        if self.limit:
            self.lab.check(grown < self.limit, f"{self.what} took {grown:.1f} MiB")


def a_tenth(lab, m, machine, tib):
    """Each page of that part of the bitmap gets bits: it may take these pages, and no more."""
    bits = min(tib << 28, m.volume(machine)["size_bytes"] // 4096)
    pages_mib = bits / 8 / MIB
    before = m.volume(machine)["out_of_sync_bytes"]
    with Watch(lab, machine, f"a tenth of {tib} TiB at random", pages_mib * 1.01 + 8):
        got = int(machine.sh(f"marks r0 0 {bits} 10 1", timeout=300 + 120 * tib).out)
    marked = m.volume(machine)["out_of_sync_bytes"] - before
    lab.say(f"{got} blocks, in bitmap pages of {pages_mib:.0f} MiB")
    lab.check(0.09 < got / bits < 0.11, f"{got} of {bits} blocks marked")
    lab.check(abs(marked // 4096 - got) < MARKS, f"{got} blocks marked, {marked // 4096} counted")
    return pages_mib


def attach(lab, m, machine, what):
    with Watch(lab, machine, what, MEMORY_MIB):
        # Looked at from inside: a command of the lab's takes its own time.
        out = machine.sh("TIMEFORMAT=%R; { time lockstep up r0 >&2; } 2>&1 | tail -n 1", 60).out
        took = float(out.split()[-1])
        lab.say(f"{what}: {took:.2f} s")
    lab.check(took < ATTACH_S, f"{what} took {took} s")


def again(lab, m, machine, pages_mib):
    """They go to the disk and come back, beside whatever runs."""
    before = m.volume(machine)["out_of_sync_bytes"]
    with Watch(lab, machine, "down with a tenth"):
        # It waits for one minute, and an emulated disk takes longer for gigabytes of bitmap.
        down = machine.sh("lockstep down r0", timeout=600, check=False)
        if down.rc:
            lab.check("did not answer in time" in down.text, down.text)
            lab.wait(lambda: m.status(machine, check=False) is None, 600, f"{machine.name} is down")
    with Watch(lab, machine, "a tenth is read", pages_mib * 1.01 + MEMORY_MIB):
        machine.sh("lockstep up r0")
        lab.wait(lambda: not m.volume(machine).get("loading"), 600, "the bitmap is read")
    after = m.volume(machine)["out_of_sync_bytes"]
    lab.check(before == after, f"{before} bytes were marked before, {after} after")


def run(lab):
    tib = lab.setting("RANDOM_TIB", 1)
    m = Huge(lab, disks={"data": MIB}, meta=True, memory=768 + 40 * tib)
    with Watch(lab, m.a, "nothing"):
        m.a.sh("sleep 3")
    for x in (m.a, m.b):
        x.sh("lockstep init r0 --clean", timeout=120)
    for x in (m.a, m.b):
        attach(lab, m, x, f"first attach on {x.name}")
    m.wait_synced()
    size = m.volume(m.a)["size_bytes"]
    lab.check(size > (TIB - 1) << 40, f"a volume of {size} bytes")
    m.type(m.a, "lockstep promote r0")
    write = (f"fio --name=x --filename={DEVICE} --direct=1 --ioengine=libaio --rw=randwrite "
             f"--bs=4k --iodepth=8 --norandommap --number_ios={MARKS} --minimal --randseed=")
    with Watch(lab, m.a, "writes all over"):
        m.a.sh(write + "1", timeout=120)
    m.b.poweroff()
    m.wait_link(m.a, up=False)
    with Watch(lab, m.a, "writes alone"):
        m.a.sh(write + "2", timeout=120)
    marks = m.volume(m.a)["out_of_sync_bytes"]
    lab.say(f"{marks} bytes marked")
    lab.check(marks >= MARKS // 2 * 4096, f"only {marks} bytes are marked")
    with Watch(lab, m.a, "demote and down"):
        m.a.sh("lockstep demote r0 && lockstep down r0", timeout=120)
    attach(lab, m, m.a, "attach with marks")
    lab.wait(lambda: not m.volume(m.a).get("loading"), 60, "the bitmap is read")
    after = m.volume(m.a)["out_of_sync_bytes"]
    lab.check(after >= marks, f"{marks} bytes were marked before, {after} after")
    with Watch(lab, m.a, "resync"):
        m.reboot(m.b)
        m.wait_synced(seconds=180)
    # On the peer, whose marks and metadata nobody needs any more, while the session is open: the
    # kernel takes marks for that one only.
    pages_mib = a_tenth(lab, m, m.b, tib)
    m.a.sh("lockstep down r0")
    m.wait_link(m.b, up=False)
    again(lab, m, m.b, pages_mib)
