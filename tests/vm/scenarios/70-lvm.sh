#!/bin/bash
# lvm's snapshots are extended and dropped by lvm, in time and beside everything else that lvm does: a full group, a lock that
# somebody holds, dmeventd, a command that hangs; and a foreign suspended device delays nobody.
# timeout: 600
# shellcheck source=lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1

KIB4=8                  # sectors of a chunk

# Without that, lvm hangs at the suspended device.
lv() { "$1" --config devices/ignore_suspended_devices=1 "${@:2}"; }
quietly() { lv "$@" >/dev/null 2>&1 || fail "this failed: $*"; }

# volume GROUP/NAME SIZE: an origin. snapshot GROUP/NAME ORIGIN SIZE: on it, with chunks of 4 KiB.
volume() { quietly lvcreate -y -Wn -L "$2" -n "${1#*/}" "${1%/*}"; }
snapshot() { quietly lvcreate -y -s -c 4k -L "$3" -n "${1#*/}" "${1%/*}/$2"; }

# What lvm has of it, in sectors.
lvm_sectors() { lv lvs --noheadings --nosuffix --units s -o lv_size "$1" | tr -d ' '; }

is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }
found() { event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }
outcome() { event "$1" COWHERD_EVENT="$2" COWHERD_SNAPSHOT="$3" COWHERD_ACTION="$4"; }
result_of() { field "$1" COWHERD_RESULT; }

# ---- extending

again() {
    local json old
    mark
    volume vg0/o 64m
    snapshot vg0/grow o 8m
    found vg0-grow
    fill /dev/vg0/o 5
    json=$(outcome 20 action-done vg0-grow extend)
    check "lvm's words are in the entry" grep -q 'successfully resized' <<<"$(result_of "$json")"
    check_eq "half as large again" "$(total vg0-grow)" $((12 * 2048))
    check_eq "lvm knows" "$(lvm_sectors vg0/grow)" $((12 * 2048))
    mark
    fill /dev/vg0/o 2 5
    outcome 20 action-done vg0-grow extend >/dev/null
    check_eq "and again, in whole extents" "$(total vg0-grow)" $((20 * 2048))
    old=$(sha /dev/vg0/grow 8)
    check_eq "the snapshot keeps the old data" "$old" "$(head -c 8M /dev/zero | sha256sum | cut -d' ' -f1)"
    quietly lvremove -y vg0/o
}

# A full group: it goes on trying, and needs no nudge.
full_group_begins() {
    quietly vgcreate vg1 /dev/ram4
    volume vg1/o 32m
    snapshot vg1/poor o 8m
    quietly lvcreate -y -Wn -l 100%FREE -n hog vg1
    found vg1-poor
    FULL_MARK=$MARK
    FULL_SINCE=$EPOCHSECONDS
    fill /dev/vg1/o 5
    local json
    json=$(outcome 20 action-failed vg1-poor extend)
    check "lvm says why" grep -qi 'insufficient free space' <<<"$(result_of "$json")"
    event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=vg1-poor "COWHERD_RUNG=on stalled = alert critical" >/dev/null
}

full_group_ends() {
    local wait=$((20 - (EPOCHSECONDS - FULL_SINCE)))
    [[ $wait -le 0 ]] || sleep "$wait"
    MARK=$FULL_MARK
    check_eq "20 s later it is as small as it was" "$(total vg1-poor)" $((8 * 2048))
    mark
    quietly lvremove -y vg1/hog
    outcome 40 action-done vg1-poor extend >/dev/null
    check_eq "with room it is extended without a nudge" "$(total vg1-poor)" $((16 * 2048))
    quietly vgremove -y vg1
}

# The last chunk is taken: nothing is lost yet.
quite_full() {
    mark
    volume vg0/o 32m
    snapshot vg0/brim o 4m
    found vg0-brim
    write_chunks /dev/vg0/o $KIB4 0 1019
    outcome 20 action-done vg0-brim extend >/dev/null
    check_eq "an exactly full store is extended" "$(state vg0-brim)" "8192/16384 40"
    check_eq "and never called lost" "$(count_events COWHERD_EVENT=lost)" 0
    write_chunks /dev/vg0/o $KIB4 1019 100
    check "it takes more" used vg0-brim
    quietly lvremove -y vg0/o
}

five_at_once() {
    local i
    mark
    volume vg0/o 64m
    for i in {1..5}; do snapshot "vg0/five$i" o 8m; done
    for i in {1..5}; do found "vg0-five$i"; done
    fill /dev/vg0/o 7
    for i in {1..5}; do
        outcome 60 action-done "vg0-five$i" extend >/dev/null
        check "five$i is valid and has room" test "$(percent "vg0-five$i")" -lt 90
    done
    check_eq "none is lost" "$(count_events COWHERD_EVENT=lost)" 0
    quietly lvremove -y vg0/o
}

limit() {
    local json
    mark
    volume vg0/o 64m
    snapshot vg0/limit o 8m
    found vg0-limit
    fill /dev/vg0/o 5
    outcome 20 action-done vg0-limit extend >/dev/null
    check_eq "no further than the limit, though lvm rounds up" "$(total vg0-limit)" $((12 * 2048))
    mark
    fill /dev/vg0/o 4 5
    json=$(outcome 20 action-failed vg0-limit extend)
    check "the limit is named" grep -q 'extend-limit' <<<"$(result_of "$json")"
    check_eq "it holds" "$(total vg0-limit)" $((12 * 2048))
    quietly lvremove -y vg0/o
}

# ---- somebody else's hands

