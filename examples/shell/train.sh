#!/bin/sh
# A training program without Python: Newton's steps towards a square root. Each step appends one line of JSON to the
# file that $HDCORE_REPORT names; outside of a sweep the lines go to the screen.
#
# usage: train.sh TARGET START
set -eu
target=$1
x=$2
step=0
while [ "$step" -lt 8 ]; do
    step=$((step + 1))
    x=$(awk -v x="$x" -v a="$target" 'BEGIN { printf "%.15g", (x + a / x) / 2 }')
    error=$(awk -v x="$x" -v a="$target" 'BEGIN { d = x * x - a; printf "%.6g", d < 0 ? -d : d }')
    printf '{"name": "error", "value": %s, "step": %d}\n' "$error" "$step" >> "${HDCORE_REPORT:-/dev/stdout}"
done
echo "square root of $target is $x, run ${HDCORE_RUN_ID:-outside of a sweep}"
echo "$x" > "${HDCORE_OUTPUT_DIR:-.}/root.txt"
