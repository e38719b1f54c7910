package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/digests"
)

// at returns a store on a server that answers as f does.
func at(t *testing.T, f http.HandlerFunc) *blobs.Store {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	s, err := Open("s3://evidence?region=eu-central-1&use_path_style=true&prefix=trail/&endpoint=" + url.QueryEscape(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// own gives the test its own credentials and environment.
func own(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
}

// refused answers as S3 does.
func refused(w http.ResponseWriter, code int, name string) {
	w.WriteHeader(code)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>refused</Message></Error>`, name)
}

// TestOnlyAFileThatIsNotThereIsMissing: an event whose file is missing goes to the dead letters, so
// that no other answer may be mistaken for that.
func TestOnlyAFileThatIsNotThereIsMissing(t *testing.T) {
	own(t)
	file := []byte("12 findings")
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		missing bool
		corrupt bool
		want    string
	}{
		"no such key": {answer: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				refused(w, 404, "NoSuchKey")
			}
		}, missing: true},
		"no such bucket": {answer: func(w http.ResponseWriter, _ *http.Request) { refused(w, 404, "NoSuchBucket") }, want: "create the bucket"},
		"a page of a proxy": {answer: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>not found</html>", 404)
		}, want: "no such bucket either"},
		"forbidden": {answer: func(w http.ResponseWriter, _ *http.Request) { refused(w, 403, "AccessDenied") }, want: "AWS_ACCESS_KEY_ID"},
		"refused":   {answer: func(w http.ResponseWriter, _ *http.Request) { refused(w, 400, "InvalidRequest") }, want: "InvalidRequest"},
		"another file": {answer: func(w http.ResponseWriter, _ *http.Request) {
			served(w, []byte("0 findings!"))
		}, corrupt: true},
		"a file that is cut": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "11")
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			_, _ = w.Write(file[:5])
		}, want: "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := at(t, c.answer).Get(t.Context(), digests.Of(file))
			if err == nil {
				t.Fatalf("it reads %q", got)
			}
			if errors.Is(err, blobs.ErrNotFound) != c.missing || errors.Is(err, blobs.ErrCorrupt) != c.corrupt || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; missing %v, corrupt %v, want %q", err, c.missing, c.corrupt, c.want)
			}
		})
	}
}

func served(w http.ResponseWriter, content []byte) {
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	_, _ = w.Write(content)
}

// TestAnErrorPasses: a server that is busy is asked again.
func TestAnErrorPasses(t *testing.T) {
	own(t)
	asked := 0
	s := at(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			refused(w, 503, "SlowDown")
			return
		}
		served(w, []byte("a"))
	})
	if got, err := s.Get(t.Context(), digests.Of([]byte("a"))); err != nil || string(got) != "a" {
		t.Errorf("%q %v after %d requests", got, err, asked)
	}
}

// TestAListThatIsCutIsNoList: a failure on the second page is an error.
func TestAListThatIsCutIsNoList(t *testing.T) {
	own(t)
	s := at(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("continuation-token") != "" {
			refused(w, 403, "AccessDenied")
			return
		}
		sum := strings.TrimPrefix(digests.Of(nil), "sha256:")
		fmt.Fprintf(w, `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>2</NextContinuationToken><Contents><Key>trail/sha256/e3/%s</Key></Contents></ListBucketResult>`, sum)
	})
	var got []string
	err := s.Each(t.Context(), func(d string) error { got = append(got, d); return nil })
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") || len(got) != 1 || got[0] != digests.Of(nil) {
		t.Errorf("%v %v", got, err)
	}
}

func TestURLs(t *testing.T) {
	own(t)
	for where, want := range map[string]string{
		"s3://evidence": "",
		"s3://evidence?region=eu-central-1&profile=audit":        "",
		"s3://evidence?endpoint=http://127.0.0.1:9000&prefix=a/": "",
		"s3://":                                  "s3://bucket?region",
		"s3://evidence/folder":                   "prefix",
		"s3://user:hidden@evidence":              "s3://bucket?region",
		"s3://evidence?regoin=x":                 `unknown parameter "regoin"`,
		"s3://evidence?endpoint=minio:9000":      "is not the URL of a server",
		"s3://evidence?endpoint=https://h/path":  "is not the URL of a server",
		"s3://evidence?use_path_style=perhaps":   "true or false",
		"s3://evidence?endpoint=https://a%20b:1": "",
	} {
		_, err := Open(where)
		if strings.Contains(where, "%20") { // any error will do
			want = "s3://evidence"
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%s: %v, want %q", where, err, want)
		}
	}
}
