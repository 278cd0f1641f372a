#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The command line without a module: keygen, init and dump-meta on image files (and on loop devices where
# the host can), every refusal with its sentence, its exit code and an untouched disk.
# Needs: LOCKSTEP (the program), FAKED (the same with a kernel of its own, see faked.c), TEST_PRINT and TEST_EVENT (print samples for the schemas), OUT (scratch).

set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "$OUT/cli.XXXXXX")
passed=0
failed=0
export LOCKSTEP_CONF_DIR=$work/etc LOCKSTEP_ALLOW_FILES=1 LOCKSTEP_SOCKET=/nonexistent/no-daemon
export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=halt_on_error=1
export LSAN_OPTIONS=print_suppressions=0:suppressions=$work/lsan
mkdir -p "$work/etc"
echo leak:libconfig > "$work/lsan"
disk=$work/disk
loop=

cleanup()
{
	[ -n "$loop" ] && { umount "$work/mnt" 2>/dev/null; losetup -d "$loop"; }
	rm -rf "$work"
}
trap cleanup EXIT

fail()
{
	echo "FAIL: $*"
	sed 's/^/    /' "$work/out"
	failed=$((failed + 1))
}

state()
{
	find "$work/etc" "$disk"* -type f -exec cksum {} + | sort
}

# expect CODE PATTERN WORDS...: run lockstep WORDS; its exit code, and a pattern in what it printed.
expect()
{
	local code=$1 pattern=$2 rc before=$failed
	shift 2
	"$LOCKSTEP" "$@" > "$work/out" 2>&1
	rc=$?
	[ "$rc" = "$code" ] || fail "lockstep $*: exit code $rc, not $code"
	grep -q -- "$pattern" "$work/out" || fail "lockstep $*: lacks \"$pattern\""
	[ "$failed" != "$before" ] || passed=$((passed + 1))
}

# refuse CODE PATTERN WORDS...: the same, and neither disk nor configuration may have changed.
refuse()
{
	local before
	before=$(state)
	expect "$@"
	grep -q -- '  -> ' "$work/out" || fail "lockstep ${*:3}: no way out"
	grep -q -- '-> journalctl .* on both hosts' "$work/out" &&
		fail "lockstep ${*:3}: a way out of anything"
	[ "$before" = "$(state)" ] ||
		fail "lockstep ${*:3}: something was changed"
}

conf()	# NAME DISK [more of the volume]
{
	cat > "$work/etc/$1.conf" <<-END
	nodes: { alice: { id = 0; address = "10.77.0.1"; }; bob: { id = 1; address = "10.77.0.2"; }; };
	volumes: ( { number = 0; minor = 0; disk = "$2"; ${3:-} } );
	END
}

blank()
{
	rm -f "$disk"
	truncate -s "${1:-32M}" "$disk"
}

# ---- usage
expect 0 "lockstep [0-9]" --version
expect 0 "dump-meta" help
expect 0 "wipe\|checked\|Checks" init --help
expect 2 "dump-meta"
expect 2 "no command" fly
expect 2 "no command" help fly
expect 2 "needs a name" init
expect 2 "one word too many" init r0 r1
expect 2 "unknown option" init r0 --cle
expect 2 "takes no option --clean" promote r0 --clean
expect 2 "takes a number" init r0 --volume x
expect 2 "not both" up r0 --all
expect 2 "needs a value" init r0 --node
expect 2 "two places, as in 10G-20G" verify r0 --range 20G-10G
expect 2 "two places, as in 10G-20G" verify r0 --range -
expect 2 "takes bytes, or as in 10G" resize r0 --size 0
expect 2 "a number from 0 to 4000" trace-write r0 --count 4001
expect 2 "takes no option --count" verify r0 --count 1
expect 2 "takes bytes, or as in 10G" resize r0 --size 10Q
expect 2 "which host.s changes are to count" resolve r0
expect 2 '"here" or "peer"' resolve r0 --keep both
expect 2 "takes no option --save" connect r0 --save x
expect 2 "takes no option --dry-run" demote r0 --dry-run
for word in keygen init up down promote demote connect disconnect resolve resume outdate attach detach \
	verify resize wait-connect wait-sync wait-promotable; do
	expect 2 "lockstep $word " $word
	expect 2 "one word too many" $word r0 r1
	expect 2 "unknown option --nonsense" $word r0 --nonsense
done

expect 2 "takes no option --full" events r0 --full

# ---- keygen
expect 0 "scp -p" keygen r0
[ "$(stat -c %a "$work/etc/r0.key")" = 600 ] || fail "mode of the key"
grep -Eqx '[0-9a-f]{64}' "$work/etc/r0.key" || fail "form of the key"
blank
refuse 1 "never overwrites" keygen r0
refuse 1 "cannot be a resource's name" keygen ..
refuse 1 "mkdir" keygen "$work/none/key"
refuse 1 "longer than" keygen "/$(printf '%0300d' 0)"
expect 0 "wrote" keygen "$work/etc/other.key"
cmp -s "$work/etc/r0.key" "$work/etc/other.key" && fail "two keys are the same"

