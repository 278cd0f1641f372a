# SPDX-License-Identifier: GPL-2.0
"""marks outlive a crash of both, and a clean down while alone: what is copied is what was marked"""

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 500
SIZE_MIB = 512


def last_resync_kib(m):
    """Of the last resync that began on this machine, from the kernel's log."""
    said = m.sh("dmesg | grep -o 'resync of [0-9]* KiB' | tail -n 1").out.split()
    return int(said[2]) if said else 0


def source(m):
    """Bytes of the resync that began last on either machine since its boot."""
    return max(last_resync_kib(x) for x in (m.a, m.b)) * 1024


def both_killed(lab, m):
    m.ackload(m.a, seed=3)
    m.wait_acks(m.a, 500)
    for x in (m.a, m.b):
        x.kill()
    m.reboot(m.a, m.b)
    m.wait_synced()
    copied = source(m)
    lab.say(f"both killed: {copied // MIB} of {SIZE_MIB} MiB were in regions that may differ")
    lab.check(0 < copied < 80 * MIB, f"a resync by marks, of {copied} bytes")


def down_alone(lab, m):
    m.promote(m.a)
    m.b.sh("lockstep down r0")
    m.wait_link(m.a, up=False)
    for at in (3, 100, 300):
        m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=64k count=1 seek={at * 16} oflag=direct "
               "conv=notrunc 2>&1")
    m.a.sh("lockstep demote r0; lockstep down r0")
    m.a.sh("dmesg -C")
    m.b.sh("dmesg -C")
    for x in (m.a, m.b):
        m.type(x, "lockstep up r0")
    m.wait_synced()
    lab.check(source(m) == 3 * 65536, f"{source(m)} bytes are copied, {3 * 65536} were written")


def run(lab):
    m = Mirror(lab, size_mib=SIZE_MIB, timeout_ms=2000)
    m.form()
    # The load goes everywhere in its device: a part of the volume is what a crash may cost.
    m.device = lambda x, volume=0: "/dev/mapper/part"
    m.a.sh("modprobe dm_mod && dmsetup create part --noudevsync --table "
           f"'0 {64 * MIB // 512} linear {DEVICE} {64 * MIB // 512}' && "
           "dmsetup mknodes && test -b /dev/mapper/part")
    both_killed(lab, m)
    down_alone(lab, m)
    m.finish()
