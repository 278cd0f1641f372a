# SPDX-License-Identifier: GPL-2.0
"""split brain: both show what both wrote, nothing moves; resolved either way, and saved before"""

import os

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 600
KIB = 1024
# Where each side writes, and how much: some of it the other one writes, too.
WRITES = {
    "a": [(1 * MIB, 64 * KIB), (3 * MIB, 4 * KIB), (40 * MIB, 128 * KIB)],
    "b": [(1 * MIB + 32 * KIB, 64 * KIB), (20 * MIB, 64 * KIB)],
}


def write(machine, round_nr):
    """Random bytes, kept on the machine for comparing."""
    for i, (at, size) in enumerate(WRITES[machine.name]):
        name = f"/run/wrote.{round_nr}.{i}"
        machine.put(os.urandom(size), name)
        machine.sh(f"dd if={name} of={DEVICE} bs=4k seek={at // 4096} oflag=direct conv=notrunc "
                   "2>&1")
    return sum(size for _, size in WRITES[machine.name])


def check_file(lab, machine, path, writer, round_nr):
    """What `writer` wrote is at its places in this file or device."""
    for i, (at, size) in enumerate(WRITES[writer.name]):
        machine.put(writer.get(f"/run/wrote.{round_nr}.{i}"), "/run/expected")
        r = machine.sh(f"dd if={path} of=/run/found bs=4k skip={at // 4096} count={size // 4096} "
                       "2>&1 && cmp /run/found /run/expected", check=False)
        lab.check(r.rc == 0, f"{path} on {machine.name} at {at}: {r.text}")


def split_of(m, machine):
    s = (m.status(machine, check=False) or {}).get("daemon") or {}
    return s.get("split_brain")


def make_split(lab, m, round_nr):
    """Cut; promote the other side by force; write on both; heal."""
    primary = m.a if m.status(m.a)["role"] == "primary" else m.b
    m.pair.cut()
    for x in (m.a, m.b):
        m.wait_link(x, up=False)
        x.sh("dmesg -C")
    m.type(m.other(primary), "lockstep promote --force r0")
    wrote = {x.name: write(x, round_nr) for x in (m.a, m.b)}
    m.pair.restore()
    for x in (m.a, m.b):
        lab.wait(lambda: (split_of(m, x) or {}).get("peer", {}).get("written_s"), 60,
                 f"{x.name} knows of the split and what its peer has")
    return wrote


def check_facts(lab, m, wrote):
    """The same on both hosts, the right way round; and nothing has moved."""
    seen = {x.name: split_of(m, x) for x in (m.a, m.b)}
    lab.say(m.a.sh("lockstep status r0").text)
    for x in (m.a, m.b):
        s, other = seen[x.name], m.other(x)
        lab.check(s["here"]["node"] == x.name and s["peer"]["node"] == other.name, f"nodes: {s}")
        lab.check(s["here"]["own_bytes"] == wrote[x.name], f"{x.name} wrote {wrote}: {s}")
        lab.check(s["peer"]["own_bytes"] == wrote[other.name], f"{other.name} wrote {wrote}: {s}")
        lab.check(s["here"]["role"] == "primary" and not s["here"]["crashed"], f"{s['here']}")
        lab.check(s["rule"] == "split" and s["id"] == seen["a"]["id"], f"{s}")
        now = int(x.sh("date +%s").out)
        lab.check(0 <= now - s["here"]["written_s"] < 120, f"written at {s}, now {now}")
        lab.check(m.status(x)["problem"]["code"] == "split-brain", "the problem has its word")
        lab.check(x.sh("dmesg | grep -c resync", check=False).out.strip() == "0",
                  f"{x.name}: something was copied")
    text = m.b.sh("lockstep status r0").out
    lab.check(all(len(line) <= 80 for line in text.splitlines() if "->" not in line), text)


