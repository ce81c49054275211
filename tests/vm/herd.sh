# Snapshots that stand still, and who is woken by them: for what looks at counting. Wants lib.sh, and HERD, how many they are.
# shellcheck shell=bash

main_pid() { systemctl show -P MainPID cowherd.service; }
wakeups() { awk '/^voluntary_ctxt/ { n += $2 } END { print n }' "/proc/$(main_pid)"/task/*/status; }
descriptors() { find "/proc/$(main_pid)/fd" -lname "*$1*" | wc -l; }
counters() { echo $(($(descriptors perf_event) + $(descriptors bpf_link))); } # by which it counts
counters_are() { [[ $(counters) -eq $1 ]]; }

# make_herd: idle0, idle1 …, their stores side by side on one disk, made by two commands: each of its own takes its time.
make_herd() {
    local number text=''
    for ((number = 0; number < HERD; number++)); do
        text+="idle$number-store,,,,0 1024 linear /dev/ram7 $((number * 1024));"
    done
    dmsetup create --noudevsync --concise "${text%;}"
    text=''
    for ((number = 0; number < HERD; number++)); do
        text+="idle$number,,,,0 65536 snapshot /dev/ram6 /dev/mapper/idle$number-store P 8;"
    done
    dmsetup mknodes
    dmsetup create --noudevsync --concise "${text%;}"
    udevadm settle --timeout=120
}