# ---- configuration and identity
refuse 1 "cannot be read" init r0
conf r0 "$disk" 'mta = "internal";'
refuse 1 'r0.conf:2: unknown setting "mta"' init r0 --node alice
[ "$(id -u)" != 0 ] || refuse 1 'r0.conf:2: unknown setting "mta"' up r0
conf r0 "$disk"
refuse 1 '"alice" and "bob"' init r0
refuse 1 '"alice" and "bob"' init r0 --node carol
refuse 1 "has no volume 3" init r0 --node alice --volume 3
refuse 1 "has no volume 3" dump-meta r0 --node alice --volume 3
refuse 1 "has no volume 3" check-meta r0 --node alice --volume 3
echo "alice bob" > "$work/etc/node"
refuse 1 "must hold one word" init r0
rm "$work/etc/node"
mkdir "$work/etc/node"
refuse 1 "$work/etc/node cannot be read: it is no regular file" init r0
grep -q -- '-> ls -ld .*/etc/node' "$work/out" || fail "where that is"
rmdir "$work/etc/node"
LOCKSTEP_CONF_DIR=$work/none expect 1 "cannot be read" init r0
echo alice > "$work/etc/node"

# ---- what can be wrong with a configuration: each names file and line, and what to write instead
nodes='nodes: { alice: { id = 0; address = "10.77.0.1"; }; bob: { id = 1; address = "10.77.0.2"; }; };'
volumes="volumes: ( { number = 0; minor = 0; disk = \"$disk\"; } );"
wrong()	# PATTERN TEXT
{
	printf '%s\n' "$2" > "$work/etc/r0.conf"
	refuse 1 "r0.conf\(:[0-9]*\)\?: .*$1" init r0 --node alice
	grep -q -- '-> .*journalctl' "$work/out" && fail "$1: the log knows nothing of it"
}
node()	# WHAT STANDS FOR bob
{
	echo 'nodes: { alice: { id = 0; address = "10.77.0.1"; };' "$1 }; $volumes"
}
wrong 'must be a whole number' "$(node 'bob: { id = "1"; address = "10.77.0.2"; };')"
wrong '"id" is missing' "$(node 'bob: { address = "10.77.0.2"; };')"
wrong '"id" is 32, which is out of range' "$(node 'bob: { id = 32; address = "10.77.0.2"; };')"
wrong 'has no "address"' "$(node 'bob: { id = 1; };')"
wrong '"address" is empty' "$(node 'bob: { id = 1; address = ""; };')"
wrong '"address" must be a text in quotes' "$(node 'bob: { id = 1; address = 10; };')"
wrong 'neither an IP address nor a host name' "$(node 'bob: { id = 1; address = "10.77.0.2:7400"; };')"
wrong 'is longer than 255 bytes' "$(node "bob: { id = 1; address = \"$(printf '%0300d' 0)\"; };")"
wrong 'contains a control character' "$(node 'bob: { id = 1; address = "10.77.0\x01.2"; };')"
wrong "cannot be a node's name" "$(node '*bob: { id = 1; address = "10.77.0.2"; };')"
wrong 'node "bob" must be a group' "$(node 'bob = "10.77.0.2";')"
wrong 'both have id 0' "$(node 'bob: { id = 0; address = "10.77.0.2"; };')"
wrong 'both have the address' "$(node 'bob: { id = 1; address = "10.77.0.1"; };')"
wrong 'and a mirror has exactly two' "$(node '')"
wrong 'there is no group "nodes"' "$volumes"
wrong 'there is no list "volumes"' "$nodes"
wrong 'a volume must be a group' "$nodes volumes: ( 1 );"
wrong 'volume 0 has no "disk"' "$nodes volumes: ( { number = 0; minor = 0; } );"
wrong 'says nothing about node "bob"' "$nodes volumes: ( { number = 0; minor = 0; disk: { alice = \"/x\"; }; } );"
wrong 'which is not an absolute path' "$nodes volumes: ( { number = 0; minor = 0; disk = \"sdb\"; } );"
wrong 'is named twice for node' "$nodes volumes: ( { number = 0; minor = 0; disk = \"/x\"; }, { number = 1;
	minor = 1; disk = \"/x\"; } );"
wrong 'volume number 0 is there twice' "$nodes volumes: ( { number = 0; minor = 0; disk = \"/x\"; },
	{ number = 0; minor = 1; disk = \"/y\"; } );"
wrong 'minor 0 (/dev/lockstep0) is there twice' "$nodes volumes: ( { number = 0; minor = 0; disk = \"/x\"; },
	{ number = 1; minor = 0; disk = \"/y\"; } );"
wrong 'there are 257 volumes, more than 256' "$nodes volumes: ( $(for i in $(seq 0 256); do
	echo "{ number = $i; minor = $i; disk = \"/x$i\"; }"; [ "$i" = 256 ] || echo ,; done) );"
