package imports

// A layer is a set of packages side by side. A package may import those of the
// layers below its own, and none of its own layer or above.
type layer struct {
	name     string
	packages []string
}

// layers has every package, from the bottom up. A new package fails the test until
// somebody writes down where it belongs.
var layers = []layer{
	{"Words for what people get wrong", []string{"internal/mistake", "internal/nearest"}},
	{"Tools that know nothing of changes", []string{
		"internal/budget", "internal/digests", "internal/ecosystem", "internal/files", "internal/foreign", "internal/printable", "internal/problem",
		"internal/serving", "internal/signing", "internal/strictyaml",
	}},
	{"The words, and the store of files", []string{"record", "blobs"}},
	{"Settings that several share", []string{"internal/settings"}},
	{"What reads and judges", []string{
		"agents", "blobs/blobtest", "blobs/s3", "controls", "evidence", "ingest/platform", "internal/identity", "internal/say", "internal/secrets", "policy", "schemas",
	}},
	{"The reader of events, and the edges", []string{
		"agents/notes", "blobs/cloud", "ingest", "ingest/otlp", "query", "replay", "stream", "internal/config", "internal/corpus", "internal/servers", "internal/telemetry",
	}},
	{"The services, and what agents import", []string{
		"enricher", "producer", "sinks", "sinks/setup", "internal/access", "internal/embedded", "internal/kafkatest",
	}},
	{"Doors, pages and indexes", []string{
		"agents/hook", "gateway", "producer/kafkago", "sinks/bulk", "sinks/local", "sinks/sinktest", "web", "internal/demo",
		"internal/instances", "internal/workload", "gate", "siem",
	}},
	{"What combines them", []string{
		"gateway/mcp", "sinks/elasticsearch", "sinks/opensearch", "internal/archive", "internal/noting", "internal/standalone",
		"audit",
	}},
	{"What puts copies in place of what is stored", []string{"internal/masking"}},
	{"The commands", []string{"internal/cli"}},
	{"The binary, and tests of the whole pipeline", []string{
		"cmd/changetrail", "cmd/changetrail-hook", "internal/differential", "internal/e2e", "internal/e2e/bench", "internal/e2e/embedded", "internal/e2e/gitleaks", "internal/e2e/redteam", "internal/imports", "internal/oracle", "internal/sbom",
	}},
}

// planned are packages that have a place and are not written yet: gate, which decides
// whether a change may go ahead; siem, which forwards records to products beside the
// search engines; audit, which draws samples and answers for each.
var planned = []string{"gate", "siem", "audit"}

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
	"github.com/twmb/franz-go/pkg/kfake":     {"internal/embedded", "internal/kafkatest"},
	"modernc.org/sqlite":                     {"sinks/local"},
	"github.com/RoaringBitmap/roaring":       {"sinks/local"},
	"gocloud.dev":                            {"blobs/cloud"},
	"github.com/minio/minio-go":              {"blobs/s3"},
	"go.opentelemetry.io/otel/sdk":           {"internal/telemetry"},
	"go.opentelemetry.io/otel/exporters":     {"internal/telemetry"},
	"github.com/prometheus":                  {"internal/telemetry"},
	"go.yaml.in/yaml":                        {"internal/strictyaml", "policy", "controls", "internal/config"},
	"github.com/coreos/go-oidc":              {"internal/identity"},
	"github.com/zricethezav/gitleaks":        nil, // tests of internal/e2e judge by it
	"github.com/modelcontextprotocol/go-sdk": {"gateway/mcp", "internal/cli"},
	"go.opentelemetry.io/collector":          {"gateway", "ingest/otlp"},
	"deps.dev/util/semver":                   {"internal/ecosystem"},
	"github.com/knqyf263":                    {"internal/ecosystem"},
	"github.com/package-url":                 {"internal/ecosystem"},
}
