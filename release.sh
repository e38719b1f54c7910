#!/usr/bin/env bash
# Builds what a release has, into out/release: an archive for each platform, the SBOM of
# each binary, and checksums. The same commit and the same Go make the same bytes.
#   ./release.sh                    # linux and darwin, amd64 and arm64
#   ./release.sh linux/arm64        # one platform
set -euo pipefail
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
version=$(git describe --tags --always --dirty)
at=$(git log -1 --format=%ct)
out=out/release
rm -rf "$out" && mkdir -p "$out"
for platform; do
  name=changetrail-$version-${platform%/*}-${platform#*/}
  mkdir "$out/$name"
  CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} GOFLAGS='' go build -buildvcs=true -trimpath -tags grpcnotrace -ldflags='-s -w' -o "$out/$name/" ./cmd/...
  for binary in "$out/$name"/*; do
    go run ./internal/sbom "$binary" >"$out/$name-$(basename "$binary").cdx.json"
  done
  cp LICENSE NOTICE README.md CHANGELOG.md "$out/$name/"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$at" -C "$out" -cf - "$name" | gzip -n9 >"$out/$name.tar.gz"
  rm -r "${out:?}/$name"
done
cd "$out"
sha256sum -- * | tee SHA256SUMS