wrong '"net" must be a group' "$nodes $volumes net = 1;"
wrong '"hooks" must be a group' "$nodes $volumes hooks = 1;"
wrong '"split_brain" must be a group' "$nodes $volumes split_brain = 1;"
wrong '"fencing" must be a group' "$nodes $volumes fencing = 1;"
wrong '"fencing" has no "policy"' "$nodes $volumes fencing: { };"
wrong '"policy" is "shoot", which is not known' "$nodes $volumes fencing: { policy = \"shoot\"; };"
wrong 'no "program" for it' "$nodes $volumes fencing: { policy = \"fence\"; };"
wrong 'a healthy disk may be as slow' "$nodes $volumes disk_timeout_ms = 5;"
wrong 'must be true or false' "$nodes $volumes auto_promote = 1;"
wrong 'more than 32 brackets are open' "$nodes $volumes net: $(printf '%040d' 0 | tr 0 '(')"
wrong '@..." at the beginning of a line' '@include "other.conf"'
wrong 'near "nodes' "nodes nodes"
printf 'a\0b' > "$work/etc/r0.conf"
refuse 1 "a NUL byte" init r0
head -c 300000 /dev/zero | tr '\0' '#' > "$work/etc/r0.conf"
refuse 1 "is longer than 256 KiB" init r0
conf r0 "$disk"

# ---- init
refuse 1 "cannot be opened\|No such file" dump-meta --device "$disk-none"
refuse 1 "no usable Lockstep metadata" dump-meta r0
LOCKSTEP_ALLOW_FILES=0 refuse 1 "not a block device" init r0
blank 1M
refuse 1 "too small for a volume and its metadata: at least" init r0
blank
if command -v mkfs.ext4 > /dev/null; then
	mkfs.ext4 -q "$disk"
	refuse 1 "holds an ext4 file system" init r0
fi
blank
# A partition table of the old kind, with one partition.
printf '\x80\x20\x21\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x40\x00\x00' |
	dd of="$disk" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
refuse 1 "partition table (dos)" init r0
blank
printf 'SWAPSPACE2' | dd of="$disk" bs=1 seek=4086 conv=notrunc status=none
printf '\x01\x00\x00\x00\xff\x0f\x00\x00' | dd of="$disk" bs=1 seek=1024 conv=notrunc status=none
refuse 1 "holds a swap signature" init r0
blank
python3 - "$disk" <<-'END'
	import struct, sys, zlib
	body = struct.pack("<I8s", 32, b"LVM2 001") + b"A" * 32 + bytes(512 - 20 - 44)
	crc = zlib.crc32(body, 0xf597a6cf ^ 0xffffffff) ^ 0xffffffff
	with open(sys.argv[1], "r+b") as f:
	    f.seek(512)
	    f.write(struct.pack("<8sQI", b"LABELONE", 1, crc) + body)
END
refuse 1 "LVM2_member signature" init r0
expect 0 "lockstep promote --force r0" init r0 --force
refuse 1 "of resource r0 volume 0, node alice (id 0)" init r0
refuse 1 "the other node's copy" init r0 --node bob
conf r9 "$disk"
refuse 1 "another volume than r9" init r9
expect 0 "this one counts" dump-meta r0
expect 0 "never synchronised" dump-meta --device "$disk"
"$LOCKSTEP" dump-meta r0 --json | python3 -c '
import json, sys
m = json.load(sys.stdin)["metadata"][0]
assert m["counts"] == 1 and m["state"] == "ok" and m["meta"]["node"] == "alice", m
assert [c["state"] for c in m["copies"]] == ["ok", "ok"], m
assert m["meta"]["flags"] == [], m' || fail "dump-meta --json"
expect 0 "lockstep promote r0  " init r0 --force --clean
expect 0 "flags .*clean" dump-meta r0

# One copy torn: the other one counts, and a second init is refused all the same. Then both.
end=$(stat -c %s "$disk")
printf 'x' | dd of="$disk" bs=1 seek=$((end - 65536 + 100)) conv=notrunc status=none
expect 0 "torn" dump-meta r0
expect 0 "sequence 1, this one counts" dump-meta r0
refuse 1 "node alice (id 0)" init r0
printf 'x' | dd of="$disk" bs=1 seek=$((end - 4096 + 100)) conv=notrunc status=none
refuse 1 "no usable Lockstep metadata" dump-meta r0
refuse 1 "not to be used (torn)" init r0

