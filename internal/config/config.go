package config

import (
	"time"

	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/settings"
)

// A Config is changetrail.yaml. Each key is also an environment variable, its
// path in capitals after CHANGETRAIL_: kafka.brokers is
// CHANGETRAIL_KAFKA_BROKERS, a list with commas. A flag wins over the
// environment, the environment over the file, the file over the default.
type Config struct {
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
	Blobs            string `yaml:"blobs" path:"true" doc:"where reports and large data are kept: a folder, or a URL as s3://bucket (with -tags clouds also gs://bucket, azblob://container)"`
	Trust            struct {
		Unsigned []settings.Trust `yaml:"unsigned" doc:"for a Kafka to which nobody else can write: sources whose events count without a signature, each {source: pattern, as: observed, human or signed, may: [kinds], history: true}; docs/operations.md"`
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
		Listen               string                 `yaml:"listen" doc:"address of the gateway"`
		Credentials          string                 `yaml:"credentials" path:"true" doc:"credentials.yaml: who may send and read, and as whom; where empty anybody who can connect may, where it lists nobody nobody may"`
		Open                 bool                   `yaml:"open" doc:"listen beyond this machine though there are no credentials: something before it asks who they are"`
		Plaintext            bool                   `yaml:"plaintext" doc:"listen beyond this machine though there is no certificate: something before it encrypts"`
		CertFile             string                 `yaml:"cert_file" path:"true" doc:"certificate (PEM); plain HTTP where empty"`
		KeyFile              string                 `yaml:"key_file" path:"true"`
		ClientCAFile         string                 `yaml:"client_ca_file" path:"true" doc:"who signs the certificates of clients (mTLS)"`
		GitHubSecret         string                 `yaml:"github_secret" secret:"true" doc:"of the webhooks of GitHub; several, one a line, while one takes the place of another"`
		GitHubSecretFile     string                 `yaml:"github_secret_file" path:"true"`
		GitLabToken          string                 `yaml:"gitlab_token" secret:"true" doc:"of the webhooks of GitLab"`
		GitLabTokenFile      string                 `yaml:"gitlab_token_file" path:"true"`
		GitLabSigningKey     string                 `yaml:"gitlab_signing_key" secret:"true" doc:"whsec_…, of signed webhooks of GitLab"`
		GitLabSigningKeyFile string                 `yaml:"gitlab_signing_key_file" path:"true"`
		JiraSecret           string                 `yaml:"jira_secret" secret:"true" doc:"of the webhooks of Jira; several, one a line, while one takes the place of another"`
		JiraSecretFile       string                 `yaml:"jira_secret_file" path:"true"`
		JiraProjects         []settings.JiraProject `yaml:"jira_projects" doc:"in which repositories work on the issues of Jira's projects is done, each {project: PAY, repositories: [github.com/acme/payments]}"`
		Spool                string                 `yaml:"spool" path:"true" doc:"folder for events while the broker is away; without one they are refused then"`
		Rate                 int                    `yaml:"rate" doc:"events a second of one credential, unless it has a rate of its own"`
		Concurrency          int                    `yaml:"concurrency" doc:"requests of one credential at a time"`
		MaxBody              int                    `yaml:"max_body" doc:"bytes of a request, unpacked"`
		MaxMemory            int                    `yaml:"max_memory" doc:"bytes that all requests at work hold at a time; three eighths of it are for webhooks and those without a credential"`
		BlobRate             int                    `yaml:"blob_rate" doc:"bytes of files a minute of one credential"`
		Timeout              Duration               `yaml:"timeout" doc:"how long the broker may take"`
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
	tree     Tree
	file     string // the configuration file that was read; "" where there is none
}

// Defaults returns the settings where nothing is set.
func Defaults() Config {
	c := Config{origins: make(map[string]origin)}
	c.Namespace = "default"
	c.Retention = Duration(400 * 24 * time.Hour)
	c.Kafka.Brokers = []string{"localhost:9092"}
	c.Kafka.Prefix = "changetrail"
	c.Kafka.Partitions = 12
	c.Kafka.Replication = -1
	c.Enricher.StateDir = "changetrail-state"
	c.Enricher.MaxBatch = 4000
	c.Enricher.MaxMemory = 256 << 20
	c.Enricher.EvidenceAge = Duration(180 * 24 * time.Hour)
	c.Enricher.Linger = Duration(50 * time.Millisecond)
	c.Sink.Engine = settings.OpenSearch
	c.Sink.Addresses = []string{"http://localhost:9200"}
	c.Sink.MaxDocs = 1000
	c.Sink.MaxBytes = 5 << 20
	c.Sink.InFlight = 2
	c.Sink.Linger = Duration(100 * time.Millisecond)
	c.Sink.Shards = 1
	c.Producer.Source = "/changetrail/cli"
	c.Content = string(secrets.Redacted)
	c.Gateway.Listen = "127.0.0.1:8080"
	c.Gateway.Rate = 10_000
	c.Gateway.Concurrency = 1024
	c.Gateway.MaxBody = 8 << 20
	c.Gateway.MaxMemory = 256 << 20
	c.Gateway.BlobRate = 1 << 30
	c.Gateway.Timeout = Duration(10 * time.Second)
	c.Hook.Forbidden, c.Hook.Approval = settings.Off, settings.Off
	c.Hook.Keep = Duration(30 * 24 * time.Hour)
	c.Local.Data = "changetrail-data"
	c.Local.Broker = "127.0.0.1:9092"
	c.Web.Listen = "127.0.0.1:8080"
	c.Log.Level = "info"
	c.Log.Format = "text"
	return c
}

// Warnings are what a person is to know of the settings: of keys by their former names, and
// of those of a work tree.
func (c *Config) Warnings() []string { return c.warnings }

// File is the configuration file that was read; "" where there is none.
func (c *Config) File() string { return c.file }

// Tree is what the work tree says of itself.
func (c *Config) Tree() Tree { return c.tree }
