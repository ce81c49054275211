#!/bin/bash
# cowctl against the real daemon and the real kernel: status with and without the daemon, as root and as a user; odd names;
# check, explain, log, watch; orders, tried and carried out.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh

MIB=2048 # sectors
ODD=$'a "b\'\\;\n\xc3\xa9\xff'
ODD_TEXT='a "b'\''\x5c;\x0aé\xff'
export LC_ALL=C.UTF-8
STARTED=$EPOCHSECONDS

# gives CODE DESCRIPTION ARGUMENT...: cowctl ends with this code; OUTPUT is all it says.
gives() {
    attempt timeout 60 cowctl "${@:3}"
    [[ $EXIT_CODE -eq $1 ]] || fail "$2: exit code $EXIT_CODE, should be $1, of: ${*:3}: $OUTPUT"
    echo "ok - $2"
}

# as_user ...: the same as an unprivileged user.
as_user() {
    attempt timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups cowctl "${@:3}"
    [[ $EXIT_CODE -eq $1 ]] || fail "$2: exit code $EXIT_CODE, should be $1, of: ${*:3}: $OUTPUT"
    echo "ok - $2"
}

says() { grep -qE -- "$1" <<<"$OUTPUT" || fail "says \"$OUTPUT\", not \"$1\" (${BASH_LINENO[0]})"; }

# of FILTER ARGUMENT...: jq over cowctl status --json.
of() { cowctl status --json "${@:2}" 2>/dev/null | jq -r "$1"; }

# document ARGUMENT...: cowctl status --json, to be held against its schema by tests/vm/run. The schema's name and nothing else is
# added, and where a line ends, a blank.
document() {
    cowctl status --json "$@" >/run/document
    printf 'json cowctl-status %s\n' "$(tr '\n' ' ' </run/document)"
}

waits() { [[ $(of '.snapshots[0].action.state' "$1") == deferred ]]; }
is_as_full_as_the_kernel_says() { [[ $(of '.snapshots[0].used_sectors' back) -eq $(used back) ]]; }

config <<END
[daemon]
longest-poll = 1s
assumed-fill-rate = 8MiB
[snapshot *]
at 60% = alert
[snapshot grown]
at 99% = drop
extend-from = /dev/ram6
extend-limit = 24MiB
END
make_backup back /dev/ram0 /dev/ram1 $((16 * MIB))
BACK=$ORIGIN
make_store odd /dev/ram5 $((8 * MIB))
dmsetup create "$ODD" --noudevsync --manglename none \
    --table "0 $(sectors /dev/ram4) snapshot /dev/ram4 /dev/mapper/odd-store P 8"

# ---- without a daemon

gives 0 "status without a daemon" status
says '^cowctl: cowherd is not running: fill rate, time left, guarantee and fired rungs are not known$'
says '^back +backup +valid '
check_eq "JSON has null for what is not known" \
    "$(of '.snapshots[] | select(.name == "back") | [.fill_rate_bytes, .seconds_left, .guarantee, .rungs[0].state, .section, .next_rung, .origin, .total_sectors] | tojson')" \
    "[null,null,null,null,\"snapshot *\",\"at 60% = alert\",\"$(readlink -f /dev/ram0)\",$((16 * MIB))]"
document 2>/dev/null
check_eq "as the kernel says" "$(of '.snapshots[] | select(.name == "back").used_sectors')" "$(used back)"
as_user 77 "status without a daemon is root's" status
as_user 3 "check without a daemon, too" check
says '^COWHERD UNKNOWN - cowherd is not running, and only root may ask the kernel itself: see "systemctl status cowherd", or ask as root$'
gives 1 "check without a daemon" check
says '^COWHERD WARNING - 2 snapshots; cowherd is not running'
gives 69 "an order without a daemon" drop back
cp /etc/cowherd/cowherd.conf /run/good.conf

# ---- with it

mark
start_cowherd
gives 0 "status" status
says '^back +backup +valid '
check_not "nothing is missing" grep -q 'not known' <<<"$OUTPUT"
as_user 0 "status as a user" status --json
check_eq "the same to everybody" "$(jq -r '.snapshots | length' <<<"$OUTPUT")" 2
check_eq "every snapshot is guarded, or not" "$(of '[.snapshots[].guarantee] | unique | tojson')" '["no"]'
gives 0 "check" check
as_user 0 "check as a user" check
fill "$BACK" 10
event 20 COWHERD_EVENT=rung COWHERD_SNAPSHOT=back >/dev/null
check "as full as the kernel says" wait_until 20 is_as_full_as_the_kernel_says
check_eq "its rung has fired" "$(of '.snapshots[0].rungs[0].state' back)" fired
gives 1 "check: a warning" check -w 60 -c 90
says "^COWHERD WARNING - 2 snapshots; warning: back 6[0-9]\.[0-9]+ %, .*\|.* 'back'=6[0-9]\.[0-9]+%;60;90;0;100"
gives 2 "check: critical" check -c 50 back
gives 3 "check: nobody of that name" check nobody
gives 66 "status: nobody of that name" status nobody

