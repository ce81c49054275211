#!/bin/bash
# An operator's orders over D-Bus: extend, merge, drop, hold, release, reload, explain. An order goes a rung's way, outlives a
# reload and a restart, and is carried out once; a held snapshot is left alone by every rung until it is released.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh

MIB=2048 # sectors

# order METHOD [ARGUMENT]...: as busctl(1) takes them, with their signature first.
order() {
    busctl --system --timeout=60 call org.cowherd.Herd1 /org/cowherd/Herd1 org.cowherd.Herd1.Manager "$@"
}

# ordered DESCRIPTION WORDS METHOD [ARGUMENT]...: it succeeds and says these words. refused: it fails and says them.
ordered() {
    check "$1" order "${@:3}"
    grep -q -- "$2" <<<"$OUTPUT" || fail "$1: said $OUTPUT, not $2"
}

refused() {
    check_not "$1" order "${@:3}"
    grep -q -- "$2" <<<"$OUTPUT" || fail "$1: said $OUTPUT, not $2"
}

# done_by_order SNAPSHOT ACTION
done_by_order() {
    event 20 COWHERD_EVENT=action-done "COWHERD_SNAPSHOT=$1" "COWHERD_ACTION=$2" "COWHERD_RUNG=order of root" >/dev/null
}

has_total() { [[ $(total "$1") -eq $2 ]]; }
is_invalid() { [[ $(state "$1") == Invalid ]]; }

deferred_for() {
    entries COWHERD_EVENT=deferred "COWHERD_SNAPSHOT=$1" | jq -r .COWHERD_RESULT | grep -q -- "$2"
}

no_hold() { ! grep -q held /run/cowherd/holds; }

no_intent() { [[ -z $(ls /var/lib/cowherd) ]]; }

write_config() {
    config <<EOF
[snapshot *]
at 99% = alert
on stalled = alert critical
[snapshot grown]
at 98% = alert
extend-from = /dev/ram2
extend-limit = 24MiB
[snapshot waits]
at 20% = merge
on stalled = alert critical
[snapshot held]
at 30% = drop
on stalled = alert critical
$1
EOF
}

what_is_refused() {
    mark
    make_backup grown /dev/ram0 /dev/ram1 $((16 * MIB))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=grown >/dev/null
    refused "a name that nobody has" "There is no snapshot nobody" Drop sb nobody false
    refused "an amount that is none" "This is no amount" Extend ssb grown lots false
    refused "several actions" "This is no amount: one is enough" Extend ssb grown "1MiB, drop" false
    ordered "a dry run says what would be" "grown would be dropped: it is not open" Drop sb grown true
    exec 7</dev/mapper/grown
    ordered "and what it would wait for" "would not be dropped yet: the snapshot is open" Drop sb grown true
    exec 7<&-
    check "and does nothing" dmsetup info grown
    check "nor keeps anything" no_intent
}

extend() {
    mark
    ordered "an extension by order" "grown is being extended" Extend ssb grown 6MiB false
    done_by_order grown extend
    check_eq "by what was ordered" "$(total grown)" $((22 * MIB))
    ordered "its section's limit holds" "from 22 MiB to 24 MiB" Extend ssb grown 6MiB true
    ordered "up to there" "grown is being extended" Extend ssb grown 6MiB false
    check "it is" wait_until 20 has_total grown $((24 * MIB))
    check "no intent is left" wait_until 10 no_intent
    refused "and not beyond" "extend-limit of 24 MiB" Extend ssb grown 6MiB false
    check_eq "nothing was extended twice" "$(count_events COWHERD_EVENT=action-done COWHERD_SNAPSHOT=grown)" 2
}

# Its rung's merge waits for the origin, the order in its place for the snapshot; the rung is crossed anew at each start.
over_restart() {
    mark
    make_backup waits /dev/ram3 /dev/ram4 $((32 * MIB))
    exec 7<"$ORIGIN" 8</dev/mapper/waits
    fill "$ORIGIN" 10
    event 10 COWHERD_EVENT=deferred COWHERD_SNAPSHOT=waits COWHERD_ACTION=merge >/dev/null
    ordered "an order takes the place of what waits" "waits is not dropped yet: the snapshot is open" Drop sb waits false
    refused "a second one has to wait" "waits already, by order of root" Merge sb waits false
    check "it is told" wait_until 10 deferred_for waits "the snapshot is open"
    check "and kept" test -n "$(ls /var/lib/cowherd)"
    write_config "; read anew"
    ordered "a reload by order" "" Reload
    mark
    systemctl kill -s KILL cowherd.service
    wait_until 30 systemctl is-active cowherd.service
    event 20 COWHERD_EVENT=rung COWHERD_SNAPSHOT=waits "COWHERD_RUNG=at 20% = merge" >/dev/null
    check "the order waits on after both" wait_until 10 deferred_for waits "the snapshot is open"
    exec 7<&-
    exec 8<&-
    done_by_order waits drop
    check "closed, it is dropped" is_gone waits
    check_eq "its rung rolled nothing back" "$(count_events COWHERD_SNAPSHOT=waits COWHERD_EVENT=action-start COWHERD_ACTION=merge)" 0
    check "no intent is left" wait_until 10 no_intent
}

