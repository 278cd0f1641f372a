# SPDX-License-Identifier: GPL-2.0
"""verify under load finds what was damaged and nothing else, and repair mends it"""

import json
import time

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 400
BLOCK = 4096
SIZE = 96 * MIB


def damage(m, block, count=1, sector=0):
    """Behind Lockstep's back, on the disk itself: one sector in each block."""
    for b in range(block, block + count):
        m.sh(f"tr '\\0' X </dev/zero | dd of=/dev/lab/data bs=512 count=1 seek={b * 8 + sector} "
             "oflag=direct conv=notrunc iflag=fullblock 2>/dev/null")


def verify(m, options="", differ=False):
    r = m.sh(f"lockstep verify r0 --wait --timeout 200 {options}", timeout=220, check=False)
    said = "differ between the copies" in r.text and "\n  -> lockstep " in r.text
    if (r.rc == 1) != differ or r.rc > 1 or said != differ:
        raise AssertionError(f"verify {options}: exit {r.rc}: {r.text}\n" + m.sh(
            "lockstep verify r0 --result").text)


def result(m):
    """Blocks that differed."""
    said = json.loads(m.sh("lockstep verify r0 --result --json").out)["volumes"][0]
    blocks = set()
    for r in said["ranges"]:
        blocks |= set(range(r["offset"] // BLOCK, (r["offset"] + r["length"]) // BLOCK))
    return blocks, said["verify"]


def load(m, *more):
    """Reads and writes of 16 MiB, in the middle."""
    return m.a.start(f"fio --name=load --filename={DEVICE} --offset=48m --size=16m --rw=randrw "
                     "--bs=4k --direct=1 --ioengine=libaio --iodepth=8 --time_based "
                     "--runtime=1000 --thread --minimal " + " ".join(more))


def end(fio):
    fio.kill()
    fio.ended(30)


def run(lab):
    m = Mirror(lab, disks={"data": SIZE})
    m.form()
    size = m.status(m.a)["volumes"][0]["size_bytes"]
    last = size // BLOCK - 1
    m.a.sh(f"fio --name=fill --filename={DEVICE} --rw=write --bs=1m --size=32m --direct=1 "
           "--ioengine=libaio --iodepth=4 --minimal; sync", timeout=120)
    r = m.b.sh("lockstep verify r0", check=False)
    lab.check(r.rc == 1 and "which is primary" in r.text, f"verify on the secondary: {r.text}")

    bad = {3, 4, 5, 700, 1023, 1024, 5000, last}
    for b in bad:
        damage(m.b, b, sector=b % 8)
    # Beside a load that never pauses a verify moves a little only: just what is written meanwhile.
    heavy = load(m)
    time.sleep(2)
    verify(m.a, "--range 48M-54M")
    lab.check(heavy.alive and result(m.a)[0] == set(), "of what is being written")
    end(heavy)

    light = load(m, "--rate_iops=3,3")
    verify(m.a, differ=True)
    found, state = result(m.a)
    lab.check(found == bad, f"found {sorted(found)}, damaged {sorted(bad)}")
    lab.check(state["state"] == "done", str(state))

    # A part of it, and all of it once more: what a repair has written is the same on both.
    verify(m.a, "--range 1M-4M", differ=True)
    lab.check(result(m.a)[0] == {700, 1023}, "of a part of the volume")
    verify(m.a, "--repair", differ=False)
    found, state = result(m.a)
    lab.check(found == bad, f"repair found {sorted(found)}, damaged {sorted(bad)}")
    verify(m.a)
    lab.check(result(m.a)[0] == set(), "after the repair")

    # Stopped and gone on with. It may have been done before it was stopped.
    m.a.sh("lockstep verify r0; lockstep verify r0 --stop")
    state = m.status(m.a)["volumes"][0]["verify"]
    lab.say(f"stopped: {state}")
    if state["state"] == "stopped":
        verify(m.a, "--resume")
    end(light)

    # Its place is in the metadata, too.
    m.a.sh("lockstep verify r0; lockstep verify r0 --stop")
    state = m.status(m.a)["volumes"][0]["verify"]
    for x in (m.a, m.b):
        x.sh("lockstep down r0")
    for x in (m.a, m.b):
        x.sh("lockstep up r0")
    m.wait_synced()
    if state["state"] == "stopped" and state["at_byte"]:
        verify(m.a, "--resume")
        lab.check(f"verify of blocks {state['at_byte'] // BLOCK} to" in m.a.sh("dmesg").out,
                  "resumed after a restart where it stopped")
    m.finish()
