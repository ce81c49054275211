#!/bin/bash
# Every crash point of every action. A dry pass counts the calls of the daemon and its acting child that change something
# (guest/crash.c: dm ioctls, files, semaphores, forks). Then, each in a run of its own: both are killed before the call and
# after it; each ioctl fails once with each of ERRORS, and hangs; each other call fails once. Whatever happens, the action
# is carried to its end, nothing stays suspended or half loaded, no device, cookie, intent or brake is left behind, the data
# is right and the file system clean.
# Here it is a spread of them; all of them: tests/vm/crashpoints --all
# timeout: 1800
# shellcheck disable=SC2034 # what an action is made of is used by name
# shellcheck source=lib.sh
. /tests/lib.sh

ACTIONS=${CRASH_ACTIONS:-rollback live merged drop open livedrop extend liveextend loop brake}
EVERY=${CRASH_EVERY:-13}               # so manieth fault is tried: a call has 3, 6 or 8 of them, none a multiple, so all kinds come
FAULTS=${CRASH_FAULTS:-.}              # of those that match this: "7 after kill"
ERRORS=(16 4 12 6 5)                   # EBUSY EINTR ENOMEM ENXIO EIO
END_LIMIT=60                           # seconds; a child that is stuck is given 30
COME_LIMIT=2                           # seconds for a fault to come when all seems to have ended
TRIES=2                                # where it does not
MIB=4                                  # the origin's size
SECTORS=$((MIB * 2048))
STORE_SECTORS=16384
CHUNK_SECTORS=64
SHORT_SECTORS=6400                     # of a store that is to be extended: 100 chunks, for half of the origin,
LONG_SECTORS=8320                      # and after that: then it can never fill
BACKING=/srv/crash.store
IMAGE_MIB=5                            # what of a store is in use
MERGE_DELAY=40                         # ms that the origin takes for a write, …
PIECES=32                              # and pieces that are merged one after the other: the merge outlasts its first child
STATE=/var/lib/cowherd
MOUNT=/run/crash.mount
IMAGE=/run/crash.image
OLD=/dev/ram4 NEW=/dev/ram5            # the origin's content before and after; a file system each
BACKUP_STORE=/dev/ram6 LIVE_STORE=/dev/ram7 MERGED_STORE=/dev/ram2
DAEMON='' FEEDER='' WRITER=''
NEVER=                                 # a descriptor that nothing comes from, for pauses that start no process

# ---- devices: o the origin's disk, s-store; s the snapshot and s-origin are made for each run

pause() { read -rt "$1" -u "$NEVER" || true; }

copy() { dd if="$1" of="$2" bs="$3"M count=1 iflag=direct,fullblock oflag=direct conv=notrunc status=none; }

number() { cat "/sys/block/$(basename "$(readlink "/dev/mapper/$1")")/dev"; }

# Nobody but the runs' own devices is udev's business: not every copy of an image.
calm_udev() {
    mkdir -p /run/udev/rules.d
    echo 'KERNEL=="ram*", OPTIONS="nowatch"' >/run/udev/rules.d/99-crash.rules
    udevadm control --reload
    udevadm trigger --settle --sysname-match='ram*'
}

make_base() {
    dmsetup create o --table "0 $SECTORS delay /dev/ram0 0 0 /dev/ram0 0 $MERGE_DELAY"
    dmsetup create s-store --table "0 $STORE_SECTORS linear /dev/ram1 0"
    O=$(number o) STORE=$(number s-store)
    HOLDERS=/sys/dev/block/$STORE/holders
}

set_store() {
    dmsetup reload s-store --table "0 $1 linear /dev/ram1 0"
    dmsetup resume s-store
}

# make TARGET [snapshot-origin]: s, and s-origin over the same origin, in one process.
make() {
    dmsetup create --concise "s,,,rw,0 $SECTORS $1 $O $STORE P $CHUNK_SECTORS${2:+;s-origin,,,rw,0 $SECTORS $2 $O}"
}

# A file system with one file, which is kept for comparison.
make_image() {
    mkdir -p "$IMAGE"
    dd if=/dev/urandom of="$IMAGE/data" bs=256K count=1 status=none
    mke2fs -q -t ext4 -d "$IMAGE" "$1" "${MIB}M"
}

# What is written backwards is not merged as one.
fill_pieces() {
    local i
    for ((i = PIECES - 1; i >= 0; i--)); do
        dd if="$NEW" of="$1" bs=$((MIB * 1024 / PIECES))K skip="$i" seek="$i" count=1 iflag=direct oflag=direct status=none
    done
}

