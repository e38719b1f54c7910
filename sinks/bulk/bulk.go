// Package bulk speaks the _bulk API that Elasticsearch and OpenSearch share: it writes the request,
// and reads the outcome of each document from the answer.
package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/changetrail/changetrail/internal/printable"
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

// path limits the answer to the fields that are read. caused_by is included as a whole, since
// causes have causes of their own.
const path = "/_bulk?filter_path=errors,items.*.status,items.*.failure_store,items.*.error.type,items.*.error.reason,items.*.error.caused_by," +
	"error.type,error.reason,error.caused_by,status"

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
	if refused, is := errors.AsType[*refusedRequest](err); is && len(sent) == 1 {
		outcomes[sent[0]] = whole(http.StatusBadRequest, refused.answer)
		return outcomes, nil
	}
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

// send posts body and returns the answer of a successful request.
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
	case res.StatusCode == http.StatusBadRequest:
		return nil, &refusedRequest{answer}
	case res.StatusCode >= 400 && res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusRequestTimeout:
		return nil, &sinks.BlockedError{Cause: "HTTP " + strconv.Itoa(res.StatusCode), Reason: printable.Beginning(answer, 300)}
	case res.StatusCode != http.StatusOK:
		return nil, &sinks.BusyError{
			After: sinks.RetryAfter(res.Header.Get("Retry-After"), time.Now()),
			Err:   fmt.Errorf("bulk: HTTP %d: %s", res.StatusCode, printable.Beginning(answer, 300)),
		}
	}
	return answer, nil
}

// A refusedRequest is a request that was answered with 400 as a whole: something is wrong with one
// of its documents, and nothing was stored.
type refusedRequest struct{ answer []byte }

func (r *refusedRequest) Error() string {
	return "bulk: HTTP 400: " + printable.Beginning(r.answer, 300)
}

// Is says that the request may be sent in smaller parts.
func (r *refusedRequest) Is(target error) bool { return target == sinks.ErrWhole }

// parse returns the outcomes of n documents; nil if all are stored. The first bytes of the answer
// say so, unless documents went to a failure store.
func parse(answer []byte, n int) ([]sinks.Outcome, error) {
	redirected := bytes.Contains(answer, []byte(`"failure_store"`))
	if !redirected && (bytes.HasPrefix(answer, []byte(`{"errors":false`)) || bytes.HasPrefix(answer, []byte(`{"took":`)) && bytes.Contains(answer[:min(len(answer), 64)], []byte(`"errors":false`))) {
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
		return nil, fmt.Errorf("bulk: the answer does not say whether there were errors: %s", printable.Beginning(answer, 200))
	}
	if !*r.Errors && !redirected {
		return nil, nil
	}
	if len(r.Items) != n {
		return nil, fmt.Errorf("bulk: %d documents were sent, but the answer lists %d", n, len(r.Items))
	}
	out := make([]sinks.Outcome, n)
	for i, actions := range r.Items {
		for _, it := range actions {
			out[i] = classify(it)
		}
	}
	return out, nil
}
