#!/bin/bash
# Both roles are read from the tables alone and follow them; a section can force one; what may not be changed with dm's
# means is watched, and left as it is.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

ORIGIN_SECTORS=16384
STORE=1600

# said_roles NAME: every role that was said when it was found, in order.
said_roles() { entries COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" | jq -r .COWHERD_ROLE | paste -sd' '; }

# found NAME ROLE: it is, or becomes, one of that role.
found() { event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" COWHERD_ROLE="$2" >/dev/null; }

origin() { dmsetup create "$1" --table "0 $ORIGIN_SECTORS snapshot-origin $2"; }

roles_follow_tables() {
    mark
    make_live first /dev/ram0 /dev/ram1 "$STORE"
    check "without a snapshot-origin it is live" found first live
    origin first-origin /dev/ram0
    check "a snapshot-origin that comes later makes it a backup" found first backup
    dmsetup remove first-origin
    check_eq "when that goes it is live again" "$(wait_for_roles 3 first)" "live backup live"

    origin second-origin /dev/ram2
    STORE_OFFSET=$STORE make_live second /dev/ram2 /dev/ram1 "$STORE"
    check "a snapshot of an origin that is there is a backup" found second backup
    check_eq "from the start" "$(said_roles second)" backup
    check_eq "and so cowctl has it" "$(cowctl status --json second | jq -r '.snapshots[0].role')" backup
}

# wait_for_roles COUNT NAME
wait_for_roles() {
    wait_until 10 roles_are "$@" || true
    said_roles "$2"
}
roles_are() { [[ $(said_roles "$2" | wc -w) -ge $1 ]]; }

siblings() {
    STORE_OFFSET=$((STORE * 2)) make_live sibling /dev/ram2 /dev/ram1 "$STORE"
    check "a second snapshot of the same origin is one too" found sibling backup
    # Both stores take the old data of each chunk.
    write_chunks /dev/mapper/second-origin 8 0 120
    event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=second COWHERD_ROLE=backup >/dev/null
    check "the alerts come for both" event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=sibling COWHERD_ROLE=backup
}

forced_roles() {
    mark
    make_live forced-backup /dev/ram4 /dev/ram3 "$STORE"
    check "role = backup, where the tables say live" found forced-backup backup
    STORE_OFFSET=$STORE make_live forced-live /dev/ram4 /dev/ram3 "$STORE"
    check "role = live" found forced-live live
    origin forced-origin /dev/ram4
    make_live after-it /dev/ram5 /dev/ram6 "$STORE"
    # Whoever is found now was looked at after the origin had come.
    found after-it live
    check_eq "role = live, where the tables say backup" "$(said_roles forced-live)" live
    check_eq "role = backup, where they say so too" "$(said_roles forced-backup)" backup
}

# untouched NAME REASON: its rung says drop; the drop is refused with the reason and nothing is changed.
untouched() {
    local name=$1 reason=$2 table json
    table=$(dmsetup table "$name")
    write_chunks "/dev/mapper/$name" 8 0 120
    event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$name" "COWHERD_RUNG=at 50% = drop" >/dev/null
    json=$(event 10 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT="$name")
    check "$name: the drop is refused, and why" grep -qF "$reason" <<<"$(field "$json" COWHERD_RESULT)"
    check_eq "$name: which action" "$(field "$json" COWHERD_ACTION)" drop
    check "$name: on stalled fires" event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$name" "COWHERD_RUNG=on stalled = alert critical"
    sleep 2 # long enough for whoever would do it all the same
    check_eq "$name: its table is what it was" "$(dmsetup table "$name")" "$table"
    check "$name: it is still a valid snapshot" test "$(percent "$name")" -ge 60
    check "$name: no action has started" no_event 1 COWHERD_EVENT=action-start COWHERD_SNAPSHOT="$name"
}

never_changed() {
    mark
    make_store composed /dev/ram7 "$STORE"
    dmsetup create composed <<END
0 8192 snapshot /dev/ram5 /dev/mapper/composed-store P 8
8192 8 zero
END
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=composed >/dev/null
    untouched composed "other targets beside the snapshot"

    # What lvm's UUID says is lvm's, though lvm does not know of it.
    UUID=LVM-abcdefghijklmnopqrstuvwxyzABCDEFabcdefghijklmnopqrstuvwxyzABCDEF \
        STORE_OFFSET=$STORE make_live lvm /dev/ram5 /dev/ram7 "$STORE"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=lvm >/dev/null
    untouched lvm "lvm gives no such names"
}

config <<END
[snapshot *]
at 50% = alert

[snapshot forced-live]
role = live
at 50% = alert

[snapshot forced-backup]
role = backup
at 50% = alert

[snapshot composed]
at 50% = drop
on stalled = alert critical

[snapshot uuid:LVM-*]
at 50% = drop
on stalled = alert critical
END
# The kernel leaves bytes of its answers as the asker's memory had them, and memory that was used before is not clean.
export MALLOC_PERTURB_=90
printf '[Service]\nEnvironment=MALLOC_PERTURB_=90\n' | dropin
start_cowherd
roles_follow_tables
siblings
forced_roles
never_changed
check "nothing is left suspended" nothing_suspended
