# SPDX-License-Identifier: GPL-2.0
"""The others: a remote disk over nvme-tcp, md RAID1 of that and a local one, and DRBD."""

from targets import ADDRESS, Mirrored

NVMET = "/sys/kernel/config/nvmet"
DRBD_CONF = """\
global {{ usage-count no; }}
resource {name} {{
    net {{ protocol C; {net} }}
    disk {{ {disk} }}
    on a {{ {node0} address 10.77.0.1:{port}; volume 0 {{ {volume} }} }}
    on b {{ {node1} address 10.77.0.2:{port}; volume 0 {{ {volume} }} }}
}}
"""
# LINBIT's advice; see report.py for what of it is safe where.
TUNED_NET = "max-buffers 8000; max-epoch-size 8000; sndbuf-size 0; rcvbuf-size 0;"
TUNED_DISK = "al-extents 6433;"
NO_FLUSHES = "disk-flushes no; md-flushes no; disk-barrier no;"


class Nvme(Mirrored):
    """nvmet serves b's disk; a connects to it."""
    name, title = "nvme", "the remote disk over nvme-tcp: one copy"
    packages = ("nvme-cli",)
    export = "bench-nvme"

    def setup(self):
        self.serve()
        self.remote = self.connect()
        self.bed.warm(self.bed.a, self.device)

    @property
    def device(self):
        return self.remote

    def serve(self):
        sub, port = f"{NVMET}/subsystems/{self.export}", f"{NVMET}/ports/1"
        self.bed.b.sh(
            f"set -e; modprobe nvmet_tcp; mkdir {sub}; echo 1 >{sub}/attr_allow_any_host; "
            f"mkdir {sub}/namespaces/1; echo -n {self.bed.data(self)} "
            f">{sub}/namespaces/1/device_path; echo 1 >{sub}/namespaces/1/enable; "
            f"if [ ! -d {port} ]; then mkdir {port}; echo ipv4 >{port}/addr_adrfam; "
            f"echo tcp >{port}/addr_trtype; echo {ADDRESS['b']} >{port}/addr_traddr; "
            f"echo 4420 >{port}/addr_trsvcid; fi; ln -s {sub} {port}/subsystems/{self.export}")

    def connect(self):
        self.bed.a.sh("modprobe nvme_tcp; mkdir -p /etc/nvme; nvme connect -t tcp "
                      f"-a {ADDRESS['b']} -s 4420 -n {self.export} -q nqn.2014-08.org:a "
                      "-I 7d3f2a4e-0b0f-4c27-9a3b-5a0d7f3a9c11", timeout=60)
        return self.bed.until(self.find, 20, "the nvme device is there")

    def find(self):
        out = self.bed.a.sh("cd /sys/class/nvme-subsystem; grep -l -x "
                            f"{self.export} */subsysnqn", check=False).out
        if not out:
            return None
        path = f"/dev/nvme{out.split('/')[0].removeprefix('nvme-subsys')}n1"
        return path if self.bed.a.sh(f"test -b {path}", check=False).rc == 0 else None

    def teardown(self):
        self.bed.a.sh(f"nvme disconnect -n {self.export}")
        sub, port = f"{NVMET}/subsystems/{self.export}", f"{NVMET}/ports/1"
        self.bed.b.sh(f"rm {port}/subsystems/{self.export}; echo 0 >{sub}/namespaces/1/enable; "
                      f"rmdir {sub}/namespaces/1 {sub}; "
                      f"[ -n \"$(ls {port}/subsystems)\" ] || rmdir {port}")


class Md(Nvme):
    name, title = "md", "md RAID1 of the local disk and the remote one over nvme-tcp, with bitmap"
    packages = ("nvme-cli", "mdadm")
    export = "bench-md"

    @property
    def device(self):
        return "/dev/md0"

    def setup(self):
        self.serve()
        remote = self.connect()
        self.bed.a.sh(
            "modprobe raid1; yes | mdadm --create /dev/md0 --level=1 --raid-devices=2 "
            "--metadata=1.2 "
            f"--bitmap=internal --assume-clean --run {self.bed.data(self)} "
            f"--write-mostly {remote}", timeout=120)
        self.bed.warm(self.bed.a, self.device)

    def teardown(self):
        self.bed.a.sh("mdadm --stop /dev/md0")
        super().teardown()


