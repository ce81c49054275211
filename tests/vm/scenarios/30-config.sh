#!/bin/bash
# The configuration: none at all, a good one, a broken one; at the start, on reload and on --check; whole or not at all.
# timeout: 300
# shellcheck source=lib.sh
. /tests/lib.sh

ORIGIN_SECTORS=65536
STORE=8000              # 1000 chunks, ten to a percent
FILE=/etc/cowherd/cowherd.conf

rung() { event 10 COWHERD_EVENT=rung COWHERD_SNAPSHOT="$1" "COWHERD_RUNG=$2"; }
rungs() { entries COWHERD_EVENT=rung COWHERD_SNAPSHOT="$1" | jq -r .COWHERD_RUNG; }
status_says() { systemctl show -P StatusText cowherd.service | grep -qF -- "$1"; }
found() { event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$1" >/dev/null; }

# drop_in DIRECTORY NAME: from standard input.
drop_in() {
    mkdir -p "$1/cowherd.conf.d"
    cat >"$1/cowherd.conf.d/$2"
    chmod 0644 "$1/cowherd.conf.d/$2"
}

# ---- none

no_configuration() {
    local table
    rm -rf /etc/cowherd /run/cowherd /usr/lib/cowherd
    attempt cowherd --check
    check_eq "no configuration at all is a good one" "$EXIT_CODE $OUTPUT" "0 "
    mark
    make_live plain /dev/ram0 /dev/ram1 "$STORE"
    table=$(dmsetup table plain)
    start_cowherd
    write_chunks /dev/mapper/plain 8 0 650
    sleep 1
    check_eq "below the built-in rungs nothing is said" "$(rungs plain)" ""
    write_chunks /dev/mapper/plain 8 650 100
    check_eq "at 70 % an alert" "$(field "$(rung plain "at 70% = alert")" PRIORITY)" 4
    write_chunks /dev/mapper/plain 8 750 200
    check_eq "at 90 % a critical one" "$(field "$(rung plain "at 90% = alert critical")" PRIORITY)" 2
    sleep 1
    check_eq "no more than these" "$(rungs plain | wc -l) $(count_events COWHERD_EVENT=action-start)" "2 0"
    check_eq "nothing is changed" "$(dmsetup table plain)" "$table"
    stop_cowherd
    dmsetup remove plain plain-store
}

# ---- reload

reloads() {
    local json
    config <<END
[snapshot *]
at 80% = alert notice
END
    mark
    make_live reloaded /dev/ram0 /dev/ram1 "$STORE"
    start_cowherd
    found reloaded
    write_chunks /dev/mapper/reloaded 8 0 400
    config <<END
[snapshot *]
at 30% = alert notice
at 60% = alert
END
    systemctl reload cowherd.service
    check "a good file: a rung that is new and crossed fires" rung reloaded "at 30% = alert notice"
    check "and it is said" event 10 COWHERD_EVENT=config COWHERD_RESULT=taken

    mark
    config <<END
[snapshot *]
at 35% = alert notice
at 120% = drop

[nonsense]
END
    systemctl reload cowherd.service
    json=$(event 10 COWHERD_EVENT=config COWHERD_RESULT=error)
    check "a broken file: the event names file and line" grep -qF "$FILE:3: " <<<"$(field "$json" MESSAGE)"
    event 10 COWHERD_EVENT=config COWHERD_RESULT=refused >/dev/null
    check_eq "every error is said" "$(count_events COWHERD_EVENT=config COWHERD_RESULT=error)" 2
    check "the status says so" wait_until 5 status_says "configuration refused"
    check "and where" status_says "$FILE:3: "
    sleep 1
    check_eq "nothing of it is in force" "$(rungs reloaded)" ""
    write_chunks /dev/mapper/reloaded 8 400 250
    check "the former one is" rung reloaded "at 60% = alert"
    check_eq "and nothing else" "$(rungs reloaded)" "at 60% = alert"

    mark
    config <<END
[snapshot *]
at 60% = alert
at 62% = alert notice
END
    systemctl reload cowherd.service
    check "mended: taken" rung reloaded "at 62% = alert notice"
    check "the status is good again" wait_until 5 status_says "watching 1 snapshot;"
    check_not "without a word of refusal" status_says "configuration refused"
    check_eq "a rung that stays and has fired does not fire again" "$(rungs reloaded)" "at 62% = alert notice"
}

# ---- drop-ins: of one name only the strongest counts; read after the main file, in the order of their names

drop_ins() {
    mark
    drop_in /usr/lib/cowherd 50-site.conf <<<$'[snapshot *]\nat 10% = alert notice'
    systemctl reload cowherd.service
    rung reloaded "at 10% = alert notice" >/dev/null
    drop_in /run/cowherd 50-site.conf <<<$'[snapshot *]\nat 20% = alert notice'
    systemctl reload cowherd.service
    rung reloaded "at 20% = alert notice" >/dev/null
    drop_in /etc/cowherd 50-site.conf <<<$'[snapshot *]\nat 25% = alert notice'
    systemctl reload cowherd.service
    rung reloaded "at 25% = alert notice" >/dev/null
    drop_in /usr/lib/cowherd 60-later.conf <<<$'[snapshot *]\nat 27% = alert notice'
    systemctl reload cowherd.service
    rung reloaded "at 27% = alert notice" >/dev/null
    ln -sf /dev/null /etc/cowherd/cowherd.conf.d/60-later.conf
    rm /etc/cowherd/cowherd.conf.d/50-site.conf
    systemctl reload cowherd.service
    rung reloaded "at 20% = alert notice" >/dev/null
    sleep 1
    check_eq "/usr/lib < /run < /etc, a later name wins, /dev/null hides" "$(rungs reloaded | paste -sd'|')" \
        "at 10% = alert notice|at 20% = alert notice|at 25% = alert notice|at 27% = alert notice|at 20% = alert notice"
    stop_cowherd
    check "the drop-ins of /run are still there when it is stopped" test -e /run/cowherd/cowherd.conf.d/50-site.conf
    rm -rf /run/cowherd /usr/lib/cowherd /etc/cowherd/cowherd.conf.d
    dmsetup remove reloaded reloaded-store
}

# ---- --check

# refused DESCRIPTION LINE PATTERN: --check exits with 1 and says FILE:LINE: and what fits the pattern, and nothing but such
# lines. What follows is the command; without one it reads the file.
refused() {
    local what=$1 line=$2 pattern=$3
    shift 3
    attempt cowherd --check "$@"
    [[ $EXIT_CODE -eq 1 ]] || fail "$what: exit code $EXIT_CODE: ${OUTPUT:0:1000}"
    grep -qE "^${NAMED:-$FILE}:$line: .*$pattern" <<<"$OUTPUT" || fail "$what: no such message for line $line: ${OUTPUT:0:1000}"
    if grep -vqE '^/[^:]*:[0-9]+: [[:print:]]+$' <<<"$OUTPUT"; then
        fail "$what: something else than messages: ${OUTPUT:0:1000}"
    fi
    echo "ok - refused: $what: $(grep -m1 -E ":$line: " <<<"$OUTPUT" | cut -c1-120)"
}

# bad DESCRIPTION LINE PATTERN: the same for a file that comes on standard input.
bad() {
    config
    refused "$@"
}

bad_files() {
    config <<<$'[snapshot *]\nat 50% = alert'
    check "the file to be spoiled is good" cowherd --check
    chmod 0666 "$FILE"
    refused "writable by others" 0 'written by others'
    chmod 0644 "$FILE"
    chown 1000 "$FILE"
    refused "another user's" 0 'belongs to user 1000'
    chown 0 "$FILE"
    rm "$FILE"
    mkdir "$FILE"
    refused "a directory" 0 'not a regular file'
    rmdir "$FILE"
    ln -s /nowhere "$FILE"
    refused "a link to nowhere" 0 'No such file'
    rm "$FILE"
    mkfifo "$FILE"
    refused "a fifo" 0 'not a regular file'
    rm "$FILE"
    NAMED=/nowhere/cowherd.conf refused "a file that is not there" 0 'No such file' --config /nowhere/cowherd.conf
    head -c 1M /dev/urandom | bad "1 MiB of noise" 0 'too large'
    head -c 20K /dev/urandom | bad "20 KiB of noise" '[0-9]+' 'byte 0x'
    mkdir -p /etc/cowherd/cowherd.conf.d
    config <<<$'[snapshot *]\nat 50% = alert'
    echo 'nonsense' >/etc/cowherd/cowherd.conf.d/10-bad.conf
    NAMED=/etc/cowherd/cowherd.conf.d/10-bad.conf refused "a drop-in" 1 'nonsense'
    rm -r /etc/cowherd/cowherd.conf.d
}

bad_lines() {
    local long
    long=$(printf 'x%.0s' {1..5000})
    printf '[snapshot *]\nat 50%% = al\0ert\n' | bad "a NUL byte" 2 'byte 0x00'
    bad "an over-long line" 2 'too long' <<<$'[snapshot *]\n'"at 50% = exec $long"
    bad "an over-long section" 1 'too long' <<<"[snapshot $long]"
    bad "a section without an end" 2 'section' <<<$'\n[snapshot *\nat 50% = alert'
    bad "an unknown section" 1 'section' <<<$'[snapshots *]\nat 50% = alert'
    bad "an unknown key of [daemon]" 2 'unknown key "longest-pole"' <<<$'[daemon]\nlongest-pole = 1s'
    bad "an unknown key of [snapshot]" 3 'unknown key "roll"' <<<$'[snapshot *]\nat 50% = alert\nroll = live'
    bad "an unknown role" 2 'role' <<<$'[snapshot *]\nrole = both'
    bad "a key before any section" 1 'before any section' <<<'at 50% = alert'
    bad "a line without =" 2 '"=" is missing' <<<$'[snapshot *]\nat 50%'
}

bad_rungs() {
    local said
    bad "at 120%" 2 '100%' <<<$'[snapshot *]\nat 120% = alert'
    bad "at -1MiB free" 2 'negative' <<<$'[snapshot *]\nat -1MiB free = alert'
    bad "at 5 parsecs left" 2 'unit' <<<$'[snapshot *]\nat 5 parsecs left = alert'
    bad "an unknown action" 2 'action' <<<$'[snapshot *]\nat 50% = explode'
    bad "merge and drop at one height" 3 'same height' <<<$'[snapshot *]\nat 90% = merge\nat 90% = drop'
    bad "merge and drop in one rung" 2 'one way' <<<$'[snapshot *]\nat 90% = merge, drop'
    bad "on stalled = drop" 2 'on stalled' <<<$'[snapshot *]\non stalled = drop'
    bad "a hook that is not defined" 2 'no \[hook nobody\]' <<<$'[snapshot *]\nat 90% = exec nobody'
    bad "a hook without an absolute path" 2 'absolute' <<<$'[hook h]\ncommand = page --me'
    bad "several errors: the first" 2 'unknown key' <<<$'[daemon]\na = 1\n[snapshot *]\nat 120% = drop\nat 90% = exec nobody'
    said=$OUTPUT
    check "the second, in the same run" grep -q "^$FILE:4: " <<<"$said"
    check "the third" grep -q "^$FILE:5: " <<<"$said"
}

good_files() {
    local said
    cp -p "$SHIPPED" "$FILE"
    attempt cowherd --check
    check_eq "the shipped file is good, and there is nothing to say" "$EXIT_CODE $OUTPUT" "0 "
    config <<<$'[snapshot *]\nat 50% = alert\nat 40% = drop\n[snapshot x]\nrole = live'
    attempt cowherd --check
    said=$OUTPUT
    check_eq "what is only strange is no error" "$EXIT_CODE" 0
    check "but a ladder that does not rise is warned of" grep -q "^$FILE:3: warning: " <<<"$said"
    check "and a section without rungs" grep -q "^$FILE:4: warning: " <<<"$said"
}

# ---- the command line

command_line() {
    attempt cowherd --no-such-option
    check_eq "an unknown option" "$EXIT_CODE" 64
    attempt cowherd an-argument
    check_eq "an argument" "$EXIT_CODE" 64
    attempt cowherd --version
    check "--version" grep -qE '^0 cowherd [0-9.]+$' <<<"$EXIT_CODE $OUTPUT"
    attempt cowherd --help
    check_eq "--help" "$EXIT_CODE" 0
    check "names its options" grep -q -- --dry-run <<<"$OUTPUT"
}

broken_at_the_start() {
    config <<<$'[snapshot *]\nat 120% = drop'
    mark
    attempt systemctl start cowherd.service
    check "with a broken file it does not start" test "$EXIT_CODE" -ne 0
    sleep 1
    check_eq "exit code, and no second try" \
        "$(systemctl show -p ExecMainStatus -p NRestarts -p ActiveState cowherd.service | sort | paste -sd' ')" \
        "ActiveState=failed ExecMainStatus=78 NRestarts=0"
    check "and says why, as an event" grep -qF "$FILE:2: " \
        <<<"$(field "$(event 5 COWHERD_EVENT=config COWHERD_RESULT=error)" MESSAGE)"
    check_eq "once" "$(entries _SYSTEMD_UNIT=cowherd.service | jq -r .MESSAGE | grep -cF "$FILE:2: ")" 1
    systemctl reset-failed cowherd.service
}

# dry_run: with a rung that says drop, by hand and by the file.
dry_run() {
    local pid json
    config <<<$'[snapshot *]\nat 50% = drop'
    make_live dry /dev/ram0 /dev/ram2 "$STORE"
    write_chunks /dev/mapper/dry 8 0 600
    mark
    cowherd --dry-run 2>/run/dry-run.log &
    pid=$!
    json=$(event 10 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=dry)
    check_eq "--dry-run: it decides and says so" "$(field "$json" COWHERD_RESULT) $(field "$json" COWHERD_ACTION)" "dry-run drop"
    sleep 1
    check_eq "and changes nothing" "$(target dry)" snapshot
    kill "$pid"
    wait "$pid"
    config <<<$'[daemon]\ndry-run = yes\n[snapshot *]\nat 50% = drop'
    mark
    start_cowherd
    check "dry-run = yes: it decides" event 10 COWHERD_EVENT=action-start COWHERD_SNAPSHOT=dry COWHERD_RESULT=dry-run
    sleep 1
    check_eq "and changes nothing" "$(target dry)" snapshot
    # The rung has fired already, but nothing has come of it.
    config <<<$'[snapshot *]\nat 50% = drop'
    systemctl reload cowherd.service
    check "dry-run taken away on reload: now it acts" event 15 COWHERD_EVENT=action-done COWHERD_SNAPSHOT=dry
    check_not "and the snapshot is dropped" dmsetup info dry
}

# The one that runs was started with dry-run = yes, and acts since the reload: it must be alone all the same.
one_at_a_time() {
    attempt timeout 10 cowherd
    check_eq "a second one is refused" "$EXIT_CODE" 75
    check "and says why" grep -q 'another cowherd' <<<"$OUTPUT"
    check "the first does not mind" systemctl is-active cowherd.service
}

no_configuration
reloads
drop_ins
bad_files
bad_lines
bad_rungs
good_files
command_line
broken_at_the_start
dry_run
one_at_a_time
