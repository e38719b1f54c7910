//go:build bench

package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/stream"
)

// rounds is how often each side of a comparison runs, in turn with the other.
const rounds = 3

// changesFrom is how many changes a comparison takes.
func changesFrom(t *testing.T) int { return sizeFrom(t, benchChanges, 8_000) }

// enrich runs an enricher from the first event on, as on its first day, until n are done.
func enrich(t *testing.T, adm *kadm.Client, top stream.Topics, program string, n int64) result {
	t.Helper()
	reset(t, adm, enricher.Group(top))
	for _, topic := range []string{top.State(), top.Records(), top.Enriched()} {
		recreate(t, adm, topic)
	}
	return measure(t, enrichCommand(program, top, filepath.Join(t.TempDir(), "state")), n, consumed(t, adm, enricher.Group(top), top.Events()))
}

func enrichCommand(program string, top stream.Topics, dir string) *exec.Cmd {
	args := []string{"enrich", "--brokers", broker.Address, "--prefix", top.Prefix, "--state-dir", dir, "--log-level", "error"}
	return exec.Command(program, append(args, policy...)...)
}

// TestEnricherBesideItsFloors compares the enricher with two programs that compute
// nothing, in transactions of the same size: one produces again what it consumes, the
// other the messages that the enricher wrote.
func TestEnricherBesideItsFloors(t *testing.T) {
	changes := changesFrom(t)
	adm := admin(t)
	top := topics(t, "bench")
	n, bytes := publish(t, adm, top, evenly(), changes)
	work := recordWork(t, adm, top, n)
	recreate(t, adm, "floor")
	var floors, workFloors, ours []result
	for i := range rounds {
		group := fmt.Sprintf("floor-%d", i)
		floors = append(floors, measure(t, floorCommand("enricher", "GROUP="+group, "FROM="+top.Events()), n, consumed(t, adm, group, top.Events())))
		workFloors = append(workFloors, work.floor(t, adm, top, fmt.Sprintf("work-%d", i), n))
		ours = append(ours, enrich(t, adm, top, binary, n))
	}
	f, w, o := median(floors), median(workFloors), median(ours)
	var out strings.Builder
	fmt.Fprintf(&out, "\nenricher: %d events of %d bytes, %d changes, %d partitions; for an event it writes %.2f messages of %d bytes in all; medians of %d\n\n%s",
		n, bytes/n, changes, partitions, float64(work.messages)/float64(n), work.bytes/n, rounds, resultHeader)
	out.WriteString(f.row("moving floor: the events, produced again") + w.row("work floor: what the enricher writes, produced again") + o.row("enricher"))
	fmt.Fprintf(&out, "\n%.0f %% of the moving floor (goal: 35 %%), %.0f %% of the work floor (goal: 70 %%); %.1f and %.1f times the CPU\n",
		100*o.rate/f.rate, 100*o.rate/w.rate, o.cpu/f.cpu, o.cpu/w.cpu)
	fmt.Print(out.String())
}

// TestEnricherBesideAFormer compares the enricher with a former version of it, whose
// program CHANGETRAIL_BENCH_FORMER names: built by go build -o FILE ./cmd/changetrail
// in a work tree of that version.
func TestEnricherBesideAFormer(t *testing.T) {
	former := settings[benchFormer]
	if former == "" {
		t.Skip(benchFormer + " names no program of a former version")
	}
	adm := admin(t)
	top := topics(t, "former")
	n, bytes := publish(t, adm, top, evenly(), changesFrom(t))
	var before, now []result
	var ratios []float64
	for range rounds {
		before = append(before, enrich(t, adm, top, former, n))
		now = append(now, enrich(t, adm, top, binary, n))
		ratios = append(ratios, now[len(now)-1].cpu/before[len(before)-1].cpu)
	}
	b, o := median(before), median(now)
	fmt.Printf("\nenricher beside a former version: %d events of %d bytes; each ran %d times, in turn; medians\n\n%s%s%s\nCPU of an event: %.2f of the former's (goal: 0.45); in each round %.2f\n",
		n, bytes/n, rounds, resultHeader, b.row("former"), o.row("now"), o.cpu/b.cpu, ratios)
}

// TestOneBusyRepository compares a load of which 90 % are of one repository, and so of
// one partition, with one that is spread evenly.
func TestOneBusyRepository(t *testing.T) {
	adm := admin(t)
	busy := evenly()
	busy.Busy = 0.9
	var out strings.Builder
	for _, load := range []struct {
		name   string
		prefix string
		g      *workload.Generator
	}{{"spread over 200 repositories", "even", evenly()}, {"90 % in one repository", "busy", busy}} {
		top := topics(t, load.prefix)
		n, _ := publish(t, adm, top, load.g, changesFrom(t))
		var runs []result
		for range rounds {
			runs = append(runs, enrich(t, adm, top, binary, n))
		}
		out.WriteString(median(runs).row(load.name))
	}
	fmt.Printf("\nenricher, one busy repository: %d changes of %d events, %d partitions; medians of %d\n\n%s%s", changesFrom(t), workload.PerChange, partitions, rounds, resultHeader, &out)
}
