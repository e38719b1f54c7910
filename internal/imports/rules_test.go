package imports

// A layer is a set of packages. A package may import packages of the layers below its own, but none
// of its own layer or above.
type layer struct {
	name     string
	packages []string
}

// layers lists every package, from the bottom up. The test fails for a new package until it is
// added to a layer.
var layers = []layer{
	{"Messages about mistakes", []string{"internal/mistake", "internal/nearest"}},
	{"What libraries say, in words", []string{"internal/phrase"}},
	{"Tools without knowledge of changes", []string{
		"audit/sample", "deploy/siem", "internal/address", "internal/budget", "internal/digests", "internal/ecosystem", "internal/files", "internal/files/filestest", "internal/foreign", "internal/capture", "internal/generated", "internal/gittest", "internal/printable", "internal/problem",
		"internal/serving", "internal/signing", "internal/strictyaml",
	}},
	{"The data model, and the store of files", []string{"record", "blobs", "agents/product", "internal/gitfolder"}},
	{"Shared settings", []string{"internal/settings"}},
	{"Readers and judges", []string{
		"agents", "blobs/blobtest", "blobs/s3", "controls", "evidence", "ingest/platform", "internal/identity", "internal/say", "internal/secrets", "policy", "schemas",
	}},
	{"Readers of events, and connections to other systems", []string{
		"agents/notes", "blobs/cloud", "ingest", "ingest/otlp", "query", "replay", "schemas/ocsf", "stream", "internal/config", "internal/corpus", "internal/servers", "internal/signin", "internal/telemetry", "policy/whatif", "audit/reconcile",
	}},
	{"Services, and the library for agents", []string{
		"audit", "audit/history", "audit/reconciletest", "enricher", "producer", "sinks", "sinks/setup", "internal/access", "internal/e2e/killtest", "internal/embedded", "internal/former", "internal/kafkatest", "internal/siem/detect",
	}},
	{"Approvals before the work, and how agents ask", []string{"gate/approvals", "gate/ask"}},
	{"The gate", []string{"gate"}},
	{"What follows the gate", []string{"gate/pending"}},
	{"Where people decide", []string{"gate/desk"}},
	{"Gateway, pages and indexes", []string{
		"audit/coverage", "audit/pack", "internal/siem", "internal/health",
		"agents/hook", "gateway", "producer/kafkago", "sinks/bulk", "sinks/endpoint", "sinks/lake", "sinks/local", "sinks/ocsftopic", "sinks/outline", "sinks/sinktest", "web", "internal/demo",
		"internal/instances", "internal/workload", "siem",
	}},
	{"Combinations of these", []string{
		"gate/admission", "gate/api", "gate/status", "gateway/mcp", "sinks/elasticsearch", "sinks/lake/parquet", "sinks/opensearch", "sinks/otlp", "sinks/splunk", "sinks/splunk/hectest", "sinks/syslog", "internal/archive", "internal/guarding", "internal/noting", "internal/produced", "internal/standalone",
	}},
	{"Masking of stored data", []string{"internal/masking"}},
	{"The commands", []string{"internal/cli"}},
	{"The binary, and tests of the whole pipeline", []string{
		"cmd/changetrail", "cmd/changetrail-hook", "cmd/changetrail-hook-gate", "internal/differential", "internal/e2e", "internal/e2e/away", "internal/e2e/bench", "internal/e2e/bench/testdata/appender", "internal/e2e/detections", "internal/e2e/embedded", "internal/e2e/gitleaks", "internal/e2e/lake", "internal/e2e/receivers", "internal/e2e/redteam", "internal/imports", "internal/oracle", "internal/sbom", "internal/siem/detecttest",
	}},
}

// planned are packages that have a layer but are not written yet: siem, which forwards records to products other than the search engines.
var planned = []string{"siem"}

// owners lists the packages that may import each client library.
var owners = map[string][]string{
	"github.com/segmentio/kafka-go":          {"producer/kafkago"},
	"github.com/elastic/go-elasticsearch":    {"sinks/elasticsearch"},
	"github.com/opensearch-project":          {"sinks/opensearch"},
	"github.com/cockroachdb/pebble":          {"enricher"},
	"github.com/twmb/franz-go/pkg/kadm":      {"stream", "internal/servers"},
	"github.com/twmb/franz-go/pkg/kgo":       {"stream", "producer", "enricher", "internal/former", "internal/servers"},
	"github.com/cloudevents/sdk-go":          {"producer", "producer/kafkago", "gateway", "agents/hook", "gateway/mcp", "internal/demo", "internal/workload", "internal/cli", "internal/siem/detecttest", "internal/produced"},
	"github.com/spf13/cobra":                 {"internal/cli"},
	"github.com/twmb/franz-go/pkg/kfake":     {"internal/embedded", "internal/kafkatest"},
	"modernc.org/sqlite":                     {"sinks/local"},
	"github.com/parquet-go/parquet-go":       {"sinks/lake/parquet"},
	"github.com/RoaringBitmap/roaring":       {"sinks/local"},
	"gocloud.dev":                            {"blobs/cloud"},
	"github.com/minio/minio-go":              {"blobs/s3"},
	"go.opentelemetry.io/otel/sdk":           {"internal/telemetry"},
	"go.opentelemetry.io/otel/exporters":     {"internal/telemetry"},
	"github.com/prometheus":                  {"internal/telemetry"},
	"go.yaml.in/yaml":                        {"internal/strictyaml", "policy", "controls", "internal/config", "internal/siem/detect", "internal/siem/detecttest"},
	"github.com/coreos/go-oidc":              {"internal/identity", "internal/signin"},
	"golang.org/x/oauth2":                    {"internal/signin"},
	"github.com/zricethezav/gitleaks":        nil, // tests of internal/e2e compare with it
	"github.com/modelcontextprotocol/go-sdk": {"gateway/mcp", "internal/cli"},
	"go.opentelemetry.io/collector":          {"gateway", "ingest/otlp"},
	"deps.dev/util/semver":                   {"internal/ecosystem"},
	"github.com/knqyf263":                    {"internal/ecosystem"},
	"github.com/package-url":                 {"internal/ecosystem"},
	"maragu.dev/gomponents":                  {"web", "audit/pack"},
	"html/template":                          nil, // docs/dependencies.md#weight
	"text/template":                          nil,
}
