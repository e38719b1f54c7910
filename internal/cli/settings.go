package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/blobs"
	_ "github.com/changetrail/changetrail/blobs/cloud" // s3://, gs://, azblob://
	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/stream"
)

// Settings is changetrail.yaml. Each key is also an environment variable, its
// path in capitals after CHANGETRAIL_: kafka.brokers is
// CHANGETRAIL_KAFKA_BROKERS, a list with commas. A flag wins over the
// environment, the environment over the file, the file over the default.
type Settings struct {
	Namespace string   `yaml:"namespace" doc:"part of every index name"`
	Retention Duration `yaml:"retention" doc:"how long events and records are kept"`
	Store     string   `yaml:"store" path:"true" doc:"where people look: a folder of the embedded mode, opensearch or elasticsearch; where empty local.data, if it is there and neither sink.engine nor sink.addresses is set, else sink.engine"`
	Queries   string   `yaml:"queries" path:"true" doc:"queries.yaml: saved queries beside those that come with changetrail"`
	Content   string   `yaml:"content" doc:"how much is kept of prompts and of the arguments and results of tools, by what sends here: metadata-only, redacted (secrets replaced) or full"`
	// The keys that parts of the pipeline share.
	SigningKey       string `yaml:"signing_key" secret:"true" doc:"with which gateways and enrichers sign who sent an event, and enrichers verify it; several, one a line, while one takes the place of another: the first signs"`
	SigningKeyFile   string `yaml:"signing_key_file" path:"true"`
	RecordKey        string `yaml:"record_key" secret:"true" doc:"with which enrichers sign records and enriched events, and sinks verify them; signing_key where empty"`
	RecordKeyFile    string `yaml:"record_key_file" path:"true"`
	RedactionKey     string `yaml:"redaction_key" secret:"true" doc:"under which the same secret has the same marker; made from signing_key where empty"`
	RedactionKeyFile string `yaml:"redaction_key_file" path:"true"`
	Blobs            string `yaml:"blobs" path:"true" doc:"where reports and large data are kept: a folder, or a URL as s3://bucket, gs://bucket, azblob://container"`
	Trust            struct {
		Unsigned []ingest.Trust `yaml:"unsigned" doc:"for a Kafka to which nobody else can write: sources whose events count without a signature, each {source: pattern, as: observed, human or signed, may: [kinds], history: true}; docs/operations.md"`
	} `yaml:"trust"`
	Kafka struct {
		Brokers     []string `yaml:"brokers" doc:"host:port of some brokers"`
		Prefix      string   `yaml:"prefix" doc:"first part of the topic names"`
		Partitions  int      `yaml:"partitions" doc:"of each topic, when setup creates it"`
		Replication int      `yaml:"replication" doc:"of each topic, when setup creates it; -1: the cluster's default"`
		Retention   Duration `yaml:"retention" doc:"of the topics kept by time; the general retention where empty"`
		TLS         struct {
			Enabled  bool   `yaml:"enabled"`
			CAFile   string `yaml:"ca_file" path:"true"`
			CertFile string `yaml:"cert_file" path:"true"`
			KeyFile  string `yaml:"key_file" path:"true"`
		} `yaml:"tls"`
		SASL struct {
			Mechanism    string `yaml:"mechanism" doc:"PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"`
			User         string `yaml:"user"`
			Password     string `yaml:"password" secret:"true"`
			PasswordFile string `yaml:"password_file" path:"true"`
		} `yaml:"sasl"`
	} `yaml:"kafka"`
	Enricher struct {
		StateDir    string   `yaml:"state_dir" path:"true" doc:"local store; one for each enricher"`
		Instance    string   `yaml:"instance" doc:"stable, unique name; kept in state_dir where empty"`
		Policy      string   `yaml:"policy" path:"true" doc:"policy.yaml: the services"`
		Controls    string   `yaml:"controls" path:"true" doc:"controls.yaml: the control matrix"`
		MaxBatch    int      `yaml:"max_batch" doc:"events a transaction"`
		MaxMemory   int      `yaml:"max_memory" doc:"bytes that the events at work may take, unpacked; not less than gateway.max_memory, so that what is taken there can be read"`
		EvidenceAge Duration `yaml:"evidence_age" doc:"how long evidence that names no change waits for one; 0 is for ever"`
		Linger      Duration `yaml:"linger" doc:"how long a transaction may wait to fill"`
		Compression string   `yaml:"compression" doc:"of what is written to Kafka: lz4, zstd, snappy, gzip, none"`
	} `yaml:"enricher"`
	Sink struct {
		Engine       string   `yaml:"engine" doc:"opensearch or elasticsearch"`
		Addresses    []string `yaml:"addresses" doc:"URLs of some nodes"`
		Username     string   `yaml:"username"`
		Password     string   `yaml:"password" secret:"true"`
		PasswordFile string   `yaml:"password_file" path:"true"`
		APIKey       string   `yaml:"api_key" secret:"true" doc:"Elasticsearch only"`
		APIKeyFile   string   `yaml:"api_key_file" path:"true"`
		CAFile       string   `yaml:"ca_file" path:"true"`
		Instance     string   `yaml:"instance" doc:"stable, unique name; saves a rebalance at each restart"`
		Gzip         int      `yaml:"gzip" doc:"level of request compression, 0 is none"`
		MaxDocs      int      `yaml:"max_docs" doc:"documents a request"`
		MaxBytes     int      `yaml:"max_bytes" doc:"bytes a request"`
		InFlight     int      `yaml:"in_flight" doc:"requests at a time"`
		Linger       Duration `yaml:"linger" doc:"how long a request may wait to fill"`
		Shards       int      `yaml:"shards" doc:"of each index, when setup creates it"`
	} `yaml:"sink"`
	Producer struct {
		Source    string `yaml:"source" doc:"CloudEvents source of events that have none"`
		Spool     string `yaml:"spool" path:"true" doc:"folder for events that cannot be sent now"`
		Gateway   string `yaml:"gateway" doc:"URL of a gateway; events go to Kafka where empty"`
		Token     string `yaml:"token" secret:"true" doc:"bearer token for the gateway"`
		TokenFile string `yaml:"token_file" path:"true"`
	} `yaml:"producer"`
	Gateway struct {
		Listen               string                `yaml:"listen" doc:"address of the gateway"`
		Credentials          string                `yaml:"credentials" path:"true" doc:"credentials.yaml: who may send and read, and as whom; where empty anybody who can connect may, where it lists nobody nobody may"`
		Open                 bool                  `yaml:"open" doc:"listen beyond this machine though there are no credentials: something before it asks who they are"`
		Plaintext            bool                  `yaml:"plaintext" doc:"listen beyond this machine though there is no certificate: something before it encrypts"`
		CertFile             string                `yaml:"cert_file" path:"true" doc:"certificate (PEM); plain HTTP where empty"`
		KeyFile              string                `yaml:"key_file" path:"true"`
		ClientCAFile         string                `yaml:"client_ca_file" path:"true" doc:"who signs the certificates of clients (mTLS)"`
		GitHubSecret         string                `yaml:"github_secret" secret:"true" doc:"of the webhooks of GitHub; several, one a line, while one takes the place of another"`
		GitHubSecretFile     string                `yaml:"github_secret_file" path:"true"`
		GitLabToken          string                `yaml:"gitlab_token" secret:"true" doc:"of the webhooks of GitLab"`
		GitLabTokenFile      string                `yaml:"gitlab_token_file" path:"true"`
		GitLabSigningKey     string                `yaml:"gitlab_signing_key" secret:"true" doc:"whsec_…, of signed webhooks of GitLab"`
		GitLabSigningKeyFile string                `yaml:"gitlab_signing_key_file" path:"true"`
		JiraSecret           string                `yaml:"jira_secret" secret:"true" doc:"of the webhooks of Jira; several, one a line, while one takes the place of another"`
		JiraSecretFile       string                `yaml:"jira_secret_file" path:"true"`
		JiraProjects         []gateway.JiraProject `yaml:"jira_projects" doc:"in which repositories work on the issues of Jira's projects is done, each {project: PAY, repositories: [github.com/acme/payments]}"`
		Spool                string                `yaml:"spool" path:"true" doc:"folder for events while the broker is away; without one they are refused then"`
		Rate                 int                   `yaml:"rate" doc:"events a second of one credential, unless it has a rate of its own"`
		Concurrency          int                   `yaml:"concurrency" doc:"requests of one credential at a time"`
		MaxBody              int                   `yaml:"max_body" doc:"bytes of a request, unpacked"`
		MaxMemory            int                   `yaml:"max_memory" doc:"bytes that all requests at work hold at a time; three eighths of it are for webhooks and those without a credential"`
		BlobRate             int                   `yaml:"blob_rate" doc:"bytes of files a minute of one credential"`
		Timeout              Duration              `yaml:"timeout" doc:"how long the broker may take"`
	} `yaml:"gateway"`
	Hook struct {
		Dir         string   `yaml:"dir" path:"true" doc:"folder in which hooks note what happens, an absolute path; the person's state folder where empty"`
		Agent       string   `yaml:"agent" doc:"id of the agent at this machine; claude-code or codex where empty"`
		DelegatedBy string   `yaml:"delegated_by" doc:"account of the person at this machine; user.email of git for all projects where empty"`
		LogsURL     string   `yaml:"logs_url" doc:"where people read the log of a session; {session} stands for its id"`
		Forbidden   string   `yaml:"forbidden" doc:"what a hook does where enricher.policy forbids a change: off, ask or deny"`
		Keep        Duration `yaml:"keep" doc:"how long what hooks noted is kept where it cannot be sent; 0 is for ever"`
		Approval    string   `yaml:"approval" doc:"the same where it asks for leave: off, ask or deny"`
	} `yaml:"hook"`
	Local struct {
		Data   string `yaml:"data" path:"true" doc:"folder of the embedded mode"`
		Broker string `yaml:"broker" doc:"address at which the embedded broker listens"`
	} `yaml:"local"`
	Web struct {
		Listen string   `yaml:"listen" doc:"address of the page"`
		Hosts  []string `yaml:"hosts" doc:"host names by which gateway, pages and metrics may be asked for where nobody is asked who they are, beside localhost and the addresses of this machine"`
	} `yaml:"web"`
	Telemetry struct {
		Listen string `yaml:"listen" doc:"address of /metrics, /healthz and /readyz; none where empty"`
		Open   bool   `yaml:"open" doc:"listen beyond this machine, and be asked for by any host: nobody gets there but who may"`
	} `yaml:"telemetry"`
	Log struct {
		Level  string `yaml:"level" doc:"debug, info, warn or error"`
		Format string `yaml:"format" doc:"text or json"`
	} `yaml:"log"`

	warnings []string          // of keys by their former names, and of those of a work tree
	origins  map[string]origin // of keys that are set
	tree     treeFile
	file     string // the configuration file that was read; "" where there is none
}

