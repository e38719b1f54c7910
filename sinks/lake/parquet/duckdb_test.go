//go:build servers

package parquet

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/sinks/lake"
)

// TestAnotherReaderReadsTheSame: DuckDB reads folders of files, and counts what is in them.
func TestAnotherReaderReadsTheSame(t *testing.T) {
	docs := produced.Workload(t, 3, 60)
	dir := t.TempDir()
	rows := make(map[string][]lake.Row)
	want := make(map[string]int)
	for _, r := range rowsOf(t, docs) {
		folder := filepath.Join(dir, r.Table, "day="+r.Time.UTC().Format(time.DateOnly))
		rows[folder] = append(rows[folder], r)
		var e struct {
			Unmapped struct {
				Trail struct {
					Answers map[string]string `json:"answers"`
				} `json:"changetrail"`
			} `json:"unmapped"`
		}
		if err := json.Unmarshal(r.Body, &e); err != nil {
			t.Fatal(err)
		}
		if a := e.Unmapped.Trail.Answers["reviewed"]; r.Table == "2003" {
			want[filepath.Base(folder)[4:]+" "+a]++
		}
	}
	for folder, of := range rows {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "a.parquet"), encode(t, of), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	python := foreign.Python(t, "duckdb==1.4.1")
	query := `import duckdb, json, sys
duckdb.sql("SET enable_progress_bar = false")
rows = duckdb.sql(f"""SELECT strftime(day, '%Y-%m-%d') AS day, coalesce(changetrail.reviewed, '') AS reviewed, count(*) AS n
FROM read_parquet('{sys.argv[1]}/2003/*/*.parquet', hive_partitioning=true)
WHERE class_uid = 2003 AND metadata.product.name = 'changetrail' AND strftime(time_dt, '%Y-%m-%d') = strftime(day, '%Y-%m-%d')
AND json_extract_string(raw_data, '$.metadata.uid') = metadata.uid AND len(observables) >= 0 AND unmapped['changetrail'] IS NOT NULL
GROUP BY 1, 2""").fetchall()
print(json.dumps({f"{d} {r}": n for d, r, n in rows}))`
	out, err := exec.Command(filepath.Join(python, "python"), "-c", query, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got map[string]int
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records by day and answer: -want +got:\n%s", diff)
	}
}