# check-meta: in order, then one thing after the other spoilt. What lies where is asked, not known here.
blank
conf r0 "$disk"
refuse 1 "there is no Lockstep metadata" check-meta r0
expect 0 "lockstep up r0" init r0
expect 0 "in order" check-meta r0
expect 0 "not in use yet" check-meta --device "$disk"
refuse 1 "goes with --device only" check-meta r0 --meta "$disk"
poke()	# PYTHON: with f, m (as dump-meta has it), at(sector, byte), set_flags(bits), set_size(sectors)
{
	"$LOCKSTEP" dump-meta r0 --json > "$work/dump"
	python3 - "$disk" "$work/dump" "$here/poke.py" "$1" <<-'END'
	import json, sys
	exec(open(sys.argv[3]).read())
	poke(sys.argv[1], json.load(open(sys.argv[2]))["metadata"][0], sys.argv[4])
	END
}
poke 'set_flags(0x60); at("region_map_sect", 0, 3); at("index_sect", 0, 0)'
expect 0 "regions .*2 of 8 may differ" check-meta r0
expect 0 "marked .*0 B; pages of the bitmap: 1 empty" check-meta r0
poke 'at("index_sect", 0, 1)'
expect 0 "marked .*31.[0-9] MiB; .* 1 full" check-meta r0
poke 'at("index_sect", 0, 2); at("bitmap_sect", 0, 7)'
expect 0 "marked .*12.0 KiB; .* 1 stored" check-meta r0
poke 'set_size(16384); at("bitmap_sect", 375, 1)'
expect 0 "marks 1 blocks beyond the volume" check-meta r0
poke 'set_size(0); at("bitmap_sect", 375, 0); at("bitmap_sect", 4095, 128)'
refuse 1 "marks 1 blocks beyond the volume" check-meta r0
poke 'at("index_sect", 0, 3)'
refuse 1 "knows nothing of page 0" check-meta r0
poke 'at("index_sect", 0, 4)'
refuse 1 "the index names 1 pages" check-meta r0
poke 'at("index_sect", 0, 0); at("region_map_sect", 4095, 1)'
refuse 1 "the region map names 1 regions" check-meta r0
"$LOCKSTEP" check-meta r0 --json 2>/dev/null | python3 -c '
import json, sys
c = json.load(sys.stdin)["checks"][0]
assert not c["ok"] and c["errors"] == 1 and c["dirty_regions"] == 2, c
assert c["superblocks"]["meta"]["resource"] == "r0" and c["pages"] == 1, c' || fail "check-meta --json"
poke 'at("region_map_sect", 4095, 0); set_flags(0x62)'
refuse 1 "up to date, and not consistent" check-meta r0
poke 'set_flags(0x20)'
refuse 1 "only the bitmap counts" check-meta r0
poke 'set_flags(0x60)'
printf 'x' | dd of="$disk" bs=1 seek=$(($(stat -c %s "$disk") - 65536 + 100)) conv=notrunc status=none
expect 0 "is torn" check-meta r0
truncate -s +4M "$disk"
refuse 1 "there is no Lockstep metadata" check-meta r0

# External metadata, on a device of its own.
blank
truncate -s 1M "$disk-meta"
conf r0 "$disk" "meta = \"$disk-meta\";"
expect 0 "metadata: $disk-meta" init r0
cmp -s "$disk" <(head -c 32M /dev/zero) || fail "external metadata touched the data"
expect 0 "external metadata" dump-meta r0
expect 0 "flags .*external" dump-meta --device "$disk-meta"
refuse 1 "$disk-meta holds metadata already" init r0
expect 0 "in order" check-meta r0
expect 0 "in order" check-meta --device "$disk-meta"
expect 0 "in order" check-meta --device "$disk" --meta "$disk-meta"
truncate -s -4M "$disk"
refuse 1 "describes a device of 32.0 MiB" check-meta r0
truncate -s +4M "$disk"
conf r0 "$disk" "meta = \"$disk-tiny\";"
truncate -s 16K "$disk-tiny"
refuse 1 "too small for the metadata" init r0

# Of two volumes the second is refused: the first is untouched.
blank
truncate -s 1K "$disk-2"
cat > "$work/etc/r2.conf" <<END
nodes: { alice: { id = 0; address = "10.77.0.1"; }; bob: { id = 1; address = "10.77.0.2"; }; };
volumes: ( { number = 0; minor = 0; disk = "$disk"; }, { number = 1; minor = 1; disk = "$disk-2"; } );
END
refuse 1 "$disk-2 has 1.00 KiB, too small" init r2
expect 0 "r2 volume 0" init r2 --volume 0

# A disk that is larger than a volume can be: it is one all the same, and what is too small is named.
huge=$(mktemp -p /dev/shm cli.XXXXXX 2>/dev/null)
if [ -n "$huge" ] && truncate -s 5P "$huge" 2>/dev/null; then
	conf r0 "$huge"
	expect 0 "copy, of up to 1.00 PiB (metadata: the last 32.0 GiB)" init r0
	expect 0 "1.00 PiB possible; device 5.00 PiB" dump-meta r0
	conf r0 "$huge" "meta = \"$disk-meta\";"
	refuse 1 "$disk-meta has 1.00 MiB, too small for the metadata: at least 33" init r0 --force
