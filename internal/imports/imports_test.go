package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/changetrail/changetrail/"

// rings gives each package its place: it may import packages of lower rings
// only. A new package fails the test until someone writes down where it
// belongs.
var rings = map[string]int{
	"internal/ecosystem": -1,
	"internal/files":     -1,

	"record":           0,
	"internal/signing": 0,
	"blobs":            0,

	"internal/say":      1,
	"schemas":           1,
	"evidence":          1,
	"policy":            1,
	"controls":          1,
	"internal/identity": 1,
	"ingest/platform":   1,
	"internal/secrets":  1,

	"blobs/blobtest": 1,
	"blobs/s3":       1,
	"blobs/cloud":    2,

	"ingest":              2,
	"query":               2,
	"replay":              2,
	"stream":              2,
	"internal/telemetry":  2,
	"internal/servers":    2,
	"internal/foreign":    0,
	"internal/corpus":     2,
	"internal/problem":    0,
	"internal/budget":     0,
	"internal/serving":    0,
	"internal/printable":  0,
	"internal/strictyaml": 0,
	"internal/access":     3,

	"internal/embedded": 3,

	"producer":    3,
	"enricher":    3,
	"sinks":       3,
	"sinks/setup": 3,

	"web":               4,
	"producer/kafkago":  4,
	"gateway":           4,
	"agents/hook":       4,
	"ingest/otlp":       3,
	"agents":            1,
	"gateway/mcp":       5,
	"internal/demo":     4,
	"sinks/bulk":        4,
	"sinks/local":       4,
	"sinks/sinktest":    4,
	"internal/workload": 4,

	"sinks/elasticsearch": 5,
	"sinks/opensearch":    5,

	"internal/archive":    6,
	"internal/config":     6,
	"internal/standalone": 6,

	"internal/cli":          7,
	"cmd/changetrail":       8,
	"internal/e2e":          7,
	"internal/e2e/embedded": 7,
	"internal/bench":        7,
	"internal/imports":      7,
	"internal/oracle":       7,
	"internal/differential": 7,
}

// owners lists the packages that may import each client library.
var owners = map[string][]string{
	"github.com/segmentio/kafka-go":          {"producer/kafkago"},
	"github.com/elastic/go-elasticsearch":    {"sinks/elasticsearch"},
	"github.com/opensearch-project":          {"sinks/opensearch"},
	"github.com/cockroachdb/pebble":          {"enricher"},
	"github.com/twmb/franz-go/pkg/kadm":      {"stream", "internal/servers"},
	"github.com/twmb/franz-go/pkg/kgo":       {"stream", "producer", "enricher", "internal/servers"},
	"github.com/cloudevents/sdk-go":          {"producer", "producer/kafkago", "gateway", "agents/hook", "gateway/mcp", "internal/demo", "internal/workload", "internal/cli"},
	"github.com/spf13/cobra":                 {"internal/cli"},
	"github.com/twmb/franz-go/pkg/kfake":     {"internal/embedded"},
	"modernc.org/sqlite":                     {"sinks/local"},
	"github.com/RoaringBitmap/roaring":       {"sinks/local"},
	"gocloud.dev":                            {"blobs/cloud"},
	"github.com/minio/minio-go":              {"blobs/s3"},
	"go.opentelemetry.io/otel/sdk":           {"internal/telemetry"},
	"go.opentelemetry.io/contrib/exporters":  {"internal/telemetry"},
	"github.com/prometheus":                  {"internal/telemetry"},
	"go.yaml.in/yaml":                        {"internal/strictyaml", "policy", "controls", "internal/config"},
	"github.com/coreos/go-oidc":              {"internal/identity"},
	"github.com/zricethezav/gitleaks":        {"internal/secrets"},
	"github.com/modelcontextprotocol/go-sdk": {"gateway/mcp", "internal/cli"},
	"go.opentelemetry.io/collector":          {"gateway", "ingest/otlp"},
	"deps.dev/util/semver":                   {"internal/ecosystem"},
	"github.com/knqyf263":                    {"internal/ecosystem"},
	"github.com/package-url":                 {"internal/ecosystem"},
}

func TestImportsPointInwards(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		seen[pkg] = true
		ring, ok := rings[pkg]
		if !ok {
			t.Errorf("package %s has no ring: say in this test where it belongs", pkg)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			check(t, pkg, ring, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range rings {
		if !seen[pkg] {
			t.Errorf("package %s has a ring and no files", pkg)
		}
	}
}

func check(t *testing.T, pkg string, ring int, name string) {
	t.Helper()
	if dep, ok := strings.CutPrefix(name, module); ok {
		if r, ok := rings[dep]; ok && r >= ring {
			t.Errorf("%s (ring %d) imports %s (ring %d)", pkg, ring, dep, r)
		}
		return
	}
	first, _, _ := strings.Cut(name, "/")
	if pkg == "record" && strings.Contains(first, ".") {
		t.Errorf("record imports %s; only the standard library is allowed", name)
	}
	for lib, who := range owners {
		if strings.HasPrefix(name, lib) && !slices.Contains(who, pkg) {
			t.Errorf("%s imports %s, which belongs to %v", pkg, name, who)
		}
	}
}