// Duration is a time span as people write it: 90d, 24h, 5ms.
type Duration time.Duration

// maxDays is as many days as a Duration holds.
const maxDays = math.MaxInt64 / int64(24*time.Hour)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > maxDays {
			return fmt.Errorf("%q is not a time span, as 90d, 24h or 5ms, of at most %d days", s, maxDays)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if s == "" {
		v, err = 0, nil
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time span, as 90d, 24h or 5ms", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) {
	if day := 24 * time.Hour; d > 0 && time.Duration(d)%day == 0 {
		return []byte(strconv.Itoa(int(time.Duration(d)/day)) + "d"), nil
	}
	return []byte(time.Duration(d).String()), nil
}

const (
	envPrefix   = "CHANGETRAIL_"
	defaultFile = "changetrail.yaml"
)

func defaults() Settings {
	s := Settings{origins: make(map[string]origin)}
	s.Namespace = "default"
	s.Retention = Duration(400 * 24 * time.Hour)
	s.Kafka.Brokers = []string{"localhost:9092"}
	s.Kafka.Prefix = "changetrail"
	s.Kafka.Partitions = 12
	s.Kafka.Replication = -1
	s.Enricher.StateDir = "changetrail-state"
	s.Enricher.MaxBatch = 4000
	s.Enricher.MaxMemory = 256 << 20
	s.Enricher.EvidenceAge = Duration(180 * 24 * time.Hour)
	s.Enricher.Linger = Duration(50 * time.Millisecond)
	s.Sink.Engine = schemas.OpenSearch
	s.Sink.Addresses = []string{"http://localhost:9200"}
	s.Sink.MaxDocs = 1000
	s.Sink.MaxBytes = 5 << 20
	s.Sink.InFlight = 2
	s.Sink.Linger = Duration(100 * time.Millisecond)
	s.Sink.Shards = 1
	s.Producer.Source = "/changetrail/cli"
	s.Content = string(secrets.Redacted)
	s.Gateway.Listen = "127.0.0.1:8080"
	s.Gateway.Rate = 10_000
	s.Gateway.Concurrency = 1024
	s.Gateway.MaxBody = 8 << 20
	s.Gateway.MaxMemory = 256 << 20
	s.Gateway.BlobRate = 1 << 30
	s.Gateway.Timeout = Duration(10 * time.Second)
	s.Hook.Forbidden, s.Hook.Approval = hook.Off, hook.Off
	s.Hook.Keep = Duration(30 * 24 * time.Hour)
	s.Local.Data = "changetrail-data"
	s.Local.Broker = "127.0.0.1:9092"
	s.Web.Listen = "127.0.0.1:8080"
	s.Log.Level = "info"
	s.Log.Format = "text"
	return s
}

// fromFile sets what a file says. Keys by their former names are read, too.
func (s *Settings) fromFile(text []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return err
	}
	if renamed := s.rename(&root, ""); renamed {
		var err error
		if text, err = yaml.Marshal(&root); err != nil {
			return err
		}
	}
	leaves(&root, "", func(path string, _ *yaml.Node) { s.origins[path] = fromFile })
	return strictyaml.Decode(text, s)
}

