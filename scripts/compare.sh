#!/bin/sh
# Runs two commands alternately and prints the ratio of the medians of their `seconds_per_step`, with spread: other load slows both alike.
#
#   scripts/compare.sh ROUNDS OURS PEER
#
#   scripts/compare.sh 5 'target/release/ivon bench gpt2 --preset nano --batch 8 --seq 256 --optimizer adamw --threads 2 --device cpu --json' \
#                        'env OMP_NUM_THREADS=2 python torch_gpt2.py --preset nano --batch 8 --optimizer adamw'
#
# Each prints a line of JSON with `seconds_per_step`, as `ivon bench --json` does; other output is ignored.
set -eu

if [ $# -ne 3 ] || ! [ "$1" -gt 0 ] 2> /dev/null; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
rounds=$1
times=$(mktemp)
trap 'rm -f "$times"' EXIT

# measure NAME COMMAND
measure() {
    if ! output=$(sh -c "$2"); then
        echo "$1 failed: $2" >&2
        exit 1
    fi
    seconds=$(printf '%s\n' "$output" | sed -n 's/.*"seconds_per_step": *\([0-9.eE+-]*\).*/\1/p' | tail -n 1)
    if [ -z "$seconds" ]; then
        echo "$1 printed no \"seconds_per_step\": $2" >&2
        exit 1
    fi
    echo "$1 $seconds" | tee -a "$times"
}

round=0
while [ "$round" -lt "$rounds" ]; do
    measure ours "$2"
    measure peer "$3"
    round=$((round + 1))
done

sort -k 1,1 -k 2,2g "$times" | awk '
    { n[$1]++; t[$1, n[$1]] = $2 }
    function median(who, m) { m = n[who]; return (t[who, int((m + 1) / 2)] + t[who, int(m / 2) + 1]) / 2 }
    function line(who) { printf "%s: median %.4f s, %.4f to %.4f\n", who, median(who), t[who, 1], t[who, n[who]] }
    END { line("ours"); line("peer"); printf "peer / ours: %.2f\n", median("peer") / median("ours") }'
