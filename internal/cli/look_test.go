package cli

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/instances"
	"github.com/changetrail/changetrail/sinks/local"
)

// dataFolder makes a data folder, written down in state, whose broker runs or not.
func dataFolder(t *testing.T, folder, state string, runs bool) string {
	t.Helper()
	x, err := local.Open(t.Context(), folder, true)
	if err != nil {
		t.Fatal(err)
	}
	_ = x.Close()
	full, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	if state != "" {
		if err := (instances.Instance{Data: full, Command: "up", Process: 1, Started: time.Now(), Page: "http://127.0.0.1:1/"}).Write(state); err != nil {
			t.Fatal(err)
		}
	}
	if runs {
		broker, err := embedded.Start(filepath.Join(folder, "broker"), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(broker.Close)
	}
	return full
}

func TestWhereCommandsLook(t *testing.T) {
	for name, c := range map[string]struct {
		data, demo       string // in the working folder: "", stopped or running
		elsewhere        []string
		store, addresses string
		engine           bool
		want, wrong      string
	}{
		"nothing at all":                     {wrong: "there is nothing to read"},
		"a folder here":                      {data: "stopped", want: "changetrail-data (stopped)"},
		"a demo here":                        {demo: "stopped", want: "changetrail-demo (stopped)"},
		"a demo that runs":                   {demo: "running", want: "changetrail-demo (running, http://127.0.0.1:1/)"},
		"the one of two that runs":           {data: "stopped", demo: "running", want: "changetrail-demo (running"},
		"two that are stopped":               {data: "stopped", demo: "stopped", wrong: "changetrail-data (stopped), changetrail-demo (stopped); choose one with --store"},
		"one that runs elsewhere":            {elsewhere: []string{"stopped", "running"}, want: "(running"},
		"one that is stopped elsewhere":      {elsewhere: []string{"stopped"}, want: "(stopped)"},
		"two elsewhere":                      {elsewhere: []string{"running", "running"}, wrong: "choose one with --store"},
		"one here before one elsewhere":      {data: "stopped", elsewhere: []string{"running"}, want: "changetrail-data (stopped)"},
		"what somebody says":                 {data: "running", store: "elasticsearch", want: "elasticsearch"},
		"a search engine that is set":        {data: "running", addresses: "http://127.0.0.1:1", want: "opensearch"},
		"a search engine that answers":       {engine: true, want: "opensearch"},
		"an instance before a search engine": {engine: true, demo: "stopped", want: "changetrail-demo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			s := Settings{Config: config.Defaults(), state: filepath.Join(t.TempDir(), "state")}
			for folder, is := range map[string]string{s.Local.Data: c.data, demoData: c.demo} {
				if is != "" {
					dataFolder(t, folder, s.state, is == "running")
				}
			}
			for _, is := range c.elsewhere {
				dataFolder(t, t.TempDir(), s.state, is == "running")
			}
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"version":{"number":"2.19.0","distribution":"opensearch"}}`))
			}))
			s.Sink.Addresses = []string{engine.URL}
			if !c.engine {
				engine.Close()
			}
			t.Cleanup(engine.Close)
			s.Store = c.store
			if c.addresses != "" {
				if err := s.Set("sink.addresses", c.addresses); err != nil {
					t.Fatal(err)
				}
			}
			p, err := s.look(t.Context())
			if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) || !strings.Contains(p.String(), c.want) {
				t.Errorf("%q, %v; want %q, %q", p, err, c.want, c.wrong)
			}
		})
	}
}

// A data folder of a work tree may be somebody else's: what is written there of a policy or
// a page is not believed.
func TestWhatAFolderSaysOfItselfIsNotBelieved(t *testing.T) {
	t.Chdir(t.TempDir())
	s := Settings{Config: config.Defaults(), state: filepath.Join(t.TempDir(), "state")}
	full := dataFolder(t, s.Local.Data, "", false)
	planted := instances.Instance{Data: full, Process: 1, Page: "http://attacker.example/", Policy: "/attacker/policy.yaml"}
	if err := planted.Write(""); err != nil {
		t.Fatal(err)
	}
	p, err := s.look(t.Context())
	if err != nil || p.instance.Page != "" || p.instance.Policy != "" || p.instance.Data != full {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWhoHoldsAPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := Settings{Config: config.Defaults(), state: filepath.Join(t.TempDir(), "state")}
	_, busy := net.Listen("tcp", l.Addr().String())
	got := s.addressInUse(t.Context(), wanted{"local.broker", "--broker", l.Addr().String()}, busy).Error()
	for _, want := range []string{"local.broker: " + l.Addr().String() + " is in use", "--broker"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	if _, err := os.Stat("/proc/self/comm"); err == nil && !strings.Contains(got, "(process ") {
		t.Errorf("%q does not say who holds it", got)
	}
	folder := t.TempDir()
	dataFolder(t, folder, s.state, true)
	if err := (instances.Instance{Data: folder, Command: "demo", Process: 7, Page: "http://" + l.Addr().String() + "/"}).Write(s.state); err != nil {
		t.Fatal(err)
	}
	if got := s.addressInUse(t.Context(), wanted{"web.listen", "--listen", l.Addr().String()}, busy).Error(); !strings.Contains(got, "changetrail demo (process 7, data in "+folder) {
		t.Error(got)
	}
	s.Local.Data = folder
	if got := s.notStarted(t.Context(), embedded.ErrInUse).Error(); !strings.Contains(got, folder+" is in use by changetrail demo (process 7") || !strings.Contains(got, "--data") {
		t.Error(got)
	}
}