// formerNames are the keys that have another name today.
var formerNames = map[string]string{
	"stamp_key": "signing_key", "stamp_key_file": "signing_key_file", "trust.unstamped": "trust.unsigned",
}

// rename gives the keys of a file the names that they have today, and notes which had
// former ones.
func (s *Settings) rename(n *yaml.Node, prefix string) (renamed bool) {
	if n.Kind == yaml.DocumentNode {
		for _, c := range n.Content {
			renamed = s.rename(c, prefix) || renamed
		}
		return renamed
	}
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		path := prefix + n.Content[i].Value
		if name, former := formerNames[path]; former {
			s.warnings = append(s.warnings, fmt.Sprintf("configuration: %s is called %s now; the former name will not be read by version 1.0", path, name))
			n.Content[i].Value, renamed = name[strings.LastIndexByte(name, '.')+1:], true
		}
		renamed = s.rename(n.Content[i+1], path+".") || renamed
	}
	return renamed
}

// keys visits every key: its path, as kafka.brokers, its value and the tags of its field.
func (s *Settings) keys(visit func(path string, v reflect.Value, tags reflect.StructTag)) {
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			path := prefix + f.Tag.Get("yaml")
			if f.Type.Kind() == reflect.Struct {
				walk(v.Field(i), path+".")
			} else {
				visit(path, v.Field(i), f.Tag)
			}
		}
	}
	walk(reflect.ValueOf(s).Elem(), "")
}

