package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/changetrail/changetrail/internal/budget"
)

// readLength reads the length in front of a request or an answer of the Kafka protocol.
func readLength(from io.Reader) (int64, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return 0, err
	}
	n := int64(int32(binary.BigEndian.Uint32(length[:])))
	if n < 0 || n > maxFrame {
		return 0, fmt.Errorf("a request of %d bytes; at most %d are accepted", n, maxFrame)
	}
	return n, nil
}

// readFrame reads a request of n bytes. It allocates memory as bytes arrive, not by the announced
// length.
func readFrame(from io.Reader, n int64, share *budget.Share) ([]byte, error) {
	frame, err := share.ReadAll(io.LimitReader(from, n), n)
	if err == nil && int64(len(frame)) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("a request ended in the middle: %w", err)
	}
	return frame, nil
}

// readAnswer reads an answer of the broker.
func readAnswer(from io.Reader) ([]byte, error) {
	n, err := readLength(from)
	if err != nil {
		return nil, err
	}
	return readFrame(from, n, nil)
}

func withLength(frame []byte) []byte {
	if frame == nil {
		return nil
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(frame)), uint32(len(frame))), frame...)
}

// A request is a parsed request (https://kafka.apache.org/protocol, Requests).
type request struct {
	head        []byte // everything before its body
	correlation int32
	body        kmsg.Request
}

func parse(frame []byte) (request, error) {
	b := kbin.Reader{Src: frame}
	key, version := b.Int16(), b.Int16()
	r := request{correlation: b.Int32(), body: kmsg.RequestForKey(key)}
	b.NullableString() // the client's name
	if r.body == nil || !b.Ok() {
		return r, fmt.Errorf("not a Kafka request (key %d)", key)
	}
	r.body.SetVersion(version)
	if _, asked := r.body.(*kmsg.ApiVersionsRequest); asked {
		return r, nil // its version may be newer than ours; its content does not matter
	}
	if version < 0 || version > r.body.MaxVersion() || key == int16(kmsg.Produce) && version > newestNamed {
		return r, fmt.Errorf("%s of version %d, which this port does not offer", kmsg.NameForKey(key), version)
	}
	if r.body.IsFlexible() {
		kmsg.SkipTags(&b)
	}
	if !b.Ok() {
		return r, errors.New("a request with a broken header")
	}
	r.head = frame[: len(frame)-len(b.Src) : len(frame)-len(b.Src)]
	if err := r.body.ReadFrom(b.Src); err != nil {
		return r, fmt.Errorf("%s that cannot be read: %w", kmsg.NameForKey(key), err)
	}
	return r, nil
}

// encode returns the answer to r with its length in front.
func (r request) encode(resp kmsg.Response) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(r.correlation))
	if _, asked := resp.(*kmsg.ApiVersionsResponse); resp.IsFlexible() && !asked { // KIP-511: its header always has version 0
		out = append(out, 0)
	}
	return withLength(resp.AppendTo(out))
}

// offer lists the requests that the port answers, so that a client that needs more reports it by
// itself.
func (o *openPort) offer(req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	if req.GetVersion() > 3 { // KIP-511: an answer of version 0, from which the client continues
		resp.SetVersion(0)
		resp.ErrorCode = kerr.UnsupportedVersion.Code
	}
	resp.ApiKeys = o.versions
	return resp
}

// offered asks the broker which versions it supports of the requests that the port accepts.
func (o *openPort) offered() ([]kmsg.ApiVersionsResponseApiKey, error) {
	up, err := net.Dial("unix", o.upstream)
	if err != nil {
		return nil, err
	}
	defer func() { _ = up.Close() }()
	ask := kmsg.NewApiVersionsRequest()
	ask.SetVersion(0)
	head := []byte{0, byte(kmsg.ApiVersions), 0, 0, 0, 0, 0, 1, 0xff, 0xff} // key, version, correlation, no name
	if _, err := up.Write(withLength(ask.AppendTo(head))); err != nil {
		return nil, err
	}
	frame, err := readAnswer(up)
	if err != nil {
		return nil, err
	}
	resp := ask.ResponseKind().(*kmsg.ApiVersionsResponse)
	if err := resp.ReadFrom(frame[min(4, len(frame)):]); err != nil {
		return nil, err
	}
	// librdkafka assumes that a broker without Fetch and FindCoordinator is too old for message
	// headers and LZ4 (rdkafka_feature.c). So they are offered, and refused when they are called.
	keys := []kmsg.Key{kmsg.Produce, kmsg.Metadata, kmsg.ApiVersions, kmsg.InitProducerID, kmsg.Fetch, kmsg.FindCoordinator}
	if o.Login != nil {
		keys = append(keys, kmsg.SASLHandshake, kmsg.SASLAuthenticate)
	}
	out := slices.DeleteFunc(resp.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return !slices.Contains(keys, kmsg.Key(k.ApiKey)) })
	for i := range out {
		out[i].MaxVersion = min(out[i].MaxVersion, newest(kmsg.Key(out[i].ApiKey)))
	}
	return out, nil
}

// newest is the newest version of a request that the port can read.
func newest(key kmsg.Key) int16 {
	switch key {
	case kmsg.Produce:
		return newestNamed
	case kmsg.ApiVersions:
		return 3
	case kmsg.Fetch:
		return 12 // the newest version with topic names
	}
	return kmsg.RequestForKey(int16(key)).MaxVersion()
}

// plain splits a SASL PLAIN message (RFC 4616).
func plain(b []byte) (user, password string, ok bool) {
	parts := bytes.Split(b, []byte{0})
	if len(b) > maxPassword || len(parts) != 3 {
		return "", "", false
	}
	return string(parts[1]), string(parts[2]), true
}
