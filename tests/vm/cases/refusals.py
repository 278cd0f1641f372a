# SPDX-License-Identifier: GPL-2.0
"""bad input: each gets one sentence that names the thing and the way out, and changes nothing"""

from mirror import DEVICE, Mirror
from tries import DATA_MIB, Tries

TIMEOUT = 400


def problem(m, machine, *words):
    """The daemon's finding, in status, with a way out."""
    def found():
        s = m.status(machine, check=False) or {}
        p = s.get("problem") or {}
        return p if all(w in (p.get("text") or "") for w in words) else None
    p = m.lab.wait(found, 60, f"{machine.name} names {words}")
    m.lab.say(f"{machine.name}: {p['text']} -> {p['mend']}")
    m.lab.check(p["mend"], f"no way out of: {p['text']}")


def offline(lab, m, t):
    a = m.a
    conf = "/etc/lockstep/r0.conf"
    a.sh("lockstep init r0")
    t.refused("lockstep init r0", "/dev/lab/data", "r0", "--force")
    a.sh(f"cp {conf} /run/good && sed -i s/minor/mnior/ {conf}")
    t.refused("lockstep up r0", "mnior", "minor", "r0.conf")
    a.sh(f"cp /run/good {conf} && sed -i '/data/s/;/,,/' {conf}")
    t.refused("lockstep up r0", "r0.conf")
    a.sh(f"cp /run/good {conf}; echo carol > /etc/lockstep/node")
    t.refused("lockstep up r0", "carol")
    # The other side's place cannot be taken by calling oneself so.
    a.sh("echo b > /etc/lockstep/node; kill $(cat /run/lockstepd.pid); sleep 1")
    m.start_daemon(a)
    t.refused("lockstep up r0", "/dev/lab/data", "node")
    a.sh("echo a > /etc/lockstep/node; kill $(cat /run/lockstepd.pid); sleep 1")
    m.start_daemon(a)
    a.sh("modprobe loop; dd if=/dev/zero of=/run/small bs=64k count=1 && "
         "losetup /dev/loop0 /run/small && "
         "sed 's,/dev/lab/data,/dev/loop0,' /run/good > /etc/lockstep/tiny.conf && "
         "cp /etc/lockstep/r0.key /etc/lockstep/tiny.key")
    t.refused("lockstep init tiny", "/dev/loop0", "small")
    t.refused("lockstep up tiny", "/dev/loop0")
    t.refused("lockstep up nosuch", "nosuch")
    t.refused("lockstep promote nosuch", "nosuch")
    a.sh("losetup -d /dev/loop0; rm /etc/lockstep/tiny.*")


def connected(lab, m, t):
    a, b = m.a, m.b
    a.sh("lockstep up r0")
    t.refused("lockstep promote r0", "r0", "--force")
    t.refused("lockstep init --force r0", "/dev/lab/data", "use")
    # A wrong key: nothing moves, both sides say so.
    b.sh("lockstep init r0; cp /etc/lockstep/r0.key /run/key; rm /etc/lockstep/r0.key; "
         "lockstep keygen r0; lockstep up r0")
    for x in (a, b):
        problem(m, x, "key")
    b.sh("lockstep down r0; cp /run/key /etc/lockstep/r0.key; lockstep up r0")
    for x in (a, b):
        problem(m, x, "new")
    # A peer that speaks something else.
    b.sh("lockstep down r0; kill $(cat /run/lockstepd.pid); sleep 1")
    talker = b.start("while :; do echo 'SSH-2.0-something' | busybox nc -l -p 7400; done")
    problem(m, a, "7400")
    talker.kill()
    talker.wait(10, check=False)
    m.start_daemon(b)
    b.sh("lockstep up r0")
    a.sh("lockstep promote --force r0")
    m.wait_synced()
    # Two primaries: asked while connected, the second is refused.
    t2 = Tries(lab, b, DATA_MIB)
    t2.refused("lockstep promote r0", "primary")
    t2.refused(f"dd if=/dev/zero of={DEVICE} bs=4k count=1 oflag=direct", "Read-only")


def opened(lab, a, t):
    """While somebody has it open."""
    holder = a.start(f"exec 3<>{DEVICE}; echo open; exec sleep 1000")
    lab.wait(lambda: "open" in holder.text, 20, "the device is open")
    t.refused("lockstep demote r0", DEVICE, "(pid ")
    t.refused("lockstep down r0", DEVICE, "(pid ")
    t.refused("lockstep resize r0 --size 20M --shrink", DEVICE, "close it")
    holder.kill()
    holder.wait(10, check=False)


def in_use(lab, m, t):
    """A whole mirror: what cannot be asked of it."""
    a, b = m.a, m.b
    t.refused("lockstep detach r0 --volume 7", "r0", "volume 7")
    t.refused("lockstep resize r0 --volume 7", "r0", "volume 7")
    t.refused("lockstep resize r0 --size 1K", "a volume has")
    t.refused("lockstep resize r0 --shrink", "--shrink needs --size")
    t.refused("lockstep resize r0 --size 20M", "would lose", "--shrink")
    t.refused("lockstep resize r0 --size 900G", "/dev/lab/data", "31 MiB", "larger")
    t.refused("lockstep attach r0", "r0")
    t.refused("lockstep verify r0 --range 100G-", "before the range begins")
    t.refused("lockstep verify r0 --volume 3", "volume 3")
    t.refused("lockstep wait-sync nosuch", "nosuch")
    t.refused("lockstep init --force r0", "/dev/lab/data", "use")
    opened(lab, a, t)
    Tries(lab, b, DATA_MIB).refused("lockstep verify r0", "primary")


def cut_off(lab, m, t):
    """Without the other host: what only it could say, or do."""
    a, b = m.a, m.b
    m.pair.link(False)
    for x in (a, b):
        m.wait_link(x, up=False)
    t.refused("lockstep detach r0", "r0")
    t.refused("lockstep resize r0", "not connected")
    t.refused("lockstep verify r0", "r0")
    t.refused("lockstep wait-connect r0 --timeout 1", "not there after 1 s", "b")
    t.refused("lockstep wait-sync r0 --timeout 1", "not there after 1 s")
    b.sh("lockstep disconnect r0")
    m.pair.link(True)
    problem(m, b, "on request")
    b.sh("lockstep connect r0")
    m.wait_synced()


def run(lab):
    m = Mirror(lab, size_mib=32)
    t = Tries(lab, m.a)
    offline(lab, m, t)
    connected(lab, m, t)
    t = Tries(lab, m.a, DATA_MIB)
    in_use(lab, m, t)
    cut_off(lab, m, t)
    t.done()
    m.finish()