def refused(lab, machine, cmd, *words):
    r = machine.sh(cmd, check=False)
    lab.say(f"{machine.name}$ {cmd}\n{r.text.rstrip()}")
    lab.check(r.rc == 1, f"{cmd}: exit {r.rc}: {r.text}")
    for w in words:
        lab.check(w in r.text, f"{cmd}: does not say {w}: {r.text}")


def keep_here(lab, m):
    """Asked on the winner: the other one gives up, and becomes a copy by marks."""
    wrote = make_split(lab, m, 0)
    check_facts(lab, m, wrote)
    refused(lab, m.a, "lockstep resolve r0 --keep here --yes", "primary", "lockstep demote r0")
    refused(lab, m.b, "lockstep resolve r0 --keep peer --yes", "primary", "lockstep demote r0")
    m.type(m.b, "lockstep demote r0")
    lab.wait(lambda: (split_of(m, m.a) or {}).get("peer", {}).get("role") == "secondary", 30,
             "a knows that b is demoted")
    refused(lab, m.a, "lockstep resolve r0 --keep here < /dev/null", "--yes")
    refused(lab, m.a, "lockstep resolve r0 --keep here --save /run/x --yes",
            "on b: lockstep resolve r0 --keep peer --save /run/x")
    lab.say(m.type(m.a, "lockstep resolve r0 --keep here --yes").text)
    m.wait_synced()
    check_file(lab, m.a, DEVICE, m.a, 0)
    copied = max(int(x.sh("dmesg | grep -o 'resync of [0-9]* KiB' | tail -n 1 | cut -d' ' -f3").out
                     or 0) for x in (m.a, m.b)) * KIB
    # What either wrote; 32 KiB of it both did.
    lab.check(copied == sum(wrote.values()) - 32 * KIB, f"{copied} bytes were copied")


def keep_peer(lab, m):
    """Asked on the loser, which saves what it gives up: exactly what it wrote."""
    wrote = make_split(lab, m, 1)
    check_facts(lab, m, wrote)
    m.type(m.a, "lockstep demote r0")
    lab.wait(lambda: (split_of(m, m.a) or {}).get("here", {}).get("role") == "secondary", 30,
             "a is demoted")
    refused(lab, m.a, "lockstep outdate r0", "it went on without the peer, which lacks", "-> ")
    m.a.sh("echo mine > /run/there")
    refused(lab, m.a, "lockstep resolve r0 --keep peer --save /run/there --yes", "/run/there")
    lab.check(m.a.sh("cat /run/there").out == "mine\n", "a file was overwritten")
    lab.check(split_of(m, m.a), "refused, and given up all the same")
    lab.say(m.type(m.a, "lockstep resolve r0 --keep peer --save /run/lost.img --yes").text)
    m.wait_synced()
    lines = m.a.sh("grep -v '^#' /run/lost.img.map").out.split("\n")[:-1]
    lab.check(lines == [f"{at} {size}" for at, size in WRITES["a"]], f"the list says {lines}")
    check_file(lab, m.a, "/run/lost.img", m.a, 1)
    held = int(m.a.sh("du -k /run/lost.img | cut -f1").out) * KIB
    lab.check(held == wrote["a"], f"the image holds {held} bytes, {wrote['a']} were written")
    check_file(lab, m.b, DEVICE, m.b, 1)


