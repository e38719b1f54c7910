package evidence

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// holdFact checks that the result of a report can be sent, stored and named: the fact that carries
// it satisfies its schema, and so does a decision that names any of its findings by any of their
// names.
func holdFact(t *testing.T, file []byte) {
	t.Helper()
	fact, result, err := Scan(file)
	if err != nil {
		return
	}
	fact.Tool.Name = orElse(fact.Tool.Name, "x") // cmd asks for it
	if err := schemas.Check(fact); err != nil {
		t.Errorf("%s: the fact does not fit its schema: %v", result.Format, err)
	}
	if _, err := ReadScan(fact); err != nil {
		t.Errorf("%s: what was read is not read again: %v", result.Format, err)
	}
	if _, err := json.Marshal(fact.Findings); err != nil {
		t.Errorf("%s: %v", result.Format, err)
	}
	for _, f := range fact.Findings[:min(len(fact.Findings), 20)] {
		for _, name := range f.Names() {
			d := &record.Decision{Agent: record.Agent{ID: "a"}, Trigger: &record.Trigger{Kind: "scan", Finding: name, Package: f.Package, Severity: f.Severity, Digest: fact.Report.Digest}}
			if err := schemas.Check(d); err != nil || !f.Is(name) {
				t.Fatalf("%s: no decision can name %+v: %v", result.Format, f, err)
			}
		}
		if len(f.Path) > maxPath || len(f.Title) > maxTitle || len(f.URL) > maxURL || f.Line < 0 || f.Score < 0 || f.Score > 10 || f.Scanner == "" {
			t.Errorf("%s: %+v", result.Format, f)
		}
	}
}

// TestLongNames: a name that is too long for a record is truncated.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("ä", 3000)
	for _, text := range []string{
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"` + long + `","version":"` + long + `"}},"results":[{"ruleId":"` + long + `","message":{"text":"` + long + `"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"` + long + `"},"region":{"startLine":-4}}}],"properties":{"security-severity":"NaN"}},{"ruleId":"` + long + `x","message":{"text":"` + long + `"}}]}]}`,
		`{"SchemaVersion":2,"ArtifactName":"i","Results":[{"Target":"t","Vulnerabilities":[{"VulnerabilityID":"CVE-1","VendorIDs":["` + long + `"],"PkgName":"` + long + `","InstalledVersion":"` + long + `","PrimaryURL":"https://` + long + `","PkgIdentifier":{"PURL":"pkg:npm/` + long + `"},"CVSS":{"nvd":{"V3Score":1e300}}}]}]}`,
		`<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><metadata><tools><tool><name>` + long + `</name></tool></tools></metadata><components><component bom-ref="p"><name>p</name></component></components><vulnerabilities><vulnerability><id>` + long + `</id><ratings><rating><score>NaN</score><severity>` + long + `</severity></rating></ratings></vulnerability></vulnerabilities></bom>`,
	} {
		holdFact(t, []byte(text))
		r, err := Read([]byte(text))
		if err != nil || r.Summary.Findings == 0 {
			t.Fatalf("%+v, %v", r.Summary, err)
		}
	}
	r, err := Read([]byte(sarifOf("", `"results":[{"ruleId":"`+long+`","message":{"text":"m"}},{"ruleId":"`+long+`2","message":{"text":"m"}}]`)))
	if err != nil || r.Summary.Findings != 2 {
		t.Errorf("two rules with one beginning are %d findings, %v", r.Summary.Findings, err)
	}
}

// TestManyFindings: a report with more findings than are kept is marked as partial.
func TestManyFindings(t *testing.T) {
	var results []string
	for range MaxFindings + 10 {
		results = append(results, `{"ruleId":"R`+strings.Repeat("x", len(results)%7)+`","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a"},"region":{"startLine":`+itoa(len(results)+1)+`}}}]}`)
	}
	fact, _, err := Scan([]byte(sarifOf("", `"results":[`+strings.Join(results, ",")+`]`)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadScan(fact); err != nil || fact.Summary.Findings != MaxFindings+10 || len(fact.Findings) != MaxFindings || !fact.Summary.Partial {
		t.Errorf("%+v, %d kept, %v", fact.Summary, len(fact.Findings), err)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// TestMutatedReports changes one place of a real report at a time: a member is removed, replaced by
// another kind, emptied or moved. Every result is read or refused without a panic, and a report
// that still contains something like a finding is not clean.
func TestMutatedReports(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	read, clean := 0, 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		var whole any
		if err != nil || len(b) > 60_000 || json.Unmarshal(b, &whole) != nil {
			continue
		}
		for range 30 {
			var copied any
			_ = json.Unmarshal(b, &copied)
			for range 1 + random.IntN(3) {
				copied = mutate(random, copied, 0)
			}
			file, _ := json.Marshal(copied)
			r, err := Read(file)
			if err != nil {
				if strings.Contains(err.Error(), "the reader failed") {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			read++
			if r.Scan && r.Summary.Scanned && r.Summary.Findings == 0 {
				clean++
				if hints(copied) && !containsAny(string(file), excused) {
					t.Errorf("%s is clean as %s: %.2000s", name, r.Format, file)
				}
			}
			if read%20 == 0 {
				holdFact(t, file)
			}
		}
	}
	t.Logf("%d were read, %d of them clean", read, clean)
	if read < 300 || clean == 0 {
		t.Errorf("%d were read, %d of them clean", read, clean)
	}
}

// mutate changes v, or something within it.
func mutate(random *rand.Rand, v any, depth int) any {
	if depth > 0 && random.IntN(4) == 0 {
		return []any{nil, "x", 7.0, true, map[string]any{}, []any{}, []any{"x"}, map[string]any{"x": 1.0}, -1.5}[random.IntN(9)]
	}
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			i := random.IntN(len(v))
			v[i] = mutate(random, v[i], depth+1)
		}
	case map[string]any:
		if len(v) == 0 {
			break
		}
		name := slices.Sorted(maps.Keys(v))[random.IntN(len(v))]
		if v[name] = mutate(random, v[name], depth+1); random.IntN(4) == 0 {
			delete(v, name)
		}
	}
	return v
}
