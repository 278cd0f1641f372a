# SPDX-License-Identifier: GPL-2.0
"""both disks grow: metadata moves to the new end, the volume grows in use, old disks come back"""

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 600

OLD, NEW, SMALL, MIDDLE = 64 * MIB, 128 * MIB, 40 * MIB, 44 * MIB
CONF, MAPPED, LOOP = "/etc/lockstep/r0.conf", "/dev/mapper/data", "/dev/loop0"


def table(m, size):
    dev = m.disks["data"].dev
    return f"dmsetup load data --table '0 {size // 512} linear {dev} 0'"


def set_size(m, size):
    m.sh(table(m, size) + " && dmsetup suspend --nolockfs --noudevsync data && "
         "dmsetup resume --noudevsync data && dmsetup mknodes data")


def size_of(m):
    return int(m.sh(f"blockdev --getsize64 {DEVICE}").out)


def content(m, size):
    return m.sh(f"head -c {size} {DEVICE} | sha256sum").out


def use_disk(m, old, new):
    """The primary, in use, gives up its disk; what it takes next is what its configuration says."""
    m.a.sh("lockstep detach r0 && lockstep wait-connect r0")
    m.a.sh(f"sed -i 's,{old},{new},' {CONF}")


def taken_back(m):
    """The volume grows while the primary has another disk, and then that one has too much."""
    a = m.a
    a.sh(f"lockstep resize r0 --size {SMALL // MIB}M --shrink", timeout=90)
    m.wait_synced()
    a.sh(f"sleep 300 3<>{DEVICE} >/dev/null 2>&1 </dev/null & echo $! >/run/opener")
    use_disk(m, MAPPED, LOOP)
    a.sh(f"modprobe loop; truncate -s {OLD} /run/other && losetup {LOOP} /run/other && "
         "lockstep init r0 && lockstep attach r0")
    m.wait_synced()
    a.sh(f"lockstep resize r0 --size {MIDDLE // MIB}M", timeout=90)
    m.wait_synced()
    use_disk(m, LOOP, MAPPED)
    r = a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=2 seek={SMALL // MIB + 1} oflag=direct "
             "&& lockstep attach r0", check=False)
    m.lab.check(r.rc == 1 and "primary here, has grown to" in r.text and
                "demote it first" in r.text, f"a smaller copy under a primary: {r.text}")
    a.sh("kill $(cat /run/opener); sleep 1; lockstep demote r0 && lockstep attach r0")
    m.wait_synced()
    for x in (a, m.b):
        m.lab.check(size_of(x) == MIDDLE, f"{x.name}: {size_of(x)} bytes after the old disk")
    a.sh("lockstep promote r0")
    a.sh(f"lockstep resize r0 --size {SMALL // MIB}M --shrink", timeout=90)
    m.wait_synced()
    use_disk(m, MAPPED, LOOP)
    r = a.sh("lockstep attach r0", check=False)
    m.lab.check(r.rc == 1 and f"{LOOP} holds a copy of" in r.text and
                "lockstep init --force r0" in r.text, f"a larger copy: {r.text}")
    a.sh(f"losetup -d {LOOP} && sed -i 's,{LOOP},{MAPPED},' {CONF} && lockstep attach r0")
    m.wait_synced()


def cut_off(m):
    """The primary dies over a growth that only the other side has noted, and comes back as a
    secondary that has the old size, beside a new primary that has the new one."""
    m.a.sh(f"lockstep resize r0 --size {SMALL // MIB}M --shrink", timeout=90)
    m.wait_synced()
    for x in (m.a, m.b):
        m.lab.check(size_of(x) == SMALL, f"{x.name}: {size_of(x)} bytes after shrinking")
        # What lies beyond is nobody's, and differs.
        x.sh(f"dd if=/dev/urandom of=/dev/mapper/data bs=1M count=8 seek={OLD // MIB} oflag=direct")
    m.map(m.a, "data", "delay {dev} 0 3000")
    job = m.b.start("lockstep resize r0")
    m.lab.wait(lambda: size_of(m.b) > SMALL, 60, "b has the new size")
    m.a.kill()
    m.promote(m.b)
    job.wait(90, check=False)
    m.reboot(m.a)
    m.wait_synced()
    m.lab.check(size_of(m.a) == size_of(m.b) > OLD, f"{size_of(m.a)} and {size_of(m.b)} bytes")


def run(lab):
    m = Mirror(lab, disks={"data": NEW}, mapped=True)
    for x in (m.a, m.b):
        x.sh("mkdir -p /var/lib")
        set_size(x, OLD)
    m.form()
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=16 oflag=direct")
    size = size_of(m.a)
    lab.check(size < OLD, f"{size} bytes on a disk of {OLD}")

    # One of them alone changes nothing, and says so.
    r = m.a.sh("lockstep resize r0", check=False)
    lab.check(r.rc == 1 and "already" in r.text, f"nothing to be had: {r.text}")

    # Grown and not yet taken up: refused, with what to do; and it goes on being used.
    for x in (m.a, m.b):
        set_size(x, NEW)
    r = m.a.sh("lockstep resize r0", check=False)
    lab.check(r.rc == 1 and "has grown since it was attached" in r.text,
              f"not taken up yet: {r.text}")
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=8 seek=40 oflag=direct")

    # With marks on the disk that has to move: b is away while a writes.
    m.b.sh("lockstep down r0")
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=4 seek=20 oflag=direct")
    was = content(m.a, size)
    m.a.sh("lockstep demote r0 && lockstep down r0")
    for x in (m.a, m.b):
        m.type(x, "lockstep up r0")
        lab.check("its metadata is at the new end" in x.sh("dmesg").out, f"{x.name}: moved")
    m.wait_synced()
    lab.check(size_of(m.a) == size, "a volume grew by itself")
    m.promote(m.a)
    lab.check(content(m.a, size) == was, "the move changed the data")

    # In use, from the other side.
    m.a.sh(f"sleep 300 3<>{DEVICE} >/dev/null 2>&1 </dev/null & echo $! >/run/opener")
    m.b.sh("lockstep resize r0", timeout=90)
    for x in (m.a, m.b):
        lab.check(OLD < size_of(x) < NEW, f"{x.name}: {size_of(x)} bytes")
    m.wait_synced()
    m.a.sh("kill $(cat /run/opener)")
    lab.check(content(m.a, size) == was, "growing changed the data")
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=8 seek={size // MIB} oflag=direct")

    # It is at the new end for good, also after a crash.
    m.b.kill()
    m.reboot(m.b)
    m.wait_synced()
    taken_back(m)
    cut_off(m)
    m.finish()
    for x in (m.a, m.b):
        x.sh("lockstep check-meta r0")
