#!/bin/bash
# Hooks: the facts arrive, byte for byte; they run outside the sandbox, one at a time for each snapshot, until their deadline;
# what comes of them is said; a daemon that stops does not stop them; the two that are shipped say what they should.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh

ORIGIN_SECTORS=65536
STORE=2000              # 250 chunks of 8
HOOKS=/usr/local/lib/hooks
SAID=/run/hooks         # what the hooks leave
CANARY=/hooks.canary    # what runs by mistake makes it, in its working directory

# hook NAME: a program from standard input.
hook() {
    { echo '#!/bin/bash'; cat; } >"$HOOKS/$1"
    chmod 0755 "$HOOKS/$1"
}

# shellcheck disable=SC2016 # nothing is to be expanded
HOSTILE_HOOK='a "b" '"'c'"' $(touch hooks.canary) `touch hooks.canary` %n $HOME'

n_stores=0

# snapshot NAME: a live one, with a store of its own on the second disk.
snapshot() {
    STORE_OFFSET=$((n_stores++ * STORE)) make_live "$1" /dev/ram0 /dev/ram1 "$STORE"
    event 20 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null
}

# climb NAME: it crosses its rung at 50 %.
climb() { write_chunks "/dev/mapper/$1" 8 0 130; }

# ended NAME HOOK: waits until the hook has run, or failed; prints the entry.
done_entry() { event "${3:-20}" COWHERD_EVENT=action-done COWHERD_SNAPSHOT="$1" "COWHERD_ACTION=exec $2"; }
failed_entry() { event "${3:-20}" COWHERD_EVENT=action-failed COWHERD_SNAPSHOT="$1" "COWHERD_ACTION=exec $2"; }
result() { field "$1" COWHERD_RESULT; }