else
	echo "cli.sh: no huge files here: the check of a huge disk is skipped"
fi
rm -f "$huge"

# ---- in use: loop devices, where the host can
claim()	# by a program that says so nowhere
{
	python3 -c 'import os, sys, time
os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)
print("claimed", flush=True)
time.sleep(60)' "$loop" > "$work/claim" &
	claim=$!
	for _ in $(seq 100); do
		grep -q claimed "$work/claim" && break
		sleep 0.1
	done
}
unclaim()
{
	kill $claim
	wait $claim
}
outdates()	# CODE PATTERN: of a resource that the kernel does not have
{
	FAKED_STATE=/nonexistent LOCKSTEP=$FAKED expect "$@" outdate r0
}
if [ "$(id -u)" = 0 ] && command -v mkfs.ext4 > /dev/null && blank &&
   loop=$(losetup -f --show "$disk" 2>/dev/null); then
	conf r0 "$loop"
	mkfs.ext4 -q "$loop"
	mkdir -p "$work/mnt"
	if mount "$loop" "$work/mnt" 2>/dev/null; then
		expect 1 "$loop is in use: mounted on $work/mnt" init r0 --force
		expect 1 "umount $work/mnt" init r0 --force
		umount "$work/mnt"
	fi
	refuse 1 "holds an ext4 file system" init r0
	claim
	expect 1 "$loop is in use\$" init r0 --force
	grep -q -- "-> lsblk $loop; fuser -v $loop" "$work/out" || fail "who claims it"
	unclaim
	expect 0 "$loop is now alice's copy" init r0 --force
	# What holds it may be changing it: a resource of another network namespace, for example.
	outdates 3 "its copy would not be promoted"
	claim
	outdates 1 "$loop is in use\$"
	unclaim
	outdates 3 "its copy would not be promoted"
	expect 0 "this one counts" dump-meta r0
else
	loop=
	echo "cli.sh: no loop devices here: the checks of disks in use are skipped"
fi

# ---- without module and daemon
conf r0 "$disk"
[ "$(id -u)" = 0 ] || refuse 1 "for root only" status
if [ "$(id -u)" = 0 ]; then
	chmod 644 "$work/etc/r0.key"
	refuse 1 "may be read by others" up r0
	echo short > "$work/etc/r0.key"
	chmod 600 "$work/etc/r0.key"
	refuse 1 "is not a key" up r0
	rm "$work/etc/r0.key"
	refuse 1 "keygen r0" up r0
	"$LOCKSTEP" keygen r0 > /dev/null
	refuse 1 "lockstepd does not run" up r0
	refuse 1 "lockstepd does not run" connect r0
	refuse 1 "no resource nowhere" status nowhere
	refuse 1 "no resource nowhere" events nowhere
	refuse 1 "lockstepd does not run" events r0
	refuse 1 "lockstepd does not run" events
	for word in up down status events promote demote connect disconnect attach detach verify resize \
		wait-connect wait-sync trace-write; do
		refuse 1 "cannot be a resource's name" $word ../r0
	done
	refuse 1 "is not up here" wait-connect r0
	refuse 1 "is not up here" wait-sync r0
	refuse 1 "too long for a node's name" up r0 --node "$(printf '%0100d' 0)"
	LOCKSTEP_SOCKET=/$(printf '%0300d' 0) refuse 1 "is longer than" connect r0
	refuse 1 "goes with --wait only" verify r0 --timeout 5
	chown 12345 "$work/etc/r0.key"
	refuse 1 "belongs to user 12345" up r0
	chown 0 "$work/etc/r0.key"
	refuse 1 "goes with none of the other options" verify r0 --stop --wait
	refuse 1 "goes with --result only" verify r0 --json
	refuse 1 "range of the last one" verify r0 --resume --range 1G-2G
	refuse 1 "is not up here" verify r0
	refuse 1 "is not up here" trace-write r0
	refuse 1 "a number from 1 to 4000" trace-write r0 --count 0
	refuse 1 "a number from 1 to 60" trace-write r0 --timeout 61
	refuse 1 "is not up here" detach r0
	refuse 1 "is not up here" resize r0
	refuse 1 "lockstepd does not run" attach r0
	expect 0 "^r0 .* down$" status
	expect 0 "^r0: down" status --full
	expect 0 "^r0: down" status r0
	"$LOCKSTEP" status --json | python3 "$here/schema.py" "$here/../../tools/lib/status.schema.json" ||
		fail "status --json"
