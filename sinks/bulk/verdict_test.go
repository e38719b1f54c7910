package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/sinks"
)

// The answers are those of OpenSearch 2.19 and Elasticsearch 8.19.
func TestWhoIsAtFault(t *testing.T) {
	for _, c := range []struct {
		answer string // of one document, after its status
		status int
		want   sinks.Kind
	}{
		{`"error":{"type":"validation_exception","reason":"Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1]/[1] maximum shards open;"}`, 400, sinks.Blocked},
		{`"error":{"type":"illegal_argument_exception","reason":"Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1]/[1] maximum normal shards open;"}`, 400, sinks.Blocked},
		{`"error":{"type":"index_closed_exception","reason":"closed"}`, 400, sinks.Blocked},
		{`"error":{"type":"illegal_argument_exception","reason":"pipeline with id [p] does not exist"}`, 400, sinks.Blocked},
		{`"error":{"type":"illegal_argument_exception","reason":"no write index is defined for alias [a]. The write index may be explicitly disabled"}`, 400, sinks.Blocked},
		{`"error":{"type":"illegal_argument_exception","reason":"only write ops with an op_type of create are allowed in data streams"}`, 400, sinks.Blocked},
		{`"error":{"type":"index_not_found_exception","reason":"no such index [x] and [require_alias] request flag is [true] and [x] is not an alias"}`, 404, sinks.Blocked},
		{`"error":{"type":"invalid_index_name_exception","reason":"Invalid index name [X], must be lowercase"}`, 400, sinks.Blocked},
		{`"error":{"type":"mapper_parsing_exception","reason":"Failed to parse mapping [_doc]: unknown parameter [x] on mapper [y] of type [keyword]"}`, 400, sinks.Blocked},
		{`"error":{"type":"document_parsing_exception","reason":"[1:9] failed to parse","caused_by":{"type":"illegal_argument_exception","reason":"Limit of total fields [1000] has been exceeded while adding new fields [1]"}}`, 400, sinks.Blocked},
		{`"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"}`, 429, sinks.Blocked},
		{`"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [FORBIDDEN/8/index write (api)];"}`, 403, sinks.Blocked},
		{`"error":{"type":"security_exception","reason":"action [indices:data/write/bulk[s]] is unauthorized for user [sink]"}`, 403, sinks.Blocked},
		{`"error":{"type":"resource_already_exists_exception","reason":"index [x/1] already exists"}`, 400, sinks.Blocked},

		{`"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of primary operation"}`, 429, sinks.Retry},
		{`"error":{"type":"circuit_breaking_exception","reason":"[parent] Data too large"}`, 429, sinks.Retry},
		{`"error":{"type":"circuit_breaking_exception","reason":"[parent] Data too large"}`, 503, sinks.Retry},
		{`"error":{"type":"process_cluster_event_timeout_exception","reason":"failed to process cluster event (put-mapping) within 30s"}`, 503, sinks.Retry},
		{`"error":{"type":"unavailable_shards_exception","reason":"[x][0] primary shard is not active Timeout: [1m]"}`, 503, sinks.Retry},
		{`"error":{"type":"null_pointer_exception","reason":""}`, 500, sinks.Retry},

		{`"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict, document already exists"}`, 409, sinks.Stale},

		{`"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [@timestamp] of type [date] in document with id '1'. Preview of field's value: 'yesterday'","caused_by":{"type":"illegal_argument_exception","reason":"failed to parse date field [yesterday]"}}`, 400, sinks.Refused},
		{`"error":{"type":"document_parsing_exception","reason":"[1:15] failed to parse field [@timestamp] of type [date]"}`, 400, sinks.Refused},
		{`"error":{"type":"strict_dynamic_mapping_exception","reason":"[1:2] mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed"}`, 400, sinks.Refused},
		{`"error":{"type":"illegal_argument_exception","reason":"Document contains at least one immense term in field=\"a\" (whose UTF8 encoding is longer than the max length 32766)"}`, 400, sinks.Refused},

		{`"error":{"type":"illegal_argument_exception","reason":"Provided Grok expressions do not match field value: [x]"}`, 400, sinks.Unclear},
		{`"error":{"type":"status_exception","reason":"of a release to come"}`, 400, sinks.Unclear},
		{`"error":{"type":"status_exception","reason":"of a release to come"}`, 418, sinks.Unclear},

		// The content of a document must not look like an error of the index.
		{`"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [@timestamp] of type [date] in document with id 'pipeline with id [p] does not exist'. Preview of field's value: 'index_closed_exception: maximum normal shards open'","caused_by":{"type":"illegal_argument_exception","reason":"failed to parse date field [Limit of total fields [1] has been exceeded] with format [x]"}}`, 400, sinks.Refused},
	} {
		out, err := parse(fmt.Appendf(nil, `{"errors":true,"items":[{"index":{"status":%d,%s}}]}`, c.status, c.answer), 1)
		if err != nil || out[0].Kind != c.want {
			t.Errorf("%d %s: %v %v, want %s", c.status, c.answer, out, err, c.want)
		}
	}
}