# fact FILE NAME: one variable of a recorded environment, into FACT, byte for byte.
fact() {
    local line
    FACT=
    while IFS= read -rd '' line; do
        [[ $line != "$2="* ]] || FACT=${line#*=}
    done <"$1"
}

names_of() { tr '\0\n' '\n?' <"$1" | sed -n 's/^\([A-Z_]*\)=.*/\1/p' | paste -sd' '; }

# ---- facts

facts() {
    local json name
    snapshot facts
    climb facts
    json=$(done_entry facts record)
    check_eq "done: what it wrote" "$(result "$json")" "recorded"
    check_eq "its rung" "$(field "$json" COWHERD_RUNG)" "at 50% = exec record, alert notice"
    check "it was said to begin" event 5 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=facts "COWHERD_ACTION=exec record"
    check_eq "a clean environment with the facts" "$(names_of $SAID/facts.environ)" "PATH LANG COWHERD_EVENT COWHERD_SNAPSHOT \
COWHERD_ROLE COWHERD_USED_SECTORS COWHERD_TOTAL_SECTORS COWHERD_PERCENT COWHERD_RATE COWHERD_SECONDS_LEFT COWHERD_RUNG \
COWHERD_ACTION COWHERD_MESSAGE"
    json=$(event 5 COWHERD_EVENT=rung COWHERD_SNAPSHOT=facts)
    for name in EVENT SNAPSHOT ROLE USED_SECTORS TOTAL_SECTORS PERCENT RATE SECONDS_LEFT RUNG ACTION; do
        fact $SAID/facts.environ "COWHERD_$name"
        check_eq "$name as in the journal: $FACT" "$FACT" "$(field "$json" "COWHERD_$name")"
    done
    fact $SAID/facts.environ COWHERD_MESSAGE
    check_eq "MESSAGE too" "$FACT" "$(field "$json" MESSAGE)"
    # shellcheck disable=SC2016 # nothing is to be expanded
    check_eq "arguments as written" "$(tr '\0' '|' <$SAID/facts.cmdline)" \
        '/bin/bash|/usr/local/lib/hooks/record|a  b|$HOME|$(touch hooks.canary)|%n|*|"|'
    check "in a unit of its own" grep -q '^0::/system.slice/cowherd-hook-.*\.service$' $SAID/facts.cgroup
    check_eq "outside of the sandbox" "$(cat $SAID/facts.namespace)" "$(readlink /proc/1/ns/mnt)"
}

# ---- a name that would do harm

hostile_name() {
    local name
    # shellcheck disable=SC2016 # nothing is to be expanded
    name='a "b" '"'c'"' $(touch hooks.canary) `touch hooks.canary` ; touch hooks.canary
%n $HOME \ '$'\x01\xff\xc3\xa4'
    while [[ $(LC_ALL=C; echo ${#name}) -lt 127 ]]; do name+=x; done
    printf '%s' "$name"
}

hostile() {
    local name number
    name=$(hostile_name)
    make_store hostile /dev/ram2 "$STORE"
    DM_DEFAULT_NAME_MANGLING_MODE=none dmsetup create "$name" --noudevsync \
        --table "0 $ORIGIN_SECTORS snapshot /dev/ram0 /dev/mapper/hostile-store P 8"
    number=$(lsblk -dnro MAJ:MIN /dev/mapper/hostile-store)
    check "it is found" event 20 COWHERD_EVENT=found "COWHERD_SNAPSHOT=$name"
    write_chunks "/dev/dm-$((${number#*:} + 1))" 8 0 130
    check "its hook runs" event 20 COWHERD_EVENT=action-done "COWHERD_SNAPSHOT=$name" "COWHERD_ACTION=exec $HOSTILE_HOOK"
    fact "$SAID/hostile.environ" COWHERD_SNAPSHOT
    check_eq "the name arrives, byte for byte" "$(printf '%s' "$FACT" | od -An -tx1)" "$(printf '%s' "$name" | od -An -tx1)"
    check_eq "all of its 127 bytes" "$(printf '%s' "$FACT" | wc -c)" 127
    check_not "nothing was expanded or executed" test -e "$CANARY"
    DM_DEFAULT_NAME_MANGLING_MODE=none dmsetup remove --noudevsync "$name"
}

# ---- what it may

umounts() {
    mkdir -p /run/hooks.mount
    mount -t tmpfs hooks /run/hooks.mount
    snapshot umount
    climb umount
    done_entry umount umount >/dev/null
    check_not "a hook can umount what is mounted" mountpoint -q /run/hooks.mount
}

# ---- deadline

nothing_sleeps() { ! pgrep -f 'sleep 12345' >/dev/null; }

overdue() {
    local json begin took
    begin=${EPOCHREALTIME/./}
    snapshot overdue
    climb overdue
    json=$(failed_entry overdue slow 40)
    took=$(((${EPOCHREALTIME/./} - begin) / 1000000))
    check_eq "what took too long is stopped, after $took s" "$(result "$json")" "took longer than 3 s and was stopped: begun"
    check "with all it started" wait_until 30 nothing_sleeps
    check "and nothing of its unit is left" wait_until 20 no_units
}

no_units() { [[ -z $(systemctl list-units --all --no-legend 'cowherd-hook-*') ]]; }

# ---- one at a time

queued() {
    snapshot queue
    snapshot beside
    mkfifo $SAID/queue.go $SAID/beside.go
    climb queue
    event 20 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=queue "COWHERD_ACTION=exec first" >/dev/null
    climb beside
    check "beside it another snapshot's runs" done_entry beside beside
    check_eq "the second one waits" "$(cat $SAID/queue)" "first begins"
    dmsetup remove queue
    event 20 COWHERD_EVENT=gone COWHERD_SNAPSHOT=queue >/dev/null
    echo >$SAID/queue.go
    done_entry queue second >/dev/null
    check_eq "one after the other, also when the snapshot has gone" "$(paste -sd, $SAID/queue)" \
        "first begins,first ends,second begins"
}

# ---- failure

failing() {
    local json
    snapshot failing
    climb failing
    json=$(failed_entry failing fails)
    check_eq "a failed hook says why" "$(result "$json")" "exit code 3: no route
to host"
    check_eq "as an error" "$(field "$json" PRIORITY)" 3
    check "on stalled = exec: that hook runs" failed_entry failing stalled
    fact $SAID/failing.stalled.environ COWHERD_RUNG
    check_eq "knowing what it is for" "$FACT" "on stalled = exec stalled, alert critical"
    check "the rung's next hook runs all the same" done_entry failing record
    check_eq "its own failure does not bring it again" "$(count_events COWHERD_EVENT=action-start COWHERD_SNAPSHOT=failing \
        "COWHERD_ACTION=exec stalled")" 1
}

missing() {
    local json
    snapshot missing
    climb missing
    json=$(failed_entry missing missing)
    check_eq "a program that is not there" "$(result "$json")" "/no/such/program cannot be run: No such file or directory"
    attempt cowherd --check
    check_eq "--check warns of it" "$EXIT_CODE $(grep -c 'warning: \[hook missing\] cannot run /no/such/program: No such file' \
        <<<"$OUTPUT")" "0 1"
}

# Without the program that runs hooks.
helpless() {
    local json
    mv /usr/libexec/cowherd-hook /usr/libexec/cowherd-hook.away
    snapshot helpless
    climb helpless
    json=$(failed_entry helpless record)
    mv /usr/libexec/cowherd-hook.away /usr/libexec/cowherd-hook
    check_eq "no hook is run in the sandbox instead" "$(result "$json")" \
        "not run: /usr/libexec/cowherd-hook: No such file or directory"
}

# ---- loss

lost() {
    snapshot lost
    check_not "it fills" fill /dev/mapper/lost 2
    check "on lost = exec" done_entry lost record
    fact $SAID/lost.environ COWHERD_EVENT
    check_eq "of which event" "$FACT" lost
    fact $SAID/lost.environ COWHERD_RESULT
    check_eq "and why it was lost" "$FACT" "$(result "$(event 5 COWHERD_EVENT=lost COWHERD_SNAPSHOT=lost)")"
}

# ---- output

floods() {
    local json
    snapshot flood
    climb flood
    json=$(done_entry flood flood)
    check "of much output the end is kept" grep -qE '^….*99999$' <<<"$(result "$json" | paste -sd' ')"
    check "within bounds" test "$(result "$json" | wc -c)" -le 512
}

# ---- the daemon stops

stops() {
    local begin took
    snapshot stop
    mkfifo $SAID/stop.go
    climb stop
    event 20 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=stop "COWHERD_ACTION=exec outlives" >/dev/null
    wait_until 20 test -e $SAID/stop.begun
    begin=${EPOCHREALTIME/./}
    stop_cowherd
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    check "a hook at work does not hold up the end ($took ms)" test "$took" -lt 5000
    check "one that waits is said not to be run" grep -q '^not run' <<<"$(result "$(failed_entry stop record)")"
    echo >$SAID/stop.go
    check "the one at work goes on" wait_until 10 test -e $SAID/stop.done
    check "and its end is in the journal" wait_until 10 says 'has ended after cowherd: exit code 4'
}

says() { entries SYSLOG_IDENTIFIER=cowherd-hook | jq -r .MESSAGE | grep -qF "$1"; }

# ---- by hand, where no systemd is

by_hand() {
    local pid
    rm -f $SAID/overdue* $SAID/facts*
    remove_devices # else the hooks of all would run now
    make_live facts /dev/ram3 /dev/ram4 "$STORE"
    STORE_OFFSET=$STORE make_live overdue /dev/ram3 /dev/ram4 "$STORE"
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount sh -c 'mount -t tmpfs none /run/systemd && exec cowherd' 2>/run/hooks.log &
    pid=$!
    climb facts
    climb overdue
    check "without systemd" logged 'COWHERD_EVENT=action-done .*COWHERD_SNAPSHOT=facts '
    fact $SAID/facts.environ COWHERD_RUNG
    check_eq "facts too" "$FACT" "at 50% = exec record, alert notice"
    check "a deadline too" logged 'COWHERD_SNAPSHOT=overdue.*took longer than 3 s'
    check "for the hook's process group" wait_until 20 not_asleep
    kill "$pid"
    wait "$pid" || true
    pkill -f 'sleep 12345' || true # what had left the group: there is no control group here
}

# logged PATTERN: in a line of the log; what there is instead is shown.
logged() { wait_until 40 grep -q "$1" /run/hooks.log || { cat /run/hooks.log; return 1; }; }

not_asleep() { ! pgrep -fx 'sleep 123451' >/dev/null; }

# ---- dry run

dry() {
    rm -f $SAID/facts*
    remove_devices
    config <<END
[daemon]
dry-run = yes
[snapshot *]
at 50% = exec record
[hook record]
command = $HOOKS/record
END
    start_cowherd
    STORE_OFFSET=$((2 * STORE)) make_live facts /dev/ram3 /dev/ram4 "$STORE"
    climb facts
    check_eq "dry run: said" "$(result "$(event 20 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=facts COWHERD_RESULT=dry-run)")" dry-run
    sleep 1
    check_not "and not done" test -e $SAID/facts.environ
}

# ---- the shipped ones

shipped() {
    snapshot shipped
    climb shipped
    done_entry shipped mail >/dev/null
    check_eq "mail: how sendmail is called" "$(paste -sd' ' $SAID/sendmail.arguments)" "-t -i"
    check_eq "mail: its head" "$(sed '/^$/,$d' $SAID/sendmail.input | paste -sd'|')" \
        "To: root|To: ops@example.org|Subject: cowherd on $(uname -n): rung shipped|Auto-Submitted: auto-generated|Content-Type: text/plain; charset=utf-8"
    check "mail: the sentence" grep -q '^The store of shipped is ' $SAID/sendmail.input
    check "mail: the facts" grep -qE '^PERCENT +5[0-9]\.' $SAID/sendmail.input
    done_entry shipped chat >/dev/null
    check_eq "webhook: how curl is called" "$(tail -n 4 $SAID/curl.arguments | paste -sd' ')" "--header X-Token: a b -- http://localhost/hook"
    check_eq "webhook: JSON" "$(jq -r '[.event, .snapshot, .role, (.percent | type), .rung] | join(" ")' $SAID/curl.input)" \
        "rung shipped live number at 50% = exec mail, exec chat"
}

# The name that would do harm, through both; without a daemon, for its environment is known.
shipped_are_safe() {
    local name output
    name=$'a\nBcc: evil@example.org\n\n.\n"\\ $(touch hooks.canary)\x01\xff\xc3\xa4'
    COWHERD_EVENT=rung COWHERD_SNAPSHOT=$name /usr/libexec/cowherd/hooks/mail root
    check_not "mail: no header of a name's" grep -q '^Bcc' <(sed '/^$/,$d' $SAID/sendmail.input)
    COWHERD_EVENT=rung COWHERD_SNAPSHOT=$name /usr/libexec/cowherd/hooks/webhook http://localhost
    output=$(jq -r .snapshot $SAID/curl.input)
    check_eq "webhook: the name, in JSON" "$output" "${name/$'\xff'/$'\xef\xbf\xbd'}"
    check_not "nothing was executed" test -e "$CANARY"
}

bad_quote() {
    printf '[hook a]\ncommand = /bin/true "a\n' >/run/hooks.conf
    attempt cowherd --check --config /run/hooks.conf
    check_eq "an open quote is an error" "$EXIT_CODE $(cut -d: -f1,2,4 <<<"$OUTPUT")" \
        '1 /run/hooks.conf:2: a quote is not closed (a comment begins at a blank and ";")'
}

write_hooks() {
    rm -rf "$CANARY" "$SAID" "$HOOKS"
    mkdir -p "$HOOKS" "$SAID"
    hook record <<'END'
file=/run/hooks/${COWHERD_SNAPSHOT:0:8}
[[ $COWHERD_SNAPSHOT != a* ]] || file=/run/hooks/hostile
cat /proc/$$/environ >"$file.environ"
cat /proc/$$/cmdline >"$file.cmdline"
cat /proc/$$/cgroup >"$file.cgroup"
readlink /proc/$$/ns/mnt >"$file.namespace"
echo recorded
END
    hook slow <<'END'
echo begun
sleep 123451 &
setsid bash -c 'trap "" TERM; sleep 123452; sleep 123453' &
sleep 123454
END
    hook first <<'END'
echo first begins >>/run/hooks/queue
read -r _ </run/hooks/queue.go
echo first ends >>/run/hooks/queue
END
    hook second <<<'echo second begins >>/run/hooks/queue'
    hook fails <<'END'
printf 'no route\nto host\n' >&2
exit 3
END
    hook stalled <<'END'
cat /proc/$$/environ >"/run/hooks/$COWHERD_SNAPSHOT.stalled.environ"
exit 1
END
    hook flood <<<'seq 1 99999'
    hook outlives <<'END'
: >/run/hooks/stop.begun
read -r _ </run/hooks/stop.go
echo goes on
: >/run/hooks/stop.done
exit 4
END
    fake sendmail
    fake curl
}

# fake NAME: a program found first in PATH that records how it is called.
fake() {
    printf '#!/bin/sh\nprintf "%%s\\n" "$@" >%s/%s.arguments\ncat >%s/%s.input\n' "$SAID" "$1" "$SAID" "$1" >"/usr/local/bin/$1"
    chmod 0755 "/usr/local/bin/$1"
}

write_config() {
    config <<END
[daemon]
hook-timeout = 3s
[snapshot *]
at 50% = exec record, alert notice
[snapshot a "b"*]
at 50% = exec $HOSTILE_HOOK
[hook $HOSTILE_HOOK]
command = $HOOKS/record
[snapshot umount]
at 50% = exec umount
[snapshot overdue]
at 50% = exec slow
[snapshot queue]
at 50% = exec first, exec second
[snapshot beside]
at 50% = exec beside
[snapshot failing]
at 50% = exec fails, exec record
on stalled = exec stalled, alert critical
[snapshot missing]
at 50% = exec missing
[snapshot lost]
on lost = exec record
[snapshot flood]
at 50% = exec flood
[snapshot stop]
at 50% = exec outlives, exec record
[snapshot shipped]
at 50% = exec mail, exec chat
[hook record]
command = $HOOKS/record 'a  b' \$HOME "\$(touch hooks.canary)" %n * \\"
[hook umount]
command = /bin/umount /run/hooks.mount
[hook slow]
command = $HOOKS/slow
[hook first]
command = $HOOKS/first
[hook second]
command = $HOOKS/second
[hook beside]
command = /bin/true
[hook fails]
command = $HOOKS/fails
[hook stalled]
command = $HOOKS/stalled
[hook missing]
command = /no/such/program
[hook flood]
command = $HOOKS/flood
[hook outlives]
command = $HOOKS/outlives
[hook mail]
command = /usr/libexec/cowherd/hooks/mail root ops@example.org
[hook chat]
command = /usr/libexec/cowherd/hooks/webhook http://localhost/hook --header 'X-Token: a b'
END
}

write_hooks
write_config
mark
start_cowherd
facts
hostile
umounts
overdue
# From here on hooks wait for the test.
sed -i 's/^hook-timeout = .*/hook-timeout = 1min/' /etc/cowherd/cowherd.conf
systemctl reload cowherd.service
event 10 COWHERD_EVENT=config COWHERD_RESULT=taken >/dev/null
queued
failing
missing
helpless
lost
floods
shipped
shipped_are_safe
bad_quote
stops
sed -i 's/^hook-timeout = .*/hook-timeout = 3s/' /etc/cowherd/cowherd.conf
by_hand
dry
stop_cowherd
rm -f /usr/local/bin/sendmail /usr/local/bin/curl
check "nothing is left suspended" nothing_suspended
