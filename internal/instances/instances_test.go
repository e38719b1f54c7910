package instances

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/embedded"
)

func TestInstancesAreFoundAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	first := Instance{Data: t.TempDir(), Command: "up", Process: 1, Started: time.Unix(100, 0).UTC(), Page: "http://127.0.0.1:8080/", Broker: "127.0.0.1:9092"}
	second := Instance{Data: t.TempDir(), Command: "demo", Process: 2, Started: time.Unix(200, 0).UTC(), Page: "http://127.0.0.1:8090/"}
	for _, i := range []Instance{first, second} {
		if err := i.Write(folder); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Instance{second, first}, Known(folder)); diff != "" {
		t.Error(diff)
	}
	if got := In(first.Data); got != first {
		t.Errorf("%+v", got)
	}
	if !first.ListensAt("localhost:9092") || !first.ListensAt(":8080") || first.ListensAt("127.0.0.1:808") || second.ListensAt("127.0.0.1:9092") {
		t.Error("the addresses are not told apart")
	}
	if err := os.RemoveAll(first.Data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Instance{second}, Known(folder)); diff != "" {
		t.Error("one whose data are gone:", diff)
	}
	if Known("") != nil || Known(filepath.Join(folder, "nowhere")) != nil {
		t.Error("there are instances of nobody")
	}
}

// An instance counts as running if its broker answers, whatever it wrote.
func TestAnInstanceRunsWhileItsBrokerAnswers(t *testing.T) {
	i := Instance{Data: t.TempDir(), Process: os.Getpid()}
	if i.Running(t.Context()) {
		t.Error("it runs before it was started")
	}
	broker, err := embedded.Start(filepath.Join(i.Data, "broker"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !i.Running(t.Context()) {
		t.Error("it does not run")
	}
	broker.Close()
	if i.Running(t.Context()) {
		t.Error("it runs after it was stopped")
	}
}

func TestTheFolderIsThePersonsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"home":                 {map[string]string{"HOME": "/home/a"}, "/home/a/.local/state/changetrail/instances"},
		"state":                {map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, "/s/changetrail/instances"},
		"state in a work tree": {map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "s"}, "/home/a/.local/state/changetrail/instances"},
		"nobody":               {nil, ""},
	} {
		if got := Folder(func(name string) string { return c.env[name] }); got != filepath.FromSlash(c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
