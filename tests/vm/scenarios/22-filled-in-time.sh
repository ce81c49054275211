#!/bin/bash
# A writer at full speed on the origin of a backup: the drop comes before the store is full, every time, and the origin holds
# exactly what was written.
#
# Every reserve above the rung is some 12.8 MiB: what an assumed-fill-rate of 256 MiB/s fills in a shortest-poll of 50 ms. With
# less (95 % of 64 MiB: 3.2 MiB) the drop comes too late now and then: a writeback that bursts fills it between two looks.
# timeout: 360
# shellcheck source=lib.sh
. /tests/lib.sh

ROUNDS=1        # of each kind; more by hand, to find out how close it is
WRITTEN_MIB=    # more than the store holds

# Other data for each round, so that what an earlier one has left cannot pass for written.
new_pattern() { dd if=/dev/urandom of="$PATTERN" bs=1M count="$PATTERN_MIB" status=none; }

# The writers. Each writes the pattern over and over from the start of the device.
write_direct() { fill "$1" "$WRITTEN_MIB"; }
write_buffered() {
    local at
    for ((at = 0; at < WRITTEN_MIB; at += PATTERN_MIB)); do
        dd if="$PATTERN" of="$1" bs=1M seek="$at" conv=notrunc status=none
    done
    sync "$1"
}

# as_written DEVICE: it holds what the writers wrote.
as_written() {
    local at
    for ((at = 0; at < WRITTEN_MIB; at += PATTERN_MIB)); do
        dd if="$1" iflag=direct bs=1M skip="$at" count="$PATTERN_MIB" status=none | cmp - "$PATTERN" || return 1
    done
}

# timeline NAME: what was said of it, in milliseconds since the drop's rung was seen.
timeline() {
    entries COWHERD_SNAPSHOT="$1" | jq -rs '
        (map(select(.COWHERD_EVENT == "rung" and .COWHERD_ACTION == "drop"))[0] // .[0] | .__MONOTONIC_TIMESTAMP | tonumber) as $zero
        | map("\(((.__MONOTONIC_TIMESTAMP | tonumber) - $zero) / 1000 | floor) ms \(.COWHERD_EVENT) \(.COWHERD_PERCENT) %") | join(", ")'
}

# in_time NAME SIZE_MIB WRITER: a backup with a store of this size, and one writer.
in_time() {
    local name=$1 size=$2 writer=$3 outcome
    WRITTEN_MIB=$((size + 16))
    new_pattern
    mark
    make_backup "$name" /dev/mapper/big-0 /dev/mapper/big-1 $((size * 2048))
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT="$name" >/dev/null
    "$writer" "$ORIGIN"
    outcome=$(event 30 COWHERD_SNAPSHOT="$name" COWHERD_EVENT=action-done COWHERD_EVENT=lost)
    echo "$name: $(timeline "$name")"
    if [[ $(field "$outcome" COWHERD_EVENT) == lost ]]; then
        late=$((late + 1))
        echo "LATE: $name: $(field "$outcome" COWHERD_RESULT)"
        # The drop may have come after all.
        dmsetup remove "$name" 2>/dev/null || check_not "$name is gone" dmsetup info "$name"
    else
        check_not "$name is dropped" dmsetup info "$name"
    fi
    check "the origin holds what was written" as_written "$ORIGIN"
    check_eq "and is what it was" "$(target "$(basename "$ORIGIN")")" snapshot-origin
    dmsetup remove "$(basename "$ORIGIN")" "$name-store"
}

# join NAME DISK DISK: one disk of two.
join() {
    dmsetup create "$1" <<END
0 $(sectors "$2") linear $2 0
$(sectors "$2") $(sectors "$3") linear $3 0
END
}

config <<END
[snapshot *-240]
at 50% = alert
at 95% = drop

[snapshot *-64]
at 50% = alert
at 80% = drop

[snapshot *-32]
at 50% = alert
at 60% = drop
END
late=0
join big-0 /dev/ram0 /dev/ram2
join big-1 /dev/ram1 /dev/ram3
start_cowherd
for ((round = 1; round <= ROUNDS; round++)); do
    in_time "buffered$round-240" 240 write_buffered
    in_time "direct$round-64" 64 write_direct
    in_time "buffered$round-64" 64 write_buffered
    in_time "buffered$round-32" 32 write_buffered
done
check_eq "how often the drop came too late, of $((ROUNDS * 4)) times" "$late" 0
check "nothing is left suspended" nothing_suspended