fi
for sample in json json-many; do
	"$TEST_PRINT" $sample | python3 "$here/schema.py" "$here/../../tools/lib/status.schema.json" ||
		fail "the JSON sample does not fit the schema ($sample)"
done
# ---- a daemon that is none
daemon()	# PYTHON: what to do with a connection, c, and a first line for events, begin
{
	rm -f "$work/sock"
	python3 - "$work/sock" "$1" "$begin" <<-'END' &
	import os, socket, sys, time
	s = socket.socket(socket.AF_UNIX)
	s.bind(sys.argv[1] + ".new")
	s.listen()
	os.rename(sys.argv[1] + ".new", sys.argv[1])
	c = s.accept()[0]
	ask = c.makefile("rb").readline	# all of it: what is left unread breaks the other end's pipe
	begin = sys.argv[3].encode() + b"\n"
	exec(sys.argv[2])
	END
	daemon=$!
	for _ in $(seq 50); do
		[ -S "$work/sock" ] && break
		sleep 0.1
	done
	export LOCKSTEP_SOCKET=$work/sock
}
ended()
{
	kill $daemon 2>/dev/null
	wait $daemon 2>/dev/null
}
begin='{"version":1,"seq":0,"time":"2030-01-01T00:00:00.000Z","kind":"begin","resource":null,'
begin+='"stream":"0123456789abcdef","resources":0}'
refusal='{"version":1,"ok":false,"code":"x","error":"too many","means":"","hint":"later"}'
if [ "$(id -u)" = 0 ]; then
	daemon 'ask()'
	refuse 1 "reading from lockstepd" connect r0
	ended
	daemon 'ask(); c.sendall(b"{}\n")'
	refuse 1 "the other end of the control socket sent" connect r0
	ended
	daemon 'ask(); c.sendall(b"Hello\n"); c.recv(9)'
	refuse 1 "the other end of the control socket sent" events
	ended
	daemon "ask(); c.sendall(b'$refusal\n')"
	refuse 1 "lockstep: too many" events
	ended
	daemon 'ask(); c.sendall(begin); c.sendall(begin * 2)'
	expect 1 "^0 2030-01-01T00:00:00.000Z begin - stream=0123456789abcdef resources=0" events
	[ "$(grep -c "begin - " "$work/out")" = 3 ] || fail "events: not every line"
	grep -q "lockstepd went away" "$work/out" || fail "events: the end of the daemon"
	ended
	daemon 'ask(); c.sendall(begin + b"nonsense\n"); c.recv(9)'
	expect 1 "sent something else among its events" events --json
	grep -qxF "$begin" "$work/out" || fail "events --json: the line as it came"
	ended
	# A reader that leaves ends the command, although nothing happens any more.
	daemon 'ask(); c.sendall(begin); c.recv(9)'
	[ "$(timeout 20 "$LOCKSTEP" events | head -n 1 | wc -l)" = 1 ] || fail "events | head"
	wait $daemon || fail "events goes on without a reader"
	daemon 'time.sleep(60)'
	refuse 1 "did not answer in time" events
	ended
fi
export LOCKSTEP_SOCKET=/nonexistent/no-daemon

