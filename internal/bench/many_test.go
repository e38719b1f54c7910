//go:build bench

package bench

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/workload"
)

// TestManyChanges runs the enricher over 100,000 changes of 20 events and says
// how its throughput goes as its state grows, and how large that becomes.
func TestManyChanges(t *testing.T) {
	const changes, part = 100_000, 10_000
	adm := admin(t)
	top := topics(t, "many")
	n, _ := publish(t, adm, top, changes)
	dir := filepath.Join(t.TempDir(), "state")
	args := append([]string{"enrich", "--brokers", broker.Address, "--prefix", top.Prefix, "--state-dir", dir, "--log-level", "error"}, policy...)
	reset(t, adm, enricher.Group(top))
	cmd := exec.Command(binary, args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	progress := consumed(t, adm, enricher.Group(top), top.Events())
	fmt.Printf("\nenricher, %d changes of %d events:\n", changes, workload.PerChange)
	var rates, costs []float64 // of each part
	var spent time.Duration
	deadline := time.Now().Add(15 * time.Minute)
	var last int64
	at := time.Time{}
	for last < n {
		done := progress()
		switch {
		case at.IsZero() && done > 0:
			at, last, spent = time.Now(), done, cpuTime(t, cmd.Process.Pid)
		case !at.IsZero() && (done-last >= part*workload.PerChange || done >= n):
			rate := float64(done-last) / time.Since(at).Seconds()
			if done-last >= part*workload.PerChange/2 { // not the rest of a part
				rates = append(rates, rate)
				now := cpuTime(t, cmd.Process.Pid)
				costs = append(costs, (now-spent).Seconds()/float64(done-last)*1e6)
				fmt.Printf("  up to %6d changes  %6.0f events/s  %5.1f CPU-s per million  %4d MB peak  %5d MB of state\n",
					done/workload.PerChange, rate, costs[len(costs)-1], peakMemory(t, cmd.Process.Pid)>>20, size(t, dir)>>20)
			}
			at, last, spent = time.Now(), done, cpuTime(t, cmd.Process.Pid)
		case time.Now().After(deadline):
			t.Fatalf("only %d of %d events are done\n%s", done, n, log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Printf("  the last part beside the first: %+.0f %% events/s (goal: no more than 10 %% less), %+.0f %% CPU an event\n",
		100*(rates[len(rates)-1]/rates[0]-1), 100*(costs[len(costs)-1]/costs[0]-1))
}

// cpuTime returns the CPU time that a process has taken so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may have blanks in it
	fields := strings.Fields(after)
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime, stime (proc(5))
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * time.Second / 100
}

// size is how much a folder holds, in bytes.
func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file that was compacted away meanwhile
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}
