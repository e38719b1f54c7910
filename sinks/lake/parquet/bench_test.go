//go:build unix

package parquet

import (
	"bytes"
	"maps"
	"slices"
	"syscall"
	"testing"

	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/lake"
)

// BenchmarkFiles makes the files of one batch of documents in each format: the CPU of the process
// and the bytes of the files for a document. A gzip of the same documents in one file is beside it.
func BenchmarkFiles(b *testing.B) {
	docs := produced.Workload(b, 5, 100)
	for name, format := range map[string]lake.Format{"json": lake.Lines{}, "parquet": Format{}} {
		b.Run(name, func(b *testing.B) {
			perDocument(b, docs, func() int { return files(b, format, docs) })
		})
	}
	b.Run("floor", func(b *testing.B) {
		rows := make([]lake.Row, len(docs))
		for i, d := range docs {
			rows[i].Body = d.Body
		}
		perDocument(b, docs, func() int { return sizeOf(b, lake.Lines{}, rows) })
	})
}

func perDocument(b *testing.B, docs []sinks.Document, f func() int) {
	written, read := 0, 0
	for _, d := range docs {
		read += len(d.Body)
	}
	before := cpu(b)
	for b.Loop() {
		written += f()
	}
	n := float64(b.N * len(docs))
	b.ReportMetric((cpu(b)-before)/n*1e6, "CPU-µs/doc")
	b.ReportMetric(float64(read)/float64(len(docs)), "document-bytes")
	b.ReportMetric(float64(written)/n, "file-bytes/doc")
	b.ReportMetric(0, "ns/op") // of the whole batch, and of no use beside other load
}

// files makes the files of documents, one for each table, and returns their bytes.
func files(b *testing.B, format lake.Format, docs []sinks.Document) (n int) {
	tables := make(map[string][]lake.Row)
	for _, d := range docs {
		r, err := format.Row(d)
		if err != nil {
			b.Fatal(err)
		}
		tables[r.Table] = append(tables[r.Table], r)
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		n += sizeOf(b, format, tables[name])
	}
	return n
}

func sizeOf(b *testing.B, format lake.Format, rows []lake.Row) int {
	var out bytes.Buffer
	if err := format.Encode(&out, rows); err != nil {
		b.Fatal(err)
	}
	return out.Len()
}

// cpu returns the seconds of CPU that this process has used.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
