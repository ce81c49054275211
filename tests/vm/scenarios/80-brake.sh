#!/bin/bash
# The brake: an action that takes 3 s saves a 32 MiB store from writers at full speed that would fill what is left of it in
# less than one; without the brake it comes too late. The limits are put back in every way of leaving, and somebody else's
# stay. (The highest rate that survives without the brake: tests/bench/brake.sh.)
# timeout: 400
# shellcheck source=lib.sh
. /tests/lib.sh

MIB=32
BEFORE=

# The limits of all control groups, as they are.
limits() { grep -H . /sys/fs/cgroup/*/io.max || true; }
held() { limits | grep -q "^[^ ]*:$1 .*wbps=[0-9]"; }
no_record() { [[ -z $(ls /run/cowherd/brakes 2>/dev/null) ]]; }
number() { lsblk -dnro MAJ:MIN "$1"; }
is_gone() { ! dmsetup info "$1" >/dev/null 2>&1; }

# slow CALL: each of these calls of the acting child takes 3 s; none: as fast as ever.
slow() { echo "-1 ${1:-none} 3000" >/run/crash.conf; }

# settings BRAKE ACTION
settings() {
    config <<END
[daemon]
brake = $1
[snapshot *]
at 50% = $2
on lost = alert critical
END
}

# ---- writers, each as fast as it can, on chunks that are not copied yet, until it is stopped or through

write_direct() { exec dd if=/dev/zero of="$1" bs=1M count=120 oflag=direct conv=notrunc status=none; }
write_file() { exec dd if=/dev/zero of="$1/file" bs=1M count=90 status=none; }
write_small() {
    exec perl -e '
        use Fcntl;
        sysopen(F, $ARGV[0], O_WRONLY | O_SYNC) or die;
        my @chunks = 0 .. $ARGV[1] / $ARGV[2] - 1;
        for (my $i = @chunks; --$i;) { my $j = int rand($i + 1); @chunks[$i, $j] = @chunks[$j, $i]; }
        for (@chunks) { sysseek(F, $_ * $ARGV[2] + 4096, 0); syswrite(F, "x" x 4096); }
    ' "$1" $((120 << 20)) "$2"
}

# outcome NAME: "action-done" or "lost", whatever comes first.
outcome() { field "$(event 60 COWHERD_SNAPSHOT="$1" COWHERD_EVENT=action-done COWHERD_EVENT=lost)" COWHERD_EVENT; }

timeline() {
    entries COWHERD_SNAPSHOT="$1" | jq -rs '(.[0].__MONOTONIC_TIMESTAMP | tonumber) as $zero
        | map("\(((.__MONOTONIC_TIMESTAMP | tonumber) - $zero) / 1000 | floor) ms \(.COWHERD_EVENT) \(.COWHERD_PERCENT) % \(.COWHERD_RESULT // "")") | join(", ")'
}

end_writer() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

clean_up() {
    local name
    for name in "$1" "$1-origin" "$1-store"; do
        is_gone "$name" || dmsetup remove --retry "$name"
    done
}

# backup EXPECTED CHUNK_SECTORS WRITER [ARGUMENT]...: a drop that takes 3 s.
backup() {
    local writer end
    mark
    make_backup b /dev/ram0 /dev/ram1 $((MIB * 2048)) "$2"
    event 10 COWHERD_EVENT=found COWHERD_SNAPSHOT=b >/dev/null
    "$3" "$ORIGIN" "${@:4}" &
    writer=$!
    end=$(outcome b)
    end_writer "$writer"
    echo "backup, chunks of $2, $3: $(timeline b)"
    check_eq "backup, chunks of $2, $3" "$end" "$1"
    wait_until 20 no_record || fail "a limit is left: $(limits)"
    clean_up b
}

config_daemon() {
    settings "$1" "$2"
    systemctl restart cowherd.service
}

dropin <<'END'
[Service]
Environment=LD_PRELOAD=/tests/crash.so
ReadWritePaths=/run
END
slow remove
BEFORE=$(limits)
config_daemon no drop
backup lost 8 write_direct
check_eq "nobody was held" "$(count_events COWHERD_EVENT=brake)" 0
config_daemon yes drop
backup action-done 8 write_direct
backup action-done 8 write_direct
backup action-done 128 write_small 65536
check_eq "every limit is what it was" "$(limits)" "$BEFORE"
said 40