# Another command has the group: it is waited for.
locked() {
    mark
    volume vg0/o 64m
    snapshot vg0/locked o 8m
    found vg0-locked
    exec 8>/run/lock/lvm/V_vg0
    flock 8
    fill /dev/vg0/o 5
    outcome 10 action-start vg0-locked extend >/dev/null
    sleep 2
    check_eq "it waits" "$(total vg0-locked)" $((8 * 2048))
    exec 8>&-
    outcome 20 action-done vg0-locked extend >/dev/null
    check_eq "and goes on when it may" "$(count_events COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=vg0-locked)" 0
    quietly lvremove -y vg0/o
}

# A tool that hangs and does not heed SIGTERM is killed, and holds up no later rung.
hanging() {
    local json
    cat >/run/hanging-lvm <<'END'
#!/bin/bash
[[ $0 == */lvextend ]] || exec -a "${0##*/}" /run/real-lvm "$@"
echo "asked: lvextend $*"
trap 'echo TERM' TERM
while :; do sleep 0.1; done
END
    chmod +x /run/hanging-lvm
    cp /usr/sbin/lvm /run/real-lvm
    mark
    volume vg0/o 64m
    snapshot vg0/hang o 8m
    found vg0-hang
    mount --bind /run/hanging-lvm /usr/sbin/lvm
    trap "umount -q /usr/sbin/lvm || true" EXIT # no other scenario may meet it
    fill /dev/vg0/o 5
    outcome 10 action-start vg0-hang extend >/dev/null
    fill /dev/vg0/o 2 5
    json=$(outcome 15 action-failed vg0-hang extend)
    check "it was told to end before it was killed, and what it said is kept" \
        grep -q 'a later rung waits.*asked: lvextend .*-L .*/dev/mapper/vg0-hang.*TERM' <<<"$(result_of "$json")"
    outcome 20 action-done vg0-hang drop >/dev/null
    umount /usr/sbin/lvm
    check "the later rung has dropped it" is_gone vg0-hang
    check_not "lvm has it no more" lv lvs vg0/hang
    quietly lvremove -y vg0/o
}

# The daemon dies while lvextend is at work: lvm's metadata and the kernel agree afterwards, and nothing is suspended.
interrupted() {
    mark
    volume vg0/o 64m
    snapshot vg0/cut o 8m
    found vg0-cut
    fill /dev/vg0/o 5
    outcome 10 action-start vg0-cut extend >/dev/null
    systemctl kill -s KILL cowherd.service
    outcome 40 action-done vg0-cut extend >/dev/null
    check_eq "extended once" "$(total vg0-cut)" $((12 * 2048))
    check_eq "for lvm, too" "$(lvm_sectors vg0/cut)" $((12 * 2048))
    check_eq "nothing of it is suspended" "$(dmsetup info -c --noheadings -o name,suspended -S 'name=~^vg0 && suspended=1')" ""
    quietly lvremove -y vg0/o
}

# dmeventd watches it too: said once.
dmeventd() {
    local json
    mark
    volume vg0/o 64m
    systemctl stop dm-event.service dm-event.socket
    ! pgrep -x dmeventd >/dev/null || fail "dmeventd still runs"
    systemctl start dm-event.socket
    snapshot vg0/watched o 8m # which starts it, after the snapshot is there
    pgrep -x dmeventd >/dev/null || fail "no dmeventd runs"
    json=$(event 20 COWHERD_EVENT=config COWHERD_SNAPSHOT=vg0-watched)
    check_eq "it is a warning" "$(field "$json" PRIORITY)" 4
    check "that names dmeventd" grep -q dmeventd <<<"$(field "$json" MESSAGE)"
    fill /dev/vg0/o 5
    outcome 20 action-done vg0-watched extend >/dev/null
    sleep 2
    check_eq "and said once" "$(count_events COWHERD_EVENT=config COWHERD_SNAPSHOT=vg0-watched)" 1
    quietly lvremove -y vg0/o
}

# ---- dropping

drop() {
    local json written
    mark
    volume vg0/o 32m
    snapshot vg0/drop o 16m
    found vg0-drop
    exec 7</dev/vg0/drop
    fill /dev/vg0/o 9
    written=$(sha /dev/vg0/o 9)
    json=$(outcome 10 deferred vg0-drop drop)
    check "an open one is not removed" grep -q open <<<"$(result_of "$json")"
    exec 7<&-
    json=$(outcome 20 action-done vg0-drop drop)
    check "closed, lvm removes it" grep -q 'successfully removed' <<<"$(result_of "$json")"
    check "it is gone" is_gone vg0-drop
    check_not "also for lvm" lv lvs vg0/drop
    check_eq "the origin is whole" "$(sha /dev/vg0/o 9)" "$written"
    check_eq "and a plain volume" "$(target vg0-o)" linear
    quietly lvremove -y vg0/o
}

# The brake would keep the hanging command's snapshot from its later rung.
config <<'END'
[daemon]
brake = no
[snapshot *]
at 50% = extend 50%
on stalled = alert critical
[snapshot vg1-poor]
at 50% = extend 8MiB
on stalled = alert critical
[snapshot vg0-brim]
at 100% = extend 4MiB
[snapshot vg0-five*]
at 80% = extend 100%
[snapshot vg0-limit]
at 50% = extend 8MiB
extend-limit = 15MiB
[snapshot vg0-hang]
at 50% = extend 50%
at 75% = drop
[snapshot vg0-drop]
at 50% = drop
drop-open = yes
END
start_cowherd
dmsetup create foreign --table "0 8192 linear /dev/ram7 0"
dmsetup suspend foreign
quietly vgcreate vg0 /dev/ram0 /dev/ram1
mark
full_group_begins
again
quite_full
locked
full_group_ends
five_at_once
limit
dmeventd
hanging
check "no cookie is left" no_cookies
interrupted
drop
dmsetup resume foreign
check "nothing is suspended" nothing_suspended
check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
