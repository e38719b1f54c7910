FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
ARG TAGS=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -tags="$TAGS" -trimpath -ldflags='-s -w' -o /out/ ./cmd/... && mkdir -p /out/state

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/changetrail /out/changetrail-hook /out/changetrail-hook-gate /
COPY --from=build --chown=nonroot:nonroot /out/state /var/lib/changetrail
USER nonroot
ENTRYPOINT ["/changetrail"]
