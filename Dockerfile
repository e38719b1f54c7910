FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /out/changetrail ./cmd/changetrail && mkdir -p /out/state

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/changetrail /changetrail
COPY --from=build --chown=nonroot:nonroot /out/state /var/lib/changetrail
USER nonroot
ENTRYPOINT ["/changetrail"]
