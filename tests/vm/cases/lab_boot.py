# SPDX-License-Identifier: GPL-2.0
"""The lab itself: machines boot, keep disks over a kill, and their link can be cut and restored."""

import os
import threading
import time

from lab import ACKS, CheckError, MachineDied, compare_disks

TIMEOUT = 240
TIMED = True                           # and modules that the slow kernel lacks
MODULE = False                         # needs no lockstep.ko


def ping(m, ip, count=1):
    return m.sh(f"ping -c {count} -i 0.2 -W 1 {ip}", 20, check=False).rc == 0


def run(lab):
    pair = lab.pair(disks={"data": "64M"}, links=2)
    a, b = pair
    lab.say(f"booted {a.release}: {a.boot_seconds:.1f} s and {b.boot_seconds:.1f} s")

    # Commands: status, both streams, several at once, stdin, kill, files.
    r = a.sh("echo out; echo err >&2; exit 3", check=False)
    lab.check((r.rc, r.out, r.err) == (3, "out\n", "err\n"), r)
    slow, quick = a.start("sleep 100"), a.start("echo quick")
    lab.check(quick.wait(10).out == "quick\n" and slow.alive, "two at once")
    slow.kill()
    lab.check(slow.wait(10, check=False).rc == 128 + 9, "kill")
    blob = os.urandom(1 << 20)
    a.put(blob, "/tmp/dir/blob")
    lab.check(a.get("/tmp/dir/blob") == blob, "put and get")
    try:
        a.sh("false")
        raise CheckError("a failing command was not noticed")
    except CheckError as e:
        lab.check("exit 1" in str(e), e)

    # What the initramfs promises.
    a.sh("modprobe -a null_blk brd loop dm_mod dm_flakey sch_netem tls xfs ext4 crc32c nbd "
         "nvmet_tcp nvme_tcp raid1")
    a.sh("for t in fio mkfs.ext4 mkfs.xfs xfs_repair e2fsck blkdiscard cmp tc ss dmsetup; do "
         "type $t || exit 1; done; fio --version; mount | grep -q configfs")

    # The link: both wires, both ways; time of a round trip.
    for n in (77, 78):
        lab.check(ping(a, f"10.{n}.0.2") and ping(b, f"10.{n}.0.1"), f"no ping on 10.{n}")
    # The quickest: a busy host delays some of them by any time, a slow wire all of them.
    out = a.sh("ping -c 20 -i 0.05 -s 4096 10.77.0.2").out
    rtt = float(out.splitlines()[-1].split("=")[1].split("/")[0])
    lab.say(f"4 KiB there and back: {rtt} ms")
    lab.check(rtt < 20, f"a round trip of 4 KiB takes {rtt} ms")

    # Disks and acks outlive a kill, under a command too.
    lab.check(a.sh("blockdev --getsize64 /dev/lab/data").out == "67108864\n", "size of disk")
    a.sh("dd if=/dev/urandom of=/dev/lab/data bs=64k count=16 oflag=direct status=none")
    want = a.sh("head -c 1M /dev/lab/data | sha256sum").out
    a.sh(f"echo first >> {ACKS}")
    job = a.start(f"while :; do echo more; done > {ACKS}")
    lab.wait(lambda: len(a.acks()) > 1000, 10, "acks arrive")
    a.kill()
    try:
        job.wait(5)
        raise CheckError("a command outlived its machine")
    except MachineDied:
        pass
    lab.check(a.acks().startswith(b"first\nmore\n"), a.acks()[:40])
    first, ranges = compare_disks(a.disk("data"), b.disk("data"))
    lab.check(first is not None and first < 64 and ranges == [(0, 1 << 20)], (first, ranges))
    a.boot()
    lab.check(a.sh("head -c 1M /dev/lab/data | sha256sum").out == want, "data lost by a kill")
    lab.check(ping(a, "10.77.0.2") and ping(b, "10.77.0.1"), "no link after one end's reboot")
    b.sh("cat > /dev/lab/data; sync", input=a.get("/dev/lab/data"))
    lab.same(a.disk("data"), b.disk("data"), 64 << 20)

    # Cuts: with carrier, without, one way.
    pair.link(False)
    lab.check(not ping(a, "10.77.0.2"), "ping goes through a cut link")
    lab.check(a.sh("cat /sys/class/net/eth0/carrier").out == "0\n", "the carrier stays")
    pair.link(True)
    lab.wait(lambda: ping(a, "10.77.0.2"), 10, "ping after the link is back")
    heard = "cat /sys/class/net/eth0/statistics/rx_packets"
    pair.cut("ba")
    before = int(b.sh(heard).out)
    lab.check(not ping(a, "10.77.0.2", 3), "ping goes through a cut direction")
    lab.check(int(b.sh(heard).out) >= before + 3, "cutting b to a cut a to b as well")
    pair.restore()
    lab.check(ping(a, "10.77.0.2", 3), "no ping after restoring")
    lab.check(a.sh("cat /sys/class/net/eth0/carrier").out == "1\n", "the carrier went")

    # A paused machine answers late, not never.
    b.pause()
    t = time.monotonic()
    threading.Timer(1.5, b.resume).start()
    b.sh("true")
    lab.check(time.monotonic() - t > 1.3, "a paused machine answered")
    lab.check(ping(a, "10.77.0.2"), "no ping after a pause")

    b.poweroff()
    lab.check(not b.alive, "powered off and alive")
    b.boot()
    lab.check(ping(b, "10.77.0.1"), "no link after a power cycle")
