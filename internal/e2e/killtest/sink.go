package killtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Build builds the program under test.
func Build(t *testing.T, flags ...string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "changetrail")
	args := append(append([]string{"-C", "../../..", "build"}, flags...), "-o", program, "./cmd/changetrail")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return program
}

// A Sink is a process that is started again whenever it ends.
type Sink struct {
	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool
}

// Start starts changetrail sink with more arguments and settings. It is stopped at the end of the
// test.
func (p *Pipeline) Start(t *testing.T, program string, args []string, environment ...string) *Sink {
	t.Helper()
	args = append([]string{"sink", "--instance", "only", "--prefix", p.Topics.Prefix, "--brokers", p.Kafka.Brokers[0]}, args...)
	file := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	s, done := new(Sink), make(chan struct{})
	go func() {
		defer close(done)
		for s.run(t, log, environment, append([]string{program}, args...)) {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		s.Kill()
		<-done
		_ = log.Close()
		if text, _ := os.ReadFile(file); t.Failed() {
			t.Logf("%v:\n%s", args, text[max(0, len(text)-5000):])
		}
	})
	return s
}

// run runs the process once. It reports whether to run it again.
func (s *Sink) run(t *testing.T, log *os.File, environment, command []string) bool {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return false
	}
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = append(os.Environ(), environment...), log, log
	err := s.cmd.Start()
	s.mu.Unlock()
	if err != nil {
		t.Errorf("%v: %v", command, err)
		return false
	}
	_ = s.cmd.Wait() // it was killed
	return true
}

// Kill kills the process with SIGKILL.
func (s *Sink) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
	}
}
