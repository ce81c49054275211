#!/bin/bash
# lvm's snapshots are merged by lvm: at once where nobody has origin and snapshot open, else when lvm may; to the exact old
# bytes; and to the end, whoever dies or is restarted meanwhile.
# timeout: 600
# shellcheck source=lib.sh
. /tests/lib.sh
export LVM_SUPPRESS_FD_WARNINGS=1

quietly() { "$@" >/dev/null 2>&1 || fail "this failed: $*"; }
volume() { quietly lvcreate -y -Wn -L "$2" -n "${1#*/}" "${1%/*}"; }
snapshot() { quietly lvcreate -y -s -c 4k -L "$3" -n "${1#*/}" "${1%/*}/$2"; }

# How many processes there have been, near enough: each is one number further.
last_process() { cut -d ' ' -f 5 /proc/loadavg; }

found() { event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }
outcome() { event "$1" COWHERD_EVENT="$2" COWHERD_SNAPSHOT="$3" COWHERD_ACTION=merge; }
result_of() { field "$1" COWHERD_RESULT; }
is_merging() { [[ $(target "$1") == snapshot-merge ]]; }

# old_data MIB: something to come back to.
old_data() { fill /dev/vg0/o "$1"; OLD=$(sha /dev/vg0/o); }

is_rolled_back() {
    check_eq "the old bytes are back" "$(sha /dev/vg0/o)" "$OLD"
    check_eq "the origin is a plain volume" "$(target vg0-o)" linear
    check_not "lvm has the snapshot no more" lvs -a vg0/s
    check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
    check "nothing is suspended" nothing_suspended
}

closed() {
    mark
    volume vg0/o 32m
    old_data 16
    snapshot vg0/s o 16m
    found vg0-s
    fill /dev/vg0/o 10 3
    outcome 30 action-done vg0-s >/dev/null
    is_rolled_back
}

# Open: lvm defers it, which is said; closed, it goes on without a nudge.
open() {
    local json
    mark
    snapshot vg0/s o 16m
    found vg0-s
    exec 7</dev/vg0/o
    fill /dev/vg0/o 10 3
    json=$(outcome 30 deferred vg0-s)
    check "what it waits for is said" grep -q 'vg0-o is open.*activated next' <<<"$(result_of "$json")"
    event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=vg0-s "COWHERD_RUNG=on stalled = alert critical" >/dev/null
    check_eq "lvm has taken it on" "$(lvs -a --noheadings -o lv_merging vg0/s | tr -d ' ')" merging
    check_eq "beneath whom it is open nothing changes" "$(target vg0-o) $(target vg0-s)" "snapshot-origin snapshot"
    sleep 1
    check_eq "said once" "$(count_events COWHERD_EVENT=deferred)" 1
    exec 7<&-
    outcome 30 action-done vg0-s >/dev/null
    is_rolled_back
}

# Deferred, and the daemon restarted meanwhile: it asks lvm no second time, and goes on.
restarted_while_open() {
    mark
    snapshot vg0/s o 16m
    found vg0-s
    exec 7</dev/vg0/o
    fill /dev/vg0/o 10 3
    outcome 30 deferred vg0-s >/dev/null
    systemctl restart cowherd.service
    outcome 10 deferred vg0-s >/dev/null
    mark
    local before
    before=$(last_process)
    sleep 3
    check "no child after the other is started for it" test $(($(last_process) - before)) -lt 60
    check_eq "it is recorded still" "$(find /var/lib/cowherd -name '*.intent' | wc -l)" 1
    exec 7<&-
    outcome 30 action-done vg0-s >/dev/null
    is_rolled_back
}

# Deferred, and taken up by lvm at the next activation, when all its devices have other numbers.
activated_anew() {
    mark
    snapshot vg0/s o 16m
    found vg0-s
    exec 7</dev/vg0/s
    fill /dev/vg0/o 10 3
    outcome 30 deferred vg0-s >/dev/null
    stop_cowherd
    exec 7<&-
    quietly vgchange -an vg0
    start_cowherd
    outcome 10 deferred vg0-s >/dev/null
    quietly dmsetup create other --table "0 8 zero"
    quietly vgchange -ay vg0
    outcome 30 action-done vg0-s >/dev/null
    dmsetup remove other
    is_rolled_back
}

# slow N: how much the kernel copies at a time; 0 is little, 100 no limit.
slow() { echo "$1" >/sys/module/dm_snapshot/parameters/snapshot_copy_throttle; }

begin_slow_merge() {
    mark
    snapshot vg0/s o 24m
    found vg0-s
    slow 0
    fill /dev/vg0/o 14 1
    outcome 20 action-start vg0-s >/dev/null
    check "the kernel merges" wait_until 20 is_merging vg0-o
}

# Restarted: the merge and lvm's waiting for it go on.
restarted() {
    begin_slow_merge
    systemctl restart cowherd.service
    slow 100
    outcome 30 action-done vg0-s >/dev/null
    is_rolled_back
}

# Everybody who could finish it dies.
killed() {
    begin_slow_merge
    systemctl kill -s KILL cowherd.service
    pkill -KILL -x lvm || true
    pkill -KILL -f '^\(lvm2\)' || true
    slow 100
    outcome 40 action-done vg0-s >/dev/null
    is_rolled_back
}

# A sibling whose store the merge may fill prevents it, and is named.
endangered() {
    local json
    mark
    snapshot vg0/s o 24m
    snapshot vg0/small o 16m
    found vg0-s
    found vg0-small
    fill /dev/vg0/o 15
    json=$(outcome 20 action-failed vg0-s)
    check "the sibling is named" grep -q vg0-small <<<"$(result_of "$json")"
    check_eq "lvm was not asked" "$(lvs -a --noheadings -o lv_merging vg0/s | tr -d ' ')" ""
}

config <<'END'
[snapshot *]
at 99% = alert
on stalled = alert critical
[snapshot vg0-s]
at 50% = merge
on stalled = alert critical
END
start_cowherd
quietly vgcreate vg0 /dev/ram0 /dev/ram1
closed
open
restarted_while_open
activated_anew
restarted
check "no cookie is left" no_cookies
killed
endangered
check_eq "nothing was lost" "$(count_events COWHERD_EVENT=lost)" 0