# ---- with a kernel that is none
export FAKED_STATE=$work/state FAKED_TRACE=$work/trace LOCKSTEP_TRACEFS=$work/tracing
mkdir -p "$work/tracing/instances" "$work/tracing/events/lockstep/enable"
is()	# WORD NUMBER...: what of a whole mirror is otherwise from now on
{
	printf '%s %s\n' "$@" > "$work/state.new"
	mv "$work/state.new" "$work/state"
}
typed()	# PATTERN MEND WORDS...
{
	local pattern=$1 mend=$2
	shift 2
	LOCKSTEP=$FAKED refuse 1 "$pattern" "$@"
	grep -q -- "^  -> $mend\$" "$work/out" || fail "lockstep $*: lacks \"-> $mend\""
	[ -z "$(ls "$work/tracing/instances")" ] || fail "lockstep $*: a trace is left behind"
}
tells()	# WHETHER: status --json says of itself that volumes are missing
{
	"$FAKED" status r0 --json > "$work/out"
	grep -q "\"partial\": $1," "$work/out" || fail "status --json: lacks \"partial\": $1"
	python3 "$here/schema.py" "$here/../../tools/lib/status.schema.json" < "$work/out" ||
		fail "status --json of a busy kernel"
}
meanwhile()	# COMMAND: once a trace has begun
{
	(
		for _ in $(seq 100); do
			[ -z "$(ls "$work/tracing/instances")" ] || break
			sleep 0.1
		done
		eval "$1"
	) &
}
if [ "$(id -u)" = 0 ]; then
	rm -f "$work/state"
	typed "resource r0 is not up here" "lockstep up r0" trace-write r0
	is role 1
	typed "r0 is not primary here, and writes are traced where they are made" \
		"on bob: lockstep trace-write r0" trace-write r0
	is link 0
	typed "r0 is not mirrored to bob now" "lockstep status r0" trace-write r0
	: > "$work/state"
	echo "# tracer: nop" > "$work/trace"
	typed "no write came to r0 within 1 s, and this command makes none" \
		"start what is to be measured, then lockstep trace-write r0" trace-write r0 --timeout 1
	typed "lockstepd does not run" "systemctl start lockstepd" trace-write r0 --peer
	echo "fio-4 [000] ..... 1.1: lockstep_write_submit: ns=x" > "$work/trace"
	typed "1 events were not to be understood" "modinfo lockstep; .*" trace-write r0 --timeout 1
	for event in submit:10 mapped:20 end:90; do
		echo "fio-4 [000] ..... 1.1: lockstep_write_${event%:*}: ns=${event#*:} res=r0 vol=0" \
			"id=7 type=write sector=8 bytes=4096"
	done > "$work/trace"
	typed "all 1 writes that came to r0 went to the local disk alone" "lockstep status r0" \
		trace-write r0 --timeout 1
	meanwhile 'rm "$work/state"'
	typed "r0 is not up any more" "lockstep up r0" trace-write r0 --timeout 60
	: > "$work/state"
	# The program, and not the shell that waits for it.
	meanwhile 'kill "$(ls "$work/tracing/instances" | cut -d. -f2)"'
	typed "interrupted; nothing is traced any more" "lockstep trace-write r0" \
		trace-write r0 --timeout 60

	is verify 1
	typed "volume 0 is not compared after 1 s; it goes on" "lockstep status r0" \
		verify r0 --wait --timeout 1

	# A kernel that is too busy to tell of all volumes: nothing is decided about the rest.
	is volumes 2
	typed "the kernel is busy with r0, and tells of only 1 of its 2 volumes" \
		"lockstep status r0, then this again" resolve r0 --keep peer --save "$work/saved" --yes
	typed "r0 is not there after 1 s: .* too busy to tell of all its volumes" "lockstep status r0" \
		wait-sync r0 --timeout 1
	tells true
	is volumes 1
	tells false
	is volumes 2
	( sleep 0.5; is volumes 1 ) &
	typed "lockstepd does not run, and the peer has to agree" "systemctl start lockstepd" \
		resolve r0 --keep peer --save "$work/saved" --yes
	[ ! -e "$work/saved" ] || fail "something was saved"

	# What the daemon does not have the kernel may; the disk is asked when neither has it.
	blank
	expect 0 "is now alice's copy" init r0
	unseen='{"version":1,"ok":false,"code":"not-up","error":"not up","means":"","hint":"up"}'
	for how in "ask(); c.sendall(b'$unseen\n')" "ask()" ""; do
		outdate()	# CODE PATTERN
		{
			[ -z "$how" ] || daemon "$how"
			LOCKSTEP=$FAKED expect "$@" outdate r0
			[ -z "$how" ] || ended
		}
		export LOCKSTEP_SOCKET=/nonexistent/no-daemon
		: > "$work/state"
		outdate 6 "it is primary"
		is role 1
		outdate 1 "it is connected"
		is role 1 link 0
		outdate 4 "the copy of r0 here is outdated"
		is role 1 link 0 disk 2
		outdate 3 "it is inconsistent"
		is role 1 link 0 volumes 0
		outdate 1 "r0 has no volumes"
		# Root of a container, for example: that is no word on the copy.
		is denied 1
		outdate 1 "the kernel refuses to outdate its copy"
		rm "$work/state"
		outdate 3 "not up here, and its copy would not be promoted"
	done

	# A disk that has come under another name: what it says of itself is another one's business.
	rm -f "$work/state"
	conf r9 "$disk"
	foreign()	# PATTERN WORDS...: whose it is, by init
	{
		expect 0 "is now" init "${@:2}" --force
		LOCKSTEP=$FAKED refuse 1 "$disk holds $1, not node 0.s (alice) of volume 0 of r0" outdate r0
	}
	foreign "node 0.s copy (alice) of volume 0 of r9" r9
	foreign "node 1.s copy (bob) of volume 0 of r0" r0 --node bob
	sed -i 's/number = 0/number = 5/' "$work/etc/r0.conf"
	expect 0 "is now" init r0 --force
	conf r0 "$disk"
	LOCKSTEP=$FAKED refuse 1 "of volume 5 of r0, not node" outdate r0
	expect 0 "is now" init r0 --force
	LOCKSTEP=$FAKED expect 3 "its copy would not be promoted" outdate r0

	# A terminal, and somebody who thinks better of it.
	: > "$work/state"
	side='"role":1,"heard":true,"crashed":false,"marks_known":true,"marked_bytes":4096,'
	side+='"dirty_bytes":0,"write_s":1,"primary_s":1'
	facts='{"version":1,"ok":true,"resources":[{"name":"r0","split":{"since_s":1,"volume":0,'
	facts+='"rule":"split","id":"0123456789abcdef","here":{"node":"alice",'$side'},'
	facts+='"peer":{"node":"bob",'$side'}}}]}'
	daemon "ask(); c.sendall(b'$facts\n')"
	python3 - "$FAKED" > "$work/out" 2>&1 <<-'END' || fail "resolve at a terminal"
	import os, pty, sys
	pid, fd = pty.fork()
	if not pid:
	    os.execv(sys.argv[1], ["lockstep", "resolve", "r0", "--keep", "here"])
	text = b""
	try:
	    while b"Type yes" not in text or b"nothing was" not in text:
	        text += os.read(fd, 4096) or sys.exit("it ended: " + text.decode())
	        if text.endswith(b"go on: "):
	            os.write(fd, b"no\n")
	    while True:
	        text += os.read(fd, 4096)
	except OSError:
	    pass
	text = text.decode().replace("\r\n", "\n")
	print(text)
	code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
	assert "r0: what bob wrote alone is thrown away:\n" in text
	assert "\nlockstep: nothing was changed\n  -> lockstep status r0\n" in text
	assert code == 1, code
	END
	ended
