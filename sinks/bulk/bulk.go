// Package bulk speaks the _bulk API that Elasticsearch and OpenSearch share:
// it writes the request, and reads from the answer what became of each
// document.
//
// It may import package sinks. It knows no client library.
package bulk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/changetrail/changetrail/sinks"
)

// A Doer sends a request whose URL has only a path and a query.
type Doer func(*http.Request) (*http.Response, error)

// An Indexer puts documents through a Doer.
type Indexer struct {
	Do   Doer
	Gzip int // compression level of requests, 1 to 9; 0 is none

	bodies sync.Pool // of *bytes.Buffer
}

// path asks for no more of the answer than is read.
const path = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"

// Put implements [sinks.Engine].
func (x *Indexer) Put(ctx context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	outcomes := make([]sinks.Outcome, len(docs))
	body, _ := x.bodies.Get().(*bytes.Buffer)
	if body == nil {
		body = new(bytes.Buffer)
	}
	body.Reset()
	body.Grow(size(docs))
	sent := make([]int, 0, len(docs))
	for i, d := range docs {
		if bytes.IndexByte(d.Body, '\n') >= 0 || len(d.Body) == 0 {
			one, err := oneLine(d.Body)
			if err != nil {
				outcomes[i] = sinks.Outcome{Kind: sinks.Refused, Reason: "the document is not JSON: " + err.Error()}
				continue
			}
			d.Body = one
		}
		appendDocument(body, d)
		sent = append(sent, i)
	}
	if len(sent) == 0 {
		return outcomes, nil
	}
	answer, err := x.send(ctx, body)
	if err != nil {
		return nil, err // the transport may still be reading the body
	}
	x.bodies.Put(body)
	items, err := parse(answer, len(sent))
	if err != nil {
		return nil, err
	}
	for j, i := range sent {
		if items != nil {
			outcomes[i] = items[j]
		}
	}
	return outcomes, nil
}

func size(docs []sinks.Document) int {
	n := 0
	for _, d := range docs {
		n += len(d.Body) + len(d.Index) + len(d.ID) + 80
	}
	return n
}

func oneLine(body []byte) ([]byte, error) {
	v := jsontext.Value(bytes.Clone(body))
	err := v.Compact()
	return v, err
}

// appendDocument writes the action and the document. An event is created, and
// never overwritten; a record replaces every older revision of itself.
func appendDocument(b *bytes.Buffer, d sinks.Document) {
	line := b.AvailableBuffer()
	if d.Version == 0 {
		line = append(line, `{"create":{"_index":`...)
	} else {
		line = append(line, `{"index":{"_index":`...)
	}
	line, _ = jsontext.AppendQuote(line, d.Index)
	line = append(line, `,"_id":`...)
	line, _ = jsontext.AppendQuote(line, d.ID)
	if d.Version != 0 {
		line = append(line, `,"version_type":"external","version":`...)
		line = strconv.AppendInt(line, d.Version, 10)
	}
	line = append(line, "}}\n"...)
	b.Write(line)
	b.Write(d.Body)
	b.WriteByte('\n')
}

// send posts body and returns the answer of a request that was taken.
func (x *Indexer) send(ctx context.Context, body *bytes.Buffer) ([]byte, error) {
	reader := io.Reader(bytes.NewReader(body.Bytes()))
	if x.Gzip > 0 {
		packed := new(bytes.Buffer)
		z, err := gzip.NewWriterLevel(packed, x.Gzip)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		_, _ = z.Write(body.Bytes()) // into memory: cannot fail
		if err := z.Close(); err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		reader = packed
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	if x.Gzip > 0 {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := x.Do(req)
	if err != nil {
		return nil, fmt.Errorf("bulk: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("bulk: reading the answer: %w", err)
	}
	switch {
	case res.StatusCode == http.StatusRequestEntityTooLarge:
		return nil, fmt.Errorf("bulk: %w", sinks.ErrTooLarge)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("bulk: HTTP %d: %s", res.StatusCode, clip(answer, 300))
	}
	return answer, nil
}

func clip(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}

type itemError struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

type item struct {
	Status int       `json:"status"`
	Error  itemError `json:"error"`
}

// parse returns what became of n documents; nil where all of them are stored,
// which the answer says in its first bytes.
func parse(answer []byte, n int) ([]sinks.Outcome, error) {
	if bytes.HasPrefix(answer, []byte(`{"errors":false`)) || bytes.HasPrefix(answer, []byte(`{"took":`)) && bytes.Contains(answer[:min(len(answer), 64)], []byte(`"errors":false`)) {
		return nil, nil
	}
	var r struct {
		Errors *bool             `json:"errors"`
		Items  []map[string]item `json:"items"`
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, fmt.Errorf("bulk: the answer is not JSON: %w", err)
	}
	if r.Errors == nil {
		return nil, fmt.Errorf("bulk: the answer does not say whether there were errors: %s", clip(answer, 200))
	}
	if !*r.Errors {
		return nil, nil
	}
	if len(r.Items) != n {
		return nil, fmt.Errorf("bulk: %d documents were sent, the answer speaks of %d", n, len(r.Items))
	}
	out := make([]sinks.Outcome, n)
	for i, actions := range r.Items {
		for _, it := range actions {
			out[i] = classify(it)
		}
	}
	return out, nil
}

// classify tells a repeat from a loss, and what may go better later from what
// never will. A 403 or 404 of one document is the state of the index or of the
// rights to it, and not of the document.
func classify(it item) sinks.Outcome {
	reason := it.Error.Type + ": " + it.Error.Reason
	if it.Error.CausedBy.Reason != "" {
		reason += " (" + it.Error.CausedBy.Reason + ")"
	}
	switch s := it.Status; {
	case s >= 200 && s < 300:
		return sinks.Outcome{Kind: sinks.Done}
	case s == http.StatusConflict && it.Error.Type == "version_conflict_engine_exception":
		return sinks.Outcome{Kind: sinks.Stale, Reason: reason}
	case s == http.StatusTooManyRequests, s >= 500, s == http.StatusForbidden, s == http.StatusUnauthorized, s == http.StatusNotFound, s == http.StatusConflict:
		return sinks.Outcome{Kind: sinks.Retry, Reason: reason}
	}
	return sinks.Outcome{Kind: sinks.Refused, Reason: reason}
}
