#!/usr/bin/env bash
# Runs each fuzz target for a while: fuzz.sh 20s
set -euo pipefail
cd "$(dirname "$0")"
for f in $(grep -rlE '^func Fuzz' --include='*_test.go' .); do
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z]*\).*/\1/p' "$f"); do
    go test "$(dirname "$f")" -run xxx -fuzz "^$target\$" -fuzztime "${1:-20s}" -fuzzminimizetime 1s
  done
done
