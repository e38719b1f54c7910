package producer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/schemas"
)

// An HTTPConfig is how to reach a gateway.
type HTTPConfig struct {
	URL    string       // of the gateway, for example http://127.0.0.1:8080; events go to /v1/events below it
	Token  string       // bearer token; may be empty
	Client *http.Client // http.DefaultClient if nil
	Mode   Mode         // Binary: one request per event; Structured: one request per batch
}

type httpTransport struct{ HTTPConfig }

// HTTP returns a Transport to a gateway (CloudEvents HTTP protocol binding
// 1.0.2).
func HTTP(c HTTPConfig) Transport {
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	c.URL = strings.TrimSuffix(c.URL, "/") + "/v1/events"
	return &httpTransport{c}
}

// Send implements [Transport].
func (t *httpTransport) Send(ctx context.Context, events []event.Event) []error {
	errs := make([]error, len(events))
	if t.Mode == Binary || len(events) == 1 {
		for i, e := range events {
			errs[i] = t.one(ctx, e)
		}
		return errs
	}
	body, err := json.Marshal(events)
	if err == nil {
		err = t.post(ctx, schemas.ContentTypeBatch, nil, body)
	}
	if errors.Is(err, ErrPermanent) || errors.Is(err, ErrRefused) { // the fault of one event: find out which
		for i, e := range events {
			errs[i] = t.one(ctx, e)
		}
		return errs
	}
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func (t *httpTransport) one(ctx context.Context, e event.Event) error {
	if t.Mode == Structured {
		body, err := e.MarshalJSON()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPermanent, err)
		}
		return t.post(ctx, schemas.ContentTypeEvent, nil, body)
	}
	m, err := Encode(ctx, e, Binary)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPermanent, err)
	}
	return t.post(ctx, "", m.Headers, m.Value)
}

func (t *httpTransport) post(ctx context.Context, contentType string, headers []Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPermanent, err)
	}
	for _, h := range headers {
		req.Header.Set(strings.Replace(h.Key, "ce_", "ce-", 1), encodeHeader(string(h.Value)))
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if t.Token != "" {
		req.Header.Set("Authorization", "Bearer "+t.Token)
	}
	res, err := t.Client.Do(req)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	said, named := inWords(res.Header, answer)
	switch s := res.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s == http.StatusBadRequest || s == http.StatusRequestEntityTooLarge || s == http.StatusUnprocessableEntity || s == http.StatusUnsupportedMediaType:
		return fmt.Errorf("http: %w: HTTP %d: %s", ErrPermanent, s, said)
	case s == http.StatusForbidden && named:
		return fmt.Errorf("http: %w: HTTP %d: %s", ErrRefused, s, said)
	default: // the gateway is unreachable or busy, or does not know us: not the event's fault
		return fmt.Errorf("http: HTTP %d: %s", s, said)
	}
}

// maxSaid bounds how much of an answer is quoted, in bytes.
const maxSaid = 2 << 10

// inWords returns the message of an answer, and whether it names the events that are at fault, as a
// gateway does.
func inWords(header http.Header, answer []byte) (said string, named bool) {
	said = strings.TrimSpace(string(answer))
	if strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") {
		said = cmp.Or(detailOf(answer), said)
		named = bytes.Contains(answer, []byte(`"errors":`)) // even if the answer was too long to be read to its end
	}
	return strings.ToValidUTF8(said[:min(len(said), maxSaid)], ""), named
}

// detailOf returns what a problem (RFC 9457) says, about each event if it names some. It is "" if
// the problem cannot be read.
func detailOf(problem []byte) string {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Reason string `json:"reason"`
			Detail string `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(problem, &p) != nil {
		return ""
	}
	if p.Detail == "" || len(p.Errors) == 0 {
		return p.Detail
	}
	events := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		events[i] = e.Reason + ": " + e.Detail
	}
	return strings.Join(events, "; ")
}

// encodeHeader percent-encodes a header value (HTTP binding 1.0.2, 3.1.3.2).
func encodeHeader(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '%' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Close implements [Transport].
func (t *httpTransport) Close() error {
	t.Client.CloseIdleConnections()
	return nil
}

// A Files is the blob store of a gateway.
type Files struct{ config HTTPConfig }

// HTTPBlobs returns the blob store of a gateway, for [Options.Blobs].
func HTTPBlobs(c HTTPConfig) *Files {
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	c.URL = strings.TrimSuffix(c.URL, "/") + "/v1/blobs"
	return &Files{c}
}

// Put implements [Blobs].
func (f *Files) Put(ctx context.Context, content []byte) (string, error) {
	digest, _, err := f.put(ctx, bytes.NewReader(content), int64(len(content)))
	return digest, err
}

// PutFrom keeps the whole content, which is sent as it is read.
func (f *Files) PutFrom(ctx context.Context, content io.Reader) (digest string, size int64, err error) {
	return f.put(ctx, content, -1)
}

func (f *Files) put(ctx context.Context, content io.Reader, length int64) (digest string, size int64, err error) {
	sum := sha256.New()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, f.config.URL, io.NopCloser(io.TeeReader(content, sum)))
	if err != nil {
		return "", 0, fmt.Errorf("http: %w", err)
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", "application/octet-stream")
	if f.config.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.config.Token)
	}
	res, err := f.config.Client.Do(req)
	if err != nil {
		return "", 0, fmt.Errorf("http: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil || res.StatusCode != http.StatusCreated {
		return "", 0, errors.Join(fmt.Errorf("http: PUT %s: HTTP %d: %s", f.config.URL, res.StatusCode, answer), err)
	}
	var kept struct {
		Digest string `json:"digest"`
		Size   int64  `json:"size"`
	}
	if sent := digests.Sum(sum); json.Unmarshal(answer, &kept) != nil || kept.Digest != sent {
		return "", 0, fmt.Errorf("http: PUT %s: the gateway kept %q, but %s was sent", f.config.URL, kept.Digest, sent)
	}
	return kept.Digest, kept.Size, nil
}
