#!/bin/sh
# Minimises (x - 0.3)^2 + penalty with `hdcore serve`, with nothing but sh, sed and awk.
# Arguments go to the server: `sh client.sh --state sweep.jsonl` goes on where an earlier one was killed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/requests" "$folder/replies"
hdcore serve "$@" < "$folder/requests" > "$folder/replies" &
exec 3> "$folder/requests" 4< "$folder/replies"

request() {  # sends a line, leaves the answer in $reply
    printf '%s\n' "$1" >&3
    IFS= read -r reply <&4 || { echo "the server is gone" >&2; exit 1; }
    case $reply in
        *'"ok":true'*) ;;
        *) printf '%s\n' "$reply" >&2; exit 1 ;;
    esac
}

field() {  # a number or word by its name
    printf '%s\n' "$reply" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

request '{"op": "create", "goal": "minimize", "sampler": "bayesian", "policy": "median:delay=1", "seed": 7,'\
'"space": {"x": ["uniform", [-1, 1]], "kind": ["choice", [["plain", "costly"]]]}}'
done=$(field known_runs)
while [ "$done" -lt 20 ]; do
    request '{"op": "ask"}'
    number=$(field number) x=$(field x) kind=$(field kind)
    for step in 1 2 3; do
        value=$(awk -v x="$x" -v kind="$kind" -v step="$step" \
            'BEGIN { print (x - 0.3) ^ 2 + (kind == "costly") + 1 / step }')
        request "{\"op\": \"report\", \"number\": $number, \"value\": $value}"
        [ "$(field stop)" = false ] || break
    done
    request "{\"op\": \"tell\", \"number\": $number}"
    done=$((done + 1))
done
request '{"op": "best"}'
printf '%s\n' "$reply"
exec 3>&-   # the server ends with its input
wait
