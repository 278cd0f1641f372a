# SPDX-License-Identifier: GPL-2.0
"""daemon killed -9 under load, either side: no error or stall over 2 s, all recovers"""

import json
import time

from mirror import DEVICE, Mirror

TIMEOUT = 300
TIMED = True                           # says nothing on a slow kernel

FIO = ("fio --name=load --filename={dev} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k "
       "--iodepth=4 --verify=crc32c --verify_fatal=1 --verify_backlog=512 --size=32m --time_based "
       "--runtime={seconds} --serialize_overlap=1 --output-format=json")
# What is promised. An emulated machine on a busy host may itself stop for longer: so a write is
# allowed three times what the slowest one took while nobody killed anything, and of the three
# recoveries the middle one counts.
STALL_S = 2
STATUS_S = 5

# Looked at from inside, because each command that the lab sends takes half a second on an emulated
# machine that is busy; from the start that the daemon's own process has.
RIGHT = """
start=$(awk '{print $22}' /proc/$(cat /run/lockstepd.pid)/stat)
until lockstep status r0 --json 2>/dev/null | grep -q '"phase": "connected"'; do sleep 0.1; done
echo $(( $(cut -d' ' -f1 /proc/uptime | tr -d .) - start ))
"""


def seconds_until_right(machine):
    return int(machine.sh(RIGHT, timeout=60).out) / 100


def slowest(result):
    text = result.out[result.out.index("{"):]
    return json.loads(text)["jobs"][0]["write"]["clat_ns"]["max"] / 1e9


def kill_and_restart(lab, m, victim):
    """Seconds until the status is right after the new daemon's start."""
    time.sleep(4)
    m.kill_daemon(victim)
    time.sleep(4)
    # The kernel goes on, and says so without the daemon.
    s = m.status(victim)
    lab.check(s["link"] == "up", f"{victim.name}: link is {s['link']} without its daemon")
    m.start_daemon(victim)
    took = seconds_until_right(victim)
    lab.say(f"daemon of {victim.name}: status right {took:.1f} s after its start")
    m.wait_synced()
    return took


def run(lab):
    m = Mirror(lab, size_mib=128)
    m.form()
    session = m.status(m.a)["session_id"]
    quiet = slowest(m.a.sh(FIO.format(dev=DEVICE, seconds=12), timeout=120))
    load = m.a.start(FIO.format(dev=DEVICE, seconds=45))
    took = sorted(kill_and_restart(lab, m, x) for x in (m.a, m.b, m.a))
    worst = slowest(load.wait(150))
    lab.say(f"slowest write {worst:.3f} s, with nobody killed {quiet:.3f} s")
    lab.check(m.status(m.a)["session_id"] == session, "the session was replaced")
    lab.check(took[1] < STATUS_S, f"status took {took} s to be right again\n{m.describe()}")
    lab.check(worst < max(STALL_S, 3 * quiet), f"a write took {worst:.3f} s, {quiet:.3f} before")
    m.finish()
