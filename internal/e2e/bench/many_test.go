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

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/stream"
)

// TestManyChanges runs the enricher over many changes of 20 events, as many as
// CHANGETRAIL_BENCH_MANY says, and says how its throughput goes as its state grows, how
// large that becomes, and how long it takes to restore it into an empty folder.
func TestManyChanges(t *testing.T) {
	changes := sizeFrom(t, benchMany, 50_000)
	part := int64(min(10_000, max(changes/10, 1)) * workload.PerChange)
	adm := admin(t)
	top := topics(t, "many")
	n, _ := publish(t, adm, top, evenly(), changes)
	progress := consumed(t, adm, enricher.Group(top), top.Events())
	fmt.Printf("\nenricher, %d changes of %d events:\n\n| changes so far | events/s | CPU-s per million | peak memory | state on disk |\n|---|---|---|---|---|\n", changes, workload.PerChange)
	dir := filepath.Join(t.TempDir(), "state")
	p := start(t, enrichCommand(binary, top, dir))
	var parts []segment
	for last := p.segment(t, progress, segment{}, 1); last.done < n; {
		last = p.segment(t, progress, last, min(last.done+part, n))
		if last.events >= part/2 { // not the rest of a part
			parts = append(parts, last)
			fmt.Printf("| %d | %.0f | %.1f | %d MB | %d MB |\n", last.done/workload.PerChange, last.rate, last.cpu, peakMemory(t, p.cmd.Process.Pid)>>20, size(t, dir)>>20)
		}
	}
	p.stop()
	first, last := parts[0], parts[len(parts)-1]
	fmt.Printf("\nThe last part beside the first: %+.0f %% events/s (goal: within 5 %%), %+.0f %% CPU of an event.\n", 100*(last.rate/first.rate-1), 100*(last.cpu/first.cpu-1))
	restore(t, adm, top)
}

// restore times how long an enricher with an empty folder takes until it goes on.
func restore(t *testing.T, adm *kadm.Client, top stream.Topics) {
	t.Helper()
	publish(t, adm, top, evenly(), 100) // so that there is something to go on with
	changelog, err := adm.ListEndOffsets(t.Context(), top.State())
	if err != nil {
		t.Fatal(err)
	}
	progress := consumed(t, adm, enricher.Group(top), top.Events())
	before := progress()
	dir := filepath.Join(t.TempDir(), "restored")
	began := time.Now()
	p := start(t, enrichCommand(binary, top, dir))
	p.segment(t, progress, segment{}, before+1)
	fmt.Printf("\nRestored into an empty folder: %s until its first transaction was done, up to %d messages of the changelog; %d MB peak, %d MB on disk.\n",
		time.Since(began).Round(100*time.Millisecond), total(changelog), peakMemory(t, p.cmd.Process.Pid)>>20, size(t, dir)>>20)
	p.stop()
}

// A running is a process that is measured while it runs.
type running struct {
	cmd *exec.Cmd
	log strings.Builder
}

func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	p := &running{cmd: cmd}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func (p *running) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	}
}

// A segment is a part of a run.
type segment struct {
	done   int64 // events since the beginning
	at     time.Time
	spent  time.Duration // CPU since the beginning
	events int64         // of this part
	rate   float64       // events a second
	cpu    float64       // seconds for a million events
}

// segment waits until so many events are done.
func (p *running) segment(t *testing.T, progress func() int64, last segment, until int64) segment {
	t.Helper()
	deadline := time.Now().Add(15 * time.Minute)
	for {
		now := segment{done: progress(), at: time.Now(), spent: cpuTime(t, p.cmd.Process.Pid)}
		if now.done >= until {
			now.events = now.done - last.done
			now.rate = float64(now.events) / now.at.Sub(last.at).Seconds()
			now.cpu = (now.spent - last.spent).Seconds() / float64(now.events) * 1e6
			return now
		}
		if now.at.After(deadline) {
			t.Fatalf("only %d of %d events are done\n%s", now.done, until, p.log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
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