fi
export LOCKSTEP_SOCKET=/nonexistent/no-daemon

# ---- the daemon, where it cannot be asked anything
lockstepd()	# PATTERN WORDS...
{
	local before=$failed pattern=$1
	shift
	timeout 20 "${LOCKSTEP}d" --foreground --no-mlock "$@" > "$work/out" 2>&1
	rc=$?
	[ $rc = 1 ] || fail "lockstepd $*: exit code $rc, not 1"
	grep -q -- "$pattern" "$work/out" || fail "lockstepd $*: lacks \"$pattern\""
	[ "$failed" != "$before" ] || passed=$((passed + 1))
}
lockstepd "the socket path sock has no directory -> lockstepd --socket /" --socket sock
lockstepd "cannot make $work/none/run: No such file or directory -> mkdir -p $work/none/run" \
	--socket "$work/none/run/sock"
lockstepd "is too long: a socket's has 107 bytes at most -> lockstepd --socket /" \
	--socket "$work/$(printf '%0107d' 0)"
mkdir -p "$work/run/sock"
lockstepd "cannot listen on $work/run/sock: Address already in use -> ls -ld $work/run/sock" \
	--socket "$work/run/sock"

# ---- the manual
"$TEST_PRINT" words | python3 "$here/manual.py" "$here/../.." > "$work/out" 2>&1 || fail "words without a place"

# ---- the hook that mails
mkdir -p "$work/bin"
printf '#!/bin/sh\necho "args: $*" > "%s/mail"\ncat >> "%s/mail"\n' "$work" "$work" > "$work/bin/sendmail"
chmod 755 "$work/bin/sendmail"
notify()	# as the daemon runs it: nothing else is in its environment
{
	env -i PATH="$work/bin:$PATH" LOCKSTEP_CONF_DIR="$LOCKSTEP_CONF_DIR" LOCKSTEP_EVENT=disk-failed \
		LOCKSTEP_SEQ=7 LOCKSTEP_RESOURCE=r0 LOCKSTEP_VOLUME=0 LOCKSTEP_OLD=a LOCKSTEP_NEW=b \
		LOCKSTEP_TEXT="r0 volume 0: disk-failed" LOCKSTEP_CODE= LOCKSTEP_MEND="$1" \
		LOCKSTEP_NODE=alice LOCKSTEP_PEER=bob "$here/../../tools/hooks/notify-mail" > "$work/out" 2>&1
}
notify "lockstep attach r0" || fail "notify-mail"
cp "$work/mail" "$work/out"
grep -qx "To: root" "$work/mail" || fail "notify-mail: to whom"
grep -qx "Subject: \[lockstep\] alice: r0 volume 0: disk-failed" "$work/mail" || fail "notify-mail: subject"
grep -qx "  -> lockstep attach r0" "$work/mail" || fail "notify-mail: what mends it"
echo admin@example.org > "$work/etc/notify-mail"
notify "" && grep -qx "To: admin@example.org" "$work/mail" && ! grep -q -- "->" "$work/mail" ||
	fail "notify-mail: the address in the file"
printf '#!/bin/sh\nexit 75\n' > "$work/bin/sendmail"
notify "" && fail "notify-mail: a sendmail that fails went unnoticed"
if command -v shellcheck > /dev/null; then
	shellcheck "$here"/../../tools/hooks/* > "$work/out" 2>&1 || fail "shellcheck of the hooks"
fi

"$TEST_EVENT" json | python3 "$here/schema.py" "$here/../../tools/lib/events.schema.json" --lines \
	--all-kinds || fail "the lines of events do not fit their schema"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