class Drbd(Mirrored):
    """build "8.4": the kernel's own. "9": one that was handed in."""
    module = "drbd"
    packages = ("drbd-utils",)

    def __init__(self, bed, build, minor, tuned):
        super().__init__(bed)
        self.build, self.minor, self.tuned = build, minor, tuned
        self.name = f"drbd{build.replace('.', '')}" + ("-tuned" if tuned else "")
        self.title = f"DRBD {build}, " + ("tuned as LINBIT advises" if tuned else "as it comes")

    @property
    def device(self):
        return f"/dev/drbd{self.minor}"

    def conf(self):
        disk = net = ""
        if self.tuned:
            net, disk = TUNED_NET, TUNED_DISK
            if not self.bed.backing.volatile:
                disk += " " + NO_FLUSHES
        nodes = ("node-id 0;", "node-id 1;") if self.build == "9" else ("", "")
        return DRBD_CONF.format(
            name=self.name, net=net, disk=disk, port=7790 + self.minor, node0=nodes[0],
            node1=nodes[1],
            volume=f"device /dev/drbd{self.minor} minor {self.minor}; disk {self.bed.data(self)}; "
                   f"meta-disk {self.bed.meta(self) or 'internal'};")

    def adm(self, what):
        return f"drbdadm -c /etc/{self.name}.conf {what}"

    def setup(self):
        for m in (self.bed.a, self.bed.b):
            m.put(self.conf().encode(), f"/etc/{self.name}.conf")
        self.bed.both("mkdir -p /var/lib/drbd /var/run/drbd /run/lock /var/lock; "
                      + self.adm(f"create-md --force {self.name}"), timeout=120)
        self.enter(first=True)

    def enter(self, first=False):
        self.bed.both(self.adm(f"up {self.name}"))
        self.bed.until(lambda: "Connected" in self.bed.a.sh(
            self.adm(f"cstate {self.name}")).out, 30, f"{self.name} is connected")
        if first:
            # Both are empty: nothing need be copied.
            self.bed.a.sh(self.adm(f"-- --clear-bitmap new-current-uuid {self.name}/0")
                          if self.build != "9" else
                          self.adm(f"new-current-uuid --clear-bitmap {self.name}/0"))
        self.bed.until(lambda: self.bed.a.sh(self.adm(f"dstate {self.name}")).out.split()[:1]
                       == ["UpToDate/UpToDate"], 30, f"{self.name} is up to date")
        self.bed.a.sh(self.adm(f"primary {self.name}"))
        self.bed.warm(self.bed.a, self.device)

    def leave(self):
        self.bed.a.sh(self.adm(f"secondary {self.name}"))
        self.bed.both(self.adm(f"down {self.name}"))

    def teardown(self):
        self.leave()
        self.bed.both(f"rm /etc/{self.name}.conf")


def drbd_load(build):
    """No helper programs: their answers would be waited for."""
    if build == "9":
        return ("set -e; cd /lib/bench/drbd9; for d in $(modinfo -F depends drbd.ko "
                "drbd_transport_tcp.ko | tr , ' '); do "
                "[ $d = drbd ] || modprobe -q $d || insmod $d.ko; done; "
                "insmod drbd.ko usermode_helper=/bin/true; insmod drbd_transport_tcp.ko")
    return "modprobe drbd usermode_helper=/bin/true"


DRBD_UNLOAD = ("rmmod drbd_transport_tcp 2>/dev/null; rmmod drbd; rmmod handshake 2>/dev/null; "
               "! grep -q '^drbd ' /proc/modules")