// A document in the failure store is in no index, and its status is that of a success.
func TestADocumentInTheFailureStoreIsRefused(t *testing.T) {
	for _, c := range []struct {
		answer string
		want   []string
	}{
		{`{"errors":false,"items":[{"create":{"status":201,"failure_store":"used"}},{"create":{"status":201}}]}`, []string{"refused", "stored"}},
		{`{"took":3,"errors":false,"items":[{"create":{"status":201}},{"create":{"failure_store":"used","status":201}}]}`, []string{"stored", "refused"}},
		{`{"errors":true,"items":[{"create":{"status":201,"failure_store":"used"}},{"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}]}`, []string{"refused", "retry"}},
		{`{"errors":true,"items":[{"create":{"status":400,"failure_store":"failed","error":{"type":"index_closed_exception"}}},{"create":{"status":400,"failure_store":"not_enabled","error":{"type":"document_parsing_exception"}}}]}`, []string{"blocked", "refused"}},
	} {
		out, err := parse([]byte(c.answer), 2)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, []string{out[0].Kind.String(), out[1].Kind.String()}); diff != "" {
			t.Errorf("%s\n%s", c.answer, diff)
		}
	}
	if !strings.Contains(path, "failure_store") {
		t.Error("the answer is not asked for the failure store")
	}
}

// An engineOf is a server that answers _bulk.
func engineOf(t *testing.T, f http.HandlerFunc) *Indexer {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &Indexer{Do: func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
		return http.DefaultClient.Do(r)
	}}
}

// A request is refused as a whole for one document, for example for an id of over 512 bytes. The
// caller divides it; alone, the document is refused for what is wrong with it.
func TestARequestRefusedAsAWholeIsSplit(t *testing.T) {
	x := engineOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(strings.Repeat("i", 513))) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"root_cause":[],"type":"action_request_validation_exception","reason":"Validation Failed: 1: id [iii] is too long, must be no longer than 512 bytes but was: 513;"},"status":400}`)
			return
		}
		_, _ = io.WriteString(w, `{"errors":false}`)
	})
	long := sinks.Document{Index: "i", ID: strings.Repeat("i", 513), Body: []byte("{}")}
	if _, err := x.Put(t.Context(), []sinks.Document{long, {Index: "i", ID: "1", Body: []byte("{}")}}); !errors.Is(err, sinks.ErrWhole) {
		t.Errorf("two documents: %v, want an error that says to part them", err)
	}
	if out, err := x.Put(t.Context(), []sinks.Document{long}); err != nil || out[0].Kind != sinks.Refused {
		t.Errorf("alone: %v %v", out, err)
	}
}

// A status that says that access is denied is not the fault of a document.
func TestWhoIsNotLetInWaits(t *testing.T) {
	for _, status := range []int{401, 403, 404, 405} {
		x := engineOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := x.Put(t.Context(), []sinks.Document{{Index: "i", ID: "1", Body: []byte("{}")}})
		if _, is := errors.AsType[*sinks.BlockedError](err); !is {
			t.Errorf("%d: %v", status, err)
		}
	}
	for _, status := range []int{408, 429, 502, 503} {
		x := engineOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := x.Put(t.Context(), []sinks.Document{{Index: "i", ID: "1", Body: []byte("{}")}})
		if _, is := errors.AsType[*sinks.BlockedError](err); is || err == nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A cut answer, and an answer about other documents, say nothing about any document: all are put
// again, and those that were stored are then stale.
func TestFailedAndDone(t *testing.T) {
	for _, cut := range []string{"", `{"errors":tr`, `{"errors":true,"items":[]}`, `<html>`} {
		var mu sync.Mutex
		stored, calls := map[string]bool{}, 0
		x := engineOf(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			var items []string
			body, _ := io.ReadAll(r.Body)
			for i, line := range bytes.Split(bytes.TrimSpace(body), []byte("\n")) {
				var action map[string]struct {
					ID string `json:"_id"`
				}
				if i%2 == 1 || json.Unmarshal(line, &action) != nil {
					continue
				}
				id := action["create"].ID
				if stored[id] {
					items = append(items, `{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}`)
				} else if calls > 1 || id == "done" {
					stored[id] = true
					items = append(items, `{"create":{"status":201}}`)
				}
			}
			if calls == 1 {
				_, _ = io.WriteString(w, cut)
				return
			}
			_, _ = io.WriteString(w, `{"errors":true,"items":[`+strings.Join(items, ",")+`]}`)
		})
		docs := []sinks.Document{{Index: "i", ID: "done", Body: []byte("{}")}, {Index: "i", ID: "not", Body: []byte("{}")}}
		if _, err := x.Put(t.Context(), docs); err == nil {
			t.Errorf("%q is taken for an answer", cut)
		}
		out, err := x.Put(t.Context(), docs)
		if err != nil || out[0].Kind != sinks.Stale || out[1].Kind != sinks.Done {
			t.Errorf("%q: then %v %v", cut, out, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"errors":false,"items":[{"create":{"status":201,"failure_store":"used"}}]}`), 1)
	f.Add([]byte(`{"errors":true,"items":[{"index":{"status":400,"error":{"type":"a","reason":"b","caused_by":{"type":"c"}}}}]}`), 1)
	f.Fuzz(func(t *testing.T, answer []byte, n int) {
		out, err := parse(answer, n)
		if err != nil || out == nil {
			return
		}
		if len(out) != n {
			t.Errorf("%d outcomes of %d documents", len(out), n)
		}
	})
}
