package siem_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/siem"
	"github.com/changetrail/changetrail/stream"
)

// A frontEnd is a stub of the two requests that are used of the real front ends, which no registry of
// packages has. It keeps what is imported.
type frontEnd struct {
	header  string
	objects map[string]map[string]any
	imports int
	refuse  string // an id
}

func (f *frontEnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(f.header) == "" {
		http.Error(w, `{"message":"Request must contain a `+f.header+` header."}`, http.StatusBadRequest)
		return
	}
	if user, password, _ := r.BasicAuth(); user != "writer" || password != "secret" {
		http.Error(w, `{"message":"Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/s/audit/api/saved_objects/_export":
		for _, o := range f.objects {
			_ = json.NewEncoder(w).Encode(o)
		}
	case "/s/audit/api/saved_objects/_import":
		f.take(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *frontEnd) take(w http.ResponseWriter, r *http.Request) {
	f.imports++
	file, head, err := r.FormFile("file")
	if err != nil || !strings.HasSuffix(head.Filename, ".ndjson") || r.URL.Query().Get("overwrite") != "true" {
		http.Error(w, "no file", http.StatusBadRequest)
		return
	}
	text, _ := io.ReadAll(file)
	n, failed := 0, []any{}
	for line := range strings.Lines(string(text)) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if o["id"] == f.refuse {
			failed = append(failed, map[string]any{"type": o["type"], "id": o["id"], "error": map[string]any{"type": "missing_references", "references": []any{map[string]any{"type": "search", "id": "gone"}}}})
			continue
		}
		n++
		f.objects[fmt.Sprint(o["type"], o["id"])] = o
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"success": len(failed) == 0, "successCount": n, "errors": failed})
}

func changes(steps []stream.Step) (out []string) {
	for _, s := range steps {
		if s.Change != "" {
			out = append(out, s.Change+" "+s.What)
		}
	}
	return out
}

func TestInstall(t *testing.T) {
	for name, header := range map[string]string{siem.OpenSearchDashboards: "osd-xsrf", siem.Kibana: "kbn-xsrf"} {
		t.Run(name, func(t *testing.T) {
			stub := &frontEnd{header: header, objects: map[string]map[string]any{"dashboardown": {"type": "dashboard", "id": "own", "attributes": map[string]any{"title": "ours"}}}}
			server := httptest.NewServer(stub)
			defer server.Close()
			f := siem.FrontEnd{Name: name, URL: server.URL + "/s/audit/", Username: "writer", Password: "secret", Client: server.Client()}
			all := objects(t)
			install := func(dry bool) []string {
				t.Helper()
				steps, err := siem.Install(t.Context(), f, all, dry)
				if err != nil {
					t.Fatal(err)
				}
				return changes(steps)
			}
			if n := len(install(true)); n != len(all) || stub.imports != 0 {
				t.Errorf("a dry run would change %d of %d, and imports %d times", n, len(all), stub.imports)
			}
			if n := len(install(false)); n != len(all) || len(stub.objects) != len(all)+1 {
				t.Errorf("%d changes, %d objects", n, len(stub.objects))
			}
			if again := install(false); len(again) > 0 || stub.imports != 1 {
				t.Errorf("the second run: %v, %d imports", again, stub.imports)
			}
			last := all[len(all)-1]
			stub.objects[last.Type+last.ID]["attributes"] = map[string]any{"description": "of a former version"}
			delete(stub.objects, all[0].Type+all[0].ID)
			want := fmt.Sprint([]string{"create " + name + ": " + all[0].Type + " " + all[0].ID, "update " + name + ": " + last.Type + " " + last.ID})
			if got := fmt.Sprint(install(false)); got != want || stub.objects["dashboardown"] == nil {
				t.Errorf("got %s, want %s", got, want)
			}
			if again := install(false); len(again) > 0 {
				t.Errorf("after the upgrade: %v", again)
			}
			refused(t, stub, f, all)
		})
	}
}

// refused checks that each mistake is an error that names it.
func refused(t *testing.T, stub *frontEnd, f siem.FrontEnd, all []siem.Object) {
	t.Helper()
	clear(stub.objects)
	stub.refuse = all[3].ID
	password, elsewhere := f, f
	password.Password = "wrong"
	elsewhere.URL += "nowhere"
	nowhere := f
	nowhere.URL = "dashboards:5601"
	for want, f := range map[string]siem.FrontEnd{
		fmt.Sprintf("%d of %d saved objects; %s %s: missing_references search gone", len(all)-1, len(all), all[3].Type, all[3].ID): f,
		"HTTP 401: the credentials are missing or wrong": password,
		"_export: HTTP 404": elsewhere,
		`"dashboards:5601" is not a URL such as https://dash`: nowhere,
	} {
		if _, err := siem.Install(t.Context(), f, all, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// TestTheFileIsOneObjectALine that both front ends read.
func TestTheFileIsOneObjectALine(t *testing.T) {
	all := objects(t)
	files, err := siem.Export(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{siem.DashboardsFile, siem.KibanaFile} {
		n := 0
		for lines := bufio.NewReader(strings.NewReader(string(files[name]))); ; n++ {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break
			}
			var o siem.Object
			if err := json.Unmarshal(line, &o); err != nil || o.ID != all[n].ID {
				t.Fatalf("%s: line %d: %v %s", name, n+1, err, o.ID)
			}
		}
		if n != len(all) || !strings.HasSuffix(name, ".ndjson") {
			t.Errorf("%s: %d lines, %d objects", name, n, len(all))
		}
	}
}