# ---- odd names

gives 0 "names" names
check_eq "as messages have them" "$OUTPUT" "$ODD_TEXT"$'\nback'
check_eq "in JSON" "$(of '.snapshots[0].name' "$ODD_TEXT")" $'a "b\'\\;\n\xc3\xa9\\xff'
gives 0 "explain, by what is printed" explain "$ODD_TEXT"
gives 0 "explain, by the name itself" explain "$ODD"
says 'policy +\[snapshot \*\] of /etc/cowherd/cowherd.conf:4'
says 'at 60% = alert'
gives 0 "an order, by the name itself" drop --dry-run "$ODD"

# ---- what was said

gives 0 "log" log back
says '^20[0-9-]+ [0-9:]+ Watching back, a backup snapshot'
gives 0 "log -n" log -n 1 back
check_eq "one line" "$(wc -l <<<"$OUTPUT")" 1
gives 0 "log --json" log --json --since "$((EPOCHSECONDS - STARTED))s" back # others have had this name before
check_eq "JSON lines" "$(jq -r 'select(.event == "rung") | .rung' <<<"$OUTPUT")" "at 60% = alert"
gives 0 "log, by what is printed" log "$ODD_TEXT"
says 'Watching a "b'
gives 0 "log of nobody" log nobody
check_eq "says so" "$OUTPUT" "cowctl: no entries"
as_user 77 "the journal is not everybody's" log
TERM=xterm timeout 60 script -qfec 'stty cols 80 rows 20; exec cowctl watch --interval 0.5' /run/watch >/dev/null 2>&1 </dev/null &
WATCHING=$!
check "watch shows table and journal" wait_until 40 grep -aqE '[0-9:]{8} .*Watching back' /run/watch
check "with a bar" grep -aq '^back .*▕██' /run/watch
pkill -TERM -x cowctl # a job of a script ignores SIGINT
wait "$WATCHING" || true
check "and leaves the screen" grep -aqF $'\033[?25h\033[?1049l' /run/watch
TERM=xterm timeout 60 script -qfec 'exec setpriv --reuid=65534 --regid=65534 --clear-groups cowctl watch' /run/watch-user >/dev/null 2>&1 </dev/null &
WATCHING=$!
check "watch tells a user why there is no journal" wait_until 40 grep -aq 'the journal may be read by root' /run/watch-user
pkill -TERM -x cowctl
wait "$WATCHING" || true

# ---- orders

gives 0 "drop --dry-run" drop --dry-run back
check_eq "drops nothing" "$(target back)" snapshot
as_user 77 "a user cannot drop" drop back
check_eq "nor has" "$(target back)" snapshot
gives 0 "hold" hold back 1h
gives 0 "status" status back
says '\(held\)'
document
check "until then" test "$(of '.snapshots[0].held_until' back)" '>' "$(date -u +%Y-%m-%dT%H:%M)"
gives 0 "release" release back
check_eq "it is not held" "$(of '.snapshots[0].held_until' back)" null
gives 64 "extend by nonsense" extend back 5
gives 0 "drop --wait" drop --wait back
says '^The drop of back is done; it took '
check "it is gone" is_gone back
# What is told may be a second old; that there is nobody, where somebody has just come, may not.
for i in {1..8}; do
    dmsetup create brief --noudevsync --table "0 8192 snapshot /dev/ram2 /dev/ram3 N 8"
    attempt cowctl status brief
    [[ $EXIT_CODE -eq 0 ]] || fail "asked for at once, time $i: $OUTPUT"
    dmsetup remove --retry --noudevsync brief
    attempt cowctl status brief
    [[ $EXIT_CODE -eq 66 ]] || fail "asked for behind its removal, time $i: $OUTPUT"
done
echo "ok - who has just come is known, and who has just gone is not"
make_live live /dev/ram2 /dev/ram3 $((16 * MIB))
fill /dev/mapper/live 4
gives 0 "merge --wait" merge --wait live
says '^The merge of live is done; it took '
check_eq "its device is the origin" "$(target live)" linear
make_live grown /dev/ram2 /dev/ram7 $((16 * MIB))
gives 0 "extend --dry-run" extend --dry-run grown 4MiB
check_eq "extends nothing" "$(sectors /dev/mapper/grown-store)" $((16 * MIB))
mkswap /dev/ram6 >/dev/null
gives 75 "extend --wait by a device that is in use" extend --wait grown 4MiB
says '^cowctl: the extend of grown has failed: .*swap.*; cowherd tries again, until "cowctl release grown" takes it back$'
gives 0 "release" release grown
says 'the extend that waited is taken back'
event 20 COWHERD_EVENT=action-failed COWHERD_SNAPSHOT=grown "COWHERD_RESULT=the order was taken back" >/dev/null
wipefs -aq /dev/ram6
exec {open}</dev/mapper/grown
timeout 60 cowctl drop --wait grown >/run/waiting 2>&1 &
WAITING=$!
check "a drop waits" wait_until 20 waits grown
gives 0 "release" release grown
EXIT_CODE=0
wait "$WAITING" || EXIT_CODE=$?
check_eq "that is its end" "$EXIT_CODE $(tail -n1 /run/waiting)" "1 cowctl: the drop of grown has failed: the order was taken back"
exec {open}<&-
gives 0 "extend --wait" extend --wait grown 4MiB
check_eq "the store has grown" "$(sectors /dev/mapper/grown-store)" $((20 * MIB))
gives 66 "nobody to drop" drop nobody

