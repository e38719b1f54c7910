package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/stream"
)

// dataWith makes a data folder with a file, and an event that holds text.
func dataWith(t *testing.T, text string) string {
	t.Helper()
	dir, s := filepath.Join(t.TempDir(), "data"), Settings{Config: config.Defaults()}
	keys, err := localKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	i, err := standalone.Start(t.Context(), standalone.Config{
		Dir: dir, Listen: "127.0.0.1:0", Topics: s.topics(), Namespace: "default", Retention: time.Duration(s.Retention), Keys: keys,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.Blobs.Put(t.Context(), []byte("a report: "+text))
	if err != nil {
		t.Fatal(err)
	}
	w, err := stream.NewWriter(i.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(t.Context(), &stream.Record{Topic: s.topics().Events(), Key: []byte("github.com/acme/payments"), Value: []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"dev.changetrail.action.performed.v1","subject":"https://github.com/acme/payments/pull/1","data":{"agent":{"id":"a"},"tool":"Bash","call_id":"c","outcome":"success","result":"` + text + `"}}`)}); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRedactAgain: what is stored is looked at, and masked where that is asked for; the secret
// is never said.
func TestRedactAgain(t *testing.T) {
	token := "gh" + "p_" + "x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt"
	dir := dataWith(t, token)
	said := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := Run(t.Context(), append([]string{"redact", "again"}, args...), nil, &out, &errs, []string{"HOME=" + t.TempDir()}); code != want {
			t.Errorf("%v ends with %d, want %d: %s %s", args, code, want, &out, &errs)
		}
		if strings.Contains(out.String()+errs.String(), token) {
			t.Errorf("%v says the secret: %s %s", args, &out, &errs)
		}
		return out.String() + errs.String()
	}
	found := said(exitFailed, "--data", dir)
	for _, want := range []string{"event", "changetrail.events/0/0", "file", "sha256:", "github-pat", "github.com/acme/payments/pull/1", "nothing was changed"} {
		if !strings.Contains(found, want) {
			t.Errorf("it does not say %s: %s", want, found)
		}
	}
	if text := said(exitFailed, "--data", dir, "-o", "json"); !strings.Contains(text, `"masked":false`) || !strings.Contains(text, `"kind":"event"`) {
		t.Errorf("as JSON it says %s", text)
	}
	for args, want := range map[string]string{"--apply": "cannot be rewritten", "--data " + dir + " --apply --copy x": "give either --apply or --copy", "--data " + dir + "/none": "is not a data folder", "-o xml": "not one of text, json"} {
		if text := said(exitMisuse, strings.Fields(args)...); !strings.Contains(text, want) {
			t.Errorf("%s: it says %s", args, text)
		}
	}

	file := filepath.Join(t.TempDir(), "masked.gz")
	said(exitOK, "--data", dir, "--copy", file)
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	lines, masked := json.NewDecoder(z), 0
	for {
		var line struct{ Value, Content []byte }
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if text := string(line.Value) + string(line.Content); strings.Contains(text, token) {
			t.Errorf("the copy holds %s", text)
		} else if strings.Contains(text, "[redacted:github-pat:") {
			masked++
		}
	}
	if masked != 2 {
		t.Errorf("%d lines of the copy are masked, want the event and the file", masked)
	}
	said(exitFailed, "--data", dir)

	said(exitOK, "--data", dir, "--apply", "--by", "mona")
	if text := said(exitOK, "--data", dir); !strings.Contains(text, "No secrets were found") {
		t.Errorf("masked it has %s", text)
	}
	if out, err := os.ReadFile(filepath.Join(dir, "gateway.key")); err != nil || len(out) == 0 {
		t.Errorf("the key is lost: %v", err)
	}
}