// values are the values of all keys.
func (s *Settings) values() map[string]reflect.Value {
	out := make(map[string]reflect.Value)
	s.keys(func(path string, v reflect.Value, _ reflect.StructTag) { out[path] = v })
	return out
}

// envName is the environment variable of a key.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// formerVariables are the environment variables of formerNames.
func formerVariables() map[string]string {
	out := make(map[string]string, len(formerNames))
	for former, now := range formerNames {
		out[envName(former)] = envName(now)
	}
	return out
}

func (s *Settings) fromEnvironment(environ []string) error {
	formerly := formerVariables()
	fields, names := make(map[string]reflect.Value), make(map[string]string)
	for path, v := range s.values() {
		fields[envName(path)], names[envName(path)] = v, path
	}
	var errs []error
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) || name == envPrefix+"CONFIG" {
			continue
		}
		if now, former := formerly[name]; former {
			s.warnings = append(s.warnings, fmt.Sprintf("environment: %s is called %s now; the former name will not be read by version 1.0", name, now))
			name = now
		}
		field, ok := fields[name]
		if !ok {
			errs = append(errs, fmt.Errorf("environment: %s is no setting of changetrail", name))
			continue
		}
		if err := setText(field, value); err != nil {
			errs = append(errs, fmt.Errorf("environment: %s: %w", name, err))
		}
		s.origins[names[name]] = fromCall
	}
	return errors.Join(errs...)
}

