# Helpers for scenarios; they run in the machine. A scenario is bash and begins with: . /tests/lib.sh
# shellcheck shell=bash
set -euEo pipefail

DISKS=8                 # /dev/ram0 and up
DISK_KIB=131072
PATTERN=/run/cowherd-vm-pattern
SHIPPED=/run/cowherd-vm-shipped.conf    # the configuration that the build installs
PATTERN_MIB=16
BUILD=/run/cowherd-vm-build.tar         # what take_away_build took
PERSISTENT=/dev/vda     # the disk that outlives a reset
PROGRAMS=/dev/vdb       # programs of packages that are not installed, "# programs: yes"
PHASE=${PHASE:-0}       # how many resets there were
MARK=                   # journal cursor: events are looked for from it on

# ---- saying what is wrong

# Where in the scenario we are.
where() {
    local i
    for i in "${!BASH_SOURCE[@]}"; do
        if [[ ${BASH_SOURCE[i]##*/} != lib.sh ]]; then
            echo "${BASH_SOURCE[i]##*/}, line ${BASH_LINENO[i - 1]}"
            return
        fi
    done
}

# fail MESSAGE: end the scenario.
fail() {
    trap - ERR
    echo "FAILED: $* ($(where))" >&2
    exit 1
}

# skip REASON: end the scenario without a verdict.
skip() {
    echo "skipped: $*"
    exit 77
}

# A command that fails unasked ends the scenario (set -e); say which one it was.
on_error() {
    [[ $ATTEMPTING == yes ]] || echo "FAILED: exit code $1 of: $2 ($(where))" >&2
}
ATTEMPTING=no
trap 'on_error $? "$BASH_COMMAND"' ERR

# Run a command and keep what it says in OUTPUT and its exit code in EXIT_CODE. Not in an if or with ||: there the shell would
# not stop at the first failure inside a function.
attempt() {
    local flags=$-
    ATTEMPTING=yes
    set +e
    OUTPUT=$(set -e; "$@" 2>&1)
    EXIT_CODE=$?
    [[ $flags != *e* ]] || set -e
    ATTEMPTING=no
}

# check DESCRIPTION COMMAND...: the command must succeed.
check() {
    attempt "${@:2}"
    [[ $EXIT_CODE -eq 0 ]] || fail "$1: exit code $EXIT_CODE of: ${*:2}: ${OUTPUT:-(it said nothing)}"
    echo "ok - $1"
}

# check_not DESCRIPTION COMMAND...: the command must fail.
check_not() {
    attempt "${@:2}"
    [[ $EXIT_CODE -ne 0 ]] || fail "$1: should fail, but did not: ${*:2}: ${OUTPUT:-(it said nothing)}"
    echo "ok - $1"
}

# check_eq DESCRIPTION IS SHOULD_BE
check_eq() {
    [[ $2 == "$3" ]] || fail "$1: is '$2', should be '$3'"
    echo "ok - $1"
}

# wait_until SECONDS COMMAND...: until the command succeeds; fails when it does not in time. Of a function it sees what its last
# command returns.
wait_until() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until ("$@") >/dev/null 2>&1; do
        [[ ${EPOCHREALTIME/./} -lt $deadline ]] || return 1
        sleep 0.1
    done
}

# ---- a clean machine

# Everything that a scenario may leave behind. In this order, because nothing can be closed or killed that waits for a
# throttled or suspended device, and nothing can be removed that is still open.
reset_machine() {
    release_brakes
    wake_devices
    stop_everything
    wake_devices
    unmount_all
    remove_devices
    put_back_build
    forget_files
    fresh_disks
}

release_brakes() {
    local file device
    while read -r file; do
        while read -r device _; do
            echo "$device rbps=max wbps=max riops=max wiops=max" >"$file"
        done < <(cat "$file")
    done < <(find /sys/fs/cgroup -name io.max)
    if [[ -e /sys/module/dm_snapshot/parameters/snapshot_copy_throttle ]]; then
        echo 100 >/sys/module/dm_snapshot/parameters/snapshot_copy_throttle
    fi
}

# The list comes by number, because a name may hold anything.
dm_numbers() { dmsetup info -c --noheadings --separator ' ' -o major,minor,attr 2>/dev/null | grep '^[ 0-9]' || true; }

# A half-done table is dropped before the resume that would make it live.
wake_devices() {
    local major minor attr
    dm_numbers | while read -r major minor attr; do
        [[ $attr != *I* ]] || dmsetup clear --noudevsync -j "$major" -m "$minor" || true
        [[ $attr != *s* ]] || timeout 10 dmsetup resume --noudevsync -j "$major" -m "$minor" || true
    done
}

stop_everything() {
    timeout 5 systemctl kill -s KILL cowherd.service dm-event.service 2>/dev/null || true
    timeout 20 systemctl stop cowherd.service dm-event.service 2>/dev/null || true
    systemctl reset-failed
}

unmount_all() {
    local target
    findmnt -rn -o SOURCE,TARGET | tac | while read -r source target; do
        case $source in
        /dev/mapper/* | /dev/dm-* | /dev/ram* | /dev/loop* | /dev/vd*)
            timeout 10 umount "$target" || umount -l "$target" || true
            ;;
        esac
    done
    losetup -D || true
}

# What cannot be removed, because something hangs on it, gets a table whose I/O fails and is asked again.
remove_devices() {
    for _ in {1..20}; do
        timeout 20 dmsetup remove_all --noudevsync || true
        [[ -n $(dm_numbers) ]] || break
        timeout 20 dmsetup remove_all --force --noudevsync || true
        wake_devices
        sleep 0.1
    done
    [[ -z $(dm_numbers) ]] || fail "dm devices cannot be removed: $(dmsetup info -c 2>&1)"
    losetup -D || true
    dmsetup udevcomplete_all -y >/dev/null || true
    ipcrm --all=sem 2>/dev/null || true
}

forget_files() {
    # The first time, this is what the build has installed.
    [[ -e $SHIPPED || ! -e /etc/cowherd/cowherd.conf ]] || cp -p /etc/cowherd/cowherd.conf "$SHIPPED"
    rm -rf /etc/cowherd /run/cowherd /usr/lib/cowherd /var/lib/cowherd /etc/lvm/{archive,backup,devices}/* /run/lvm/*
    if [[ -n $(find /etc/systemd/system /run/systemd/system -maxdepth 1 -name 'cowherd.service.d') ]]; then
        rm -rf {/etc,/run}/systemd/system/cowherd.service.d
        systemctl daemon-reload
    fi
}

# take_away_build: what is installed beside dpkg, until the next scenario.
take_away_build() {
    [[ -e /tests/installed ]] || return 0
    tar -C / --ignore-failed-read -cf "$BUILD.new" -T /tests/installed 2>/dev/null
    mv "$BUILD.new" "$BUILD"
    (
        cd /
        xargs -d '\n' rm -f </tests/installed
        sed 's|/[^/]*$||' /tests/installed | sort -ru | xargs -d '\n' rmdir 2>/dev/null || true # those that are empty now
    )
    systemctl daemon-reload
}

put_back_build() {
    [[ -e $BUILD ]] || return 0
    dpkg --purge cowherd >/dev/null 2>&1 || true
    tar -C / -xf "$BUILD" --keep-directory-symlink
    rm "$BUILD"
    systemctl daemon-reload
}

# Unloading the module gives the memory back and leaves zeroes.
fresh_disks() {
    udevadm settle --timeout=10 || true
    wait_until 10 modprobe -r brd || fail "the disks are busy: $(grep . /sys/block/ram*/holders/* 2>&1)"
    modprobe -a dm-mod dm-snapshot loop virtio_blk
    modprobe brd "rd_nr=$DISKS" "rd_size=$DISK_KIB" max_part=0
    [[ ! -b $PERSISTENT || $PHASE -gt 0 ]] || blkdiscard --zeroout "$PERSISTENT"
    udevadm settle --timeout=10 || true
}

# ---- devices

# Whoever looks at a device for a moment, as udev's rules do after each change, must not fail its removal.
dmsetup() {
    if [[ $1 == remove ]]; then
        command dmsetup remove --retry "${@:2}"
    else
        command dmsetup "$@"
    fi
}

sectors() { blockdev --getsz "$1"; }

# store_sectors EXCEPTIONS CHUNK_SECTORS: the smallest store that holds so many: F(n) chunks.
store_sectors() {
    local per_area=$(($2 * 512 / 16))
    echo $(((2 + $1 + $1 / per_area) * $2))
}

# make_store NAME DISK SECTORS: device NAME-store, a piece of the disk from STORE_OFFSET (sectors) on, emptied.
make_store() {
    dmsetup create "$1-store" --table "0 $3 linear $2 ${STORE_OFFSET:-0}"
    dd if=/dev/zero of="/dev/mapper/$1-store" bs=4096 count=1 oflag=direct status=none
}

# make_live NAME ORIGIN_DISK STORE_DISK STORE_SECTORS [CHUNK_SECTORS=8] [P|PO]: a snapshot that the system runs on.
# UUID= gives it a UUID, ORIGIN_SECTORS= another size than the disk's, STORE_OFFSET= the place of the store on its disk.
make_live() {
    local size=${ORIGIN_SECTORS:-$(sectors "$2")}
    make_store "$1" "$3" "$4"
    dmsetup create "$1" ${UUID:+--uuid "$UUID"} --table "0 $size snapshot $2 /dev/mapper/$1-store ${6:-P} ${5:-8}"
}

# make_backup, arguments as for make_live: a snapshot whose origin the system runs on. That is device NAME-origin, or, where
# the disk has siblings already, the one they have; its path is in ORIGIN.
# The origin is resumed after the snapshot is there: only then does the kernel learn at which chunk size to split writes.
# An origin that was there first would copy out no more than one chunk of each write, however long.
make_backup() {
    ORIGIN=$(origin_device "$2")
    if [[ -n $ORIGIN ]]; then
        dmsetup suspend "$ORIGIN"
        make_live "$@"
        dmsetup resume "$ORIGIN"
    else
        make_live "$@"
        ORIGIN=/dev/mapper/$1-origin
        dmsetup create "$1-origin" --table "0 ${ORIGIN_SECTORS:-$(sectors "$2")} snapshot-origin $2"
    fi
}

# origin_device DISK: the device with target snapshot-origin over this disk; empty where there is none.
origin_device() {
    local number
    number=$(lsblk -dnro MAJ:MIN "$1")
    dmsetup table --target snapshot-origin |
        awk -v number="$number" '$5 == number { sub(":$", "", $1); print "/dev/mapper/" $1; exit }'
}

# is_gone NAME: there is no such device.
is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }

# blank DEVICE: its first 4 KiB are zeroes. zeroes NAME: those of device NAME-store are.
blank() { [[ $(od -An -v -t x1 -N 4096 "$1" | tr -d ' \n0') == "" ]]; }
zeroes() { blank "/dev/mapper/$1-store"; }

# target NAME: type of the first line of its table.
target() { dmsetup table "$1" | awk 'NR == 1 { print $3 }'; }

# state NAME: what the status line says after the target's type: "16/2048 16", "Invalid", "Overflow", "Merge failed" …
state() { dmsetup status "$1" | cut -d' ' -f4-; }

# used NAME: sectors. total NAME, metadata NAME: the same. They fail where the status has no numbers.
used() { state "$1" | awk -F'[ /]' '!/^[0-9]/ { exit 1 } { print $1 }'; }
total() { state "$1" | awk -F'[ /]' '!/^[0-9]/ { exit 1 } { print $2 }'; }
metadata() { state "$1" | awk -F'[ /]' '!/^[0-9]/ { exit 1 } { print $3 }'; }

# percent NAME: how much is used, rounded down.
percent() { state "$1" | awk -F'[ /]' '!/^[0-9]/ { exit 1 } { print int($1 * 100 / $2) }'; }

# merged NAME: succeeds when a merge has put back all there was.
merged() { state "$1" | awk -F'[ /]' '{ exit !($1 ~ /^[0-9]/ && $1 == $3) }'; }

# fill DEVICE MIB [OFFSET_MIB=0]: write random data, past the page cache.
fill() {
    local device=$1 left=$2 at=${3:-0} piece
    [[ -e $PATTERN ]] || dd if=/dev/urandom of="$PATTERN" bs=1M count="$PATTERN_MIB" status=none
    while [[ $left -gt 0 ]]; do
        piece=$((left < PATTERN_MIB ? left : PATTERN_MIB))
        dd if="$PATTERN" of="$device" bs=1M count="$piece" seek="$at" oflag=direct conv=notrunc status=none
        left=$((left - piece)) at=$((at + piece))
    done
}

# write_chunks DEVICE CHUNK_SECTORS FIRST COUNT: one write for each chunk, so that exactly so many exceptions are made.
write_chunks() {
    dd if=/dev/zero of="$1" bs=$(($2 * 512)) seek="$3" count="$4" oflag=direct conv=notrunc status=none
}

# sha DEVICE [MIB [OFFSET_MIB]]: of its content, or of a range of it, past the page cache.
sha() {
    dd if="$1" bs=1M iflag=direct ${2:+count="$2"} skip="${3:-0}" status=none | sha256sum | cut -d' ' -f1
}

# slow_lvextend SECONDS: it takes so much longer, until the scenario ends.
slow_lvextend() {
    trap "ln -sf lvm /usr/sbin/lvextend" EXIT # no other scenario may meet it
    rm /usr/sbin/lvextend
    cat >/usr/sbin/lvextend <<END
#!/bin/sh
sleep $1
exec /usr/sbin/lvm lvextend "\$@"
END
    chmod +x /usr/sbin/lvextend
}

# nothing_suspended: no device is suspended, and none has a half-done (inactive) table.
nothing_suspended() {
    local bad
    bad=$(dmsetup info -c --noheadings --separator ' ' -o name,attr | grep -E ' [L-](I[s-]|-s)[rw-]$' || true)
    [[ -z $bad ]] || { echo "suspended, or with an inactive table: $bad"; return 1; }
}

# no_cookies: no udev cookie is left; they are SysV semaphores.
no_cookies() {
    local left
    left=$(ipcs -s | grep '^0x' || true)
    [[ -z $left ]] || { echo "semaphores left: $left"; return 1; }
}

# Whole at once: ext4 would zero the rest of its inode tables some seconds after the mount, megabytes of a snapshot's store.
mkfs.ext4() { command mkfs.ext4 -E lazy_itable_init=0,lazy_journal_init=0 "$@"; }

# ---- resets, in a scenario that says "# resets: N"

# reset: the machine ends here and now, without a sync; it boots again and begins the scenario anew, with PHASE one higher.
# Only what is on $PERSISTENT is still there.
reset() {
    [[ -b $PERSISTENT ]] || fail "no disk that outlives a reset: say how many there are, # resets: N"
    echo "reset"
    echo b >/proc/sysrq-trigger
    sleep infinity
}

# ---- cowherd

# config: write /etc/cowherd/cowherd.conf from standard input.
config() {
    mkdir -p /etc/cowherd
    cat >/etc/cowherd/cowherd.conf
    chmod 0644 /etc/cowherd/cowherd.conf
}

# dropin: add standard input to the unit, until the next reset.
dropin() {
    mkdir -p /run/systemd/system/cowherd.service.d
    cat >/run/systemd/system/cowherd.service.d/50-test.conf
    systemctl daemon-reload
}

# start_cowherd: fails with the journal's tail where it does not get active.
start_cowherd() {
    systemctl start cowherd.service || {
        journalctl -q -n 20 --no-pager -o short-monotonic -u cowherd.service >&2
        fail "cowherd does not start"
    }
}

stop_cowherd() { systemctl stop cowherd.service; }

# mount_programs DIR: the disk of programs, there.
mount_programs() {
    [[ -b $PROGRAMS ]] || fail "no disk of programs: say # programs: yes"
    mkdir -p "$1"
    mount -o ro "$PROGRAMS" "$1"
}

# ---- the journal

# mark: from here on events count. The mark is an entry of our own, so that nothing said before it is taken for something
# said after, and nothing after it is missed. All looks are from the mark on, not "after" it: with matches, journalctl 252
# takes --after-cursor as leave to skip the first entry that matches.
mark() {
    local id=$EPOCHREALTIME
    printf 'MESSAGE=mark\nCOWHERD_VM_MARK=%s\n' "$id" | logger --journald
    MARK=$(timeout 20 journalctl -q -f -n 1 -o export --output-fields=MESSAGE "COWHERD_VM_MARK=$id" |
        sed -n '/^__CURSOR=/{s///p;q}') || true
    [[ -n $MARK ]] || fail "the journal does not take a mark"
}

# first_entry SECONDS MATCH...: the first entry after the mark, as JSON; empty where none comes in time.
# One journalctl follows the journal, because starting one for each look costs more than the look.
first_entry() {
    local seconds=$1 json
    shift
    [[ -n $MARK ]] || fail "no mark was set"
    json=$(timeout "$seconds" journalctl -q -f --no-tail --cursor="$MARK" -o json "$@" | head -n1 || true)
    # A follower may sleep through the last entry for want of a next one: what is there in the end was there in time.
    [[ -n $json ]] || json=$(journalctl -q --cursor="$MARK" -o json "$@" | head -n1 || true)
    echo "$json"
}

# What cowherd has said since the mark, one line each, for people.
said() {
    journalctl -q --cursor="$MARK" -o json -u cowherd.service | tail -n "${1:-15}" |
        jq -r '[.__MONOTONIC_TIMESTAMP, .COWHERD_EVENT, .COWHERD_SNAPSHOT, .COWHERD_RUNG, .COWHERD_ACTION, .COWHERD_RESULT, .MESSAGE]
               | map(. // "-" | tostring) | join(" ")'
}

# event SECONDS FIELD=VALUE...: wait for an entry with all these fields after the mark, and print it as JSON.
event() {
    local json
    json=$(first_entry "$@")
    if [[ -z $json ]]; then
        { echo "cowherd's last words:"; said 15; } >&2
        fail "no event in $1 s: ${*:2}"
    fi
    echo "$json"
}

# no_event SECONDS FIELD=VALUE...: no such entry since the mark, and none in these seconds.
no_event() {
    local json
    json=$(first_entry "$@")
    [[ -z $json ]] || fail "an event that should not be: ${*:2}: $json"
}

# entries FIELD=VALUE...: all such entries since the mark, one JSON object a line.
entries() {
    journalctl --sync
    journalctl -q --cursor="$MARK" -o json "$@"
}

# field JSON NAME: empty where the entry has none. Plain values are read without another process: emulated, that counts.
field() {
    if [[ $1 =~ \"$2\":\"([^\"\\]*)\" ]]; then
        printf '%s\n' "${BASH_REMATCH[1]}"
    else
        jq -r --arg name "$2" '.[$name] // "" | tostring' <<<"$1"
    fi
}

# count_events FIELD=VALUE...: since the mark.
count_events() {
    journalctl --sync
    journalctl -q --cursor="$MARK" -o json --output-fields=MESSAGE "$@" | wc -l
}
