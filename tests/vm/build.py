# SPDX-License-Identifier: GPL-2.0
"""What has to be made before a machine can boot: kernel, initramfs, helpers on the host."""

import lzma
import os
import re
import shlex
import struct
import subprocess
import tempfile
import time

from procs import BUILD, CACHE, TOP, LabError, _read, _reap, _run, _spawn


def kernel(series):
    """scripts/kernels get, as a dict."""
    out = subprocess.run([os.path.join(TOP, "scripts/kernels"), "get", series],
                         stdout=subprocess.PIPE, text=True)
    if out.returncode:
        raise LabError(f"no kernel {series}")
    return dict(w.split("=", 1) for w in shlex.split(out.stdout))


def compiled(src, out, flags, libs=()):
    """A helper in C, unless it is there and newer than its source."""
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(src):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        _run(["gcc", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", *flags,
              "-o", f"{out}.{os.getpid()}", src, *libs], os.path.basename(src))
        os.rename(f"{out}.{os.getpid()}", out)
    return out


def host_program(name):
    """tests/vm/NAME.c, for this host."""
    return compiled(os.path.join(TOP, "tests/vm", name + ".c"),
                    os.path.join(BUILD, "host", name), [])


def unpacked_kernel(k):
    """The ELF image inside a vmlinuz, kept in the cache. QEMU starts it by its PVH entry, which
    spares the guest four seconds of unpacking itself under TCG, half of the whole boot. A kernel
    packed in a way not known here, or without that entry, is started as it is."""
    where = os.path.join(CACHE, "vmlinux")
    if "debug" in k["KVER"]:
        return k["VMLINUZ"]            # that entry is too early for KASAN
    stamp = os.stat(k["VMLINUZ"])
    path = os.path.join(where, f"{os.path.basename(k['KVER'])}-{stamp.st_size}")
    if os.path.exists(path):
        return path
    with open(k["VMLINUZ"], "rb") as f:
        image = f.read()
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = ((image[0x1f1] or 4) + 1) * 512 + offset
    packed = image[start:start + length]
    if packed.startswith(b"\xfd7zXZ\0"):
        elf = lzma.LZMADecompressor().decompress(packed)
    elif packed.startswith(b"\x28\xb5\x2f\xfd"):
        # The last four bytes are the length, and no part of the stream.
        elf = subprocess.run(["zstd", "-dcq"], input=packed[:-4], stdout=subprocess.PIPE).stdout
    else:
        return k["VMLINUZ"]
    # XEN_ELFNOTE_PHYS32_ENTRY: name size 4, type 18, name "Xen".
    if not (elf.startswith(b"\x7fELF") and re.search(
            rb"\x04\0\0\0[\x04\x08]\0\0\0\x12\0\0\0Xen\0", elf)):
        return k["VMLINUZ"]
    os.makedirs(where, exist_ok=True)
    with open(f"{path}.{os.getpid()}", "wb") as f:
        f.write(elf)
    os.rename(f"{path}.{os.getpid()}", path)
    return path


def accel():
    """tcg or kvm. /dev/kvm may be there and still hang a guest right after its boot loader, so a
    stock kernel is booted under it once a run, without a root: it has to come to its panic."""
    have = os.environ.get("LOCKSTEP_ACCEL")
    if have:
        if have not in ("tcg", "kvm"):
            raise LabError("LOCKSTEP_ACCEL is neither tcg nor kvm")
        return have
    answer = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        with tempfile.TemporaryDirectory() as tmp:
            con = os.path.join(tmp, "console")
            with open(os.path.join(tmp, "log"), "w") as log:
                p = _spawn(["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-M", "pc",
                            "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
                            "-serial", "file:" + con, "-kernel", unpacked_kernel(kernel("6.1")),
                            "-append", "console=ttyS0 panic=-1"], log)
            # A working KVM prints at once and is through within two seconds.
            start, said = time.monotonic(), ""
            while answer == "tcg" and p.poll() is None:
                took = time.monotonic() - start
                if took > 10 or took > 3 and not said:
                    break
                time.sleep(0.1)
                said = _read(con)
            if "Unable to mount root" in _read(con):
                answer = "kvm"
            _reap(p)
    os.environ["LOCKSTEP_ACCEL"] = answer
    return answer


def prepare(series, module=True, overlays=(), name=None):
    """Build everything a guest of this series has; returns the initramfs's path. The module only
    where the tree has one and module is true; every tests/vm/guest/NAME.c becomes /bin/NAME. name:
    the file's, where it is not what the cases boot."""
    where = os.path.join(BUILD, series)
    os.makedirs(where, exist_ok=True)
    kernel(series)
    init = os.path.join(BUILD, "init")
    args = ["--init", init]
    guest = os.path.join(TOP, "tests/vm/guest")
    flags = ["-static", "-I", os.path.join(TOP, "include/uapi"), "-I/usr/include/libnl3"]
    libs = ["-lnl-genl-3", "-lnl-3", "-lm"]
    for src in sorted(os.listdir(guest)):
        if src.endswith(".c"):
            out = compiled(os.path.join(guest, src), os.path.join(BUILD, src[:-2]), flags, libs)
            if src != "init.c":
                args += ["--add", f"{out}=/bin/{src[:-2]}"]
    if module and os.path.exists(os.path.join(TOP, "Kbuild")):
        _run([os.path.join(TOP, "scripts/kernels"), "build", series,
              os.path.join(where, "module")], f"building the module for {series}")
        args += ["--module", os.path.join(where, "module", "lockstep.ko")]
    if os.path.exists(os.path.join(TOP, "tools/Makefile")):
        _run(["make", "-C", TOP, "tools"], "make tools")
    for program, dst in (("lockstepd", "/sbin"), ("lockstep", "/sbin")):
        path = os.path.join(TOP, ".build/tools", program)
        if os.path.exists(path):
            args += ["--add", f"{path}={dst}/{program}"]
    for d in overlays:
        args += ["--overlay", d]
    name = name or ("initramfs" if module else "initramfs-bare")
    out = os.path.join(where, f"{name}.{os.getpid()}")
    _run([os.path.join(TOP, "tests/vm/mkinitramfs"), series, out] + args, "mkinitramfs")
    final = out.rsplit(".", 1)[0]
    os.rename(out, final)
    return final
