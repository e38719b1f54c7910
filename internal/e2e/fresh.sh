#!/usr/bin/env bash
# Says how long somebody waits for the first page of the demo who has Go, a clone of this
# repository, and nothing else: empty caches of modules and of builds.
#   internal/e2e/fresh.sh [REPOSITORY]     # a path or URL; this clone's HEAD where left out
set -euo pipefail
source=${1:-$(git -C "$(dirname "$0")" rev-parse --show-toplevel)}
dir=$(mktemp -d)
demo=
end() {
  if [ -n "$demo" ] && kill -TERM -- "-$demo" 2>/dev/null; then
    while kill -0 -- "-$demo" 2>/dev/null; do sleep 0.1; done # go run ends before what it runs
  fi
  chmod -R u+w "$dir"
  rm -rf "$dir"
}
trap end EXIT
git clone -q "$source" "$dir/clone"
cd "$dir/clone"
export GOCACHE=$dir/build GOMODCACHE=$dir/modules GOFLAGS=
address=127.0.0.1:$((20000 + RANDOM % 20000))
set -m
begun=$(date +%s.%N)
go run ./cmd/changetrail demo --listen "$address" --broker "127.0.0.1:$((40000 + RANDOM % 20000))" --data "$dir/data" >"$dir/log" 2>&1 &
demo=$!
until curl -fs -o /dev/null "http://$address/"; do
  kill -0 "$demo" 2>/dev/null || { tail -20 "$dir/log" >&2; exit 1; }
  sleep 0.2
done
awk -v a="$begun" -v b="$(date +%s.%N)" 'BEGIN { printf "first page after %.0f s\n", b - a }'
echo "packages: $(go list -deps ./cmd/changetrail | wc -l)"
echo "downloaded: $(du -sm "$GOMODCACHE/cache/download" | cut -f1) MB"
go build -ldflags='-s -w' -o "$dir/changetrail" ./cmd/changetrail
echo "binary, stripped: $(($(stat -c %s "$dir/changetrail") / 1000000)) MB"