is_merged() { [[ $(dmsetup status s) =~ \ ([0-9]+)/[0-9]+\ ([0-9]+)$ && ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]; }

# What a run begins with is the same each time: the stores are filled once, and copied.
make_images() {
    make_image "$OLD"
    make_image "$NEW"
    check "the images are clean" is_clean "$OLD"
    check "the images are clean" is_clean "$NEW"
    copy "$OLD" /dev/ram0 "$MIB"
    make snapshot snapshot-origin
    fill_pieces /dev/mapper/s-origin
    dmsetup remove s s-origin
    copy /dev/ram1 "$BACKUP_STORE" "$IMAGE_MIB"
    dd if=/dev/zero of=/dev/ram1 bs=4096 count=1 oflag=direct status=none
    copy "$OLD" /dev/ram0 "$MIB"
    make snapshot
    fill_pieces /dev/mapper/s
    dmsetup remove s
    copy /dev/ram1 "$LIVE_STORE" "$IMAGE_MIB"
    make snapshot-merge
    wait_until 60 is_merged
    dmsetup remove s
    copy /dev/ram1 "$MERGED_STORE" "$IMAGE_MIB"
}

# holds DEVICE IMAGE [MIB]: byte for byte, and thus as clean as the image is.
holds() {
    local mib=${3:-$MIB}
    cmp -s -n $((mib << 20)) "$2" <(dd if="$1" bs="${mib}M" count=1 iflag=direct,fullblock status=none)
}
is_clean() { e2fsck -fn "$1" >/dev/null 2>&1; }
store_is_zeroed() { cmp -s -n 4096 /dev/zero <(dd if=/dev/ram1 bs=4096 count=1 iflag=direct status=none); }

# ---- the actions. For each: its rung, what it begins with, what is left of it, and whether the data is right.

store_is_free() {
    local holders=("$HOLDERS"/*)
    [[ ${#holders[@]} -eq 0 ]]
}

rung_rollback="at 40% = merge"
left_rollback="s-origin:linear"
begin_rollback() { copy "$NEW" /dev/ram0 "$MIB"; copy "$BACKUP_STORE" /dev/ram1 "$IMAGE_MIB"; make snapshot snapshot-origin; }
ended_rollback() { store_is_free; }
right_rollback() { holds /dev/mapper/s-origin "$OLD" && store_is_zeroed; }

# Under a mounted file system that is written to all the time.
rung_live="at 40% = merge"
left_live="s:linear"
begin_live() {
    copy "$OLD" /dev/ram0 "$MIB"
    copy "$LIVE_STORE" /dev/ram1 "$IMAGE_MIB"
    make snapshot
    mount /dev/mapper/s "$MOUNT"
    begin_writing
}
ended_live() { store_is_free; }
right_live() {
    end_writing && umount "$MOUNT" && is_clean /dev/mapper/s && store_is_zeroed &&
        cmp -s "$IMAGE/data" <(debugfs -R 'cat /data' /dev/mapper/s 2>/dev/null) &&
        cmp -s <(printf '%4096d' "${WRITTEN[@]}") <(debugfs -R 'cat /written' /dev/mapper/s 2>/dev/null)
}

# The daemon comes when the kernel has merged already: it finishes what somebody else began.
rung_merged="at 40% = merge"
left_merged="s:linear"
begin_merged() { copy "$NEW" /dev/ram0 "$MIB"; copy "$MERGED_STORE" /dev/ram1 "$IMAGE_MIB"; make snapshot-merge; }
ended_merged() { store_is_free; }
right_merged() { holds /dev/mapper/s "$NEW" && store_is_zeroed; }

rung_drop="at 40% = drop"
left_drop="s-origin:snapshot-origin"
begin_drop() { begin_rollback; }
ended_drop() { store_is_free; }
right_drop() { holds /dev/mapper/s-origin "$NEW" && store_is_zeroed; }

# Open: its readers get errors, and the last of them takes it along.
rung_open="at 40% = drop"
left_open="s-origin:snapshot-origin s:error"
begin_open() { begin_rollback; exec 7</dev/mapper/s; }
ended_open() { store_is_free; }
right_open() { right_drop && close_reader && wait_until 5 is_gone s; }

# Live and not mounted: back to the old data.
rung_livedrop="at 40% = drop"
left_livedrop=""
begin_livedrop() { copy "$OLD" /dev/ram0 "$MIB"; copy "$LIVE_STORE" /dev/ram1 "$IMAGE_MIB"; make snapshot; }
ended_livedrop() { store_is_free; }
right_livedrop() { holds /dev/mapper/o "$OLD" && store_is_zeroed; }

# The store is short, and half of the origin is copied into it. With a dm store it is given extents, …
rung_extend="at 60% = extend 50%"
left_extend="s-origin:snapshot-origin s:snapshot"
begin_extend() {
    set_store "$SHORT_SECTORS"
    begin_half
}
begin_half() {
    copy "$OLD" /dev/ram0 "$MIB"
    dd if=/dev/zero of=/dev/ram1 bs=4096 count=1 oflag=direct status=none
    make snapshot snapshot-origin
    copy "$NEW" /dev/mapper/s-origin $((MIB / 2))
}
ended_extend() { [[ $(<"$HOLDERS/../size") -eq $LONG_SECTORS ]]; }
right_extend() { holds /dev/mapper/s "$OLD" && holds /dev/mapper/s-origin "$NEW" $((MIB / 2)); }

rung_liveextend=$rung_extend
left_liveextend="s:snapshot"
begin_liveextend() {
    set_store "$SHORT_SECTORS"
    copy "$OLD" /dev/ram0 "$MIB"
    dd if=/dev/zero of=/dev/ram1 bs=4096 count=1 oflag=direct status=none
    make snapshot
    copy "$NEW" /dev/mapper/s $((MIB / 2))
}
ended_liveextend() { ended_extend; }
right_liveextend() { holds /dev/mapper/s "$NEW" $((MIB / 2)) && holds /dev/mapper/o "$OLD"; }

# … with a loop device a longer file.
rung_loop="at 60% = extend 50%"
left_loop="s-origin:snapshot-origin s:snapshot"
begin_loop() {
    local STORE
    rm -f "$BACKING"
    fallocate -l $((SHORT_SECTORS * 512)) "$BACKING"
    losetup /dev/loop0 "$BACKING"
    STORE=7:0
    begin_half
}
ended_loop() { [[ $(</sys/block/loop0/size) -eq $LONG_SECTORS ]]; }
right_loop() {
    right_extend && [[ $(stat -c %s "$BACKING") -eq $((LONG_SECTORS * 512)) ]] && remove_snapshot && losetup -d /dev/loop0
}

# While it is extended writers are held back.
rung_brake=$rung_extend
left_brake=$left_extend
brake_brake=yes
begin_brake() { begin_extend; }
ended_brake() { ended_extend && brakes_are_off; }
right_brake() { right_extend; }

is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }
close_reader() { exec 7<&-; }

# ---- a writer: numbered blocks, written directly one after the other, until it is told to stop

feed() {
    local n=0 stop=no
    trap stop=yes TERM
    while [[ $stop == no ]]; do
        [[ $n -ge 100 ]] || printf '%4096d' $((++n)) # the file system is small
        pause 0.1
    done
    echo "$n" >/run/crash.fed
}

begin_writing() {
    (feed >/run/crash.feed 2>/dev/null) &
    FEEDER=$!
    dd if=/run/crash.feed of="$MOUNT/written" bs=4096 iflag=fullblock oflag=direct status=none &
    WRITER=$!
}

# Every block was taken.
end_writing() {
    kill "$FEEDER" && wait "$FEEDER" && wait "$WRITER" || return 1
    FEEDER='' WRITER=''
    mapfile -t WRITTEN </run/crash.fed
    mapfile -t WRITTEN < <(seq 1 "${WRITTEN[0]}")
    [[ ${#WRITTEN[@]} -ge 2 ]]
}

# ---- the daemon: started here, for systemd would take its time

start_daemon() {
    LD_PRELOAD=/tests/crash.so cowherd 2>>/run/crash.said 7<&- &
    DAEMON=$!
    disown "$DAEMON"
}

is_running() { kill -0 "$DAEMON" 2>/dev/null; }

stop_daemon() {
    [[ -n $DAEMON ]] || return 0
    kill -KILL "$DAEMON" 2>/dev/null || true
    while is_running; do pause 0.01; done
    DAEMON=
}

# ---- one run

said_done() {
    local line
    while IFS= read -r line; do
        [[ $line != *COWHERD_EVENT=action-done* ]] || return 0
    done </run/crash.said
    return 1
}

# As many calls as udev takes time wait for it, and as many set the brake anew as the action takes looks: of those counted
# in the dry pass the last may not come.
has_come() { [[ -z $FAULT || -e /run/crash.done ]]; }

# A daemon that was killed may not have come to say that it was done.
has_ended() {
    local kept=("$STATE"/*)
    [[ ${#kept[@]} -eq 0 ]] && "ended_$1" && is_running && { { [[ $FAULT == *kill ]] && has_come; } || said_done; }
}

wait_for_end() {
    local deadline=$((SECONDS + END_LIMIT)) come_by=
    until has_ended "$1" && { has_come || [[ $SECONDS -ge ${come_by:=$((SECONDS + COME_LIMIT))} ]]; }; do
        [[ $SECONDS -lt $deadline ]] || return 1
        is_running || start_daemon
        pause 0.05
    done
}

# Exactly these devices with these targets, none suspended or with a table waiting.
devices_are() {
    local name attr target line expected
    local -A seen=()
    read -ra expected <<<"o:delay s-store:linear $*"
    while read -r name attr; do
        [[ $attr =~ ^[L-]--[rw-]$ ]] || { echo "$name is suspended, or has an inactive table: $attr"; return 1; }
    done < <(dmsetup info -c --noheadings --separator ' ' -o name,attr)
    while read -r line; do
        name=${line%%:*}
        read -r _ _ _ target _ <<<"$line"
        [[ " ${expected[*]} " == *" $name:$target "* ]] || { echo "a device that should not be: $line"; return 1; }
        seen[$name]=yes
    done < <(dmsetup table)
    [[ ${#seen[@]} -eq ${#expected[@]} ]] || { echo "devices are missing: $(dmsetup table)"; return 1; }
}

semaphores() { mapfile -t SEMAPHORES </proc/sysvipc/sem && [[ ${#SEMAPHORES[@]} -gt 1 ]]; }

brakes() {
    local file
    for file in /sys/fs/cgroup/*/io.max; do
        mapfile -t LINES_READ <"$file"
        [[ ${#LINES_READ[@]} -eq 0 ]] || echo "$file: ${LINES_READ[*]}"
    done
}

brakes_are_off() { [[ $(brakes) == "$BRAKES" ]]; }

judge() {
    local action=$1 left="left_$1"
    wait_for_end "$action" || { echo "it does not end"; return 1; }
    devices_are "${!left}" || return 1
    ! semaphores || { echo "a cookie is left: ${SEMAPHORES[*]}"; return 1; }
    "right_$action" || { echo "the data is not right"; return 1; }
    brakes_are_off || { echo "a brake is left: $(brakes)"; return 1; }
}

remove_snapshot() {
    local file name names=()
    for file in /sys/block/dm-*/dm/name; do
        read -r name <"$file" && [[ $name != s && $name != s-origin ]] || names+=("$name")
    done
    [[ ${#names[@]} -eq 0 ]] || dmsetup remove "${names[@]}"
    [[ $(<"$HOLDERS/../size") -eq $STORE_SECTORS ]] || set_store "$STORE_SECTORS"
}

# one_run ACTION [FAULT]: without one it only counts. Prints what is wrong.
one_run() {
    rm -f /run/crash.{log,done}
    : >/run/crash.said
    : >"$STATE/7:7-7:8.new" # as a daemon killed long ago has left it
    FAULT=${2:-}
    echo "${FAULT:-0 before kill}" >/run/crash.conf
    "begin_$1"
    start_daemon
    if judge "$1" >/run/crash.wrong; then
        stop_daemon
        remove_snapshot
        return 0
    fi
    explain "$1"
    clean_up
    return 1
}

explain() {
    local at=${FAULT%% *}
    echo "NOT RECOVERED: $1, fault '$FAULT'${at:+, call $(sed -n "${at}p" /run/crash.log)}: $(cat /run/crash.wrong)"
    echo "calls: $(tr -s ' \n' ' ' </run/crash.log)"
    dmsetup info -c
    dmsetup table
    ls -l "$STATE" /dev/mapper
    ps -o pid,ppid,stat,wchan:20,args -p "$DAEMON" --ppid "$DAEMON" || true
    cat /run/crash.said
}

clean_up() {
    stop_daemon
    close_reader
    [[ -z $WRITER ]] || kill -KILL "$FEEDER" "$WRITER" 2>/dev/null || true
    wake_devices
    unmount_all
    remove_devices
    rm -rf "${STATE:?}"/*
    make_base
}

# ---- all runs

# faults_of CALLS...: every fault of these calls, in order.
faults_of() {
    local at=0 call error
    for call; do
        at=$((at + 1))
        [[ $call == list ]] || printf '%s\n' "$at before kill" "$at after kill"
        case $call in
        load | clear | suspend | resume | remove | list | set-capacity)
            for error in "${ERRORS[@]}"; do echo "$at before $error"; done
            echo "$at before hang"
            [[ $call != suspend ]] || echo "$at before stuck"
            ;;
        fork) echo "$at before 11" ;; # EAGAIN
        *) echo "$at before 28" ;;    # ENOSPC
        esac
    done
}

# one_fault ACTION FAULT: again where it did not come; then it counts as absent.
one_fault() {
    local try
    for ((try = 0; try < TRIES; try++)); do
        one_run "$1" "$2" || return 1
        ! has_come || return 0
    done
    ABSENT=$((ABSENT + 1))
    echo "# $1, fault $2 did not come"
}

every_point() {
    local action=$1 rung="rung_$1" brake="brake_$1" calls faults i=$((EVERY / 2)) began=$SECONDS runs=0 recovered=0
    ABSENT=0
    config <<END
[daemon]
brake = ${!brake:-no}
[snapshot *]
${!rung}
drop-open = yes
extend-from = /dev/ram3
END
    one_run "$action" || fail "$action does not end, without any fault"
    mapfile -t calls < <(tr -d ' ' </run/crash.log)
    [[ ${#calls[@]} -ge 10 ]] || fail "$action: too few calls to be true: ${calls[*]}"
    echo "$action: ${#calls[@]} calls: ${calls[*]}"
    mapfile -t faults < <(faults_of "${calls[@]}" | grep -E "$FAULTS")
    for ((; i < ${#faults[@]}; i += EVERY)); do
        runs=$((runs + 1))
        KINDS[${faults[i]##* }]=yes
        one_fault "$action" "${faults[i]}" || continue
        recovered=$((recovered + 1))
        echo "ok - $action, ${calls[${faults[i]%% *} - 1]}, fault ${faults[i]}"
    done
    TABLE+=("$(printf '%-10s %6d %7d %5d %9d %6d %7d' "$action" "${#calls[@]}" "${#faults[@]}" "$runs" "$recovered" "$ABSENT" $((SECONDS - began)))")
    RUNS=$((RUNS + runs)) RECOVERED=$((RECOVERED + recovered)) ABSENTS=$((ABSENTS + ABSENT))
}

# A call that changes something and is not counted would be a crash point that nobody tries.
no_unseen_calls() {
    ! tr '\0' '\n' </usr/sbin/cowherd | grep -xE 'rename(at2)?|unlink|truncate(64)?|(open|openat|fallocate|ftruncate|pwrite)64|p?writev|pwritev2?|link(at)?|symlink(at)?|posix_fallocate|copy_file_range|sendfile|vfork|posix_spawnp?|clone'
}

shopt -s nullglob
declare -A KINDS
TABLE=() RUNS=0 RECOVERED=0 ABSENTS=0
modprobe dm-delay
rm -rf /run/crash.*
mkdir -p "$MOUNT" "$STATE"
mkfifo /run/crash.feed /run/crash.never
exec {NEVER}<>/run/crash.never
BRAKES=$(brakes)
check "every changing call of the daemon is one that is counted" no_unseen_calls
calm_udev
make_base
make_images
rm /run/udev/rules.d/99-crash.rules
for action in $ACTIONS; do
    every_point "$action"
done
printf '= %s\n' "action     points  faults   run recovered absent seconds" "${TABLE[@]}"
[[ $RECOVERED -eq $RUNS ]] || fail "$((RUNS - RECOVERED)) of $RUNS runs did not recover"
[[ $ABSENTS -le $((RUNS / 20)) ]] || fail "$ABSENTS of $RUNS faults did not come"
# A few faults of somebody's choice need not be of every kind.
[[ -n ${CRASH_ACTIONS:-}${CRASH_EVERY:-}${CRASH_FAULTS:-} ]] || for kind in kill hang "${ERRORS[@]}"; do
    [[ -n ${KINDS[$kind]:-} ]] || fail "no run with fault $kind"
done
echo "ok - $RECOVERED of $RUNS runs recovered"