taken_back() {
    mark
    exec 7</dev/mapper/grown
    ordered "an order that waits" "it follows by itself" Drop sb grown false
    ordered "is taken back by a release" "the drop that waited is taken back" Release sb grown false
    event 10 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=grown "COWHERD_RESULT=the order was taken back" >/dev/null
    exec 7<&-
    check "no intent is left" wait_until 10 no_intent
    ordered "nothing holds it" "grown is not held" Release sb grown false
    check "it is there" dmsetup info grown
}

hold() {
    mark
    make_backup held /dev/ram5 /dev/ram6 $((32 * MIB))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=held >/dev/null
    ordered "a hold" "held is held by root until it is released" Hold stb held 0 false
    event 10 COWHERD_SNAPSHOT=held COWHERD_ACTION=hold >/dev/null
    refused "no order meanwhile" "held by root until it is released" Drop sb held false
    fill "$ORIGIN" 12
    event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT=held "COWHERD_RUNG=at 30% = drop" >/dev/null
    check "its rung waits, and says why" wait_until 10 deferred_for held "held by root until it is released"
    ordered "its guarantee is honest" '"no" .*cannot be carried out now: held by root' Explain s held
    grep -q '"at 30% = drop" "fired" "the drop is under way: deferred: held by root' <<<"$OUTPUT" || fail "the rung: $OUTPUT"
    grep -q '"\[snapshot held\] of /etc/cowherd/cowherd.conf:11"' <<<"$OUTPUT" || fail "the section: $OUTPUT"
    mark
    systemctl restart cowherd.service
    check "the restarted daemon holds it too" wait_until 10 deferred_for held "held by root until it is released"
    check_eq "nothing was begun" "$(count_events COWHERD_SNAPSHOT=held COWHERD_EVENT=action-start)" 0
    ordered "a hold for a while takes its place" "held by root until [0-9][0-9]:" Hold stb held 3 false
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=held COWHERD_ACTION=drop "COWHERD_RUNG=at 30% = drop" >/dev/null
    check_eq "its end is told before" "$(entries COWHERD_SNAPSHOT=held COWHERD_ACTION=release | jq -r .COWHERD_RESULT)" "its time is over"
    check "the hold has gone with the device" wait_until 10 no_hold
}

released() {
    mark
    dmsetup remove held-origin
    dmsetup remove held-store
    make_backup held /dev/ram5 /dev/ram6 $((32 * MIB))
    ordered "a hold" "held by root" Hold stb held 3600 false
    fill "$ORIGIN" 12
    check "its rung waits" wait_until 10 deferred_for held "held by root"
    ordered "a release" "held is released" Release sb held false
    event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=held COWHERD_ACTION=drop >/dev/null
    check "lets it go on" is_gone held
}

# The old data comes back; the dead one goes.
merge_and_lost() {
    mark
    fill /dev/ram7 8
    local old
    old=$(sha /dev/ram7 8)
    make_backup undone /dev/ram7 /dev/ram6 $((16 * MIB))
    fill "$ORIGIN" 2 4
    ordered "a merge by order" "undone is being merged" Merge sb undone false
    done_by_order undone merge
    check_eq "the old data is back" "$(sha "$ORIGIN" 8)" "$old"
    make_backup dead /dev/ram3 /dev/ram4 $((2 * MIB))
    fill "$ORIGIN" 4
    check "a snapshot is lost" wait_until 10 is_invalid dead
    event 20 COWHERD_EVENT=lost COWHERD_SNAPSHOT=dead >/dev/null
    refused "it cannot be merged" "it is lost: its status is Invalid" Merge sb dead false
    ordered "but dropped" "dead is being dropped" Drop sb dead false
    done_by_order dead drop
    check "it is gone" is_gone dead
}

reload() {
    mark
    write_config "at 101% = nonsense"
    refused "a bad configuration" "/etc/cowherd/cowherd.conf:14: " Reload
    event 10 COWHERD_EVENT=config COWHERD_RESULT=refused >/dev/null
    write_config ""
    ordered "a good one" "" Reload
}

# Nobody is told that something was done, or waits for its end for ever.
on_dry_run() {
    local said="Nothing is changed, for cowherd is on a dry run: grown would be"
    write_config $'[daemon]\ndry-run = yes'
    ordered "a hold" "grown is held" Hold stb grown 600 false
    ordered "a daemon on a dry run" "" Reload
    refused "does not release" "$said released" Release sb grown false
    write_config ""
    ordered "without it" "" Reload
    ordered "it does" "grown is released" Release sb grown false
    write_config $'[daemon]\ndry-run = yes'
    ordered "on a dry run again" "" Reload
    refused "it drops nothing" "$said dropped" Drop sb grown false
    refused "nor holds" "$said held by root" Hold stb grown 600 false
    ordered "but says what it would do to whoever asks for that" "$said dropped" Drop sb grown true
    ordered "here, too" "$said held by root" Hold stb grown 600 true
    attempt timeout 30 cowctl drop --wait grown
    check_eq "cowctl does not wait for it" "$EXIT_CODE $OUTPUT" "1 cowctl: $said dropped: it is not open."
    check "it is there" dmsetup info grown
}

write_config ""
start_cowherd
what_is_refused
extend
over_restart
taken_back
hold
released
merge_and_lost
reload
on_dry_run
check "nothing is suspended" nothing_suspended
check "no cookie is left" no_cookies
check "no intent is left" no_intent