def crashed(lab, m):
    """The loser died while it was alone: what may be missing among its marks is saved as well."""
    m.pair.cut()
    for x in (m.a, m.b):
        m.wait_link(x, up=False)
    m.type(m.a, "lockstep promote --force r0")
    wrote = {x.name: write(x, 2) for x in (m.a, m.b)}
    m.a.kill()
    m.reboot(m.a)
    m.pair.restore()
    for x in (m.a, m.b):
        lab.wait(lambda: (split_of(m, x) or {}).get("peer", {}).get("promoted_s"), 60,
                 f"{x.name} knows of the split and what its peer has")
    for s in (split_of(m, m.a)["here"], split_of(m, m.b)["peer"]):
        lab.check(s["crashed"] and s["role"] == "secondary", f"a has crashed: {s}")
        lab.check(s["own_bytes"] + s["own_bytes_more"] >= wrote["a"], f"a wrote {wrote}: {s}")
    lab.say(m.a.sh("lockstep status r0").text)
    lab.say(m.type(m.a, "lockstep resolve r0 --keep peer --save /run/lost.img --yes").text)
    m.wait_synced()
    saved = [tuple(map(int, line.split()))
             for line in m.a.sh("grep -v '^#' /run/lost.img.map").out.splitlines()]
    for at, size in WRITES["a"]:
        lab.check(any(f <= at and at + size <= f + n for f, n in saved),
                  f"{size} bytes at {at} are not among {saved}")
    check_file(lab, m.b, DEVICE, m.b, 2)


LATE = (50 * MIB, 8 * KIB)


def write_late(m, machine):
    """Primary for a moment, by the kernel alone: no daemon is asked, or could tell anybody."""
    for cmd in ("promote", f"dd if=/run/late of={DEVICE} bs=4k seek={LATE[0] // 4096} "
                "oflag=direct conv=notrunc 2>&1", "demote"):
        if not cmd.startswith("dd "):
            cmd = f"LOCKSTEP_SOCKET=/run/nobody lockstep {cmd} r0"
        m.type(machine, cmd)


def written_since(lab, m):
    """The loser writes more between the preview and its yes: that is neither lost nor unsaved."""
    wrote = make_split(lab, m, 3)
    m.b.put(os.urandom(LATE[1]), "/run/late")
    m.type(m.b, "lockstep demote r0")
    lab.wait(lambda: (split_of(m, m.a) or {}).get("peer", {}).get("role") == "secondary", 30,
             "a knows that b is demoted")
    shown = split_of(m, m.a)
    lab.check(shown["peer"]["own_bytes"] == wrote["b"], f"b wrote {wrote}: {shown}")
    # Its daemon sees nothing until it is asked.
    m.b.sh("kill -STOP $(cat /run/lockstepd.pid)")
    write_late(m, m.b)
    m.b.sh("(sleep 4; kill -CONT $(cat /run/lockstepd.pid)) > /dev/null 2>&1 &")
    refused(lab, m.a, "lockstep resolve r0 --keep here --yes", "-> ", "lockstep")
    for x, side in ((m.a, "peer"), (m.b, "here")):
        lab.wait(lambda: (split_of(m, x) or {}).get(side, {}).get("own_bytes") ==
                 wrote["b"] + LATE[1], 30, f"{x.name} knows what b wrote meanwhile")
        lab.check(split_of(m, x)["id"] != shown["id"], f"{x.name}: another split by now")
    lab.wait(lambda: (split_of(m, m.b) or {}).get("peer", {}).get("written_s"), 30,
             "b has heard what a has")
    # Looked at again it goes, and nothing is missing in what is saved.
    m.type(m.b, "lockstep resolve r0 --keep peer --save /run/late.img --yes")
    m.wait_synced()
    lines = m.b.sh("grep -v '^#' /run/late.img.map").out.split("\n")[:-1]
    lab.check(lines == [f"{at} {size}" for at, size in WRITES["b"] + [LATE]], f"saved: {lines}")
    check_file(lab, m.b, "/run/late.img", m.b, 3)
    m.b.sh(f"dd if=/run/late.img of=/run/found bs=4k skip={LATE[0] // 4096} "
           f"count={LATE[1] // 4096} 2>&1 && cmp /run/found /run/late")
    check_file(lab, m.a, DEVICE, m.a, 3)


def run(lab):
    m = Mirror(lab, size_mib=64, timeout_ms=2000)
    m.form()
    keep_here(lab, m)
    keep_peer(lab, m)
    crashed(lab, m)
    written_since(lab, m)
    for x in (m.a, m.b):
        lab.check(split_of(m, x) is None, f"{x.name} still speaks of a split")
    m.finish()
