#!/bin/bash
# The daemon and its acting child are killed before each call that changes something: after the restart the action is
# carried on to its end, nothing stays suspended or half loaded, no cookie and no intent is left, the data is right.
# The calls are not guessed: a dry pass counts them (guest/crash.c), then they get a run each.
# timeout: 900
# shellcheck source=lib.sh
. /tests/lib.sh

SIZE=32768 # sectors of the origin
STORE=8192

no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }
zeroed() { [[ $(od -An -v -t x1 -N 4096 /dev/mapper/s-store | tr -d ' \n0') == "" ]]; }

begin_rollback() { ORIGIN_SECTORS=$SIZE make_backup s /dev/ram0 /dev/ram1 $STORE; fill /dev/mapper/s-origin 2 1; }
ended_rollback() { is_gone s && [[ $(target s-origin) == linear ]] && no_intent; }
right_rollback() { [[ $(sha /dev/mapper/s-origin 4) == "$OLD" ]]; }

begin_live() { ORIGIN_SECTORS=$SIZE make_live s /dev/ram0 /dev/ram1 $STORE; fill /dev/mapper/s 2 1; }
ended_live() { [[ $(target s) == linear ]] && no_intent; }
right_live() { [[ $(sha /dev/mapper/s 2 1) == "$NEW" ]]; }

begin_drop() { ORIGIN_SECTORS=$SIZE make_backup s /dev/ram0 /dev/ram1 $STORE; fill /dev/mapper/s-origin 2 1; }
ended_drop() { is_gone s && no_intent; }
right_drop() { [[ $(sha /dev/mapper/s-origin 2 1) == "$NEW" ]]; }

begin_open() {
    ORIGIN_SECTORS=$SIZE make_backup s /dev/ram0 /dev/ram1 $STORE
    exec 7</dev/mapper/s
    fill /dev/mapper/s-origin 2 1
}
ended_open() { [[ $(target s) == error ]] && no_intent; }
right_open() { right_drop; }

policy() {
    local action=merge
    [[ $1 == rollback || $1 == live ]] || action=drop
    config <<END
[snapshot *]
at 40% = $action
drop-open = yes
END
}

clean_up() {
    exec 7<&-
    for name in s s-origin s-store; do
        is_gone "$name" || dmsetup remove --retry "$name"
    done
}

# one_run ACTION AT: returns when the action has ended.
one_run() {
    rm -f /run/crash.{log,done}
    mark
    echo "$2 before kill" >/run/crash.conf
    dd if=/dev/zero of=/dev/ram0 bs=1M count=4 oflag=direct conv=notrunc status=none
    OLD=$(sha /dev/ram0 4)
    "begin_$1"
    wait_until 40 "ended_$1" || fail "$1 at $2 ($(sed -n "$2p" /run/crash.log)): it does not end; $(dmsetup table; ls /var/lib/cowherd; said)"
    # Waiting for udev takes a call more or less: then this run may have had no such call.
    [[ $2 -eq 0 || -e /run/crash.done || $(wc -l </run/crash.log) -lt $2 ]] || fail "$1 at $2: nothing was killed"
    "right_$1" || fail "$1, killed at call $2 ($(sed -n "$2p" /run/crash.log)): the data is not right"
    zeroed || fail "$1, killed at call $2: the store is not zeroed"
    nothing_suspended || fail "$1, killed at call $2: a device is suspended or has a table waiting"
    wait_until 10 no_cookies
    clean_up
}

# every_point ACTION STEP: each STEPth call.
every_point() {
    local calls at runs=0
    policy "$1"
    systemctl restart cowherd.service
    one_run "$1" 0
    calls=$(wc -l </run/crash.log)
    echo "$1: $calls calls: $(tr -s ' \n' ' ' </run/crash.log)"
    [[ $calls -ge 6 ]] || fail "$1: too few calls to be true"
    for ((at = 1; at <= calls; at += $2)); do
        one_run "$1" "$at"
        runs=$((runs + 1))
    done
    echo "ok - $1: killed at $runs of $calls calls, recovered each time"
}

fill /dev/ram7 2
NEW=$(sha /dev/ram7 2)
dropin <<'EOF'
[Service]
Environment=LD_PRELOAD=/tests/crash.so
RestartSec=50ms
ReadWritePaths=/run
EOF
policy drop
start_cowherd
# Every call of the merges, which have a suspension and a handover to get wrong; a spread of the drops'.
every_point rollback 1
every_point live 1
every_point drop 3
every_point open 3
