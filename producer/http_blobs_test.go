package producer

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/digests"
)

// TestAFileCountsAsStoredOnlyIfTheGatewayConfirmsItsDigest: an event that names a file is sent after
// the file, so a file that was not stored whole must be an error.
func TestAFileCountsAsStoredOnlyIfTheGatewayConfirmsItsDigest(t *testing.T) {
	content := bytes.Repeat([]byte("report "), 10_000)
	confirm := func(w http.ResponseWriter, stored []byte) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"digest":%q,"size":%d}`, digests.Of(stored), len(stored))
	}
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, body []byte)
		want   string // in the error; "" if the file is stored
	}{
		{"stored", confirm, ""},
		{"another file", func(w http.ResponseWriter, body []byte) { confirm(w, body[1:]) }, "was sent"},
		{"accepted, not created", func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusAccepted) }, "HTTP 202"},
		{"no JSON", func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusCreated) }, "was sent"},
		{"no space", func(w http.ResponseWriter, _ []byte) {
			http.Error(w, "the disk is full", http.StatusServiceUnavailable)
		}, "the disk is full"},
		{"a connection that is cut", func(http.ResponseWriter, []byte) { panic(http.ErrAbortHandler) }, "http: "},
		{"an answer that is cut", func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Length", "1000")
			confirm(w, body)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.Method != http.MethodPut || r.URL.Path != "/v1/blobs" || r.Header.Get("Authorization") != "Bearer ct_token" {
					t.Errorf("%s %s, %v", r.Method, r.URL, err)
				}
				c.answer(w, body)
			}))
			defer server.Close()
			files := HTTPBlobs(HTTPConfig{URL: server.URL + "/", Token: "ct_token"})
			check := func(digest string, err error) {
				t.Helper()
				if c.want == "" && (err != nil || digest != digests.Of(content)) {
					t.Errorf("%q, %v", digest, err)
				}
				if c.want != "" && (err == nil || digest != "" || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%q, %v; want an error with %q", digest, err, c.want)
				}
			}
			check(files.Put(t.Context(), content))
			digest, size, err := files.PutFrom(t.Context(), bytes.NewReader(content))
			if check(digest, err); c.want == "" && size != int64(len(content)) {
				t.Errorf("%d bytes", size)
			}
		})
	}
}
