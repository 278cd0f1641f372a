# SPDX-License-Identifier: GPL-2.0
"""trace-write finds the peer's slow disk, and debugfs says what stuck writes wait for"""

import json
import signal

from mirror import DEVICE, LINEAR, MIB, Mirror

TIMEOUT = 240
COUNT = 200
LOAD = (f"fio --name=v --filename={DEVICE} --direct=1 --ioengine=libaio --iodepth=1 --rw=randwrite "
        "--bs=4k --size=32m --time_based=1 --runtime=600 --thread --minimal {more}")
DELAY_MS = 5
MS = 1_000_000


def trace(m, options=""):
    return json.loads(m.a.sh(f"lockstep trace-write r0 --json --peer --count {COUNT} --timeout 20 "
                             f"{options}", timeout=60).out)


def refused(lab, machine, options, text):
    r = machine.sh(f"lockstep trace-write r0 {options}", check=False, timeout=60)
    lab.check(r.rc == 1 and text in " ".join(r.text.split()) and "-> " in r.text, r.text)


def medians(said, kind="writes"):
    return {leg: v["median_ns"] for leg, v in said[kind]["legs"].items() if v}


def check_sum(lab, said, kind="writes", enough=COUNT * 9 // 10):
    s = said[kind]
    legs = dict(s["legs"])
    total = legs.pop("total")["mean_ns"]
    legs.pop("local_disk")
    parts = sum(v["mean_ns"] for v in legs.values())
    lab.check(abs(parts - total) < total / 100, f"{kind}: legs come to {parts}, not {total}: {s}")
    lab.check(s["count"] >= enough and s["unmatched"] < COUNT // 10, f"{kind}: {said}")


def instances(machine):
    return machine.sh("ls /sys/kernel/tracing/instances").out.split()


def check_ends(lab, m):
    """However it ends, no tracing is left here; and on the peer none that was asked for."""
    job = m.a.start("lockstep trace-write r0 --count 4000 --timeout 60")
    lab.wait(lambda: instances(m.a) and instances(m.b), 30, "both trace")
    job.kill(signal.SIGTERM)
    r = job.wait(30, check=False)
    lab.check(r.rc == 1 and "interrupted" in r.text, f"{r.rc}: {r.text}")
    lab.check(not instances(m.a) and not instances(m.b), "a trace is left behind")
    job = m.a.start("lockstep trace-write r0 --count 4000 --timeout 60")
    lab.wait(lambda: instances(m.a), 30, "it traces")
    job.kill(signal.SIGKILL)
    job.wait(30, check=False)
    left = instances(m.a)
    lab.check(len(left) == 1, f"nobody could have removed it: {left}")
    trace(m)
    lab.check(not instances(m.a) and not instances(m.b), "the next one removes it")


def check_alone(lab, m):
    """Without the daemon there is this host's half; with the peer's as well if that must be."""
    m.kill_daemon(m.a)
    text = m.a.sh(f"lockstep trace-write r0 --count {COUNT}", timeout=60).out
    lab.say(text)
    lab.check("b's half is missing: lockstepd does not run" in text and "wire and b" in text, text)
    refused(lab, m.a, "--peer", "lockstepd does not run")
    m.start_daemon(m.a)
    m.wait_synced()


def waiting(machine):
    """{(sector, what it waits for), ...} of requests older than a second, as debugfs has them."""
    lines = machine.sh("cat /sys/kernel/debug/lockstep/r0/requests").out.splitlines()
    rows = [line.split(None, 5) for line in lines[1:]]
    return {(int(r[3]), r[5]) for r in rows if int(r[0]) > 1000}


def check_stuck(lab, m, victim, cases):
    """cases: sectors that are written while the victim's disk stands still, and what for each is
    said. The last is of the load's."""
    victim.sh("dmsetup suspend --nolockfs data")
    jobs = [m.a.start(f"dd if=/dev/zero of={DEVICE} bs=4k count=1 oflag=direct conv=notrunc "
                      f"seek={sector // 8} 2>&1") for sector, _ in cases if sector is not None]

    def all_said():
        have = waiting(m.a)
        return all(any(sector in (None, s) and reason in why for s, why in have)
                   for sector, reason in cases)
    try:
        lab.wait(all_said, 20, f"debugfs has the reasons {cases}")
    finally:
        lab.say(m.a.sh("cat /sys/kernel/debug/lockstep/r0/*").out)
        streams = m.a.sh("cat /sys/kernel/debug/lockstep/r0/streams").out.splitlines()[2:]
        victim.sh("dmsetup resume --noudevsync data")
    slots = sum(int(line.split()[3]) for line in streams)
    lab.check(len(streams) == 4 and slots >= (victim is m.b), f"slots: {streams}")
    for job in jobs:
        job.wait(30)
    lab.wait(lambda: not waiting(m.a), 20, "nothing is stuck any more")


def check_delay(lab, m):
    """A disk of the peer that is slower by DELAY_MS is that, and no other leg is any longer."""
    fast = trace(m)
    check_sum(lab, fast)
    m.map(m.b, "data", f"delay {{dev}} 0 {DELAY_MS}")
    slow = [trace(m), trace(m)]
    for said in slow:
        check_sum(lab, said)
    lab.say(m.a.sh(f"lockstep trace-write r0 --count {COUNT}", timeout=60).out)
    m.map(m.b, "data", LINEAR)
    # A host that is busy for a while slows anything down, once.
    before = medians(fast)
    after = {leg: min(medians(said)[leg] for said in slow) for leg in before}
    more = {leg: (after[leg] - before[leg]) / MS for leg in before}
    lab.say(f"more: {more}")
    # The delay ends with one of the kernel's ticks, and starts with the next.
    lab.check(DELAY_MS - 1 < more["peer_disk"] < 4 * DELAY_MS, f"the peer's disk: {more}")
    lab.check(more["total"] > DELAY_MS / 2, f"in all: {more}")
    for leg in set(more) - {"peer_disk", "total"}:
        lab.check(more[leg] < DELAY_MS - 1, f"{leg}: {more}")


def check_refusals(lab, m):
    for x in (m.a, m.b):
        x.sh("while umount /sys/kernel/tracing 2>/dev/null; do :; done")
    refused(lab, m.a, "", "tracefs is not mounted")
    for x in (m.a, m.b):
        x.sh("mount -t tracefs tracefs /sys/kernel/tracing")
    refused(lab, m.b, "", "not primary here")
    refused(lab, m.a, "--timeout 1", "no write came to r0 within 1 s")


def run(lab):
    m = Mirror(lab, disks={"data": 64 * MIB}, mapped=True)
    m.form()
    # Legs are not compared on the slow kernel; what waits for what is said there, too.
    traces = not m.lab_is_slow()
    check_refusals(lab, m)
    load = m.a.start(LOAD.format(more=""))
    lab.wait(lambda: m.volume(m.a)["io"]["written_bytes"] > MIB, 60, "the load writes")
    if traces:
        check_delay(lab, m)
    # Beyond the load: a region that is not in the map yet, and twice the same sector.
    check_stuck(lab, m, m.a, [(112 * 1024, "its region in the map on the disk"),
                              (None, "the local disk (")])
    check_stuck(lab, m, m.b, [(112 * 1024, "the peer's answer (stream"),
                              (112 * 1024, "an earlier request to the same sectors"),
                              (None, "the peer's answer (stream")])
    if traces:
        check_ends(lab, m)
        check_alone(lab, m)
    load.kill()
    load.ended(30)

    if traces:
        load = m.a.start(LOAD.format(more="--fsync=1"))
        said = trace(m)
        # Together they are as many as were asked for.
        check_sum(lab, said, "writes", COUNT // 3)
        check_sum(lab, said, "flushes", COUNT // 10)
        load.kill()
        load.ended(30)
    m.finish()
