//go:build servers

package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/record"
)

// The demo that all tests of the package look at.
var (
	binary  string
	folder  string // where it was started
	page    string
	printed string // what it printed
)

func TestMain(m *testing.M) {
	code, err := withDemo(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

func withDemo(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "changetrail-embedded-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	folder, binary = dir, filepath.Join(dir, "changetrail")
	if out, err := exec.Command("go", "-C", "../../..", "build", "-o", binary, "./cmd/changetrail").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	p, err := start("demo")
	if err != nil {
		return 0, err
	}
	defer p.stop(syscall.SIGINT)
	page = p.page
	if err := p.until("Ctrl-C stops it", 3*time.Minute); err != nil {
		return 0, err
	}
	printed = p.out.String()
	return m.Run(), nil
}

// A process is a changetrail that runs all in one.
type process struct {
	cmd    *exec.Cmd
	page   string
	broker string
	out    *capture.Output
	ended  chan error
	ready  time.Duration // from the start to the first page
	reader string        // the token of one who reads all, where readers are asked
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// insecure is a client that accepts the certificates that tests make.
var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// start starts a command and waits for its page.
func start(args ...string) (*process, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	broker, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if i := slices.Index(args, "--broker"); i >= 0 {
		broker = args[i+1]
	}
	if i := slices.Index(args, "--listen"); i >= 0 {
		listen = args[i+1]
	}
	scheme := "http"
	if slices.Contains(args, "--cert") {
		scheme = "https"
	}
	p := &process{page: scheme + "://" + listen, broker: broker, out: new(capture.Output), ended: make(chan error, 1)}
	p.cmd = exec.Command(binary, append(args, "--listen", listen, "--broker", broker)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = folder, p.out, p.out
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	for time.Since(began) < time.Minute {
		select {
		case err := <-p.ended:
			return nil, fmt.Errorf("changetrail %s ended: %w: %s", args[0], err, p.out)
		case <-time.After(20 * time.Millisecond):
		}
		res, err := insecure.Get(p.page + "/")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusUnauthorized { // people sign in at a proxy
				p.ready = time.Since(began)
				return p, nil
			}
		}
	}
	p.stop(syscall.SIGKILL)
	return nil, fmt.Errorf("changetrail %s serves no page after a minute: %s", args[0], p.out)
}

func (p *process) until(text string, limit time.Duration) error {
	for began := time.Now(); time.Since(began) < limit; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(p.out.String(), text) {
			return nil
		}
	}
	return fmt.Errorf("%q was not printed within %s: %s", text, limit, p.out)
}

func (p *process) stop(s syscall.Signal) error {
	_ = p.cmd.Process.Signal(s)
	select {
	case err := <-p.ended:
		return err
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		return errors.Join(errors.New("it did not stop within 30 s of a signal"), <-p.ended)
	}
}

func total(t *testing.T, lucene string) int {
	t.Helper()
	return matches(t, url.Values{"q": {lucene}})
}

// matches is how many changes a search finds.
func matches(t *testing.T, asked url.Values) int {
	t.Helper()
	asked.Set("size", "0")
	res, err := http.Get(page + "/v1/changes?" + asked.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	var answer struct {
		Total int `json:"total"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v: %s", asked.Get("q"), res.StatusCode, err, body)
	}
	return answer.Total
}

// TestTheDemoHasEachGap: few of each, since most changes by agents are as they should be.
func TestTheDemoHasEachGap(t *testing.T) {
	for query, want := range map[string]int{"": demo.Changes, "changetrail.change.initiated_by:agent": demo.Changes / 3} {
		if n := total(t, query); n < want*95/100 || n > want {
			t.Errorf("%q finds %d, want %d", query, n, want)
		}
	}
	absent := []string{
		record.GapNoPolicy,       // a company without a policy would have no other
		record.GapEvidenceMasked, // nothing was masked in a company that begins now
	}
	for _, gap := range record.Gaps() {
		if n := total(t, "changetrail.gaps:"+gap); n < 3 && !slices.Contains(absent, gap) {
			t.Errorf("%d changes have the gap %s", n, gap)
		}
	}
}

// TestThePrintedCommandsWork types what the demo says to type.
func TestThePrintedCommandsWork(t *testing.T) {
	commands := 0
	for _, line := range strings.Split(printed, "\n") {
		line, ok := strings.CutPrefix(line, "  "+binary+" ")
		if !ok {
			continue
		}
		commands++
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, "sh", "-c", "./changetrail "+line)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil || len(out) < 200 {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
		t.Logf("$ changetrail %s\n%.1500s", line, out)
	}
	if commands != 5 {
		t.Errorf("%d commands were printed:\n%s", commands, printed)
	}
}

// TestASecondProcessInTheFolderIsRefused: two would write one log.
func TestASecondProcessInTheFolderIsRefused(t *testing.T) {
	p, err := start("up", "--data", "changetrail-demo")
	if err == nil {
		p.stop(syscall.SIGKILL)
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "is in use by changetrail demo") {
		t.Error(err)
	}
}
