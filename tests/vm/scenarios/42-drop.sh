#!/bin/bash
# Drop in both roles: closed, open, and open where the section allows it.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

# What fill writes, MIB of it.
pattern_sha() { head -c "$(($1 << 20))" "$PATTERN" | sha256sum | cut -d' ' -f1; }

done_event() { event "$1" COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$2" COWHERD_ACTION=drop >/dev/null; }

# Backup: the new data is kept, at full speed.
backup_closed() {
    mark
    make_backup shut /dev/ram0 /dev/ram1 65536
    check "the origin is overwritten at full speed" fill "$ORIGIN" 16
    done_event 10 shut
    check "the snapshot is gone" is_gone shut
    check_eq "the origin has what was written" "$(sha "$ORIGIN" 16)" "$(pattern_sha 16)"
    check_eq "its device is a harmless snapshot-origin" "$(target shut-origin)" snapshot-origin
    check "the store is zeroed" zeroes shut
    check_eq "no loss" "$(count_events COWHERD_EVENT=lost)" 0
}

# Backup, open: without drop-open it waits for the reader; with it the reader gets errors.
backup_open() {
    mark
    make_backup read /dev/ram2 /dev/ram3 65536
    exec 7</dev/mapper/read
    fill "$ORIGIN" 12
    e=$(event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=read COWHERD_ACTION=drop)
    check "the reason is said" grep -q 'open' <<<"$(field "$e" COWHERD_RESULT)"
    check_eq "its reader is not disturbed" "$(target read)" snapshot
    exec 7<&-
    done_event 10 read
    check "closed, it is dropped without another nudge" is_gone read
    check "the store is zeroed" zeroes read
}

backup_drop_open() {
    mark
    make_backup torn /dev/ram4 /dev/ram5 65536
    exec 7</dev/mapper/torn
    fill "$ORIGIN" 12
    done_event 10 torn
    check_eq "its reader has errors beneath" "$(target torn)" error
    check_not "and gets them" dd if=/proc/self/fd/7 of=/dev/null bs=4096 count=1 iflag=direct status=none
    check "the store is free and zeroed" zeroes torn
    exec 7<&-
    check "closed, it goes" wait_until 5 is_gone torn
    check_eq "the origin has what was written" "$(sha "$ORIGIN" 12)" "$(pattern_sha 12)"
}

# Live: back to the old data, never while it is open.
live() {
    fill /dev/ram6 20
    local old
    old=$(sha /dev/ram6)
    mark
    make_live run /dev/ram6 /dev/ram7 65536
    exec 7<>/dev/mapper/run
    fill /dev/mapper/run 12 7
    e=$(event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=run COWHERD_ACTION=drop)
    check_eq "its role" "$(field "$e" COWHERD_ROLE)" live
    event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=run "COWHERD_RUNG=on stalled = alert critical" >/dev/null
    no_event 2 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=run
    check_eq "refused while it is open" "$(target run)" snapshot
    exec 7<&-
    done_event 10 run
    check "done when closed" is_gone run
    check_eq "the old data is there" "$(sha /dev/ram6)" "$old"
    check "the store is zeroed" zeroes run
}

# A later rung still works while an earlier action waits: the ladder is an escalation.
escalation() {
    mark
    dmsetup remove shut-origin
    dmsetup remove shut-store
    make_backup climb /dev/ram0 /dev/ram1 65536
    exec 7<"$ORIGIN"
    fill "$ORIGIN" 10
    event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=climb COWHERD_ACTION=merge >/dev/null
    fill "$ORIGIN" 10 12
    done_event 10 climb
    check "the later rung dropped it" is_gone climb
    check_eq "the origin was never rolled back" "$(target climb-origin)" snapshot-origin
    exec 7<&-
    no_event 2 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=climb COWHERD_ACTION=merge
}

config <<'EOF'
[snapshot *]
at 30% = drop
on stalled = alert critical
[snapshot torn]
at 30% = drop
drop-open = yes
[snapshot climb]
at 25% = merge
at 50% = drop
EOF
start_cowherd
backup_closed
backup_open
backup_drop_open
live
escalation
check "nothing is suspended" nothing_suspended
check "no cookie is left" no_cookies
check_eq "no intent is left" "$(ls /var/lib/cowherd)" ""