# ---- JSON of every state, and of actions that wait; tests/vm/run holds it against the schemas

# Of each 4 MiB of an origin and of a store: pieces of two disks.
concise() {
    local i=0 name text=
    for name; do
        text+=";$name-origin,,,rw,0 8192 linear /dev/ram0 $((i * 8192))"
        text+=";$name-store,,,rw,0 ${STORE_SECTORS[$name]} linear /dev/ram1 $((65536 + i * 8192))"
        text+=";$name,UUID-$name,,rw,0 8192 snapshot /dev/mapper/$name-origin /dev/mapper/$name-store ${KIND[$name]:-P} 8"
        i=$((i + 1))
    done
    dmsetup create --concise "${text#;}"
}

# slow_origin MSEC: what a write takes to the origin of that name. What waits already is written when the table is swapped.
slow_origin() {
    dmsetup load merging-origin --table "0 8192 delay /dev/ram0 0 0 /dev/ram0 0 $1"
    dmsetup resume merging-origin
}

has_every_state() {
    document >/run/line
    [[ $(jq -r '[.snapshots[].state] | unique | join(",")' /run/document) == "Invalid,Merge failed,Overflow,merging,valid" ]]
}

dmsetup remove back-origin
dmsetup remove back-store
declare -A STORE_SECTORS=([merging]=8192 [invalid]=256 [overflow]=256 [failed]=8192) KIND=([overflow]=PO)
modprobe dm-delay
concise merging invalid overflow failed
write_chunks /dev/mapper/merging 8 0 1
write_chunks /dev/mapper/merging 8 9 1
write_chunks /dev/mapper/failed 8 0 1
fill /dev/mapper/invalid 1 2>/dev/null || true
fill /dev/mapper/overflow 1 2>/dev/null || true
dmsetup load failed-origin --table "0 8192 error"
dmsetup resume failed-origin
dmsetup load failed --table "0 8192 snapshot-merge /dev/mapper/failed-origin /dev/mapper/failed-store P 8"
dmsetup resume failed
slow_origin 20000
exec {open}</dev/mapper/grown
gives 0 "a merge that takes its time" merge merging
gives 75 "a drop that has to wait" drop --wait=1s grown
says '^cowctl: the drop of grown is not done after 1 s; cowherd goes on with it$'
check "every state" wait_until 20 has_every_state
cat /run/line
check_eq "with its actions" \
    "$(jq -r '[.snapshots[] | select(.action) | [.name, .action.action, .action.state] | join(" ")] | join(",")' /run/document)" \
    "grown drop deferred,merging merge merging"
document "$ODD" UUID-merging invalid
slow_origin 0
exec {open}<&-

# ---- the configuration

echo 'at 70% = frobnicate' >>/etc/cowherd/cowherd.conf
gives 78 "reload --dry-run of a bad one" reload --dry-run
says '^/etc/cowherd/cowherd.conf:[0-9]+: '
gives 78 "reload of a bad one" reload
says '^cowctl: .*/etc/cowherd/cowherd.conf:[0-9]+: '
cp /run/good.conf /etc/cowherd/cowherd.conf
gives 0 "reload --dry-run" reload --dry-run
gives 0 "reload" reload
as_user 77 "a user cannot reload" reload
stop_cowherd
cp /run/good.conf /run/other.conf
(cd /run && exec cowherd --config=other.conf 2>/dev/null) &
OTHER=$!
wait_until 20 cowctl explain "$ODD"
gives 0 "reload --dry-run of another file" reload --dry-run
echo 'at 70% = frobnicate' >>/run/other.conf
gives 78 "which has an error then" reload --dry-run
says '^/run/other.conf:[0-9]+: '
kill "$OTHER"
wait "$OTHER" || true
check "nothing is left suspended" nothing_suspended

# ---- all that has been said since the machine is up, also in other scenarios

cowctl log --json >/run/log.json
for kind in found gone rung action-start action-done deferred lost config; do
    check "the log has: $kind" grep -qF "\"event\": \"$kind\"" /run/log.json
done
sed 's/^/json cowctl-log /' /run/log.json