// setText sets a key from text: a list from its parts between commas, one of structures
// from YAML.
func setText(v reflect.Value, text string) error {
	if d, ok := v.Addr().Interface().(*Duration); ok {
		return d.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			return strictyaml.Decode([]byte(text), v.Addr().Interface())
		}
		var list []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		v.Set(reflect.ValueOf(list))
	}
	return nil
}

// secret returns a secret that is given as itself or as a file.
func secret(name, value, file string) (string, error) {
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("configuration: %s and %s_file are both set; keep one", name, name)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("configuration: %s_file: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

func (s *Settings) kafka() (stream.Config, error) {
	k := s.Kafka
	password, err := secret("kafka.sasl.password", k.SASL.Password, k.SASL.PasswordFile)
	return stream.Config{
		Brokers: k.Brokers,
		TLS:     stream.TLS{Enabled: k.TLS.Enabled, CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile},
		SASL:    stream.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: password},
	}, err
}

func (s *Settings) topics() stream.Topics { return stream.Topics{Prefix: s.Kafka.Prefix} }

// kafkaRetention is how long topics kept by time are kept.
func (s *Settings) kafkaRetention() time.Duration {
	if s.Kafka.Retention > 0 {
		return time.Duration(s.Kafka.Retention)
	}
	return time.Duration(s.Retention)
}

// engine returns the search engine that sink.engine names, to be asked for what is of the
// namespace.
func (s *Settings) engine() (*bulk.Server, error) {
	password, err1 := secret("sink.password", s.Sink.Password, s.Sink.PasswordFile)
	key, err2 := secret("sink.api_key", s.Sink.APIKey, s.Sink.APIKeyFile)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	connect := opensearch.New
	switch s.Sink.Engine {
	case schemas.OpenSearch:
	case schemas.Elasticsearch:
		connect = elasticsearch.New
	default:
		return nil, fmt.Errorf("configuration: sink.engine %q is neither opensearch nor elasticsearch", s.Sink.Engine)
	}
	server, err := connect(bulk.Connection{Addresses: s.Sink.Addresses, Username: s.Sink.Username, Password: password, APIKey: key, CAFile: s.Sink.CAFile, Gzip: s.Sink.Gzip})
	if err != nil {
		return nil, err
	}
	server.RecordIndex, server.EventIndex = schemas.RecordIndexes(s.Namespace), schemas.EventIndex(s.Namespace)
	return server, nil
}

// blobStore opens the store of blobs; nil where none is set.
func (s *Settings) blobStore(ctx context.Context) (*blobs.Store, error) {
	if s.Blobs == "" {
		return nil, nil
	}
	return blobs.Open(ctx, s.Blobs)
}

// policyAndControls reads the files that people write. Where none is given
// there are no services and no controls.
func (s *Settings) policyAndControls() (*policy.Policy, *controls.Matrix, error) {
	read := func(file string) ([]byte, error) {
		if file == "" {
			return nil, nil
		}
		return os.ReadFile(file)
	}
	p, err1 := readPolicy(s.Enricher.Policy)
	matrix, err2 := read(s.Enricher.Controls)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	m, err2 := controls.Parse(matrix)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	return p, m, nil
}

// readPolicy reads a policy with the files that it names; none is an empty one.
func readPolicy(file string) (*policy.Policy, error) {
	if file == "" {
		return policy.Parse(nil)
	}
	return policy.Load(os.DirFS(filepath.Dir(file)), filepath.Base(file))
}

// maxPartitions is more than any cluster has of one topic.
const maxPartitions = 1 << 20

// validate reports every value that cannot be.
func (s *Settings) validate() error {
	var errs []error
	if s.Namespace == "" || strings.ToLower(s.Namespace) != s.Namespace || strings.ContainsAny(s.Namespace, `\/*?"<>| ,#:-`) || len(s.Namespace) > 100 {
		errs = append(errs, fmt.Errorf("configuration: namespace %q: lower-case letters, digits, dots and underscores, at most 100", s.Namespace))
	}
	if s.Retention < Duration(24*time.Hour) {
		errs = append(errs, errors.New("configuration: retention is under a day"))
	}
	for i, t := range s.Trust.Unsigned {
		if err := t.Check(); err != nil {
			errs = append(errs, fmt.Errorf("configuration: trust.unsigned[%d]: %w", i, err))
		}
	}
	if s.Kafka.Partitions < 1 || s.Kafka.Partitions > maxPartitions {
		errs = append(errs, fmt.Errorf("configuration: kafka.partitions %d is not between 1 and %d", s.Kafka.Partitions, maxPartitions))
	}
	if s.Kafka.Replication < -1 || s.Kafka.Replication > math.MaxInt16 {
		errs = append(errs, fmt.Errorf("configuration: kafka.replication %d is neither -1 nor a number of brokers", s.Kafka.Replication))
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s.Log.Level) {
		errs = append(errs, fmt.Errorf("configuration: log.level %q is none of debug, info, warn, error", s.Log.Level))
	}
	if _, err := secrets.ParseMode(s.Content); err != nil {
		errs = append(errs, fmt.Errorf("configuration: content: %w", err))
	}
	for name, step := range map[string]string{"hook.forbidden": s.Hook.Forbidden, "hook.approval": s.Hook.Approval} {
		if !slices.Contains([]string{hook.Off, hook.Ask, hook.Deny}, step) {
			errs = append(errs, fmt.Errorf("configuration: %s %q is none of off, ask, deny", name, step))
		}
	}
	if s.Gateway.Rate < 1 || s.Gateway.Concurrency < 1 || s.Gateway.MaxBody < 1 || s.Gateway.MaxMemory < 8 || s.Gateway.BlobRate < 1 || s.Gateway.Timeout < 1 {
		errs = append(errs, errors.New("configuration: gateway.rate, concurrency, max_body, max_memory, blob_rate and timeout must be above 0"))
	}
	if s.Enricher.MaxMemory < 8<<20 {
		errs = append(errs, errors.New("configuration: enricher.max_memory is below 8388608 (8 MiB)"))
	}
	if !slices.Contains([]string{"text", "json"}, s.Log.Format) {
		errs = append(errs, fmt.Errorf("configuration: log.format %q is neither text nor json", s.Log.Format))
	}
	return errors.Join(errs...)
}
