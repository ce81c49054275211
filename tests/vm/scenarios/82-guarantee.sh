#!/bin/bash
# The guarantee: told with its figures when a snapshot is found, when it changes, in the status line and by --check, whose
# suggestion is the highest rung that is in time; and what actions took is remembered over a restart.
# timeout: 240
# shellcheck source=lib.sh
. /tests/lib.sh

FILE=/etc/cowherd/cowherd.conf
TIMES=/var/lib/cowherd/.action-times
RUNG_LINE=8             # of the file
STORE=$((32 * 2048))    # sectors

# settings RUNG [RATE=16MiB]
settings() {
    config <<END
[daemon]
assumed-fill-rate = ${2:-16MiB}
longest-poll = 1s
${POLL:-}
brake = no

[snapshot *]
$1
END
}

# found NAME: the sentence with which it is found.
found() { field "$(event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1")" MESSAGE; }
status_says() { systemctl show -P StatusText cowherd.service | grep -qE -- "$1"; }
said_line() { journalctl -q --cursor="$MARK" -u cowherd.service -o cat | grep -qE -- "$1"; }
remembered() { grep -qE "^drop [0-9]+ [0-9]+ name g$" "$TIMES"; }
remove() { dmsetup remove g; dmsetup remove g-origin; dmsetup remove g-store; }

# ---- the daemon says it

settings 'at 95% = drop'
make_backup g /dev/ram0 /dev/ram1 "$STORE"
mark
start_cowherd
sentence=$(found g)
check "found, with its figures: ${sentence#*Guarantee: }" grep -qE \
    'Guarantee: no: at 16 MiB/s this store goes from 95 % to full in (99|100) ms(, that is seen within [0-9.]+ (us|ms|s))?, drop is assumed to take 200 ms: move this rung to [0-9]+ % or lower' <<<"$sentence"
check "the status line says why" wait_until 10 status_says '; guarantee: no \(g: at 16 MiB/s this store goes from 95 % to full'
settings 'at 50% = drop' 4MiB
mark
systemctl reload cowherd.service
check "a change is told" wait_until 15 said_line 'The guarantee of g is "yes" now: at 4 MiB/s this store goes from 50 % to full in 3.9 s, .*: in time\.'
check "and the status line follows" wait_until 10 status_says '; guarantee: yes$'
settings 'at 50% = alert' 4MiB
systemctl reload cowherd.service
check "a ladder that only alerts" wait_until 15 said_line 'The guarantee of g is "no" now: nothing acts'
check_eq "each change once" "$(journalctl -q --cursor="$MARK" -u cowherd.service -o cat | grep -c 'The guarantee of g')" 2

# ---- --check says it, of the snapshots that are there

# warned PERCENT: what --check says to a rung at this height. A percent is 80 ms: more than a look at all takes more or less.
warned() {
    settings "at $1% = drop" 4MiB
    attempt cowherd --check
    [[ $EXIT_CODE -eq 0 ]] || fail "--check: exit code $EXIT_CODE: $OUTPUT"
    echo "$OUTPUT"
}

# seen_within SENTENCE: milliseconds in which a crossing is seen.
seen_within() {
    sed -nE 's/.*that is seen within ([0-9.]+) (us|ms|s),.*/\1 \2/p' <<<"$1" |
        awk '{ ms = $1 * ($2 == "s" ? 1000 : $2 == "ms" ? 1 : 0.001) } END { printf "%.3f", ms }'
}
is_below() { awk -v is="$(seen_within "$1")" -v bound="$2" 'BEGIN { exit !(is < bound) }'; }

POLL='shortest-poll = 800ms'
mountpoint -q /sys/kernel/tracing || mount -t tracefs nodev /sys/kernel/tracing
warning=$(warned 99)
check "writes can be counted: --check does not reckon with the poll: $warning" is_below "$warning" 800
check_not "but with the time of a look at all" is_below "$warning" 0.001
export COWHERD_COUNTING=no
check_not "they cannot: it does" is_below "$(warned 99)" 800
POLL=

warning=$(warned 99)
check "--check warns on the rung's line: $warning" grep -qE "^$FILE:$RUNG_LINE: warning: \"at 99% = drop\" may come too late for g: .*" <<<"$warning"
highest=$(sed -nE 's/.*move this rung to ([0-9]+) % or lower.*/\1/p' <<<"$warning")
check_eq "at the height that it suggests there is no warning" "$(warned "$highest")" ""
check "one percent higher there is" test -n "$(warned $((highest + 1)))"
unset COWHERD_COUNTING
check_eq "who may not ask device-mapper has the file checked" "$(setpriv --reuid=65534 --clear-groups cowherd --check; echo $?)" 0
check_eq "--check leaves nothing behind" "$(ls -A /var/lib/cowherd)" ""

# ---- what an action took is remembered

settings 'at 50% = drop'
systemctl reload cowherd.service
mark
fill "$ORIGIN" 18
event 20 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=g >/dev/null
wait_until 10 is_gone g
dmsetup remove g-origin
dmsetup remove g-store
mark
make_backup g /dev/ram2 /dev/ram3 "$STORE"
sentence=$(found g)
check "the next one's is reckoned with what the drop took: ${sentence#*Guarantee: }" grep -qE ', drop took [0-9.]+ (ms|s): ' <<<"$sentence"
check_not "it is not written in the midst of things" test -e "$TIMES"
stop_cowherd
check "it is written by the end: $(cat "$TIMES")" remembered
mark
start_cowherd
check "after a restart it is known" grep -qE ', drop took [0-9.]+ (ms|s): ' <<<"$(found g)"
stop_cowherd
echo 'cowherd action times 1' >"$TIMES"
mark
start_cowherd
check "a broken file is ignored" grep -qF ', drop is assumed to take 200 ms: ' <<<"$(found g)"
check "with a warning" said_line "What actions took before is not known, $TIMES is ignored"
check "nothing is left suspended" nothing_suspended
