# SPDX-License-Identifier: GPL-2.0
"""more bad input: wrong disks, wrong hosts, wrong moments; a sentence and a way out for each

What the rest of the refusals is provoked by stands in tests/refusals.
"""

from mirror import LINEAR, MIB, WRITE_ERRORS, Mirror
from tries import DATA_MIB, Tries

TIMEOUT = 500
CONF = "/etc/lockstep/r0.conf"


class More:
    def __init__(self, lab):
        self.lab = lab
        self.m = Mirror(lab, disks={"data": 32 * MIB, "more": 32 * MIB}, timeout_ms=2000,
                        mapped=True)
        self.a, self.b = self.m.a, self.m.b
        self.on_a, self.on_b = (Tries(lab, x, DATA_MIB) for x in (self.a, self.b))

    def no_module(self):
        """Neither can it be loaded, nor does the daemon run."""
        a = self.a
        a.sh("rmmod lockstep; mv /lib/modules /lib/modules.away")
        self.on_a.refused("lockstep up r0", "the kernel module lockstep is not loaded, and")
        a.sh("kill $(cat /run/lockstepd.pid); sleep 1")
        self.on_a.refused("lockstep promote r0", "the kernel module lockstep is not loaded",
                          "modprobe lockstep")
        self.on_a.refused("lockstep up r0", "lockstepd does not run: nobody listens on",
                          "systemctl start lockstepd")
        a.sh("mv /lib/modules.away /lib/modules && modprobe lockstep")
        self.m.start_daemon(a)

    def not_up(self):
        for cmd in ("promote", "demote", "connect", "disconnect", "attach", "resume",
                    "connect --dry-run"):
            word, *more = cmd.split()
            self.on_a.refused(" ".join(["lockstep", word, "r0", *more]), "r0", "lockstep up r0")
        for word in ("detach", "resize", "verify", "wait-sync", "resolve --keep here"):
            word, *more = word.split()
            self.on_a.refused(" ".join(["lockstep", word, "r0", *more]), "is not up here",
                              "lockstep up r0")
        self.a.sh("mv /etc/lockstep /etc/away")
        self.on_a.refused("lockstep up --all", "the directory /etc/lockstep cannot be read",
                          "mkdir")
        self.a.sh("mv /etc/away /etc/lockstep")

    def other_conf(self, name, old, new):
        """A configuration made of the right one by a slip."""
        self.a.sh(f"sed 's,{old},{new},' {CONF} > /etc/lockstep/{name}.conf && "
                  f"cp /etc/lockstep/r0.key /etc/lockstep/{name}.key")

    def wrong_disks(self):
        a = self.a
        self.other_conf("r1", "nothing", "")
        self.on_a.refused("lockstep up r0", "holds no lockstep metadata", "lockstep init r0")
        a.sh("lockstep init r0 --clean")
        self.m.map(a, "data", WRITE_ERRORS)
        self.on_a.refused("lockstep up r0", "metadata on /dev/mapper/data cannot be written "
                          "(error -5)", "then lockstep up r0")
        self.m.map(a, "data", LINEAR)
        self.on_a.refused("lockstep up r1", "/dev/mapper/data holds a copy of resource r0, not of",
                          "correct the disk in /etc/lockstep/r1.conf")
        a.sh(f"cp {CONF} /run/good && sed -i 's,mapper/data,mapper/x,; s,mapper/more,mapper/data,;"
             f" s,mapper/x,mapper/more,' {CONF}")
        self.on_a.refused("lockstep up r0", "holds volume 1, not volume 0",
                          "correct the numbers in")
        a.sh(f"cp /run/good {CONF} && sed -i 's,\"/dev/mapper/data\",\"/dev/nosuch\",' {CONF}")
        self.on_a.refused("lockstep up r0", "/dev/nosuch cannot be opened")
        self.on_a.refused("lockstep init r0", "/dev/nosuch", "No such file")
        a.sh(f"cp /run/good {CONF} && sed -i 's,\"/dev/mapper/data\",\"/etc/passwd\",' {CONF}")
        self.on_a.refused("lockstep up r0", "/etc/passwd is not a block device")
        self.on_a.refused("lockstep init r0", "/etc/passwd is not a block device")
        a.sh(f"cp /run/good {CONF} && sed -i 's,\"/dev/mapper/data\";,& meta = "
             f"\"/dev/mapper/data\";,' {CONF}")
        self.on_a.refused("lockstep up r0", "is named twice")
        a.sh(f"cp /run/good {CONF} && modprobe loop && truncate -s 8M /run/meta && "
             "losetup /dev/loop1 /run/meta && sed 's,\"/dev/mapper/data\";,& meta = "
             f"\"/dev/loop1\";,' {CONF} > /run/ext.conf && cp /run/ext.conf {CONF}")
        self.on_a.refused("lockstep up r0", "/dev/loop1 holds no lockstep metadata",
                          "lockstep init")
        a.sh(f"cp /run/good {CONF}; rm /etc/lockstep/r1.*")

    def taken(self):
        """While r0 is up: its disk is not free for another one."""
        a = self.a
        a.sh("lockstep up r0")
        self.other_conf("r1", "nothing", "")
        self.on_a.refused("lockstep up r1", "/dev/mapper/data is in use")
        self.on_a.refused("lockstep init r1 --force", "/dev/mapper/data is in use", "r0")
        a.sh("rm /etc/lockstep/r1.*")

    def unconnected(self):
        self.on_a.refused("lockstep verify r0", "there is nothing to compare with",
                          "lockstep wait-connect r0")
        # One that an upgrade left behind, lockstepd above all.
        self.on_a.refused("oldtool r0 1", "the kernel module is newer than the lockstepd, or "
                          "lockstep, that asks: its commands are version 2, and not 1",
                          "systemctl restart lockstepd, then lockstep status")
        self.on_a.refused("lockstep resize r0 --volume 0", "not connected", "b")
        self.on_a.refused("lockstep connect r0 --dry-run", "not", "b")
        self.on_a.refused("lockstepd --foreground", "another lockstepd runs already")
        self.a.sh("kill $(cat /run/lockstepd.pid); sleep 1")
        self.on_a.refused("lockstep resolve r0 --keep here",
                          "lockstepd does not run, and the peer has to agree",
                          "systemctl start lockstepd")
        self.m.start_daemon(self.a)

    def connected(self):
        """a is primary; what is asked of the wrong volume, host or state."""
        a, t = self.a, self.on_a
        self.b.sh("lockstep init r0 --clean && lockstep up r0")
        self.m.wait_synced()
        a.sh("lockstep promote r0")
        for word in ("detach", "resize"):
            t.refused(f"lockstep {word} r0", "has 2 volumes, and none was named", "--volume N")
        t.refused("lockstep verify r0 --range 0-1M", "a range of which one?", "--volume N")
        t.refused("lockstep resize r0 --volume 0", "which is all that the disk of",
                  "the disk")
        t.refused("lockstep attach r0", "no volume of r0 lacks a disk")
        t.refused("lockstep attach r0 --volume 0", "volume 0 has a disk, /dev/mapper/data")
        t.refused("lockstep attach r0 --volume 7", "has no volume 7")
        t.refused("lockstep resolve r0 --keep here --yes", "is not in a split brain")
        t.refused("lockstep verify r0 --resume", "has no verify that could be resumed")
        t.refused("lockstep verify r0 --result", "has not been verified since it was attached")
        t.refused("lockstep outdate r0", "r0: it is primary", "lockstep demote r0")
        self.on_b.refused("lockstep outdate r0", "there is a session with the peer")
        self.on_b.refused("lockstep promote r0", "the peer is primary", "on a: lockstep demote r0")
        self.on_b.refused("lockstep verify r0 --repair", "run it on a, which is primary")
        r = a.sh("insmod /nosuch 2>/dev/null; rmmod lockstep", check=False)
        self.lab.check(r.rc != 0, "the module went away under a volume")

    def disks(self):
        """Given up, replaced by what does not fit, and the last good one."""
        a, t = self.a, self.on_a
        # It ends the session, and the next one takes a moment.
        a.sh("lockstep detach r0 --volume 0 && lockstep wait-connect r0")
        t.refused("lockstep resize r0 --volume 0", "volume 0 has no disk here",
                  "lockstep attach r0")
        a.sh("truncate -s 16M /run/small && losetup /dev/loop0 /run/small && "
             f"sed -i 's,/dev/mapper/data,/dev/loop0,' {CONF} && lockstep init r0 --volume 0")
        t.refused("lockstep attach r0", "/dev/loop0 has room for", "sectors, and the volume has")
        a.sh("losetup -d /dev/loop0 && truncate -s 64M /run/small && "
             "losetup -b 4096 /dev/loop0 /run/small && lockstep init r0 --volume 0")
        t.refused("lockstep attach r0", "/dev/loop0 has blocks of 4096 bytes, and the volume, "
                  "in use, of 512", "lockstep init r0 --volume 0, then lockstep attach r0")
        a.sh(f"cp /run/good {CONF} && losetup -d /dev/loop0 && lockstep attach r0")
        self.m.wait_synced()
        self.b.sh("lockstep detach r0 --volume 1")
        t.refused("lockstep detach r0 --volume 1", "nobody else has an up-to-date copy")
        a.sh("lockstep demote r0")
        self.on_b.refused("lockstep promote r0", "its disk has failed", "lockstep attach r0")
        self.b.sh("lockstep attach r0")
        self.m.wait_synced()

    def half_copied(self):
        """b is being synchronised, slowly, and then the connection goes."""
        a, b = self.a, self.b
        self.m.pair.cut("both")
        for x in (a, b):
            self.m.wait_link(x, up=False)
        a.sh("lockstep promote r0 && dd if=/dev/urandom of=/dev/lockstep0 bs=1M count=24 "
             "oflag=direct && lockstep demote r0")
        self.m.map(b, "data", "delay {dev} 0 1000")
        self.m.pair.restore("both")
        self.lab.wait(lambda: self.m.volume(b).get("sync", {}).get("state") == "target", 30,
                      "b is being synchronised")
        self.on_b.refused("lockstep promote r0", "it is being synchronised from the peer",
                          "lockstep wait-sync r0", moves=True)
        self.m.pair.cut("both")
        self.m.wait_link(b, up=False)
        self.m.map(b, "data", "linear {dev} 0")
        self.on_b.refused("lockstep promote r0", "it is inconsistent: a synchronisation did not",
                          "--force", moves=True)
        self.on_b.refused("lockstep outdate r0", "it is inconsistent", moves=True)
        self.m.pair.restore("both")
        self.m.wait_synced()

    def split(self):
        a, b = self.a, self.b
        a.sh("lockstep promote r0")
        self.m.pair.cut("both")
        for x in (a, b):
            self.m.wait_link(x, up=False)
        # Told that a goes on without it, b wants to be forced.
        b.sh("lockstep outdate r0", check=False)
        self.on_b.refused("lockstep promote r0", "nobody confirmed that it is the latest copy",
                          "lockstep promote --force r0")
        b.sh("lockstep promote --force r0")
        for x in (a, b):
            x.sh("dd if=/dev/urandom of=/dev/lockstep0 bs=64k count=1 oflag=direct")
        self.m.pair.restore("both")
        for x in (a, b):
            self.lab.wait(lambda: ((self.m.status(x, check=False) or {}).get("daemon") or {})
                          .get("split_brain"), 60, f"{x.name} knows of the split")
        t = self.on_a
        t.refused("lockstep resolve r0 --keep here --yes", "r0 is primary on b, and what is in",
                  "on b: stop what uses it, then lockstep demote r0")
        b.sh("lockstep demote r0")
        self.lab.wait(lambda: ((self.m.status(a)["daemon"]["split_brain"] or {}).get("peer") or {})
                      .get("role") == "secondary", 30, "a has heard of that")
        t.refused("lockstep resolve r0 --keep peer --yes", "r0 is primary on a, and what is in")
        t.refused("lockstep resolve r0 --keep here --save /run/x --yes",
                  "what is thrown away is on b, and is saved there", "--keep peer --save /run/x")
        t.refused("lockstep resolve r0 --keep here </dev/null",
                  "nobody is there to be asked, and --yes was not given", "--yes")
        t.refused("lockstep verify r0", "there is nothing to compare with")
        a.sh("lockstep resolve r0 --keep here --yes")
        self.m.wait_synced()


def run(lab):
    c = More(lab)
    for part in (c.no_module, c.not_up, c.wrong_disks, c.taken, c.unconnected, c.connected,
                 c.disks, c.half_copied, c.split):
        lab.say(f"-- {part.__name__}")
        part()
    c.on_a.done()
    c.m.finish()
